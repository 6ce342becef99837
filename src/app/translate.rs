//! From the configuration to what each part is told, in that part's own words.

use std::{
    io::{IsTerminal, stdout},
    sync::Arc,
    time::Duration,
};

use http::HeaderValue;
use tokio::sync::watch;

use super::{data::ClientRules, descriptors};
use crate::{
    accept::connection::{Deadlines, Limits},
    act,
    admit::{self, limiter::Range, overload::Cap},
    config::{self, Concurrency, Settings},
    control::{
        AlwaysOn, Health,
        order::{ParkingStatus, QueueStatus},
        reloading::Reloaded,
    },
    decide::trigger::Trigger,
    forward::thread,
    observe::{
        route::{Limit, Route, Routes},
        tally::Rules,
    },
    os::listener::Place,
    proxy::steward,
    sense::probe::Question,
    telemetry::log,
    tls::{
        back::{Back, Manner},
        spec::LOCAL_NAME,
    },
    words::Mode,
    worker::{
        attachment::{Plan, Restart},
        find::Wanted,
        lines::Patterns,
        output::Passing,
        pass::Pass,
        ready::Test,
        spec::StopTo,
        warmup::Warmup,
    },
};

/// Longest wait for the worker to accept a connection: it is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one probe of a starting worker may take.
const READY_PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections to the worker that are kept, unless configured.
const IDLE_CONNECTIONS: u32 = 256;

/// What each part is told.
pub(super) struct Translated {
    pub(super) data: steward::Config,
    pub(super) clients: ClientRules,
    pub(super) control: Reloaded,
}

/// Translates a configuration; `back` is TLS with the worker, if there is any. `epoch`
/// must differ from any before it.
pub(super) fn all(
    settings: &Settings,
    epoch: u64,
    pass: &Pass,
    open_files: Option<u64>,
    back: Option<Arc<Back>>,
) -> Translated {
    let (settings, _) = &descriptors::within(settings, descriptors::open_files());
    let rules = Rules::new(epoch, settings.policy.conditions()).with(routes(settings));
    let rules = Arc::new(rules);
    let data = steward::Config {
        settings: Arc::new(forwarding(settings)),
        rules: rules.clone(),
    };
    let control = Reloaded {
        policy: settings.policy.clone(),
        hands: hands(settings, epoch, pass, open_files, back),
        rules,
        health: (settings.health.as_ref()).map(|probe| health(probe, &settings.worker)),
        always_on: settings.worker.always_on.map(|interval| AlwaysOn {
            interval,
            host: host(&settings.worker),
            several: are_several(settings),
        }),
        recycle: None,
        changes: String::new(),
        maintenance: settings.maintenance.clone(),
        parking: parking(settings),
        queue: QueueStatus {
            requests_max: u64::from(settings.queue.requests),
            places: match cap(settings) {
                Cap::None | Cap::Found(_) => None,
                Cap::Fixed(places) => Some(places),
            },
            found: matches!(cap(settings), Cap::Found(_)),
            ..QueueStatus::default()
        },
        warnings: Vec::new(),
        publish: Box::new(|| ()),
    };
    Translated {
        data,
        clients: clients(settings),
        control,
    }
}

/// The limits on what is parked, as `status` shows them.
fn parking(settings: &Settings) -> ParkingStatus {
    ParkingStatus {
        requests_max: u64::from(settings.parking.requests),
        bytes_max: settings.parking.bytes.0,
        ..ParkingStatus::default()
    }
}

/// How a new configuration reaches the data threads.
#[derive(Clone)]
pub(super) struct Outlets {
    pub(super) config: watch::Sender<steward::Config>,
    pub(super) clients: watch::Sender<ClientRules>,
}

impl Outlets {
    pub(super) fn publish(&self, config: steward::Config, clients: ClientRules) {
        self.config.send_replace(config);
        self.clients.send_replace(clients);
    }
}

