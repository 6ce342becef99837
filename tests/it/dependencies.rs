//! What the app depends on: while it is down nobody is recycled for it.

use std::{fs, os::unix::net::UnixListener, path::Path};

use serde_json::Value;

use crate::{
    rules::{fired, get, status},
    support::{Sidecar, plan, start},
};

/// A rule that fires at the fifth 503, and a dependency at this socket.
fn toml(socket: &Path) -> String {
    let rule = status("codes = \"503\", count = 5");
    let socket = socket.display();
    rule + &format!(
        "[[dependency]]\nname = \"db\"\naddress = \"unix:{socket}\"\ninterval = \"1s\"\n"
    )
}

fn dependency(sidecar: &Sidecar) -> Value {
    sidecar.status()["dependencies"][0].clone()
}

fn is(sidecar: &Sidecar, state: &str) {
    sidecar.wait(&format!("the dependency is {state}"), || {
        (dependency(sidecar)["state"] == state).then_some(())
    });
}

const BUSY: &str = "/status?code=503";

#[test]
fn a_worker_is_not_recycled_for_its_dependency_and_is_when_that_is_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("db");
    let listener = UnixListener::bind(&socket).unwrap();
    let sidecar = Sidecar::start(&toml(&socket), &[]);
    is(&sidecar, "up");
    drop(listener);
    // The rule asks by itself: nobody has noticed yet.
    get(&sidecar, BUSY, 5);
    let held = sidecar.wait_for_kind("rule-held");
    let text = held["text"].as_str().unwrap();
    assert!(text.contains("held, as dependency \"db\" "), "{text}");
    let down = sidecar.wait_for_kind("dependency-down");
    assert_eq!(down["dependency"], "db");
    assert_eq!(dependency(&sidecar)["why"], "nobody listens");
    assert!(sidecar.order(&["status"]).contains("\"db\" at unix:"));
    get(&sidecar, BUSY, 50);
    assert_eq!(fired(&sidecar), 0, "{}", sidecar.log());
    fs::remove_file(&socket).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    sidecar.wait_for_kind("dependency-up");
    assert_eq!(fired(&sidecar), 0, "{}", sidecar.log());
    get(&sidecar, BUSY, 5);
    let event = sidecar.wait_for_kind("rule-fired");
    assert_eq!(event["recycles"], true, "{event}");
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(ended["outcome"], "replaced", "{ended}");
}

#[test]
fn while_it_is_down_every_request_is_served_as_a_bare_proxy_would() {
    let folder = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start(&toml(&folder.path().join("db")), &[]);
    is(&sidecar, "down");
    let report = start(plan(&sidecar.url(BUSY), 4)).wait().unwrap();
    let ledger = sidecar.status()["ledger"].clone();
    let nobody = ["refused", "failed", "parked", "replayed"].map(|name| ledger[name].clone());
    assert_eq!(nobody, [0, 0, 0, 0].map(Value::from), "{ledger}\n{report}");
    assert_eq!(
        ledger["completed"], ledger["accepted"],
        "{ledger}\n{report}"
    );
    assert!(ledger["completed"].as_u64() >= Some(700), "{ledger}");
    assert_eq!(
        sidecar.events("recycle-begun").len(),
        0,
        "{}",
        sidecar.log()
    );
}
