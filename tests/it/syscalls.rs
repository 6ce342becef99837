//! System calls of autoheal that fail, one after another, while it serves and recycles: it says so,
//! waits rather than spins, and is as before once they succeed again.
//!
//! A few with every change; with `AUTOHEAL_STRICT=1`, as `.ci/nightly` runs it, all that may be.

use std::{
    fmt, fs,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use autoheal::{os::procfs::Proc, time};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{Connection, Sidecar, plan, start, wait_for};

/// Calls, each with what it may fail with. An unknown one (`?`) is another machine's.
const ALL: [(&str, &str); 23] = [
    (
        "accept4",
        "EMFILE ENFILE ENOMEM ENOBUFS ECONNABORTED EINTR EPERM EPROTO",
    ),
    ("socket", "EMFILE ENFILE ENOMEM ENOBUFS"),
    (
        "connect",
        "EADDRNOTAVAIL ENOMEM EAGAIN ECONNREFUSED ETIMEDOUT EINTR",
    ),
    ("bind", "EADDRINUSE"),
    ("sendto", "EPIPE ECONNRESET ENOBUFS ENOMEM"),
    ("writev", "EPIPE ECONNRESET ENOBUFS"),
    ("recvfrom", "ECONNRESET ENOMEM EINTR"),
    ("epoll_ctl", "ENOMEM ENOSPC"),
    ("openat", "EMFILE ENFILE ENOMEM EACCES EIO ENOENT"),
    ("?clone,?clone3,?fork,?vfork", "EAGAIN ENOMEM"),
    ("socketpair", "EMFILE ENFILE"),
    ("pipe2", "EMFILE"),
    ("pidfd_open", "EMFILE ENOSYS"),
    ("?rename,?renameat,?renameat2", "EIO ENOSPC"),
    ("fsync", "EIO ENOSPC"),
    ("fdatasync", "EIO"),
    ("?unlink,?unlinkat", "EIO"),
    ("ftruncate", "EIO"),
    ("statx", "EACCES ENOMEM"),
    ("setsockopt", "ENOBUFS"),
    ("getsockopt", "ENOBUFS"),
    ("getsockname", "ENOBUFS"),
    ("getdents64", "EIO ENOMEM"),
];

/// Those that are as different as can be, for every change.
const FEW: [(&str, &str); 5] = [
    ("accept4", "EMFILE"),
    ("socket", "EMFILE"),
    ("connect", "EADDRNOTAVAIL"),
    ("sendto", "ENOBUFS"),
    ("?clone,?clone3,?fork,?vfork", "EAGAIN"),
];

/// Which of the calls that each thread makes fail.
const WHICH: [&str; 3] = ["1", "3", EACH];
const EACH: &str = "1+";

/// One way to fail.
struct Fault {
    call: &'static str,
    error: &'static str,
    which: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, error, which } = self;
        write!(f, "{call} fails with {error} ({which})")
    }
}

/// Makes calls fail while it lives: those of autoheal itself, not of what it starts.
struct Tracer(Child);

impl Tracer {
    /// `None`: this user may not trace, or there is nothing to trace with.
    fn start(fault: &Fault, pid: u32) -> Option<Self> {
        let Fault { call, error, which } = fault;
        let inject = format!("inject={call}:error={error}:when={which}");
        Self::with(&["-o/dev/null", "-e", &inject], pid)
    }

    /// Traces in this way.
    fn with(how: &[&str], pid: u32) -> Option<Self> {
        let mut command = Command::new("strace");
        command.arg("-qq").args(how);
        for task in tasks(pid) {
            command.args(["-p", &task]);
        }
        let child = command.stderr(Stdio::null()).spawn().ok()?;
        let mut tracer = Self(child);
        let attached = wait_for(Duration::from_secs(10), || {
            let ended = !matches!(tracer.0.try_wait(), Ok(None));
            (ended || tasks(pid).iter().all(|task| is_traced(pid, task))).then_some(ended)
        });
        (attached == Some(false)).then_some(tracer)
    }
}

impl Drop for Tracer {
    /// By a signal that it obeys, so that it lets go of autoheal first.
    fn drop(&mut self) {
        let _told = kill_process(Pid::from_child(&self.0), Signal::TERM);
        drop(self.0.wait());
    }
}

fn tasks(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks
        .filter_map(|task| task.file_name().into_string().ok())
        .collect()
}

fn is_traced(pid: u32, task: &str) -> bool {
    // One that ended meanwhile need not be.
    fs::read_to_string(format!("/proc/{pid}/task/{task}/status"))
        .is_ok_and(|text| !text.contains("TracerPid:\t0\n"))
}

