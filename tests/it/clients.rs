//! HTTP clients that others wrote, through recycles; each checks every answer that it gets.
//!
//! Ten kinds of request come in turns, eight at once: GET, HEAD, POST with a length, POST in
//! chunks, PUT, DELETE, GET with `If-None-Match` (304), GET with `Connection: close`, POST in
//! chunks with `Connection: close`, GET. Bodies are of 0 to 102,400 bytes, and differ from number
//! to number.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{apps::has, support::Setup};

const REQUESTS: &str = "400";
const RECYCLES: usize = 4;

fn script(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients");
    folder.join(name).display().to_string()
}

/// Runs a client again and again, until the worker has been replaced often enough.
fn see_no_error(program: &str, name: &str, more: &[&str]) {
    for strategy in ["overlap", "in-place"] {
        // Each request takes the worker some time, so that a recycle finds several in flight.
        let sidecar = Setup {
            toml: format!("recycle.strategy = \"{strategy}\"\n"),
            command: ["node", &script("worker.mjs"), "{port}", "10"]
                .map(str::to_owned)
                .to_vec(),
            ..Setup::default()
        }
        .launch();
        sidecar.wait_for_kind("worker-ready");
        let url = sidecar.url("");
        let replaced = AtomicBool::new(false);
        let printed = thread::scope(|scope| {
            let asking = scope.spawn(|| {
                loop {
                    let printed = ask(program, name, &url, more);
                    if printed.is_err() || replaced.load(Ordering::Relaxed) {
                        break printed;
                    }
                }
            });
            for _ in 0..RECYCLES {
                // A client that has failed ends the test before its time.
                let under_way = || sidecar.status()["ledger"]["in_flight"] != 0;
                sidecar.wait("requests are in flight", || {
                    (asking.is_finished() || under_way()).then_some(())
                });
                if !asking.is_finished() {
                    sidecar.recycle();
                }
            }
            replaced.store(true, Ordering::Relaxed);
            asking.join().unwrap()
        });
        let due = format!("{REQUESTS} requests, 0 errors\n");
        assert_eq!(printed, Ok(due), "{}", sidecar.log());
        let begun = sidecar.events("recycle-begun");
        assert_eq!(begun.len(), RECYCLES, "{}", sidecar.log());
        assert_eq!(begun[0]["strategy"], strategy);
    }
}

/// What the client prints after all its requests, or all that is known when it fails.
fn ask(program: &str, name: &str, url: &str, more: &[&str]) -> Result<String, String> {
    // No client takes a minute; one that hangs must not hang the tests.
    let mut command = Command::new("timeout");
    command.args(["300", program, &script(name), url, REQUESTS]);
    let output = command.args(more).output().unwrap();
    if !output.status.success() {
        return Err(format!("{output:?}"));
    }
    Ok(String::from_utf8(output.stdout).unwrap())
}

fn has_node() -> bool {
    has("node", &["--version"])
}

fn has_httpx() -> bool {
    has("python3", &["-c", "import httpx, h2"])
}

#[test]
fn curl_sees_no_error_through_recycles() {
    if has_node() && has("curl", &["--version"]) {
        see_no_error("sh", "client.sh", &[]);
    }
}

#[test]
fn the_fetch_of_node_sees_no_error_through_recycles() {
    if has_node() {
        see_no_error("node", "client.mjs", &[]);
    }
}

#[test]
fn httpx_sees_no_error_through_recycles() {
    if has_node() && has_httpx() {
        see_no_error("python3", "client.py", &[]);
    }
}

#[test]
fn httpx_over_http2_sees_no_error_through_recycles() {
    if has_node() && has_httpx() {
        see_no_error("python3", "client.py", &["h2"]);
    }
}

#[test]
fn the_http_client_of_java_sees_no_error_through_recycles() {
    // A source file is run by the compiler, which is not everywhere where Java is.
    if has_node() && has("java", &["--describe-module", "jdk.compiler"]) {
        see_no_error("java", "Client.java", &[]);
    }
}
