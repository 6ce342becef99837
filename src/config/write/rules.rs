//! Rules as an autoheal.toml has them.

use std::path::Path;

use super::{
    super::defaults,
    condition::condition,
    value::{Inline, command, duration, list, one_or_list, path, quoted},
};
use crate::{
    decide::{
        policy::{Action, Command, Rule, Strategy},
        trigger::Trigger,
    },
    units::{Hours, Zone},
    words::Mode,
};

/// Every key of a rule but its name, those of its condition by themselves, and their values.
pub(super) fn parts(rule: &Rule, home: &Path) -> Vec<(String, String)> {
    let Rule {
        name: _,
        when,
        actions,
        min_uptime,
        cooldown,
        mode,
        not_between,
        proactive: _,
    } = rule;
    let actions = actions.iter().map(|one| action(one, home));
    let mut parts = vec![("when".to_owned(), when.name().to_owned())];
    parts.extend(condition(when, home).parts());
    parts.extend([
        ("do".to_owned(), list(actions)),
        ("min_uptime".to_owned(), duration(*min_uptime)),
        ("cooldown".to_owned(), duration(*cooldown)),
        ("mode".to_owned(), quoted(&mode.to_string())),
    ]);
    parts.extend(hours(not_between.as_ref()));
    parts
}

/// The keys of a rule's table and their values, those at their defaults left out.
pub(super) fn rule(rule: &Rule, home: &Path) -> Vec<(String, String)> {
    let Rule {
        name,
        when,
        actions,
        min_uptime,
        cooldown,
        mode,
        not_between,
        proactive: _,
    } = rule;
    let actions = actions.iter().map(|one| action(one, home));
    let mut lines = vec![
        ("name".to_owned(), quoted(name)),
        (format!("when.{}", when.name()), when_value(when, home)),
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
    lines.extend(hours(not_between.as_ref()));
    lines
}

fn hours(not_between: Option<&Hours>) -> Vec<(String, String)> {
    let Some(Hours { spans, zone }) = not_between else {
        return Vec::new();
    };
    let spans = spans.iter().map(|span| quoted(&span.to_string()));
    let mut lines = vec![("not_between".to_owned(), one_or_list(spans.collect()))];
    if *zone != Zone::local() {
        lines.push(("zone".to_owned(), quoted(&zone.to_string())));
    }
    lines
}

fn when_value(when: &Trigger, home: &Path) -> String {
    match when {
        Trigger::All(parts) => list(parts.iter().map(|part| {
            let inline = condition(part, home).written();
            Inline::default().with(part.name(), inline).written()
        })),
        one => condition(one, home).written(),
    }
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
