//! `autoheal run`: the main job.

use std::{env, path::PathBuf};

use super::{
    ask::{Admin, Io},
    exit,
    files::Files,
};
use crate::{
    app,
    config::{Diagnostic, Overrides},
};

/// Options win over files, later files over earlier ones.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// An autoheal.toml, web.config or ARM JSON [env: AUTOHEAL_CONFIG; default: ./autoheal.toml,
    /// else ./web.config]
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// One key of autoheal.toml, like recycle.drain_timeout=5s
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where clients connect [env: AUTOHEAL_LISTEN; default: 0.0.0.0:$PORT, else 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Where journal and incidents are kept
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Where the worker listens: auto, a number, or unix
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// heal, observe (rules only report) or relay (a bare proxy)
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// The worker's program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Runs until told to stop; gives the exit code.
pub fn run(args: &Args, admin: &Admin, io: &mut Io<'_>) -> i32 {
    let overrides = Overrides {
        set: args.set.clone(),
        listen: args.listen.clone(),
        admin: admin
            .admin
            .clone()
            .or_else(|| env::var("AUTOHEAL_ADMIN").ok()),
        state_dir: args.state_dir.clone(),
        port: args.port.clone(),
        mode: args.mode.clone(),
        command: args.command.clone(),
        command_may_follow: false,
    };
    let mut files = Files::new(args.config.clone(), overrides);
    let reading = files.read();
    let loaded = match reading.found {
        Ok(loaded) => loaded,
        Err(found) => {
            show(io, &found);
            return exit::CONFIG;
        }
    };
    show(io, &loaded.warnings);
    let start = app::Start {
        loaded,
        names: reading.names,
        files: reading.files,
        stamps: reading.stamps,
        load: Box::new(move || files.read()),
    };
    match app::run(start) {
        Ok(code) => code,
        Err(error) => {
            // If not even this can be said, the code says it.
            drop(writeln!(io.err, "error: failed to {error}"));
            exit::SYSTEM
        }
    }
}

fn show(io: &mut Io<'_>, found: &[Diagnostic]) {
    for diagnostic in found {
        // A closed standard error does not keep the app from running.
        drop(writeln!(io.err, "{}", diagnostic.render(false)));
    }
}