/// How many hundredths of a CPU it uses.
fn used(sidecar: &Sidecar) -> u128 {
    let used = || Proc::default().stat(sidecar.pid()).unwrap().cpu_ticks;
    let (before, from) = (used(), time::now());
    thread::park_timeout(Duration::from_secs(2));
    let (ticks, took) = (used() - before, time::now().since(from));
    let a_second = rustix::param::clock_ticks_per_second();
    u128::from(ticks) * 1_000 * 100 / u128::from(a_second) / took.as_millis()
}

/// Everything that autoheal does, while this fault is there; `None`: it can't be had here.
fn live_through(sidecar: &Sidecar, fault: &Fault) -> Option<()> {
    let tracer = Tracer::start(fault, sidecar.pid())?;
    let load = start(autoheal::cli::load::Plan {
        rate_per_s: 50,
        timeout: Duration::from_secs(5),
        ..plan(&sidecar.url("/"), 1)
    });
    // What is asked of it may be refused, or never be heard.
    let order = json!({ "wait": true, "reason": "a test" });
    let client = sidecar.client();
    let patience = Some(Duration::from_secs(3));
    drop(client.map(|client| client.post("/api/v1/recycle", &order, patience)));
    drop(load.wait());
    assert_waits(sidecar, fault);
    drop(tracer);
    Some(())
}

/// One who waits for a call to succeed leaves the CPU to others.
fn assert_waits(sidecar: &Sidecar, fault: &Fault) {
    let _client = Connection::open(sidecar.address);
    let share = used(sidecar);
    assert!(share < 60, "{fault}: {share}% of a CPU\n{}", sidecar.log());
}

fn assert_as_before(sidecar: &Sidecar, fault: &Fault) {
    let what = format!("all is as before: {fault}");
    sidecar.wait(&what, || {
        let client = sidecar.client()?;
        let status = client.get("/api/v1/status").ok()?;
        let workers = status["workers"].as_array()?;
        (workers.len() == 1 && workers[0]["state"] == "ready").then_some(())
    });
    sidecar.wait(&what, || {
        (sidecar.ask("/").try_answer()?.status == 200).then_some(())
    });
    sidecar.wait(&what, || {
        let all = sidecar.processes();
        // autoheal, one keeper and one worker.
        (all.len() == 3 && sidecar.zombies().is_empty()).then_some(())
    });
    let log = sidecar.log();
    assert!(!log.contains("panicked"), "{fault}\n{log}");
}

#[test]
fn a_system_call_that_fails_is_said_and_waited_for_and_all_is_as_before_when_it_succeeds() {
    let strict = std::env::var_os("AUTOHEAL_STRICT").is_some();
    let calls: &[_] = if strict { &ALL } else { &FEW };
    let which = if strict { &WHICH[..] } else { &WHICH[2..] };
    let toml = "proactive = false\n[health]\npath = \"/healthz\"\ninterval = \"1s\"\n";
    for (call, errors) in calls {
        let sidecar = Sidecar::start(toml, &["--exit-on-term"]);
        for error in errors.split(' ') {
            for which in which {
                let fault = Fault { call, error, which };
                let said = sidecar.log().len();
                if live_through(&sidecar, &fault).is_none() {
                    println!("skipped: no strace, or this user may not trace ({fault})");
                    return;
                }
                assert_as_before(&sidecar, &fault);
                let log = sidecar.log();
                let said = &log[said..];
                let is_said =
                    said.contains("\"level\":\"warn\"") || said.contains("\"level\":\"error\"");
                assert!(strict || is_said, "{fault}\n{log}");
                // A line for each failure would fill the disk.
                let lines = said.lines().count();
                assert!(lines < 200, "{fault}: {lines} lines\n{log}");
            }
        }
    }
}

#[test]
fn a_worker_that_was_gone_before_it_began_is_waited_for_no_more() {
    let sidecar = Sidecar::start("proactive = false\n", &["--exit-on-term"]);
    // Its keeper is not told what to start.
    let (call, error, which) = ("sendto", "ENOBUFS", EACH);
    let Some(tracer) = Tracer::start(&Fault { call, error, which }, sidecar.pid()) else {
        println!("skipped: no strace, or this user may not trace");
        return;
    };
    for _ in 0..8 {
        drop(sidecar.verb(&["recycle", "--wait"]));
    }
    drop(tracer);
    sidecar.wait("it serves", || {
        (sidecar.ask("/").try_answer()?.status == 200).then_some(())
    });
    let tried = sidecar.events("start-failed").len() + sidecar.events("recycle-ended").len();
    assert!(tried >= 4, "{tried}\n{}", sidecar.log());
    // Nobody else has a reason to connect: there is no health probe, and no traffic.
    let seen = sidecar.path("connects");
    let tracer = Tracer::with(
        &["-o", &seen.display().to_string(), "-e", "connect"],
        sidecar.pid(),
    );
    thread::park_timeout(Duration::from_secs(2));
    drop(tracer);
    let connects = fs::read_to_string(seen).unwrap();
    assert!(
        connects.lines().count() < 20,
        "{connects}\n{}",
        sidecar.log()
    );
}
