//! Sudden ends: of the worker, of its keeper, of autoheal; and the end that was asked for.

use std::{thread, time::Duration};

use autoheal::{
    cli::load::{Plan, Report, Running},
    time,
};
use http::Method;
use rustix::process::Signal;

use crate::{
    recycle::received,
    support::{
        Answer, Connection, Process, Setup, Sidecar, assert_whole, command_of_demo_worker, plan,
        start, wait_for,
    },
};

/// When this load has so many answers, kills the worker amid a request of this method, and waits
/// until another one is ready. Returns the answer to that request.
fn kill_worker(sidecar: &Sidecar, load: &Running, answered: u64, method: &Method) -> Answer {
    sidecar.wait("answers", || {
        (load.progress().answered >= answered || load.is_finished()).then_some(())
    });
    let amid = slow(sidecar, method, 3_000);
    sidecar.wait("the worker has it", || {
        let seen = sidecar.client()?.get("/api/v1/requests").ok()?;
        let mut requests = seen["requests"].as_array()?.iter();
        requests
            .any(|request| request["path"] == "/slow" && request["generation"].is_number())
            .then_some(())
    });
    let worker = sidecar.worker();
    worker.signal(Signal::KILL);
    let exited = sidecar.wait_for_kind("worker-exited");
    let text = exited["text"].as_str().unwrap();
    assert!(text.contains(&worker.who.pid.to_string()), "{text}");
    sidecar.wait_for_kind("worker-ready");
    amid.answer()
}

/// A worker that leaves processes in sessions of their own before it serves.
fn with_grandchildren(knobs: &[&str]) -> Vec<String> {
    let script = "setsid sleep 1000 & (setsid sleep 1000 &) ; exec \"$0\" \"$@\"";
    let shell = ["/bin/sh", "-c", script].map(str::to_owned);
    shell
        .into_iter()
        .chain(command_of_demo_worker(knobs))
        .collect()
}

/// Nothing that autoheal started is left a second from now.
fn assert_all_gone_within_a_second(sidecar: &Sidecar) {
    let gone = || sidecar.processes().is_empty().then_some(());
    let left = wait_for(Duration::from_secs(1), gone);
    assert!(left.is_some(), "{:?}", sidecar.processes());
}

