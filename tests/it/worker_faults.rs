//! Workers that do not come up, do not go down, or do it oddly: what is said, and what clients get.

use std::{net::TcpListener, time::Duration};

use serde_json::Value;

use crate::support::{
    Process, Setup, Sidecar, assert_whole, command_of_demo_worker, free_port, plan, start,
};

/// A shell script that ends in a demo worker.
fn shell(script: &str, knobs: &[&str]) -> Vec<String> {
    let script = format!("{script}; exec \"$0\" \"$@\"");
    let mut command = vec!["/bin/sh".to_owned(), "-c".to_owned(), script];
    command.extend(command_of_demo_worker(knobs));
    command
}

fn launch(toml: &str, command: Vec<String>) -> Sidecar {
    let toml = toml.to_owned();
    Setup {
        toml,
        command,
        ..Setup::default()
    }
    .launch()
}

fn text(event: &Value) -> &str {
    event["text"].as_str().unwrap()
}

/// From one start to the next, in milliseconds, for so many starts.
fn pauses(sidecar: &Sidecar, starts: usize) -> Vec<u64> {
    let times: Vec<_> = (0..starts)
        .map(|_| {
            sidecar.wait_for_kind("worker-starting")["mono_ms"]
                .as_u64()
                .unwrap()
        })
        .collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_worker_that_never_listens_is_killed_and_tried_again_ever_later() {
    let toml = "recycle.start_timeout = \"1s\"\nparking.wait = \"1500ms\"\n";
    let sidecar = Sidecar::launched(toml, &["--never-listen"]);
    let parked = sidecar.ask("/");
    let failed = sidecar.wait_for_kind("start-failed");
    assert!(
        text(&failed).contains("no complete answer within 1s; next start in"),
        "{failed}"
    );
    // The next start is due after its deadline: it is not kept waiting for that.
    assert_eq!(parked.answer().code(), Some("503103"), "{}", sidecar.log());
    sidecar.wait_for_kind("start-failed");
    let answer = sidecar.get("/");
    assert_eq!(
        answer.code(),
        Some("503103"),
        "{answer:?}\n{}",
        sidecar.log()
    );
    let after: u64 = answer.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=4).contains(&after), "{answer:?}");
    let only_one = || (sidecar.processes().len() <= 3).then_some(());
    sidecar.wait("what was killed is gone", only_one);
}

#[test]
fn a_worker_that_listens_elsewhere_is_told_from_one_that_does_not_listen() {
    let elsewhere = free_port();
    let toml = "recycle.start_timeout = \"5s\"";
    let sidecar = Sidecar::launched(toml, &["--listen-elsewhere", &elsewhere.to_string()]);
    let event = sidecar.wait_for_kind("listens-elsewhere");
    assert_eq!(event["found"], elsewhere);
    let expected = event["expected"].as_u64().unwrap();
    let said = format!("listens on {elsewhere}, not on {expected}: set port = {elsewhere}");
    assert!(text(&event).contains(&said), "{event}");
}

#[test]
fn a_worker_that_exits_at_start_is_tried_again_ever_later_and_its_code_is_said() {
    let sidecar = Sidecar::launched("", &["--exit-at-start", "7"]);
    let pauses = pauses(&sidecar, 4);
    for (pause, expected) in pauses.iter().zip([1_000, 2_000, 4_000]) {
        let low = expected * 9 / 10;
        assert!(
            (low..low * 2).contains(pause),
            "{pauses:?}\n{}",
            sidecar.log()
        );
    }
    let failed = &sidecar.events("start-failed")[0];
    assert!(
        text(failed).contains("exited with code 7 before it was ready"),
        "{failed}"
    );
    sidecar.wait("no zombie is left", || {
        sidecar.zombies().is_empty().then_some(())
    });
}

#[test]
fn a_command_that_does_not_exist_is_named() {
    let sidecar = launch("", vec!["/no/such/program".to_owned()]);
    let failed = sidecar.wait_for_kind("start-failed");
    assert!(text(&failed).contains("/no/such/program"), "{failed}");
    assert!(text(&failed).contains("next start in"), "{failed}");
}

#[test]
fn a_worker_that_ignores_sigterm_is_killed_at_stop_timeout() {
    let sidecar = Sidecar::start("recycle.stop_timeout = \"1s\"", &["--ignore-term"]);
    let load = start(plan(&sidecar.url("/"), 3));
    let old = sidecar.worker();
    sidecar.recycle();
    let stopped = sidecar.wait_for_kind("worker-stopped");
    let took = stopped["stop_ms"].as_u64().unwrap();
    assert!((1_000..6_000).contains(&took), "{stopped}");
    assert!(text(&stopped).contains("SIGKILL"), "{stopped}");
    assert!(
        sidecar
            .processes()
            .iter()
            .all(|process| process.who != old.who)
    );
    assert_whole(&load.wait().unwrap(), &sidecar);
}

