//! Workers that are sick or hung, by rule or by probe.

use std::time::Duration;

use autoheal::{
    decide::{
        event::{Field, Kind},
        observation::{Observation, Word},
        policy::{Comes, Policy},
    },
    words::{Generation, Mode},
};

use crate::rig::{Rig, health, ill, in_place, no_answer, policy, rule, secs, slow, status, with};

#[test]
fn a_hung_worker_leaves_at_once_and_is_killed_without_a_drain() {
    let mut rig = Rig::ready(with([rule("stuck", slow(secs(1), 3))]));
    rig.pass(100);
    rig.counts(1, &[(0, 10)], 10, 3);
    // It may have hung right after the tally before the last one.
    rig.pass(900);
    rig.counts(1, &[(3, 3)], 0, 5);
    assert_eq!(
        rig.acts(),
        ["park 0ms", "withdraw 1", "cut stuck 1 rule 0", "start 2"]
    );
    rig.counts(1, &[(0, 0)], 0, 1);
    assert!(
        rig.acts().is_empty(),
        "one that can't be sent twice is still in flight"
    );
    rig.ready_now(2);
    assert_eq!(rig.acts(), ["admit 2", "drain 1 0ms"]);
    rig.drained(1);
    assert_eq!(rig.acts(), ["kill 1"]);
}

#[test]
fn a_hung_worker_with_nothing_left_in_flight_is_killed_before_the_new_one_is_ready() {
    let mut rig = Rig::ready(with([rule("stuck", slow(secs(1), 3))]));
    rig.pass(1_000);
    rig.counts(1, &[(3, 3)], 0, 3);
    rig.forget();
    rig.counts(1, &[(0, 0)], 0, 0);
    assert_eq!(rig.acts(), ["drain 1 0ms"]);
}

#[test]
fn a_slow_worker_that_answers_serves_until_the_new_one_is_ready() {
    let mut rig = Rig::ready(with([rule("slow", slow(secs(1), 3))]));
    for _ in 0..20 {
        rig.pass(100);
        rig.counts(1, &[(0, 10)], 10, 3);
    }
    rig.pass(100);
    rig.counts(1, &[(3, 10)], 7, 3);
    assert_eq!(rig.acts(), ["start 2"]);
    rig.ready_now(2);
    assert_eq!(
        rig.acts(),
        [
            "admit 2",
            "withdraw 1",
            "cut stuck 1 rule 0",
            "drain 1 20000ms"
        ]
    );
}

#[test]
fn a_sick_worker_is_recycled_in_place_without_waiting_for_quiet() {
    let mut given = in_place();
    given.rules = vec![rule("failing", status(5, secs(30)))];
    let mut rig = Rig::ready(given);
    rig.tally(1, 5, 5);
    assert_eq!(rig.acts(), ["park 0ms", "withdraw 1", "drain 1 20000ms"]);
}

#[test]
fn failed_health_probes_in_a_row_recycle_the_worker_as_sick() {
    let mut given = policy();
    given.health = health(3);
    let mut rig = Rig::ready(given);
    for ok in [false, false, true, false, false] {
        probe(&mut rig, 1, ok);
    }
    assert!(rig.acts().is_empty());
    probe(&mut rig, 1, false);
    assert_eq!(rig.acts(), ["start 2"]);
    let said = rig.said(Kind::Unhealthy);
    assert_eq!(
        said,
        ["worker 1 failed 3 health probes in a row: no answer within 2s; recycling it"]
    );
    let event = rig.events(Kind::Unhealthy).next().unwrap();
    assert!(event.fields.contains(&("failures", Field::Number(3))));
    rig.ready_now(2);
    assert_eq!(
        rig.acts(),
        ["admit 2", "probe 2", "withdraw 1", "drain 1 20000ms"]
    );
    for _ in 0..3 {
        probe(&mut rig, 2, false);
    }
    assert!(rig.acts().is_empty(), "the replacement is as bad: patience");
    rig.pass(1_200);
    probe(&mut rig, 2, false);
    assert_eq!(rig.acts(), ["start 3"]);
}

#[test]
fn one_that_answers_neither_probes_nor_requests_leaves_at_once_and_is_killed_without_a_drain() {
    let mut given = policy();
    given.health = health(2);
    let mut rig = Rig::ready(given.clone());
    let hang = |rig: &mut Rig, answered| {
        for _ in 0..15 {
            rig.pass(100);
            rig.counts(1, &[], answered, 3);
        }
    };
    hang(&mut rig, 0);
    probe(&mut rig, 1, false);
    probe(&mut rig, 1, false);
    assert_eq!(
        rig.acts(),
        ["park 0ms", "probe none", "withdraw 1", "start 2"]
    );
    rig.ready_now(2);
    assert_eq!(rig.acts(), ["admit 2", "drain 1 0ms", "probe 2"]);
    rig.drained(1);
    assert_eq!(rig.acts(), ["kill 1"]);

    // It still answers requests; or it answers probes, with bad news.
    for (answered, said) in [(1, no_answer()), (0, ill("it answered 503"))] {
        let mut rig = Rig::ready(given.clone());
        hang(&mut rig, answered);
        for _ in 0..2 {
            rig.see(Observation::Probe {
                generation: Generation(1),
                result: Err(said.clone()),
            });
        }
        assert_eq!(rig.acts(), ["start 2"], "{said:?}");
    }
}

fn probe(rig: &mut Rig, generation: u32, ok: bool) {
    let result = if ok { Ok(()) } else { Err(no_answer()) };
    rig.see(Observation::Probe {
        generation: Generation(generation),
        result,
    });
}

