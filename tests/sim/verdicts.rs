//! Whether a recycle helped, and what follows when it does not.

use std::time::Duration;

use autoheal::{
    decide::{
        event::{Event, Field, Kind, Level},
        observation::{Measure, Observation, Word},
        policy::{Policy, Rule},
    },
    words::Generation,
};

use crate::{
    due::age,
    levels::level,
    rig::{Rig, in_place, memory, rule, secs, slow, status, with},
};

fn failing() -> Rule {
    rule("failing", status(20, secs(30)))
}

/// As it is by default: a minute of uptime, five of rest.
fn patient(rule: Rule) -> Rule {
    Rule {
        min_uptime: secs(60),
        cooldown: secs(300),
        ..rule
    }
}

/// The new worker takes over from the one before, which ends.
fn replace(rig: &mut Rig, old: u32) {
    rig.ready_now(old + 1);
    rig.drained(old);
    rig.dies(old);
}

/// Traffic on a worker for so many seconds, ten requests in each, of which some match.
fn serve(rig: &mut Rig, generation: u32, seconds: u64, matching: u64) {
    for _ in 0..seconds {
        rig.tally(generation, matching, 10);
        rig.pass(1_000);
    }
}

fn verdicts(rig: &Rig) -> Vec<String> {
    rig.said(Kind::Verdict)
}

fn number(event: &Event, name: &str) -> u64 {
    let found = event.fields.iter().find(|(field, _)| *field == name);
    match found {
        Some((_, Field::Number(number))) => *number,
        other => panic!("{name}: {other:?} in {event:?}"),
    }
}

#[test]
fn a_worker_that_was_sick_by_itself_is_found_to_have_been_helped() {
    let mut rig = Rig::ready(with([failing()]));
    serve(&mut rig, 1, 3, 10);
    replace(&mut rig, 1);
    serve(&mut rig, 2, 39, 0);
    assert!(verdicts(&rig).is_empty(), "a window after the slow start");
    serve(&mut rig, 2, 2, 0);
    assert_eq!(
        verdicts(&rig),
        ["rule \"failing\": the recycle helped: 0 of 300 (0%) since, 20 of 20 (100%) before"]
    );
    let event = rig.events(Kind::Verdict).next().unwrap();
    assert_eq!((event.incident, event.level), (Some(1), Level::Info));
    assert_eq!(event.generation, Some(Generation(2)));
    assert_eq!(number(event, "before_matching"), 20);
    assert_eq!(number(event, "after_total"), 300);
    let shown = rig.engine.snapshot(rig.now).rules[0].verdict.unwrap();
    assert_eq!((shown.verdict, shown.incident), ("helped", 1));
}

/// What a dependency that is down does to every worker, for three hours.
fn all_fail(rig: &mut Rig, mut generation: u32) -> u32 {
    for _ in 0..3 * 3600 {
        rig.tally(generation, 10, 10);
        rig.pass(1_000);
        if rig.engine.snapshot(rig.now).recycle.is_some() {
            replace(rig, generation);
            generation += 1;
        }
    }
    generation
}

#[test]
fn when_every_worker_fails_the_rule_recycles_twice_and_is_disarmed_for_three_hours() {
    for rule in [failing(), patient(failing())] {
        let mut rig = Rig::ready(with([rule]));
        assert_eq!(all_fail(&mut rig, 1), 3, "two recycles");
        assert_eq!(rig.said(Kind::RecycleBegun).len(), 2);
        let said = rig.events(Kind::Verdict);
        let verdicts: Vec<_> = said.map(|event| event.fields[1].clone()).collect();
        let failed = ("verdict", Field::Text("did-not-help".to_owned()));
        assert_eq!(verdicts, [failed.clone(), failed]);
        let event = rig.events(Kind::NoHelp).next().unwrap();
        assert_eq!((event.level, event.incident), (Level::Error, Some(3)));
        assert_eq!(
            event.text,
            "recycling does not help against rule \"failing\": its last two recycles did not; \
             disarmed for 3h (autoheal arm ends that); the same 500-599 came from the new worker: \
             look at what it depends on, or at its last change (autoheal explain 503406)"
        );
        let held = rig.said(Kind::RuleHeld).pop().unwrap();
        assert!(
            held.contains("its last two recycles did not help"),
            "{held}"
        );
        // Once more when the three hours are over, and then not again.
        all_fail(&mut rig, 3);
        let recycles = rig.said(Kind::RecycleBegun).len();
        assert!((3..=4).contains(&recycles), "{recycles}");
    }
}

