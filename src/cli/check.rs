//! `autoheal check FILE...`: every error at once with place and cure, or what will be done.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
};

use crate::config::{Diagnostic, Overrides, Source, Surroundings, describe, discover, load};

/// A configuration that can't be used, as in sysexits(3).
const EX_CONFIG: i32 = 78;

/// Every error at once, or what will be done
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// autoheal.toml or web.config, later ones winning [default: what `run` would read]
    pub files: Vec<PathBuf>,
}

/// Checks the files (none: those that `run` would read) and returns the exit code.
///
/// # Errors
/// When `out` can't be written to.
pub fn run(files: &[PathBuf], out: &mut dyn Write) -> io::Result<i32> {
    let around = Surroundings {
        env: &|name| env::var(name).ok(),
        is_file: &|path| path.is_file(),
        cwd: env::current_dir()?,
    };
    check(files, &around, out)
}

fn check(files: &[PathBuf], around: &Surroundings<'_>, out: &mut dyn Write) -> io::Result<i32> {
    let files = discover(files, around);
    if files.is_empty() {
        let nothing = Diagnostic::error(
            "there is no autoheal.toml and no web.config in this folder",
            "name a file: autoheal check FILE",
        );
        write!(out, "{}", nothing.render(false))?;
        return Ok(EX_CONFIG);
    }
    let (mut sources, mut found) = (Vec::new(), Vec::new());
    for file in &files {
        match Source::read(file, &around.cwd) {
            Ok(source) => sources.push(source),
            Err(diagnostic) => found.push(diagnostic),
        }
    }
    let overrides = Overrides {
        command_may_follow: true,
        ..Overrides::default()
    };
    let settings = match load(&sources, &overrides, around) {
        Ok(loaded) => {
            found.extend(loaded.warnings);
            Some(loaded.settings)
        }
        Err(more) => {
            found.extend(more);
            None
        }
    };
    for diagnostic in &found {
        writeln!(out, "{}", diagnostic.render(false))?;
    }
    let errors = found.iter().filter(|found| found.is_error()).count();
    match settings {
        Some(settings) if errors == 0 => {
            for line in describe(&settings) {
                writeln!(out, "{line}")?;
            }
            Ok(0)
        }
        _ => {
            let noun = if errors == 1 { "error" } else { "errors" };
            writeln!(out, "{errors} {noun}: this configuration would not be used")?;
            Ok(EX_CONFIG)
        }
    }
}
