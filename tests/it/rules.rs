//! Rules: what feeds them, when they fire, what they do, and what holds them.

use std::{fs, thread, time::Duration};

use autoheal::os::procfs::Proc;
use rustix::process::Signal;

use crate::support::{
    Answer, Connection, Setup, Sidecar, assert_whole, command_of_demo_worker, plan, start,
};

/// A recycling rule that needs no uptime and rests for no time.
pub(crate) fn rule(when: &str) -> String {
    format!(
        "proactive = false\n[[rule]]\nname = \"r\"\nwhen.{when}\ndo = [\"recycle\"]\nmin_uptime = \
         \"0s\"\ncooldown = \"0s\"\n"
    )
}

pub(crate) fn slow(time_taken: &str, count: u32) -> String {
    rule(&format!(
        "slow = {{ time_taken = {time_taken}, count = {count}, window = \"20s\" }}"
    ))
}

pub(crate) fn status(condition: &str) -> String {
    rule(&format!("status = {{ {condition}, window = \"60s\" }}"))
}

/// The numbers of the first rule, as soon as they begin like this.
fn counted(sidecar: &Sidecar, begin: &str) {
    let now = || {
        sidecar.status()["rules"][0]["now"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    sidecar.wait(&format!("the rule says {begin:?}, not {:?}", now()), || {
        now().starts_with(begin).then_some(())
    });
}

pub(crate) fn fired(sidecar: &Sidecar) -> u64 {
    sidecar.status()["rules"][0]["fired"].as_u64().unwrap()
}

pub(crate) fn get(sidecar: &Sidecar, path: &str, times: u32) -> Vec<Answer> {
    (0..times).map(|_| sidecar.get(path)).collect()
}

fn post(sidecar: &Sidecar, path: &str) -> Answer {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: it\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    Connection::open(sidecar.address).send(head).answer()
}

#[test]
fn a_worker_that_hangs_under_load_is_recycled_and_what_hung_is_replayed() {
    let sidecar = Sidecar::start(&slow("\"1s\"", 3), &["--hang-at", "500"]);
    let report = start(plan(&sidecar.url("/"), 4)).wait().unwrap();
    assert_whole(&report, &sidecar);
    let begun = sidecar.wait_for_kind("recycle-begun");
    assert_eq!(begun["generation"], 1);
    let replayed = sidecar.status()["ledger"]["replayed"].as_u64().unwrap();
    assert!(replayed >= 3, "{replayed} replayed\n{}", sidecar.log());
    assert!(report.latency.max_ms < 5_000.0, "{report}");
}

#[test]
fn a_recycle_begins_as_soon_as_the_third_request_is_slow() {
    let sidecar = Sidecar::start(&slow("\"1s\"", 3), &["--hang-path", "/hang"]);
    let hanging = [sidecar.ask("/hang"), sidecar.ask("/hang")];
    let asked = sidecar.status()["uptime_ms"].as_u64().unwrap();
    let third = sidecar.ask("/hang");
    let begun = sidecar.wait_for_kind("recycle-begun");
    let late = begun["mono_ms"].as_u64().unwrap() - asked;
    assert!(
        (1_000..3_000).contains(&late),
        "after {late} ms\n{}",
        sidecar.log()
    );
    drop((hanging, third));
}

#[test]
fn a_leaking_worker_is_recycled_each_time_before_it_is_far_over_its_limit() {
    const LIMIT: u64 = 64 << 20;
    // Every worker is there again within seconds: no verdict is to end what this proves.
    let toml = rule("memory = { private_bytes = \"64MiB\" }")
        + "[budget]\nrecycles = 100\n[verdict]\ndisarm = \"0s\"\n";
    let sidecar = Sidecar::start(&toml, &["--leak", "256KiB", "--exit-on-term"]);
    let load = start(plan(&sidecar.url("/"), 6));
    let mut peak = 0;
    while !load.is_finished() {
        peak = peak.max(largest_worker(&sidecar));
    }
    let report = load.wait().unwrap();
    assert_whole(&report, &sidecar);
    assert!(peak > LIMIT * 9 / 10, "{peak} was never near the limit");
    // 50 MiB a second, and a sample each 100 ms or, on a busy machine, later.
    assert!(peak <= LIMIT * 16 / 10, "{peak} bytes\n{}", sidecar.log());
    let recycles = sidecar.events("recycle-begun").len();
    assert!(recycles >= 3, "{recycles}\n{}", sidecar.log());
}

/// The private bytes of the largest worker.
fn largest_worker(sidecar: &Sidecar) -> u64 {
    thread::park_timeout(Duration::from_millis(20));
    let status = sidecar.status();
    let workers = status["workers"].as_array().unwrap().iter();
    let pids = workers.filter_map(|worker| worker["pid"].as_u64());
    let bytes = |pid| Proc::default().private_bytes(u32::try_from(pid).ok()?).ok();
    pids.filter_map(bytes)
        .map(|bytes| bytes.0)
        .max()
        .unwrap_or(0)
}

#[test]
fn a_status_rule_fires_at_its_count_and_counts_only_its_path() {
    let sidecar = Sidecar::start(
        &status("codes = \"500-599\", count = 5, path = \"/BAD\""),
        &[],
    );
    get(&sidecar, "/status?code=500", 6);
    get(&sidecar, "/bad?x=1", 4);
    counted(&sidecar, "4 of 4 answers");
    assert_eq!(fired(&sidecar), 0);
    get(&sidecar, "/bad", 1);
    let event = sidecar.wait_for_kind("rule-fired");
    assert_eq!(
        (&event["matching"], &event["recycles"]),
        (&5.into(), &true.into())
    );
}

#[test]
fn a_share_is_of_all_that_the_rule_sees() {
    let sidecar = Sidecar::start(&status("codes = \"500\", count = 5, share = \"50%\""), &[]);
    get(&sidecar, "/", 6);
    get(&sidecar, "/bad", 5);
    counted(&sidecar, "5 of 11 answers");
    assert_eq!(fired(&sidecar), 0, "{}", sidecar.log());
    get(&sidecar, "/bad", 1);
    let event = sidecar.wait_for_kind("rule-fired");
    assert_eq!(
        (&event["matching"], &event["total"]),
        (&6.into(), &12.into())
    );
}

#[test]
fn requests_to_a_path_fire_at_their_share_of_all_requests_and_not_below_it() {
    let when = "requests = { count = 5, share = \"50%\", window = \"10min\", path = \"/bad\" }";
    let sidecar = Sidecar::start(&rule(when), &[]);
    get(&sidecar, "/", 6);
    get(&sidecar, "/bad", 5);
    counted(&sidecar, "5 requests on /bad in 10min, 45% of all 11");
    assert_eq!(fired(&sidecar), 0, "{}", sidecar.log());
    get(&sidecar, "/bad", 1);
    let event = sidecar.wait_for_kind("rule-fired");
    assert_eq!(
        (&event["matching"], &event["total"], &event["recycles"]),
        (&6.into(), &12.into(), &true.into())
    );
}

#[test]
fn a_worker_that_resets_or_does_not_answer_is_counted_as_502_and_504() {
    let toml = status("codes = \"502,504\", count = 4") + "[timeouts]\nresponse = \"300ms\"\n";
    let sidecar = Sidecar::start(&toml, &[]);
    assert_eq!(post(&sidecar, "/reset").code(), Some("502102"));
    assert_eq!(post(&sidecar, "/hang").code(), Some("504101"));
    counted(&sidecar, "2 of 2 answers");
    assert_eq!(post(&sidecar, "/garbage").code(), Some("502103"));
    counted(&sidecar, "3 of 3 answers");
    post(&sidecar, "/reset");
    sidecar.wait_for_kind("rule-fired");
}

#[test]
fn what_autoheal_answers_by_itself_never_feeds_a_rule() {
    let toml =
        status("codes = \"400-599\", count = 1") + "[parking]\nwait = \"1s\"\nrequests = 1\n";
    let sidecar = Sidecar::start(&toml, &[]);
    sidecar.order(&["hold", "--for", "20s"]);
    let waits = sidecar.ask("/");
    sidecar.wait("one is parked", || {
        (sidecar.status()["parking"]["requests"] == 1).then_some(())
    });
    assert_eq!(sidecar.get("/").code(), Some("503102"));
    assert_eq!(waits.answer().code(), Some("503101"));
    let bad = Connection::open(sidecar.address).send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_eq!(bad.answer().status, 400);
    sidecar.order(&["release"]);
    assert_eq!(sidecar.get("/").status, 200);
    counted(&sidecar, "0 of 1 answers");
    assert_eq!(fired(&sidecar), 0, "{}", sidecar.log());
}

#[test]
fn streams_slow_uploads_and_slow_readers_are_not_slow() {
    let sidecar = Sidecar::start(&slow("\"1s\"", 1), &[]);
    let events = sidecar.ask("/events?ms=50&count=50");
    let unread = sidecar.ask("/download?bytes=70000000&seconds=60");
    let trickle = sidecar.ask("/download?bytes=1000&ms=2500");
    for connection in [slow_upload(&sidecar), events, trickle] {
        assert_eq!(connection.answer().status, 200, "{}", sidecar.log());
    }
    drop(unread);
    sidecar.wait("all have ended", || {
        let ledger = &sidecar.status()["ledger"];
        (ledger["completed"] == 3 && ledger["client_aborted"] == 1).then_some(())
    });
    assert_eq!(fired(&sidecar), 0, "{}", sidecar.log());
    let late = sidecar.ask("/slow?ms=2000");
    sidecar.wait_for_kind("rule-fired");
    drop(late);
}

/// A body that takes more than two seconds to come.
fn slow_upload(sidecar: &Sidecar) -> Connection {
    let head =
        "POST /echo HTTP/1.1\r\nHost: it\r\nContent-Length: 125\r\nConnection: close\r\n\r\n";
    let mut upload = Connection::open(sidecar.address).send(head);
    for _ in 0..25 {
        thread::park_timeout(Duration::from_millis(100));
        upload = upload.send("piece");
    }
    upload
}

#[test]
fn a_custom_action_is_told_whom_and_why_and_runs_before_the_recycle_ends() {
    let script = "echo \\\"$0 $AUTOHEAL_PID $AUTOHEAL_RULE $AUTOHEAL_GENERATION $AUTOHEAL_INCIDENT \
                  $AUTOHEAL_REASON\\\" > told";
    let actions =
        format!("do = [{{ run = [\"/bin/sh\", \"-c\", \"{script}\", \"%1%\"] }}, \"recycle\"]");
    let toml = status("codes = \"500\", count = 2").replace("do = [\"recycle\"]", &actions);
    let sidecar = Sidecar::start(&toml, &[]);
    let pid = sidecar.worker().who.pid;
    get(&sidecar, "/bad", 2);
    let fired = sidecar.wait_for_kind("rule-fired");
    let ended = sidecar.wait_for_kind("command-ended");
    assert_eq!(ended["incident"], fired["incident"], "{ended}");
    let told = fs::read_to_string(sidecar.path("told")).unwrap();
    let incident = &fired["incident"];
    let begin = format!("{pid} {pid} r 1 {incident} rule \"r\": 2 of 2 answers (100%) were 500");
    assert!(told.starts_with(&begin), "{told:?}, not {begin:?}");
    sidecar.wait("the worker is replaced", || {
        (sidecar.get("/").generation() == Some(2)).then_some(())
    });
}

#[test]
fn a_worker_that_fails_its_health_probe_is_recycled() {
    let toml = "[health]\npath = \"/healthz\"\ninterval = \"1s\"\nfailures = 2\n";
    let sidecar = Sidecar::start(toml, &["--status-path", "/healthz=500"]);
    let event = sidecar.wait_for_kind("unhealthy");
    assert_eq!(
        (&event["generation"], &event["failures"]),
        (&1.into(), &2.into())
    );
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(
        (&ended["outcome"], &ended["incident"]),
        (&"replaced".into(), &event["incident"])
    );
}

#[test]
fn a_worker_that_refuses_connections_is_counted_and_replaced_before_anyone_notices() {
    // What serves is a child of the worker's main process: that one lives on when it ends.
    let script = "\"$0\" \"$@\"; sleep 1000";
    let mut command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    command.extend(command_of_demo_worker(&["--crash-at", "4"]));
    let toml = status("codes = \"connect\", count = 2");
    let sidecar = Setup {
        toml,
        command,
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    // The readiness probe was the first request.
    get(&sidecar, "/", 2);
    assert_eq!(
        post(&sidecar, "/").code(),
        Some("502102"),
        "{}",
        sidecar.log()
    );
    counted(&sidecar, "0 of 3 answers");
    // Not one byte of it is sent to a port that refuses, so even a POST waits for the next worker.
    let healed = post(&sidecar, "/");
    assert_eq!(
        (healed.status, healed.generation()),
        (200, Some(2)),
        "{}",
        sidecar.log()
    );
    let fired = sidecar.wait_for_kind("rule-fired");
    assert_eq!(fired["matching"], 2, "{fired}");
}

#[test]
fn a_worker_that_was_stopped_by_a_signal_is_replaced_and_no_get_fails() {
    let sidecar = Sidecar::start(&slow("\"1s\"", 3), &[]);
    let load = start(plan(&sidecar.url("/"), 4));
    sidecar.wait("answers", || (load.progress().answered > 100).then_some(()));
    let stopped = sidecar.worker();
    stopped.signal(Signal::STOP);
    sidecar.wait_for_kind("recycle-ended");
    assert_whole(&load.wait().unwrap(), &sidecar);
    sidecar.wait("it is gone", || {
        let left = sidecar.processes();
        left.iter()
            .all(|process| process.who != stopped.who)
            .then_some(())
    });
}
