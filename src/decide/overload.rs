//! Hung or overloaded? A worker that answers as many as ever while its CPU is used up has more to
//! do than it can; a new one would have as much, and a cold start before it.
//!
//! The record is bounded: one number a second for five minutes. Time without a worker is no part of
//! it.

use std::{collections::VecDeque, time::Duration};

use super::{
    engine::Engine, guard::Held, observation::Measure, policy::TICK, trigger::Trigger,
    window::Window,
};
use crate::{
    time::MonoTime,
    units::{StatusItem, StatusSet},
};

const SECOND: Duration = Duration::from_secs(1);
/// The record's seconds.
const RECORD: usize = 300;
/// A median of fewer seconds than this is none.
const RECORD_LEAST: usize = 60;
/// What is compared with the median.
const RECENT_SECS: u64 = 5;
/// A worker that answers none for so long, where several were to be expected, is not overloaded.
const SILENCE: Duration = TICK.saturating_mul(3);
const EXPECTED_LEAST: u64 = 3;
/// What was last read of the CPU counts so long.
const FRESH: Duration = Duration::from_secs(3);
/// One that returns within this time has not been away.
const SAME: Duration = Duration::from_secs(30);

/// What was answered of late, and whether the CPU is used up.
#[derive(Clone, Debug)]
pub(super) struct Overload {
    seconds: VecDeque<u64>,
    /// The second that is being counted.
    begun: Option<MonoTime>,
    count: u64,
    recent: Window,
    last: Window,
    /// When the CPU was last seen used up.
    full_at: Option<MonoTime>,
    /// Since when it is so, and when it was last found so.
    lasts: Option<(MonoTime, MonoTime)>,
}

impl Default for Overload {
    fn default() -> Self {
        Self {
            seconds: VecDeque::new(),
            begun: None,
            count: 0,
            recent: Window::new(SECOND * 5),
            last: Window::new(SILENCE),
            full_at: None,
            lasts: None,
        }
    }
}

impl Overload {
    /// So many answers since the last call; `in_flight`: requests without one.
    pub(super) fn answered(&mut self, now: MonoTime, answered: u64, in_flight: u64) {
        let begun = *self.begun.get_or_insert(now);
        if now.since(begun) >= SECOND {
            // A longer time without a tally had no worker.
            let whole = now.since(begun) < SECOND * 2;
            let count = std::mem::take(&mut self.count);
            if whole {
                self.seconds.push_back(count);
            }
            if self.seconds.len() > RECORD {
                self.seconds.pop_front();
            }
            self.begun = Some(now);
        }
        self.count += answered;
        self.recent.add(now, answered, 0);
        self.last.add(now, answered, 0);
        if self.is_so(now, in_flight) {
            let since = self.lasts.filter(|(_, last)| now.since(*last) < SAME);
            self.lasts = Some((since.map_or(now, |(since, _)| since), now));
        }
    }

    /// Whether all CPU that there is for the worker was used in the last second.
    pub(super) fn cpu(&mut self, now: MonoTime, full: bool) {
        self.full_at = full.then_some(now);
    }

    /// Since when the worker is overloaded, if it is.
    pub(super) fn since(&self, now: MonoTime) -> Option<MonoTime> {
        let (since, last) = self.lasts?;
        (now.since(last) < TICK * 2).then_some(since)
    }

    fn is_so(&mut self, now: MonoTime, in_flight: u64) -> bool {
        let full = self.full_at.is_some_and(|at| now.since(at) < FRESH);
        let Some(median) = self.median().filter(|median| *median > 0 && full) else {
            return false;
        };
        let expected = median * u64::try_from(SILENCE.as_millis()).unwrap_or(0) / 1000;
        let (last, _) = self.last.sums(now);
        let silent = in_flight > 0 && last == 0 && expected >= EXPECTED_LEAST;
        // Half of all seconds are below their median: a tenth less is still as many as ever.
        !silent && self.per_second(now) * 10 >= median * 9
    }

    fn per_second(&self, now: MonoTime) -> u64 {
        self.recent.peek(now).0 / RECENT_SECS
    }

    fn median(&self) -> Option<u64> {
        if self.seconds.len() < RECORD_LEAST {
            return None;
        }
        let mut all: Vec<u64> = self.seconds.iter().copied().collect();
        let middle = all.len() / 2;
        Some(*all.select_nth_unstable(middle).1)
    }