fn forwarding(settings: &Settings) -> thread::Settings {
    let (worker, parking) = (&settings.worker, &settings.parking);
    let trust = settings.trust.clone();
    thread::Settings {
        mode: settings.policy.mode,
        response_timeout: Some(settings.timeouts.response),
        connect_timeout: CONNECT_TIMEOUT,
        keep_alive: worker.keep_alive,
        tunnel_idle: settings.timeouts.tunnel,
        tunnel_drain: settings.recycle.tunnel_timeout,
        idle_connections: worker.connections.unwrap_or(IDLE_CONNECTIONS) as usize,
        several: are_several(settings),
        affinity: affinity(settings),
        cap: cap(settings),
        waiting: admit::lot::Limits {
            parked: u64::from(parking.requests),
            queued: u64::from(settings.queue.requests),
            bytes: parking.bytes.0,
        },
        parking_wait: parking.wait,
        queue_wait: settings.queue.wait,
        per_client: thread::PerClient {
            parked: u64::from(parking.per_client),
            queued: u64::from(settings.queue.per_client),
        },
        parking_probe: parking.probe.clone(),
        target_max: usize::try_from(settings.limits.target.0).unwrap_or(usize::MAX),
        head_max: usize::try_from(settings.limits.head.0).unwrap_or(usize::MAX),
        fields_max: settings.limits.fields as usize,
        forwarded: settings.forwarded,
        trusted: Box::new(move |ip| trust.contains(ip)),
        via: [via("1.1"), via("2.0")],
    }
}

/// There is nothing to choose among where there is never more than one.
fn affinity(settings: &Settings) -> Option<String> {
    let cookie = settings.worker.affinity.clone();
    cookie.filter(|_| are_several(settings))
}

fn are_several(settings: &Settings) -> bool {
    let (_, most) = settings.policy.instances.bounds();
    most > 1
}

/// Nothing waits in a bare proxy, so there is no cap either.
fn cap(settings: &Settings) -> Cap {
    match settings.worker.concurrency {
        _ if settings.policy.mode == Mode::Relay => Cap::None,
        Concurrency::Unlimited => Cap::None,
        Concurrency::Fixed(most) => Cap::Fixed(u64::from(most)),
        Concurrency::Found { min, max } => Cap::Found(Range {
            min: u64::from(min),
            max: u64::from(max),
        }),
    }
}

fn routes(settings: &Settings) -> Routes {
    let routes = settings.routes.iter().map(|one| Route {
        filter: one.filter.clone(),
        response: match one.response {
            config::RouteLimit::Usual => Limit::Usual,
            config::RouteLimit::None => Limit::None,
            config::RouteLimit::After(limit) => Limit::After(limit),
        },
        slow: one.slow,
        websocket: one.websocket,
    });
    Routes::new(routes.collect())
}

/// A pseudonym that no other autoheal on the way has.
fn via(version: &str) -> HeaderValue {
    let text = format!("{version} autoheal-{:x}", std::process::id());
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("1.1 autoheal"))
}

fn clients(settings: &Settings) -> ClientRules {
    let (timeouts, limits) = (&settings.timeouts, &settings.limits);
    let deadlines = Deadlines {
        head: timeouts.head,
        handshake: timeouts.handshake,
        idle: timeouts.idle,
        body: timeouts.body,
        write: timeouts.write,
    };
    let limits = Limits {
        head: usize::try_from(limits.head.0).unwrap_or(usize::MAX),
        fields: limits.fields as usize,
        connections: u64::from(limits.connections_per_client),
        half_close: settings.half_close,
    };
    (deadlines, limits)
}

