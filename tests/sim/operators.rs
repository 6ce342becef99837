//! What operators say, a new configuration, and the end.

use std::time::Duration;

use autoheal::{
    decide::{
        engine::Engine,
        event::Kind,
        observation::{Observation, Word},
    },
    time::MonoTime,
    words::{Exit, Generation},
};

use crate::rig::{Rig, memory, policy, rule, secs, slow, status, with};

#[test]
fn a_stopped_worker_stays_down_until_it_is_started() {
    let mut rig = Rig::ready(policy());
    rig.word(Word::Stop);
    let refused = [
        "refuse WorkerStoppedByOperator",
        "withdraw 1",
        "drain 1 20000ms",
    ];
    assert_eq!(rig.acts(), refused);
    rig.drained(1);
    rig.dies(1);
    assert_eq!(rig.acts(), ["stop 1 10000ms"]);
    assert_eq!(rig.engine.snapshot(rig.now).phase, "stopped");
    rig.word(Word::Start);
    assert_eq!(rig.acts(), ["start 2", "park 0ms"]);
}

#[test]
fn stopping_ends_a_start_under_way() {
    let mut rig = Rig::new(policy());
    rig.forget();
    rig.word(Word::Stop);
    assert_eq!(
        rig.acts(),
        ["stop 1 10000ms", "refuse WorkerStoppedByOperator"]
    );
    rig.dies(1);
    assert!(rig.said(Kind::StartFailed).is_empty(), "it was asked to");
    assert_eq!(rig.engine.next_deadline(), None);
}

#[test]
fn a_recycle_of_a_stopped_worker_is_refused_unless_forced() {
    let mut rig = Rig::ready(policy());
    rig.word(Word::Stop);
    rig.drained(1);
    rig.dies(1);
    rig.forget();
    rig.recycle(false);
    assert!(rig.acts().is_empty());
    assert!(rig.said(Kind::RecycleEnded)[0].contains("an operator stopped the worker"));
    rig.recycle(true);
    assert_eq!(rig.acts(), ["start 2", "park 0ms"]);
}

#[test]
fn a_recycle_after_giving_up_starts_at_once() {
    let mut rig = Rig::new(policy());
    for generation in 1..=10 {
        rig.dies(generation);
        rig.pass(70_000);
    }
    rig.forget();
    rig.recycle(false);
    assert_eq!(rig.acts(), ["start 11", "park 0ms"]);
}

#[test]
fn a_hold_ends_by_itself_or_when_released() {
    let mut rig = Rig::ready(policy());
    rig.word(Word::Hold(secs(20)));
    assert_eq!(rig.acts(), ["hold true"]);
    assert_eq!(rig.until_act(), 20_000);
    assert_eq!(rig.acts(), ["hold false"]);
    rig.word(Word::Hold(secs(20)));
    rig.word(Word::Release);
    assert_eq!(rig.acts(), ["hold true", "hold false"]);
    rig.word(Word::Release);
    assert!(rig.acts().is_empty());
}

#[test]
fn a_reload_keeps_what_unchanged_rules_have_counted() {
    let (kept, changed) = (
        rule("kept", status(5, secs(30))),
        rule("changed", status(5, secs(30))),
    );
    let mut rig = Rig::ready(with([kept.clone(), changed]));
    rig.counts(1, &[(4, 4), (4, 4)], 8, 0);
    let rules = [rule("changed", status(5, secs(31))), kept];
    rig.word(Word::Reload {
        policy: Box::new(with(rules)),
        changes: String::new(),
        recycle: None,
    });
    assert_eq!(
        rig.said(Kind::Reloaded),
        ["a new configuration is in force"]
    );
    let numbers: Vec<u64> = rig
        .engine
        .snapshot(rig.now)
        .rules
        .iter()
        .map(|rule| rule.matching)
        .collect();
    assert_eq!(numbers, [0, 4]);
}

#[test]
fn a_reload_replaces_even_a_worker_that_is_just_starting() {
    let mut rig = Rig::new(policy());
    rig.forget();
    let reload = |recycle: &str| Word::Reload {
        policy: Box::new(policy()),
        changes: String::new(),
        recycle: Some(recycle.to_owned()),
    };
    rig.word(reload("the command changed"));
    assert_eq!(rig.acts()[0], "kill 1");
    rig.dies(1);
    assert_eq!(rig.acts()[0], "start 2");
    rig.ready_now(2);
    rig.forget();
    rig.word(reload("the environment changed"));
    assert_eq!(rig.acts(), ["start 3"]);
    rig.ready_now(3);
    assert_eq!(rig.acts(), ["admit 3 beside 2"]);
}

