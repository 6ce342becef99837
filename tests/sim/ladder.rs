//! A rule's ladder: what each firing in a row does, and how long load balancers are kept away.

use autoheal::decide::{
    event::Kind,
    observation::Observation,
    policy::{Action, Notice, Rule, Rung, Strategy},
};

use crate::rig::{Rig, rule, secs, status, with};

fn ladder(actions: impl IntoIterator<Item = (u32, Action)>) -> Rule {
    let rungs = actions.into_iter();
    Rule {
        actions: rungs
            .map(|(after, action)| Rung { after, action })
            .collect(),
        ..rule("failing", status(5, secs(30)))
    }
}

fn notify() -> Action {
    Action::Notify(Notice {
        url: "http://hooks.example/SECRET".parse().unwrap(),
        timeout: secs(60),
    })
}

#[test]
fn each_firing_in_a_row_reaches_higher_and_a_lull_begins_anew() {
    let rule = ladder([
        (1, Action::Capture),
        (2, notify()),
        (3, Action::Recycle(Some(Strategy::InPlace))),
    ]);
    let mut rig = Rig::ready(with([rule]));
    rig.tally(1, 5, 5);
    assert_eq!(rig.acts(), ["capture 1"]);
    rig.pass(601_000);
    rig.tally(1, 5, 5);
    assert_eq!(rig.acts(), ["capture 1"], "ten minutes of quiet");
    rig.pass(1_000);
    rig.tally(1, 5, 5);
    assert_eq!(
        rig.acts(),
        ["capture 1", "notify http://hooks.example/SECRET"]
    );
    rig.tally(1, 5, 5);
    let acts = rig.acts();
    assert_eq!(acts[0], "capture 1", "before anything is done: {acts:?}");
    assert!(acts.contains(&"drain 1 20000ms".to_owned()), "{acts:?}");
    let fired = rig.said(Kind::RuleFired);
    assert!(
        fired[0].contains("fired (1 in a row): 5 of 5 answers"),
        "{fired:?}"
    );
    let third = "; capturing its state; telling http://hooks.example; recycling worker 1 (in-place";
    assert!(fired[3].contains(third), "{fired:?}");
    assert!(!fired[3].contains("SECRET"), "{fired:?}");
}

#[test]
fn load_balancers_are_kept_away_until_the_rule_has_not_held_for_its_window() {
    let mut rig = Rig::ready(with([ladder([(1, Action::Unready)])]));
    rig.tally(1, 5, 5);
    assert_eq!(rig.acts(), ["unready true"]);
    assert!(rig.engine.snapshot(rig.now).unready);
    rig.pass(20_000);
    rig.tally(1, 5, 5);
    rig.pass(29_000);
    assert_eq!(rig.acts(), [""; 0], "it held 29 s ago");
    rig.pass(1_000);
    assert_eq!(rig.acts(), ["unready false"]);
    let said = rig.said(Kind::Readiness);
    assert_eq!(
        said,
        [
            "not ready for load balancers: rule \"failing\" fired",
            "ready for load balancers again"
        ]
    );
}

#[test]
fn load_balancers_come_back_to_another_worker_and_when_the_rule_is_disarmed() {
    use autoheal::decide::observation::Word;
    let mut rig = Rig::ready(with([ladder([(1, Action::Unready)])]));
    rig.tally(1, 5, 5);
    rig.recycle(false);
    rig.acts();
    rig.ready_now(2);
    assert!(rig.acts().contains(&"unready false".to_owned()));
    let mut rig = Rig::ready(with([ladder([(1, Action::Unready)])]));
    rig.tally(1, 5, 5);
    rig.acts();
    rig.word(Word::Disarm {
        rules: Vec::new(),
        time: secs(60),
    });
    assert_eq!(rig.acts(), ["unready false"]);
}

#[test]
fn what_came_of_a_capture_and_of_a_notice_is_said() {
    let mut rig = Rig::ready(with([]));
    rig.see(Observation::Captured {
        incident: 7,
        what: "worker 1: 3 processes".to_owned(),
    });
    rig.see(Observation::Notified {
        incident: 7,
        result: Err("http://hooks.example: it answered 404".to_owned()),
    });
    assert_eq!(rig.said(Kind::Captured), ["captured worker 1: 3 processes"]);
    assert_eq!(
        rig.said(Kind::Notified),
        ["nobody was notified: http://hooks.example: it answered 404"]
    );
    assert!(
        rig.events(Kind::Notified)
            .all(|event| event.incident == Some(7))
    );
}