fn hands(
    settings: &Settings,
    epoch: u64,
    pass: &Pass,
    open_files: Option<u64>,
    back: Option<Arc<Back>>,
) -> act::Settings {
    let worker = &settings.worker;
    let conditions = settings.policy.conditions().enumerate();
    let lines = conditions.filter_map(|(at, when)| match when {
        Trigger::Output { line, .. } => Some((at, line)),
        _ => None,
    });
    act::Settings {
        command: worker.command.clone(),
        env: worker.env.clone().into_iter().collect(),
        dir: worker.dir.clone(),
        user: worker.user.clone(),
        port: match worker.port {
            config::Port::Auto => act::Port::Auto,
            config::Port::Fixed(port) => act::Port::Fixed(port),
            config::Port::Unix => act::Port::Unix,
        },
        ready: match &settings.recycle.ready {
            config::Ready::Port => Test::Port,
            config::Ready::Http { path, status } => Test::Answer(Box::new(Question {
                host: host(worker),
                path: path.clone(),
                status: status.clone(),
                timeout: READY_PROBE_TIMEOUT,
                ..Question::default()
            })),
        },
        stop: (
            worker.stop_signal,
            match worker.stop_to {
                config::StopTo::Group => StopTo::Group,
                config::StopTo::Leader => StopTo::Leader,
            },
        ),
        passing: match worker.output {
            config::Output::Auto if stdout().is_terminal() => Passing::Marked(pass.clone()),
            config::Output::Auto | config::Output::Raw => Passing::Raw(pass.clone()),
            config::Output::Marked => Passing::Marked(pass.clone()),
        },
        lines: Patterns::new(epoch, lines),
        slow_start: settings.policy.recycle.slow_start,
        warmup: Warmup {
            host: host(worker),
            paths: worker.warmup.clone(),
            timeout: worker.warmup_timeout,
            start_timeout: settings.policy.recycle.start_timeout,
        },
        cap: cap(settings),
        attach: settings
            .attach
            .as_ref()
            .map(|attach| plan(settings, attach)),
        captures: settings.state_dir.as_ref().map(|at| at.join("captures")),
        open_files,
        sockets: super::socket_folder(settings),
        manner: Manner {
            protocol: worker.protocol,
            tls: back.filter(|_| worker.protocol.is_tls()),
        },
    }
}

/// What is attached to, and how it is restarted.
fn plan(settings: &Settings, attach: &config::Attach) -> Plan {
    let restart = match &attach.restart {
        config::RestartBy::Command(argv) => Restart::Command {
            argv: argv.clone(),
            timeout: settings.policy.recycle.start_timeout,
        },
        config::RestartBy::Signal(signal) => Restart::Signal(*signal),
        config::RestartBy::Supervisor => Restart::Supervisor(settings.worker.stop_signal),
        config::RestartBy::Probe | config::RestartBy::Exit(_) | config::RestartBy::Nobody => {
            Restart::Elsewhere
        }
    };
    let place = match &attach.address {
        config::Reach::Tcp(address) => Place::Tcp(*address),
        config::Reach::Unix(path) => Place::Unix(path.clone()),
    };
    let pid_file = attach.pid_file.clone();
    Plan {
        wanted: Wanted { place, pid_file },
        restart,
    }
}

/// What a probe calls the worker: some refuse another name than that of the handshake.
fn host(worker: &config::Worker) -> String {
    let tls = worker.tls.as_ref();
    let name = tls.map_or(LOCAL_NAME, |tls| tls.name.as_str());
    match name.contains(':') {
        true => format!("[{name}]"),
        false => name.to_owned(),
    }
}

fn health(health: &config::Health, worker: &config::Worker) -> Health {
    let question = Question {
        host: host(worker),
        path: health.path.clone(),
        status: Some(health.statuses.clone()),
        body: health.body.clone(),
        grpc: health.grpc.clone(),
        timeout: health.timeout,
        ..Question::default()
    };
    Health {
        question,
        interval: health.interval,
    }
}

/// How the log looks.
pub(super) fn log(settings: &config::Log) -> log::Options {
    let text = match settings.format {
        config::LogFormat::Auto => std::io::stderr().is_terminal(),
        config::LogFormat::Text => true,
        config::LogFormat::Json => false,
    };
    log::Options {
        format: if text {
            log::Format::Text
        } else {
            log::Format::Json
        },
        level: match settings.level {
            config::LogLevel::Error => tracing::Level::ERROR,
            config::LogLevel::Warn => tracing::Level::WARN,
            config::LogLevel::Info => tracing::Level::INFO,
            config::LogLevel::Debug => tracing::Level::DEBUG,
            config::LogLevel::Trace => tracing::Level::TRACE,
        },
    }
}