#[test]
fn a_shutdown_drains_and_stops_everything_and_exits_with_0() {
    let mut rig = Rig::ready(policy());
    rig.word(Word::Shutdown);
    assert_eq!(
        rig.acts(),
        ["refuse ShuttingDown", "withdraw 1", "drain 1 15000ms"]
    );
    rig.word(Word::Shutdown);
    assert!(rig.acts().is_empty(), "said twice");
    rig.drained(1);
    assert_eq!(rig.acts(), ["stop 1 10000ms"]);
    rig.dies(1);
    assert_eq!(rig.acts(), ["exit 0"]);
}

#[test]
fn a_shutdown_keeps_serving_for_its_delay() {
    let mut given = policy();
    given.shutdown.delay = secs(5);
    let mut rig = Rig::ready(given);
    rig.word(Word::Shutdown);
    assert_eq!(rig.acts(), ["leave 5000ms"]);
    assert_eq!(rig.until_act(), 5_000);
    assert_eq!(
        rig.acts(),
        ["refuse ShuttingDown", "withdraw 1", "drain 1 10000ms"]
    );
}

#[test]
fn a_second_signal_ends_the_drain() {
    let mut rig = Rig::ready(policy());
    rig.word(Word::EndDrain);
    assert!(rig.acts().is_empty(), "nothing ends without a shutdown");
    rig.word(Word::Shutdown);
    rig.forget();
    rig.word(Word::EndDrain);
    assert_eq!(rig.acts(), ["drain 1 0ms"]);
}

#[test]
fn a_shutdown_never_takes_longer_than_its_timeout_and_a_second() {
    let mut rig = Rig::ready(policy());
    rig.recycle(false);
    rig.forget();
    rig.word(Word::Shutdown);
    assert_eq!(
        rig.acts()[0],
        "stop 2 10000ms",
        "what was starting goes too"
    );
    rig.pass(24_999);
    rig.forget();
    assert_eq!(rig.until_act(), 1);
    assert!(
        rig.acts()
            .ends_with(&["kill 1".to_owned(), "kill 2".to_owned()])
    );
    assert_eq!(rig.until_act(), 1_000);
    assert_eq!(rig.acts(), ["exit 0"]);
    assert_eq!(rig.engine.next_deadline(), None);
}

#[test]
fn a_shutdown_while_nothing_lives_ends_at_once() {
    let mut rig = Rig::ready(policy());
    rig.word(Word::Stop);
    rig.drained(1);
    rig.dies(1);
    rig.forget();
    rig.word(Word::Shutdown);
    assert_eq!(rig.acts(), ["refuse ShuttingDown", "exit 0"]);
}

#[test]
fn nobody_waits_for_a_recycle_that_a_shutdown_ended() {
    let mut rig = Rig::ready(policy());
    let incident = rig.recycle(false);
    rig.word(Word::Shutdown);
    let ended = rig.events(Kind::RecycleEnded).next().unwrap();
    assert_eq!(ended.incident, Some(incident));
    assert!(ended.text.contains("autoheal is stopping"));
}

#[test]
fn a_worker_that_crashes_during_a_shutdown_is_not_restarted() {
    let mut given = policy();
    given.shutdown.delay = secs(5);
    let mut rig = Rig::ready(given);
    rig.word(Word::Shutdown);
    rig.pass(1_000);
    rig.exits(1, Exit::Code(1));
    rig.gone(1);
    assert_eq!(
        rig.acts(),
        ["leave 5000ms", "refuse ShuttingDown", "withdraw 1"]
    );
    assert_eq!(rig.until_act(), 4_000);
    assert_eq!(rig.acts(), ["exit 0"]);
}

#[test]
fn a_stall_gives_a_start_the_time_that_it_lost() {
    let mut rig = Rig::new(policy());
    rig.forget();
    rig.pass(100_000);
    rig.now = rig.now + secs(60);
    rig.see(Observation::Stalled(secs(60)));
    assert_eq!(rig.until_act(), 20_000);
    assert_eq!(rig.acts()[0], "kill 1");
    rig.see(Observation::Started {
        generation: Generation(1),
        pid: 7,
    });
    assert_eq!(
        rig.engine.snapshot(rig.now).generations[0].uptime,
        None::<Duration>
    );
}

#[test]
fn a_shutdown_does_not_give_a_worker_more_time_than_it_has_itself() {
    let mut given = policy();
    given.recycle.stop_timeout = secs(40);
    let mut rig = Rig::ready(given);
    rig.word(Word::Shutdown);
    assert_eq!(rig.acts().last().unwrap(), "drain 1 0ms");
    rig.drained(1);
    assert_eq!(rig.acts(), ["stop 1 25000ms"]);
}

#[test]
fn nothing_starts_and_nothing_is_held_once_a_shutdown_has_begun() {
    let mut given = policy();
    given.shutdown.delay = secs(5);
    let mut rig = Rig::ready(given);
    rig.word(Word::Hold(secs(60)));
    rig.dies(1);
    rig.forget();
    rig.word(Word::Shutdown);
    assert_eq!(
        rig.acts(),
        ["hold false", "leave 5000ms", "refuse ShuttingDown"]
    );
    assert_eq!(rig.until_act(), 5_000);
    assert_eq!(rig.acts(), ["exit 0"]);
}

