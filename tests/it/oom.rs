//! The kernel kills for want of memory, in a control group of the test's own: what dies, what is
//! said of it, and who lives on.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::process::Signal;

use crate::support::{Connection, Setup, Sidecar, command_of_demo_worker};

const MIB: u64 = 1 << 20;

/// A control group with a memory limit, gone with the test.
struct Group(PathBuf);

impl Group {
    /// `None`, and why, where this user can't have one.
    #[expect(
        clippy::print_stdout,
        reason = "what was not tested is for people to read"
    )]
    fn new(name: &str, limit: u64) -> Option<Self> {
        let versions = [
            (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.swappiness",
                "0",
            ),
            ("/sys/fs/cgroup", "memory.max", "memory.swap.max", "0"),
        ];
        for (root, file, swap, none) in versions {
            let group = Self(format!("{root}/autoheal-it-{}-{name}", std::process::id()).into());
            if fs::create_dir(&group.0).is_ok()
                && fs::write(group.0.join(file), limit.to_string()).is_ok()
            {
                // Where there is no swap there is nothing to say of it.
                drop(fs::write(group.0.join(swap), none));
                return Some(group);
            }
        }
        println!("skipped: this user can't make a control group that limits memory");
        None
    }

    fn takes(&self, pid: u32) {
        let taken = fs::write(self.0.join("cgroup.procs"), pid.to_string());
        // One that has ended meanwhile needs no memory.
        assert!(taken.is_ok() || !Path::new(&format!("/proc/{pid}")).exists());
    }

    fn kills(&self) -> u64 {
        let read = |file| fs::read_to_string(self.0.join(file));
        let text = read("memory.oom_control")
            .or_else(|_| read("memory.events"))
            .unwrap();
        let mut lines = text.lines();
        let count = lines.find_map(|line| line.strip_prefix("oom_kill "));
        count.unwrap().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It can go as soon as the last process has left it.
        for _ in 0..500 {
            if fs::remove_dir(&self.0).is_ok() || !self.0.exists() {
                return;
            }
            thread::park_timeout(Duration::from_millis(10));
        }
    }
}

/// A demo worker that a shell has done this for before.
fn after(script: &str) -> Vec<String> {
    let script = format!("{script} exec \"$0\" \"$@\"");
    let shell = ["/bin/sh", "-c", &script].map(str::to_owned);
    shell
        .into_iter()
        .chain(command_of_demo_worker(&[]))
        .collect()
}

/// Asks the worker to keep so much memory; what comes of it is not waited for.
fn leak(sidecar: &Sidecar, bytes: u64) -> Connection {
    let head =
        format!("POST /leak?bytes={bytes} HTTP/1.1\r\nHost: it\r\nContent-Length: 0\r\n\r\n");
    Connection::open(sidecar.address).send(head)
}

#[test]
fn a_worker_that_the_limit_of_its_own_group_ends_is_told_from_one_that_is_killed() {
    let Some(group) = Group::new("own", 64 * MIB) else {
        return;
    };
    let procs = group.0.join("cgroup.procs");
    let setup = Setup {
        toml: "proactive = false\n".to_owned(),
        command: after(&format!("echo $$ >{};", procs.display())),
        ..Setup::default()
    };
    let sidecar = setup.launch();
    sidecar.wait_for_kind("worker-ready");
    // Where the worker has gone is seen by looking, of which nothing tells.
    thread::park_timeout(Duration::from_secs(2));
    let _asked = leak(&sidecar, 200 * MIB);
    let exited = sidecar.wait_for_kind("worker-exited");
    assert_eq!(exited["oom_killed"], true, "{exited}");
    let text = exited["text"].as_str().unwrap();
    assert!(text.contains("was killed by the OOM killer"), "{text}");
    assert!(group.kills() >= 1);
    // The next one serves; that it is killed by somebody is no want of memory.
    sidecar.wait_for_kind("worker-ready");
    sidecar.worker().signal(Signal::KILL);
    let exited = sidecar.wait_for_kind("worker-exited");
    assert_eq!(exited["oom_killed"], false, "{exited}");
}

#[test]
fn where_memory_is_short_for_both_the_kernel_takes_the_worker_and_not_autoheal() {
    let Some(group) = Group::new("both", 400 * MIB) else {
        return;
    };
    // Each of them is smaller than autoheal.
    let many = "(until [ -e more ]; do sleep 0.1; done; for i in $(seq 90); do (x=$(head -c \
                6000000 /dev/zero | tr '\\0' x); sleep 1000) & done; wait) &";
    let setup = Setup {
        toml: "proactive = false\n".to_owned(),
        command: after(many),
        ..Setup::default()
    };
    let sidecar = setup.launch();
    sidecar.wait_for_kind("worker-ready");
    for process in sidecar.processes() {
        group.takes(process.who.pid);
    }
    let score = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        text.trim().parse::<i32>().unwrap()
    };
    let (ours, workers) = (score(sidecar.pid()), score(sidecar.worker().who.pid));
    assert!(ours < workers, "{ours} and {workers}");
    fs::write(sidecar.path("more"), "").unwrap();
    sidecar.wait("the kernel kills", || (group.kills() >= 3).then_some(()));
    assert_eq!(sidecar.get("/").status, 200, "{}", sidecar.log());
    let all = sidecar.processes();
    assert!(all.iter().any(|process| process.who.pid == sidecar.pid()));
}
