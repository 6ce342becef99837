//! Hung or overloaded: who is recycled, and who only has too much to do.

use autoheal::decide::{event::Kind, observation::Observation, policy::Policy};

use crate::rig::{Rig, rule, secs, slow, status, with};

fn rules() -> Policy {
    let mut of_503 = status(20, secs(30));
    if let autoheal::decide::trigger::Trigger::Status { codes, .. } = &mut of_503 {
        *codes = "503".parse().unwrap();
    }
    with([rule("stuck", slow(secs(1), 20)), rule("busy", of_503)])
}

impl Rig {
    /// So many seconds at a hundred answers each, the CPU used up or not; what the first rule and
    /// the second see at each tick.
    fn serves(&mut self, secs: u64, cpu_full: bool, counts: [u64; 2]) {
        for tick in 0..secs * 10 {
            if tick.is_multiple_of(10) {
                self.see(Observation::Cpu { full: cpu_full });
            }
            let counts = counts.map(|count| (count, 10));
            self.counts(1, &counts, 10, 30);
            self.pass(100);
        }
    }
}

#[test]
fn rules_that_overload_fires_too_are_held_and_say_so_once() {
    let mut rig = Rig::ready(rules());
    rig.serves(70, true, [0, 0]);
    rig.serves(60, true, [1, 1]);
    assert!(rig.acts().is_empty());
    let said = rig.said(Kind::RuleHeld);
    assert_eq!(said.len(), 2, "{said:?}");
    let end = "held, as the worker is overloaded rather than hung: CPU is used up, and it answers \
               100 a second (median of 5min: 100)";
    assert!(said.iter().all(|text| text.ends_with(end)), "{said:?}");
    let held = rig.engine.snapshot(rig.now).rules[0].held.clone();
    assert!(held.unwrap().contains("overloaded"));
}

#[test]
fn with_cpu_left_they_act() {
    let mut rig = Rig::ready(rules());
    rig.serves(70, false, [0, 0]);
    rig.serves(3, false, [1, 0]);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn a_worker_that_hangs_with_its_cpu_used_up_is_recycled_within_300_ms() {
    let mut rig = Rig::ready(rules());
    rig.serves(70, true, [0, 0]);
    // All that comes from now on is stuck: the first of it is slow a second later.
    for _ in 0..10 {
        rig.counts(1, &[(0, 0), (0, 0)], 0, 30);
        rig.pass(100);
    }
    rig.see(Observation::Cpu { full: true });
    rig.counts(1, &[(20, 20), (0, 0)], 0, 50);
    let acts = rig.acts();
    assert!(acts.contains(&"start 2".to_owned()), "{acts:?}");
}

#[test]
fn other_statuses_than_503_are_no_sign_of_overload() {
    let mut rig = Rig::ready(with([rule("failing", status(20, secs(30)))]));
    rig.serves(70, true, [0, 0]);
    rig.serves(3, true, [1, 0]);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn a_short_record_is_none() {
    let mut rig = Rig::ready(rules());
    rig.serves(30, true, [0, 0]);
    rig.serves(3, true, [1, 0]);
    assert_eq!(rig.acts(), ["start 2"]);
}
