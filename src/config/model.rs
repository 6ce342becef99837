//! The resolved configuration: plain data with every default filled in and every path absolute.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    access_log::AccessLog, attach::Attach, concurrency::Concurrency, probes::Probes, tls::Tls,
};
use crate::{
    decide::{policy::Policy, trigger::Filter},
    tls::spec::Behind,
    units::{ByteSize, Networks, StatusSet},
    words::Protocol,
};

/// Everything autoheal was told, or does by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where clients connect; at least one.
    pub listen: Vec<Listen>,
    /// Where operators connect.
    pub admin: Admin,
    /// Where probes of autoheal and of the worker are answered, beside there.
    pub probes: Probes,
    /// Where the journal and incidents are kept; `None`: in memory only.
    pub state_dir: Option<PathBuf>,
    /// How many data threads.
    pub threads: Threads,
    /// From whom `X-Forwarded-*` fields are appended to rather than replaced.
    pub trust: Networks,
    /// Whether the worker is told who asked in a `Forwarded` field (RFC 7239) too.
    pub forwarded: bool,
    /// Whether a client that has ended its half of a connection is answered, rather than taken for
    /// one that has left.
    pub half_close: bool,
    /// Whether the configuration's files are read again when they change.
    pub watch: bool,
    /// While this file is there it is the answer to every request, and no worker runs; absolute.
    pub maintenance: Option<PathBuf>,
    /// The process that serves the app.
    pub worker: Worker,
    /// What serves the app when something else starts it; the worker's command is empty then.
    pub attach: Option<Attach>,
    /// How a worker is replaced, as far as the policy does not say.
    pub recycle: Recycle,
    /// How long each side may take.
    pub timeouts: Timeouts,
    /// What holds for some paths alone; the first that matches holds.
    pub routes: Vec<Route>,
    /// What a client may ask for.
    pub limits: Limits,
    /// The probe of a ready worker; `None`: none.
    pub health: Option<Health>,
    /// Where requests wait while no worker is ready.
    pub parking: Parking,
    /// Where requests wait while each worker has as many as it may.
    pub queue: Queue,
    /// How much of the past is kept.
    pub journal: Journal,
    /// What is written to standard error.
    pub log: Log,
    /// One line for each request.
    pub access_log: AccessLog,
    /// What the engine follows: mode, rules, timeouts of a recycle, budget, shutdown.
    pub policy: Policy,
}

/// One place to listen at, and what holds for it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: Address,
    /// Each connection begins with a PROXY protocol header that says who the client is.
    pub proxy_protocol: bool,
    /// Each connection speaks TLS; `None`: plain HTTP.
    pub tls: Option<Tls>,
}

impl Listen {
    /// An address without settings of its own.
    #[must_use]
    pub fn at(address: Address) -> Self {
        Self {
            address,
            proxy_protocol: false,
            tls: None,
        }
    }

    /// Whether its socket and what comes first on its connections are the same; certificates may
    /// differ.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.address == other.address
            && self.proxy_protocol == other.proxy_protocol
            && self.tls.is_some() == other.tls.is_some()
    }
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port; port 0 is any free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
    /// The sockets that systemd listens on for us (`LISTEN_FDS`).
    Systemd,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// Where operators connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// A Unix socket in the first usable of /run/autoheal, `$XDG_RUNTIME_DIR` and a private folder
    /// in the temporary directory.
    Auto,
    /// This Unix socket.
    Unix(PathBuf),
    /// Nowhere.
    Off,
}

/// How many data threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// As many as this process may use CPUs, at most four.
    Auto,
    /// So many, one to four.
    Count(u8),
}

/// The process that serves the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Program and arguments, not empty; no shell. `{port}` and `{socket}` are still in it. A
    /// program with a slash is absolute; one without is looked up in PATH.
    pub command: Vec<String>,
    /// Where it listens.
    pub port: Port,
    /// Added to the environment. `{port}` and `{socket}` are still in the values.
    pub env: BTreeMap<String, String>,
    /// Where it runs; absolute.
    pub dir: PathBuf,
    /// Which user it runs as, by name or number; `None`: autoheal's own.
    pub user: Option<String>,
    /// The number of the signal that asks it to stop.
    pub stop_signal: i32,
    /// Who gets that signal.
    pub stop_to: StopTo,
    /// Where its output goes.
    pub output: Output,
    /// What it speaks.
    pub protocol: Protocol,
    /// How TLS is agreed on with it, if that was said.
    pub tls: Option<Behind>,
    /// What it is asked for once it answers, before clients are sent to it; with queries.
    pub warmup: Vec<String>,
    /// All of that together may take this long.
    pub warmup_timeout: Duration,
    /// After so long without a request it is asked for `/`, so that it stays warm; `None`: never.
    pub always_on: Option<Duration>,
    /// How long an idle connection to it is kept.
    pub keep_alive: Duration,
    /// The most idle connections to it that are kept; `None`: 256.
    pub connections: Option<u32>,
    /// How many requests it has at once.
    pub concurrency: Concurrency,
    /// The cookie that keeps a client at one of several, if there is one.
    pub affinity: Option<String>,
}

