//! Counts over a sliding window of time.
//!
//! Exact to one tick: what is counted within one tick is dated by the first of it. A window of
//! length W (at least one tick) holds at `now` what is dated after `now - W`. Quiet ticks take no
//! room, so there are W / [`TICK`] + 1 entries of 24 bytes at most.

use std::{collections::VecDeque, time::Duration};

use super::policy::TICK;
use crate::time::MonoTime;

#[derive(Clone, Debug)]
pub(super) struct Window {
    length: Duration,
    entries: VecDeque<Entry>,
    matching: u64,
    total: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: MonoTime,
    matching: u64,
    total: u64,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Self {
            length: length.max(TICK),
            entries: VecDeque::new(),
            matching: 0,
            total: 0,
        }
    }

    pub(super) fn add(&mut self, now: MonoTime, matching: u64, total: u64) {
        self.expire(now);
        if matching == 0 && total == 0 {
            return;
        }
        self.matching += matching;
        self.total += total;
        match self.entries.back_mut() {
            Some(last) if tick(last.at) >= tick(now) => {
                last.matching += matching;
                last.total += total;
            }
            _ => self.entries.push_back(Entry {
                at: now,
                matching,
                total,
            }),
        }
    }

    /// Matching and total within the window that ends now.
    pub(super) fn sums(&mut self, now: MonoTime) -> (u64, u64) {
        self.expire(now);
        (self.matching, self.total)
    }

    /// The same without forgetting what is too old, for those who only look.
    pub(super) fn peek(&self, now: MonoTime) -> (u64, u64) {
        let live = self
            .entries
            .iter()
            .filter(|e| now.since(e.at) < self.length);
        live.fold((0, 0), |(m, t), e| (m + e.matching, t + e.total))
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.matching = 0;
        self.total = 0;
    }

    fn expire(&mut self, now: MonoTime) {
        while let Some(first) = self.entries.front() {
            if now.since(first.at) < self.length {
                break;
            }
            self.matching -= first.matching;
            self.total -= first.total;
            self.entries.pop_front();
        }
    }
}

fn tick(at: MonoTime) -> u128 {
    u128::from(at.as_nanos()) / TICK.as_nanos()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_count_leaves_exactly_one_window_after_it_came() {
        let mut window = Window::new(Duration::from_secs(30));
        window.add(MonoTime::from_millis(1_000), 3, 5);
        assert_eq!(window.sums(MonoTime::from_millis(30_999)), (3, 5));
        assert_eq!(window.peek(MonoTime::from_millis(31_000)), (0, 0));
        assert_eq!(window.sums(MonoTime::from_millis(31_000)), (0, 0));
    }

    #[test]
    fn early_tallies_take_no_more_room_than_ticks() {
        let mut window = Window::new(Duration::from_secs(1));
        for at in 0..10_000 {
            window.add(MonoTime::from_millis(at), 1, 1);
            assert!(window.entries.len() <= 11);
        }
    }

    /// Every count ever made, dated by the first count of its tick, filtered anew each time.
    fn oracle(all: &[(u64, u64, u64)], length_ms: u64, now_ms: u64) -> (u64, u64) {
        let date = |at: u64| all.iter().find(|c| c.0 / 100 == at / 100).unwrap().0;
        let live = all
            .iter()
            .filter(|c| now_ms - date(c.0) < length_ms.max(100));
        live.fold((0, 0), |(m, t), c| (m + c.1, t + c.2))
    }

    proptest! {
        #[test]
        fn sums_are_those_of_brute_force(
            length in 1u64..3_000,
            counts in prop::collection::vec((0u64..400, 0u64..5, 0u64..5), 1..120),
        ) {
            let mut window = Window::new(Duration::from_millis(length));
            let mut all = Vec::new();
            let mut now = 0;
            for (gap, matching, total) in counts {
                now += gap;
                if matching + total > 0 {
                    all.push((now, matching, total));
                }
                let at = MonoTime::from_millis(now);
                window.add(at, matching, total);
                let expected = oracle(&all, length, now);
                prop_assert_eq!(window.peek(at), expected);
                prop_assert_eq!(window.sums(at), expected);
            }
        }
    }
}
