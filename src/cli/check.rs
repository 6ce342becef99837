//! `autoheal check FILE...`: every error at once with place and cure, or what will be done.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use super::here;
use crate::config::{Diagnostic, Overrides, Source, Surroundings, describe, discover, load};

/// A configuration that can't be used, as in sysexits(3).
const EX_CONFIG: i32 = 78;

/// Every error at once, or what will be done
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// autoheal.toml, web.config or ARM JSON, later ones winning [default: what `run` would read]
    pub files: Vec<PathBuf>,
}

/// Checks the files (none: those that `run` would read) and returns the exit code.
///
/// # Errors
/// When `out` can't be written to.
pub fn run(files: &[PathBuf], out: &mut dyn Write) -> io::Result<i32> {
    let around = here::surroundings()?;
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

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use super::*;
    use crate::{config::Machine, units::ByteSize};

    /// What `check` prints for a file, in a world that has the programs of the fixtures.
    fn checked(file: &Path) -> (i32, String) {
        let env = |name: &str| match name {
            "HOME" => Some("/home/site".to_owned()),
            "PATH" => Some("/usr/bin".to_owned()),
            _ => None,
        };
        let root = env::current_dir().unwrap();
        let there = ["/usr/bin/dotnet", "/usr/bin/python", "/usr/bin/sh"].map(PathBuf::from);
        let folder = root.join("tests/fixtures/config");
        let is_file = |path: &Path| {
            there.contains(&path.to_path_buf())
                || path == folder.join("./app.dll")
                || path == folder.join("bin/app")
        };
        let around = Surroundings {
            env: &env,
            is_file: &is_file,
            flaws: &|_| Vec::new(),
            cwd: root.clone(),
            machine: Machine {
                memory: Some(ByteSize::mib(16 * 1024)),
                memory_limit: None,
            },
        };
        let mut out = Vec::new();
        let code = check(&[file.to_path_buf()], &around, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        (code, out.replace(&root.display().to_string(), "ROOT"))
    }

    #[test]
    fn every_fixture_says_what_a_tired_operator_needs() {
        let mut files: Vec<_> = fs::read_dir("tests/fixtures/config")
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        assert!(files.len() > 30);
        for file in files {
            let (code, out) = checked(&file);
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            insta::with_settings!({
                snapshot_path => "../../tests/fixtures/config/snapshots",
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, {
                insta::assert_snapshot!(name, format!("{out}\nexit {code}"));
            });
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let (code, out) = checked(Path::new("nowhere.toml"));
        assert_eq!(code, 78);
        assert!(
            out.starts_with("error: there is no file nowhere.toml"),
            "{out}"
        );
    }
}
