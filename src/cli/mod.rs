//! The commands, one file a verb.

pub mod ask;
pub mod events;
pub mod exit;
pub mod explain;
pub mod logs;
pub mod recycle;
pub mod requests;
pub mod status;
pub mod steer;

use ask::{Admin, Io};

/// Stands before one app and recycles it so that no client notices.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
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
    #[command(flatten)]
    /// One order.
    Steer(steer::Order),
    /// How things are.
    Status(status::Args),
    /// What happened.
    Events(events::Args),
    /// What is in flight.
    Requests(requests::Args),
    /// What the worker printed.
    Logs(logs::Args),
    /// Replace the worker.
    Recycle(recycle::Args),
    /// What a code means.
    Explain(explain::Args),
}

/// Runs a verb; gives the exit code.
pub fn run(arguments: &Arguments, io: &mut Io<'_>) -> i32 {
    let admin = &arguments.admin;
    match &arguments.verb {
        Verb::Steer(order) => steer::run(order, admin, io),
        Verb::Status(args) => status::run(args, admin, io),
        Verb::Events(args) => events::run(args, admin, io),
        Verb::Requests(args) => requests::run(args, admin, io),
        Verb::Logs(args) => logs::run(args, admin, io),
        Verb::Recycle(args) => recycle::run(args, admin, io),
        Verb::Explain(args) => explain::run(args, io),
    }
}

#[cfg(test)]
mod tests;
