//! What the data path is told by the configuration.

use std::{fmt, net::IpAddr, time::Duration};

use http::HeaderValue;

use crate::{
    admit::{lot, overload::Cap},
    words::Mode,
};

/// What the data path was told: the resolved configuration of forwarding.
pub struct Settings {
    /// Parking and replay are off in relay mode.
    pub mode: Mode,
    /// Longest wait for a response head.
    pub response_timeout: Option<Duration>,
    /// Longest wait for the worker to accept a connection.
    pub connect_timeout: Duration,
    /// Longest idle time of a connection to the worker.
    pub keep_alive: Duration,
    /// Longest silence of a tunnel.
    pub tunnel_idle: Duration,
    /// Tunnels of a worker that goes end within this time.
    pub tunnel_drain: Duration,
    /// Most idle connections to the worker, over all data threads.
    pub idle_connections: usize,
    /// Whether there may be several instances.
    pub several: bool,
    /// The cookie that keeps a client at one of several instances, if there is one.
    pub affinity: Option<String>,
    /// How many requests a worker may have at once.
    pub cap: Cap,
    /// How much may wait.
    pub waiting: lot::Limits,
    /// How long a request may wait for a worker.
    pub parking_wait: Duration,
    /// How long a request may wait for a place at a worker.
    pub queue_wait: Duration,
    /// How many requests of one client may wait.
    pub per_client: PerClient,
    /// Answered by us while parked with room.
    pub parking_probe: Option<String>,
    /// The longest request target, in bytes.
    pub target_max: usize,
    /// The longest request head, target included, in bytes.
    pub head_max: usize,
    /// The most fields in a request head.
    pub fields_max: usize,
    /// Whose X-Forwarded-* is appended to.
    pub trusted: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// Whether the worker is told who asked in a Forwarded field too.
    pub forwarded: bool,
    /// Our Via, which names this process: for what came by HTTP/1.1, and by HTTP/2.
    pub via: [HeaderValue; 2],
}

/// How many requests of one client may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerClient {
    /// For a worker.
    pub parked: u64,
    /// For a place at a worker.
    pub queued: u64,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
