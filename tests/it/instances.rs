//! Several workers: if one goes down, the others go on.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    rules::slow,
    support::{Setup, Sidecar, assert_whole, command_of_demo_worker, plan, start},
};

/// Generations and main processes of the workers that are ready, once there are so many.
fn ready(sidecar: &Sidecar, count: usize) -> Vec<(u64, i32)> {
    sidecar.wait(&format!("{count} workers are ready"), || {
        let status = sidecar.client()?.get("/api/v1/status").ok()?;
        let workers = status["workers"].as_array()?;
        let ready = workers.iter().filter(|worker| worker["state"] == "ready");
        let who = ready.map(|one| {
            let pid = i32::try_from(one["pid"].as_i64()?).ok()?;
            Some((one["generation"].as_u64()?, pid))
        });
        let who: Option<Vec<_>> = who.collect();
        who.filter(|who| who.len() == count && workers.len() == count)
    })
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn assert_nobody_parked(sidecar: &Sidecar) {
    let parked = sidecar.status()["ledger"]["parked"].as_u64();
    assert_eq!(parked, Some(0), "{}", sidecar.log());
}

#[test]
fn one_of_three_is_killed_under_load_and_no_client_notices() {
    let sidecar = Sidecar::start("worker.count = 3", &[]);
    let three = ready(&sidecar, 3);
    let load = start(plan(&sidecar.url("/"), 4));
    sidecar.wait("answers", || {
        (load.progress().answered >= 300 || load.is_finished()).then_some(())
    });
    signal(three[1].1, Signal::KILL);
    let exited = sidecar.wait_for_kind("worker-exited");
    assert_eq!(exited["generation"], three[1].0);
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_nobody_parked(&sidecar);
    assert_eq!(ready(&sidecar, 3)[2].0, 4, "it was restarted");
}

#[test]
fn one_of_three_hangs_and_the_others_serve_what_it_had() {
    let toml = format!("worker.count = 3\n{}", slow("\"1s\"", 1));
    let sidecar = Sidecar::start(&toml, &[]);
    let three = ready(&sidecar, 3);
    let load = start(plan(&sidecar.url("/"), 5));
    sidecar.wait("answers", || {
        (load.progress().answered >= 300 || load.is_finished()).then_some(())
    });
    signal(three[0].1, Signal::STOP);
    let begun = sidecar.wait_for_kind("recycle-begun");
    assert_eq!(begun["generation"], three[0].0, "{begun}");
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_nobody_parked(&sidecar);
    let left = ready(&sidecar, 3);
    assert!(left.iter().all(|one| one.0 != three[0].0), "{left:?}");
}

#[test]
fn three_are_recycled_one_after_another_and_no_client_notices() {
    let sidecar = Sidecar::start("worker.count = 3", &["--exit-on-term"]);
    ready(&sidecar, 3);
    let load = start(plan(&sidecar.url("/"), 6));
    sidecar.recycle();
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_nobody_parked(&sidecar);
    let new: Vec<u64> = ready(&sidecar, 3).into_iter().map(|one| one.0).collect();
    assert_eq!(new, [4, 5, 6]);
}

#[test]
fn a_worker_comes_with_the_load_and_goes_with_it() {
    let toml = "worker.count = { max = 2, in_flight = 2, grow_after = \"100ms\", shrink_after = \
                \"300ms\" }";
    let sidecar = Sidecar::start(toml, &[]);
    ready(&sidecar, 1);
    let waiting: Vec<_> = (0..8).map(|_| sidecar.ask("/slow?ms=6000")).collect();
    let more = sidecar.wait_for_kind("scaled");
    assert_eq!(more["workers"], 2, "{more}");
    ready(&sidecar, 2);
    for one in waiting {
        assert_eq!(one.answer().status, 200);
    }
    sidecar.wait_for_event("one less", |event| {
        event["kind"] == "scaled" && event["workers"] == 1
    });
    assert_eq!(ready(&sidecar, 1)[0].0, 1, "the youngest goes");
}

#[test]
fn wherever_one_of_two_is_told_of_its_number_is_there() {
    let script = "echo \"I am $AUTOHEAL_INSTANCE\"; exec \"$0\" \"$@\"";
    let shell = ["/bin/sh", "-c", script].map(str::to_owned).into_iter();
    let toml = "worker.count = 2\naccess_log.path = \"access.log\"\n[[rule]]\nname = \"once\"\n\
                when.status = { codes = \"500\", count = 1, window = \"60s\" }\ndo = [{ run = \
                [\"/bin/sh\", \"-c\", \"echo to $AUTOHEAL_INSTANCE > told\"] }]\nmin_uptime = \
                \"0s\"\n";
    let setup = Setup {
        toml: toml.to_owned(),
        command: shell.chain(command_of_demo_worker(&[])).collect(),
        ..Setup::default()
    };
    let sidecar = setup.launch();
    ready(&sidecar, 2);
    let status = sidecar.status();
    let of = |generation: &Value| {
        let workers = status["workers"].as_array().unwrap().iter();
        let mut same = workers.filter(|worker| worker["generation"] == *generation);
        same.next().unwrap()["instance"].clone()
    };
    assert_eq!((of(&json!(1)), of(&json!(2))), (json!(1), json!(2)));
    assert_eq!(status["instances"][1]["instance"], 2, "{status}");

    for event in sidecar.events("worker-ready") {
        assert_eq!(event["instance"], of(&event["generation"]), "{event}");
    }
    let slow = sidecar.ask("/slow?ms=3000");
    let request = sidecar.wait("it is in flight", || {
        let answer = sidecar.client()?.get("/api/v1/requests").ok()?;
        let request = &answer["requests"][0];
        request.is_object().then(|| request.clone())
    });
    assert_eq!(request["instance"], of(&request["generation"]), "{request}");
    assert_eq!(slow.answer().status, 200);
    let line: Value = sidecar.wait("it has its line", || {
        let text = fs::read_to_string(sidecar.path("access.log")).ok()?;
        serde_json::from_str(text.lines().next()?).ok()
    });
    assert_eq!(line["instance"], of(&line["worker"]), "{line}");

    let logs = sidecar.order(&["logs", "--instance", "1"]);
    assert!(logs.contains(" 1 instance=1 I am 1"), "{logs}");
    let unknown = sidecar.verb(&["logs", "--instance", "3"]);
    let why = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(unknown.status.code(), Some(1), "{why}");
    assert!(
        why.contains("no instance 3; the instances are: 1, 2"),
        "{why}"
    );

    sidecar.get("/bad");
    let fired = sidecar.wait_for_kind("rule-fired");
    assert_eq!(fired["instance"], of(&fired["generation"]), "{fired}");
    let told = sidecar.wait("the custom action is told", || {
        let told = fs::read_to_string(sidecar.path("told")).ok()?;
        told.ends_with('\n').then_some(told)
    });
    assert_eq!(told.trim(), format!("to {}", fired["instance"]));
    let page = sidecar.order(&["status"]);
    assert!(
        page.contains("worker    instance 2, generation 2 ready"),
        "{page}"
    );
}
