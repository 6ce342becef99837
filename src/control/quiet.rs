//! The quiet times of rules (`not_between`), by the wall clock.

use std::time::Duration;

use crate::{decide::policy::Policy, time::WallTime, units::Hours};

/// The rules that have quiet times, and what was told of each.
#[derive(Debug, Default)]
pub(super) struct QuietTimes(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    /// Its place in the policy.
    at: usize,
    hours: Hours,
    /// Until when it is quiet, as last told; `None`: nothing was told yet.
    told: Option<Option<WallTime>>,
}

impl QuietTimes {
    /// Those of a policy. Each is told anew.
    pub(super) fn new(policy: &Policy) -> Self {
        let rules = policy.rules.iter().enumerate();
        let quiet = rules.filter_map(|(at, rule)| {
            let hours = rule.not_between.clone()?;
            Some(Rule {
                at,
                hours,
                told: None,
            })
        });
        Self(quiet.collect())
    }

    /// What is to be told: the place of a rule, and how much of its quiet time is left, if any is.
    pub(super) fn changes(&mut self, now: WallTime) -> Vec<(usize, Option<Duration>)> {
        let mut changes = Vec::new();
        for rule in &mut self.0 {
            let until = rule.hours.until(now);
            if rule.told.replace(until) != Some(until) {
                let left = |until: WallTime| until.0.saturating_sub(now.0);
                let left = until.map(|until| Duration::from_millis(left(until)));
                changes.push((rule.at, left));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn a_quiet_time_is_told_when_it_begins_and_when_it_ends_however_the_clock_is_set() {
        let hours = Hours {
            spans: vec!["08:00-10:00".parse().unwrap()],
            zone: "UTC".parse().unwrap(),
        };
        let mut quiet = QuietTimes(vec![Rule {
            at: 2,
            hours,
            told: None,
        }]);
        let two_hours = Some(Duration::from_secs(7200));
        assert_eq!(quiet.changes(WallTime(7 * HOUR)), [(2, None)]);
        assert_eq!(quiet.changes(WallTime(7 * HOUR + 100)), []);
        assert_eq!(quiet.changes(WallTime(8 * HOUR)), [(2, two_hours)]);
        assert_eq!(quiet.changes(WallTime(9 * HOUR)), []);
        assert_eq!(quiet.changes(WallTime(7 * HOUR)), [(2, None)]);
        assert_eq!(quiet.changes(WallTime(8 * HOUR)), [(2, two_hours)]);
        assert_eq!(quiet.changes(WallTime(11 * HOUR)), [(2, None)]);
    }
}
