//! When rules fire, what holds them, and what they say.

use std::path::PathBuf;

use autoheal::{
    decide::{
        event::{Field, Kind},
        observation::{Observation, Word},
        policy::{Action, Command, Rule, Strategy},
        trigger::{Filter, Trigger},
    },
    words::Mode,
};

use crate::rig::{Rig, memory, rule, secs, slow, status, with};

/// Replaces worker by worker, as fast as it gets.
fn replace(rig: &mut Rig, old: u32) {
    rig.ready_now(old + 1);
    rig.drained(old);
    rig.dies(old);
    rig.forget();
}

#[test]
fn the_line_read_at_3_am_has_everything() {
    let mut checkout = rule("checkout is failing", status(20, secs(30)));
    let Trigger::Status { share, filter, .. } = &mut checkout.when else {
        unreachable!()
    };
    *share = Some("30%".parse().unwrap());
    filter.path = vec!["/checkout/*".parse().unwrap()];
    let mut rig = Rig::ready(with([checkout]));
    rig.tally(1, 19, 38);
    assert!(rig.acts().is_empty());
    rig.tally(1, 4, 23);
    assert_eq!(
        rig.said(Kind::RuleFired),
        [
            "rule \"checkout is failing\" fired: 23 of 61 answers (37%) on /checkout/* were 500-599 \
          in 30s (limits: 20 and 30%); recycling worker 1 (overlap) to worker 2; budget 2 of 3 \
          left in 10min"
        ]
    );
    let event = rig.events(Kind::RuleFired).next().unwrap();
    assert!(event.fields.contains(&("matching", Field::Number(23))));
    assert_eq!(
        event.incident,
        rig.events(Kind::RecycleBegun).next().unwrap().incident
    );
}

