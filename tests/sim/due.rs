//! Rules that come with time or from outside: age, schedule, file.

use std::{path::PathBuf, time::Duration};

use autoheal::{
    decide::{
        event::{Field, Kind},
        observation::{Observation, Word},
        policy::{Action, Rule},
        trigger::Trigger,
    },
    time::MonoTime,
    units::{Calendar, Times, Zone},
};

use crate::rig::{Rig, rule, secs, status, with};

pub(crate) fn age(limit: Duration) -> Trigger {
    Trigger::Age { limit }
}

pub(crate) fn schedule(spread: Duration) -> Trigger {
    let times = Times::Cron("0 3 * * *".parse().unwrap());
    let zone: Zone = "UTC".parse().unwrap();
    Trigger::Schedule {
        calendar: Calendar { times, zone },
        spread,
    }
}

pub(crate) fn file() -> Trigger {
    Trigger::File {
        paths: vec!["/app/settings.json".into(), "/app/web.config".into()],
    }
}

fn log(name: &str, when: Trigger) -> Rule {
    Rule {
        actions: vec![Action::Log.into()],
        ..rule(name, when)
    }
}

impl Rig {
    fn comes(&mut self, condition: usize) {
        self.see(Observation::ScheduleDue { condition });
    }

    fn changes(&mut self, path: &str, since: MonoTime) {
        let path = PathBuf::from(path);
        self.see(Observation::FileChanged { path, since });
    }

    fn firings(&self) -> usize {
        self.said(Kind::RuleFired).len()
    }
}

#[test]
fn a_worker_is_replaced_at_an_age_that_differs_by_a_tenth_from_one_to_the_next() {
    let mut rig = Rig::ready(with([rule("old", age(secs(1_000)))]));
    let mut ages = Vec::new();
    for generation in 2..6 {
        let born = rig.now;
        rig.until_act();
        ages.push(rig.now.since(born).as_secs());
        assert_eq!(rig.acts(), [format!("start {generation}")]);
        rig.ready_now(generation);
        let begins = format!("admit {generation} beside");
        assert!(
            rig.acts()[0].starts_with(&begins),
            "an old worker is not a sick one"
        );
        rig.drained(generation - 1);
        rig.dies(generation - 1);
        rig.acts();
    }
    assert!(
        ages.iter().all(|age| (900..=1_100).contains(age)),
        "{ages:?}"
    );
    ages.dedup();
    assert!(ages.len() > 1, "{ages:?}");
}

