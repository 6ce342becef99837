//! Every setting in force as one flat list of keys and values, each with where it was said: what
//! `check` prints, and what two configurations are compared by.
//!
//! The table of keys is walked, so that no key can be left out.

use std::fmt;

use super::{
    diagnostic::{Report, Span},
    document::{Node, Table, Value},
    keys,
    model::Settings,
    write,
};

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The rule that it belongs to; `None`: to no rule.
    pub rule: Option<String>,
    /// The key, as in `parking.wait`, or of a rule as in `time_taken`.
    pub key: String,
    /// The value as a person would write it; `None` where there is none and no default.
    pub value: Option<String>,
    /// The value may be a secret and is for nobody to read.
    pub secret: bool,
    /// Where it was said.
    pub said: Said,
}

/// Where a setting was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nowhere.
    Default,
    /// In a line of a file.
    In {
        /// The file, as the user gave it.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// By an option, or by a variable of the environment.
    By(String),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::In { file, line } => write!(f, "{file}:{line}"),
            Self::By(name) if name == "--" => f.write_str("after --"),
            Self::By(name) => f.write_str(name),
        }
    }
}

impl Setting {
    /// The value for people to read.
    #[must_use]
    pub fn shown(&self) -> &str {
        match &self.value {
            None => "none",
            Some(_) if self.secret => "(not shown)",
            Some(value) => value,
        }
    }
}

/// The tables of which there may be several.
const TABLES: [&str; 3] = ["dependency", "route", "rule"];

/// The list, in the order of the table of keys, and the rules after it.
pub(super) fn list(settings: &Settings, merged: &Table, report: &Report) -> Vec<Setting> {
    let listing = Listing { merged, report };
    let mut all = Vec::new();
    let written = write::everything(settings);
    for &(table, keys) in keys::KEYS {
        if !is_section(table, &written) {
            continue;
        }
        let values = keys.iter().filter(|key| !TABLES.contains(key));
        for key in values.filter(|key| !is_section(key, &written)) {
            match (table, *key) {
                ("worker", "env") => all.extend(listing.env(settings)),
                ("", "tls") => all.push(listing.tls(settings)),
                // Nothing is probed, so nothing of it is in force.
                ("health", _) if *key != "path" && settings.health.is_none() => {}
                ("", "attach") | ("attach", _) if settings.attach.is_none() => {}
                _ => all.push(listing.setting(table, key, &written)),
            }
        }
    }
    let dependencies = settings.policy.dependencies.iter();
    all.extend(listing.tables("dependency", dependencies.map(write::dependency_written)));
    all.extend(listing.tables("route", settings.routes.iter().map(write::route_written)));
    for rule in &settings.policy.rules {
        let node = listing.rule(&rule.name);
        for (key, value) in write::rule_parts(rule) {
            all.push(Setting {
                rule: Some(rule.name.clone()),
                value: Some(plain(&value)),
                // The URL of a webhook is all that it takes to call it.
                secret: key == "do" && value.contains("notify = "),
                said: listing.said(node.and_then(|node| of_rule(node, rule.when.name(), &key))),
                key,
            });
        }
    }
    all
}

struct Listing<'a> {
    merged: &'a Table,
    report: &'a Report,
}

impl Listing<'_> {
    fn setting(&self, table: &str, key: &str, written: &[(String, String)]) -> Setting {
        let (name, node) = match table {
            "" => (key.to_owned(), self.merged.get(key)),
            _ => (format!("{table}.{key}"), below(self.merged.get(table), key)),
        };
        let value = written.iter().find(|(written, _)| *written == name);
        Setting {
            rule: None,
            value: value.map(|(_, value)| plain(value)),
            secret: false,
            said: self.said(node),
            key: name,
        }
    }

    /// Tables of which there may be several, each as a whole.
    fn tables(&self, key: &str, written: impl Iterator<Item = String>) -> Vec<Setting> {
        let nodes = match self.merged.get(key).map(|node| &node.value) {
            Some(Value::List(nodes)) => nodes.as_slice(),
            _ => &[],
        };
        let settings = written.enumerate().map(|(index, value)| Setting {
            rule: None,
            key: format!("{key}[{}]", index + 1),
            value: Some(value),
            secret: false,
            said: self.said(nodes.get(index)),
        });
        settings.collect()
    }

    /// What the top of the file says, as a whole: each address has it, or certificates of its own.
    fn tls(&self, settings: &Settings) -> Setting {
        let node = self.merged.get("tls");
        let mut fronts = settings.listen.iter().filter_map(|one| one.tls.as_ref());
        Setting {
            rule: None,
            key: "tls".to_owned(),
            value: node.and_then(|_| fronts.next()).map(write::tls_written),
            secret: false,
            said: self.said(node),
        }
    }

    /// A variable is a setting of its own, since files are laid over each other variable by
    /// variable.
    fn env(&self, settings: &Settings) -> Vec<Setting> {
        let env = below(self.merged.get("worker"), "env");
        let variables = settings.worker.env.iter();
        let variables = variables.map(|(name, value)| Setting {
            rule: None,
            key: format!("worker.env.{name}"),
            value: Some(value.clone()),
            secret: true,
            said: self.said(below(env, name)),
        });
        variables.collect()
    }

    fn rule(&self, name: &str) -> Option<&Node> {
        let Value::List(rules) = &self.merged.get("rule")?.value else {
            return None;
        };
        rules
            .iter()
            .find(|rule| below(Some(rule), "name").and_then(Node::as_text) == Some(name))
    }

    fn said(&self, node: Option<&Node>) -> Said {
        node.map_or(Said::Default, |node| self.report.said(node.span))
    }
}

