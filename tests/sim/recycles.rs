//! Overlap and in-place, step by step.

use autoheal::{
    decide::{
        event::{Field, Kind},
        observation::{Observation, Word},
    },
    words::{Exit, Generation},
};

use crate::rig::{Rig, in_place, policy, rule, secs, status, with};

fn outcome(rig: &Rig) -> String {
    let event = rig
        .events(Kind::RecycleEnded)
        .last()
        .expect("a recycle that ended");
    let outcome = event
        .fields
        .iter()
        .find(|(name, _)| *name == "outcome")
        .unwrap();
    let Field::Text(text) = &outcome.1 else {
        panic!("not words")
    };
    text.clone()
}

#[test]
fn overlap_starts_the_new_one_first_and_hands_over() {
    let mut rig = Rig::ready(policy());
    let incident = rig.recycle(false);
    assert_eq!(rig.acts(), ["start 2"]);
    rig.pass(1_000);
    rig.ready_now(2);
    assert_eq!(rig.acts(), ["admit 2 beside 1"]);
    rig.counts(2, &[], 31, 4);
    assert!(rig.acts().is_empty());
    rig.counts(2, &[], 1, 4);
    assert_eq!(rig.acts(), ["withdraw 1", "drain 1 20000ms"]);
    assert_eq!(outcome(&rig), "replaced");
    assert_eq!(
        rig.events(Kind::RecycleEnded).next().unwrap().incident,
        Some(incident)
    );
    rig.drained(1);
    assert_eq!(rig.acts(), ["stop 1 10000ms"]);
    rig.pass(40);
    rig.exits(1, Exit::Signal(15));
    rig.gone(1);
    let said = rig.said(Kind::WorkerStopped);
    assert_eq!(
        said,
        ["worker 1 (pid 101) stopped within 40ms: killed by SIGTERM"]
    );
}

#[test]
fn a_handover_needs_as_many_answers_as_the_old_one_held_at_its_peak() {
    let mut rig = Rig::ready(policy());
    rig.counts(1, &[], 500, 64);
    rig.recycle(false);
    rig.ready_now(2);
    rig.forget();
    rig.counts(2, &[], 63, 4);
    assert!(rig.acts().is_empty());
    rig.counts(2, &[], 1, 4);
    assert_eq!(rig.acts()[0], "withdraw 1");
}

#[test]
fn a_handover_without_load_is_over_after_a_second() {
    let mut rig = Rig::ready(policy());
    rig.recycle(false);
    rig.ready_now(2);
    rig.forget();
    assert_eq!(rig.until_act(), 1_000);
    assert_eq!(rig.acts(), ["withdraw 1", "drain 1 20000ms"]);
}

#[test]
fn recycles_asked_for_while_one_starts_are_one() {
    let mut rig = Rig::ready(policy());
    let first = rig.recycle(false);
    let second = rig.recycle(false);
    assert_eq!(first, second);
    assert_eq!(rig.acts(), ["start 2"]);
    let word = Word::Recycle {
        reason: "again".to_owned(),
        force: false,
    };
    assert_eq!(rig.see(Observation::Operator(word)), Some(first));
    rig.dies(2);
    let said = rig.said(Kind::RecycleEnded).remove(0);
    assert!(
        said.contains("asked for: an operator: deploy; an operator: again"),
        "{said}"
    );
}

#[test]
fn a_recycle_during_the_handover_completes_it_and_begins_the_next() {
    let mut rig = Rig::ready(policy());
    let first = rig.recycle(false);
    rig.ready_now(2);
    rig.forget();
    let second = rig.recycle(false);
    assert_ne!(first, second);
    assert_eq!(rig.acts(), ["withdraw 1", "drain 1 20000ms", "start 3"]);
}

#[test]
fn a_fifth_worker_that_drains_ends_the_oldest() {
    let mut rig = Rig::ready(policy());
    for generation in 2..=5 {
        rig.recycle(false);
        rig.ready_now(generation);
    }
    rig.recycle(false);
    rig.ready_now(6);
    rig.forget();
    rig.recycle(false);
    assert_eq!(
        rig.acts(),
        ["withdraw 5", "drain 5 20000ms", "drain 1 0ms", "start 7"]
    );
    rig.drained(1);
    assert_eq!(rig.acts(), ["kill 1"]);
}

