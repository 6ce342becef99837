//! What is written is read as the same.

use std::path::PathBuf;

use proptest::prelude::*;

use super::{Origin, Target, Written, write};
use crate::config::{
    Diagnostic, Loaded, Overrides, Settings, keys, load,
    tests::{around, source},
};

mod any;
mod any_tls;
mod attach;
mod crashes;
mod dependencies;
mod instances;
mod project;
mod whole;

fn home() -> Origin {
    Origin {
        from: "a test".to_owned(),
        home: PathBuf::from(any::HOME),
    }
}

/// Reads a file that stands in the home folder.
fn read(name: &str, text: &str) -> Result<Loaded, String> {
    read_all(&[(name, text)])
}

fn read_all(files: &[(&str, &str)]) -> Result<Loaded, String> {
    let env = |_: &str| None;
    let mut around = around(&env, &|_| false);
    around.cwd = PathBuf::from(any::HOME);
    let at_home = |(name, text): &(&str, &str)| {
        let mut source = source(name, text);
        source.dir = PathBuf::from(any::HOME);
        source
    };
    let sources: Vec<_> = files.iter().map(at_home).collect();
    let over = Overrides {
        command_may_follow: true,
        ..Overrides::default()
    };
    load(&sources, &over, &around).map_err(|found| {
        let texts: Vec<_> = found.iter().map(|found| found.render(false)).collect();
        texts.join("\n")
    })
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "../../../tests/fixtures/convert",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}

fn toml(settings: &Settings) -> String {
    let Written { text, warnings } = write(settings, Target::Toml, &home());
    assert_eq!(warnings, []);
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_settings_written_as_toml_are_read_as_the_same(settings in whole::settings()) {
        let text = toml(&settings);
        let again = read("autoheal.toml", &text);
        let again = again.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&again.settings, &settings, "{}", text);
    }

    #[test]
    fn any_settings_written_as_web_config_are_read_as_the_same_up_to_what_is_said(
        settings in whole::settings(),
    ) {
        same_up_to_what_is_said("web.config", Target::WebConfig, settings)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_settings_written_as_arm_are_read_as_the_same_up_to_what_is_said(
        settings in whole::settings(),
    ) {
        same_up_to_what_is_said("site.json", Target::Arm, settings)?;
    }
}

/// The file and what it leaves for an autoheal.toml beside it make the same settings; its rules
/// differ in what is said.
fn same_up_to_what_is_said(
    name: &str,
    target: Target,
    mut settings: Settings,
) -> Result<(), TestCaseError> {
    let Written { text, warnings } = write(&settings, target, &home());
    let rest = kept(&warnings);
    let again = read_all(&[(name, &text), ("autoheal.toml", &rest)]);
    let mut again = again
        .map_err(|error| TestCaseError::fail(format!("{error}\n{text}\n{rest}")))?
        .settings;
    let (before, after) = (
        std::mem::take(&mut settings.policy.rules),
        std::mem::take(&mut again.policy.rules),
    );
    prop_assert_eq!(&again, &settings, "{}\n{}", text, rest);
    let is_unsaid = warnings.is_empty();
    project::compare(&before, &after, warnings)
        .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
    if is_unsaid {
        let sorted = |mut rules: Vec<_>| {
            rules.sort_by_key(|rule: &crate::decide::policy::Rule| rule.name.clone());
            rules
        };
        prop_assert_eq!(sorted(before), sorted(after));
    }
    Ok(())
}

/// The autoheal.toml that the warnings ask to keep.
fn kept(warnings: &[Diagnostic]) -> String {
    let mut cures = warnings
        .iter()
        .filter(|found| found.what.contains("these have no word there"));
    let lines = cures.next().map_or("", |found| found.cure.as_str()).lines();
    let lines = lines.filter_map(|line| line.strip_prefix("    "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_condition_is_tried() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let tree = any::trigger().new_tree(&mut runner).unwrap();
        seen.insert(proptest::strategy::ValueTree::current(&tree).name());
    }
    let all = keys::of("when").iter().copied().collect();
    assert_eq!(seen, all, "write/tests/any.rs makes no such trigger");
}

#[test]
fn what_is_at_its_default_is_not_written() {
    let nothing = read("autoheal.toml", "").unwrap().settings;
    let text = toml(&nothing);
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_person_would_write_it_like_this() {
    for (name, file) in [
        ("flask.toml", "config/examples/flask.toml"),
        ("web.config", "config/examples/node/web.config"),
    ] {
        let settings = read(name, &std::fs::read_to_string(file).unwrap());
        let settings = settings.unwrap().settings;
        snapshot(&format!("toml-from-{name}"), &toml(&settings));
        for (target, word) in [(Target::WebConfig, "webconfig"), (Target::Arm, "arm")] {
            let Written { text, warnings } = write(&settings, target, &home());
            let said = warnings.iter().map(|found| found.render(false) + "\n");
            let all = text + "\n" + &said.collect::<String>();
            snapshot(&format!("{word}-from-{name}"), &all);
        }
    }
}

#[test]
fn a_program_of_quotes_alone_is_told_and_not_written_to_a_web_config() {
    let rule = "[worker]\ncommand = [\"serve\"]\n[[rule]]\nname = \"odd\"\n\
                when.requests = { count = 100, window = \"1min\" }\ndo = [{ run = [\"\\\"\"] }]\n";
    let settings = read("autoheal.toml", rule).unwrap().settings;
    let Written { text, warnings } = write(&settings, Target::WebConfig, &home());
    assert!(text.contains("LogEvent"), "{text}");
    let told = |warning: &Diagnostic| warning.render(false).contains("quotes alone");
    assert!(warnings.iter().any(told), "{warnings:?}");
}
