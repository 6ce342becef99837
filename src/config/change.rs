//! What a new configuration changes while the old one is in force.

use super::{Loaded, listing::Setting, model::Listen};

/// So many changes are told one by one.
const TOLD_MOST: usize = 20;
/// The most characters of a value that is told.
const VALUE_MOST: usize = 80;

/// The keys that a worker is started with or spoken to by: only a new one has new values.
/// `worker.env` is the variables below it.
const WORKER_KEYS: [&str; 7] = [
    "worker.command",
    "worker.port",
    "worker.env",
    "worker.dir",
    "worker.user",
    "worker.protocol",
    "worker.tls",
];

/// The keys that hold for as long as autoheal runs. A section is the keys below it.
const FIXED_KEYS: [&str; 9] = [
    "listen",
    "admin",
    "probes",
    "state_dir",
    "threads",
    "limits.connections",
    "journal",
    "log",
    "access_log",
];

/// One difference between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What was set.
    key: String,
    /// In words: `parking.wait 60s -> 30s`.
    text: String,
    /// It holds only after a restart of autoheal.
    fixed: bool,
}

/// What differs, in the order of the list of settings.
#[must_use]
pub fn changes(old: &Loaded, new: &Loaded) -> Vec<Change> {
    let mut all = differences(&old.list, &new.list);
    // Of a listener only its certificates change in place.
    if alike(&old.settings.listen, &new.settings.listen)
        && let Some(listen) = all.iter_mut().find(|change| change.key == "listen")
    {
        listen.fixed = false;
    }
    all
}

fn alike(old: &[Listen], new: &[Listen]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.is_like(new))
}

fn differences(old: &[Setting], new: &[Setting]) -> Vec<Change> {
    let same = |a: &Setting, b: &Setting| a.rule == b.rule && a.key == b.key;
    let rules = |all: &[Setting]| {
        let mut names: Vec<_> = all.iter().filter_map(|one| one.rule.clone()).collect();
        names.dedup();
        names
    };
    let (before, after) = (rules(old), rules(new));
    let kept = |one: &&Setting| {
        one.rule
            .as_ref()
            .is_none_or(|rule| before.contains(rule) && after.contains(rule))
    };
    let mut all = Vec::new();
    for one in new.iter().filter(kept) {
        let was = old.iter().find(|was| same(was, one));
        if was.is_none_or(|was| was.value != one.value) {
            all.push(change(one, was.map(Setting::shown), Some(one.shown())));
        }
    }
    for gone in old.iter().filter(kept) {
        if !new.iter().any(|one| same(one, gone)) {
            all.push(change(gone, Some(gone.shown()), None));
        }
    }
    let rule = |name: &String, what: &str| Change {
        key: "rule".to_owned(),
        text: format!("rule \"{name}\" {what}"),
        fixed: false,
    };
    let added = after.iter().filter(|name| !before.contains(name));
    all.extend(added.map(|name| rule(name, "added")));
    let removed = before.iter().filter(|name| !after.contains(name));
    all.extend(removed.map(|name| rule(name, "removed")));
    let both = |names: &[String], other: &[String]| -> Vec<String> {
        let kept = names.iter().filter(|name| other.contains(name));
        kept.cloned().collect()
    };
    if both(&before, &after) != both(&after, &before) {
        all.push(Change {
            key: "rule".to_owned(),
            text: "the rules are in another order".to_owned(),
            fixed: false,
        });
    }
    all
}

fn change(one: &Setting, old: Option<&str>, new: Option<&str>) -> Change {
    let place = match &one.rule {
        Some(rule) => format!("rule \"{rule}\": {}", one.key),
        None => one.key.clone(),
    };
    let text = match (old, new) {
        _ if one.secret => format!("{place} changed"),
        (old, new) => format!("{place} {} -> {}", short(old), short(new)),
    };
    let key = match &one.rule {
        Some(_) => "rule",
        None => one.key.as_str(),
    };
    Change {
        key: key.to_owned(),
        text,
        fixed: is_of(key, &FIXED_KEYS),
    }
}

fn short(value: Option<&str>) -> String {
    let value = value.unwrap_or("none");
    match value.char_indices().nth(VALUE_MOST) {
        Some((at, _)) => format!("{}...", &value[..at]),
        None => value.to_owned(),
    }
}

