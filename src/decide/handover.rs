//! When a healthy old worker has handed over to the new one that is admitted beside it.

use std::time::Duration;

use crate::time::MonoTime;

const SECOND: Duration = Duration::from_secs(1);
/// Fewer answers than this in a second are no load that a new worker would have to grow into.
const IDLE_ANSWERS: u64 = 16;
/// At least so many answers prove the new worker.
const QUOTA_LEAST: u64 = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handover {
    until: MonoTime,
    second_ends: MonoTime,
    second_answers: u64,
    quota_left: u64,
}

impl Handover {
    pub(super) fn new(now: MonoTime, slow_start: Duration, old_peak: u64) -> Self {
        Self {
            until: now + slow_start,
            second_ends: now + SECOND,
            second_answers: 0,
            quota_left: old_peak.max(QUOTA_LEAST),
        }
    }

    pub(super) fn answers(&mut self, by_new: bool, answers: u64) {
        self.second_answers += answers;
        if by_new {
            self.quota_left = self.quota_left.saturating_sub(answers);
        }
    }

    /// Whether it is over; moves on to the next second when one has passed under load.
    pub(super) fn over(&mut self, now: MonoTime) -> bool {
        if now >= self.second_ends {
            if self.second_answers < IDLE_ANSWERS {
                return true;
            }
            self.second_ends = now + SECOND;
            self.second_answers = 0;
        }
        self.quota_left == 0 || now >= self.until
    }

    /// What was counted while the machine stood still says nothing.
    pub(super) fn stalled(&mut self, now: MonoTime) {
        self.second_ends = now + SECOND;
    }

    pub(super) fn deadline(&self) -> MonoTime {
        self.until.min(self.second_ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW_START: Duration = Duration::from_secs(10);

    fn at(ms: u64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    #[test]
    fn it_ends_when_the_new_worker_has_answered_as_many_as_the_old_one_ever_held() {
        let mut handover = Handover::new(at(0), SLOW_START, 100);
        handover.answers(false, 500);
        handover.answers(true, 99);
        assert!(!handover.over(at(10)));
        handover.answers(true, 1);
        assert!(handover.over(at(10)));
    }

    #[test]
    fn it_ends_after_a_second_without_load() {
        let mut handover = Handover::new(at(0), SLOW_START, 0);
        handover.answers(false, 15);
        assert!(!handover.over(at(999)) && handover.over(at(1_000)));
        let mut busy = Handover::new(at(0), SLOW_START, 0);
        busy.answers(false, 16);
        assert!(!busy.over(at(1_000)));
        assert!(busy.over(at(2_000)));
    }

    #[test]
    fn it_ends_after_slow_start_at_the_latest() {
        let mut handover = Handover::new(at(0), SLOW_START, 1_000);
        for second in 1..10 {
            handover.answers(true, 20);
            assert!(!handover.over(at(second * 1_000)));
            assert!(handover.deadline() > at(second * 1_000));
        }
        assert!(handover.over(at(10_000)));
    }
}
