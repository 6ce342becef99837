//! Whether a recycle helped: told of a live worker, and what follows when none can help.

use autoheal::cli::load::Plan;

use crate::{
    rules::{get, rule},
    support::{Sidecar, assert_whole, plan, start},
};

/// A rule whose verdict needs no more than two seconds of traffic.
fn failing(count: u32) -> String {
    let condition = format!("codes = \"500-599\", count = {count}, window = \"2s\"");
    let rule = rule(&format!("status = {{ {condition} }}"));
    rule + "[recycle]\nslow_start = \"0s\"\n"
}

#[test]
fn a_dependency_that_is_down_costs_two_recycles_and_not_one_answer() {
    let sidecar = Sidecar::start(&failing(20), &["--status-path", "/shop=503"]);
    let expect = Some(503);
    let load = Plan {
        expect,
        ..plan(&sidecar.url("/shop"), 10)
    };
    let report = start(load).wait().unwrap();
    // Every one is the worker's own answer, whole, as a bare proxy would have handed it on.
    assert_whole(&report, &sidecar);
    // Where workers are slow to start the load may have ended before the last one failed.
    let said = sidecar.wait("it is said that recycling does not help", || {
        get(&sidecar, "/shop", 20);
        sidecar.events("recycling-does-not-help").pop()
    });
    let status = sidecar.status();
    let (ledger, rule) = (&status["ledger"], &status["rules"][0]);
    assert_eq!(
        (&ledger["refused"], &ledger["failed"]),
        (&0.into(), &0.into())
    );
    assert_eq!(
        sidecar.events("recycle-begun").len(),
        2,
        "{}",
        sidecar.log()
    );
    assert_eq!(rule["state"], "disarmed", "{rule}");
    assert_eq!(rule["verdict"], "did-not-help");
    assert_eq!(
        (&said["level"], &said["incident"]),
        (&"error".into(), &3.into())
    );
    let cure = said["cure"].as_str().unwrap();
    assert!(
        cure.contains("the same 500-599 came from the new worker"),
        "{said}"
    );
    sidecar.order(&["arm"]);
    sidecar.wait("armed, it recycles again", || {
        get(&sidecar, "/shop", 20);
        (sidecar.events("recycle-begun").len() == 3).then_some(())
    });
}

#[test]
fn a_worker_that_was_sick_by_itself_was_helped() {
    let sidecar = Sidecar::start(&failing(5), &[]);
    get(&sidecar, "/bad", 5);
    sidecar.wait_for_kind("recycle-ended");
    assert_eq!(
        sidecar.status()["rules"][0]["verdict"],
        serde_json::Value::Null
    );
    assert_whole(&start(plan(&sidecar.url("/"), 3)).wait().unwrap(), &sidecar);
    let verdict = sidecar.wait_for_kind("verdict");
    assert_eq!(
        (&verdict["verdict"], &verdict["incident"]),
        (&"helped".into(), &1.into())
    );
    assert_eq!(verdict["before_matching"], 5, "{verdict}");
    assert_eq!(verdict["after_matching"], 0, "{verdict}");
    let page = sidecar.order(&["status"]);
    assert!(page.contains("its last recycle helped"), "{page}");
}
