//! Why nothing was started.

use std::io;

use crate::{journal, telemetry::log};

/// What could not be done at the start, as a fragment that fits "failed to ...".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address can't be listened on.
    #[error("listen on {address}: {source}; stop what listens there, or choose another --listen")]
    Listen {
        /// Which.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate, a key, or a root.
    #[error("use TLS: {0}")]
    Tls(String),
    /// The admin socket.
    #[error("{0}")]
    Admin(#[from] crate::admin::socket::BindError),
    /// Where probes are answered.
    #[error("{0}")]
    Probes(#[from] crate::admin::probes::ProbesError),
    /// The journal.
    #[error("{0}")]
    Journal(#[from] journal::OpenError),
    /// The log.
    #[error("{0}")]
    Log(#[from] log::InitError),
    /// The access log.
    #[error(
        "open the access log {name}: {source}; create its folder and let autoheal write there, or \
         write access_log.path = \"stdout\""
    )]
    AccessLog {
        /// Where.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A thread, a runtime or a descriptor.
    #[error("start: {0}; raise the limits on processes and open files")]
    System(#[from] io::Error),
}
