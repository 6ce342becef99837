//! The misbehaving worker: a small, fast HTTP server with a knob for each way of going wrong.
//!
//! It is what the demo and the end-to-end tests run behind autoheal, started from the same binary.
//! Answers carry `x-generation`, `x-pid` and `x-body-crc`, so that a client knows who answered and
//! that nothing was lost on the way.

mod answer;
mod body;
mod serve;
mod start;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

use crate::units::{ByteSize, parse_duration};

/// The knobs of the misbehaving worker. A well-behaved one has none turned.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DemoWorkerArgs {
    /// The port to listen on at 127.0.0.1; without it the one that PORT names
    #[arg(long)]
    port: Option<u16>,
    /// Listen on this Unix socket instead
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
    /// Burn this much CPU time before listening
    #[arg(long, value_parser = parse_duration)]
    start_cpu: Option<Duration>,
    /// Wait so long before each answer
    #[arg(long, value_parser = parse_duration)]
    work: Option<Duration>,
    /// Exit at once on SIGTERM, cutting what is in flight
    #[arg(long)]
    exit_on_term: bool,
    /// Ignore SIGTERM
    #[arg(long)]
    ignore_term: bool,
    /// Hang every request from this one on, counted from 1
    #[arg(long, value_name = "N")]
    hang_at: Option<u64>,
    /// Hang every request to this path
    #[arg(long, value_name = "PATH")]
    hang_path: Option<String>,
    /// Keep this much more memory with each request
    #[arg(long, value_name = "SIZE")]
    leak: Option<ByteSize>,
    /// Crash at this request, counted from 1
    #[arg(long, value_name = "N")]
    crash_at: Option<u64>,
    /// Crash by this signal (KILL, SEGV, ABRT) rather than with code 3
    #[arg(long, value_name = "SIGNAL", value_parser = start::parse_signal)]
    crash_signal: Option<rustix::process::Signal>,
    /// Exit with this code at once
    #[arg(long, value_name = "CODE")]
    exit_at_start: Option<i32>,
    /// Never listen, only live
    #[arg(long)]
    never_listen: bool,
    /// Listen on this port rather than on the one that was asked for
    #[arg(long, value_name = "PORT")]
    listen_elsewhere: Option<u16>,
    /// Go on as a process of its own session, whose parent exits with 0
    #[arg(long)]
    double_fork: bool,
    /// Become the leader of a session of its own: the second half of --double-fork
    #[arg(long, hide = true)]
    own_session: bool,
    /// Print this much to stdout, in lines, once it listens
    #[arg(long, value_name = "SIZE")]
    print: Option<ByteSize>,
    /// Append the X-Load-Id of each request received to this file
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Answer this path with this status, like /bad=500
    #[arg(long, value_name = "PATH=STATUS", value_parser = start::parse_status_path)]
    status_path: Vec<(String, http::StatusCode)>,
}

/// Serves until told to end; gives the exit code.
#[must_use]
pub fn run(args: DemoWorkerArgs) -> i32 {
    match start::run(args) {
        Ok(code) => code,
        Err(error) => {
            use std::io::Write as _;
            drop(writeln!(std::io::stderr().lock(), "demo worker: {error}"));
            111
        }
    }
}
