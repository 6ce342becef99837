//! What a whole configuration means, as sentences. The odd ones are in tests/fixtures/config.

use std::path::{Path, PathBuf};

use super::*;

mod attach;
mod cures;
mod dependencies;
mod effort;
mod elements;
mod examples;
mod panics;
mod probes;
mod routes;
mod schema;

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
        flaws: &|_| Vec::new(),
        cwd: PathBuf::from("/here"),
        machine: Machine::default(),
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

/// The section that a line of the shipped file begins. One that has no defaults is prose.
fn header(line: &str) -> Option<&str> {
    let bare = line.strip_prefix("# ").or_else(|| line.strip_prefix('#'))?;
    let name = bare.strip_prefix('[')?.strip_suffix(']')?;
    (!name.contains('[')).then_some(name)
}

/// The shipped file with every default taken out of its comment.
fn uncommented() -> String {
    let lines = shipped();
    let lines = lines.lines().map(|line| {
        let rest = line.strip_prefix('#').unwrap_or(line);
        if rest.starts_with([' ', '#', ':']) || rest.is_empty() {
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
        if let Some(header) = header(line) {
            section = header;
        }
        let key = line.trim_start_matches(['#', ' ']).split(['=', ' ']).next();
        named.push((section, key.unwrap_or_default().to_owned()));
    }
    for &(table, keys) in keys::KEYS {
        for key in keys {
            let here = match table.split_once('.') {
                // Keys of inline tables stand behind others.
                Some(_) => shipped.contains(&format!("{key} = ")),
                None if matches!(table, "listen" | "tls") => shipped.contains(&format!("{key} = ")),
                None if matches!(table, "rule" | "route" | "dependency") => {
                    shipped.contains(&format!("\n# {key}"))
                }
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
    let folders = ["", "flask", "node", "static"].map(|name| format!("config/examples/{name}"));
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let is_config = |path: &PathBuf| {
        matches!(
            path.extension().and_then(|e| e.to_str()),
            Some("toml" | "config")
        )
    };
    let files: Vec<PathBuf> = files.filter(is_config).collect();
    assert_eq!(files.len(), 6);
    for path in files {
        let source = Source::read(&path, &std::env::current_dir().unwrap()).unwrap();
        let loaded = load_all(&[source], &Overrides::default(), &[("PATH", "/bin")]);
        let loaded = loaded.unwrap_or_else(|error| panic!("{}\n{error}", path.display()));
        // App Service's rules have no share.
        let mut doubts = loaded
            .warnings
            .iter()
            .filter(|it| !it.what.contains("without a share"));
        assert_eq!(doubts.next(), None, "{}", path.display());
    }
}

fn options(text: &str, over: &Overrides) -> Result<Settings, String> {
    let text = format!("{text}\n[worker]\ncommand = [\"serve\"]\n");
    load_all(&[source("autoheal.toml", &text)], over, &[]).map(|loaded| loaded.settings)
}

fn set(pairs: &[&str]) -> Overrides {
    Overrides {
        set: pairs.iter().map(|pair| (*pair).to_owned()).collect(),
        ..Overrides::default()
    }
}

#[test]
fn options_win_over_the_environment_and_that_over_files() {
    let file = "listen = \":1000\"\nmode = \"observe\"";
    let text = format!("{file}\n[worker]\ncommand = [\"serve\"]");
    let files = [source("autoheal.toml", &text)];
    let env = [("PORT", "3000"), ("AUTOHEAL_LISTEN", ":2000")];
    let listen = |over: &Overrides, env: &[(&str, &str)]| {
        let settings = load_all(&files, over, env).unwrap().settings;
        settings.listen[0].to_string()
    };
    assert_eq!(listen(&Overrides::default(), &env[..1]), "0.0.0.0:1000");
    assert_eq!(listen(&Overrides::default(), &env), "0.0.0.0:2000");
    let over = Overrides {
        listen: Some(":4000".to_owned()),
        mode: Some("heal".to_owned()),
        port: Some("5000".to_owned()),
        admin: Some("off".to_owned()),
        state_dir: Some(PathBuf::from("state")),
        command: vec!["./other".to_owned(), "a b".to_owned()],
        ..Overrides::default()
    };
    assert_eq!(listen(&over, &env), "0.0.0.0:4000");
    let settings = load_all(&files, &over, &[]).unwrap().settings;
    assert_eq!(settings.policy.mode, crate::words::Mode::Heal);
    assert_eq!(settings.worker.port, Port::Fixed(5000));
    assert_eq!(settings.admin, Admin::Off);
    assert_eq!(settings.state_dir, Some(PathBuf::from("/here/state")));
    assert_eq!(settings.worker.command, ["/here/other", "a b"]);
    assert_eq!(settings.worker.dir, Path::new("/here"));
}

#[test]
fn set_takes_a_key_with_dots_and_a_value_with_or_without_quotes() {
    let over = set(&[
        "recycle.drain_timeout=5s",
        "recycle.ready={ path = \"/up\", status = 200 }",
        "parking.requests=7",
        "worker.env.A=1s",
        "proactive=false",
    ]);
    let settings = options("[parking]\nrequests = 9\nwait = \"9s\"", &over).unwrap();
    assert_eq!(settings.policy.recycle.drain_timeout.as_secs(), 5);
    assert_eq!(settings.parking.requests, 7);
    assert_eq!(settings.policy.parking_wait.as_secs(), 9);
    assert_eq!(settings.worker.env["A"], "1s");
    assert!(settings.policy.rules.is_empty());
}

#[test]
fn an_error_in_an_option_is_shown_under_its_name() {
    let over = Overrides {
        listen: Some("8080".to_owned()),
        port: Some("any".to_owned()),
        mode: Some("heel".to_owned()),
        ..set(&[
            "drain_timeout=5s",
            "mode",
            "log.levle=info",
            "timeouts.head=5",
        ])
    };
    let shown = options("", &over).unwrap_err();
    for expected in [
        "--> --listen:1:1",
        "--> --port:1:1",
        "did you mean \"heal\"?",
        "write --set recycle.drain_timeout=5s",
        "write --set mode=VALUE",
        "did you mean level?",
        "--> --set:1:15",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
}

#[test]
fn a_later_file_wins_key_by_key_and_rule_by_name() {
    let one = "[worker]\ncommand = [\"serve\"]\nenv = { A = \"1\", B = \"2\" }\n\
               [recycle]\nstart_timeout = \"1s\"\nstop_timeout = \"2s\"\n\
               [[rule]]\nname = \"a\"\nwhen.requests = { count = 1 }\ndo = [\"log\"]\n\
               [[rule]]\nname = \"b\"\nwhen.requests = { count = 2 }\ndo = [\"log\"]\n";
    let two = "[worker]\nenv = { B = \"3\" }\n[recycle]\nstop_timeout = \"3s\"\n\
               [[rule]]\nname = \"a\"\nwhen.memory = { private_bytes = \"1GiB\" }\n\
               do = [\"recycle\"]\n\
               [[rule]]\nname = \"c\"\nwhen.requests = { count = 3 }\ndo = [\"log\"]\n";
    let files = [source("one.toml", one), source("two.toml", two)];
    let over = set(&["proactive=false"]);
    let settings = load_all(&files, &over, &[]).unwrap().settings;
    let names: Vec<_> = settings
        .policy
        .rules
        .iter()
        .map(|r| r.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(settings.policy.rules[0].when.name(), "memory");
    assert_eq!(settings.policy.recycle.start_timeout.as_secs(), 1);
    assert_eq!(settings.policy.recycle.stop_timeout.as_secs(), 3);
    assert_eq!(settings.worker.env["A"], "1");
    assert_eq!(settings.worker.env["B"], "3");
}

#[test]
fn an_app_s_web_config_takes_settings_from_a_toml_beside_it() {
    let iis = std::fs::read_to_string("config/examples/static/web.config").unwrap();
    let toml = "[[rule]]\nname = \"status 501\"\nwhen.requests = { count = 3 }\ndo = [\"log\"]\n";
    let files = [source("web.config", &iis), source("autoheal.toml", toml)];
    let settings = load_all(&files, &Overrides::default(), &[])
        .unwrap()
        .settings;
    assert_eq!(
        settings.worker.command,
        [
            "python3",
            "-m",
            "http.server",
            "{port}",
            "--bind",
            "127.0.0.1"
        ]
    );
    assert_eq!(settings.worker.env["PYTHONUNBUFFERED"], "1");
    assert_eq!(settings.policy.recycle.start_timeout.as_secs(), 20);
    assert_eq!(settings.policy.rules[0].when.name(), "requests");
    assert_eq!(settings.policy.rules.len(), 5);
}

#[test]
fn the_order_of_a_recycle_follows_from_the_port() {
    use crate::decide::policy::Strategy;
    let strategy = |text: &str, port: &str| {
        let over = set(&[&format!("worker.port={port}"), "worker.env.S={socket}"]);
        let over = if port == "unix" {
            over
        } else {
            set(&[&over.set[0]])
        };
        options(text, &over).map(|settings| settings.policy.recycle.strategy)
    };
    assert_eq!(strategy("", "auto"), Ok(Strategy::Overlap));
    assert_eq!(strategy("", "unix"), Ok(Strategy::Overlap));
    assert_eq!(strategy("", "5000"), Ok(Strategy::InPlace));
    let in_place = "[recycle]\nstrategy = \"in-place\"";
    assert_eq!(strategy(in_place, "auto"), Ok(Strategy::InPlace));
    let overlap = "[recycle]\nstrategy = \"overlap\"";
    assert!(
        strategy(overlap, "5000")
            .unwrap_err()
            .contains("can't overlap")
    );
}

#[test]
fn without_a_command_the_cure_shows_both_ways_to_give_one() {
    let shown = load_all(&[], &Overrides::default(), &[]).unwrap_err();
    assert!(shown.contains("autoheal run -- COMMAND"), "{shown}");
    assert!(shown.contains("[worker]"), "{shown}");
}

#[test]
fn sixty_four_rules_are_the_most() {
    let rules = |count: usize| {
        let rule = |i| format!("[[rule]]\nname = \"{i}\"\nwhen.requests.count = 1\ndo = \"log\"\n");
        let rules: String = (0..count).map(rule).collect();
        options(&rules, &Overrides::default())
    };
    assert_eq!(rules(62).unwrap().policy.rules.len(), 64);
    assert!(rules(63).unwrap_err().contains("65 rules are more than 64"));
}

#[test]
fn the_files_to_read_are_found_in_order() {
    let found = |given: &[&str], env: Option<&str>, there: &[&str]| {
        let env = env.map(str::to_owned);
        let env = move |_: &str| env.clone();
        let there: Vec<_> = there
            .iter()
            .map(|name| Path::new("/here").join(name))
            .collect();
        let is_file = |path: &Path| there.iter().any(|file| file == path);
        let given: Vec<_> = given.iter().map(PathBuf::from).collect();
        discover(&given, &around(&env, &is_file))
    };
    let both = ["web.config", "autoheal.toml"];
    assert_eq!(found(&["a"], Some("b"), &both), [PathBuf::from("a")]);
    assert_eq!(
        found(&[], Some("b:c"), &both),
        ["b", "c"].map(PathBuf::from)
    );
    assert_eq!(found(&[], None, &both), [PathBuf::from("autoheal.toml")]);
    assert_eq!(
        found(&[], Some(""), &both[..1]),
        [PathBuf::from("web.config")]
    );
    assert_eq!(found(&[], None, &[]), [""; 0].map(PathBuf::from));
}
