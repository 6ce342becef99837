//! Idle workers are kept warm, and nothing counts that.

use std::fs;

use serde_json::Value;

use crate::{rules::rule, support::Sidecar};

/// The lines of the access log that say how autoheal's own requests ended.
fn own(sidecar: &Sidecar) -> Vec<Value> {
    let text = fs::read_to_string(sidecar.path("access.log")).unwrap_or_default();
    let lines = text
        .lines()
        .map_while(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["end"] == "always-on")
        .collect()
}

#[test]
fn each_idle_worker_is_asked_time_and_again_and_only_the_access_log_tells() {
    let toml = "worker.count = 2\nworker.always_on = \"1s\"\naccess_log.path = \"access.log\"\n\
                access_log.fields = [\"method\", \"path\", \"status\", \"end\", \"worker\", \
                \"user_agent\", \"client\"]\n"
        .to_owned()
        + &rule("requests = { count = 1, window = \"1h\" }");
    let sidecar = Sidecar::start(&toml, &[]);
    let lines = sidecar.wait("both workers were asked twice", || {
        let lines = own(&sidecar);
        let of = |worker: u64| lines.iter().filter(|line| line["worker"] == worker).count();
        (of(1) >= 2 && of(2) >= 2).then_some(lines)
    });
    for mut line in lines {
        line.as_object_mut().unwrap().remove("worker");
        let expected = serde_json::json!({
            "method": "GET", "path": "/", "status": 200, "end": "always-on",
            "user_agent": "AlwaysOn",
        });
        assert_eq!(line, expected);
    }
    let status = sidecar.status();
    assert_eq!(status["ledger"]["accepted"], 0, "{status}");
    assert_eq!(sidecar.events("rule-fired").len(), 0, "{}", sidecar.log());
    assert_eq!(sidecar.get("/").status, 200);
    sidecar.wait_for_kind("rule-fired");
}
