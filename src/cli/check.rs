//! `autoheal check FILE...`: every error at once with place and cure, or what will be done and
//! every setting in force.

mod show;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use super::{exit, here};
use crate::config::{Diagnostic, Loaded, Overrides, Source, Surroundings, discover, load};

/// Every error at once, or what will be done
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// autoheal.toml, web.config or ARM JSON, later ones winning [default: what `run` would read]
    pub files: Vec<PathBuf>,
    /// One key of autoheal.toml, as for `run`
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// Checks the files (none: those that `run` would read) and returns the exit code.
///
/// # Errors
/// When `out` can't be written to.
pub fn run(args: &Args, out: &mut dyn Write) -> io::Result<i32> {
    let checked = check(args, &here::surroundings()?);
    match args.json {
        true => show::json(&checked, out)?,
        false => show::text(&checked, out)?,
    }
    Ok(checked.code())
}

/// What a check found.
struct Checked {
    /// What is wrong, or probably not as meant.
    found: Vec<Diagnostic>,
    /// What would be put in force; `None`: there is an error.
    loaded: Option<Loaded>,
}

impl Checked {
    fn code(&self) -> i32 {
        match self.loaded {
            Some(_) => exit::DONE,
            None => exit::CONFIG,
        }
    }
}

fn check(args: &Args, around: &Surroundings<'_>) -> Checked {
    let files = discover(&args.files, around);
    let (mut sources, mut found) = (Vec::new(), Vec::new());
    if files.is_empty() {
        found.push(Diagnostic::error(
            "there is no autoheal.toml and no web.config in this folder",
            "name a file: autoheal check FILE",
        ));
        return Checked {
            found,
            loaded: None,
        };
    }
    for file in &files {
        match Source::read(file, &around.cwd) {
            Ok(source) => sources.push(source),
            Err(diagnostic) => found.push(diagnostic),
        }
    }
    let overrides = Overrides {
        set: args.set.clone(),
        command_may_follow: true,
        ..Overrides::default()
    };
    let loaded = load(&sources, &overrides, around)
        .inspect(|loaded| found.extend(loaded.warnings.iter().cloned()))
        .map_err(|more| found.extend(more));
    let failed = found.iter().any(Diagnostic::is_error);
    Checked {
        found,
        loaded: loaded.ok().filter(|_| !failed),
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use super::*;
    use crate::{config::Machine, units::ByteSize};

    /// What `check` prints for a file, in a world that has the programs of the fixtures.
    fn checked(file: &Path) -> Checked {
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
        let args = Args {
            files: vec![file.to_path_buf()],
            set: vec!["log.level=warn".to_owned()],
            json: false,
        };
        check(&args, &around)
    }

    /// What is printed of it.
    fn printed(show: fn(&Checked, &mut dyn Write) -> io::Result<()>, file: &str) -> (i32, String) {
        let checked = checked(Path::new(file));
        let mut out = Vec::new();
        show(&checked, &mut out).unwrap();
        let root = env::current_dir().unwrap().display().to_string();
        let out = String::from_utf8(out).unwrap().replace(&root, "ROOT");
        (checked.code(), out)
    }

    fn snapshot(name: &str, text: &str) {
        insta::with_settings!({
            snapshot_path => "../../tests/fixtures/config/snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, text);
        });
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
            let (code, out) = printed(show::sentences, file.to_str().unwrap());
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            snapshot(&name, &format!("{out}\nexit {code}"));
        }
    }

    #[test]
    fn every_setting_is_shown_with_where_it_was_said() {
        for name in ["rules-right.toml", "iis-full.config"] {
            let file = format!("tests/fixtures/config/{name}");
            let (_, sentences) = printed(show::sentences, &file);
            let (code, out) = printed(show::text, &file);
            assert_eq!(code, 0);
            let table = out.strip_suffix(&sentences).unwrap();
            let column = |line: &str| line.find("  default").unwrap();
            let columns: Vec<_> = table.lines().take(3).map(column).collect();
            assert_eq!(columns[..2], columns[1..]);
            // How wide a column is follows from where the test runs.
            let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            let lines: Vec<_> = table.lines().map(words).collect();
            let file_says = match name {
                "iis-full.config" => [
                    format!("worker.env.CONNECTION (not shown) {file}:27"),
                    format!("timeouts.response 5min {file}:25"),
                    format!("window 1h {file}:17"),
                ],
                _ => [
                    format!("worker.command [\"./bin/serve\", \"--port\", \"{{port}}\"] {file}:2"),
                    format!("share 30% {file}:6"),
                    "min_uptime 1min default".to_owned(),
                ],
            };
            let always = ["parking.wait 1min default", "log.level warn --set"];
            for line in file_says.into_iter().chain(always.map(str::to_owned)) {
                assert!(lines.contains(&line), "{line} is not in\n{table}");
            }
        }
    }

    #[test]
    fn programs_are_told_the_same_also_when_there_are_errors() {
        let told = |name: &str| {
            let (code, out) = printed(show::json, &format!("tests/fixtures/config/{name}"));
            let value: serde_json::Value = serde_json::from_str(&out).unwrap();
            (code, value)
        };
        let (code, value) = told("rules-right.toml");
        assert_eq!((code, &value["ok"]), (0, &true.into()));
        let rule = &value["rules"][0];
        assert_eq!(rule["name"], "checkout is failing");
        assert!(
            rule["sentence"]
                .as_str()
                .unwrap()
                .starts_with("When 20 answers")
        );
        assert_eq!(rule["settings"][2]["key"], "count");
        assert_eq!(rule["settings"][2]["value"], "20");
        let file = "tests/fixtures/config/several-mistakes.toml";
        let expected = serde_json::json!({
            "key": "log.level", "value": "warn", "source": "--set",
        });
        assert!(value["settings"].as_array().unwrap().contains(&expected));
        let (code, value) = told("several-mistakes.toml");
        assert_eq!((code, &value["ok"]), (78, &false.into()));
        let expected = serde_json::json!({
            "severity": "error",
            "what": "unknown key mdoe",
            "file": file,
            "line": 2,
            "column": 1,
            "excerpt": "mdoe = \"heal\"",
            "cure": "did you mean mode?",
        });
        assert_eq!(value["diagnostics"][1], expected);
        assert_eq!(
            (&value["rules"], &value["settings"]),
            (&[0; 0].as_slice().into(), &[0; 0].as_slice().into())
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let (code, out) = printed(show::text, "nowhere.toml");
        assert_eq!(code, 78);
        assert!(
            out.starts_with("error: there is no file nowhere.toml"),
            "{out}"
        );
    }
}
