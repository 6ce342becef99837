//! The commands, one file a verb.

pub mod ask;
pub mod check;
pub mod completions;
pub mod convert;
pub mod demo;
pub mod events;
pub mod exit;
pub mod explain;
mod files;
mod here;
pub mod incidents;
pub mod load;
pub mod logs;
pub mod man;
pub mod recycle;
pub mod requests;
pub mod run;
pub mod schema;
pub mod status;
pub mod steer;

use std::io::{stderr, stdout};

use ask::{Admin, Io};
use clap::{Parser, error::ErrorKind};

/// A self-healing reverse proxy: stands before one app and recycles it so that no client notices.
#[derive(Clone, Debug, Parser)]
#[command(name = "autoheal", version)]
pub struct Arguments {
    /// Which autoheal is asked.
    #[command(flatten)]
    pub admin: Admin,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Verb {
    /// Start the worker, stand before it and heal it: the main job
    Run(run::Args),
    /// Check configuration files: every error with place and cure, or what will be done
    Check(check::Args),
    /// The same configuration in another format; what that can't say is a warning
    Convert(convert::Args),
    /// How things are
    Status(status::Args),
    /// What happened
    Events(events::Args),
    /// What went wrong, what it cost, and whether healing helped
    Incidents(incidents::Args),
    /// What is in flight
    Requests(requests::Args),
    /// What the worker printed
    Logs(logs::Args),
    /// Replace the worker
    Recycle(recycle::Args),
    /// One order
    #[command(flatten)]
    Steer(steer::Order),
    /// What happened: the story of an incident; or what a code means, its causes and their cures
    Explain(explain::Args),
    /// What an editor needs to complete and check an autoheal.toml: its JSON Schema
    Schema,
    /// What a shell needs to complete autoheal's commands
    Completions(completions::Args),
    /// The manual page, or a page for each command
    Man(man::Args),
    /// An honest open-loop load client
    Load(load::LoadArgs),

    /// A worker that leaks, hangs and crashes, load on it: healed before your eyes
    Demo(demo::DemoArgs),
    /// The demo's misbehaving worker
    #[command(hide = true)]
    DemoWorker(demo::worker::DemoWorkerArgs),
}

/// Carries out the command line; gives the exit code.
#[must_use]
pub fn main() -> u8 {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // A terminal that is gone does not need it.
            drop(error.print());
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            return code(if asked { exit::DONE } else { exit::USAGE });
        }
    };
    let mut io = Io {
        out: &mut stdout(),
        err: &mut stderr(),
    };
    code(run(arguments, &mut io))
}

fn code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// Runs a verb; gives the exit code.
pub fn run(arguments: Arguments, io: &mut Io<'_>) -> i32 {
    let admin = &arguments.admin;
    match arguments.verb {
        Verb::Run(args) => run::run(&args, admin, io),
        Verb::Check(args) => match check::run(&args, io.out) {
            Ok(code) => code,
            Err(error) => {
                // If not even this can be said, the code says it.
                drop(writeln!(io.err, "error: failed to write: {error}"));
                exit::SYSTEM
            }
        },
        Verb::Convert(args) => convert::run(&args, io),
        Verb::Status(args) => status::run(&args, admin, io),
        Verb::Events(args) => events::run(&args, admin, io),
        Verb::Incidents(args) => incidents::run(&args, admin, io),
        Verb::Requests(args) => requests::run(&args, admin, io),
        Verb::Logs(args) => logs::run(&args, admin, io),
        Verb::Recycle(args) => recycle::run(&args, admin, io),
        Verb::Steer(order) => steer::run(&order, admin, io),
        Verb::Schema => schema::run(io),
        Verb::Completions(args) => completions::run(&args, io),
        Verb::Man(args) => man::run(&args, io),
        Verb::Explain(args) => explain::run(&args, admin, io),
        Verb::Load(args) => load::run(&args),

        Verb::Demo(args) => demo::run(&args),
        Verb::DemoWorker(args) => demo::worker::run(args),
    }
}

/// Prints what was made; gives the exit code.
fn print(bytes: &[u8], io: &mut Io<'_>) -> i32 {
    match io.out.write_all(bytes).and_then(|()| io.out.flush()) {
        Ok(()) => exit::DONE,
        // Whoever reads only the first lines has what it wanted.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => exit::DONE,
        Err(error) => {
            // If not even this can be said, the code says it.
            drop(writeln!(io.err, "error: failed to write: {error}"));
            exit::SYSTEM
        }
    }
}

#[cfg(test)]
mod tests;