#[test]
fn a_disarmed_rule_is_shown_with_its_reason_and_arm_ends_it() {
    let mut rig = Rig::ready(with([failing()]));
    all_fail(&mut rig, 1);
    let shown = rig.engine.snapshot(rig.now).rules.remove(0);
    assert_eq!(shown.state, "disarmed");
    assert_eq!(shown.verdict.unwrap().verdict, "did-not-help");
    rig.forget();
    rig.word(Word::Arm { rules: Vec::new() });
    rig.tally(3, 20, 20);
    assert_eq!(rig.acts(), ["start 4"], "and it has two tries again");
    replace(&mut rig, 3);
    rig.tally(4, 20, 20);
    assert_eq!(rig.said(Kind::RecycleBegun).len(), 2);
    assert_eq!(rig.said(Kind::NoHelp).len(), 0);
}

#[test]
fn memory_that_is_back_at_once_says_that_the_limit_is_too_low() {
    let mut rig = Rig::ready(with([rule("too big", memory(800, Duration::ZERO))]));
    rig.pass(3_600_000);
    for generation in 1..=3 {
        rig.bytes(generation, 812, true);
        if generation < 3 {
            rig.acts();
            replace(&mut rig, generation);
            rig.bytes(generation + 1, 300, true);
            rig.pass(40_000);
        }
    }
    assert_eq!(
        verdicts(&rig)[0],
        "rule \"too big\": the recycle did not help: private memory 812 MiB (limit: 800 MiB) again \
         after 40s; the worker before took 1h"
    );
    assert_eq!(rig.said(Kind::RecycleBegun).len(), 2);
    let said = rig.said(Kind::NoHelp).remove(0);
    assert!(
        said.contains(
            "the limit is below what this app needs: a new worker has private memory 812 MiB \
             (limit: 800 MiB) within 40s; raise it"
        ),
        "{said}"
    );
}

#[test]
fn memory_that_takes_as_long_again_was_helped() {
    let mut rig = Rig::ready(with([rule("leak", memory(800, Duration::ZERO))]));
    rig.pass(3_600_000);
    rig.bytes(1, 812, true);
    replace(&mut rig, 1);
    rig.pass(720_000);
    assert_eq!(
        verdicts(&rig),
        [
            "rule \"leak\": the recycle helped: within its limit for 12min; the worker before took \
             1h to reach it"
        ]
    );
}

#[test]
fn a_level_is_judged_by_its_return_though_the_rule_rests() {
    let rule = patient(rule("busy", level(Measure::Threads, "100", secs(0))));
    let mut rig = Rig::ready(with([rule]));
    rig.pass(70_000);
    rig.measures(1, Measure::Threads, Some((120, 0)));
    replace(&mut rig, 1);
    rig.pass(5_000);
    rig.measures(2, Measure::Threads, Some((120, 0)));
    let said = verdicts(&rig).remove(0);
    assert!(
        said.contains("did not help: 120 threads (limit: 100) again after 5s"),
        "{said}"
    );
}

#[test]
fn requests_that_hung_and_hang_no_more_were_helped_in_place_too() {
    let mut given = in_place();
    given.rules = vec![rule("stuck", slow(secs(1), 3))];
    let mut rig = Rig::ready(given);
    rig.tally(1, 3, 3);
    rig.drained(1);
    rig.dies(1);
    rig.ready_now(2);
    serve(&mut rig, 2, 131, 0);
    assert!(verdicts(&rig)[0].contains("the recycle helped: 0 of 1200 (0%) since, 3 of 3"));
}

