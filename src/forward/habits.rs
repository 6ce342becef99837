//! How an app's workers treat their connections.
//!
//! Some close one right after an answer without having said so, for example when they did not read
//! the request's body. A request that may not be sent twice must not meet such a connection; one
//! that may be is sent again. Pure: callers pass `now`.

use std::{cell::Cell, time::Duration};

use crate::time::MonoTime;

/// A connection that is open so long after an answer stays open, as a rule.
pub(super) const PROVEN: Duration = Duration::from_millis(10);
/// The same, while it is not known whether workers close early, and they may be short of CPU.
pub(super) const SURE: Duration = Duration::from_millis(100);
/// A request that may not be sent twice gets a fresh connection rather than one that has been idle
/// for longer than this: the worker may be about to close it.
pub(super) const RECENT: Duration = Duration::from_secs(1);
/// After so many that stayed open, the next is trusted.
const TRUSTED: u32 = 8;
/// One that was closed early makes us careful for so long.
const CAREFUL: Duration = Duration::from_secs(60);

/// What one data thread knows of an app's workers, over all generations.
#[derive(Debug, Default)]
pub struct Habits {
    /// So many connections were still open a moment after an answer.
    survived: Cell<u32>,
    /// One was closed early; until then it is expected to happen again.
    closes_until: Cell<MonoTime>,
}

/// What to expect of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// That it is closed after an answer.
    Closes,
    /// That it stays open.
    Stays,
    /// Nothing yet.
    Unknown,
}

impl Habits {
    pub(super) fn trust(&self, now: MonoTime) -> Trust {
        if now < self.closes_until.get() {
            Trust::Closes
        } else if self.survived.get() < TRUSTED {
            Trust::Unknown
        } else {
            Trust::Stays
        }
    }

    /// One was open so long after an answer.
    pub(super) fn survived(&self, age: Duration) {
        if age >= PROVEN {
            self.survived.set(self.survived.get().saturating_add(1));
        }
    }

    /// One was found closed so long after an answer.
    pub(super) fn closed(&self, now: MonoTime, age: Duration) {
        if age < RECENT {
            self.survived.set(0);
            self.closes_until.set(now + CAREFUL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn trust_is_earned_by_connections_that_stay_open() {
        let habits = Habits::default();
        for _ in 0..100 {
            habits.survived(Duration::from_millis(9));
        }
        assert_eq!(habits.trust(at(1)), Trust::Unknown);
        for _ in 0..8 {
            habits.survived(PROVEN);
        }
        assert_eq!(habits.trust(at(1)), Trust::Stays);
    }

    #[test]
    fn one_early_close_costs_it_for_a_minute() {
        let habits = Habits::default();
        for _ in 0..8 {
            habits.survived(PROVEN);
        }
        habits.closed(at(1), Duration::from_secs(2));
        assert_eq!(
            habits.trust(at(1)),
            Trust::Stays,
            "an idle timeout is no early close"
        );
        habits.closed(at(1), Duration::from_millis(3));
        assert_eq!(habits.trust(at(60)), Trust::Closes);
        assert_eq!(habits.trust(at(61)), Trust::Unknown);
    }
}
