//! What holds a rule whose condition holds, and what it says meanwhile.

use std::path::PathBuf;

use autoheal::{
    decide::{
        event::Kind,
        observation::{Observation, Word},
        policy::{Action, Command, Rule},
    },
    words::Mode,
};

use crate::rig::{Rig, rule, secs, status, with};

/// Replaces worker by worker, as fast as it gets.
fn replace(rig: &mut Rig, old: u32) {
    rig.ready_now(old + 1);
    rig.drained(old);
    rig.dies(old);
    rig.forget();
}

#[test]
fn a_rule_held_by_min_uptime_fires_the_moment_that_is_over() {
    let patient = Rule {
        min_uptime: secs(60),
        ..rule("failing", status(5, secs(120)))
    };
    let mut rig = Rig::ready(with([patient]));
    rig.pass(10_000);
    rig.tally(1, 5, 5);
    rig.tally(1, 1, 1);
    let said = rig.said(Kind::RuleHeld);
    assert_eq!(said.len(), 1, "once, not at each tick");
    assert!(
        said[0].contains("has not been ready for min_uptime; 50s to go"),
        "{}",
        said[0]
    );
    assert_eq!(rig.until_act(), 50_000);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn a_rule_that_was_held_does_not_fire_when_its_condition_is_over() {
    let patient = Rule {
        min_uptime: secs(60),
        ..rule("failing", status(5, secs(30)))
    };
    let mut rig = Rig::ready(with([patient]));
    rig.tally(1, 5, 5);
    rig.pass(120_000);
    assert!(rig.acts().is_empty());
}

#[test]
fn a_rule_rests_after_a_firing() {
    let resting = Rule {
        cooldown: secs(300),
        ..rule("failing", status(5, secs(30)))
    };
    let mut rig = Rig::ready(with([resting]));
    rig.tally(1, 5, 5);
    replace(&mut rig, 1);
    rig.pass(290_000);
    rig.tally(2, 5, 5);
    assert!(rig.said(Kind::RuleHeld)[0].contains("cooling down for another 10s"));
    assert_eq!(rig.engine.snapshot(rig.now).rules[0].state, "cooling");
    assert_eq!(rig.until_act(), 10_000);
}

#[test]
fn the_budget_stops_recycles_but_not_the_other_actions() {
    let mut both = rule("failing", status(5, secs(30)));
    let command = Command {
        argv: vec!["page-me".to_owned()],
        dir: PathBuf::from("/"),
        timeout: secs(9),
    };
    both.actions = vec![Action::Run(command).into(), Action::Recycle(None).into()];
    let mut given = with([both]);
    given.verdict.disarm = secs(0);
    let mut rig = Rig::ready(given);
    for generation in 1..=3 {
        rig.tally(generation, 5, 5);
        assert_eq!(rig.acts()[0], "run page-me");
        let incident = rig
            .events(Kind::RuleFired)
            .last()
            .unwrap()
            .incident
            .unwrap();
        rig.see(Observation::CommandEnded {
            incident,
            how: "exit code 0 after 1s".to_owned(),
        });
        replace(&mut rig, generation);
    }
    rig.tally(4, 5, 5);
    assert_eq!(rig.acts(), ["run page-me"]);
    let said = rig.said(Kind::RuleFired).remove(0);
    assert!(
        said.contains("running page-me; not recycling, as the budget is spent"),
        "{said}"
    );
    rig.pass(600_000);
    rig.tally(4, 5, 5);
    assert_eq!(rig.acts(), ["start 5"], "its last command still runs");
}

#[test]
fn observing_differs_from_healing_only_in_who_acts() {
    let resting = Rule {
        cooldown: secs(20),
        ..rule("failing", status(5, secs(30)))
    };
    let mut given = with([resting]);
    given.mode = Mode::Observe;
    let mut rig = Rig::ready(given);
    for _ in 0..4 {
        rig.tally(1, 5, 5);
        rig.pass(20_000 * 8);
    }
    assert!(rig.acts().is_empty());
    let said = rig.said(Kind::RuleFired);
    assert!(
        said[0].contains(
            "would recycle worker 1 (overlap) to worker 2, but only observes; budget \
                          would be 2 of 3 left in 10min"
        ),
        "{}",
        said[0]
    );
    assert!(
        said[3].contains("would not recycle, as the budget would be spent"),
        "{}",
        said[3]
    );
}

#[test]
fn a_disarmed_rule_says_that_it_would_and_does_nothing() {
    let mut rig = Rig::ready(with([rule("failing", status(5, secs(30)))]));
    rig.word(Word::Disarm {
        rules: Vec::new(),
        time: secs(20),
    });
    rig.tally(1, 5, 5);
    assert!(rig.said(Kind::RuleHeld)[0].contains("an operator disarmed it for another 20s"));
    assert_eq!(rig.engine.snapshot(rig.now).rules[0].state, "disarmed");
    assert!(rig.acts().is_empty());
    rig.word(Word::Arm {
        rules: vec!["failing".to_owned()],
    });
    assert_eq!(rig.engine.snapshot(rig.now).rules[0].held, None);
    rig.tally(1, 0, 0);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn a_stall_voids_what_was_counted() {
    let mut rig = Rig::ready(with([rule("failing", status(5, secs(30)))]));
    rig.tally(1, 4, 4);
    rig.see(Observation::Stalled(secs(9)));
    rig.tally(1, 4, 4);
    assert!(rig.acts().is_empty());
    assert_eq!(rig.said(Kind::WindowsVoided).len(), 1);
}

#[test]
fn after_a_failed_replacement_rules_wait() {
    let mut rig = Rig::ready(with([rule("failing", status(5, secs(30)))]));
    rig.tally(1, 5, 5);
    rig.dies(2);
    rig.forget();
    rig.tally(1, 5, 5);
    assert!(rig.said(Kind::RuleHeld)[0].contains("the last replacement failed to start"));
    let waited = rig.until_act();
    assert!((900..=1_100).contains(&waited), "{waited}");
    assert_eq!(rig.acts(), ["start 3"]);
}

#[test]
fn what_held_a_rule_is_shown_only_while_it_does() {
    let mut rig = Rig::ready(with([rule("failing", status(5, secs(30)))]));
    let held = |rig: &Rig| rig.engine.snapshot(rig.now).rules[0].held.clone();
    rig.recycle(false);
    rig.tally(1, 5, 5);
    assert_eq!(held(&rig).unwrap(), "a recycle is under way (incident 1)");
    rig.dies(2);
    assert_eq!(held(&rig), None);
}

#[test]
fn a_rule_that_recycles_nothing_does_not_wait_for_a_failed_replacement() {
    let log = Rule {
        actions: vec![Action::Log.into()],
        ..rule("log", status(5, secs(30)))
    };
    let mut rig = Rig::ready(with([log]));
    rig.recycle(false);
    rig.dies(2);
    rig.tally(1, 5, 5);
    assert_eq!(rig.said(Kind::RuleFired).len(), 1);
}