#[test]
fn a_share_must_be_reached_beside_the_count() {
    let mut half = rule("half", status(5, secs(30)));
    let Trigger::Status { share, .. } = &mut half.when else {
        unreachable!()
    };
    *share = Some("50%".parse().unwrap());
    let mut rig = Rig::ready(with([half]));
    rig.tally(1, 5, 11);
    assert!(rig.acts().is_empty());
    rig.tally(1, 1, 1);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let mut rig = Rig::ready(with([rule("failing", status(5, secs(30)))]));
    rig.tally(1, 4, 4);
    rig.pass(30_000);
    rig.tally(1, 4, 4);
    assert!(rig.acts().is_empty());
    rig.pass(29_900);
    rig.tally(1, 1, 1);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn a_new_worker_starts_with_empty_windows_and_an_old_one_counts_no_more() {
    let mut rig = Rig::ready(with([rule("failing", status(5, secs(30)))]));
    rig.tally(1, 4, 4);
    rig.recycle(false);
    rig.ready_now(2);
    rig.forget();
    rig.pass(1_000);
    rig.forget();
    rig.tally(2, 1, 1);
    rig.tally(1, 9, 9);
    assert!(rig.acts().is_empty());
    rig.tally(2, 4, 4);
    assert_eq!(rig.acts(), ["start 3"]);
}

#[test]
fn a_firing_clears_its_own_window_only() {
    let log = |name: &str, count| Rule {
        actions: vec![Action::Log],
        ..rule(name, status(count, secs(30)))
    };
    let mut rig = Rig::ready(with([log("three", 3), log("four", 4)]));
    rig.counts(1, &[(3, 3), (3, 3)], 3, 0);
    rig.counts(1, &[(1, 1), (1, 1)], 1, 0);
    let said = rig.said(Kind::RuleFired);
    assert_eq!(said.len(), 2);
    assert!(said[0].contains("\"three\"") && said[1].contains("\"four\""));
    assert!(said[1].ends_with("only said, as it has no other action"));
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
    both.actions = vec![Action::Run(command), Action::Recycle(None)];
    let mut rig = Rig::ready(with([both]));
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
fn commands_of_one_firing_run_one_after_the_other() {
    let run = |name: &str| {
        let (argv, dir) = (vec![name.to_owned()], PathBuf::from("/"));
        Action::Run(Command {
            argv,
            dir,
            timeout: secs(9),
        })
    };
    let mut two = rule("failing", status(5, secs(30)));
    two.actions = vec![run("one"), run("two")];
    let mut rig = Rig::ready(with([two]));
    rig.tally(1, 5, 5);
    assert_eq!(rig.acts(), ["run one"]);
    let incident = rig
        .events(Kind::RuleFired)
        .next()
        .unwrap()
        .incident
        .unwrap();
    rig.see(Observation::CommandEnded {
        incident,
        how: "exit code 1 after 2s".to_owned(),
    });
    assert_eq!(rig.acts(), ["run two"]);
    assert!(rig.said(Kind::CommandEnded)[0].contains("\"failing\" ended: exit code 1 after 2s"));
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
fn two_rules_at_once_are_one_recycle_with_both_reasons() {
    let rules = [
        rule("a", status(5, secs(30))),
        rule("b", status(5, secs(30))),
    ];
    let mut rig = Rig::ready(with(rules));
    rig.counts(1, &[(5, 5), (5, 5)], 5, 0);
    assert_eq!(rig.acts(), ["start 2"]);
    assert!(rig.said(Kind::RuleHeld)[0].contains("rule \"b\""));
    rig.ready_now(2);
    let said = rig.said(Kind::RecycleEnded).remove(0);
    assert!(
        said.contains("rule \"a\"") && said.contains("rule \"b\""),
        "{said}"
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
fn a_number_of_requests_has_a_tenth_of_jitter_for_each_worker() {
    let requests = Trigger::Requests {
        count: 1_000,
        window: None,
        filter: Filter::default(),
    };
    let mut rig = Rig::ready(with([rule("requests", requests)]));
    let mut fired = 0;
    while rig.acts().is_empty() {
        rig.tally(1, 1, 1);
        fired += 1;
    }
    assert!((900..=1_100).contains(&fired), "{fired}");
    rig.ready_now(2);
    assert!(rig.acts()[0].contains("admit 2 beside 1"), "it is not sick");
}

#[test]
fn requests_in_a_window_are_exact() {
    let window = Some(secs(60));
    let requests = Trigger::Requests {
        count: 1_000,
        window,
        filter: Filter::default(),
    };
    let mut rig = Rig::ready(with([rule("requests", requests)]));
    rig.tally(1, 999, 999);
    assert!(rig.acts().is_empty());
    rig.tally(1, 1, 1);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn a_rule_may_have_its_own_strategy() {
    let mut own = rule("failing", status(5, secs(30)));
    own.actions = vec![Action::Recycle(Some(Strategy::InPlace))];
    let mut rig = Rig::ready(with([own]));
    rig.tally(1, 5, 5);
    assert_eq!(rig.acts(), ["park 0ms", "withdraw 1", "drain 1 20000ms"]);
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
fn a_relay_has_no_rules() {
    let mut given = with([
        rule("failing", status(5, secs(30))),
        rule("stuck", slow(secs(1), 1)),
    ]);
    given.mode = Mode::Relay;
    let mut rig = Rig::ready(given);
    rig.counts(1, &[(9, 9), (9, 9)], 9, 9);
    assert!(rig.acts().is_empty());
    assert_eq!(rig.engine.snapshot(rig.now).rules[0].state, "off");
}

#[test]
fn counts_of_rules_that_are_no_longer_in_force_are_not_mixed_up() {
    let mut rig = Rig::ready(with([rule("failing", status(5, secs(30)))]));
    rig.word(Word::Reload {
        policy: Box::new(with([
            rule("a", status(5, secs(9))),
            rule("b", status(5, secs(9))),
        ])),
        recycle: None,
    });
    rig.counts(1, &[(9, 9)], 9, 0);
    assert!(rig.acts().is_empty());
}

#[test]
fn a_number_of_requests_is_counted_anew_after_a_firing() {
    let requests = Trigger::Requests {
        count: 10,
        window: None,
        filter: Filter::default(),
    };
    let log = Rule {
        actions: vec![Action::Log],
        ..rule("requests", requests)
    };
    let mut rig = Rig::ready(with([log]));
    for _ in 0..24 {
        rig.tally(1, 1, 1);
    }
    assert_eq!(rig.said(Kind::RuleFired).len(), 2);
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
fn each_kind_of_rule_says_its_numbers_and_limits() {
    let paths = Filter {
        path: vec!["/a/*".parse().unwrap(), "/b".parse().unwrap()],
        methods: vec!["GET".to_owned()],
        ..Filter::default()
    };
    let requests = |window| Trigger::Requests {
        count: 10,
        window,
        filter: paths.clone(),
    };
    let rules = [
        rule("one", requests(Some(secs(600)))),
        rule("two", slow(secs(30), 5)),
        rule("three", memory(800, secs(10))),
    ];
    let mut rig = Rig::ready(with(rules));
    rig.counts(1, &[(7, 7), (2, 9)], 9, 0);
    let bytes = |rig: &mut Rig| rig.bytes(1, 801, true);
    bytes(&mut rig);
    rig.pass(4_000);
    bytes(&mut rig);
    let words: Vec<String> = rig
        .engine
        .snapshot(rig.now)
        .rules
        .into_iter()
        .map(|rule| rule.reading)
        .collect();
    assert_eq!(
        words,
        [
            "7 requests by GET on /a/*|/b in 10min (limit: 10)",
            "2 of 9 requests (22%) had no answer within 30s in 2min (limit: 5)",
            "private memory 801 MiB for 4s (limit: 800 MiB)",
        ]
    );
}