#[test]
fn probes_that_fail_while_a_recycle_runs_change_nothing() {
    let mut given = policy();
    given.health = health(1);
    let mut rig = Rig::ready(given);
    rig.recycle(false);
    probe(&mut rig, 1, false);
    assert!(rig.said(Kind::Unhealthy).is_empty());
}

#[test]
fn failed_probes_of_one_worker_do_not_count_against_the_next() {
    let mut given = policy();
    given.health = health(2);
    let mut rig = Rig::ready(given);
    rig.pass(2_000);
    probe(&mut rig, 1, false);
    rig.dies(1);
    rig.ready_now(2);
    probe(&mut rig, 2, false);
    assert!(rig.said(Kind::Unhealthy).is_empty());
}

#[test]
fn patience_with_unhealthy_replacements_grows_and_is_forgotten_after_a_minute_of_service() {
    let mut given = policy();
    given.health = health(1);
    let mut rig = Rig::ready(given);
    let mut waits = Vec::new();
    for (generation, served_ms) in [(1, 500), (2, 500), (3, 500), (4, 60_000), (5, 500)] {
        rig.pass(served_ms);
        probe(&mut rig, generation, false);
        let mut waited = 0;
        while rig.engine.snapshot(rig.now).recycle.is_none() {
            rig.pass(100);
            waited += 1;
            probe(&mut rig, generation, false);
        }
        waits.push((waited + 5) / 10);
        rig.ready_now(generation + 1);
        rig.drained(generation);
        rig.dies(generation);
    }
    assert_eq!(waits, [0, 1, 2, 0, 1], "in seconds");
}

#[test]
fn a_worker_that_answers_at_every_tick_does_not_hang_however_short_the_limit() {
    let mut rig = Rig::ready(with([rule("slow", slow(Duration::from_millis(50), 3))]));
    rig.pass(100);
    rig.counts(1, &[(0, 10)], 10, 3);
    rig.pass(100);
    rig.counts(1, &[(3, 10)], 7, 3);
    assert_eq!(rig.acts(), ["start 2"], "it is slow, not dead");
}

#[test]
fn probes_recycle_nothing_in_relay_mode_or_once_a_shutdown_has_begun() {
    let mut given = policy();
    given.health = health(1);
    given.shutdown.delay = secs(5);
    let mut rig = Rig::ready(given.clone());
    rig.word(Word::Shutdown);
    probe(&mut rig, 1, false);
    assert!(rig.said(Kind::Unhealthy).is_empty());
    given.mode = Mode::Relay;
    let mut rig = Rig::ready(given);
    probe(&mut rig, 1, false);
    assert!(rig.said(Kind::Unhealthy).is_empty());
}

#[test]
fn probes_recycle_no_sooner_after_a_failed_replacement_than_rules_do() {
    let mut given = policy();
    given.health = health(1);
    let mut rig = Rig::ready(given);
    rig.recycle(false);
    rig.dies(2);
    rig.forget();
    probe(&mut rig, 1, false);
    assert!(rig.acts().is_empty());
    rig.pass(1_100);
    probe(&mut rig, 1, false);
    assert_eq!(rig.acts(), ["start 3"]);
}

#[test]
fn in_place_a_hung_worker_is_cut_and_killed_at_once() {
    let mut given = in_place();
    given.rules = vec![rule("stuck", slow(secs(1), 3))];
    let mut rig = Rig::ready(given);
    rig.pass(1_000);
    rig.counts(1, &[(3, 3)], 0, 3);
    let acts = [
        "park 0ms",
        "withdraw 1",
        "cut stuck 1 rule 0",
        "drain 1 0ms",
    ];
    assert_eq!(rig.acts(), acts);
    rig.drained(1);
    assert_eq!(rig.acts(), ["kill 1"]);
}

#[test]
fn failures_are_made_good_by_as_many_good_answers_as_are_asked_for() {
    let mut given = policy();
    given.health = Some(autoheal::decide::policy::Health {
        failures: 3,
        successes: 2,
    });
    let mut rig = Rig::ready(given.clone());
    for ok in [false, false, true, true, false, false] {
        probe(&mut rig, 1, ok);
    }
    assert!(rig.acts().is_empty());
    let mut rig = Rig::ready(given);
    for ok in [false, true, false, true, false] {
        probe(&mut rig, 1, ok);
    }
    assert_eq!(rig.acts(), ["start 2"], "it flaps");
}

#[test]
fn a_worker_that_goes_on_refusing_connections_is_replaced_although_it_runs() {
    let mut rig = Rig::ready(policy());
    rig.pass(1_000);
    for _ in 0..30 {
        rig.refuses(1, 1);
        assert!(rig.acts().is_empty());
        rig.pass(100);
    }
    rig.refuses(1, 1);
    assert_eq!(rig.acts(), ["start 2"]);
    let said = rig.said(Kind::Unhealthy).remove(0);
    let seen = "runs but has refused connections for 3s; its listening socket is closed";
    assert!(said.contains(seen), "{said}");
    rig.ready_now(2);
    assert_eq!(rig.acts()[..2], ["admit 2", "withdraw 1"]);
}

#[test]
fn refusals_with_pauses_and_those_of_an_attached_worker_recycle_nothing() {
    let attached = Policy {
        attached: Some(Comes::ByCommand),
        ..policy()
    };
    for (policy, pause) in [(policy(), 1_500), (attached, 100)] {
        let mut rig = Rig::ready(policy);
        rig.forget();
        for _ in 0..100 {
            rig.refuses(1, 5);
            rig.pass(pause);
        }
        assert!(rig.acts().is_empty(), "{:?}", rig.acts());
    }
}
