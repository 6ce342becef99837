//! HTTP/1.1 with a worker: one exchange at a time on a connection, driven by the task of its
//! request. A connection that is idle holds its socket and nothing else.

mod chunks;
mod encode;
mod framing;
mod head;
mod piece;
mod sending;
mod whole;

pub use whole::Whole;

use std::io;

/// How an exchange broke before its response head.
#[derive(Debug)]
pub enum Break {
    /// The client's body did.
    Client,
    /// What came is no HTTP/1.1.
    NotHttp,
    /// The worker closed the connection.
    Closed,
    /// The connection failed.
    Failed(io::Error),
}

/// What came is no HTTP/1.1, or may be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NotHttp;

impl From<NotHttp> for Break {
    fn from(NotHttp: NotHttp) -> Self {
        Self::NotHttp
    }
}

#[cfg(test)]
mod tests;
