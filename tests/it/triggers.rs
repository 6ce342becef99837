//! Rules over clients that leave and lines that are printed, and hours in which a rule is held,
//! end to end.

use std::fs;

use crate::{
    rules::{rule, status},
    support::Sidecar,
};

fn fired(sidecar: &Sidecar) -> String {
    let fired = sidecar.wait_for_kind("rule-fired");
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(ended["outcome"], "replaced", "{}", sidecar.log());
    fired["text"].as_str().unwrap().to_owned()
}

#[test]
fn clients_that_leave_without_an_answer_recycle_the_worker() {
    let when = "abandoned = { after = \"100ms\", count = 3, window = \"10min\", path = \"/hang\" }";
    let sidecar = Sidecar::start(&rule(when), &[]);
    let hanging: Vec<_> = (0..3).map(|_| sidecar.ask("/hang")).collect();
    sidecar.wait("three requests have waited", || {
        let list = sidecar.client()?.get("/api/v1/requests").ok()?;
        let list = list["requests"].as_array()?.clone();
        let old = |one: &&serde_json::Value| one["age_ms"].as_u64() > Some(100);
        (list.iter().filter(old).count() == 3).then_some(())
    });
    assert_eq!(sidecar.events("rule-fired").len(), 0, "{}", sidecar.log());
    drop(hanging);
    let text = fired(&sidecar);
    assert!(
        text.contains("3 of 3 clients (100%) on /hang left"),
        "{text}"
    );
}

#[test]
fn a_line_that_the_worker_prints_recycles_it() {
    let when = "output = { regex = \"^line 0 \\\\.+$\", count = 2, window = \"10min\" }";
    let sidecar = Sidecar::start(&rule(when), &[]);
    // Two lines, of which one is such a line.
    assert_eq!(sidecar.get("/print?bytes=200").status, 200);
    sidecar.wait("the line is counted", || {
        let now = sidecar.status()["rules"][0]["now"].as_str()?.to_owned();
        now.starts_with("1 lines with").then_some(())
    });
    assert_eq!(sidecar.events("rule-fired").len(), 0, "{}", sidecar.log());
    assert_eq!(sidecar.get("/print?bytes=100").status, 200);
    let text = fired(&sidecar);
    assert!(text.contains("2 lines with \"^line 0 "), "{text}");
}

#[test]
fn a_rule_is_held_in_the_hours_that_it_is_not_to_act_in() {
    let free = status("codes = 500, count = 2");
    let hours = "not_between = [\"00:00-12:00\", \"12:00-00:00\"]\nzone = \"UTC\"\n";
    let sidecar = Sidecar::start(&format!("{free}{hours}"), &[]);
    for _ in 0..2 {
        assert_eq!(sidecar.get("/bad").status, 500);
    }
    let held = sidecar.wait_for_kind("rule-held");
    let text = held["text"].as_str().unwrap();
    assert!(text.contains("held, as it is its quiet time"), "{text}");
    fs::write(sidecar.path("autoheal.toml"), free).unwrap();
    sidecar.order(&["reload"]);
    for _ in 0..2 {
        assert_eq!(sidecar.get("/bad").status, 500);
    }
    fired(&sidecar);
}
