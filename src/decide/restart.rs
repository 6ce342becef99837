//! When a worker that ended by itself is started again. Not a rule: it has no budget.

use std::{collections::VecDeque, time::Duration};

use super::rng::Rng;
use crate::time::MonoTime;

/// A worker that was ready for this long may restart at once.
const STEADY: Duration = Duration::from_secs(1);
/// So many times...
pub(super) const QUICK: usize = 3;
/// ...in this time.
const MINUTE: Duration = Duration::from_secs(60);
/// Service of this length forgets every failure before it.
pub(super) const SERVICE: Duration = Duration::from_secs(60);
const DELAY_FIRST: Duration = Duration::from_secs(1);
const DELAY_LAST: Duration = Duration::from_secs(60);
/// So many ends in a row without [`SERVICE`] are enough, once the delay is at its longest.
const ENOUGH: u32 = 10;
/// From one try to the next after giving up.
pub(super) const RETRY: Duration = Duration::from_secs(300);

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Start now: the so many-th time this minute.
    AtOnce(usize),
    Later(Duration),
    /// `ends`: so many in a row.
    GiveUp {
        ends: u32,
    },
    /// Given up before; once more after a while.
    StillDown,
}

/// The ends of the worker so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts {
    quick: VecDeque<MonoTime>,
    delay: Backoff,
    ends: u32,
    gave_up: bool,
}

impl Restarts {
    /// The worker ended by itself after `served` in ready state, or (`None`) never got there.
    pub(super) fn ended(&mut self, now: MonoTime, served: Option<Duration>, rng: &mut Rng) -> Plan {
        self.served(served.unwrap_or_default());
        if self.gave_up {
            return Plan::StillDown;
        }
        self.ends = self.ends.saturating_add(1);
        self.quick.retain(|at| now.since(*at) < MINUTE);
        if served.is_some_and(|served| served >= STEADY) && self.quick.len() < QUICK {
            self.quick.push_back(now);
            return Plan::AtOnce(self.quick.len());
        }
        if self.ends >= ENOUGH && self.delay.at_last() {
            self.gave_up = true;
            return Plan::GiveUp { ends: self.ends };
        }
        Plan::Later(self.delay.next(rng))
    }

    /// A worker has been ready for so long.
    pub(super) fn served(&mut self, served: Duration) {
        if served >= SERVICE {
            self.ends = 0;
            self.delay.reset();
        }
    }

    /// A worker became ready: what was given up is taken up again.
    pub(super) fn ready(&mut self) {
        self.gave_up = false;
    }

    /// An operator or a new configuration starts afresh.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn gave_up(&self) -> bool {
        self.gave_up
    }
}

/// 1 s doubling to 60 s, each give or take 10%.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn next(&mut self, rng: &mut Rng) -> Duration {
        self.0 = (self.0 * 2).clamp(DELAY_FIRST, DELAY_LAST);
        rng.jitter(self.0)
    }

    pub(super) fn reset(&mut self) {
        self.0 = Duration::ZERO;
    }

    fn at_last(&self) -> bool {
        self.0 >= DELAY_LAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000;

    fn at(ms: u64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    fn secs(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    #[test]
    fn a_steady_worker_restarts_at_once_three_times_a_minute() {
        let (mut restarts, mut rng) = (Restarts::default(), Rng::new(1));
        for nth in 1..=3 {
            let plan = restarts.ended(at(nth * 2 * S), secs(2), &mut rng);
            assert_eq!(plan, Plan::AtOnce(usize::try_from(nth).unwrap()));
        }
        assert!(matches!(
            restarts.ended(at(8 * S), secs(2), &mut rng),
            Plan::Later(_)
        ));
        assert_eq!(
            restarts.ended(at(62 * S), secs(50), &mut rng),
            Plan::AtOnce(3)
        );
    }

    #[test]
    fn a_worker_that_never_gets_ready_waits_twice_as_long_each_time_and_is_given_up() {
        let (mut restarts, mut rng) = (Restarts::default(), Rng::new(1));
        for expected in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let Plan::Later(delay) = restarts.ended(at(0), None, &mut rng) else {
                panic!("expected to wait {expected}s");
            };
            let expected = Duration::from_secs(expected);
            assert!(
                delay >= expected * 9 / 10 && delay <= expected * 11 / 10,
                "{delay:?}"
            );
        }
        assert_eq!(
            restarts.ended(at(0), None, &mut rng),
            Plan::GiveUp { ends: 10 }
        );
        assert!(restarts.gave_up());
        assert_eq!(restarts.ended(at(0), None, &mut rng), Plan::StillDown);
        restarts.ready();
        assert!(!restarts.gave_up());
    }

    #[test]
    fn a_minute_of_service_forgets_what_was_before() {
        let (mut restarts, mut rng) = (Restarts::default(), Rng::new(1));
        for _ in 0..9 {
            restarts.ended(at(0), None, &mut rng);
        }
        assert_eq!(
            restarts.ended(at(70 * S), secs(60), &mut rng),
            Plan::AtOnce(1)
        );
        let Plan::Later(delay) = restarts.ended(at(71 * S), None, &mut rng) else {
            panic!("expected a delay");
        };
        assert!(delay <= Duration::from_millis(1_100));
    }
}
