//! Rules as an autoheal.toml has them.

use std::{path::Path, time::Duration};

use super::{
    super::defaults,
    condition::condition,
    value::{Inline, command, duration, list, one_or_list, path, quoted},
};
use crate::{
    decide::{
        policy::{Action, Command, Notice, Rule, Rung, Strategy},
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

fn action(rung: &Rung, home: &Path) -> String {
    let Rung { after, action } = rung;
    let strategy = |strategy: &Option<Strategy>| match strategy {
        None => quoted("auto"),
        Some(Strategy::Overlap) => quoted("overlap"),
        Some(Strategy::InPlace) => quoted("in-place"),
    };
    let named = match action {
        Action::Log => Some("log"),
        Action::Capture => Some("capture"),
        Action::Recycle(None) => Some("recycle"),
        Action::Unready => Some("unready"),
        Action::Recycle(Some(_)) | Action::Run(_) | Action::Notify(_) => None,
    };
    if let (Some(name), 1) = (named, after) {
        return quoted(name);
    }
    let unusual = |timeout: &Duration| {
        let unusual = *timeout != defaults::COMMAND_TIMEOUT;
        unusual.then(|| duration(*timeout))
    };
    let inline = match action {
        Action::Log | Action::Capture | Action::Unready => {
            Inline::default().maybe("do", named.map(quoted))
        }
        Action::Recycle(order) => Inline::default().with("recycle", strategy(order)),
        Action::Notify(Notice { url, timeout }) => Inline::default()
            .with("notify", quoted(url.as_str()))
            .maybe("timeout", unusual(timeout)),
        Action::Run(Command { argv, dir, timeout }) => {
            let inline = Inline::default().with("run", command(argv, dir));
            let elsewhere = (dir != home).then(|| quoted(&path(dir, home)));
            inline
                .maybe("dir", elsewhere)
                .maybe("timeout", unusual(timeout))
        }
    };
    let later = (*after != 1).then(|| after.to_string());
    inline.maybe("after", later).written()
}