/// A request that takes this long, on a connection of its own.
fn slow(sidecar: &Sidecar, method: &Method, ms: u32) -> Connection {
    Connection::open(sidecar.address).send(format!(
        "{method} /slow?ms={ms} HTTP/1.1\r\nHost: it\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    ))
}

fn slow_post(sidecar: &Sidecar, ms: u32) -> Connection {
    slow(sidecar, &Method::POST, ms)
}

fn in_flight(sidecar: &Sidecar, count: u64) {
    sidecar.wait("requests are in flight", || {
        (sidecar.status()["ledger"]["in_flight"] == count).then_some(())
    });
}

#[test]
fn no_get_fails_when_the_worker_is_killed_twice() {
    let ids = tempfile::NamedTempFile::new().unwrap();
    let file = ids.path().to_str().unwrap();
    let sidecar = Sidecar::start("", &["--work", "30ms", "--ids", file]);
    let load = start(plan(&sidecar.url("/"), 5));
    for answered in [250, 600] {
        let amid = kill_worker(&sidecar, &load, answered, &Method::GET);
        assert_eq!(amid.status, 200, "{amid:?}\n{}", sidecar.log());
    }
    let report = load.wait().unwrap();
    assert_whole(&report, &sidecar);
    let most = received(ids.path()).into_values().max();
    assert!(most <= Some(2), "replayed more than once: {most:?}");
    let replayed = sidecar.status()["ledger"]["replayed"].as_u64().unwrap();
    assert!(
        (2..=34).contains(&replayed),
        "{replayed} replayed\n{}",
        sidecar.log()
    );
}

#[test]
fn of_posts_only_those_in_flight_at_a_kill_fail_and_none_is_sent_twice() {
    let ids = tempfile::NamedTempFile::new().unwrap();
    let file = ids.path().to_str().unwrap();
    let sidecar = Sidecar::start("", &["--work", "30ms", "--ids", file]);
    let load = start(Plan {
        method: Method::POST,
        body_bytes: 1_000,
        ..plan(&sidecar.url("/echo"), 5)
    });
    for answered in [250, 600] {
        let amid = kill_worker(&sidecar, &load, answered, &Method::POST);
        assert_eq!(amid.code(), Some("502102"), "{amid:?}\n{}", sidecar.log());
    }
    let report = load.wait().unwrap();
    let in_flight_most = 2 * report.connections as u64;
    assert!(
        report.failed <= in_flight_most,
        "{report}\n{}",
        sidecar.log()
    );
    assert_eq!(count_502102(&report), report.failed, "{report}");
    let most = received(ids.path()).into_values().max();
    assert_eq!(most, Some(1), "sent twice");
}

fn count_502102(report: &Report) -> u64 {
    let ours = |kind: &String| kind.starts_with("status 502") && kind.contains("502102");
    let failures = report.failures.iter();
    failures
        .filter(|(kind, _)| ours(kind))
        .map(|(_, count)| count)
        .sum()
}

#[test]
fn a_killed_autoheal_leaves_no_process_of_its_workers() {
    let command = with_grandchildren(&["--ignore-term"]);
    let sidecar = Setup {
        command,
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    sidecar.wait("both grandchildren sleep", || {
        let all = sidecar.processes();
        let sleeping = all
            .iter()
            .filter(|process| process.command.starts_with("sleep"));
        (sleeping.count() == 2).then_some(())
    });
    sidecar.kill();
    assert_all_gone_within_a_second(&sidecar);
}

#[test]
fn a_killed_autoheal_leaves_no_process_of_a_worker_that_starts_or_forked_away() {
    for knob in ["--never-listen", "--double-fork"] {
        let command = with_grandchildren(&[knob]);
        let sidecar = Setup {
            command,
            ..Setup::default()
        }
        .launch();
        sidecar.wait_for_kind("worker-starting");
        sidecar.wait("the grandchildren", || {
            (sidecar.processes().len() > 3).then_some(())
        });
        sidecar.kill();
        assert_all_gone_within_a_second(&sidecar);
    }
}

#[test]
fn a_worker_whose_keeper_is_killed_is_replaced_and_none_of_it_is_left() {
    let command = with_grandchildren(&[]);
    let sidecar = Setup {
        command,
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    let before = sidecar.processes();
    let keeper = before
        .iter()
        .find(|process| process.parent == sidecar.pid())
        .unwrap();
    assert_ne!(keeper.who, sidecar.worker().who);
    keeper.signal(Signal::KILL);
    sidecar.wait_for_kind("worker-ready");
    assert_eq!(sidecar.get("/").generation(), Some(2), "{}", sidecar.log());
    let old = |process: &Process| before.iter().any(|b| b.who == process.who);
    sidecar.wait("the old tree is gone", || {
        let left = sidecar.processes().iter().filter(|p| old(p)).count();
        (left == 1).then_some(())
    });
}

#[test]
fn sigterm_lets_what_is_in_flight_finish_and_leaves_nothing() {
    let command = with_grandchildren(&["--exit-on-term"]);
    let sidecar = Setup {
        command,
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    let slow = slow_post(&sidecar, 1_500);
    in_flight(&sidecar, 1);
    sidecar.signal(Signal::TERM);
    assert_eq!(slow.answer().status, 200, "{}", sidecar.log());
    assert_eq!(sidecar.ended().code(), Some(0), "{}", sidecar.log());
    assert_all_gone_within_a_second(&sidecar);
}

#[test]
fn sigterm_during_the_start_ends_at_once_and_cleanly() {
    let sidecar = Sidecar::launched("", &["--never-listen"]);
    sidecar.wait("the worker is there", || {
        (sidecar.processes().len() == 3).then_some(())
    });
    let began = time::now();
    sidecar.signal(Signal::TERM);
    assert_eq!(sidecar.ended().code(), Some(0), "{}", sidecar.log());
    let took = time::now().since(began);
    assert!(took < Duration::from_secs(5), "{took:?}\n{}", sidecar.log());
    assert_all_gone_within_a_second(&sidecar);
}

#[test]
fn a_second_sigterm_ends_the_drain() {
    let sidecar = Sidecar::start("", &[]);
    let slow = slow_post(&sidecar, 20_000);
    in_flight(&sidecar, 1);
    sidecar.signal(Signal::TERM);
    sidecar.wait_for_kind("shutting-down");
    let began = time::now();
    sidecar.signal(Signal::TERM);
    let answer = slow.answer();
    assert_eq!(
        answer.code(),
        Some("502104"),
        "{answer:?}\n{}",
        sidecar.log()
    );
    assert_eq!(sidecar.ended().code(), Some(0), "{}", sidecar.log());
    let took = time::now().since(began);
    assert!(
        took < Duration::from_secs(10),
        "{took:?}\n{}",
        sidecar.log()
    );
}

#[test]
fn a_storm_of_signals_is_one_stop() {
    let sidecar = Sidecar::start("", &["--exit-on-term"]);
    for _ in 0..50 {
        sidecar.signal(Signal::TERM);
        sidecar.signal(Signal::INT);
    }
    assert_eq!(sidecar.ended().code(), Some(0), "{}", sidecar.log());
    assert_all_gone_within_a_second(&sidecar);
    let stops = sidecar.log().matches("autoheal is stopping").count();
    assert_eq!(stops, 1, "{}", sidecar.log());
}

#[test]
fn a_shutdown_delay_keeps_serving_and_refuses_only_after_it() {
    let sidecar = Sidecar::start("shutdown.delay = \"1500ms\"", &[]);
    let slow = slow_post(&sidecar, 4_000);
    in_flight(&sidecar, 1);
    sidecar.signal(Signal::TERM);
    sidecar.wait_for_kind("shutting-down");
    assert_eq!(sidecar.get("/").status, 200, "{}", sidecar.log());
    let refused = sidecar.wait("refused after the delay", || {
        Some(sidecar.get("/")).filter(|answer| answer.status != 200)
    });
    assert_eq!(refused.code(), Some("503106"), "{refused:?}");
    assert_eq!(slow.answer().status, 200, "{}", sidecar.log());
    assert_eq!(sidecar.ended().code(), Some(0));
}

#[test]
fn autoheal_stopped_and_continued_voids_what_it_saw_and_no_rule_fires() {
    let rule = crate::rules::slow("\"1s\"", 1);
    let sidecar = Sidecar::start(&rule, &[]);
    let slow: Vec<_> = (0..3).map(|_| slow_post(&sidecar, 700)).collect();
    in_flight(&sidecar, 3);
    sidecar.signal(Signal::STOP);
    // Only time passes here: there is nothing that could tell that enough of it has.
    thread::park_timeout(Duration::from_millis(3_500));
    sidecar.signal(Signal::CONT);
    for slow in slow {
        assert_eq!(slow.answer().status, 200, "{}", sidecar.log());
    }
    sidecar.wait_for_kind("windows-voided");
    assert_eq!(sidecar.get("/").generation(), Some(1), "{}", sidecar.log());
    assert_eq!(
        sidecar.status()["rules"][0]["fired"],
        0,
        "{}",
        sidecar.log()
    );
    // The same rule does fire when it is the worker that is slow.
    let slow = sidecar.ask("/slow?ms=2500");
    sidecar.wait_for_kind("rule-fired");
    drop(slow);
}

#[test]
fn a_request_that_crashes_its_worker_is_sent_to_two_of_them_at_most() {
    let sidecar = Sidecar::start("", &[]);
    let answer = sidecar.get("/crash");
    assert_eq!(
        answer.code(),
        Some("502102"),
        "{answer:?}\n{}",
        sidecar.log()
    );
    sidecar.wait_for_event("the third worker", |event| {
        event["kind"] == "worker-ready" && event["generation"] == 3
    });
    assert_eq!(sidecar.get("/").generation(), Some(3));
    assert_eq!(
        sidecar.events("worker-exited").len(),
        2,
        "{}",
        sidecar.log()
    );
}

/// Begins a recycle whose new worker takes long to start, and waits until both are there.
fn amid_an_overlap() -> Sidecar {
    let script = "[ $AUTOHEAL_GENERATION = 1 ] || sleep 60; exec \"$0\" \"$@\"";
    let shell = ["/bin/sh", "-c", script].map(str::to_owned);
    let command = shell
        .into_iter()
        .chain(command_of_demo_worker(&[]))
        .collect();
    let sidecar = Setup {
        command,
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    sidecar.order(&["recycle"]);
    sidecar.wait("the second worker is being started", || {
        let sleeps = |process: &Process| process.command.starts_with("sleep");
        sidecar.processes().iter().any(sleeps).then_some(())
    });
    sidecar
}

#[test]
fn autoheal_killed_amid_an_overlap_leaves_nothing_of_both_workers() {
    let sidecar = amid_an_overlap();
    sidecar.kill();
    assert_all_gone_within_a_second(&sidecar);
}

#[test]
fn sigterm_amid_an_overlap_drains_the_old_worker_and_drops_the_new() {
    let sidecar = amid_an_overlap();
    let slow = slow_post(&sidecar, 1_000);
    in_flight(&sidecar, 1);
    sidecar.signal(Signal::TERM);
    assert_eq!(slow.answer().generation(), Some(1), "{}", sidecar.log());
    assert_eq!(sidecar.ended().code(), Some(0), "{}", sidecar.log());
    assert_all_gone_within_a_second(&sidecar);
}