#[test]
fn the_old_one_is_kept_when_the_new_one_fails_and_then_the_next_is_in_place() {
    let mut rig = Rig::ready(policy());
    for generation in 2..=3 {
        rig.recycle(false);
        rig.forget();
        rig.exits(generation, Exit::Code(1));
        rig.gone(generation);
        assert_eq!(outcome(&rig), "kept-old");
        assert!(
            rig.acts().is_empty(),
            "the old one serves and nothing starts"
        );
    }
    assert!(rig.said(Kind::RecycleEnded)[0].contains("the next recycle is in place"));
    rig.forget();
    rig.recycle(false);
    assert_eq!(rig.acts(), ["await quiet 1 20000ms"]);
    assert!(rig.said(Kind::RecycleBegun)[0].contains("as two overlaps in a row failed"));
}

#[test]
fn one_address_in_use_is_enough_for_in_place() {
    let mut rig = Rig::ready(policy());
    rig.recycle(false);
    rig.see(Observation::Exited {
        generation: Generation(2),
        exit: Exit::Code(1),
        oom_killed: false,
        address_in_use: true,
        left_children: false,
    });
    rig.gone(2);
    rig.forget();
    rig.recycle(false);
    assert_eq!(rig.acts(), ["await quiet 1 20000ms"]);
}

#[test]
fn an_old_one_that_dies_while_the_new_one_starts_is_withdrawn_and_the_new_one_goes_on() {
    let mut rig = Rig::ready(policy());
    rig.recycle(false);
    rig.forget();
    rig.dies(1);
    assert_eq!(rig.acts(), ["park 0ms", "withdraw 1"]);
    rig.ready_now(2);
    assert_eq!(rig.acts(), ["admit 2"]);
    assert_eq!(outcome(&rig), "replaced");
}

#[test]
fn a_new_one_that_dies_in_the_handover_leaves_the_old_one_serving() {
    let mut rig = Rig::ready(policy());
    rig.recycle(false);
    rig.ready_now(2);
    rig.forget();
    rig.dies(2);
    assert_eq!(rig.acts(), ["withdraw 2"]);
    assert_eq!(outcome(&rig), "kept-old");
    assert_eq!(rig.engine.snapshot(rig.now).phase, "ready");
}

#[test]
fn in_place_waits_for_quiet_then_parks_drains_stops_and_starts() {
    let mut rig = Rig::ready(in_place());
    rig.recycle(false);
    assert_eq!(rig.acts(), ["await quiet 1 20000ms"]);
    rig.pass(300);
    rig.see(Observation::Quiet {
        generation: Generation(1),
    });
    assert_eq!(rig.acts(), ["park 0ms", "withdraw 1", "drain 1 20000ms"]);
    rig.drained(1);
    assert_eq!(rig.acts(), ["stop 1 10000ms"]);
    rig.exits(1, Exit::Signal(15));
    assert!(
        rig.acts().is_empty(),
        "the port may be held by what is left of its tree"
    );
    rig.gone(1);
    assert_eq!(rig.acts(), ["start 2"]);
    rig.ready_now(2);
    assert_eq!(rig.acts(), ["admit 2"]);
    assert_eq!(outcome(&rig), "replaced");
}

#[test]
fn in_place_does_not_wait_for_quiet_longer_than_drain_timeout() {
    let mut rig = Rig::ready(in_place());
    rig.recycle(false);
    rig.forget();
    assert_eq!(rig.until_act(), 20_100, "a tick after the deadline");
    assert_eq!(rig.acts()[1], "withdraw 1");
}

#[test]
fn the_parked_drain_leaves_time_to_stop_and_start_within_the_parking_wait() {
    let mut given = in_place();
    given.parking_wait = secs(15);
    let mut rig = Rig::ready(given.clone());
    rig.recycle(false);
    rig.see(Observation::Quiet {
        generation: Generation(1),
    });
    assert_eq!(
        rig.acts().last().unwrap(),
        "drain 1 4500ms",
        "15s - 10s - 0.5s of start"
    );
    given.parking_wait = secs(10);
    let mut rig = Rig::ready(given);
    rig.recycle(false);
    rig.see(Observation::Quiet {
        generation: Generation(1),
    });
    assert_eq!(rig.acts().last().unwrap(), "drain 1 1000ms");
}

