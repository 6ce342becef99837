//! Time that jumps, end to end: a wall clock by an hour, both ways, and autoheal that stood still.

use std::{fs, path::PathBuf, thread, time::Duration};

use autoheal::time::wall;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    rules::rule,
    support::{Connection, Setup, Sidecar, assert_whole, command_of_demo_worker, plan, start},
};

const HOUR: u64 = 3_600;

/// What makes a process see another wall clock, where it is installed.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    found.find(|path| path.exists())
}

/// An autoheal and a file that says by how many seconds its clock is ahead.
struct Clock {
    sidecar: Sidecar,
    ahead: PathBuf,
}

impl Clock {
    /// Sets the clock to this time of day of tomorrow, and waits until autoheal shows it.
    fn set(&self, hour: u64, minute: u64, second: u64) {
        write_ahead(&self.ahead, hour * HOUR + minute * 60 + second);
        let begin = format!("T{hour:02}:{minute:02}:");
        self.sidecar.wait("the clock is set", || {
            self.sidecar.order(&["hold", "--for", "1ms"]);
            let shows = self.shown(self.sidecar.events("hold").last()?);
            shows.contains(&begin).then_some(())
        });
    }

    fn shown(&self, event: &Value) -> String {
        event["at"].as_str().unwrap().to_owned()
    }

    fn fired(&self) -> usize {
        self.sidecar.events("rule-fired").len()
    }
}

/// Tomorrow at this second of the day.
fn write_ahead(file: &PathBuf, second: u64) {
    let now = wall().0 / 1_000;
    let shown = (now / (24 * HOUR) + 1) * 24 * HOUR + second;
    let next = file.with_extension("next");
    fs::write(&next, format!("+{}s\n", shown - now)).unwrap();
    fs::rename(&next, file).unwrap();
}

#[test]
fn a_clock_that_jumps_an_hour_and_back_brings_an_hourly_time_once_and_fires_nothing_else() {
    let Some(library) = library() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ahead = folder.path().join("ahead");
    write_ahead(&ahead, 9 * HOUR + 30 * 60);
    let more = |when: &str, name: &str| {
        let rule = rule(when).replace("proactive = false\n", "");
        rule.replace("\"r\"", &format!("\"{name}\""))
    };
    let toml = rule("schedule = { cron = \"0 * * * *\", zone = \"UTC\", spread = \"0s\" }")
        + &more("age = { over = \"30min\" }", "age")
        + &more(
            "slow = { time_taken = \"20s\", count = 1, window = \"1min\" }",
            "slow",
        )
        + &more("cpu = { share = \"100%\", for = \"10min\" }", "cpu")
        + &more("requests = { count = 1000000, window = \"1min\" }", "many")
        + "[health]\npath = \"/healthz\"\ninterval = \"1s\"\n";
    let env = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", ahead.clone()),
        ("FAKETIME_NO_CACHE", "1".into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ("DONT_FAKE_MONOTONIC", "1".into()),
    ];
    let sidecar = Setup {
        toml,
        command: command_of_demo_worker(&[]),
        env: env.to_vec(),
        ..Setup::default()
    }
    .launch();
    let ready = sidecar.wait_for_kind("worker-ready");
    let clock = Clock { sidecar, ahead };
    assert!(clock.shown(&ready).contains("T09:3"), "{ready}");
    let load = start(plan(&clock.sidecar.url("/"), 8));
    clock.set(10, 30, 0);
    let fired = clock.sidecar.wait_for_kind("rule-fired");
    assert_eq!(fired["rule"], "r", "{fired}");
    clock.set(9, 30, 0);
    // The hour that has come comes again, and does not.
    clock.set(9, 59, 58);
    clock.sidecar.wait("it is ten again", || {
        clock.sidecar.order(&["hold", "--for", "1ms"]);
        let shows = clock.shown(clock.sidecar.events("hold").last()?);
        shows.contains("T10:00:01").then_some(())
    });
    assert_whole(&load.wait().unwrap(), &clock.sidecar);
    assert_eq!(clock.fired(), 1, "{}", clock.sidecar.log());
    assert_eq!(clock.sidecar.events("unhealthy").len(), 0);
    // The next hour comes.
    clock.set(10, 59, 58);
    clock.sidecar.wait("the next hour has come", || {
        (clock.fired() == 2).then_some(())
    });
    thread::park_timeout(Duration::from_millis(500));
    assert_eq!(clock.fired(), 2, "{}", clock.sidecar.log());
}

