//! Whether recycling helps against a rule at all: the verdicts of all instances in the order in
//! which they came.
//!
//! A user means the rule. Two verdicts "did not help" running, of two instances, say that what is
//! wrong is not a worker's own: the rule rests for all. Two of one and the same instance say that
//! of this one alone ([`super::efficacy::Efficacy`]), and the others are not judged by it. One that
//! was helped makes good for all that came before it.

use super::{
    efficacy::{RUNNING, RUNNING_WITHIN, Verdict},
    guard::Held,
};
use crate::time::MonoTime;

/// The verdicts of every rule that has had one; they are as many as there are rules at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Streaks {
    all: Vec<Streak>,
}

/// The verdicts of one rule.
#[derive(Clone, Debug)]
struct Streak {
    rule: String,
    /// "Did not help" in a row, over all instances.
    running: u32,
    failed_at: MonoTime,
    /// The instance of the last of them.
    by: u32,
    /// The last one before it that was another's.
    other: Option<u32>,
    disarmed_until: Option<MonoTime>,
}

impl Streaks {
    /// Takes in a verdict; the two instances by which the rule is found not to help at all.
    pub(super) fn take(
        &mut self,
        now: MonoTime,
        rule: &str,
        instance: u32,
        verdict: Verdict,
    ) -> Option<(u32, u32)> {
        if verdict == Verdict::Unclear {
            return None;
        }
        let own = self.of(rule, instance);
        if verdict == Verdict::Helped || now.since(own.failed_at) > RUNNING_WITHIN {
            (own.running, own.other) = (0, None);
        }
        if verdict == Verdict::Helped {
            return None;
        }
        if own.running > 0 && own.by != instance {
            own.other = Some(own.by);
        }
        own.running = own.running.saturating_add(1);
        (own.by, own.failed_at) = (instance, now);
        let other = own.other.filter(|_| own.running >= RUNNING)?;
        Some((other, instance))
    }

    /// The rule rests until then, for all.
    pub(super) fn disarm(&mut self, rule: &str, until: MonoTime) {
        let own = self.of(rule, 0);
        own.disarmed_until = own.disarmed_until.max(Some(until));
    }

    /// Whether the rule rests for all, and no longer does from now on.
    pub(super) fn arm(&mut self, now: MonoTime, rule: &str) -> bool {
        let rests = self.disarmed(now, rule).is_some();
        if rests {
            self.of(rule, 0).disarmed_until = None;
        }
        rests
    }

    /// Why the rule does not act for anyone, if it is disarmed for all.
    pub(super) fn disarmed(&self, now: MonoTime, rule: &str) -> Option<Held> {
        let own = self.all.iter().find(|own| own.rule == rule)?;
        let until = own.disarmed_until.filter(|until| *until > now)?;
        Some(Held::NoHelp(until))
    }

    /// The rule is judged anew: an operator said so, or it is another one now.
    pub(super) fn forget(&mut self, rule: &str) {
        self.all.retain(|own| own.rule != rule);
    }

    fn of(&mut self, rule: &str, instance: u32) -> &mut Streak {
        let at = self.all.iter().position(|own| own.rule == rule);
        let at = at.unwrap_or_else(|| {
            self.all.push(Streak {
                rule: rule.to_owned(),
                running: 0,
                failed_at: MonoTime::ZERO,
                by: instance,
                other: None,
                disarmed_until: None,
            });
            self.all.len() - 1
        });
        &mut self.all[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Verdict = Verdict::DidNotHelp;

    fn at(secs: u64) -> MonoTime {
        MonoTime::from_millis(secs * 1000)
    }

    /// What comes of these verdicts of instances, one after another.
    fn taken<const N: usize>(verdicts: [(u32, Verdict); N]) -> [Option<(u32, u32)>; N] {
        let mut streaks = Streaks::default();
        let mut now = 100;
        verdicts.map(|(instance, verdict)| {
            now += 1;
            streaks.take(at(now), "failing", instance, verdict)
        })
    }

    #[test]
    fn two_instances_that_were_not_helped_are_enough_whoever_comes_between_them() {
        assert_eq!(taken([(0, FAILED), (2, FAILED)]), [None, Some((0, 2))]);
        let unclear = (1, Verdict::Unclear);
        let found = taken([(0, FAILED), unclear, (2, FAILED)]);
        assert_eq!(found, [None, None, Some((0, 2))]);
        let found = taken([(0, FAILED), (0, FAILED), (1, FAILED)]);
        assert_eq!(found, [None, None, Some((0, 1))]);
    }

    #[test]
    fn one_instance_alone_says_nothing_of_the_others() {
        assert_eq!(taken([(1, FAILED); 5]), [None; 5]);
    }

    #[test]
    fn one_that_was_helped_makes_good_for_all_before_it() {
        let helped = (1, Verdict::Helped);
        let found = taken([(0, FAILED), helped, (2, FAILED), (2, FAILED), (0, FAILED)]);
        assert_eq!(found, [None, None, None, None, Some((2, 0))]);
    }

    #[test]
    fn what_was_a_day_ago_is_not_in_a_row_with_it() {
        let mut streaks = Streaks::default();
        assert_eq!(streaks.take(at(1), "failing", 0, FAILED), None);
        let day = RUNNING_WITHIN.as_secs() + 2;
        assert_eq!(streaks.take(at(day), "failing", 1, FAILED), None);
    }

    #[test]
    fn each_rule_has_its_own_and_one_that_is_forgotten_is_armed() {
        let mut streaks = Streaks::default();
        streaks.take(at(1), "failing", 0, FAILED);
        assert_eq!(streaks.take(at(2), "slow", 1, FAILED), None);
        streaks.disarm("failing", at(10));
        assert_eq!(streaks.disarmed(at(9), "slow"), None);
        assert_eq!(
            streaks.disarmed(at(9), "failing"),
            Some(Held::NoHelp(at(10)))
        );
        assert_eq!(streaks.disarmed(at(10), "failing"), None);
        streaks.forget("failing");
        assert_eq!(streaks.disarmed(at(9), "failing"), None);
        assert_eq!(streaks.take(at(9), "failing", 1, FAILED), None);
    }
}
