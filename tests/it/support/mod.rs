//! What the end-to-end tests share: a sidecar, clients for it, and ways to wait.

mod client;
mod processes;
mod sidecar;

use std::{
    fs, iter,
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::Duration,
};

use autoheal::{
    cli::load::{self, Plan, Report},
    time,
};

pub(crate) use self::{
    client::{Answer, Connection},
    processes::Process,
    sidecar::{Setup, Sidecar, command_of_demo_worker},
};

/// Longer than anything takes here; reached only when something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// The first port that everyone may listen on.
const UNPRIVILEGED: u16 = 1_024;

/// Between two looks at something that gives no event of its own.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until there is something to see; `None` when it does not come within `patience`.
pub(crate) fn wait_for<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = time::now() + patience;
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if time::now() > until {
            return None;
        }
        thread::park_timeout(LOOK_AGAIN);
    }
}

/// A port of the loopback that no one listens on, below those that the system gives away by itself:
/// between two workers that use it nobody else is given it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let given = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first_given: u16 = given.split_whitespace().next().unwrap().parse().unwrap();
    let below = first_given.saturating_sub(UNPRIVILEGED);
    assert!(
        below > 0,
        "the system gives all ports away by itself: {given}"
    );
    // Other test processes begin elsewhere.
    let begin = u16::try_from(std::process::id() % u32::from(below)).unwrap();
    let nth = || begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % below;
    iter::repeat_with(|| UNPRIVILEGED + nth())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// Load as small as two busy cores carry in a debug build: GETs, 200 a second over 16 connections.
pub(crate) fn plan(url: &str, seconds: u64) -> Plan {
    Plan {
        rate_per_s: 200,
        connections: 16,
        duration: Duration::from_secs(seconds),
        ids: true,
        ..Plan::to(url).unwrap()
    }
}

/// Load that runs beside the test.
pub(crate) fn start(plan: Plan) -> load::Running {
    load::Running::start(plan).unwrap()
}

/// Nothing failed.
pub(crate) fn assert_whole(report: &Report, sidecar: &Sidecar) {
    assert_eq!(report.failed, 0, "{report}\n{}", sidecar.log());
}
