//! What operators do: reload, hold, disarm, stop and start, and what they are shown.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Setup, Sidecar, assert_whole, command_of_demo_worker, plan, start};

/// A configuration with its worker in it, so that a reload may change it.
fn with_worker(toml: &str, knobs: &[&str]) -> String {
    let command = command_of_demo_worker(knobs);
    let command: toml::Value = command.into();
    format!("{toml}\n[worker]\ncommand = {command}\n")
}

fn begin(toml: &str, knobs: &[&str]) -> Sidecar {
    let toml = with_worker(toml, knobs);
    let sidecar = Setup {
        toml,
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    sidecar
}

fn configure(sidecar: &Sidecar, toml: &str) {
    fs::write(sidecar.path("autoheal.toml"), toml).unwrap();
}

fn names(sidecar: &Sidecar) -> Vec<String> {
    let status = sidecar.status();
    let rules = status["rules"].as_array().unwrap().iter();
    rules
        .map(|rule| rule["name"].as_str().unwrap().to_owned())
        .collect()
}

const RULE: &str = "proactive = false\n[[rule]]\nname = \"failing\"\nwhen.status = { codes = \
                    \"500\", count = 2, window = \"60s\" }\ndo = [\"recycle\"]\nmin_uptime = \
                    \"0s\"\n";

#[test]
fn a_reload_of_rules_leaves_the_worker_alone() {
    let sidecar = begin("proactive = false", &[]);
    let before = sidecar.worker().who;
    assert!(names(&sidecar).is_empty());
    configure(&sidecar, &with_worker(RULE, &[]));
    sidecar.order(&["reload"]);
    assert_eq!(names(&sidecar), ["failing"]);
    assert_eq!(sidecar.worker().who, before);
    sidecar.get("/bad");
    sidecar.get("/bad");
    sidecar.wait_for_kind("rule-fired");
}

#[test]
fn sighup_reloads_too() {
    let sidecar = begin("proactive = false", &[]);
    configure(&sidecar, &with_worker(RULE, &[]));
    sidecar.signal(Signal::HUP);
    sidecar.wait_for_kind("reloaded");
    assert_eq!(names(&sidecar), ["failing"]);
}

#[test]
fn a_bad_configuration_keeps_the_old_one_whole_and_names_its_line() {
    let sidecar = begin(RULE, &[]);
    let half = with_worker(RULE, &[]).replace("\"failing\"", "\"renamed\"") + "colour = \"blue\"\n";
    let line = half.lines().count();
    configure(&sidecar, &half);
    let output = sidecar.verb(&["reload"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("autoheal.toml:{line}:")), "{said}");
    assert_eq!(names(&sidecar), ["failing"]);
    sidecar.signal(Signal::HUP);
    let place = format!("autoheal.toml:{line}:");
    sidecar.wait("the log names it too", || {
        sidecar.log().contains(&place).then_some(())
    });
    assert_eq!(names(&sidecar), ["failing"]);
    assert_eq!(sidecar.get("/").generation(), Some(1));
}

#[test]
fn a_changed_command_is_put_in_force_by_an_overlap_that_no_client_notices() {
    let sidecar = begin("", &["--exit-on-term"]);
    let load = start(plan(&sidecar.url("/"), 4));
    configure(
        &sidecar,
        &with_worker("", &["--exit-on-term", "--status-path", "/new=202"]),
    );
    sidecar.order(&["reload"]);
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(ended["outcome"], "replaced", "{ended}");
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_eq!(sidecar.get("/new").status, 202);
    assert_eq!(sidecar.events("recycle-begun")[0]["strategy"], "overlap");
}

#[test]
fn a_hold_parks_until_it_is_released() {
    let sidecar = Sidecar::start("", &[]);
    sidecar.order(&["hold", "--for", "30s"]);
    let load = start(plan(&sidecar.url("/"), 2));
    sidecar.wait("requests are parked", || {
        (sidecar.status()["parking"]["requests"].as_u64() > Some(5)).then_some(())
    });
    assert_eq!(sidecar.status()["ledger"]["completed"], 0);
    sidecar.order(&["release"]);
    assert_whole(&load.wait().unwrap(), &sidecar);
}

#[test]
fn a_hold_ends_by_itself() {
    let sidecar = Sidecar::start("", &[]);
    sidecar.order(&["hold", "--for", "1s"]);
    let answer = sidecar.get("/");
    assert_eq!(answer.status, 200);
    let released = sidecar.wait_for_event("released", |event| {
        event["kind"] == "hold" && text(event).contains("time is over")
    });
    let held = &sidecar.events("hold")[0];
    let after = released["mono_ms"].as_u64().unwrap() - held["mono_ms"].as_u64().unwrap();
    // The event of its beginning is written a moment after it.
    assert!((900..10_000).contains(&after), "{after}");
}

fn text(event: &Value) -> &str {
    event["text"].as_str().unwrap()
}

#[test]
fn a_disarmed_rule_only_reports_until_it_is_armed() {
    let sidecar = Sidecar::start(RULE, &[]);
    sidecar.order(&["disarm", "failing", "--for", "10min"]);
    assert_eq!(sidecar.status()["rules"][0]["state"], "disarmed");
    sidecar.get("/bad");
    sidecar.get("/bad");
    let held = sidecar.wait_for_kind("rule-held");
    assert!(text(&held).contains("an operator disarmed it"), "{held}");
    assert!(sidecar.events("recycle-begun").is_empty());
    sidecar.order(&["arm"]);
    sidecar.wait_for_kind("recycle-ended");
    assert_eq!(sidecar.get("/").generation(), Some(2));
}

#[test]
fn a_stopped_worker_is_refused_for_with_a_code_until_it_is_started() {
    let sidecar = Sidecar::start("", &[]);
    sidecar.order(&["stop"]);
    sidecar.wait_for_kind("worker-stopped");
    assert_eq!(sidecar.get("/").code(), Some("503105"));
    assert_eq!(sidecar.verb(&["status"]).status.code(), Some(1));
    sidecar.order(&["start"]);
    sidecar.wait_for_kind("worker-ready");
    assert_eq!(sidecar.get("/").generation(), Some(2));
    assert_eq!(sidecar.verb(&["status"]).status.code(), Some(0));
}

#[test]
fn the_last_words_of_a_crashed_worker_can_be_read() {
    let sidecar = Sidecar::start("", &["--print", "300B"]);
    sidecar.wait("what it printed", || {
        sidecar.order(&["logs"]).contains("line 0").then_some(())
    });
    sidecar.worker().signal(Signal::ABORT);
    sidecar.wait_for_kind("worker-exited");
    sidecar.wait_for_kind("worker-ready");
    let words = sidecar.order(&["logs", "--previous", "--json"]);
    let line: Value = serde_json::from_str(words.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["generation"], &line["stream"]),
        (&1.into(), &"stdout".into())
    );
    assert!(
        line["text"].as_str().unwrap().starts_with("line 0"),
        "{line}"
    );
}

