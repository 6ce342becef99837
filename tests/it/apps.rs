//! Apps that nobody here wrote, launched from a `web.config` and healed after a storm of 5xx.

use std::{path::Path, process::Command, time::Duration};

use crate::support::{Connection, Setup, Sidecar};

/// Starts an example, breaks it for good, and waits until its rule has healed it.
fn is_healed(example: &str, breaks: impl Fn(&Sidecar), is_broken: impl Fn(&Sidecar) -> bool) {
    let config = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config/examples")
        .join(example)
        .join("web.config");
    let sidecar = Setup {
        files: vec![config],
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    assert_eq!(sidecar.get("/").status, 200, "{}", sidecar.log());
    breaks(&sidecar);
    let mut failures = 0;
    // The storm goes on until the rule has seen enough of it, min_uptime included.
    sidecar.wait_within("the rule fires", Duration::from_secs(30), || {
        failures += u32::from(is_broken(&sidecar));
        let fired = sidecar.events("rule-fired");
        (failures >= 10).then_some(fired)?.pop()
    });
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(ended["outcome"], "replaced", "{}", sidecar.log());
    assert_eq!(sidecar.get("/").status, 200, "{}", sidecar.log());
}

fn post(sidecar: &Sidecar, path: &str) -> u16 {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: it\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    Connection::open(sidecar.address).send(head).answer().status
}

/// Whether a program is there; says so when it is not, for the tests that need it.
pub(crate) fn has(program: &str, args: &[&str]) -> bool {
    let there = Command::new(program)
        .args(args)
        .output()
        .is_ok_and(|out| out.status.success());
    if !there {
        eprintln!("left out: {program} is not installed");
    }
    there
}

#[test]
fn gunicorn_with_flask_is_healed() {
    if has("gunicorn", &["--version"]) && has("python3", &["-c", "import flask"]) {
        is_healed(
            "flask",
            |s| assert_eq!(post(s, "/break"), 200),
            |s| s.get("/").status == 500,
        );
    }
}

#[test]
fn node_is_healed() {
    if has("node", &["--version"]) {
        is_healed(
            "node",
            |s| assert_eq!(post(s, "/break"), 200),
            |s| s.get("/").status == 500,
        );
    }
}

#[test]
fn python_s_own_server_is_recycled_after_ten_501s() {
    if has("python3", &["--version"]) {
        is_healed("static", |_| {}, |s| post(s, "/") == 501);
    }
}
