//! How fast places become free while somebody waits for one: the rate by which it is judged whether
//! one more would be served in time.
//!
//! Pure but for its counters, which all data threads share without a lock; callers pass `now`.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::time::MonoTime;

/// The rate is that of the last 4 s, in so many slots.
const SLOTS: usize = 16;
const SLOT: Duration = Duration::from_millis(250);
/// So many places that became free say something at once.
const ENOUGH: u64 = 8;
/// Any number of them does after this long.
const LONG: Duration = Duration::from_secs(2);
/// The low bits of a slot are its count, the high ones its number.
const COUNT_BITS: u32 = 24;

/// Counts places that become free.
#[derive(Debug, Default)]
pub struct Pace {
    /// Since when somebody has waited without a break, in nanoseconds.
    since: AtomicU64,
    slots: [AtomicU64; SLOTS],
}

impl Pace {
    /// Somebody waits, and nobody did a moment ago: how fast it went while there were places for
    /// all says nothing.
    pub fn began(&self, now: MonoTime) {
        self.since.store(now.as_nanos(), Relaxed);
    }

    /// A place became free while somebody waited.
    pub fn freed(&self, now: MonoTime) {
        let number = number(now);
        let slot = &self.slots[index(number)];
        // Never fails: the count is one that a slot can hold.
        let counted = slot.fetch_update(Relaxed, Relaxed, |seen| {
            let same = seen >> COUNT_BITS == number;
            let full = seen & COUNT_MASK == COUNT_MASK;
            Some(match (same, full) {
                (true, false) => seen + 1,
                (true, true) => seen,
                (false, _) => number << COUNT_BITS | 1,
            })
        });
        debug_assert!(counted.is_ok());
    }

    /// How long it takes until so many places have become free, by the rate of late. `None`: that
    /// is not known, because too few did.
    #[must_use]
    pub fn until(&self, places: u64, now: MonoTime) -> Option<Duration> {
        let since = MonoTime::from_nanos(self.since.load(Relaxed));
        let newest = number(now);
        let oldest = newest.saturating_sub(SLOTS as u64 - 1).max(number(since));
        let counts = self.slots.iter().map(|slot| slot.load(Relaxed));
        let freed: u64 = counts
            .filter(|seen| (oldest..=newest).contains(&(seen >> COUNT_BITS)))
            .map(|seen| seen & COUNT_MASK)
            .sum();
        let from = since.max(MonoTime::ZERO + SLOT * u32::try_from(oldest).unwrap_or(u32::MAX));
        let elapsed = now.since(from);
        if freed == 0 || freed < ENOUGH && elapsed < LONG {
            return None;
        }
        let nanos = elapsed.as_nanos().saturating_mul(u128::from(places)) / u128::from(freed);
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }
}

const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

fn number(at: MonoTime) -> u64 {
    at.as_millis() / SLOT.as_millis() as u64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a remainder of a small number"
)]
fn index(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(millis)
    }

    #[test]
    fn the_rate_is_that_of_the_time_in_which_somebody_waited() {
        let pace = Pace::default();
        pace.began(at(100_000));
        assert_eq!(pace.until(1, at(100_500)), None, "nothing is known yet");
        for millis in (100_000..103_000).step_by(10) {
            pace.freed(at(millis));
        }
        // A hundred a second.
        let wait = pace.until(500, at(103_000)).unwrap();
        assert!(
            wait.abs_diff(Duration::from_secs(5)) < Duration::from_millis(200),
            "{wait:?}"
        );
    }

    #[test]
    fn what_is_long_past_does_not_count() {
        let pace = Pace::default();
        pace.began(at(0));
        for millis in 0..1000 {
            pace.freed(at(millis));
        }
        for millis in (1000..9000).step_by(500) {
            pace.freed(at(millis));
        }
        let wait = pace.until(10, at(9000)).unwrap();
        assert!(
            wait.abs_diff(Duration::from_secs(5)) < Duration::from_secs(1),
            "{wait:?}"
        );
        assert_eq!(
            pace.until(1, at(60_000)),
            None,
            "it hangs, or is very slow: nobody knows"
        );
    }

    #[test]
    fn a_new_wait_begins_without_a_rate() {
        let pace = Pace::default();
        pace.began(at(0));
        for millis in 0..100 {
            pace.freed(at(millis * 10));
        }
        assert!(pace.until(1, at(1000)).is_some());
        pace.began(at(5000));
        assert_eq!(pace.until(1, at(5100)), None);
        pace.freed(at(5200));
        assert_eq!(pace.until(1, at(5200)), None, "one is not enough");
        assert!(pace.until(1, at(7000)).is_some(), "but it is after a while");
    }

    #[test]
    fn many_threads_count_at_once() {
        let pace = Pace::default();
        pace.began(at(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| pace.freed(at(500))));
            }
        });
        let wait = pace.until(40_000, at(1000)).unwrap();
        assert_eq!(wait, Duration::from_secs(1));
    }
}
