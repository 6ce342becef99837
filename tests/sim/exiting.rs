//! An app that is restarted by autoheal's own end: with its code, and not in a loop.

use std::time::Duration;

use autoheal::decide::{
    event::{Field, Kind},
    observation::{Deed, Earlier, Observation, Word},
    policy::{Comes, Policy},
    trigger::Trigger,
};

use crate::rig::{Rig, health, in_place, no_answer, rule, secs, slow, status};

const HELD: &str =
    "autoheal has only just started, and ends for the app no more than once a minute";

fn ends(when: Trigger) -> Policy {
    Policy {
        attached: Some(Comes::ByOurExit(88)),
        rules: vec![rule("failing", when)],
        ..in_place()
    }
}

fn failing() -> Policy {
    ends(status(5, secs(30)))
}

fn earlier(secs_ago: u64, deed: Deed) -> Earlier {
    Earlier {
        ago: secs(secs_ago),
        rule: Some("failing".to_owned()),
        deed,
    }
}

fn ended(secs_ago: u64) -> Earlier {
    let served = secs(120);
    earlier(
        secs_ago,
        Deed::Ended {
            incident: 1,
            served,
        },
    )
}

/// Ready, more than a minute after earlier runs were told of.
fn after(policy: Policy, earlier: Vec<Earlier>) -> Rig {
    let mut rig = Rig::new(policy);
    rig.see(Observation::Earlier(earlier));
    rig.ready_now(1);
    rig.pass(61_000);
    rig.forget();
    rig
}

#[test]
fn it_drains_lets_the_app_run_on_and_ends_with_the_code() {
    let mut rig = after(failing(), Vec::new());
    rig.tally(1, 5, 5);
    let said = rig.said(Kind::RuleFired).remove(0);
    let what =
        "recycling worker 1 by ending autoheal with exit code 88; budget 2 of 3 left in 10min";
    assert!(said.ends_with(what), "{said}");
    let said = rig.said(Kind::ShuttingDown).remove(0);
    let why = "autoheal ends with exit code 88, for its supervisor to restart the app: rule \
               \"failing\": 5 of 5";
    assert!(said.starts_with(why), "{said}");
    let ended = rig.events(Kind::RecycleEnded).next().unwrap();
    assert_eq!(ended.fields[0].1, Field::Text("exited".to_owned()));
    let acts = rig.acts();
    assert!(
        acts[0].starts_with("refuse ") && acts.contains(&"drain 1 15000ms".to_owned()),
        "{acts:?}"
    );
    rig.drained(1);
    assert_eq!(rig.acts(), ["let go 1"]);
    rig.gone(1);
    assert_eq!(rig.acts(), ["exit 88"]);
    assert!(
        rig.said(Kind::Verdict).is_empty(),
        "only the next run can tell"
    );
}

#[test]
fn what_hangs_is_not_waited_for_but_else_load_balancers_have_their_time() {
    for hangs in [true, false] {
        let mut policy = ends(match hangs {
            true => slow(secs(1), 3),
            false => status(5, secs(30)),
        });
        policy.shutdown.delay = secs(10);
        let mut rig = after(policy, Vec::new());
        match hangs {
            true => rig.counts(1, &[(3, 3)], 0, 3),
            false => rig.tally(1, 5, 5),
        }
        let acts = rig.acts();
        let now = acts.contains(&"drain 1 0ms".to_owned());
        assert_eq!(now, hangs, "{acts:?}");
    }
}

#[test]
fn it_never_ends_within_a_minute_of_its_start_and_then_at_once() {
    let mut rig = Rig::ready(failing());
    rig.tally(1, 5, 5);
    let said = rig.said(Kind::RuleHeld).remove(0);
    assert!(said.contains(HELD), "{said}");
    assert!(rig.acts().is_empty());
    rig.pass(25_000);
    rig.tally(1, 5, 5);
    rig.pass(25_000);
    rig.tally(1, 5, 5);
    rig.forget();
    rig.pass(10_000);
    assert_eq!(rig.said(Kind::ShuttingDown).len(), 1);
    // Operators know what they do.
    let mut rig = Rig::ready(failing());
    rig.recycle(false);
    assert_eq!(rig.said(Kind::ShuttingDown).len(), 1);
}