#[test]
fn events_tell_the_whole_story_of_a_recycle_as_json_and_in_words() {
    let sidecar = Sidecar::start("proactive = false", &[]);
    sidecar.order(&["recycle", "--wait", "--reason", "new certificates"]);
    // It comes when the old worker is gone, and is the last of the story.
    sidecar.wait_for_kind("incident-closed");
    let lines = sidecar.order(&["events", "--json"]);
    let events: Vec<Value> = lines
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    let story = [
        "worker-starting",
        "worker-ready",
        "recycle-begun",
        "worker-starting",
        "worker-ready",
        "recycle-ended",
        "worker-stopped",
        "incident-closed",
    ];
    assert_eq!(kinds, story);
    assert!(
        events[2..6].iter().all(|event| event["incident"] == 1),
        "{lines}"
    );
    let words = sidecar.order(&["events"]);
    assert!(words.contains("new certificates"), "{words}");
    assert_eq!(words.lines().count(), story.len());
}

#[test]
fn a_code_from_an_answer_is_explained() {
    let sidecar = Sidecar::start("", &[]);
    sidecar.order(&["stop"]);
    sidecar.wait_for_kind("worker-stopped");
    let answer = sidecar.get("/");
    assert!(answer.body.contains("503105"), "{answer:?}");
    let words = sidecar.order(&["explain", answer.code().unwrap()]);
    assert!(words.contains("503105 WorkerStoppedByOperator"), "{words}");
    assert!(words.contains("autoheal start"), "{words}");
}

#[test]
fn what_is_in_flight_is_listed_with_its_worker() {
    let sidecar = Sidecar::start("", &[]);
    let slow = sidecar.ask("/slow?ms=3000");
    let listed = sidecar.wait("it is listed", || {
        let words = sidecar.order(&["requests", "--json"]);
        let answer: Value = serde_json::from_str(&words).ok()?;
        Some(answer["requests"][0].clone()).filter(|request| request.is_object())
    });
    assert_eq!(
        (&listed["path"], &listed["generation"]),
        (&"/slow".into(), &1.into())
    );
    drop(slow);
}

#[test]
fn a_second_autoheal_on_the_same_socket_is_refused_by_name() {
    let sidecar = Sidecar::start("", &[]);
    let output = sidecar.verb(&["run", "--listen", "127.0.0.1:0", "--", "/bin/true"]);
    assert_eq!(output.status.code(), Some(111), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(sidecar.path("admin").to_str().unwrap()),
        "{said}"
    );
    assert_eq!(sidecar.status()["ready"], true);
}

#[test]
fn a_configuration_that_is_wrong_at_the_start_ends_with_78_and_names_the_place() {
    let sidecar = Sidecar::start("", &[]);
    let file = sidecar.path("wrong.toml");
    fs::write(&file, "mode = \"haeal\"\n").unwrap();
    let output = sidecar.verb(&["run", "--config", file.to_str().unwrap(), "--", "/bin/true"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("wrong.toml:1:8"), "{said}");
}

#[test]
fn a_worker_that_is_done_is_left_down_where_only_failures_restart() {
    let toml = "worker.restart = \"on-failure\"";
    let sidecar = Sidecar::start(toml, &["--exit-on-term"]);
    sidecar.worker().signal(Signal::TERM);
    let exited = sidecar.wait_for_kind("worker-exited");
    assert!(
        text(&exited).contains("not restarted after exit code 0"),
        "{exited}"
    );
    assert_eq!(sidecar.get("/").code(), Some("503103"));
    sidecar.order(&["start"]);
    sidecar.wait_for_kind("worker-ready");
    assert_eq!(sidecar.get("/").generation(), Some(2));
}
