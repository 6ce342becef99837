//! Memory rules, and how long a worker serves that is over its limit.

use std::time::Duration;

use autoheal::{
    decide::{
        event::{Kind, Level},
        observation::{MemorySample, Observation},
        policy::Rule,
        trigger::{MemoryLimit, Trigger},
    },
    units::ByteSize,
    words::{Generation, Mode},
};

use crate::rig::{Rig, in_place, memory, rule, secs, with};

#[test]
fn a_memory_rule_fires_on_an_exact_sample_only() {
    let mut rig = Rig::ready(with([rule("big", memory(200, Duration::ZERO))]));
    rig.bytes(1, 201, false);
    assert_eq!(rig.acts(), ["confirm memory 1"]);
    rig.bytes(1, 110, true);
    assert!(rig.acts().is_empty(), "shared pages are no private memory");
    rig.pass(1_000);
    rig.bytes(1, 205, false);
    rig.bytes(1, 201, true);
    assert_eq!(rig.acts(), ["confirm memory 1", "start 2"]);
    let said = rig.said(Kind::RuleFired).remove(0);
    assert!(
        said.contains("private memory 201 MiB (limit: 200 MiB)"),
        "{said}"
    );
}

#[test]
fn a_memory_rule_with_a_time_wants_every_sample_over_the_limit() {
    let mut rig = Rig::ready(with([rule("big", memory(200, secs(10)))]));
    for second in 0..15 {
        rig.bytes(1, if second == 4 { 199 } else { 201 }, true);
        rig.pass(1_000);
    }
    assert!(rig.acts().is_empty());
    rig.bytes(1, 201, true);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn a_share_of_a_limit_that_cannot_be_read_turns_the_rule_off_and_says_so() {
    let limit = MemoryLimit::Share("90%".parse().unwrap());
    let share = Trigger::Memory {
        limit,
        hold: Duration::ZERO,
    };
    let mut rig = Rig::ready(with([rule("big", share)]));
    let mut sample = |limit: Option<u64>| {
        rig.see(Observation::Memory(MemorySample {
            generation: Generation(1),
            bytes: ByteSize::mib(950),
            exact: true,
            limit: limit.map(ByteSize::mib),
            room: None,
        }));
        (
            rig.acts(),
            rig.said(Kind::RuleHeld).len(),
            rig.engine.snapshot(rig.now).rules[0].state,
        )
    };
    assert_eq!(sample(None), (vec![], 1, "off"));
    assert_eq!(sample(None), (vec![], 1, "off"));
    assert_eq!(sample(Some(1_100)), (vec![], 1, "armed"));
    assert_eq!(sample(Some(1_000)).0, ["start 2"]);
}

#[test]
fn status_does_not_call_a_limit_that_is_not_known_nothing() {
    let limit = MemoryLimit::Share("90%".parse().unwrap());
    let hold = Duration::ZERO;
    let rig = Rig::ready(with([rule("big", Trigger::Memory { limit, hold })]));
    let now = rig.engine.snapshot(rig.now).rules[0].reading.clone();
    assert!(
        now.ends_with("(limit: 90% of the cgroup's, which is not known)"),
        "{now}"
    );
}

#[test]
fn that_a_limit_cannot_be_read_is_said_once_and_of_a_default_rule_for_information_only() {
    let limit = MemoryLimit::Share("90%".parse().unwrap());
    let hold = Duration::ZERO;
    for proactive in [true, false] {
        let share = rule("big", Trigger::Memory { limit, hold });
        let mut rig = Rig::ready(with([Rule { proactive, ..share }]));
        for generation in [1, 2] {
            rig.see(Observation::Memory(MemorySample {
                generation: Generation(generation),
                bytes: ByteSize::mib(9),
                exact: true,
                limit: None,
                room: None,
            }));
            if generation == 1 {
                rig.pass(2_000);
                rig.dies(1);
                rig.ready_now(2);
            }
        }
        let events: Vec<_> = rig.events(Kind::RuleHeld).collect();
        let level = if proactive { Level::Info } else { Level::Warn };
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0].level, level);
    }
}

