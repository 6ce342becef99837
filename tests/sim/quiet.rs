//! Rules that count clients who left and lines that were printed, and hours in which a rule is
//! held.

use std::time::Duration;

use autoheal::{
    decide::{event::Kind, observation::Observation, trigger::Trigger},
    units::LinePattern,
};

use crate::rig::{Rig, rule, secs, status, with};

pub(crate) fn abandoned(count: u32) -> Trigger {
    Trigger::Abandoned {
        after: secs(1),
        count,
        share: Some("50%".parse().unwrap()),
        window: secs(30),
        filter: Default::default(),
    }
}

pub(crate) fn output(count: u32) -> Trigger {
    Trigger::Output {
        line: LinePattern::contains("OutOfMemoryError").unwrap(),
        count,
        window: secs(30),
    }
}

impl Rig {
    fn quiet(&mut self, left: Option<Duration>) {
        self.see(Observation::QuietTime { rule: 0, left });
    }
}

#[test]
fn clients_that_leave_recycle_the_worker_only_at_their_share_of_all() {
    let mut rig = Rig::ready(with([rule("left", abandoned(3))]));
    rig.tally(1, 3, 10);
    assert_eq!(rig.acts(), [""; 0]);
    rig.tally(1, 4, 4);
    assert_eq!(rig.acts(), ["start 2"]);
    let fired = &rig.said(Kind::RuleFired)[0];
    assert!(
        fired.contains("7 of 14 clients (50%) left after waiting 1s or longer in 30s"),
        "{fired}"
    );
}

#[test]
fn lines_count_within_their_window() {
    let mut rig = Rig::ready(with([rule("memory", output(2))]));
    rig.tally(1, 1, 1);
    rig.pass(31_000);
    rig.tally(1, 1, 1);
    assert_eq!(rig.acts(), [""; 0]);
    rig.tally(1, 1, 1);
    assert_eq!(rig.acts(), ["start 2"]);
    let fired = &rig.said(Kind::RuleFired)[0];
    assert!(
        fired.contains("2 lines with \"OutOfMemoryError\" in 30s (limit: 2)"),
        "{fired}"
    );
}

#[test]
fn a_rule_is_held_in_its_quiet_time_says_so_once_and_acts_when_it_ends() {
    let mut rig = Rig::ready(with([rule("errors", status(3, secs(3600)))]));
    rig.quiet(Some(secs(600)));
    rig.tally(1, 3, 3);
    rig.tally(1, 1, 1);
    assert_eq!(rig.acts(), [""; 0]);
    let held = rig.said(Kind::RuleHeld);
    assert_eq!(held.len(), 1, "{held:?}");
    assert!(
        held[0].contains("held, as it is its quiet time (not_between) for another 10min"),
        "{held:?}"
    );
    // Only the wall clock ends it.
    rig.pass(700_000);
    rig.tally(1, 0, 0);
    assert_eq!(rig.acts(), [""; 0]);
    rig.quiet(None);
    assert_eq!(rig.acts(), ["start 2"]);
}
