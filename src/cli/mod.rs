//! The command line: one file a verb.

pub mod demo;
pub mod load;

use clap::Parser;

/// A self-healing reverse proxy: stands before one app and recycles it so that no client notices.
#[derive(Debug, Parser)]
#[command(name = "autoheal", version)]
enum Cli {
    /// An honest open-loop load client for benches
    Load(load::LoadArgs),
    /// A worker that leaks, hangs and crashes, load on it: healed before your eyes
    Demo(demo::DemoArgs),
    /// The demo's misbehaving worker
    #[command(hide = true)]
    DemoWorker(demo::worker::DemoWorkerArgs),
}

/// Carries out the command line and gives the exit code.
#[must_use]
pub fn main() -> i32 {
    match Cli::parse() {
        Cli::Load(args) => load::run(&args),
        Cli::Demo(args) => demo::run(&args),
        Cli::DemoWorker(args) => demo::worker::run(args),
    }
}