/// Where the worker listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// A free port for each generation.
    Auto,
    /// Always this one.
    Fixed(u16),
    /// A Unix socket for each generation.
    Unix,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(port) => port.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Who gets the stop signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopTo {
    /// The worker's whole process group.
    Group,
    /// Its main process only.
    Leader,
}

/// Where the worker's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// `Marked` on a terminal, else `Raw`.
    Auto,
    /// To standard output as it is.
    Raw,
    /// To standard output, each line marked with its generation.
    Marked,
}

/// How a worker is replaced, as far as the policy does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recycle {
    /// What was asked for. The policy has what follows from the port; memory at hand is for the
    /// caller to add.
    pub strategy: StrategyChoice,
    /// When a new worker counts as ready.
    pub ready: Ready,
    /// Tunnels of a worker that goes end politely within this time, each at another moment.
    pub tunnel_timeout: Duration,
}

/// Which order of a recycle was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrategyChoice {
    /// Overlap wherever the port can change and memory has room.
    Auto,
    /// Overlap.
    Overlap,
    /// In place.
    InPlace,
}

/// When a new worker counts as ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// When it gives a complete answer to GET `path` with one of these statuses; `None`: any.
    Http {
        /// What is asked for, with its query.
        path: String,
        /// Which answers will do.
        status: Option<StatusSet>,
    },
    /// When its port accepts connections.
    Port,
}

/// How long each side may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The worker, from a request's dispatch to its response head.
    pub response: Duration,
    /// A client, from a request's first byte to the end of its head.
    pub head: Duration,
    /// A client, for its TLS handshake.
    pub handshake: Duration,
    /// A client's connection between two requests.
    pub idle: Duration,
    /// A client, between two pieces of a request body.
    pub body: Duration,
    /// A client, without reading anything of its answer.
    pub write: Duration,
    /// A tunnel, without a byte in either direction.
    pub tunnel: Duration,
}

/// What holds for the requests of some paths alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which requests.
    pub filter: Filter,
    /// The worker, from a request's dispatch to its response head.
    pub response: RouteLimit,
    /// Whether they count as slow.
    pub slow: bool,
    /// Whether they may become WebSockets.
    pub websocket: bool,
}

/// How long a request of a route may take to its response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteLimit {
    /// As long as any.
    Usual,
    /// As long as it likes.
    None,
    /// So long.
    After(Duration),
}

/// What a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest request target.
    pub target: ByteSize,
    /// The longest request head, target included.
    pub head: ByteSize,
    /// The most fields in a request head.
    pub fields: u32,
    /// The most client connections at once.
    pub connections: u32,
    /// The most of them from one client.
    pub connections_per_client: u32,
}

/// The probe of a ready worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What is asked for, with its query; empty: nothing, as gRPC's own protocol is.
    pub path: String,
    /// The service that is asked for by gRPC's health protocol; empty: the server as a whole.
    pub grpc: Option<String>,
    /// Which answers are healthy.
    pub statuses: StatusSet,
    /// What the first 64 KiB of a healthy answer have in them.
    pub body: Option<String>,
    /// From one probe to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many failures in a row are one too many.
    pub failures: u32,
    /// So many good answers in a row make good for failures before them.
    pub successes: u32,
}

/// Where requests wait while no worker is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parking {
    /// The most requests at once.
    pub requests: u32,
    /// The most memory that they may hold together.
    pub bytes: ByteSize,
    /// The most requests of one client.
    pub per_client: u32,
    /// How long each may wait. The policy has the same.
    pub wait: Duration,
    /// The path of a load balancer's probe that is answered 200 while there is room to park.
    pub probe: Option<String>,
}

/// Where requests wait while each worker has as many as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The most requests at once. What they may hold together is the parking's.
    pub requests: u32,
    /// The most requests of one client.
    pub per_client: u32,
    /// How long each may wait.
    pub wait: Duration,
}

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The size at which a segment is closed.
    pub segment: ByteSize,
    /// How many segments are kept.
    pub segments: u32,
}

/// What is written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// From which level on.
    pub level: LogLevel,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `Text` on a terminal, else `Json`.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// From which level on lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Wake someone.
    Error,
    /// We coped.
    Warn,
    /// It changed.
    Info,
    /// Per connection.
    Debug,
    /// Per request.
    Trace,
}

impl LogLevel {
    /// Its word in configuration, which is also what tracing calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