fn is_of(key: &str, keys: &[&str]) -> bool {
    keys.iter().any(|of| {
        key.strip_prefix(of)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Why the worker must be replaced for the changes to hold, as a fragment for people; `None`: it
/// need not.
#[must_use]
pub fn why_recycle(changes: &[Change]) -> Option<String> {
    let keys = changes.iter().map(|change| change.key.as_str());
    let keys: Vec<_> = keys.filter(|key| is_of(key, &WORKER_KEYS)).collect();
    (!keys.is_empty()).then(|| format!("{} changed", keys.join(", ")))
}

/// What was changed and holds only after a restart of autoheal, if anything was: a sentence for
/// people.
#[must_use]
pub fn needs_restart(changes: &[Change]) -> Option<String> {
    let fixed = changes.iter().filter(|change| change.fixed);
    let texts: Vec<_> = fixed.map(|change| change.text.as_str()).collect();
    (!texts.is_empty())
        .then(|| format!("{}: in force after a restart of autoheal", texts.join(", ")))
}

/// The changes in one line.
#[must_use]
pub fn in_words(changes: &[Change]) -> String {
    let told = changes.iter().take(TOLD_MOST).map(|change| {
        let restart = match change.fixed {
            true => " (after a restart of autoheal)",
            false => "",
        };
        format!("{}{restart}", change.text)
    });
    let mut told: Vec<_> = told.collect();
    let more = changes.len().saturating_sub(TOLD_MOST);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::{Overrides, load, tests::around, tests::source};
    use super::*;

    fn list(text: &str) -> Loaded {
        let over = Overrides {
            command: vec!["serve".to_owned()],
            ..Overrides::default()
        };
        let around = around(&|_| None, &|_| false);
        load(&[source("a.toml", text)], &over, &around).unwrap()
    }

    fn told(old: &str, new: &str) -> String {
        in_words(&changes(&list(old), &list(new)))
    }

    const SLOW: &str = "[[rule]]\nname = \"stuck\"\ndo = [\"log\"]\n\
                        when.slow = { time_taken = \"30s\", count = 5, window = \"2min\" }\n";

    #[test]
    fn a_change_is_told_key_by_key_with_the_old_value_and_the_new() {
        assert_eq!(told(SLOW, SLOW), "");
        let faster = SLOW.replace("30s", "10s");
        assert_eq!(told(SLOW, &faster), "rule \"stuck\": time_taken 30s -> 10s");
        assert_eq!(
            told("parking.wait = \"30s\"", ""),
            "parking.wait 30s -> 1min"
        );
        assert_eq!(
            told("", "state_dir = \"/s\""),
            "state_dir none -> /s (after a restart of \
                                                    autoheal)"
        );
        assert_eq!(told("", SLOW), "rule \"stuck\" added");
        assert_eq!(
            told(SLOW, "proactive = false"),
            "proactive true -> false, rule \"stuck\" \
                                                     removed, rule \"proactive memory\" removed, \
                                                     rule \"proactive slow\" removed"
        );
        let other = SLOW.replace("stuck", "other");
        let (one, two) = (format!("{SLOW}{other}"), format!("{other}{SLOW}"));
        assert_eq!(told(&one, &two), "the rules are in another order");
        let counted = SLOW.replace(
            "slow = { time_taken = \"30s\"",
            "status = { codes = \"500\"",
        );
        assert_eq!(
            told(SLOW, &counted),
            "rule \"stuck\": when slow -> status, rule \"stuck\": codes none -> 500, \
             rule \"stuck\": time_taken 30s -> none"
        );
    }

    #[test]
    fn what_is_secret_or_long_or_much_is_not_told_whole() {
        let env = |value: &str| format!("worker.env.PASSWORD = \"{value}\"");
        assert_eq!(
            told(&env("one"), &env("two")),
            "worker.env.PASSWORD changed"
        );
        let long = format!("state_dir = \"/{}\"", "a".repeat(200));
        assert!(told("", &long).len() < 200);
        let many = |count: u32| -> String {
            let rule = |i| SLOW.replace("stuck", &format!("number {i}"));
            (0..count).map(rule).collect()
        };
        assert!(told("", &many(30)).ends_with("rule \"number 19\" added, and 10 more"));
    }

    #[test]
    fn only_what_a_worker_is_started_with_replaces_it() {
        let why = |old: &str, new: &str| why_recycle(&changes(&list(old), &list(new)));
        assert_eq!(
            why("", "budget.recycles = 9\nworker.stop_signal = \"QUIT\""),
            None
        );
        let new = "worker.env.A = \"1\"\nworker.port = 5000";
        let expected = "worker.port, worker.env.A changed";
        assert_eq!(why("", new).as_deref(), Some(expected));
        let later = |new: &str| needs_restart(&changes(&list(""), &list(new)));
        assert_eq!(later("mode = \"observe\""), None);
        let told = later("log.level = \"warn\"").unwrap();
        assert!(
            told.starts_with("log.level info -> warn: in force after"),
            "{told}"
        );
    }
}
