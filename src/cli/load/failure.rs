//! Every way in which a request can fail, each counted by itself.

use std::{fmt, io};

/// How a request failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// A new connection was closed before any byte of an answer.
    Closed,
    /// The answer was not HTTP.
    Garbage,
    /// The connection was refused.
    Refused,
    /// The connection was reset before the head of the answer.
    Reset,
    /// A connection that had served before was closed or reset before any byte of this answer, and
    /// the method is idempotent. Browsers repeat such a request; here it is a failure.
    Stale,
    /// The answer's status was wrong. With what `Proxy-Status` said.
    Status(u16, String),
    /// There was no whole answer in time.
    Timeout,
    /// The answer ended before its body did.
    Truncated,
    /// No connection could be opened, for another reason than a refusal.
    Unreachable,
    /// No connection was free until the timeout: never sent.
    Unsent,
    /// The answer was whole but wrong: length, checksum, or another request's answer.
    Wrong,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Garbage => "garbage",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Stale => "stale",
            Self::Status(status, why) if why.is_empty() => return write!(f, "status {status}"),
            Self::Status(status, why) => return write!(f, "status {status} ({why})"),
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
            Self::Unreachable => "unreachable",
            Self::Unsent => "unsent",
            Self::Wrong => "wrong",
        })
    }
}

/// A failure and what else is known of it.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) kind: Failure,
    pub(super) detail: String,
}

impl Failed {
    pub(super) fn new(kind: Failure, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// No connection could be opened.
    pub(super) fn connect(error: &io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::ConnectionRefused {
            Failure::Refused
        } else {
            Failure::Unreachable
        };
        Self::new(kind, error.to_string())
    }

    /// No head of an answer came. `stale`: the connection had served before, and the method may be
    /// repeated.
    pub(super) fn head(error: &hyper::Error, stale: bool) -> Self {
        let kind = if error.is_parse() {
            Failure::Garbage
        } else if stale {
            Failure::Stale
        } else if is_reset(error) {
            Failure::Reset
        } else {
            Failure::Closed
        };
        Self::new(kind, chain(error))
    }

    /// The body broke off, or was not what its framing promised.
    pub(super) fn body(error: &hyper::Error) -> Self {
        let kind = if error.is_parse() {
            Failure::Garbage
        } else {
            Failure::Truncated
        };
        Self::new(kind, chain(error))
    }
}

fn is_reset(error: &hyper::Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|source| {
            matches!(
                source.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            )
        })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
