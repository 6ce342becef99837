//! Restarted by whoever watches over it and asks `/workerz`, as a kubelet does.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{App, assert_recycled, rule};
use crate::{
    probes::address,
    support::{Connection, assert_whole, plan, start},
};

/// Sends the app SIGTERM when its probe has failed three times in a row, as a livenessProbe with
/// failureThreshold 3 does.
struct Kubelet {
    ends: Arc<AtomicBool>,
    restarts: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelet {
    fn watches(app: &App, at: SocketAddr) -> Self {
        let (ends, restarts) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let (told, counted) = (ends.clone(), restarts.clone());
        let child = app.child.clone();
        let thread = thread::spawn(move || {
            let mut failures = 0;
            while !told.load(Ordering::Acquire) {
                let answer = Connection::open(at).get("/workerz").try_answer();
                failures = match answer.map(|answer| answer.status) {
                    Some(200) => 0,
                    _ => failures + 1,
                };
                if failures == 3 {
                    counted.fetch_add(1, Ordering::AcqRel);
                    let pid = child.lock().unwrap().id().cast_signed();
                    let _told = kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM);
                }
                thread::park_timeout(Duration::from_millis(100));
            }
        });
        Self {
            ends,
            restarts,
            thread: Some(thread),
        }
    }

    fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Acquire)
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

const PROBES: &str = "probes = \"127.0.0.1:0\"\n";

#[test]
fn no_get_fails_when_its_kubelet_restarts_it_because_workerz_fails() {
    let app = App::on_socket(&["--work", "5ms"]);
    let toml = PROBES.to_owned() + &rule("requests = { count = 200 }");
    let toml = toml.replacen("min_uptime", "cooldown = \"1h\"\nmin_uptime", 1);
    let sidecar = app.attached(&app.by_file("\"probe\""), &toml);
    let at = address(&sidecar);
    let kubelet = Kubelet::watches(&app, at);
    let before = app.pid();
    let load = start(plan(&sidecar.url("/"), 5));
    assert_recycled(&sidecar);
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_ne!(app.pid(), before);
    assert_eq!(kubelet.restarts(), 1, "{}", sidecar.log());
    let well = Connection::open(at).get("/workerz").answer();
    assert_eq!(well.status, 200, "{}", well.body);
}

#[test]
fn what_nobody_restarts_in_time_serves_again_before_those_who_wait_are_refused() {
    let app = App::on_socket(&[]);
    let toml = PROBES.to_owned() + "recycle.stop_timeout = \"1s\"\nparking.wait = \"24s\"";
    let sidecar = app.attached(&app.by_file("\"probe\""), &toml);
    let (at, before) = (address(&sidecar), app.pid());
    let load = start(plan(&sidecar.url("/"), 3));
    let fails = thread::spawn(move || {
        let mut told = Vec::new();
        while told.len() < 500 {
            let answer = Connection::open(at).get("/workerz").answer();
            if answer.status == 503 {
                return Some(answer.body);
            }
            told.push(answer.body);
            thread::park_timeout(Duration::from_millis(20));
        }
        None
    });
    let answer = sidecar.verb(&["recycle", "--wait", "--reason", "a test"]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    let cure = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(
        cure.contains("whoever runs the app has its output"),
        "{cure}"
    );
    let failed = fails.join().unwrap();
    let expected = "restart the worker: an operator: a test\n";
    assert_eq!(failed.as_deref(), Some(expected), "{}", sidecar.log());
    assert_whole(&load.wait().unwrap(), &sidecar);
    let said = sidecar.events("not-restarted");
    let text = said[0]["text"].as_str().unwrap();
    assert!(
        text.contains("was not restarted: nobody did it within "),
        "{text}"
    );
    assert!(text.ends_with(" of /workerz failing; it goes on"), "{text}");
    assert_eq!(app.pid(), before);
    let well = Connection::open(at).get("/workerz").answer();
    assert_eq!(well.status, 200, "{}", well.body);
}
