//! Rules that come with time or from outside, end to end: age, schedule, file.

use std::fs;

use autoheal::time::wall;

use crate::{
    rules::rule,
    support::{Sidecar, assert_whole, plan, start},
};

/// The sentence of the first firing, after which worker 2 serves.
fn fired(sidecar: &Sidecar) -> String {
    let fired = sidecar.wait_for_kind("rule-fired");
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(ended["outcome"], "replaced", "{}", sidecar.log());
    fired["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_worker_is_replaced_at_its_age_under_load_and_no_request_is_lost() {
    let sidecar = Sidecar::start(&rule("age = { over = \"2s\" }"), &[]);
    let load = start(plan(&sidecar.url("/"), 4));
    let text = fired(&sidecar);
    // A tenth of jitter: from 1.8 s to 2.2 s.
    let age = ["worker ready for 1.", "worker ready for 2"];
    assert!(age.iter().any(|age| text.contains(age)), "{text}");
    assert_whole(&load.wait().unwrap(), &sidecar);
}

#[test]
fn a_worker_is_replaced_at_its_time_once() {
    let soon = wall().0 / 1_000 + 3;
    let (hour, minute, second) = (soon / 3600 % 24, soon / 60 % 60, soon % 60);
    let at = format!("{hour:02}:{minute:02}:{second:02}");
    let when = format!("schedule = {{ at = \"{at}\", zone = \"UTC\", spread = \"0s\" }}");
    let sidecar = Sidecar::start(&rule(&when), &[]);
    let text = fired(&sidecar);
    assert!(wall().0 / 1_000 >= soon, "too early: {text}");
    assert!(text.contains("(UTC time) has come"), "{text}");
    sidecar.recycle();
    assert_eq!(sidecar.events("rule-fired").len(), 1);
}

#[test]
fn a_file_that_changes_recycles_the_worker_and_a_touch_does_not() {
    let sidecar = Sidecar::launched(&rule("file = { path = \"settings.json\" }"), &[]);
    sidecar.wait_for_kind("worker-ready");
    let path = sidecar.path("settings.json");
    fs::write(&path, "{}").unwrap();
    let text = fired(&sidecar);
    assert!(text.contains("settings.json changed"), "{text}");
    fs::write(&path, "{}").unwrap();
    fs::write(sidecar.path("new"), "{ \"a\": 1 }").unwrap();
    fs::rename(sidecar.path("new"), &path).unwrap();
    fired(&sidecar);
    assert_eq!(sidecar.events("rule-fired").len(), 2, "{}", sidecar.log());
}
