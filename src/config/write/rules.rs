//! Rules as an autoheal.toml has them.

use std::path::Path;

use super::{
    super::defaults,
    value::{Inline, command, list, one_or_list, path, quoted},
};
use crate::{
    decide::{
        policy::{Action, Command, Rule, Strategy},
        trigger::{Filter, MemoryLimit, Trigger},
    },
    units::{Share, format_duration},
    words::Mode,
};

/// The keys of a rule's table and their values, those at their defaults left out.
pub(super) fn rule(rule: &Rule, home: &Path) -> Vec<(String, String)> {
    let Rule {
        name,
        when,
        actions,
        min_uptime,
        cooldown,
        mode,
        proactive: _,
    } = rule;
    let actions = actions.iter().map(|one| action(one, home));
    let mut lines = vec![
        ("name".to_owned(), quoted(name)),
        (format!("when.{}", when.name()), condition(when).written()),
        ("do".to_owned(), list(actions)),
    ];
    if *min_uptime != defaults::MIN_UPTIME {
        lines.push(("min_uptime".to_owned(), duration(*min_uptime)));
    }
    if *cooldown != defaults::COOLDOWN {
        lines.push(("cooldown".to_owned(), duration(*cooldown)));
    }
    if *mode != Mode::Heal {
        lines.push(("mode".to_owned(), quoted(&mode.to_string())));
    }
    lines
}

fn duration(duration: std::time::Duration) -> String {
    quoted(&format_duration(duration))
}

fn condition(trigger: &Trigger) -> Inline {
    let share = |share: &Option<Share>| share.map(|share| quoted(&share.to_string()));
    match trigger {
        Trigger::Requests {
            count,
            window,
            filter,
        } => {
            let inline = Inline::default().with("count", count.to_string());
            filtered(inline.maybe("window", window.map(duration)), filter)
        }
        Trigger::Status {
            codes,
            count,
            share: part,
            window,
            filter,
        } => {
            let inline = Inline::default()
                .with("codes", quoted(&codes.to_string()))
                .with("count", count.to_string())
                .maybe("share", share(part))
                .with("window", duration(*window));
            filtered(inline, filter)
        }
        Trigger::Slow {
            time_taken,
            count,
            share: part,
            window,
            filter,
        } => {
            let inline = Inline::default()
                .with("time_taken", duration(*time_taken))
                .with("count", count.to_string())
                .maybe("share", share(part))
                .with("window", duration(*window));
            filtered(inline, filter)
        }
        Trigger::Memory { limit, hold } => {
            let inline = match limit {
                MemoryLimit::PrivateBytes(bytes) => {
                    Inline::default().with("private_bytes", quoted(&bytes.to_string()))
                }
                MemoryLimit::Share(part) => Inline::default().maybe("share", share(&Some(*part))),
            };
            inline.maybe("for", (!hold.is_zero()).then(|| duration(*hold)))
        }
    }
}

fn filtered(inline: Inline, filter: &Filter) -> Inline {
    let Filter {
        path,
        except,
        methods,
    } = filter;
    let some = |texts: Vec<String>| (!texts.is_empty()).then(|| one_or_list(texts));
    let paths = |patterns: &[crate::units::PathPattern]| {
        let texts = patterns.iter().map(|pattern| quoted(pattern.as_str()));
        some(texts.collect())
    };
    inline
        .maybe("path", paths(path))
        .maybe("except", paths(except))
        .maybe("methods", some(methods.iter().map(|m| quoted(m)).collect()))
}

fn action(action: &Action, home: &Path) -> String {
    match action {
        Action::Log => quoted("log"),
        Action::Recycle(None) => quoted("recycle"),
        Action::Recycle(Some(strategy)) => {
            let strategy = match strategy {
                Strategy::Overlap => "overlap",
                Strategy::InPlace => "in-place",
            };
            let inline = Inline::default().with("recycle", quoted(strategy));
            inline.written()
        }
        Action::Run(Command { argv, dir, timeout }) => {
            let inline = Inline::default().with("run", command(argv, dir));
            let elsewhere = (dir != home).then(|| quoted(&path(dir, home)));
            let unusual = (*timeout != defaults::COMMAND_TIMEOUT).then(|| duration(*timeout));
            inline
                .maybe("dir", elsewhere)
                .maybe("timeout", unusual)
                .written()
        }
    }
}
