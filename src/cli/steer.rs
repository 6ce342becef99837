//! The verbs that are one order: start, stop, reload, hold, release, disarm, arm.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    ask::{Admin, AskError, Io, PATIENCE, with_client},
    exit,
};
use crate::{
    units::{UnitError, format_duration, parse_duration},
    words::one_line,
};

/// One order.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Order {
    /// Start the worker after `stop`, or after it was given up; of several all
    Start(Plain),
    /// Drain and stop the worker, of several all, and leave it stopped; autoheal answers 503
    Stop(Plain),
    /// Read the configuration again: whole, or not at all
    Reload(Plain),
    /// Park every new request, as while something behind the app restarts
    Hold(Hold),
    /// End a hold
    Release(Plain),
    /// Let rules only report for a while
    Disarm(Disarm),
    /// Let rules act again
    Arm(Arm),
}

/// An order without more words.
#[derive(Clone, Debug, clap::Args)]
pub struct Plain {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// How long to hold.
#[derive(Clone, Debug, clap::Args)]
pub struct Hold {
    /// At most this long, like 20s
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub r#for: Duration,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which rules rest, and how long.
#[derive(Clone, Debug, clap::Args)]
pub struct Disarm {
    /// These; none: all
    #[arg(value_name = "RULE")]
    pub rules: Vec<String>,
    /// This long, like 30min
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub r#for: Duration,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which rules act again.
#[derive(Clone, Debug, clap::Args)]
pub struct Arm {
    /// These; none: all
    #[arg(value_name = "RULE")]
    pub rules: Vec<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(order: &Order, admin: &Admin, io: &mut Io<'_>) -> i32 {
    let (verb, body, as_json) = match order {
        Order::Start(plain) => ("start", json!({}), plain.json),
        Order::Stop(plain) => ("stop", json!({}), plain.json),
        Order::Reload(plain) => ("reload", json!({}), plain.json),
        Order::Release(plain) => ("release", json!({}), plain.json),
        Order::Hold(hold) => {
            let body = json!({ "for": format_duration(hold.r#for) });
            ("hold", body, hold.json)
        }
        Order::Disarm(disarm) => {
            let time = format_duration(disarm.r#for);
            let body = json!({ "rules": disarm.rules, "for": time });
            ("disarm", body, disarm.json)
        }
        Order::Arm(arm) => ("arm", json!({ "rules": arm.rules }), arm.json),
    };
    with_client(admin, io, |client, io| {
        let answer = client.post(&format!("/api/v1/{verb}"), &body, Some(PATIENCE))?;
        report(&answer, as_json, io)
    })
}

/// Prints what was done.
pub(super) fn report(answer: &Value, as_json: bool, io: &mut Io<'_>) -> Result<i32, AskError> {
    if as_json {
        writeln!(io.out, "{answer}")?;
    } else {
        let text = answer["text"].as_str().unwrap_or("done");
        writeln!(io.out, "{}", one_line(text))?;
    }
    Ok(exit::DONE)
}

fn time(text: &str) -> Result<Duration, UnitError> {
    parse_duration(text)
}
