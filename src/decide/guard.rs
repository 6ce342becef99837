//! What keeps a rule whose condition holds from acting: cooldown and budget, and the words for
//! every reason.

use std::{collections::VecDeque, fmt, time::Duration};

use super::{policy::Budget, say::words};
use crate::time::MonoTime;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Why a rule is held although its condition holds; in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Disarmed(MonoTime),
    /// Its quiet time, by the wall clock.
    QuietTime(MonoTime),
    /// Disarmed by its verdicts, for all instances...
    NoHelp(MonoTime),
    /// ...or for this one alone.
    NoHelpHere {
        instance: u32,
        until: MonoTime,
    },
    Recycling(u64),
    MinUptime(MonoTime),
    Cooldown(MonoTime),
    /// The last replacement did not get ready.
    Backoff(MonoTime),
    /// autoheal itself, which would end for it, has only just started.
    JustStarted(MonoTime),
    /// It has more to do than it can, since then.
    Overloaded(MonoTime),
    /// What this dependency, by its place, has failed since then may be to blame.
    Dependency {
        at: usize,
        since: MonoTime,
        down: bool,
    },
    /// As many other instances as may be are out already.
    Turn,
    /// What it looks at can't be read here; why, in words.
    Off(&'static str),
}

impl Held {
    /// When this reason ends, if that is known.
    pub(super) fn until(self) -> Option<MonoTime> {
        match self {
            Self::Disarmed(at)
            | Self::QuietTime(at)
            | Self::NoHelp(at)
            | Self::NoHelpHere { until: at, .. }
            | Self::MinUptime(at)
            | Self::Cooldown(at)
            | Self::JustStarted(at)
            | Self::Backoff(at) => Some(at),
            Self::Recycling(_)
            | Self::Dependency { .. }
            | Self::Overloaded(_)
            | Self::Turn
            | Self::Off(_) => None,
        }
    }

    /// The reason in words, with what is left of it.
    pub(super) fn words(self, now: MonoTime) -> String {
        let left = |at: MonoTime| words(at.since(now));
        match self {
            Self::Disarmed(at) => format!("an operator disarmed it for another {}", left(at)),
            Self::QuietTime(at) => {
                format!(
                    "it is its quiet time (not_between) for another {}",
                    left(at)
                )
            }
            Self::NoHelp(at) => format!(
                "its last two recycles did not help, so that it is disarmed for another {} \
                 (autoheal arm ends that)",
                left(at)
            ),
            Self::NoHelpHere { instance, until } => format!(
                "the last two recycles of instance {instance} did not help, so that it is disarmed \
                 there for another {} (autoheal arm ends that)",
                left(until)
            ),
            Self::Recycling(incident) => format!("a recycle is under way (incident {incident})"),
            Self::MinUptime(at) => {
                format!(
                    "the worker has not been ready for min_uptime; {} to go",
                    left(at)
                )
            }
            Self::Cooldown(at) => format!("it is cooling down for another {}", left(at)),
            Self::Backoff(at) => {
                format!(
                    "the last replacement failed to start; next one in {}",
                    left(at)
                )
            }
            Self::JustStarted(at) => format!(
                "autoheal has only just started, and ends for the app no more than once a \
                 minute; {} to go",
                left(at)
            ),
            Self::Dependency { .. } => "a dependency does not answer".to_owned(),
            Self::Turn => "another worker is being replaced; it waits for its turn".to_owned(),
            Self::Overloaded(_) => "the worker is overloaded rather than hung".to_owned(),
            Self::Off(why) => why.to_owned(),
        }
    }
}

/// A rule's rest after a firing: doubling to an hour while it keeps firing.
#[derive(Clone, Debug, Default)]
pub(super) struct Cooldown {
    until: MonoTime,
    length: Duration,
}

impl Cooldown {
    /// The rule fires now. Firing again before the rest's end plus as long again is "keeps firing".
    pub(super) fn fire(&mut self, now: MonoTime, base: Duration) {
        let again = self.length > Duration::ZERO && now <= self.until + self.length;
        self.length = if again {
            (self.length * 2).min(HOUR).max(base)
        } else {
            base
        };
        self.until = now + self.length;
    }

    /// It fired so long ago, in an earlier run.
    pub(super) fn remember(&mut self, now: MonoTime, ago: Duration, base: Duration) {
        self.length = base;
        self.until = self.until.max(now + base.saturating_sub(ago));
    }

    pub(super) fn until(&self, now: MonoTime) -> Option<MonoTime> {
        (self.until > now).then_some(self.until)
    }
}

/// A firing this long after the last one's rest is no longer in a row with it.
const LULL: Duration = Duration::from_secs(600);

/// A rule's firings in a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    count: u32,
    until: MonoTime,
}

