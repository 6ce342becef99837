//! Every default in one place. `config/autoheal.toml` shows the same values; a test compares them.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use super::model::{
    Address, Admin, Health, Journal, Limits, Listen, Log, LogFormat, LogLevel, Output, Parking,
    Port, Queue, Ready, Recycle, Settings, StopTo, StrategyChoice, Threads, Timeouts, Worker,
};
use super::{access_log::AccessLog, concurrency::Concurrency, probes::Probes};
use crate::{
    decide::{
        policy::{
            self, Action, Dependency, DependencyAddress, GiveUp, Instances, Patience, Policy,
            Restart, RestartWhen, Rule, Strategy,
        },
        trigger::{Filter, MemoryLimit, Trigger},
    },
    units::{ByteSize, Networks, Share, StatusItem, StatusSet},
    words::{Mode, Protocol},
};

/// A rule is held until the worker has been ready for this long.
pub(super) const MIN_UPTIME: Duration = secs(60);
/// A rule rests this long after a firing.
pub(super) const COOLDOWN: Duration = secs(5 * 60);
/// A schedule's firing comes within this time after it, so that replicas don't act all at once.
pub(super) const SPREAD: Duration = secs(60);
/// A client that left sooner than this says nothing of the worker.
pub(super) const PATIENCE: Duration = secs(1);
/// A custom action may take this long.
pub(super) const COMMAND_TIMEOUT: Duration = secs(60);
/// The page that IIS shows while it is there.
pub(super) const OFFLINE: &str = "app_offline.htm";
/// The port when neither the configuration nor `PORT` names one.
pub(super) const LISTEN_PORT: u16 = 8080;

/// The names of the two rules that stand beside the user's.
pub(super) const PROACTIVE_MEMORY: &str = "proactive memory";
pub(super) const PROACTIVE_SLOW: &str = "proactive slow";

pub(super) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What holds where nothing is said. The command is empty: there is no default for it.
pub(super) fn settings(dir: PathBuf) -> Settings {
    Settings {
        listen: vec![Listen::at(Address::Tcp(SocketAddr::from((
            [0, 0, 0, 0],
            LISTEN_PORT,
        ))))],
        admin: Admin::Auto,
        probes: Probes::Off,
        state_dir: None,
        threads: Threads::Auto,
        trust: Networks::private(),
        forwarded: false,
        half_close: false,
        watch: true,
        maintenance: None,
        worker: worker(dir),
        attach: None,
        recycle: Recycle {
            strategy: StrategyChoice::Auto,
            ready: Ready::Http {
                path: "/".to_owned(),
                status: None,
            },
            tunnel_timeout: secs(10),
        },
        timeouts: Timeouts {
            response: secs(4 * 60),
            head: secs(15),
            handshake: secs(10),
            idle: secs(75),
            body: secs(30),
            write: secs(30),
            tunnel: secs(10 * 60),
        },
        routes: Vec::new(),
        limits: Limits {
            target: ByteSize::kib(16),
            head: ByteSize::kib(64),
            fields: 100,
            connections: 10_000,
            connections_per_client: 1000,
        },
        health: None,
        parking: Parking {
            requests: 10_000,
            bytes: ByteSize::mib(64),
            per_client: 1000,
            wait: secs(60),
            probe: None,
        },
        queue: Queue {
            requests: 1000,
            per_client: 100,
            wait: secs(10),
        },
        journal: Journal {
            segment: ByteSize::mib(16),
            segments: 8,
        },
        log: Log {
            format: LogFormat::Auto,
            level: LogLevel::Info,
        },
        access_log: AccessLog::default(),
        policy: policy(),
    }
}

fn worker(dir: PathBuf) -> Worker {
    Worker {
        command: Vec::new(),
        port: Port::Auto,
        env: BTreeMap::new(),
        dir,
        user: None,
        stop_signal: 15,
        stop_to: StopTo::Group,
        output: Output::Auto,
        protocol: Protocol::Http,
        tls: None,
        warmup: Vec::new(),
        warmup_timeout: secs(30),
        always_on: None,
        keep_alive: secs(3),
        connections: None,
        concurrency: Concurrency::Unlimited,
        affinity: None,
    }
}

/// The probe's defaults for when it has a path.
pub(super) fn health() -> Health {
    Health {
        path: String::new(),
        grpc: None,
        statuses: StatusSet::new(vec![StatusItem::Range(200, 299)]),
        body: None,
        interval: secs(10),
        timeout: secs(2),
        failures: 3,
        successes: 1,
    }
}

fn policy() -> Policy {
    Policy {
        mode: Mode::Heal,
        rules: Vec::new(),
        recycle: policy::Recycle {
            strategy: Strategy::Overlap,
            start_timeout: secs(120),
            drain_timeout: secs(20),
            stop_timeout: secs(10),
            needs_room: true,
            slow_start: secs(10),
        },
        restart: Restart {
            when: RestartWhen::Always,
            give_up: GiveUp::Serve503,
            patience: Patience::default(),
        },
        health: None,
        parking_wait: secs(60),
        budget: policy::Budget {
            recycles: 3,
            window: secs(10 * 60),
            per_day: 24,
        },
        verdict: policy::Verdict {
            back_within: secs(10 * 60),
            disarm: secs(3 * 3600),
        },
        shutdown: policy::Shutdown {
            delay: Duration::ZERO,
            timeout: secs(25),
        },
        dependencies: Vec::new(),
        instances: Instances::ONE,
        attached: None,
    }
}

/// What holds of a dependency whose name and address are still to come.
pub(super) fn dependency() -> Dependency {
    Dependency {
        name: String::new(),
        address: DependencyAddress::Host(String::new(), 0),
        path: None,
        interval: secs(10),
        timeout: secs(2),
        failures: 2,
        successes: 2,
    }
}

/// The two rules that App Service has on by default.
pub(super) fn proactive_rules() -> [Rule; 2] {
    let rule = |name: &str, when| Rule {
        name: name.to_owned(),
        when,
        actions: vec![Action::Recycle(None).into()],
        min_uptime: MIN_UPTIME,
        cooldown: COOLDOWN,
        mode: Mode::Heal,
        not_between: None,
        proactive: true,
    };
    [
        rule(
            PROACTIVE_MEMORY,
            Trigger::Memory {
                limit: MemoryLimit::Share(Share::percent(90)),
                hold: secs(30),
            },
        ),
        rule(
            PROACTIVE_SLOW,
            Trigger::Slow {
                time_taken: secs(200),
                count: 5,
                share: Some(Share::percent(80)),
                window: secs(120),
                filter: Filter::default(),
            },
        ),
    ]
}
