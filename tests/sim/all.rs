//! Rules that need several things at once.

use autoheal::decide::{
    event::Kind,
    observation::{Level, Levels, Measure, Observation, Word},
    trigger::Trigger,
};

use crate::{
    levels::level,
    rig::{Rig, memory, rule, secs, slow, status, with},
};

fn failing_and_hot() -> Trigger {
    Trigger::All(vec![
        status(5, secs(30)),
        level(Measure::Cpu, "90%", secs(0)),
    ])
}

impl Rig {
    fn is_hot(&mut self, percent: u64) {
        let level = Level {
            count: 0,
            share: Some(percent * 100),
        };
        self.see(Observation::Levels(Levels {
            generation: autoheal::words::Generation(1),
            levels: vec![(Measure::Cpu, Some(level))],
        }));
    }
}

/// One rule has two conditions, so that a tally has two counts.
fn rig(when: Trigger) -> Rig {
    Rig::ready(with([rule("both", when)]))
}

#[test]
fn it_fires_when_the_last_of_its_conditions_holds_too() {
    let mut rig = rig(failing_and_hot());
    rig.counts(1, &[(5, 5), (0, 0)], 5, 0);
    assert!(rig.acts().is_empty());
    rig.is_hot(95);
    assert_eq!(rig.acts(), ["start 2"]);
    let said = rig.said(Kind::RuleFired).remove(0);
    let both =
        "5 of 5 answers (100%) were 500-599 in 30s (limit: 5) and CPU of what it may use: 95%";
    assert!(said.contains(both), "{said}");
}

#[test]
fn what_held_once_and_holds_no_more_does_not_count() {
    let mut rig = rig(failing_and_hot());
    rig.counts(1, &[(5, 5), (0, 0)], 5, 0);
    rig.pass(30_000);
    rig.is_hot(95);
    assert!(rig.acts().is_empty(), "the window is empty again");
    rig.is_hot(10);
    rig.counts(1, &[(5, 5), (0, 0)], 5, 0);
    assert!(rig.acts().is_empty(), "it is cool again");
}

#[test]
fn the_worst_condition_says_how_sick_the_worker_is_and_the_slow_one_what_is_stuck() {
    let when = Trigger::All(vec![memory(200, secs(0)), slow(secs(1), 3)]);
    let rules = [rule("alone", status(9, secs(9))), rule("both", when)];
    let mut rig = Rig::ready(with(rules));
    rig.counts(1, &[(0, 0), (0, 0), (3, 3)], 0, 3);
    rig.pass(2_000);
    rig.counts(1, &[(0, 0), (0, 0), (0, 0)], 0, 3);
    rig.bytes(1, 201, true);
    // It answers nothing: it leaves at once, and what the third condition found slow is replayed.
    let acts = rig.acts();
    assert!(acts.contains(&"cut stuck 1 rule 2".to_owned()), "{acts:?}");
    assert!(acts.contains(&"withdraw 1".to_owned()), "{acts:?}");
}

#[test]
fn a_schedule_among_them_is_found_by_its_place() {
    let nightly = crate::due::schedule(secs(0));
    let when = Trigger::All(vec![memory(200, secs(0)), nightly]);
    let mut rig = Rig::ready(with([rule("alone", failing_and_hot()), rule("both", when)]));
    rig.bytes(1, 201, true);
    rig.see(Observation::ScheduleDue { condition: 2 });
    assert!(rig.acts().is_empty(), "that is the place of the memory");
    rig.see(Observation::ScheduleDue { condition: 3 });
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn one_condition_that_can_not_be_read_turns_the_whole_rule_off() {
    let mut rig = rig(failing_and_hot());
    rig.see(Observation::Levels(Levels {
        generation: autoheal::words::Generation(1),
        levels: vec![(Measure::Cpu, None)],
    }));
    assert_eq!(rig.engine.snapshot(rig.now).rules[0].state, "off");
    rig.word(Word::Arm { rules: Vec::new() });
    rig.counts(1, &[(9, 9), (0, 0)], 9, 0);
    assert!(rig.acts().is_empty());
}
