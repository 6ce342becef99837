//! Memory that grows, and memory that only comes and goes, end to end.

use std::{fs, thread, time::Duration};

use autoheal::time::now;
use serde_json::Value;

use crate::{
    rules::rule,
    support::{Setup, Sidecar, command_of_demo_worker, plan, start},
};

/// The longest that it may take on a machine that is busy with other things.
const LONG: Duration = Duration::from_secs(240);

#[test]
fn a_leak_is_foretold_and_its_route_named_and_the_worker_replaced_before_the_limit() {
    let when = "leak = { limit = \"112MiB\", horizon = \"1min\" }";
    let sidecar = Sidecar::start(&rule(when), &[]);
    let start = now();
    let mut rng = fastrand::Rng::with_seed(1);
    // Real time, since memory and traffic are measured against it: 4 s busy, 3 s quiet. What leaks
    // is one route of two, which come each by itself.
    let mut fired = Vec::<Value>::new();
    while fired.is_empty() && now().since(start) < LONG {
        let busy = now().since(start).as_secs() % 7 < 4;
        for _ in 0..rng.u32(0..=if busy { 6 } else { 1 }) {
            assert_eq!(sidecar.get("/cart/17").status, 200);
        }
        if rng.u8(0..if busy { 2 } else { 8 }) == 0 {
            assert_eq!(sidecar.get("/leak?bytes=900000").status, 200);
        }
        // A pause that makes the traffic what it is.
        thread::park_timeout(Duration::from_millis(100));
        fired = sidecar.events("rule-fired");
    }
    let event = fired
        .first()
        .unwrap_or_else(|| panic!("never fired\n{}", sidecar.log()));
    let text = event["text"].as_str().unwrap();
    assert!(text.contains(" grows "), "{text}");
    assert!(text.contains(", as each request to /leak keeps "), "{text}");
    assert!(text.contains("; reaches 112 MiB in "), "{text}");
    assert!(event["private_bytes"].as_u64() < Some(112 << 20), "{event}");
    assert_eq!(event["route"], "/leak", "{event}");
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(ended["outcome"], "replaced", "{}", sidecar.log());
}

/// Takes 80 MiB within two seconds and gives them back, again and again; until there is a file
/// that says to keep them.
const SAW: &str = "import os, time
while True:
    kept = []
    for _ in range(20):
        kept.append(b'x' * (4 << 20))
        time.sleep(0.1)
    while os.path.exists('keep'):
        time.sleep(0.1)
";

#[test]
fn memory_that_comes_and_goes_fires_nothing_and_what_stays_does() {
    let script = "python3 saw.py & exec \"$0\" \"$@\"";
    let mut command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    command.extend(command_of_demo_worker(&[]));
    let toml = rule("memory = { private_bytes = \"70MiB\", for = \"8s\" }")
        + &rule("leak = { limit = \"120MiB\", horizon = \"1min\" }")
            .replace("proactive = false\n", "")
            .replace("\"r\"", "\"leak\"");
    let folder = tempfile::tempdir().unwrap();
    let saw = folder.path().join("saw.py");
    fs::write(&saw, SAW).unwrap();
    command[2] = command[2].replace("saw.py", &saw.display().to_string());
    let sidecar = Setup {
        toml,
        command,
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    let load = start(plan(&sidecar.url("/"), 14));
    // The highest that it reads is above the limit of the first rule, time and again.
    let (mut high, mut teeth, mut above) = (0, 0, false);
    while !load.is_finished() {
        let status = sidecar.status();
        let bytes = status["workers"][0]["private_bytes"].as_u64().unwrap_or(0);
        high = high.max(bytes);
        let is_above = bytes > 70 << 20;
        teeth += u32::from(is_above && !above);
        above = is_above;
        thread::park_timeout(Duration::from_millis(50));
    }
    assert!(teeth >= 2, "{teeth} teeth, up to {high}\n{}", sidecar.log());
    assert_eq!(sidecar.events("rule-fired").len(), 0, "{}", sidecar.log());
    let report = load.wait().unwrap();
    assert_eq!(report.failed, 0, "{report}\n{}", sidecar.log());
    fs::write(sidecar.path("keep"), "").unwrap();
    let fired = sidecar.wait_for_kind("rule-fired");
    assert_eq!(fired["rule"], "r", "{fired}");
}
