//! What the app depends on: who waits while it is down, and who does not.

use std::time::Duration;

use autoheal::decide::{
    event::Kind,
    observation::{Observation, Word},
    policy::{Dependency, DependencyAddress, Policy},
};

use crate::rig::{Rig, health, ill, memory, policy, rule, secs, slow, status, with};

pub(crate) fn db() -> Dependency {
    Dependency {
        name: "db".to_owned(),
        address: DependencyAddress::Host("db".to_owned(), 5432),
        path: None,
        interval: secs(10),
        timeout: secs(2),
        failures: 2,
        successes: 2,
    }
}

pub(crate) fn needing_db(mut policy: Policy) -> Policy {
    policy.dependencies = vec![db()];
    policy
}

fn failing() -> Policy {
    needing_db(with([rule("failing", status(5, secs(30)))]))
}

impl Rig {
    /// Answers a probe.
    fn answers(&mut self, probe: u64, ok: bool) {
        let result = match ok {
            true => Ok(()),
            false => Err("nobody listens".to_owned()),
        };
        self.see(Observation::Dependency { probe, result });
    }

    /// The numbers of the probes begun since last asked; nothing else was done.
    fn asked(&mut self) -> Vec<u64> {
        let number = |act: String| act.strip_prefix("ask db ").unwrap().parse().unwrap();
        self.acts().into_iter().map(number).collect()
    }

    fn state(&self) -> &'static str {
        self.engine.snapshot(self.now).dependencies[0].state
    }
}

/// A worker that serves, and a dependency that answered the first probe like this.
fn rig(policy: Policy, ok: bool) -> Rig {
    let mut rig = Rig::ready(policy);
    rig.answers(1, ok);
    rig
}

pub(crate) fn down(policy: Policy) -> Rig {
    let mut rig = rig(policy, false);
    assert_eq!(rig.state(), "doubtful");
    rig.pass(1_100);
    assert_eq!(rig.asked(), [2], "asked again soon");
    rig.answers(2, false);
    assert_eq!(rig.state(), "down");
    rig
}

#[test]
fn it_is_asked_at_once_and_then_at_its_interval() {
    let mut rig = Rig::new(failing());
    assert!(rig.acts().contains(&"ask db 1".to_owned()));
    rig.answers(1, true);
    assert_eq!(rig.state(), "up");
    rig.pass(8_900);
    assert!(rig.asked().is_empty());
    rig.pass(2_200);
    assert_eq!(rig.asked(), [2], "within a tenth of the interval");
}

#[test]
fn no_second_probe_begins_while_one_is_under_way_unless_it_is_lost() {
    let mut rig = rig(failing(), true);
    rig.pass(11_000);
    assert_eq!(rig.asked(), [2]);
    rig.tally(1, 5, 5);
    assert!(rig.asked().is_empty());
    rig.pass(2_900);
    assert_eq!(rig.asked(), [3], "longer than its own limit");
    rig.answers(2, false);
    assert_eq!(rig.state(), "up", "an answer to a lost probe is none");
}

#[test]
fn a_rule_that_could_be_its_fault_asks_before_it_acts() {
    let mut rig = rig(failing(), true);
    rig.pass(500);
    rig.tally(1, 5, 5);
    assert_eq!(rig.asked(), [2]);
    rig.pass(3);
    rig.answers(2, true);
    assert_eq!(rig.acts(), ["start 2"], "3 ms later");
}

#[test]
fn a_rule_is_held_from_the_first_failed_probe_on_and_says_why() {
    let mut rig = rig(failing(), true);
    rig.tally(1, 5, 5);
    assert_eq!(rig.asked(), [2]);
    rig.answers(2, false);
    rig.pass(1_100);
    assert_eq!(rig.asked(), [3]);
    rig.answers(3, false);
    rig.pass(60_000);
    assert!(
        rig.asked().iter().all(|probe| *probe > 3),
        "nothing but probes"
    );
    let said = rig.said(Kind::RuleHeld);
    let end = "held, as dependency \"db\" did not answer when asked: nobody listens";
    assert!(said[0].ends_with(end), "{said:?}");
    let end = "held, as dependency \"db\" has been down for 1.1s: nobody listens";
    assert!(said[1].ends_with(end), "{said:?}");
    assert_eq!(said.len(), 2);
    let said = rig.said(Kind::DependencyDown);
    assert!(said[0].starts_with("dependency \"db\" (db:5432) is down: nobody listens;"));
    assert!(rig.said(Kind::RuleFired).is_empty());
}

