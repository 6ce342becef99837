//! Conditions as clauses of a sentence.

use std::time::Duration;

use crate::{
    decide::{
        observation::{Measure, Waiting},
        trigger::{Filter, LEAK_SHARE, LevelLimit, MemoryLimit, Trigger},
    },
    units::{ByteSize, LinePattern, Share, format_duration},
};

/// What must hold, as a clause. `ready`: of which worker.
pub(super) fn condition(when: &Trigger, ready: &str) -> String {
    match when {
        Trigger::Requests {
            count,
            share,
            window,
            filter,
        } => {
            let (n, are) = plural(*count, "request");
            let time = match window {
                Some(window) => within(*window),
                None => "since its start, give or take 10%,".to_owned(),
            };
            let (scope, share) = (scope(filter), at_least(*share));
            format!("{n}{scope}{share} {are} served {time} by {ready}")
        }
        Trigger::Status {
            codes,
            count,
            share,
            window,
            filter,
        } => {
            let (n, are) = plural(*count, "answer");
            let scope = scope(filter);
            let share = at_least(*share);
            let time = within(*window);
            format!("{n} with status {codes}{scope}{share} {are} given {time} by {ready}")
        }
        Trigger::Slow {
            time_taken,
            count,
            share,
            window,
            filter,
        } => {
            let (n, _) = plural(*count, "request");
            let (share, time) = (at_least(*share), within(*window));
            let taken = format_duration(*time_taken);
            let scope = scope(filter);
            format!("{n}{scope}{share} {time} wait {taken} for an answer of {ready}")
        }
        Trigger::Memory { limit, hold } => {
            let limit = match limit {
                MemoryLimit::PrivateBytes(bytes) => bytes.human(),
                MemoryLimit::Share(share) => format!("{share} of its memory limit"),
            };
            let time = if hold.is_zero() {
                String::new()
            } else {
                format!(" for {}", format_duration(*hold))
            };
            format!("the private memory of {ready} is over {limit}{time}")
        }
        Trigger::Leak { limit, horizon } => leak(*limit, *horizon, ready),
        Trigger::Level {
            measure,
            limit,
            hold,
        } => level(*measure, *limit, *hold, ready),
        Trigger::All(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| condition(part, ready)).collect();
            parts.join(" and, at the same time, ")
        }
        Trigger::Abandoned { .. } | Trigger::Output { .. } => noticed(when, ready),
        Trigger::Age { .. } | Trigger::File { .. } | Trigger::Schedule { .. } => due(when, ready),
    }
}

fn within(window: Duration) -> String {
    format!("within {}", format_duration(window))
}

/// What is noticed beside the answers.
fn noticed(when: &Trigger, ready: &str) -> String {
    match when {
        Trigger::Abandoned {
            after,
            count,
            share,
            window,
            filter,
        } => {
            let (n, are) = plural(*count, "request");
            let (share, time) = (at_least(*share), within(*window));
            let (after, scope) = (format_duration(*after), scope(filter));
            format!(
                "{n}{scope}{share} {time} {are} given up by their clients after {after} or more \
                 without an answer of {ready}"
            )
        }
        Trigger::Output {
            line,
            count,
            window,
        } => {
            let (n, are) = plural(*count, "line");
            let (text, time) = (line.as_str(), within(*window));
            let has = match line {
                LinePattern::Contains(_) => "with",
                LinePattern::Regex(_) => "matching",
            };
            format!("{n} {has} \"{text}\" {are} printed {time} by {ready}")
        }
        _ => String::new(),
    }
}

/// What is measured once a second.
fn level(measure: Measure, limit: LevelLimit, hold: Duration, ready: &str) -> String {
    let limit = match limit {
        LevelLimit::Count(count) => count.to_string(),
        LevelLimit::Share(share) => share.to_string(),
    };
    let text = match measure {
        Measure::Cpu => format!("{ready} uses at least {limit} of the CPU that it may use"),
        Measure::Core => format!("{ready} uses at least {limit} of one CPU"),
        Measure::Descriptors if limit.ends_with('%') => {
            format!("a process of {ready} has at least {limit} of the descriptors that it may have")
        }
        Measure::Descriptors => format!("{ready} has at least {limit} descriptors open"),
        Measure::Threads => format!("{ready} has at least {limit} threads"),
        Measure::Connections => format!("{ready} has at least {limit} TCP connections open"),
        Measure::Pressure(resource, waiting) => {
            let who = match waiting {
                Waiting::Some => "tasks",
                Waiting::Full => "all tasks",
            };
            let what = resource.name();
            format!("{who} in the control group of {ready} wait for {what} {limit} of the time")
        }
        Measure::MemoryHigh => {
            format!("{ready} is held up at memory.high at least {limit} times a second")
        }
    };
    match hold.is_zero() {
        true => text,
        false => format!("{text} for {}", format_duration(hold)),
    }
}

/// What comes with time or from outside.
fn due(when: &Trigger, ready: &str) -> String {
    match when {
        Trigger::Age { limit } => {
            let limit = format_duration(*limit);
            format!("a worker has been ready for {limit}, give or take 10%")
        }
        Trigger::Schedule { calendar, spread } => {
            let spread = match spread.is_zero() {
                true => String::new(),
                false => format!(" (within {} after it)", format_duration(*spread)),
            };
            format!("the clock shows {calendar}{spread} and there is {ready}")
        }
        Trigger::File { paths } => {
            let paths: Vec<_> = paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            let paths = paths.join(" or ");
            format!("the content of {paths} changes after the start of {ready}")
        }
        _ => String::new(),
    }
}

fn leak(limit: Option<ByteSize>, horizon: Duration, ready: &str) -> String {
    let limit = match limit {
        Some(bytes) => bytes.human(),
        None => format!("{LEAK_SHARE} of its memory limit"),
    };
    let horizon = format_duration(horizon);
    format!(
        "the private memory of {ready} grows so that it reaches {limit} within {horizon}, at the \
         last quiet moment before"
    )
}

fn plural(count: u32, noun: &str) -> (String, &'static str) {
    match count {
        1 => (format!("1 {noun}"), "is"),
        _ => (format!("{count} {noun}s"), "are"),
    }
}

fn at_least(share: Option<Share>) -> String {
    share.map_or_else(String::new, |share| format!(" (at least {share} of all)"))
}

/// Which requests, as the end of a clause.
pub(super) fn scope(filter: &Filter) -> String {
    let paths = |paths: &[crate::units::PathPattern]| {
        let texts: Vec<_> = paths.iter().map(ToString::to_string).collect();
        texts.join(" or ")
    };
    let mut scope = String::new();
    if !filter.methods.is_empty() {
        scope += &format!(" to {}", filter.methods.join(" or "));
    }
    if !filter.path.is_empty() {
        scope += if scope.is_empty() { " to " } else { " " };
        scope += &paths(&filter.path);
    }
    if !filter.except.is_empty() {
        scope += &format!(" except {}", paths(&filter.except));
    }
    scope
}
