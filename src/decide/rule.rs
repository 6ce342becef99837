//! One rule and what it has seen of the worker that serves now.

use std::{collections::VecDeque, time::Duration};

use super::{
    guard::{Cooldown, Held},
    observation::{MemorySample, RuleCount},
    policy::{Action, Rule, Strategy},
    rng::Rng,
    say::{percent, words},
    step::Step,
    trigger::{Filter, MemoryLimit, Trigger},
    window::Window,
};
use crate::{
    time::MonoTime,
    units::{ByteSize, Share},
};

/// Not more often than this is an exact sample asked for: it costs the worker's kernel time...
const CONFIRM_EVERY: Duration = Duration::from_millis(200);
/// ...and less often while the rule could not act on it.
const CONFIRM_HELD_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) rule: Rule,
    seen: Seen,
    pub(super) cooldown: Cooldown,
    pub(super) disarmed_until: Option<MonoTime>,
    /// Why it is held, as last said.
    pub(super) held: Option<Held>,
    /// That its limit can't be read has been said.
    pub(super) no_limit_said: bool,
    pub(super) firings: u64,
    /// The incident whose command runs now.
    pub(super) running: Option<u64>,
    /// Commands of the same firing that come after it.
    pub(super) queued: VecDeque<Step>,
}

#[derive(Clone, Debug)]
enum Seen {
    Window(Window),
    /// Requests since the worker got ready, and how many are too many.
    SinceReady {
        count: u64,
        threshold: u64,
    },
    Memory(Over),
}

/// How long a memory limit has been exceeded.
#[derive(Clone, Debug, Default)]
struct Over {
    bytes: u64,
    limit: Option<u64>,
    limit_unknown: bool,
    exact: bool,
    since: Option<MonoTime>,
    asked_at: Option<MonoTime>,
}

/// The numbers of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// What counts against `limit`: requests, or bytes.
    pub(super) matching: u64,
    pub(super) total: u64,
    pub(super) limit: u64,
    /// For how long it has been so, where that matters.
    pub(super) held_for: Duration,
}

impl Watched {
    pub(super) fn new(rule: Rule, rng: &mut Rng) -> Self {
        let mut new = Self {
            seen: Seen::Memory(Over::default()),
            rule,
            cooldown: Cooldown::default(),
            disarmed_until: None,
            held: None,
            no_limit_said: false,
            firings: 0,
            running: None,
            queued: VecDeque::new(),
        };
        new.renew(rng);
        new
    }

    /// Another worker serves now: nothing that was seen counts any more.
    pub(super) fn renew(&mut self, rng: &mut Rng) {
        self.held = None;
        self.seen = match &self.rule.when {
            Trigger::Requests {
                window: Some(window),
                ..
            }
            | Trigger::Status { window, .. }
            | Trigger::Slow { window, .. } => Seen::Window(Window::new(*window)),
            Trigger::Requests {
                count,
                window: None,
                ..
            } => Seen::SinceReady {
                count: 0,
                threshold: rng.jitter_count(u64::from(*count)),
            },
            Trigger::Memory { .. } => Seen::Memory(Over::default()),
        };
    }

    /// What it has seen in time can't be trusted.
    pub(super) fn void(&mut self) {
        match &mut self.seen {
            Seen::Window(window) => window.clear(),
            Seen::SinceReady { .. } => {}
            Seen::Memory(over) => *over = Over::default(),
        }
    }

    /// It has fired: its own count begins anew.
    pub(super) fn clear(&mut self) {
        self.held = None;
        match &mut self.seen {
            Seen::SinceReady { count, .. } => *count = 0,
            _ => self.void(),
        }
    }

    pub(super) fn count(&mut self, now: MonoTime, seen: RuleCount) {
        match &mut self.seen {
            Seen::Window(window) => window.add(now, seen.matching, seen.total),
            Seen::SinceReady { count, .. } => *count += seen.matching,
            Seen::Memory(_) => {}
        }
    }

    /// Takes a sample of the worker that serves now; whether an exact one is wanted next.
    pub(super) fn sample(&mut self, now: MonoTime, sample: &MemorySample, held: bool) -> bool {
        let (Seen::Memory(over), Trigger::Memory { limit, .. }) = (&mut self.seen, &self.rule.when)
        else {
            return false;
        };
        over.limit = match limit {
            MemoryLimit::PrivateBytes(bytes) => Some(bytes.0),
            MemoryLimit::Share(share) => sample.limit.map(|limit| share.of(limit.0)),
        };
        over.limit_unknown = over.limit.is_none();
        over.bytes = sample.bytes.0;
        over.exact = sample.exact;
        if over.limit.is_none_or(|limit| sample.bytes.0 <= limit) {
            over.since = None;
            return false;
        }
        over.since.get_or_insert(now);
        let pace = if held {
            CONFIRM_HELD_EVERY
        } else {
            CONFIRM_EVERY
        };
        let due = over.asked_at.is_none_or(|at| now.since(at) >= pace);
        if sample.exact || !due {
            return false;
        }
        over.asked_at = Some(now);
        true
    }

