//! Healing must not hurt: what holds a rule, what it only says, and what becomes one recycle.

use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    rules::{fired, get, status},
    support::Sidecar,
};

/// Waits until the rule has said why it is held.
fn held(sidecar: &Sidecar, why: &str) -> Value {
    let event = sidecar.wait_for_kind("rule-held");
    assert!(event["text"].as_str().unwrap().contains(why), "{event}");
    let said = &sidecar.status()["rules"][0]["held"];
    assert!(said.as_str().unwrap_or("").contains(why), "{said}");
    event
}

#[test]
fn a_young_worker_is_not_recycled_and_that_is_said() {
    let toml = status("codes = \"500\", count = 2").replace("\"0s\"\ncooldown", "\"1h\"\ncooldown");
    let sidecar = Sidecar::start(&toml, &[]);
    get(&sidecar, "/bad", 2);
    held(&sidecar, "min_uptime");
    assert_eq!(
        (fired(&sidecar), sidecar.get("/").generation()),
        (0, Some(1))
    );
}

#[test]
fn a_rule_that_fired_rests_and_says_so() {
    let toml =
        status("codes = \"500\", count = 2").replace("cooldown = \"0s\"", "cooldown = \"1h\"");
    let sidecar = Sidecar::start(&toml, &[]);
    get(&sidecar, "/bad", 2);
    sidecar.wait_for_kind("recycle-ended");
    get(&sidecar, "/bad", 2);
    held(&sidecar, "cooling down");
    assert_eq!(
        (fired(&sidecar), sidecar.get("/").generation()),
        (1, Some(2))
    );
    assert_eq!(sidecar.status()["rules"][0]["state"], "cooling");
}

#[test]
fn a_spent_budget_keeps_the_worker_and_is_said_as_an_error() {
    let toml = status("codes = \"500\", count = 2") + "[budget]\nrecycles = 1\n";
    let sidecar = Sidecar::start(&toml, &[]);
    get(&sidecar, "/bad", 2);
    sidecar.wait_for_kind("recycle-ended");
    get(&sidecar, "/bad", 2);
    let event = sidecar.wait_for_kind("rule-fired");
    assert_eq!(
        (&event["recycles"], &event["level"]),
        (&false.into(), &"error".into())
    );
    assert!(
        event["text"].as_str().unwrap().contains("budget is spent"),
        "{event}"
    );
    assert_eq!(sidecar.get("/").generation(), Some(2));
}

#[test]
fn an_observing_autoheal_says_what_it_would_do_and_does_not() {
    let toml = "mode = \"observe\"\n".to_owned() + &status("codes = \"500\", count = 2");
    let sidecar = Sidecar::start(&toml, &[]);
    get(&sidecar, "/bad", 2);
    let event = sidecar.wait_for_kind("rule-fired");
    assert_eq!(
        (&event["observe"], &event["recycles"]),
        (&true.into(), &false.into())
    );
    assert!(
        event["text"]
            .as_str()
            .unwrap()
            .contains("would recycle worker 1"),
        "{event}"
    );
    assert!(sidecar.events("recycle-begun").is_empty());
    // A crash is restarted nevertheless.
    sidecar.worker().signal(Signal::KILL);
    sidecar.wait_for_kind("worker-ready");
    assert_eq!(sidecar.get("/").generation(), Some(2));
}

#[test]
fn two_rules_at_once_are_one_recycle_for_both_reasons() {
    let one = status("codes = \"500\", count = 3");
    let two = one
        .replace("proactive = false\n", "")
        .replace("\"r\"", "\"second\"");
    let sidecar = Sidecar::start(&(one + &two), &["--work", "100ms"]);
    let asked: Vec<_> = (0..6).map(|_| sidecar.ask("/bad")).collect();
    for asked in asked {
        assert_eq!(asked.answer().status, 500);
    }
    let ended = sidecar.wait_for_kind("recycle-ended");
    let reasons = ended["reasons"].as_str().unwrap();
    assert!(
        reasons.contains("\"r\"") && reasons.contains("\"second\""),
        "{reasons}"
    );
    assert_eq!(
        sidecar.events("recycle-begun").len(),
        1,
        "{}",
        sidecar.log()
    );
}

#[test]
fn operators_that_ask_at_once_get_one_recycle() {
    let sidecar = Sidecar::start("", &["--start-cpu", "300ms"]);
    let ask = || {
        let client = sidecar.client().unwrap();
        let order = json!({ "wait": true });
        move || client.post("/api/v1/recycle", &order, None).unwrap()
    };
    let asking: Vec<_> = (0..5).map(|_| thread::spawn(ask())).collect();
    for asking in asking {
        let answer = asking.join().unwrap();
        assert!(
            answer["text"].as_str().unwrap().contains("replaced"),
            "{answer}"
        );
    }
    assert_eq!(
        sidecar.events("recycle-begun").len(),
        1,
        "{}",
        sidecar.log()
    );
    assert_eq!(sidecar.get("/").generation(), Some(2));
}