#[test]
fn a_leaking_worker_serves_on_while_it_stays_within_a_quarter_of_its_limit() {
    let mut rig = Rig::ready(with([rule("big", memory(200, Duration::ZERO))]));
    rig.bytes(1, 200, true);
    rig.pass(1_000);
    rig.bytes(1, 210, true);
    assert_eq!(rig.acts(), ["start 2"], "210 + 10/s for 0.5s");
    rig.pass(300);
    rig.bytes(1, 248, true);
    assert_eq!(rig.acts(), ["park 0ms", "withdraw 1", "drain 1 20000ms"]);
    rig.ready_now(2);
    assert_eq!(rig.acts(), ["admit 2"]);
}

#[test]
fn a_worker_that_leaks_too_fast_leaves_at_once() {
    let mut rig = Rig::ready(with([rule("big", memory(200, Duration::ZERO))]));
    rig.bytes(1, 180, true);
    rig.pass(100);
    rig.bytes(1, 205, true);
    assert_eq!(
        rig.acts(),
        ["park 0ms", "withdraw 1", "drain 1 20000ms", "start 2"]
    );
}

#[test]
fn in_place_a_leaking_worker_is_not_waited_for_until_it_is_quiet() {
    let mut given = in_place();
    given.rules = vec![rule("big", memory(200, Duration::ZERO))];
    let mut rig = Rig::ready(given);
    rig.bytes(1, 201, true);
    assert_eq!(rig.acts(), ["await quiet 1 20000ms"]);
    rig.pass(100);
    rig.bytes(1, 221, true);
    assert_eq!(
        rig.acts(),
        ["park 0ms", "withdraw 1", "drain 1 20000ms"],
        "200 MiB a second"
    );
}

#[test]
fn a_relay_measures_no_memory_exactly() {
    let mut given = with([rule("big", memory(200, Duration::ZERO))]);
    given.mode = Mode::Relay;
    let mut rig = Rig::ready(given);
    rig.bytes(1, 201, false);
    assert!(rig.acts().is_empty());
}

#[test]
fn exact_samples_are_asked_for_rarely_while_the_rule_could_not_act() {
    let asked = |min_uptime| {
        let rule = Rule {
            min_uptime,
            ..rule("big", memory(200, Duration::ZERO))
        };
        let mut rig = Rig::ready(with([rule]));
        for _ in 0..20 {
            rig.bytes(1, 201, false);
            rig.pass(100);
        }
        rig.acts().len()
    };
    assert_eq!(asked(secs(60)), 1);
    assert_eq!(asked(secs(0)), 10);
}

#[test]
fn a_worker_over_its_limit_hands_over_only_while_it_stays_within_a_quarter_of_it() {
    let mut rig = Rig::ready(with([rule("big", memory(200, Duration::ZERO))]));
    rig.bytes(1, 201, true);
    rig.ready_now(2);
    assert_eq!(rig.acts(), ["start 2", "admit 2 beside 1"]);
    rig.pass(500);
    rig.bytes(1, 230, true);
    assert!(rig.acts().is_empty());
    rig.bytes(1, 251, true);
    assert_eq!(rig.acts(), ["withdraw 1", "drain 1 20000ms"]);
}

#[test]
fn without_room_for_two_the_worker_is_recycled_in_place() {
    let room_after_a_start_of_100 = |room: Option<u64>| {
        let mut rig = Rig::ready(with([]));
        rig.see(Observation::Memory(MemorySample {
            generation: Generation(1),
            bytes: ByteSize::mib(100),
            exact: false,
            limit: Some(ByteSize::mib(1_000)),
            room: room.map(ByteSize::mib),
        }));
        rig.acts();
        rig.recycle(false);
        rig.acts()
    };
    assert_eq!(room_after_a_start_of_100(None), ["start 2"]);
    assert_eq!(room_after_a_start_of_100(Some(120)), ["start 2"]);
    assert_eq!(
        room_after_a_start_of_100(Some(119)),
        ["await quiet 1 20000ms"]
    );
}
