//! What a whole configuration means, as sentences. The odd ones are in tests/fixtures/config.

use std::path::{Path, PathBuf};

use super::*;

pub(super) fn source(name: &str, text: &str) -> Source {
    Source {
        name: name.to_owned(),
        dir: PathBuf::from("/app"),
        bytes: text.as_bytes().to_vec(),
    }
}

pub(super) fn around<'a>(
    env: &'a dyn Fn(&str) -> Option<String>,
    is_file: &'a dyn Fn(&Path) -> bool,
) -> Surroundings<'a> {
    Surroundings {
        env,
        is_file,
        cwd: PathBuf::from("/here"),
    }
}

fn load_all(sources: &[Source], over: &Overrides, env: &[(&str, &str)]) -> Result<Loaded, String> {
    let env = |name: &str| {
        let found = env.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    load(sources, over, &around(&env, &|_| false)).map_err(|found| {
        let texts: Vec<_> = found.iter().map(|found| found.render(false)).collect();
        texts.join("\n")
    })
}

fn toml(text: &str) -> Result<Settings, String> {
    let text = format!("{text}\n[worker]\ncommand = [\"serve\"]\n");
    load_all(
        &[source("autoheal.toml", &text)],
        &Overrides::default(),
        &[],
    )
    .map(|l| l.settings)
}

#[test]
fn a_command_alone_is_a_configuration() {
    let over = Overrides {
        command: vec!["serve".to_owned(), "--fast".to_owned()],
        ..Overrides::default()
    };
    let settings = load_all(&[], &over, &[]).unwrap().settings;
    assert_eq!(settings.worker.command, ["serve", "--fast"]);
    assert_eq!(settings.worker.dir, Path::new("/here"));
    assert_eq!(settings.listen[0].to_string(), "0.0.0.0:8080");
    assert_eq!(settings.policy.rules.len(), 2);
    let settings = load_all(&[], &over, &[("PORT", "5001")]).unwrap().settings;
    assert_eq!(settings.listen[0].to_string(), "0.0.0.0:5001");
}

fn shipped() -> String {
    std::fs::read_to_string("config/autoheal.toml").unwrap()
}

/// The shipped file with every default taken out of its comment.
fn uncommented() -> String {
    let lines = shipped();
    let lines = lines.lines().map(|line| {
        let rest = line.strip_prefix('#').unwrap_or(line);
        if rest.starts_with([' ', '#']) || rest.is_empty() {
            line.to_owned() + "\n"
        } else {
            rest.to_owned() + "\n"
        }
    });
    lines.collect()
}

fn with_command() -> Overrides {
    Overrides {
        command: vec!["serve".to_owned()],
        set: vec!["worker.dir=/here".to_owned(), "health.path=/up".to_owned()],
        ..Overrides::default()
    }
}

#[test]
fn the_shipped_file_is_exactly_the_defaults() {
    let nothing = load_all(&[], &with_command(), &[]).unwrap().settings;
    let commented = source("autoheal.toml", &shipped());
    let loaded = load_all(&[commented], &with_command(), &[]).unwrap();
    assert_eq!(loaded.settings, nothing);
    let loaded = load_all(
        &[source("autoheal.toml", &uncommented())],
        &with_command(),
        &[],
    );
    assert_eq!(loaded.unwrap().settings, nothing);
}

#[test]
fn the_shipped_file_names_every_key() {
    let shipped = shipped();
    let mut section = "";
    let mut named = Vec::new();
    for line in shipped.lines() {
        if let Some(header) = line.strip_prefix("#[").and_then(|l| l.strip_suffix(']')) {
            section = header;
        }
        let key = line.trim_start_matches(['#', ' ']).split(['=', ' ']).next();
        named.push((section, key.unwrap_or_default().to_owned()));
    }
    for (table, keys) in keys::KEYS {
        for key in keys {
            let here = match table.split_once('.') {
                // Keys of inline tables stand behind others.
                Some(_) => shipped.contains(&format!("{key} = ")),
                None if matches!(table, "rule") => shipped.contains(&format!("\n# {key}")),
                None if table == "when" => shipped.contains(&format!("\n# when.{key} = ")),
                None => {
                    named.iter().any(|(at, name)| *at == table && name == key)
                        || (table.is_empty() && shipped.contains(&format!("[{key}]")))
                }
            };
            assert!(here, "{table}.{key}");
        }
    }
}

#[test]
fn a_default_that_is_changed_in_the_shipped_file_is_noticed() {
    let changed = uncommented().replace("failures = 3", "failures = 4");
    let nothing = load_all(&[], &with_command(), &[]).unwrap().settings;
    let loaded = load_all(&[source("autoheal.toml", &changed)], &with_command(), &[]);
    assert_ne!(loaded.unwrap().settings, nothing);
}

#[test]
fn every_example_is_a_configuration() {
    let mut examples = 0;
    for entry in std::fs::read_dir("config/examples").unwrap() {
        let path = entry.unwrap().path();
        let source = Source::read(&path, &std::env::current_dir().unwrap()).unwrap();
        let loaded = load_all(&[source], &Overrides::default(), &[("PATH", "/bin")]);
        let loaded = loaded.unwrap_or_else(|error| panic!("{}\n{error}", path.display()));
        assert_eq!(loaded.warnings, [], "{}", path.display());
        examples += 1;
    }
    assert!(examples >= 3);
}