#[test]
fn the_owner_of_a_taken_port_is_named_and_the_worker_starts_once_it_is_free() {
    let owner = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = owner.local_addr().unwrap().port();
    let sidecar = Sidecar::launched(&format!("worker.port = {port}"), &[]);
    let failed = sidecar.wait_for_kind("start-failed");
    assert_eq!(failed["address_in_use"], true, "{failed}");
    let said = format!("port {port} is taken by ");
    assert!(text(&failed).contains(&said), "{failed}");
    assert!(
        text(&failed).contains(&std::process::id().to_string()),
        "{failed}"
    );
    drop(owner);
    sidecar.wait_for_kind("worker-ready");
    assert_eq!(sidecar.get("/").status, 200);
}

#[test]
fn a_worker_that_prints_a_gigabyte_serves_meanwhile_and_its_last_lines_are_kept() {
    let script = "(yes $(printf '%01000d' 1) | head -c 1000000000; echo; echo the end) & true";
    let sidecar = launch("", shell(script, &[]));
    sidecar.wait_for_kind("worker-ready");
    let report = start(plan(&sidecar.url("/"), 3)).wait().unwrap();
    assert_whole(&report, &sidecar);
    let client = sidecar.client().unwrap();
    sidecar.wait("the last line", || {
        let logs = client.get("/api/v1/logs?limit=5").ok()?;
        let lines = logs["lines"].as_array()?;
        lines
            .iter()
            .any(|line| line["text"] == "the end")
            .then_some(())
    });
    let logs = sidecar.verb(&["logs", "-n", "3"]);
    let printed = String::from_utf8(logs.stdout).unwrap();
    assert!(printed.ends_with("the end\n"), "{printed}");
}

#[test]
fn orphans_of_a_worker_are_collected_within_a_second() {
    let script = "for i in $(seq 100); do (sleep 0.01 &) ; done";
    let sidecar = launch("", shell(script, &[]));
    sidecar.wait_for_kind("worker-ready");
    let none = || sidecar.zombies().is_empty().then_some(());
    sidecar.wait_within("no zombie", Duration::from_secs(1), none);
    assert_eq!(sidecar.get("/").generation(), Some(1));
}

#[test]
fn a_worker_that_forks_into_the_background_is_told_to_stay_and_none_of_it_is_left() {
    let sidecar = Sidecar::launched("", &["--double-fork"]);
    let failed = sidecar.wait_for_kind("start-failed");
    assert!(
        text(&failed).contains("run it in the foreground"),
        "{failed}"
    );
    sidecar.signal(rustix::process::Signal::TERM);
    assert_eq!(sidecar.ended().code(), Some(0));
    assert!(sidecar.processes().is_empty(), "{:?}", sidecar.processes());
}

#[test]
fn a_replacement_that_fails_to_start_keeps_the_old_worker_and_recycle_says_no() {
    let script = "[ $AUTOHEAL_GENERATION = 1 ] || exit 9";
    let sidecar = launch("", shell(script, &[]));
    sidecar.wait_for_kind("worker-ready");
    let load = start(plan(&sidecar.url("/"), 2));
    let output = sidecar.verb(&["recycle", "--wait"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_eq!(sidecar.get("/").generation(), Some(1));
    let failed = sidecar.wait_for_kind("start-failed");
    assert!(text(&failed).contains("exited with code 9"), "{failed}");
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_ne!(ended["outcome"], "replaced", "{ended}");
}

#[test]
fn a_worker_that_accepts_but_never_answers_is_not_ready() {
    let toml = "recycle.start_timeout = \"1s\"";
    let sidecar = Sidecar::launched(toml, &["--hang-path", "/"]);
    let failed = sidecar.wait_for_kind("start-failed");
    assert!(
        text(&failed).contains("no complete answer within 1s"),
        "{failed}"
    );
}

#[test]
fn a_worker_that_forks_without_end_is_replaced_and_none_of_it_is_left() {
    // It does end, for the sake of the machine: after 254 processes, half of them in sessions of
    // their own.
    let script = "b() { [ \"$1\" -gt 0 ] && { b $(($1 - 1)) & b $(($1 - 1)) & }; setsid sleep \
                  1000; }; if [ ! -e bombed ]; then touch bombed; (b 6) & fi";
    let sidecar = launch("[recycle]\nslow_start = \"0s\"\n", shell(script, &[]));
    sidecar.wait_for_kind("worker-ready");
    let own = sidecar.pid();
    let old = sidecar.wait("they are there", || {
        let all = sidecar.processes();
        (all.len() >= 250).then_some(all)
    });
    sidecar.recycle();
    sidecar.wait("none of them is left", || {
        let left = sidecar.processes();
        let is_old = |one: &Process| one.who.pid != own && old.iter().any(|o| o.who == one.who);
        (!left.iter().any(is_old)).then_some(())
    });
    assert_eq!(sidecar.get("/").generation(), Some(2), "{}", sidecar.log());
    assert!(sidecar.zombies().is_empty());
}