#[test]
fn a_recycle_that_kept_the_old_worker_is_unclear() {
    let mut rig = Rig::ready(with([failing()]));
    rig.tally(1, 20, 20);
    rig.dies(2);
    assert_eq!(
        verdicts(&rig),
        ["rule \"failing\": whether the recycle helped is unclear: the old worker was kept"]
    );
}

#[test]
fn a_new_worker_that_dies_or_is_replaced_in_the_meantime_is_unclear() {
    let ends: [fn(&mut Rig); 3] = [
        |rig| rig.dies(2),
        |rig| {
            rig.recycle(false);
            rig.ready_now(3);
        },
        |rig| rig.word(Word::Shutdown),
    ];
    for end in ends {
        let mut rig = Rig::ready(with([failing()]));
        rig.tally(1, 20, 20);
        replace(&mut rig, 1);
        serve(&mut rig, 2, 5, 0);
        end(&mut rig);
        let said = verdicts(&rig);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains("unclear: its worker serves no more"),
            "{said:?}"
        );
    }
}

#[test]
fn what_was_planned_has_no_verdict() {
    let mut rig = Rig::ready(with([rule("nightly", age(secs(60)))]));
    rig.pass(70_000);
    replace(&mut rig, 1);
    rig.pass(40_000);
    assert_eq!(rig.said(Kind::RecycleEnded).len(), 1);
    assert!(verdicts(&rig).is_empty());
}

#[test]
fn operators_recycles_and_crashes_have_no_verdict() {
    let mut rig = Rig::ready(with([failing()]));
    rig.recycle(false);
    replace(&mut rig, 1);
    rig.dies(2);
    rig.ready_now(3);
    rig.pass(3_600_000);
    assert!(verdicts(&rig).is_empty());
}

#[test]
fn a_stall_restarts_the_comparison() {
    let mut rig = Rig::ready(with([failing()]));
    rig.tally(1, 20, 20);
    replace(&mut rig, 1);
    serve(&mut rig, 2, 35, 0);
    rig.now = rig.now + secs(20);
    rig.see(Observation::Stalled(secs(20)));
    rig.pass(29_000);
    assert!(verdicts(&rig).is_empty(), "what was seen before it is void");
    serve(&mut rig, 2, 1, 0);
    serve(&mut rig, 2, 1, 0);
    assert!(
        verdicts(&rig)[0].contains("helped: 0 of 20 (0%) since"),
        "{:?}",
        verdicts(&rig)
    );
}

#[test]
fn a_rule_that_a_new_configuration_drops_has_its_verdict_told() {
    let mut rig = Rig::ready(with([failing()]));
    rig.tally(1, 20, 20);
    replace(&mut rig, 1);
    let word = |policy: Policy| Word::Reload {
        policy: Box::new(policy),
        recycle: None,
        changes: String::new(),
    };
    rig.word(word(with([failing()])));
    assert!(verdicts(&rig).is_empty(), "the same rule is watched on");
    rig.word(word(with([])));
    assert!(verdicts(&rig)[0].contains("unclear: the rule was changed"));
}

#[test]
fn with_no_time_to_disarm_for_it_is_only_said() {
    let mut given = with([failing()]);
    given.verdict.disarm = Duration::ZERO;
    let mut rig = Rig::ready(given);
    for generation in 1..=3 {
        rig.tally(generation, 20, 20);
        replace(&mut rig, generation);
    }
    assert_eq!(rig.said(Kind::RecycleBegun).len(), 3);
    let said = rig.said(Kind::NoHelp).remove(0);
    assert!(
        said.contains("it stays armed, as verdict.disarm is 0"),
        "{said}"
    );
}
