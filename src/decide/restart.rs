//! When a worker that ended by itself is started again. Not a rule: it has no budget.

use std::{collections::VecDeque, time::Duration};

use super::{
    policy::{Enough, Patience},
    rng::Rng,
};
use crate::time::MonoTime;

/// A worker that was ready for this long may restart at once.
const STEADY: Duration = Duration::from_secs(1);
/// Service of this length forgets what a probe had against a worker before.
pub(super) const SERVICE: Duration = Duration::from_secs(60);
const DELAY_FIRST: Duration = Duration::from_secs(1);
const DELAY_LAST: Duration = Duration::from_secs(60);
/// No more ends than this are remembered: the most that may be asked to be enough.
const REMEMBERED: usize = 10_000;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Start now: the so many-th time within the window.
    AtOnce(usize),
    Later(Duration),
    /// `ends`: so many were enough.
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
    /// In a row.
    ends: u32,
    /// When it ended lately.
    lately: VecDeque<MonoTime>,
    gave_up: bool,
}

impl Restarts {
    /// The worker ended by itself after `served` in ready state, or (`None`) never got there.
    pub(super) fn ended(
        &mut self,
        now: MonoTime,
        served: Option<Duration>,
        patience: &Patience,
        rng: &mut Rng,
    ) -> Plan {
        self.served(served.unwrap_or_default(), patience);
        if self.gave_up {
            return Plan::StillDown;
        }
        self.ends = self.ends.saturating_add(1);
        if let Some(ends) = self.enough(now, patience.enough) {
            self.gave_up = true;
            return Plan::GiveUp { ends };
        }
        self.quick.retain(|at| now.since(*at) < patience.window);
        let steady = served.is_some_and(|served| served >= STEADY);
        if steady && self.quick.len() < patience.at_once as usize {
            self.quick.push_back(now);
            return Plan::AtOnce(self.quick.len());
        }
        let (first, last) = (patience.delay, patience.longest_delay);
        Plan::Later(self.delay.next_within(first, last, rng))
    }

    /// How many ends it were, if this one was enough.
    fn enough(&mut self, now: MonoTime, enough: Enough) -> Option<u32> {
        match enough {
            Enough::Never => None,
            Enough::InARow(most) => (self.ends >= most).then_some(self.ends),
            Enough::Within(most, window) => {
                self.lately.retain(|at| now.since(*at) < window);
                if self.lately.len() >= REMEMBERED {
                    self.lately.pop_front();
                }
                self.lately.push_back(now);
                let ends = u32::try_from(self.lately.len()).unwrap_or(u32::MAX);
                (ends >= most).then_some(ends)
            }
        }
    }

    /// A worker has been ready for so long.
    pub(super) fn served(&mut self, served: Duration, patience: &Patience) {
        if served >= patience.service {
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

/// A delay that doubles, each give or take 10%.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff(Duration);

impl Backoff {
    /// 1 s doubling to 60 s.
    pub(super) fn next(&mut self, rng: &mut Rng) -> Duration {
        self.next_within(DELAY_FIRST, DELAY_LAST, rng)
    }

    fn next_within(&mut self, first: Duration, last: Duration, rng: &mut Rng) -> Duration {
        self.0 = (self.0 * 2).max(first).min(last);
        rng.jitter(self.0)
    }

    pub(super) fn reset(&mut self) {
        self.0 = Duration::ZERO;
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
            let plan = restarts.ended(at(nth * 2 * S), secs(2), &Patience::default(), &mut rng);
            assert_eq!(plan, Plan::AtOnce(usize::try_from(nth).unwrap()));
        }
        assert!(matches!(
            restarts.ended(at(8 * S), secs(2), &Patience::default(), &mut rng),
            Plan::Later(_)
        ));
        assert_eq!(
            restarts.ended(at(62 * S), secs(50), &Patience::default(), &mut rng),
            Plan::AtOnce(3)
        );
    }

    #[test]
    fn a_worker_that_was_ready_for_less_than_a_second_is_not_restarted_at_once() {
        let (mut restarts, mut rng) = (Restarts::default(), Rng::new(1));
        let mut ended = |ms| {
            let served = Some(Duration::from_millis(ms));
            restarts.ended(at(0), served, &Patience::default(), &mut rng)
        };
        assert!(matches!(ended(999), Plan::Later(_)));
        assert_eq!(ended(1_000), Plan::AtOnce(1));
    }

    #[test]
    fn no_two_machines_wait_for_the_same_time() {
        let waits = |seed| Backoff::default().next(&mut Rng::new(seed));
        assert!((2..10).any(|seed| waits(seed) != waits(1)));
    }

    #[test]
    fn a_worker_that_never_gets_ready_waits_twice_as_long_each_time_and_is_given_up() {
        let (mut restarts, mut rng) = (Restarts::default(), Rng::new(1));
        for expected in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let Plan::Later(delay) = restarts.ended(at(0), None, &Patience::default(), &mut rng)
            else {
                panic!("expected to wait {expected}s");
            };
            let expected = Duration::from_secs(expected);
            assert!(
                delay >= expected * 9 / 10 && delay <= expected * 11 / 10,
                "{delay:?}"
            );
        }
        assert_eq!(
            restarts.ended(at(0), None, &Patience::default(), &mut rng),
            Plan::GiveUp { ends: 10 }
        );
        assert!(restarts.gave_up());
        assert_eq!(
            restarts.ended(at(0), None, &Patience::default(), &mut rng),
            Plan::StillDown
        );
        restarts.ready();
        assert!(!restarts.gave_up());
    }

    #[test]
    fn a_minute_of_service_forgets_what_was_before() {
        let (mut restarts, mut rng) = (Restarts::default(), Rng::new(1));
        for _ in 0..9 {
            restarts.ended(at(0), None, &Patience::default(), &mut rng);
        }
        assert_eq!(
            restarts.ended(at(70 * S), secs(60), &Patience::default(), &mut rng),
            Plan::AtOnce(1)
        );
        let Plan::Later(delay) = restarts.ended(at(71 * S), None, &Patience::default(), &mut rng)
        else {
            panic!("expected a delay");
        };
        assert!(delay <= Duration::from_millis(1_100));
    }

    #[test]
    fn so_many_ends_within_a_time_are_enough_however_long_it_served_between() {
        let (mut restarts, mut rng) = (Restarts::default(), Rng::new(1));
        let patience = Patience {
            at_once: 2,
            enough: Enough::Within(5, Duration::from_secs(300)),
            ..Patience::default()
        };
        let mut ended =
            |secs: u64| restarts.ended(at(secs * S), self::secs(70), &patience, &mut rng);
        assert_eq!(ended(0), Plan::AtOnce(1));
        for secs in [80, 160, 240, 320] {
            assert_eq!(ended(secs), Plan::AtOnce(1), "the first is 320 s ago");
        }
        assert_eq!(ended(321), Plan::GiveUp { ends: 5 });
        assert_eq!(ended(900), Plan::StillDown);
    }

    #[test]
    fn a_patience_without_end_never_gives_up() {
        let (mut restarts, mut rng) = (Restarts::default(), Rng::new(1));
        let patience = Patience {
            delay: Duration::from_secs(2),
            longest_delay: Duration::from_secs(5),
            enough: Enough::Never,
            ..Patience::default()
        };
        let mut last = Duration::ZERO;
        for _ in 0..100 {
            let Plan::Later(delay) = restarts.ended(at(0), None, &patience, &mut rng) else {
                panic!("gave up");
            };
            last = delay;
        }
        assert!(last >= Duration::from_millis(4_500) && last <= Duration::from_millis(5_500));
    }
}