#[test]
fn an_age_is_counted_from_ready_and_through_stalls_and_reloads_of_other_things() {
    let rules = || with([rule("old", age(secs(1_000)))]);
    let mut rig = Rig::ready(rules());
    rig.pass(850_000);
    rig.see(Observation::Stalled(secs(60)));
    rig.word(Word::Reload {
        policy: Box::new(rules()),
        changes: String::new(),
        recycle: None,
    });
    rig.acts();
    assert!((50_000..=250_000).contains(&rig.until_act()));
    assert_eq!(rig.acts(), ["start 2"]);
    // A rule that is new looks at the age that the worker has.
    let mut rig = Rig::ready(with([]));
    rig.pass(2_000_000);
    rig.word(Word::Reload {
        policy: Box::new(rules()),
        changes: String::new(),
        recycle: None,
    });
    rig.acts();
    rig.see(Observation::Tally(autoheal::decide::observation::Tally {
        generation: autoheal::words::Generation(1),
        rules: vec![Default::default()],
        ..Default::default()
    }));
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn an_age_that_is_only_said_is_said_once_for_each_time_it_is_reached() {
    let mut rig = Rig::ready(with([log("old", age(secs(1_000)))]));
    rig.pass(3_000_000);
    assert!((2..=3).contains(&rig.firings()), "{}", rig.firings());
    let said = rig.said(Kind::RuleFired).remove(0);
    assert!(said.contains("fired: worker ready for 1"), "{said}");
    assert!(
        said.contains("which is 16min 40s give or take 10%)"),
        "{said}"
    );
}

#[test]
fn a_worker_that_could_not_be_replaced_for_its_age_is_tried_again_after_the_cooldown() {
    let mut old = rule("old", age(secs(1_000)));
    old.cooldown = secs(60);
    let mut rig = Rig::ready(with([old]));
    rig.until_act();
    rig.acts();
    rig.see(Observation::StartFailed {
        generation: autoheal::words::Generation(2),
        why: autoheal::decide::observation::StartFailure::Spawn("no such file".to_owned()),
    });
    rig.acts();
    for second in 1.. {
        rig.pass(1_000);
        rig.tally(1, 0, 0);
        if !rig.acts().is_empty() {
            assert_eq!(second, 60);
            break;
        }
    }
}

#[test]
fn a_schedule_fires_once_within_its_spread() {
    let mut rig = Rig::ready(with([rule("nightly", schedule(secs(60)))]));
    rig.pass(100_000);
    assert!(rig.acts().is_empty(), "nothing came");
    rig.comes(0);
    rig.comes(0);
    let took = rig.until_act();
    assert!(took <= 60_000, "{took}");
    assert_eq!(rig.acts(), ["start 2"]);
    assert!(
        rig.said(Kind::RuleFired)[0]
            .contains("fired: a time of cron's \"0 3 * * *\" (UTC time) has come")
    );
    rig.ready_now(2);
    rig.pass(1_000_000);
    assert_eq!(rig.firings(), 1);
}

#[test]
fn without_a_spread_it_fires_at_once() {
    let rules = [
        rule("failing", status(5, secs(9))),
        rule("nightly", schedule(Duration::ZERO)),
    ];
    let mut rig = Rig::ready(with(rules));
    rig.comes(1);
    assert_eq!(rig.acts(), ["start 2"]);
    assert!(rig.said(Kind::RuleFired)[0].contains("\"nightly\""));
    rig.comes(7);
    assert!(rig.acts().is_empty(), "no such condition");
}

#[test]
fn what_keeps_a_schedule_from_acting_delays_it_but_a_new_worker_needs_none() {
    let mut nightly = rule("nightly", schedule(Duration::ZERO));
    nightly.min_uptime = secs(60);
    let mut rig = Rig::ready(with([nightly]));
    rig.comes(0);
    assert!(rig.said(Kind::RuleHeld)[0].contains("min_uptime; 1min to go"));
    assert_eq!(rig.until_act(), 60_000);
    assert_eq!(rig.acts(), ["start 2"]);
    rig.ready_now(2);
    rig.pass(2_000);
    rig.forget();
    rig.comes(0);
    rig.dies(2);
    rig.ready_now(3);
    assert_eq!(rig.engine.snapshot(rig.now).phase, "ready");
    rig.pass(100_000);
    rig.tally(3, 0, 0);
    assert_eq!(
        rig.firings(),
        0,
        "worker 3 is younger than the time that came"
    );
}

#[test]
fn a_time_that_comes_while_the_rule_is_disarmed_is_passed_over() {
    let mut rig = Rig::ready(with([rule("nightly", schedule(Duration::ZERO))]));
    rig.word(Word::Disarm {
        rules: Vec::new(),
        time: secs(3_600),
    });
    rig.comes(0);
    assert_eq!(rig.said(Kind::RuleHeld).len(), 1);
    rig.word(Word::Arm { rules: Vec::new() });
    rig.pass(10_000_000);
    assert_eq!((rig.acts().len(), rig.firings()), (0, 0));
    rig.comes(0);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn what_a_schedule_runs_is_not_lost_while_nothing_serves() {
    let mut rig = Rig::ready(with([log("nightly", schedule(Duration::ZERO))]));
    rig.pass(2_000);
    rig.dies(1);
    rig.comes(0);
    assert_eq!(rig.firings(), 0);
    rig.ready_now(2);
    rig.pass(200);
    rig.tally(2, 0, 0);
    assert_eq!(rig.firings(), 1);
}

#[test]
fn a_changed_file_recycles_the_worker_that_was_started_before() {
    let mut rig = Rig::ready(with([rule("change", file())]));
    rig.changes("/app/other", rig.now);
    assert!(rig.acts().is_empty());
    rig.changes("/app/web.config", rig.now);
    assert_eq!(rig.acts(), ["start 2"]);
    let event = rig.events(Kind::RuleFired).next().unwrap();
    assert!(
        event
            .text
            .contains("fired: /app/web.config changed; recycling"),
        "{event}"
    );
    let name = Field::Text("/app/web.config".to_owned());
    assert!(event.fields.contains(&("changed", name)));
}

#[test]
fn a_change_that_the_worker_has_read_already_is_none() {
    let mut rig = Rig::ready(with([rule("change", file())]));
    let before = rig.now;
    rig.pass(1_000);
    rig.dies(1);
    rig.ready_now(2);
    rig.forget();
    rig.changes("/app/web.config", before);
    assert!(rig.acts().is_empty(), "worker 2 was started later");
}

#[test]
fn a_change_during_a_start_recycles_what_was_started_before_it() {
    let mut rig = Rig::ready(with([rule("change", file())]));
    rig.pass(2_000);
    rig.dies(1);
    rig.pass(1_000);
    rig.forget();
    rig.changes("/app/web.config", rig.now);
    assert!(rig.acts().is_empty(), "nothing serves");
    rig.ready_now(2);
    rig.pass(100);
    rig.tally(2, 0, 0);
    assert!(
        rig.acts().contains(&"start 3".to_owned()),
        "it may have read the old content"
    );
    rig.ready_now(3);
    rig.pass(1_000_000);
    assert_eq!(rig.firings(), 1);
}