#[test]
fn a_reload_tells_stuck_requests_by_the_new_place_of_their_rule() {
    let stuck = || rule("stuck", slow(secs(1), 3));
    let mut rig = Rig::ready(with([stuck()]));
    for _ in 0..20 {
        rig.pass(100);
        rig.counts(1, &[(0, 10)], 10, 3);
    }
    rig.counts(1, &[(3, 10)], 7, 3);
    let rules = [rule("first", status(5, secs(9))), stuck()];
    rig.word(Word::Reload {
        policy: Box::new(with(rules)),
        changes: String::new(),
        recycle: None,
    });
    rig.forget();
    rig.ready_now(2);
    assert_eq!(rig.acts()[2], "cut stuck 1 rule 1");
}

#[test]
fn events_that_nobody_takes_do_not_pile_up() {
    let mut engine = Engine::new(policy(), 1, 1, MonoTime::ZERO);
    for _ in 0..5_000 {
        let word = Word::Disarm {
            rules: Vec::new(),
            time: secs(1),
        };
        engine.handle(MonoTime::ZERO, Observation::Operator(word));
    }
    assert!(std::iter::from_fn(|| engine.poll_step()).count() <= 1_024);
}

#[test]
fn incidents_are_numbered_from_the_first_one_given() {
    let mut engine = Engine::new(policy(), 1, 500, MonoTime::ZERO);
    let word = |force| Word::Recycle {
        reason: "deploy".to_owned(),
        force,
    };
    let first = engine.handle(MonoTime::ZERO, Observation::Operator(word(false)));
    assert_eq!(first, Some(500));
}

#[test]
fn a_start_by_an_operator_forgets_the_failures_before_it() {
    let mut rig = Rig::new(policy());
    for generation in 1..=10 {
        rig.dies(generation);
        rig.pass(70_000);
    }
    rig.word(Word::Start);
    rig.forget();
    rig.dies(11);
    assert!(!rig.acts().contains(&"refuse WorkerGaveUp".to_owned()));
    assert!(rig.until_act() <= 1_100);
}

#[test]
fn a_start_belongs_to_the_incident_that_caused_it_and_to_no_other() {
    let mut rig = Rig::new(policy());
    rig.dies(1);
    rig.pass(1_200);
    let incident = |rig: &Rig, kind| rig.events(kind).last().unwrap().incident;
    assert_eq!(incident(&rig, Kind::StartFailed), Some(1));
    assert_eq!(incident(&rig, Kind::WorkerStarting), Some(1));
    rig.ready_now(2);
    let asked = rig.recycle(false);
    assert_eq!(incident(&rig, Kind::WorkerStarting), Some(asked));
    rig.ready_now(3);
    rig.word(Word::Stop);
    rig.word(Word::Start);
    assert_eq!(incident(&rig, Kind::WorkerStarting), None);
    let asked = rig.recycle(false);
    rig.ready_now(4);
    assert_eq!(incident(&rig, Kind::WorkerReady), Some(asked));
}

#[test]
fn a_second_signal_ends_the_delay_of_a_shutdown_too() {
    let mut given = policy();
    given.shutdown.delay = secs(5);
    let mut rig = Rig::ready(given);
    rig.word(Word::Shutdown);
    rig.forget();
    rig.word(Word::EndDrain);
    assert_eq!(
        rig.acts(),
        ["refuse ShuttingDown", "withdraw 1", "drain 1 0ms"]
    );
}

#[test]
fn a_delay_as_long_as_the_timeout_leaves_time_for_nothing_else() {
    let mut given = policy();
    given.shutdown.delay = secs(99);
    let mut rig = Rig::ready(given);
    rig.word(Word::Shutdown);
    rig.forget();
    assert_eq!(rig.until_act(), 25_000);
    assert_eq!(rig.acts().last().unwrap(), "kill 1");
    assert_eq!(rig.until_act(), 1_000);
    assert_eq!(rig.acts(), ["exit 0"]);
}

#[test]
fn rules_rest_once_a_shutdown_has_begun() {
    let mut given = with([
        rule("failing", status(5, secs(30))),
        rule("big", memory(200, Duration::ZERO)),
    ]);
    given.shutdown.delay = secs(5);
    let mut rig = Rig::ready(given);
    rig.word(Word::Shutdown);
    rig.forget();
    rig.tally(1, 9, 9);
    rig.bytes(1, 201, false);
    assert!(rig.acts().is_empty());
    assert!(rig.said(Kind::RuleFired).is_empty());
}

#[test]
fn stopping_twice_is_stopping_once() {
    let mut rig = Rig::ready(policy());
    rig.word(Word::Stop);
    rig.word(Word::Stop);
    assert_eq!(rig.said(Kind::Operator).len(), 1);
}