/// Whether a table is a section of the file, whose keys are listed one by one. Others are parts of
/// rules, or values that may be tables.
fn is_section(table: &str, written: &[(String, String)]) -> bool {
    let is_value = written.iter().any(|(key, _)| key == table);
    let known = keys::KEYS.iter().any(|(known, _)| *known == table);
    known
        && !is_value
        && !table.contains('.')
        && !["tls", "when"].contains(&table)
        && !TABLES.contains(&table)
}

fn of_rule<'a>(rule: &'a Node, condition: &str, key: &str) -> Option<&'a Node> {
    let when = below(below(Some(rule), "when"), condition);
    match key {
        "when" => when,
        _ => below(Some(rule), key).or_else(|| below(when, key)),
    }
}

fn below<'a>(node: Option<&'a Node>, key: &str) -> Option<&'a Node> {
    match &node?.value {
        Value::Table(table) => table.get(key),
        _ => None,
    }
}

/// A value without the quotes that only a file needs.
fn plain(written: &str) -> String {
    let inner = written
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains(['"', '\\']) => inner.to_owned(),
        _ => written.to_owned(),
    }
}

impl Report {
    /// Where a place of a source is, in words.
    fn said(&self, span: Span) -> Said {
        let place = self.place(span);
        let name = &place.source.name;
        if name.starts_with(['$', '-']) {
            return Said::By(name.clone());
        }
        Said::In {
            file: name.clone(),
            line: place.line_column().0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Loaded, Overrides, load, tests::around, tests::source};
    use super::*;

    fn read(text: &str, over: &Overrides) -> Loaded {
        let env = |name: &str| (name == "PORT").then(|| "5000".to_owned());
        let sources = [
            source(
                "base.toml",
                "[worker]\ncommand = [\"serve\"]\nenv = { A = \"1\", B = \"2\" }",
            ),
            source("shop.toml", text),
        ];
        load(&sources, over, &around(&env, &|_| false)).unwrap()
    }

    #[test]
    fn every_key_is_listed_and_only_those_without_a_default_have_no_value() {
        let loaded = read("[health]\npath = \"/up\"", &Overrides::default());
        for (key, _) in write::everything(&loaded.settings) {
            let env = key == "worker.env";
            assert!(env || loaded.list.iter().any(|one| one.key == key), "{key}");
        }
        for &(table, keys) in keys::KEYS {
            let prefix = match table {
                "" => String::new(),
                table => format!("{table}."),
            };
            let listed = |key: &&&str| {
                let begins = |one: &Setting| one.key.starts_with(&format!("{prefix}{key}."));
                let name = format!("{prefix}{key}");
                loaded.list.iter().any(|one| one.key == name || begins(one))
            };
            // These are values, or parts of rules.
            let elsewhere = [
                "attach",
                "attach.restart",
                "dependency",
                "listen",
                "recycle.ready",
                "route",
                "rule",
                "tls",
                "tls.client",
                "worker.tls",
                "worker.affinity",
                "worker.concurrency",
                "worker.count",
            ]
            .contains(&table);
            if !elsewhere && !table.starts_with("when") {
                let missing = keys
                    .iter()
                    .filter(|key| !TABLES.contains(key) && **key != "attach" && !listed(key));
                assert_eq!(missing.collect::<Vec<_>>(), [&""; 0], "{table}");
            }
        }
        let none = loaded.list.iter().filter(|one| one.value.is_none());
        let none: Vec<_> = none.map(|one| one.key.as_str()).collect();
        assert_eq!(
            none,
            [
                "state_dir",
                "tls",
                "worker.user",
                "worker.tls",
                "worker.connections",
                "worker.concurrency",
                "crashes.within",
                "health.grpc",
                "health.body",
                "parking.probe",
                "access_log.path"
            ]
        );
    }

    #[test]
    fn each_setting_names_the_last_place_that_said_it() {
        let over = Overrides {
            set: vec!["parking.wait=9s".to_owned()],
            ..Overrides::default()
        };
        let rule = "[[rule]]\nname = \"stuck\"\ncooldown = \"1min\"\ndo = [\"log\"]\n\
                    when.slow = { time_taken = \"30s\", count = 5, window = \"2min\" }\n";
        let text = format!("[worker]\nenv = {{ B = \"3\" }}\n{rule}");
        let loaded = read(&text, &over);
        let said = |key: &str| {
            let one = loaded.list.iter().find(|one| one.key == key).unwrap();
            format!("{} {}", one.shown(), one.said)
        };
        assert_eq!(said("listen"), "0.0.0.0:5000 $PORT");
        assert_eq!(said("parking.wait"), "9s --set");
        assert_eq!(said("worker.command"), "[\"serve\"] base.toml:2");
        assert_eq!(said("worker.env.A"), "(not shown) base.toml:3");
        assert_eq!(said("worker.env.B"), "(not shown) shop.toml:2");
        assert_eq!(said("time_taken"), "30s shop.toml:7");
        assert_eq!(said("cooldown"), "1min shop.toml:5");
        assert_eq!(said("min_uptime"), "1min default");
    }
}