impl Row {
    /// The rule fires now and rests for so long; which firing in a row this is, from 1.
    pub(super) fn fire(&mut self, now: MonoTime, rest: Duration) -> u32 {
        if now > self.until {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.until = now + rest + rest.max(LULL);
        self.count
    }

    /// Which one it would be if it fired now.
    pub(super) fn next(&self, now: MonoTime) -> u32 {
        if now > self.until {
            return 1;
        }
        self.count.saturating_add(1)
    }
}

/// The recycles that rules have caused in the last day.
#[derive(Clone, Debug, Default)]
pub(super) struct Spent {
    times: VecDeque<MonoTime>,
    /// By earlier runs: how long before this time each was.
    earlier: VecDeque<(MonoTime, Duration)>,
}

impl Spent {
    /// Takes one if there is one to take.
    pub(super) fn take(&mut self, now: MonoTime, budget: &Budget) -> bool {
        let keep = budget.window.max(DAY);
        self.times.retain(|at| now.since(*at) < keep);
        self.earlier
            .retain(|(at, before)| now.since(*at) + *before < keep);
        let left = self.left(now, budget);
        if left.window == 0 || left.day == 0 {
            return false;
        }
        self.times.push_back(now);
        true
    }

    /// One was taken so long ago, by an earlier run.
    pub(super) fn remember(&mut self, now: MonoTime, ago: Duration) {
        self.earlier.push_back((now, ago));
    }

    pub(super) fn left(&self, now: MonoTime, budget: &Budget) -> Left {
        let used = |length| {
            let times = self.times.iter().map(|at| now.since(*at));
            let earlier = self.earlier.iter();
            let earlier = earlier.map(|(at, before)| now.since(*at) + *before);
            times.chain(earlier).filter(|age| *age < length).count()
        };
        let left = |most: u32, length| {
            most.saturating_sub(u32::try_from(used(length)).unwrap_or(u32::MAX))
        };
        Left {
            window: left(budget.recycles, budget.window),
            day: left(budget.per_day, DAY),
            budget: *budget,
        }
    }
}

/// What is left of the budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) window: u32,
    pub(super) day: u32,
    budget: Budget,
}

impl fmt::Display for Left {
    /// The tighter of the two: `2 of 3 left in 10min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.day < self.window {
            write!(f, "{} of {} left in 24h", self.day, self.budget.per_day)
        } else {
            let window = words(self.budget.window);
            write!(
                f,
                "{} of {} left in {window}",
                self.window, self.budget.recycles
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> MonoTime {
        MonoTime::from_millis(secs * 1000)
    }

    #[test]
    fn a_rule_that_keeps_firing_rests_twice_as_long_up_to_an_hour() {
        let base = Duration::from_secs(300);
        let mut cooldown = Cooldown::default();
        let mut now = at(10);
        let mut rests = Vec::new();
        for _ in 0..6 {
            cooldown.fire(now, base);
            let until = cooldown.until(now).unwrap();
            rests.push(until.since(now).as_secs());
            now = until;
            assert_eq!(cooldown.until(now), None);
        }
        assert_eq!(rests, [300, 600, 1200, 2400, 3600, 3600]);
        cooldown.fire(now + HOUR, base);
        assert_eq!(cooldown.until(now + HOUR), Some(now + HOUR + HOUR));
        let quiet = now + HOUR + HOUR + HOUR + Duration::from_nanos(1);
        cooldown.fire(quiet, base);
        assert_eq!(cooldown.until(quiet), Some(quiet + base));
    }

    #[test]
    fn firings_are_in_a_row_until_ten_minutes_after_a_rest() {
        let mut row = Row::default();
        let rest = Duration::from_secs(300);
        assert_eq!(row.next(at(10)), 1);
        assert_eq!(row.fire(at(10), rest), 1);
        assert_eq!(row.fire(at(910), rest), 2);
        assert_eq!(row.next(at(1_810)), 3);
        assert_eq!(row.fire(at(1_811), rest), 1);
        assert_eq!(row.fire(at(1_900), Duration::from_secs(3600)), 2);
        assert_eq!(row.fire(at(1_900 + 7_200), rest), 3);
    }

    #[test]
    fn the_budget_slides_and_the_day_limits_it_too() {
        let budget = Budget {
            recycles: 2,
            window: Duration::from_secs(600),
            per_day: 3,
        };
        let mut spent = Spent::default();
        assert!(spent.take(at(0), &budget) && spent.take(at(1), &budget));
        assert!(!spent.take(at(599), &budget));
        assert_eq!(
            spent.left(at(599), &budget).to_string(),
            "0 of 2 left in 10min"
        );
        assert!(spent.take(at(600), &budget));
        assert!(!spent.take(at(5_000), &budget));
        assert_eq!(
            spent.left(at(5_000), &budget).to_string(),
            "0 of 3 left in 24h"
        );
        assert!(spent.take(at(86_400), &budget));
        let same = Budget {
            recycles: 3,
            ..budget
        };
        let left = Spent::default().left(at(0), &same);
        assert_eq!(left.to_string(), "3 of 3 left in 10min");
    }

    #[test]
    fn what_was_spent_long_ago_is_forgotten() {
        let budget = Budget {
            recycles: 2,
            window: Duration::from_secs(600),
            per_day: 3,
        };
        let mut spent = Spent::default();
        for day in 1..100 {
            assert!(spent.take(at(day * 86_400), &budget));
        }
        assert_eq!(spent.times.len(), 1);
    }
}
