//! Requests that end their workers: served, but not sent to one more.

use crate::support::{Answer, Connection, Sidecar, plan, start};

/// So many workers have ended by themselves, and the next one serves.
fn after_crashes(sidecar: &Sidecar, at_least: usize) -> usize {
    sidecar.wait("every crash is told and a worker serves", || {
        let answer = sidecar.get("/");
        let crashes = sidecar.events("worker-exited").len();
        let generation = answer.generation()? as usize;
        (crashes >= at_least && generation == crashes + 1).then_some(crashes)
    })
}

/// Requests that their worker has had for a while when the next thing happens.
fn in_flight(sidecar: &Sidecar, count: usize) -> Vec<Connection> {
    let all = (0..count).map(|_| sidecar.ask("/slow?ms=1500"));
    let all: Vec<_> = all.collect();
    sidecar.wait("the worker has them", || {
        let seen = sidecar.client()?.get("/api/v1/requests").ok()?;
        let requests = seen["requests"].as_array()?.iter();
        let slow = requests.filter(|one| one["path"] == "/slow" && one["generation"].is_number());
        (slow.count() == count).then_some(())
    });
    all
}

#[test]
fn a_request_that_ends_three_workers_is_named_and_is_not_the_end_of_two_at_a_time_any_more() {
    let sidecar = Sidecar::start("", &["--work", "5ms", "--crash-signal", "SEGV"]);
    let load = start(plan(&sidecar.url("/"), 120));
    // A worker that has served for a second is started again at once.
    let wait_for_traffic = || {
        let from = load.progress().answered;
        sidecar.wait("traffic", || {
            (load.progress().answered > from + 300).then_some(())
        });
    };
    wait_for_traffic();
    // It is sent twice, which makes two crashes.
    let first = sidecar.get("/crash/1");
    assert_eq!(first.code(), Some("502102"), "{}", sidecar.log());
    after_crashes(&sidecar, 2);
    sidecar.wait_for_event("what it died of", |event| {
        let requests = event["requests"].as_str().unwrap_or_default();
        event["kind"] == "had-in-flight" && requests.contains("GET /crash/*")
    });
    wait_for_traffic();
    assert!(sidecar.events("poison-request").is_empty());
    assert_eq!(sidecar.get("/crash/2").status, 502, "{}", sidecar.log());
    let named = sidecar.wait_for_kind("poison-request");
    assert_eq!(named["request"], "GET /crash/*");
    assert_eq!(named["code"], 502_121);
    assert!(named["incident"].is_number(), "{named}");
    let status = sidecar.status()["poison"].clone();
    assert_eq!(status[0]["request"], "GET /crash/*", "{status}");
    let page = sidecar.order(&["status"]);
    let line = "poison    GET /crash/* ends its workers: in flight at ";
    assert!(page.contains(line), "{page}");

    // It may have been sent to a fourth worker before it was known.
    let crashes = after_crashes(&sidecar, 3);
    let others = in_flight(&sidecar, 4);
    let known = sidecar.get("/crash/3");
    assert_eq!(known.status, 502, "{known:?}");
    assert_eq!(known.code(), Some("502121"), "{known:?}");
    let others: Vec<Answer> = others.into_iter().map(Connection::answer).collect();
    for other in others {
        assert_eq!(other.status, 200, "{other:?}\n{}", sidecar.log());
        assert_eq!(
            other.generation().unwrap() as usize,
            crashes + 2,
            "replayed"
        );
    }
    assert_eq!(after_crashes(&sidecar, crashes + 1), crashes + 1);
    let again = sidecar.wait_for_event("the next crash of it", |event| {
        let text = event["text"].as_str().unwrap_or_default();
        event["kind"] == "poison-request" && text.contains("ended one more worker")
    });
    assert_ne!(again["incident"], named["incident"]);
    let by_code = sidecar.status()["ledger"]["by_code"].clone();
    let of_it = |one: &&serde_json::Value| one["code"] == 502_121;
    let counted = by_code.as_array().unwrap().iter().find(of_it).unwrap();
    assert_eq!(counted["count"], 1, "{by_code}");
    let guilty = sidecar.events("poison-request");
    let blamed = guilty
        .iter()
        .all(|event| event["request"] == "GET /crash/*");
    assert!(blamed, "the others are innocent: {guilty:?}");
    drop(load);
}