    pub(super) fn words(&self, now: MonoTime) -> String {
        format!(
            "the worker is overloaded rather than hung: CPU is used up, and it answers {} a \
             second (median of 5min: {})",
            self.per_second(now),
            self.median().unwrap_or_default()
        )
    }
}

impl Engine {
    /// Why a rule that overload fires too does not act, if it does not.
    pub(super) fn held_by_overload(&self, at: usize) -> Option<Held> {
        let rule = &self.rules[at];
        let concerned = rule.recycles_next(self.now) && may_be_overload(&rule.rule.when);
        let since = self.overload.since(self.now).filter(|_| concerned)?;
        Some(Held::Overloaded(since))
    }
}

/// Whether a worker with too much to do looks like this.
fn may_be_overload(when: &Trigger) -> bool {
    match when {
        Trigger::Abandoned { .. } | Trigger::Slow { .. } => true,
        Trigger::Status { codes, .. } => is_503_only(codes),
        Trigger::Level { measure, .. } => matches!(measure, Measure::Cpu | Measure::Core),
        Trigger::All(parts) => parts.iter().any(may_be_overload),
        Trigger::Age { .. }
        | Trigger::File { .. }
        | Trigger::Leak { .. }
        | Trigger::Memory { .. }
        | Trigger::Output { .. }
        | Trigger::Requests { .. }
        | Trigger::Schedule { .. } => false,
    }
}

fn is_503_only(codes: &StatusSet) -> bool {
    let is_503 =
        |item: &StatusItem| matches!(item, StatusItem::Range(503, 503) | StatusItem::Sub(503, _));
    codes.items().iter().all(is_503)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers so many a second for so long, with the CPU used up; whether it is overload then.
    fn run(overload: &mut Overload, now: &mut MonoTime, secs: u64, rate: u64) -> bool {
        for tick in 0..secs * 10 {
            if tick.is_multiple_of(10) {
                overload.cpu(*now, true);
            }
            overload.answered(*now, rate / 10, 5);
            *now = *now + TICK;
        }
        overload.since(*now).is_some()
    }

    fn start() -> (Overload, MonoTime) {
        (Overload::default(), MonoTime::from_millis(1_000))
    }

    #[test]
    fn as_many_answers_as_ever_with_the_cpu_used_up_are_overload() {
        let (mut overload, mut now) = start();
        assert!(!run(&mut overload, &mut now, 60, 100), "no median yet");
        assert!(run(&mut overload, &mut now, 5, 100));
        assert!(run(&mut overload, &mut now, 10, 150));
        assert!(!run(&mut overload, &mut now, 10, 50));
        let said = overload.words(now);
        assert!(said.ends_with("a second (median of 5min: 100)"), "{said}");
    }

    #[test]
    fn a_worker_with_cpu_left_is_not_overloaded() {
        let (mut overload, mut now) = start();
        assert!(run(&mut overload, &mut now, 70, 100));
        overload.cpu(now, false);
        overload.answered(now, 10, 5);
        assert_eq!(overload.since(now + TICK * 2), None);
    }

    #[test]
    fn a_worker_that_falls_silent_is_not_overloaded_after_three_ticks() {
        let (mut overload, mut now) = start();
        assert!(run(&mut overload, &mut now, 70, 1_000));
        for _ in 0..5 {
            overload.answered(now, 0, 5);
            now = now + TICK;
        }
        assert_eq!(overload.since(now), None);
    }

    #[test]
    fn a_short_lull_does_not_begin_it_anew_and_the_record_is_bounded() {
        let (mut overload, mut now) = start();
        run(&mut overload, &mut now, 400, 100);
        let since = overload.since(now);
        run(&mut overload, &mut now, 10, 0);
        assert_eq!(overload.since(now), None);
        run(&mut overload, &mut now, 10, 100);
        assert_eq!(overload.since(now), since);
        assert!(overload.seconds.len() <= RECORD);
    }

    #[test]
    fn only_a_status_rule_for_503_alone_can_be_overload() {
        for (codes, only) in [("503", true), ("503.2,503", true), ("500-599", false)] {
            assert_eq!(is_503_only(&codes.parse().unwrap()), only, "{codes}");
        }
    }
}
