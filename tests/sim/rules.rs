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
            "rule \"checkout is failing\" fired: 23 of 61 answers (37%) on /checkout/* were \
             500-599 in 30s (limits: 20 and 30%); recycling worker 1 (overlap) to worker 2; \
             budget 2 of 3 left in 10min"
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
        actions: vec![Action::Log.into()],
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
fn commands_of_one_firing_run_one_after_the_other() {
    let run = |name: &str| {
        let (argv, dir) = (vec![name.to_owned()], PathBuf::from("/"));
        Action::Run(Command {
            argv,
            dir,
            timeout: secs(9),
        })
        .into()
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
fn a_rule_that_sees_more_while_its_own_recycle_runs_is_one_reason() {
    let mut rig = Rig::ready(with([rule("a", status(5, secs(30)))]));
    rig.tally(1, 5, 5);
    assert_eq!(rig.acts(), ["start 2"]);
    rig.pass(200);
    rig.tally(1, 20, 20);
    assert!(rig.said(Kind::RuleHeld).is_empty());
    rig.ready_now(2);
    let said = rig.said(Kind::RecycleEnded).remove(0);
    assert_eq!(said.matches("rule \"a\"").count(), 1, "{said}");
}

#[test]
fn a_number_of_requests_has_a_tenth_of_jitter_for_each_worker() {
    let requests = Trigger::Requests {
        count: 1_000,
        share: None,
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
        share: None,
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
    own.actions = vec![Action::Recycle(Some(Strategy::InPlace)).into()];
    let mut rig = Rig::ready(with([own]));
    rig.tally(1, 5, 5);
    assert_eq!(rig.acts(), ["park 0ms", "withdraw 1", "drain 1 20000ms"]);
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
        changes: String::new(),
        recycle: None,
    });
    rig.counts(1, &[(9, 9)], 9, 0);
    assert!(rig.acts().is_empty());
}

#[test]
fn a_number_of_requests_is_counted_anew_after_a_firing() {
    let requests = Trigger::Requests {
        count: 10,
        share: None,
        window: None,
        filter: Filter::default(),
    };
    let log = Rule {
        actions: vec![Action::Log.into()],
        ..rule("requests", requests)
    };
    let mut rig = Rig::ready(with([log]));
    for _ in 0..24 {
        rig.tally(1, 1, 1);
    }
    assert_eq!(rig.said(Kind::RuleFired).len(), 2);
}

#[test]
fn each_kind_of_rule_says_its_numbers_and_limits() {
    let paths = Filter {
        path: vec!["/a/*".parse().unwrap(), "/b".parse().unwrap()],
        methods: vec!["GET".to_owned()],
        ..Filter::default()
    };
    let requests = |window, share| Trigger::Requests {
        count: 10,
        share,
        window,
        filter: paths.clone(),
    };
    let rules = [
        rule("one", requests(Some(secs(600)), None)),
        rule("two", slow(secs(30), 5)),
        rule("three", memory(800, secs(10))),
        rule("four", requests(Some(secs(60)), "30%".parse().ok())),
    ];
    let mut rig = Rig::ready(with(rules));
    rig.counts(1, &[(7, 7), (2, 9), (0, 0), (7, 9)], 9, 0);
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
            "7 requests by GET on /a/*|/b in 1min, 77% of all 9 (limits: 10 and 30%)",
        ]
    );
}
