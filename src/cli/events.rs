//! `autoheal events`: what happened.

use serde_json::Value;

use super::{
    ask::{Admin, Io, with_client},
    exit,
};
use crate::words::one_line;

/// Show what happened, the latest last
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// So many at most
    #[arg(short, value_name = "N", default_value_t = 50)]
    pub number: u32,
    /// Go on showing what happens
    #[arg(long, short)]
    pub follow: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &Args, admin: &Admin, io: &mut Io<'_>) -> i32 {
    with_client(admin, io, |client, io| {
        let mut answer = client.get(&format!("/api/v1/events?limit={}", args.number))?;
        loop {
            for event in answer["events"].as_array().into_iter().flatten() {
                if args.json {
                    writeln!(io.out, "{event}")?;
                } else {
                    writeln!(io.out, "{}", line(event))?;
                }
            }
            io.out.flush()?;
            if let Some(lost) = answer["lost"]
                .as_u64()
                .filter(|lost| *lost > 0 && !args.follow)
            {
                writeln!(
                    io.err,
                    "autoheal: {lost} events are missing from the journal's files"
                )?;
            }
            if !args.follow {
                return Ok(exit::DONE);
            }
            let next = &answer["next"];
            answer = client.get(&format!("/api/v1/events?since={next}&wait=25"))?;
        }
    })
}

/// As in the log.
fn line(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or("");
    let level = text("level").to_ascii_uppercase();
    let mut line = format!("{} {level} {}", text("at"), text("text"));
    for (name, key) in [
        ("incident", "incident"),
        ("worker", "generation"),
        ("instance", "instance"),
    ] {
        if let Some(number) = event[key].as_u64() {
            line += &format!(" {name}={number}");
        }
    }
    one_line(&line).into_owned()
}
