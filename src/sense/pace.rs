//! When to look at a worker's memory again: at leisure while it is small, ever sooner as it nears
//! a limit, and never so often that looking costs more than a small share of a CPU.
//!
//! Invariant: nothing here reads a clock; callers pass now.

use std::time::Duration;

use crate::{time::MonoTime, units::ByteSize};

/// Between two samples while a limit is set.
pub(super) const USUAL: Duration = Duration::from_millis(100);
/// Between two samples while no limit is.
pub(super) const LEISURELY: Duration = Duration::from_secs(1);
/// Between two samples at most this soon.
const SOONEST: Duration = Duration::from_millis(10);
/// An exact reading is followed by a pause of so many times the CPU time that it took: 5% of a CPU.
const PAUSE_FACTOR: u32 = 19;

/// The pace of one worker's samples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    last: Option<(MonoTime, ByteSize)>,
    exact_from: MonoTime,
}

impl Pace {
    /// How long to wait after this sample of the cheap bound.
    pub(super) fn next(
        &mut self,
        now: MonoTime,
        bound: ByteSize,
        limit: Option<ByteSize>,
    ) -> Duration {
        let before = self.last.replace((now, bound));
        let Some(limit) = limit else {
            return LEISURELY;
        };
        let Some((at, was)) = before else {
            return USUAL;
        };
        let grown = u128::from(bound.0.saturating_sub(was.0));
        let left = u128::from(limit.0.saturating_sub(bound.0));
        if grown == 0 || bound.0 < limit.0 / 2 {
            return USUAL;
        }
        if left == 0 {
            return SOONEST;
        }
        let nanos_left = now.since(at).as_nanos().saturating_mul(left) / grown;
        let half = Duration::from_nanos(u64::try_from(nanos_left / 2).unwrap_or(u64::MAX));
        half.clamp(SOONEST, USUAL)
    }

    /// Whether an exact reading may be made now.
    pub(super) fn may_read_exactly(&self, now: MonoTime) -> bool {
        now >= self.exact_from
    }

    /// An exact reading ended now and took so much CPU time.
    pub(super) fn read_exactly(&mut self, now: MonoTime, cost: Duration) {
        self.exact_from = now + cost * PAUSE_FACTOR;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Option<ByteSize> = Some(ByteSize::mib(200));

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(millis)
    }

    #[test]
    fn a_worker_that_nears_its_limit_is_looked_at_ever_sooner() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(at(0), ByteSize::mib(100), LIMIT), USUAL);
        // 25 MiB in 100 ms: 75 MiB are left for 300 ms.
        assert_eq!(pace.next(at(100), ByteSize::mib(125), LIMIT), USUAL);
        // 50 MiB in 100 ms: 25 MiB are left for 50 ms.
        let soon = pace.next(at(200), ByteSize::mib(175), LIMIT);
        assert_eq!(soon, Duration::from_millis(25));
        let sooner = pace.next(at(225), ByteSize::mib(199), LIMIT);
        assert_eq!(sooner, SOONEST);
    }

    #[test]
    fn one_that_grows_beyond_its_limit_is_still_looked_at_soon() {
        let mut pace = Pace::default();
        pace.next(at(0), ByteSize::mib(190), LIMIT);
        assert_eq!(pace.next(at(10), ByteSize::mib(210), LIMIT), SOONEST);
        assert_eq!(pace.next(at(20), ByteSize::mib(210), LIMIT), USUAL);
    }

    #[test]
    fn a_small_or_still_worker_is_looked_at_as_usual() {
        let mut pace = Pace::default();
        pace.next(at(0), ByteSize::mib(1), LIMIT);
        assert_eq!(pace.next(at(100), ByteSize::mib(90), LIMIT), USUAL);
        assert_eq!(
            pace.next(at(200), ByteSize::mib(190), LIMIT),
            Duration::from_millis(10)
        );
        assert_eq!(pace.next(at(300), ByteSize::mib(190), LIMIT), USUAL);
        assert_eq!(pace.next(at(500), ByteSize::mib(301), None), LEISURELY);
    }

    #[test]
    fn exact_readings_take_a_twentieth_of_the_time_at_most() {
        let mut pace = Pace::default();
        assert!(pace.may_read_exactly(at(0)));
        pace.read_exactly(at(10), Duration::from_millis(10));
        assert!(!pace.may_read_exactly(at(199)));
        assert!(pace.may_read_exactly(at(200)));
    }
}
