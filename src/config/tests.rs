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

#[test]
fn tmp() {
    for t in [
        "listen = 8080\nmdoe = \"heal\"\n[recycle]\nstrategy='overlap'\nready='port'\nstart_timeout = 30\n[timeouts]\nhead=\"250ms\"\n[[rule]]\nname='a'\nwhen.status={codes='500-599',share='30%'}\n",
        "tls = { a = 1 }\nlisten = \nadmin= \"of\"\nx = yes\n[[rule]\n",
    ] {
        println!("{}", toml(t).unwrap_err());
    }
}
