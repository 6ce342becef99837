//! Replacing the worker: no client notices.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use autoheal::{cli::load::Plan, time::now};
use http::Method;

use crate::support::{Connection, Sidecar, assert_whole, free_port, plan, start};

/// A worker that cuts what it has on SIGTERM, so that the drain must be ours.
const RUDE: &str = "--exit-on-term";

/// Three recycles under GETs, chunked POSTs and a slow download that spans them all.
fn no_client_notices_recycles(toml: &str, knobs: &[&str]) {
    let ids = tempfile::NamedTempFile::new().unwrap();
    let file = ids.path().to_str().unwrap();
    let sidecar = Sidecar::start(toml, &[&[RUDE, "--ids", file], knobs].concat());
    let gets = start(Plan {
        download: Some("/download?ms=1500&bytes=200000".to_owned()),
        ..plan(&sidecar.url("/"), 5)
    });
    let posts = start(Plan {
        method: Method::POST,
        rate_per_s: 50,
        connections: 4,
        body_bytes: 20_000,
        chunked: true,
        ..plan(&sidecar.url("/echo"), 5)
    });
    for _ in 0..3 {
        sidecar.recycle();
    }
    let (gets, posts) = (gets.wait().unwrap(), posts.wait().unwrap());
    assert_whole(&gets, &sidecar);
    assert_whole(&posts, &sidecar);
    assert!(gets.downloads.finished > 1, "{gets}");
    assert_eq!(sidecar.get("/").generation(), Some(4), "{}", sidecar.log());
    assert_none_twice(ids.path(), gets.requests + posts.requests);
}

/// Each request was received, and only once.
fn assert_none_twice(ids: &Path, requests: u64) {
    let times = received(ids);
    assert_eq!(times.len() as u64, requests);
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// How often each request was received by a worker.
pub(crate) fn received(ids: &Path) -> BTreeMap<String, u32> {
    let mut times = BTreeMap::new();
    for id in fs::read_to_string(ids).unwrap().lines() {
        *times.entry(id.to_owned()).or_default() += 1;
    }
    times
}

#[test]
fn no_client_notices_three_recycles_by_overlap() {
    no_client_notices_recycles("", &[]);
}

#[test]
fn no_client_notices_three_recycles_in_place_on_a_fixed_port() {
    no_client_notices_recycles(&format!("worker.port = {}", free_port()), &[]);
}

#[test]
fn no_client_notices_three_recycles_on_a_unix_socket() {
    no_client_notices_recycles("worker.port = \"unix\"", &["--unix", "{socket}"]);
}

#[test]
fn a_slow_start_delays_no_one_in_an_overlap() {
    let sidecar = Sidecar::start("", &[RUDE, "--start-cpu", "500ms"]);
    let load = start(plan(&sidecar.url("/"), 4));
    sidecar.recycle();
    let report = load.wait().unwrap();
    assert_whole(&report, &sidecar);
    let parked = sidecar.status()["ledger"]["parked"].as_u64();
    assert_eq!(parked, Some(0), "{}", sidecar.log());
    let begun = sidecar.wait_for_kind("recycle-begun");
    assert_eq!(begun["strategy"], "overlap");
    let ready = sidecar.wait_for_kind("worker-ready");
    assert!(ready["start_ms"].as_u64().unwrap() >= 500, "{ready}");
}

#[test]
fn an_in_place_recycle_parks_for_as_long_as_the_start_takes_and_says_how_many() {
    let toml = format!("worker.port = {}", free_port());
    let sidecar = Sidecar::start(&toml, &[RUDE, "--start-cpu", "300ms"]);
    let load = start(plan(&sidecar.url("/"), 4));
    sidecar.recycle();
    let report = load.wait().unwrap();
    assert_whole(&report, &sidecar);
    let parked = sidecar.status()["ledger"]["parked"].as_u64().unwrap();
    // Each connection of the load has one request, and that one waits.
    assert!(parked >= 10, "{parked} parked\n{}", sidecar.log());
    let begun = sidecar.wait_for_kind("recycle-begun");
    assert_eq!(begun["strategy"], "in-place");
    assert!(report.latency.max_ms < 5_000.0, "{report}");
}

#[test]
fn what_outlasts_the_drain_is_cut_and_sent_again_where_that_is_safe() {
    let sidecar = Sidecar::start("recycle.drain_timeout = \"300ms\"", &[]);
    let get = sidecar.ask("/slow?ms=3000");
    let post = Connection::open(sidecar.address).send(
        "POST /slow?ms=3000 HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    sidecar.wait("both are in flight", || {
        (sidecar.status()["ledger"]["in_flight"] == 2).then_some(())
    });
    sidecar.recycle();
    let stopped = sidecar.wait_for_kind("worker-stopped");
    assert_eq!(stopped["cut"], 2, "{stopped}");
    let (get, post) = (get.answer(), post.answer());
    assert_eq!((get.status, get.generation()), (200, Some(2)), "{get:?}");
    assert_eq!(post.code(), Some("502104"), "{post:?}");
}

#[test]
fn who_waits_for_a_fresh_worker_s_share_is_let_in_when_its_slow_start_ends() {
    // Nothing else wakes the steward: the connection that rests does so only after a minute.
    let toml = "worker.keep_alive = \"1min\"\nrecycle.slow_start = \"4s\"\n";
    let sidecar = Sidecar::start(toml, &[]);
    for _ in 0..8 {
        assert_eq!(sidecar.get("/").status, 200);
    }
    // More than a fresh worker is given at once, and no answer that would make it more.
    let slow: Vec<_> = (0..100).map(|_| sidecar.ask("/slow?ms=39000")).collect();
    let asked = now();
    assert_eq!(sidecar.get("/").status, 200);
    let waited = now().since(asked);
    assert!(waited < Duration::from_secs(20), "{waited:?}");
    drop(slow);
}