#[test]
fn an_in_place_start_that_fails_is_an_ordinary_failed_start() {
    let mut rig = Rig::ready(in_place());
    rig.recycle(true);
    rig.drained(1);
    rig.dies(1);
    rig.forget();
    rig.dies(2);
    assert_eq!(outcome(&rig), "failed");
    let waited = rig.until_act();
    assert!(
        rig.said(Kind::StartFailed)[0].contains("next start in "),
        "{waited}"
    );
    rig.pass(2_000);
    assert!(rig.acts().contains(&"start 3".to_owned()));
}

#[test]
fn force_waits_neither_for_quiet_nor_for_a_drain_nor_for_a_start() {
    let mut rig = Rig::ready(in_place());
    rig.recycle(true);
    assert_eq!(rig.acts(), ["park 0ms", "withdraw 1", "drain 1 0ms"]);
    let mut rig = Rig::ready(policy());
    let first = rig.recycle(false);
    rig.forget();
    assert_eq!(rig.recycle(true), first);
    assert_eq!(rig.acts(), ["kill 2"]);
    assert_eq!(rig.engine.snapshot(rig.now).recycle.unwrap().new, None);
    rig.dies(2);
    assert_eq!(rig.acts(), ["start 3"]);
    rig.ready_now(3);
    assert_eq!(rig.acts(), ["admit 3", "withdraw 1", "drain 1 0ms"]);
}

#[test]
fn a_recycle_while_the_first_worker_starts_is_that_start() {
    let mut rig = Rig::new(policy());
    rig.forget();
    let incident = rig.recycle(false);
    assert!(rig.acts().is_empty());
    rig.ready_now(1);
    assert_eq!(outcome(&rig), "replaced");
    assert_eq!(
        rig.events(Kind::RecycleEnded).next().unwrap().incident,
        Some(incident)
    );
}

#[test]
fn a_stall_during_a_handover_is_no_second_without_load() {
    let mut rig = Rig::ready(policy());
    rig.recycle(false);
    rig.ready_now(2);
    rig.pass(900);
    rig.forget();
    rig.see(Observation::Stalled(secs(3)));
    assert_eq!(rig.until_act(), 1_000);
}

#[test]
fn a_recycle_that_worked_forgets_the_overlaps_that_failed() {
    let mut rig = Rig::ready(with([rule("failing", status(5, secs(30)))]));
    rig.recycle(false);
    rig.dies(2);
    rig.recycle(false);
    rig.ready_now(3);
    rig.pass(1_000);
    rig.recycle(false);
    rig.forget();
    rig.dies(4);
    assert!(!rig.said(Kind::RecycleEnded)[0].contains("in place"));
    let said = rig.said(Kind::StartFailed).remove(0);
    let delay = said.split("not before ").nth(1).unwrap();
    let seconds = delay.strip_suffix("ms").map_or_else(
        || delay.trim_end_matches('s').parse().unwrap(),
        |ms| ms.parse::<f64>().unwrap() / 1000.0,
    );
    assert!(seconds < 1.2, "a second again: {said}");
}

#[test]
fn a_new_configuration_gives_overlap_another_chance() {
    let mut rig = Rig::ready(policy());
    rig.recycle(false);
    rig.see(Observation::Exited {
        generation: Generation(2),
        exit: Exit::Code(1),
        oom_killed: false,
        address_in_use: true,
        left_children: false,
    });
    rig.gone(2);
    rig.word(Word::Reload {
        policy: Box::new(policy()),
        changes: String::new(),
        recycle: None,
    });
    rig.forget();
    rig.recycle(false);
    assert_eq!(rig.acts(), ["start 3"]);
}

#[test]
fn a_new_configuration_forgets_overlaps_that_failed() {
    let mut rig = Rig::ready(policy());
    for generation in 2..=3 {
        rig.recycle(false);
        rig.dies(generation);
    }
    rig.word(Word::Reload {
        policy: Box::new(policy()),
        changes: String::new(),
        recycle: None,
    });
    rig.forget();
    rig.recycle(false);
    assert_eq!(rig.acts(), ["start 4"]);
}

#[test]
fn in_place_an_old_worker_that_dies_before_it_is_quiet_is_replaced_when_it_is_gone() {
    let mut rig = Rig::ready(in_place());
    rig.recycle(false);
    rig.forget();
    rig.exits(1, Exit::Signal(11));
    assert_eq!(rig.acts(), ["list lost 1", "park 0ms", "withdraw 1"]);
    rig.see(Observation::Quiet {
        generation: Generation(1),
    });
    assert!(rig.acts().is_empty());
    rig.gone(1);
    assert_eq!(rig.acts(), ["start 2"]);
}