#[test]
fn what_was_counted_while_it_was_down_is_void_and_what_comes_then_counts() {
    let mut rig = down(failing());
    for _ in 0..20 {
        rig.tally(1, 5, 5);
        rig.pass(100);
    }
    rig.pass(9_000);
    let probes = rig.asked();
    rig.answers(*probes.last().unwrap(), true);
    assert_eq!(rig.state(), "down", "one good answer is not enough");
    rig.pass(1_000);
    let probes = rig.asked();
    rig.answers(probes[0], true);
    assert_eq!(rig.state(), "up");
    assert!(rig.said(Kind::DependencyUp)[0].contains("is up again after"));
    assert!(rig.acts().is_empty());
    rig.tally(1, 5, 5);
    let probes = rig.asked();
    rig.answers(probes[0], true);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn levels_and_crashes_act_as_ever() {
    let mut rig = down(needing_db(with([rule("big", memory(200, Duration::ZERO))])));
    rig.bytes(1, 201, true);
    assert_eq!(rig.acts(), ["start 2"]);
    let mut rig = down(failing());
    rig.dies(1);
    assert!(rig.acts().contains(&"start 2".to_owned()));
}

#[test]
fn slow_requests_and_failed_health_probes_recycle_nobody_meanwhile() {
    let mut given = needing_db(with([rule("stuck", slow(secs(1), 3))]));
    given.health = health(2);
    let mut rig = down(given);
    rig.counts(1, &[(3, 3)], 0, 3);
    for _ in 0..5 {
        rig.see(Observation::Probe {
            generation: autoheal::words::Generation(1),
            result: Err(ill("it answered 503")),
        });
    }
    assert!(rig.acts().is_empty());
    let said = rig.said(Kind::Unhealthy);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("held, as dependency \"db\" has been down"),
        "{said:?}"
    );
}

#[test]
fn a_failed_health_probe_asks_before_it_recycles() {
    let mut given = needing_db(policy());
    given.health = health(1);
    let mut rig = rig(given, true);
    rig.pass(1_000);
    let sick = Observation::Probe {
        generation: autoheal::words::Generation(1),
        result: Err(ill("it answered 503")),
    };
    rig.see(sick);
    assert_eq!(rig.asked(), [2]);
    rig.answers(2, true);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn a_rule_that_does_not_recycle_is_not_held() {
    let mut given = failing();
    given.rules[0].actions = vec![autoheal::decide::policy::Action::Log.into()];
    let mut rig = down(given);
    rig.tally(1, 5, 5);
    assert_eq!(rig.said(Kind::RuleFired).len(), 1);
}

#[test]
fn answers_that_never_come_hold_nobody_for_ever() {
    let mut rig = rig(failing(), true);
    rig.tally(1, 5, 5);
    for _ in 0..10 {
        rig.pass(1_000);
        rig.tally(1, 1, 1);
    }
    let acts = rig.acts();
    assert!(acts.contains(&"start 2".to_owned()), "{acts:?}");
}

#[test]
fn a_new_configuration_keeps_what_is_known_of_one_that_stays() {
    let mut rig = down(failing());
    let mut other = failing();
    other.dependencies.push(Dependency {
        name: "auth".to_owned(),
        ..db()
    });
    rig.word(Word::Reload {
        policy: Box::new(other),
        changes: String::new(),
        recycle: None,
    });
    assert_eq!(rig.acts(), ["ask auth 3"]);
    let states = |rig: &Rig| {
        let all = rig.engine.snapshot(rig.now).dependencies;
        all.iter().map(|one| one.state).collect::<Vec<_>>()
    };
    assert_eq!(states(&rig), ["down", "unknown"]);
    rig.word(Word::Reload {
        policy: Box::new(with([])),
        changes: String::new(),
        recycle: None,
    });
    assert!(states(&rig).is_empty());
    rig.pass(60_000);
    assert!(rig.acts().is_empty());
}

#[test]
fn in_relay_mode_nobody_is_asked() {
    let mut given = failing();
    given.mode = autoheal::words::Mode::Relay;
    let mut rig = Rig::new(given);
    rig.pass(60_000);
    assert!(!rig.acts().iter().any(|act| act.starts_with("ask")));
}