#[test]
fn autoheal_that_stood_still_under_load_fires_nothing_and_loses_nothing() {
    // Half a minute in a nightly run.
    let still = match std::env::var_os("AUTOHEAL_STRICT") {
        Some(_) => Duration::from_secs(30),
        None => Duration::from_millis(4_500),
    };
    let more = |when: &str, name: &str| {
        let rule = rule(when).replace("proactive = false\n", "");
        rule.replace("\"r\"", &format!("\"{name}\""))
    };
    let toml = rule("slow = { time_taken = \"2s\", count = 1, window = \"1min\" }")
        + &more(
            "abandoned = { after = \"1s\", count = 1, window = \"1min\" }",
            "abandoned",
        )
        + &more(
            "status = { codes = \"500-599,connect,reset,timeout\", count = 1, window = \"1min\" }",
            "status",
        )
        + &more("cpu = { share = \"100%\", for = \"3s\" }", "cpu")
        + "[health]\npath = \"/healthz\"\ninterval = \"1s\"\ntimeout = \"500ms\"\nfailures = 1\n";
    let sidecar = Sidecar::start(&toml, &[]);
    let load = start(plan(&sidecar.url("/"), 6 + still.as_secs()));
    sidecar.wait("answers", || (load.progress().answered > 100).then_some(()));
    let leaves: Vec<_> = (0..3).map(|_| sidecar.ask("/slow?ms=1500")).collect();
    sidecar.wait("they are in flight", || {
        (sidecar.client()?.get("/api/v1/requests").ok()?["requests"]
            .as_array()?
            .len()
            >= 3)
            .then_some(())
    });
    sidecar.signal(Signal::STOP);
    // Only time passes here: there is nothing that could tell that enough of it has.
    thread::park_timeout(still - Duration::from_secs(1));
    drop(leaves);
    thread::park_timeout(Duration::from_secs(1));
    sidecar.signal(Signal::CONT);
    sidecar.wait_for_kind("windows-voided");
    assert_whole(&load.wait().unwrap(), &sidecar);
    for kind in ["rule-fired", "unhealthy", "recycle-begun"] {
        assert_eq!(sidecar.events(kind).len(), 0, "{kind}\n{}", sidecar.log());
    }
    assert_eq!(sidecar.get("/").generation(), Some(1));
}

#[test]
fn an_answer_that_came_while_autoheal_stood_still_is_given() {
    let toml = "[timeouts]\nresponse = \"2s\"\n[health]\npath = \"/healthz\"\n";
    let sidecar = Sidecar::start(toml, &[]);
    for round in 0..3 {
        let asked: Vec<_> = (0..8).map(|_| sidecar.ask("/slow?ms=1000")).collect();
        sidecar.wait("they are in flight", || {
            let list = sidecar.client()?.get("/api/v1/requests").ok()?;
            (list["requests"].as_array()?.len() >= 8).then_some(())
        });
        sidecar.signal(Signal::STOP);
        // The worker answers, and the limit is over.
        thread::park_timeout(Duration::from_secs(4));
        sidecar.signal(Signal::CONT);
        for answer in asked.into_iter().map(Connection::answer) {
            assert_eq!(answer.status, 200, "round {round}: {}", sidecar.log());
        }
    }
    // One that has no answer is over its time all the same.
    assert_eq!(sidecar.get("/hang").status, 504);
}