#[test]
fn what_earlier_runs_have_spent_is_spent_until_its_time_is_over() {
    let mut rig = after(
        failing(),
        vec![ended(590), ended(300), ended(100), ended(10)],
    );
    rig.tally(1, 5, 5);
    let said = rig.said(Kind::RuleFired).remove(0);
    assert!(
        said.ends_with("not recycling, as the budget is spent: 0 of 3 left in 10min"),
        "{said}"
    );
    rig.pass(240_000);
    rig.forget();
    rig.tally(1, 5, 5);
    assert_eq!(rig.said(Kind::ShuttingDown).len(), 1, "{:?}", rig.heard());
}

#[test]
fn the_second_end_that_did_not_help_is_the_last() {
    let not = Deed::Judged {
        helped: Some(false),
    };
    for (verdict, stops) in [(not, true), (Deed::Judged { helped: Some(true) }, false)] {
        let runs = vec![ended(400), earlier(200, verdict), ended(190)];
        let mut rig = after(failing(), runs);
        rig.tally(1, 5, 5);
        let said = rig.said(Kind::Verdict).remove(0);
        assert!(said.contains("the recycle did not help"), "{said}");
        assert_eq!(rig.said(Kind::NoHelp).len(), usize::from(stops));
        assert_eq!(rig.said(Kind::ShuttingDown).len(), usize::from(!stops));
    }
    // What has not come back for as long as that is told of helped.
    let mut rig = after(failing(), vec![ended(100)]);
    rig.pass(600_000);
    assert!(
        rig.said(Kind::Verdict)[0].contains("the recycle helped"),
        "{:?}",
        rig.heard()
    );
}

#[test]
fn a_rule_rests_as_if_nothing_had_ended() {
    let mut policy = failing();
    policy.rules[0].cooldown = secs(300);
    let mut rig = after(policy, vec![ended(30)]);
    rig.tally(1, 5, 5);
    let said = rig.said(Kind::RuleHeld).remove(0);
    assert!(
        said.contains("it is cooling down for another 3min 29s"),
        "{said}"
    );
}

#[test]
fn ill_health_has_it_end_too_within_the_minute_and_the_budget() {
    let mut policy = failing();
    policy.health = health(2);
    let fail = |rig: &mut Rig| {
        for _ in 0..2 {
            rig.see(Observation::Probe {
                generation: autoheal::words::Generation(1),
                result: Err(no_answer()),
            });
        }
    };
    let mut rig = Rig::ready(policy.clone());
    fail(&mut rig);
    assert!(rig.said(Kind::ShuttingDown).is_empty(), "just started");
    rig.pass(60_000);
    fail(&mut rig);
    assert_eq!(rig.said(Kind::ShuttingDown).len(), 1, "{:?}", rig.heard());
    let mut rig = after(policy, vec![ended(3), ended(2), ended(1)]);
    for _ in 0..3 {
        fail(&mut rig);
    }
    let said = rig.said(Kind::Unhealthy);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("not recycling, as the budget is spent: 0 of 3"),
        "{said:?}"
    );
    assert!(rig.acts().is_empty());
}

#[test]
fn a_new_configuration_never_ends_autoheal() {
    for comes in [Comes::ByOurExit(88), Comes::Unasked] {
        let mut policy = failing();
        policy.attached = Some(comes);
        let mut rig = after(policy.clone(), Vec::new());
        rig.word(Word::Reload {
            policy: Box::new(policy),
            recycle: Some("worker.protocol changed".to_owned()),
            changes: String::new(),
        });
        assert_eq!(
            rig.said(Kind::Reloaded),
            ["a new configuration is in force"]
        );
        rig.pass(Duration::from_secs(60).as_millis().try_into().unwrap());
        assert!(rig.acts().is_empty());
    }
}
