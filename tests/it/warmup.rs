//! Paths that a new worker is asked for before clients reach it, end to end.

use crate::support::{Sidecar, assert_whole, plan, start};

#[test]
fn a_worker_is_asked_for_its_warm_up_before_it_serves_and_a_failure_is_only_told() {
    let toml = "[worker]\nwarmup = [\"/slow?ms=700\", \"/bad\"]\n";
    let sidecar = Sidecar::launched(toml, &[]);
    let first = sidecar.get("/");
    assert_eq!((first.status, first.generation()), (200, Some(1)));
    let events = sidecar.events_since(0);
    let at = |kind: &str| {
        events
            .iter()
            .position(|event| event["kind"] == kind)
            .unwrap()
    };
    assert!(at("warmed-up") < at("worker-ready"), "{}", sidecar.log());
    let warmed = &events[at("warmed-up")];
    let text = warmed["text"].as_str().unwrap();
    assert!(
        text.contains("but only 1 of 2 paths: /bad: it answered 500"),
        "{text}"
    );
    assert!(warmed["took_ms"].as_u64().unwrap() >= 700, "{warmed}");
    let load = start(plan(&sidecar.url("/"), 3));
    sidecar.recycle();
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_eq!(sidecar.events("warmed-up").len(), 2);
}
