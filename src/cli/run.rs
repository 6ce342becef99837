//! `autoheal run`: the main job.

use std::{env, io, path::PathBuf};

use super::{
    ask::{Admin, Io},
    exit, here,
};
use crate::{
    app,
    config::{self, Diagnostic, Loaded, Overrides, Source},
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
    let given = args.config.clone();
    let load = move || load(&given, &overrides);
    let loaded = match load() {
        Ok((files, loaded)) => {
            show(io, &loaded.warnings);
            app::Start {
                loaded,
                files,
                load: Box::new(load),
            }
        }
        Err(found) => {
            show(io, &found);
            return exit::CONFIG;
        }
    };
    match app::run(loaded) {
        Ok(code) => code,
        Err(error) => {
            // If not even this can be said, the code says it.
            drop(writeln!(io.err, "error: failed to {error}"));
            exit::SYSTEM
        }
    }
}

/// Reads the files, the environment and the options.
fn load(
    given: &[PathBuf],
    overrides: &Overrides,
) -> Result<(Vec<String>, Loaded), Vec<Diagnostic>> {
    let no_folder = |error: io::Error| {
        let what = format!("the current folder can't be read: {error}");
        vec![Diagnostic::error(
            what,
            "start autoheal in a folder that exists",
        )]
    };
    let around = here::surroundings().map_err(no_folder)?;
    let files = config::discover(given, &around);
    let (mut sources, mut found) = (Vec::new(), Vec::new());
    for file in &files {
        match Source::read(file, &around.cwd) {
            Ok(source) => sources.push(source),
            Err(diagnostic) => found.push(diagnostic),
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    let names = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    config::load(&sources, overrides, &around).map(|loaded| (names, loaded))
}

fn show(io: &mut Io<'_>, found: &[Diagnostic]) {
    for diagnostic in found {
        // A closed standard error does not keep the app from running.
        drop(writeln!(io.err, "{}", diagnostic.render(false)));
    }
}
