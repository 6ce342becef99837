//! `autoheal convert FILE... --to FORMAT`: the same configuration in another format.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    io::{self, IsTerminal, Write, stderr},
    path::PathBuf,
};

use super::{ask::Io, exit, here};
use crate::config::{
    Diagnostic, Origin, Overrides, Severity, Source, Surroundings, Target, discover, load, write,
};

/// The same configuration in another format, on standard output
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// autoheal.toml, web.config or ARM .json, later ones winning [default: what `run` would read]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The format to write
    #[arg(long, value_name = "FORMAT")]
    pub to: Format,
}

/// A format to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// autoheal.toml, which can say everything
    Toml,
    /// The siteConfig of an ARM template, or of az webapp config set --generic-configurations
    Arm,
    /// web.config, with httpPlatform or aspNetCore for the worker
    Webconfig,
}

impl From<Format> for Target {
    fn from(format: Format) -> Self {
        match format {
            Format::Toml => Self::Toml,
            Format::Arm => Self::Arm,
            Format::Webconfig => Self::WebConfig,
        }
    }
}

/// Converts; what the target can't say is told on standard error. Gives the exit code.
pub fn run(args: &Args, io: &mut Io<'_>) -> i32 {
    let around = match here::surroundings() {
        Ok(around) => around,
        Err(error) => {
            drop(writeln!(
                io.err,
                "error: cannot read the current folder: {error}"
            ));
            return exit::SYSTEM;
        }
    };
    match convert(args, &around, stderr().is_terminal(), io) {
        Ok(code) => code,
        Err(error) => {
            // If not even this can be said, the code says it.
            drop(writeln!(io.err, "error: failed to write: {error}"));
            exit::SYSTEM
        }
    }
}

fn convert(
    args: &Args,
    around: &Surroundings<'_>,
    colour: bool,
    io: &mut Io<'_>,
) -> io::Result<i32> {
    let files = discover(&args.files, around);
    let (mut sources, mut found) = (Vec::new(), Vec::new());
    for file in &files {
        match Source::read(file, &around.cwd) {
            Ok(source) => sources.push(source),
            Err(diagnostic) => found.push(diagnostic),
        }
    }
    let Some(first) = sources.first() else {
        if found.is_empty() {
            found.push(Diagnostic::error(
                "there is no autoheal.toml and no web.config in this folder",
                "name a file: autoheal convert FILE --to toml",
            ));
        }
        tell(&found, colour, io.err)?;
        return Ok(exit::CONFIG);
    };
    let origin = Origin {
        from: names(&sources),
        home: first.dir.clone(),
    };
    let replaced = RefCell::new(BTreeSet::new());
    // What this shell happens to have is no part of the files.
    let own = ["PORT", "AUTOHEAL_LISTEN"];
    let env = |name: &str| {
        let value = (around.env)(name).filter(|_| !own.contains(&name))?;
        if name != "PATH" {
            replaced.borrow_mut().insert(name.to_owned());
        }
        Some(value)
    };
    let at_home = Surroundings {
        env: &env,
        is_file: around.is_file,
        flaws: &|_| Vec::new(),
        cwd: origin.home.clone(),
        machine: around.machine,
    };
    let overrides = Overrides {
        command_may_follow: true,
        ..Overrides::default()
    };
    let settings = match load(&sources, &overrides, &at_home) {
        Ok(loaded) => {
            found.extend(loaded.warnings);
            Some(loaded.settings)
        }
        Err(more) => {
            found.extend(more);
            None
        }
    };
    let errors = found.iter().filter(|found| found.is_error()).count();
    let Some(settings) = settings.filter(|_| errors == 0) else {
        tell(&found, colour, io.err)?;
        let noun = if errors == 1 { "error" } else { "errors" };
        writeln!(io.err, "{errors} {noun}: nothing was converted")?;
        return Ok(exit::CONFIG);
    };
    found.extend(replaced.take().iter().map(|name| from_here(name)));
    let written = write(&settings, args.to.into(), &origin);
    found.extend(written.warnings);
    tell(&found, colour, io.err)?;
    io.out.write_all(written.text.as_bytes())?;
    io.out.flush()?;
    Ok(exit::DONE)
}

fn names(sources: &[Source]) -> String {
    let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
    names.join(", then ")
}

/// A value that was read here stays as it is, wherever the file goes.
fn from_here(name: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        ..Diagnostic::error(
            format!("%{name}% is written as the value that it has here"),
            format!("look for the value in what was written, and set {name} where it is used"),
        )
    }
}

fn tell(found: &[Diagnostic], colour: bool, to: &mut dyn Write) -> io::Result<()> {
    for diagnostic in found {
        writeln!(to, "{}", diagnostic.render(colour))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::config::Machine;

    /// Exit code, standard output, standard error.
    fn converted(dir: &Path, files: &[&str], to: Format) -> (i32, String, String) {
        let env = |name: &str| match name {
            "HOME" => Some("/home/site".to_owned()),
            "PORT" => Some("5000".to_owned()),
            "PATH" => Some("/bin".to_owned()),
            _ => None,
        };
        let around = Surroundings {
            env: &env,
            is_file: &|path| path.is_file(),
            flaws: &|_| Vec::new(),
            cwd: dir.to_path_buf(),
            machine: Machine::default(),
        };
        let args = Args {
            files: files.iter().map(PathBuf::from).collect(),
            to,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut io = Io {
            out: &mut out,
            err: &mut err,
        };
        let code = convert(&args, &around, false, &mut io).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (code, text(out), text(err))
    }

    const IIS: &str = r#"<configuration><system.webServer>
        <httpPlatform processPath="./serve" arguments="--data %HOME%/data -p %PORT%" />
        </system.webServer></configuration>"#;

    #[test]
    fn paths_stay_as_they_were_and_what_came_from_this_shell_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("site")).unwrap();
        fs::write(dir.path().join("site/web.config"), IIS).unwrap();
        let (code, out, err) = converted(dir.path(), &["site/web.config"], Format::Toml);
        assert_eq!(code, exit::DONE);
        let (first, rest) = out.split_once('\n').unwrap();
        assert!(first.starts_with("# From site/web.config, by"), "{first}");
        let command = r#"["./serve", "--data", "/home/site/data", "-p", "{port}"]"#;
        let page = "maintenance = \"app_offline.htm\"";
        assert_eq!(rest, format!("\n{page}\n\n[worker]\ncommand = {command}\n"));
        assert!(
            err.contains("warning: %HOME% is written as the value"),
            "{err}"
        );
    }

    #[test]
    fn a_file_with_an_error_is_not_converted() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("autoheal.toml"), "mode = \"heel\"").unwrap();
        for files in [&["autoheal.toml"][..], &[], &["autoheal.toml", "none.toml"]] {
            let (code, out, err) = converted(dir.path(), files, Format::Toml);
            assert_eq!((code, out.as_str()), (exit::CONFIG, ""));
            assert!(err.contains("nothing was converted"), "{err}");
        }
        let (code, _, err) = converted(Path::new("/nowhere"), &[], Format::Toml);
        assert_eq!(code, exit::CONFIG);
        assert!(err.contains("autoheal convert FILE"), "{err}");
    }
}
