//! How an attempt can fail, and what each failure means: one exhaustive match for the answer's
//! code, one for the rules.

use std::io;

use crate::{explain::code::Code, tls::fault::Fault, words::Outcome};

/// How an attempt at a worker failed before its response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The worker refused the connection.
    Refused,
    /// The worker did not accept the connection in time.
    ConnectTimeout,
    /// The connection could not be made for another reason.
    Unreachable,
    /// This machine has no port or descriptor left.
    LocalExhaustion,
    /// The worker closed or reset the connection.
    Closed,
    /// The worker said that it did not begin with the request (HTTP/2).
    Declined,
    /// A call of gRPC can't be sent to a worker that speaks HTTP/1.1.
    NeedsHttp2,
    /// Asked for a WebSocket for a stream of HTTP/2, it answered with a success and did not switch.
    NotSwitched,
    /// TLS could not be agreed on with the worker.
    Tls(Fault),
    /// The worker sent something that is not an HTTP response.
    BadResponse,
    /// No response head within `timeouts.response`.
    TimedOut,
    /// It left its worker because a slow rule recycles.
    Stuck,
    /// It left its worker because the drain was over.
    DrainOver,
    /// The client's body broke off or was malformed.
    ClientBody,
}

impl Failure {
    /// The code of the answer to the client.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Refused => Code::WorkerRefusedConnection,
            Self::ConnectTimeout => Code::ConnectTimeout,
            Self::Unreachable => Code::WorkerUnreachable,
            Self::LocalExhaustion => Code::LocalExhaustion,
            Self::Closed => Code::WorkerClosedConnection,
            Self::Declined => Code::WorkerDeclined,
            Self::NeedsHttp2 => Code::GrpcNeedsHttp2,
            Self::NotSwitched => Code::WebSocketNotGranted,
            Self::Tls(fault) => fault.code(),
            Self::BadResponse => Code::WorkerBadResponse,
            Self::TimedOut => Code::WorkerTimeout,
            Self::Stuck | Self::DrainOver => Code::WorkerStopped,
            Self::ClientBody => Code::ClientClosed,
        }
    }

    /// What the rules count. `None`: not the worker's fault.
    #[must_use]
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Tls(Fault::TimedOut) => Some(Outcome::TimedOut),
            Self::Refused | Self::Declined | Self::Tls(_) => Some(Outcome::Refused),
            Self::Closed | Self::BadResponse | Self::Unreachable => Some(Outcome::Reset),
            Self::TimedOut | Self::ConnectTimeout => Some(Outcome::TimedOut),
            Self::LocalExhaustion
            | Self::Stuck
            | Self::DrainOver
            | Self::ClientBody
            | Self::NeedsHttp2
            | Self::NotSwitched => None,
        }
    }

    /// What a failed connect means.
    #[must_use]
    pub fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Self::Refused,
            io::ErrorKind::ConnectionReset => Self::Closed,
            io::ErrorKind::TimedOut => Self::ConnectTimeout,
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Self::LocalExhaustion,
            _ => match error.raw_os_error() {
                // ENFILE, EMFILE, ENOBUFS, ENOMEM.
                Some(23 | 24 | 105 | 12) => Self::LocalExhaustion,
                _ => Self::Unreachable,
            },
        }
    }

    /// What the end of a stream means. Only streams that the worker does not begin with end by a
    /// GOAWAY of its (RFC 9113 sections 6.8 and 8.7).
    #[must_use]
    pub fn of_stream(error: &hyper::Error) -> Self {
        if error.is_user() {
            return Self::ClientBody;
        }
        if error.is_parse() {
            return Self::BadResponse;
        }
        let cause = std::error::Error::source(error).and_then(|e| e.downcast_ref::<h2::Error>());
        let Some(error) = cause else {
            return Self::Closed;
        };
        let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        if error.is_remote() && (error.is_go_away() || refused) {
            Self::Declined
        } else if error.is_library() {
            Self::BadResponse
        } else {
            Self::Closed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_trouble_never_feeds_a_rule() {
        for raw in [24, 99, 98, 105] {
            let failure = Failure::of_connect(&io::Error::from_raw_os_error(raw));
            assert_eq!(failure, Failure::LocalExhaustion, "errno {raw}");
            assert_eq!(failure.outcome(), None);
        }
    }

    #[test]
    fn tls_that_fails_is_the_workers_fault_like_a_refused_connection() {
        let failed = |fault| Failure::Tls(fault).outcome();
        assert_eq!(failed(Fault::Expired), Some(Outcome::Refused));
        assert_eq!(failed(Fault::NotTls), Some(Outcome::Refused));
        assert_eq!(failed(Fault::TimedOut), Some(Outcome::TimedOut));
    }

    #[test]
    fn a_refused_connection_is_the_workers_fault() {
        let failure = Failure::of_connect(&io::Error::from_raw_os_error(111));
        assert_eq!(failure, Failure::Refused);
        assert_eq!(failure.outcome(), Some(Outcome::Refused));
    }
}
