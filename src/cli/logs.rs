//! `autoheal logs`: what the worker printed.

use super::{
    ask::{Admin, AskError, Client, Io, with_client},
    exit,
};
use crate::{control::order::LogLine, words::one_line};

/// Show what the worker printed, the latest last
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Of the newest worker that has ended: its last words
    #[arg(long)]
    pub previous: bool,
    /// Of this one of several instances; without it of the worker that was started last
    #[arg(long, value_name = "N")]
    pub instance: Option<u32>,
    /// So many lines at most
    #[arg(short, value_name = "N", default_value_t = 100)]
    pub number: u32,
    /// Go on showing what it prints
    #[arg(long, short, conflicts_with = "previous")]
    pub follow: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(serde::Deserialize)]
struct Answer {
    lines: Vec<LogLine>,
    next: u64,
    lost: u64,
}

/// Runs it.
pub fn run(args: &Args, admin: &Admin, io: &mut Io<'_>) -> i32 {
    with_client(admin, io, |client, io| {
        let (previous, number) = (u8::from(args.previous), args.number);
        let which = args.instance.map(|number| format!("&instance={number}"));
        let which = which.unwrap_or_default();
        let mut answer = ask(
            client,
            &format!("previous={previous}&limit={number}{which}"),
        )?;
        if answer.lost > 0 {
            let lost = answer.lost;
            writeln!(io.err, "autoheal: {lost} older lines were not kept")?;
        }
        loop {
            for line in &answer.lines {
                if args.json {
                    let json = serde_json::to_string(line).unwrap_or_default();
                    writeln!(io.out, "{}", one_line(&json))?;
                } else {
                    let (at, generation) = (&line.at, line.generation);
                    let of = line.instance.map(|number| format!(" instance={number}"));
                    let of = of.unwrap_or_default();
                    writeln!(io.out, "{at} {generation}{of} {}", one_line(&line.text))?;
                }
            }
            io.out.flush()?;
            if !args.follow {
                return Ok(exit::DONE);
            }
            answer = ask(client, &format!("since={}&wait=25{which}", answer.next))?;
        }
    })
}

fn ask(client: &Client, query: &str) -> Result<Answer, AskError> {
    client.get_as(&format!("/api/v1/logs?{query}"))
}
