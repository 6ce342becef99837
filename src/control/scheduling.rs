//! When times of schedules come, by the wall clock.
//!
//! Each comes once, however the clock is set: put forward, what it jumps over comes at once (and
//! once); put back by up to a day, what has come does not come again.

use std::time::Duration;

use crate::{
    decide::{policy::Policy, trigger::Trigger},
    time::WallTime,
    units::Calendar,
};

/// A clock that is put back by more than this was wrong before: schedules begin anew.
const PUT_BACK_MOST: Duration = Duration::from_secs(24 * 3600);

/// The schedules of the rules in force.
#[derive(Debug)]
pub(super) struct Scheduling {
    schedules: Vec<Scheduled>,
    last: WallTime,
}

#[derive(Debug)]
struct Scheduled {
    /// Its place among the conditions of the policy's rules.
    condition: usize,
    calendar: Calendar,
    next: Option<WallTime>,
}

impl Scheduling {
    pub(super) fn new(policy: &Policy, now: WallTime) -> Self {
        let mut new = Self {
            schedules: Vec::new(),
            last: now,
        };
        new.set(policy, now);
        new
    }

    /// Takes another policy's schedules; those that were there before go on.
    pub(super) fn set(&mut self, policy: &Policy, now: WallTime) {
        let before = std::mem::take(&mut self.schedules);
        for (condition, trigger) in policy.conditions().enumerate() {
            if let Trigger::Schedule { calendar, .. } = trigger {
                let kept = before.iter().find(|old| old.calendar == *calendar);
                self.schedules.push(Scheduled {
                    condition,
                    calendar: calendar.clone(),
                    next: kept.map_or_else(|| calendar.next_after(now), |old| old.next),
                });
            }
        }
    }

    /// The conditions whose time has come since the last call.
    pub(super) fn due(&mut self, now: WallTime) -> Vec<usize> {
        let back = Duration::from_millis(self.last.0.saturating_sub(now.0));
        self.last = now;
        let mut due = Vec::new();
        for schedule in &mut self.schedules {
            let came = schedule.next.is_some_and(|next| next <= now);
            if came {
                due.push(schedule.condition);
            }
            if came || back > PUT_BACK_MOST {
                schedule.next = schedule.calendar.next_after(now);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Times;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    fn scheduling(line: &str, now: u64) -> Scheduling {
        let calendar = Calendar {
            times: Times::Cron(line.parse().unwrap()),
            zone: "UTC".parse().unwrap(),
        };
        let next = calendar.next_after(WallTime(now));
        Scheduling {
            schedules: vec![Scheduled {
                condition: 3,
                calendar,
                next,
            }],
            last: WallTime(now),
        }
    }

    /// How often it comes when the clock shows these times.
    fn comes(scheduling: &mut Scheduling, shown: impl IntoIterator<Item = u64>) -> usize {
        let times = shown.into_iter().map(|now| scheduling.due(WallTime(now)));
        times.map(|due| due.len()).sum()
    }

    #[test]
    fn a_time_comes_once_on_its_day() {
        let mut daily = scheduling("0 3 * * *", 0);
        assert_eq!(comes(&mut daily, (0..3 * HOUR).step_by(60_000)), 0);
        assert_eq!(daily.due(WallTime(3 * HOUR)), [3]);
        assert_eq!(
            comes(&mut daily, (3 * HOUR..DAY + 3 * HOUR).step_by(60_000)),
            0
        );
        assert_eq!(comes(&mut daily, [DAY + 3 * HOUR]), 1);
    }

    #[test]
    fn a_clock_that_is_put_forward_over_it_brings_it_once() {
        let mut daily = scheduling("0 3 * * *", 2 * HOUR);
        assert_eq!(comes(&mut daily, [2 * HOUR, 4 * HOUR, 4 * HOUR + 100]), 1);
        // Four days of suspend: once.
        assert_eq!(
            comes(&mut daily, [4 * DAY + 4 * HOUR, 4 * DAY + 5 * HOUR]),
            1
        );
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_bring_it_again() {
        let mut daily = scheduling("0 3 * * *", 2 * HOUR);
        assert_eq!(
            comes(&mut daily, [3 * HOUR, 2 * HOUR, 3 * HOUR, 5 * HOUR]),
            1
        );
        assert_eq!(comes(&mut daily, [DAY + 3 * HOUR]), 1);
    }

    #[test]
    fn a_clock_that_was_years_ahead_does_not_stop_it_for_years() {
        let mut daily = scheduling("0 3 * * *", 4_000 * DAY);
        assert_eq!(comes(&mut daily, [4_000 * DAY + 3 * HOUR]), 1);
        assert_eq!(comes(&mut daily, [DAY, DAY + 2 * HOUR]), 0);
        assert_eq!(comes(&mut daily, [DAY + 3 * HOUR]), 1);
    }
}
