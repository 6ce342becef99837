//! Conditions as an autoheal.toml has them.

use std::{path::Path, time::Duration};

use super::{
    super::{
        condition::{LEAK_HORIZON, OUTPUT_WINDOW},
        defaults,
    },
    value::{Inline, duration, one_or_list, path, quoted},
};
use crate::{
    decide::{
        observation::{Measure, Waiting},
        trigger::{Filter, LevelLimit, MemoryLimit, Trigger},
    },
    units::{Calendar, LinePattern, Share, Times, Weekdays, Zone},
};

/// A condition's table.
pub(super) fn condition(trigger: &Trigger, home: &Path) -> Inline {
    match trigger {
        Trigger::Requests {
            count,
            share: part,
            window,
            filter,
        } => {
            let inline = Inline::default()
                .with("count", count.to_string())
                .maybe("share", share(*part));
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
                .maybe("share", share(*part))
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
                .maybe("share", share(*part))
                .with("window", duration(*window));
            filtered(inline, filter)
        }
        Trigger::Memory { limit, hold } => {
            let inline = match limit {
                MemoryLimit::PrivateBytes(bytes) => {
                    Inline::default().with("private_bytes", quoted(&bytes.to_string()))
                }
                MemoryLimit::Share(part) => Inline::default().maybe("share", share(Some(*part))),
            };
            inline.maybe("for", (!hold.is_zero()).then(|| duration(*hold)))
        }
        Trigger::Leak { limit, horizon } => Inline::default()
            .maybe("limit", limit.map(|bytes| quoted(&bytes.to_string())))
            .maybe(
                "horizon",
                (*horizon != LEAK_HORIZON || limit.is_none()).then(|| duration(*horizon)),
            ),
        Trigger::Abandoned { .. } | Trigger::Output { .. } => noticed(trigger),
        Trigger::Level {
            measure,
            limit,
            hold,
        } => level(*measure, *limit, *hold),
        // Its parts are written one by one.
        Trigger::All(_) => Inline::default(),
        Trigger::Age { limit } => Inline::default().with("over", duration(*limit)),
        Trigger::Schedule { calendar, spread } => schedule(calendar, *spread),
        Trigger::File { paths } => {
            let paths = paths.iter().map(|file| quoted(&path(file, home)));
            Inline::default().with("path", one_or_list(paths.collect()))
        }
    }
}

fn share(share: Option<Share>) -> Option<String> {
    share.map(|share| quoted(&share.to_string()))
}

/// What is noticed beside the answers.
fn noticed(trigger: &Trigger) -> Inline {
    match trigger {
        Trigger::Abandoned {
            after,
            count,
            share: part,
            window,
            filter,
        } => {
            let inline = Inline::default()
                .maybe(
                    "after",
                    (*after != defaults::PATIENCE).then(|| duration(*after)),
                )
                .with("count", count.to_string())
                .maybe("share", share(*part))
                .with("window", duration(*window));
            filtered(inline, filter)
        }
        Trigger::Output {
            line,
            count,
            window,
        } => {
            let key = match line {
                LinePattern::Contains(_) => "contains",
                LinePattern::Regex(_) => "regex",
            };
            Inline::default()
                .with(key, quoted(line.as_str()))
                .maybe("count", (*count != 1).then(|| count.to_string()))
                .maybe(
                    "window",
                    (*window != OUTPUT_WINDOW).then(|| duration(*window)),
                )
        }
        _ => Inline::default(),
    }
}

fn level(measure: Measure, limit: LevelLimit, hold: Duration) -> Inline {
    let inline = match measure {
        Measure::Core => Inline::default().with("of", quoted("core")),
        Measure::MemoryHigh => Inline::default().with("of", quoted("memory.high")),
        Measure::Pressure(resource, waiting) => {
            let full = (waiting == Waiting::Full).then(|| quoted(waiting.name()));
            let inline = Inline::default().with("of", quoted(resource.name()));
            inline.maybe("waiting", full)
        }
        Measure::Connections | Measure::Cpu | Measure::Descriptors | Measure::Threads => {
            Inline::default()
        }
    };
    let inline = match limit {
        LevelLimit::Count(count) => inline.with("count", count.to_string()),
        LevelLimit::Share(share) => inline.with("share", quoted(&share.to_string())),
    };
    inline.maybe("for", (!hold.is_zero()).then(|| duration(hold)))
}

fn schedule(calendar: &Calendar, spread: Duration) -> Inline {
    let Calendar { times, zone } = calendar;
    let inline = match times {
        Times::Cron(cron) => Inline::default().with("cron", quoted(&cron.to_string())),
        Times::At { times, days } => {
            let times = times.iter().map(|time| quoted(&time.to_string()));
            let some = (*days != Weekdays::ALL).then(|| quoted(&days.to_string()));
            let inline = Inline::default().with("at", one_or_list(times.collect()));
            inline.maybe("days", some)
        }
    };
    inline
        .maybe(
            "zone",
            (*zone != Zone::local()).then(|| quoted(&zone.to_string())),
        )
        .maybe(
            "spread",
            (spread != defaults::SPREAD).then(|| duration(spread)),
        )
}

/// Which requests, as keys and values; what does not narrow is left out.
pub(super) fn filter_lines(filter: &Filter) -> Vec<(&'static str, String)> {
    let Filter {
        path,
        except,
        methods,
    } = filter;
    let paths = |patterns: &[crate::units::PathPattern]| {
        let texts = patterns.iter().map(|pattern| quoted(pattern.as_str()));
        texts.collect()
    };
    let methods = methods.iter().map(|method| quoted(method)).collect();
    let all: [(_, Vec<String>); 3] = [
        ("path", paths(path)),
        ("except", paths(except)),
        ("methods", methods),
    ];
    let some = all.into_iter().filter(|(_, texts)| !texts.is_empty());
    some.map(|(key, texts)| (key, one_or_list(texts))).collect()
}

fn filtered(inline: Inline, filter: &Filter) -> Inline {
    let lines = filter_lines(filter);
    lines
        .into_iter()
        .fold(inline, |inline, (key, value)| inline.with(key, value))
}
