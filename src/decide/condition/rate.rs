//! How many requests, or lines, were so within a window: served, answered with a status, slow,
//! abandoned, printed.

use super::Reading;
use crate::{
    decide::{
        observation::RuleCount,
        rng::Rng,
        say::{percent, words as time},
        trigger::{Filter, Trigger},
        window::Window,
    },
    time::MonoTime,
    units::Share,
};

#[derive(Clone, Debug)]
pub(super) enum Rate {
    Window(Window),
    /// Requests since the worker got ready, and how many are too many.
    SinceReady {
        count: u64,
        threshold: u64,
    },
}

impl Rate {
    pub(super) fn new(when: &Trigger) -> Self {
        match when {
            Trigger::Requests {
                window: Some(window),
                ..
            }
            | Trigger::Abandoned { window, .. }
            | Trigger::Output { window, .. }
            | Trigger::Slow { window, .. }
            | Trigger::Status { window, .. } => Self::Window(Window::new(*window)),
            _ => Self::SinceReady {
                count: 0,
                threshold: u64::from(count_of(when)),
            },
        }
    }

    pub(super) fn renew(&mut self, when: &Trigger, rng: &mut Rng) {
        *self = Self::new(when);
        if let Self::SinceReady { threshold, .. } = self {
            *threshold = rng.jitter_count(*threshold);
        }
    }

    /// A number of requests since the start needs no clock.
    pub(super) fn void(&mut self) {
        if let Self::Window(window) = self {
            window.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        match self {
            Self::Window(window) => window.clear(),
            Self::SinceReady { count, .. } => *count = 0,
        }
    }

    pub(super) fn count(&mut self, now: MonoTime, seen: RuleCount) {
        match self {
            Self::Window(window) => window.add(now, seen.matching, seen.total),
            Self::SinceReady { count, .. } => *count += seen.matching,
        }
    }

    pub(super) fn holds(&mut self, now: MonoTime, when: &Trigger) -> bool {
        match self {
            Self::Window(window) => {
                let (matching, total) = window.sums(now);
                // A count of 0 would fire on nothing at all.
                matching >= u64::from(count_of(when)).max(1)
                    && share_of(when).is_none_or(|share| share.reached_by(matching, total))
            }
            Self::SinceReady { count, threshold } => count >= threshold,
        }
    }

    pub(super) fn reading(&self, now: MonoTime, when: &Trigger) -> Reading {
        let (matching, total, limit) = match self {
            Self::Window(window) => {
                let (matching, total) = window.peek(now);
                (matching, total, u64::from(count_of(when)))
            }
            Self::SinceReady { count, threshold } => (*count, *count, *threshold),
        };
        Reading {
            matching,
            total,
            limit,
            ..Reading::default()
        }
    }
}

fn count_of(when: &Trigger) -> u32 {
    match when {
        Trigger::Abandoned { count, .. }
        | Trigger::Output { count, .. }
        | Trigger::Requests { count, .. }
        | Trigger::Slow { count, .. }
        | Trigger::Status { count, .. } => *count,
        _ => 0,
    }
}

fn share_of(when: &Trigger) -> Option<Share> {
    match when {
        Trigger::Abandoned { share, .. }
        | Trigger::Requests { share, .. }
        | Trigger::Slow { share, .. }
        | Trigger::Status { share, .. } => *share,
        _ => None,
    }
}

pub(super) fn words(reading: Reading, when: &Trigger) -> String {
    let Reading {
        matching,
        total,
        limit,
        ..
    } = reading;
    let of_all = format!("({})", percent(matching, total));
    match when {
        Trigger::Requests {
            share,
            window,
            filter,
            ..
        } => {
            let when = window.map_or_else(
                || "since the worker became ready".to_owned(),
                |window| format!("in {}", time(window)),
            );
            let of_all = share.map_or_else(String::new, |_| {
                format!(", {} of all {total}", percent(matching, total))
            });
            let (scope, limits) = (scope(filter), limits(limit, *share));
            format!("{matching} requests{scope} {when}{of_all} ({limits})")
        }
        Trigger::Status {
            codes,
            share,
            window,
            filter,
            ..
        } => format!(
            "{matching} of {total} answers {of_all}{} were {codes} in {} ({})",
            scope(filter),
            time(*window),
            limits(limit, *share),
        ),
        Trigger::Slow {
            time_taken,
            share,
            window,
            filter,
            ..
        } => format!(
            "{matching} of {total} requests {of_all}{} had no answer within {} in {} ({})",
            scope(filter),
            time(*time_taken),
            time(*window),
            limits(limit, *share),
        ),
        Trigger::Abandoned {
            after,
            share,
            window,
            filter,
            ..
        } => format!(
            "{matching} of {total} clients {of_all}{} left after waiting {} or longer in {} ({})",
            scope(filter),
            time(*after),
            time(*window),
            limits(limit, *share),
        ),
        Trigger::Output { line, window, .. } => format!(
            "{matching} lines with \"{}\" in {} (limit: {limit})",
            line.as_str(),
            time(*window)
        ),
        _ => String::new(),
    }
}

fn scope(filter: &Filter) -> String {
    let mut scope = String::new();
    if !filter.methods.is_empty() {
        scope = format!(" by {}", filter.methods.join("|"));
    }
    if !filter.path.is_empty() {
        let paths: Vec<&str> = filter.path.iter().map(|path| path.as_str()).collect();
        scope.push_str(" on ");
        scope.push_str(&paths.join("|"));
    }
    scope
}

fn limits(count: u64, share: Option<Share>) -> String {
    match share {
        Some(share) => format!("limits: {count} and {share}"),
        None => format!("limit: {count}"),
    }
}