    /// The numbers now.
    pub(super) fn reading(&self, now: MonoTime) -> Reading {
        let limit = match &self.rule.when {
            Trigger::Requests { count, .. }
            | Trigger::Status { count, .. }
            | Trigger::Slow { count, .. } => u64::from(*count),
            Trigger::Memory { .. } => 0,
        };
        let (matching, total, limit, since) = match &self.seen {
            Seen::Window(window) => {
                let (matching, total) = window.peek(now);
                (matching, total, limit, None)
            }
            Seen::SinceReady { count, threshold } => (*count, *count, *threshold, None),
            Seen::Memory(over) => (over.bytes, 0, over.limit.unwrap_or(0), over.since),
        };
        Reading {
            matching,
            total,
            limit,
            held_for: since.map_or(Duration::ZERO, |since| now.since(since)),
        }
    }

    /// Whether the condition holds now.
    pub(super) fn holds(&mut self, now: MonoTime) -> bool {
        let share = match &self.rule.when {
            Trigger::Status { share, .. } | Trigger::Slow { share, .. } => *share,
            _ => None,
        };
        match (&mut self.seen, &self.rule.when) {
            (Seen::Window(window), Trigger::Requests { count, .. })
            | (Seen::Window(window), Trigger::Status { count, .. })
            | (Seen::Window(window), Trigger::Slow { count, .. }) => {
                let (matching, total) = window.sums(now);
                // A count of 0 would fire on nothing at all.
                matching >= u64::from(*count).max(1)
                    && share.is_none_or(|share| share.reached_by(matching, total))
            }
            (Seen::SinceReady { count, threshold }, _) => count >= threshold,
            (Seen::Memory(over), Trigger::Memory { hold, .. }) => {
                over.exact && over.since.is_some_and(|since| now.since(since) >= *hold)
            }
            _ => false,
        }
    }

    pub(super) fn limit_unknown(&self) -> bool {
        matches!(&self.seen, Seen::Memory(over) if over.limit_unknown)
    }

    /// `Some` when the rule replaces the worker; within: the strategy it asks for.
    pub(super) fn recycles(&self) -> Option<Option<Strategy>> {
        self.rule.actions.iter().find_map(|action| match action {
            Action::Recycle(strategy) => Some(*strategy),
            _ => None,
        })
    }

    /// The numbers and the limits in words: `23 of 61 answers (37%) on /checkout/* were 500-599 in
    /// 30s (limits: 20 and 30%)`.
    pub(super) fn words(&self, seen: Reading) -> String {
        let Reading {
            matching,
            total,
            limit,
            held_for,
        } = seen;
        match &self.rule.when {
            Trigger::Requests { window, filter, .. } => {
                let time = window.map_or_else(
                    || "since the worker became ready".to_owned(),
                    |window| format!("in {}", words(window)),
                );
                format!(
                    "{matching} requests{} {time} (limit: {limit})",
                    scope(filter)
                )
            }
            Trigger::Status {
                codes,
                share,
                window,
                filter,
                ..
            } => format!(
                "{matching} of {total} answers ({}%){} were {codes} in {} ({})",
                percent(matching, total),
                scope(filter),
                words(*window),
                limits(limit, *share),
            ),
            Trigger::Slow {
                time_taken,
                share,
                window,
                filter,
                ..
            } => format!(
                "{matching} of {total} requests ({}%){} had no answer within {} in {} ({})",
                percent(matching, total),
                scope(filter),
                words(*time_taken),
                words(*window),
                limits(limit, *share),
            ),
            Trigger::Memory { limit: kind, hold } => {
                let share = match kind {
                    MemoryLimit::Share(share) => format!("{share} of the cgroup's, "),
                    MemoryLimit::PrivateBytes(_) => String::new(),
                };
                let time = match hold.is_zero() {
                    true => String::new(),
                    false => format!(" for {}", words(held_for)),
                };
                let (bytes, limit) = (ByteSize(matching).human(), ByteSize(limit).human());
                format!("private memory {bytes}{time} (limit: {share}{limit})")
            }
        }
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
