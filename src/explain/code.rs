//! The table of codes: every answer autoheal makes itself, and every incident, has one.
//!
//! A code has one meaning, its likely causes in order, and a cure for each.

mod cures;

use std::fmt;

use crate::units::GrpcStatus;

/// Declares the enum together with what is a word or a number for each code, so that no second
/// list has to be kept in step. The meaning is the variant's documentation.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $token:ident;)+) => {
        /// A code: an HTTP status, three digits and a name, as in `502101 WorkerRefusedConnection`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum Code {
            $($(#[doc = $doc])+ $name = $number,)+
        }

        impl Code {
            const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name: `WorkerRefusedConnection`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// The `error` of the `Proxy-Status` field: a token of RFC 9209.
            #[must_use]
            pub fn proxy_error(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($token),)+
                }
            }

            /// What it means, in a sentence or two.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

codes! {
    /// No Host field, or more than one, or one that is not a host.
    BadHost = 400_101, http_request_error;
    /// A request target that is not of an allowed form.
    BadTarget = 400_102, http_request_error;
    /// Content-Length or Transfer-Encoding that could be read in two ways.
    AmbiguousFraming = 400_103, http_request_error;
    /// A field name or value that may not be sent on.
    BadField = 400_104, http_request_error;
    /// The request line is not one of HTTP.
    NotHttp = 400_105, http_request_error;
    /// The request's chunked body is malformed.
    BadBody = 400_106, http_request_error;
    /// The connection did not begin with a PROXY protocol header of a trusted sender. Only counted
    /// and logged: it is closed.
    BadProxyHeader = 400_107, http_request_error;
    /// Plain HTTP was sent to an address that speaks TLS.
    PlainToTls = 400_108, http_request_error;
    /// TLS was sent to an address that speaks plain HTTP.
    TlsToPlain = 400_109, http_request_error;
    /// A client's TLS handshake failed. Never sent, only counted and logged.
    HandshakeFailed = 400_110, tls_protocol_error;
    /// CONNECT or TRACE.
    MethodNotForwarded = 405_101, http_request_denied;
    /// The client did not finish its request head in time.
    HeadTimeout = 408_101, http_request_error;
    /// The client did not send the next piece of its request's body in time.
    BodyTimeout = 408_102, http_request_error;
    /// The client did not finish its TLS handshake in time. Never sent, only counted and logged.
    HandshakeTimeout = 408_103, connection_timeout;
    /// The request target is longer than the limit.
    TargetTooLong = 414_101, http_request_error;
    /// An Expect other than 100-continue.
    ExpectationFailed = 417_101, http_request_error;
    /// The client has as many connections as one client may.
    ClientHasTooManyConnections = 429_101, connection_limit_reached;
    /// The client has as many requests waiting, for a worker or a place at it, as one client may.
    ClientHasTooManyWaiting = 429_102, connection_limit_reached;
    /// The request's fields are more or longer than the limit.
    HeadTooLarge = 431_101, http_request_error;
    /// The client left before it was answered. Never sent, only counted and logged.
    ClientClosed = 499_101, http_request_error;
    /// A defect of ours.
    Internal = 500_101, proxy_internal_error;
    /// A transfer coding other than chunked.
    UnknownTransferCoding = 501_101, http_request_error;
    /// A stream of HTTP/2 was to become a tunnel of another protocol than a WebSocket.
    ProtocolNotSpoken = 501_102, http_request_denied;
    /// The worker refused the connection.
    WorkerRefusedConnection = 502_101, connection_refused;
    /// The worker closed or reset the connection before its answer.
    WorkerClosedConnection = 502_102, connection_terminated;
    /// The worker sent something that is not an HTTP response.
    WorkerBadResponse = 502_103, http_protocol_error;
    /// The worker was stopped before it answered, and the request can't be sent twice.
    WorkerStopped = 502_104, connection_terminated;
    /// The connection to the worker could not be made for another reason.
    WorkerUnreachable = 502_105, destination_unavailable;
    /// The worker's answer broke off. Only counted and logged: its head had been sent.
    AnswerTruncated = 502_106, http_response_incomplete;
    /// A tunnel was cut: its worker had to go, and it was not between two frames in time. Only
    /// counted and logged.
    TunnelCut = 502_107, connection_terminated;
    /// The worker said, more than once, that it does not begin with the request (HTTP/2).
    WorkerDeclined = 502_108, connection_refused;
    /// A call of gRPC, which needs HTTP/2, but the worker is spoken to in HTTP/1.1.
    GrpcNeedsHttp2 = 502_109, http_protocol_error;
    /// The worker was asked for a WebSocket, by a client on HTTP/2, and answered as if it had been
    /// asked for a page.
    WebSocketNotGranted = 502_110, http_protocol_error;
    /// The certificate of the worker, which is spoken to in TLS, is no longer valid.
    WorkerCertificateExpired = 502_111, tls_certificate_error;
    /// The certificate of the worker is not valid yet.
    WorkerCertificateNotYetValid = 502_112, tls_certificate_error;
    /// The certificate of the worker does not lead to one that is trusted.
    WorkerCertificateUnknownIssuer = 502_113, tls_certificate_error;
    /// The certificate of the worker is for other names than the one it is asked for by.
    WorkerCertificateWrongName = 502_114, tls_certificate_error;
    /// The certificate of the worker can't be used, though its time, its issuer and its names may
    /// be right.
    WorkerCertificateUnsuitable = 502_115, tls_certificate_error;
    /// The worker refused TLS with us: as a rule it wants a certificate of ours, or another one.
    WorkerTlsAlert = 502_116, tls_alert_received;
    /// The worker and we have no version, cipher or signature of TLS in common.
    WorkerTlsNothingInCommon = 502_117, tls_protocol_error;
    /// What the worker says is not TLS.
    WorkerNotTls = 502_118, tls_protocol_error;
    /// The worker does not agree to the version of HTTP that it is to be spoken to in.
    WorkerTlsOtherHttp = 502_119, tls_protocol_error;
    /// The worker does not keep to TLS's own rules.
    WorkerTlsBroken = 502_120, tls_protocol_error;
    /// The request is of a kind that ends its workers: it is served, but not sent to a second one.
    PoisonRequest = 502_121, connection_terminated;
    /// No worker became ready while the request was parked.
    ParkedTooLong = 503_101, destination_unavailable;
    /// No place is left to wait in.
    ParkingFull = 503_102, connection_limit_reached;
    /// The next start is due too late for this request, or the worker has been down too long.
    WorkerDown = 503_103, destination_unavailable;
    /// The worker does not stay up.
    WorkerGaveUp = 503_104, destination_unavailable;
    /// The worker was stopped by an operator.
    WorkerStoppedByOperator = 503_105, destination_unavailable;
    /// autoheal is stopping.
    ShuttingDown = 503_106, destination_unavailable;
    /// This machine has no local port or descriptor left for a connection to the worker.
    LocalExhaustion = 503_107, proxy_internal_error;
    /// The request has come through autoheal before, from the worker most likely, and no worker is
    /// ready, or each has as many requests as it may.
    WaitsForItself = 503_108, destination_unavailable;
    /// No place is left for one more client connection.
    TooManyConnections = 503_109, connection_limit_reached;
    /// A load balancer's probe was told to send requests elsewhere: a rule with `unready` fired.
    Unready = 503_110, destination_unavailable;
    /// As many requests as may wait for a place at the worker.
    QueueFull = 503_111, connection_limit_reached;
    /// The request waited for a place at the worker, and none became free in time.
    QueuedTooLong = 503_112, connection_limit_reached;
    /// By the rate at which the worker answers, the request would not have been served in time.
    Overloaded = 503_113, connection_limit_reached;
    /// The maintenance page is there, and is the answer to every request.
    Maintenance = 503_114, destination_unavailable;
    /// The worker's command could not be run. Names an incident, is never sent.
    StartCommandFailed = 503_201, destination_unavailable;
    /// The worker's fixed port is held by another process. Names an incident, is never sent.
    StartPortInUse = 503_202, destination_unavailable;
    /// The worker ended before its first complete answer. Names an incident, is never sent.
    StartExited = 503_203, destination_unavailable;
    /// The worker gave no complete answer within `start_timeout`. Names an incident, is never sent.
    StartTimedOut = 503_204, destination_unavailable;
    /// The worker listens on another port than it was given. Names an incident, is never sent.
    StartListensElsewhere = 503_205, destination_unavailable;
    /// The worker ended by itself while it served. Names an incident, is never sent.
    WorkerCrashed = 503_301, destination_unavailable;
    /// The kernel killed the worker for memory. Names an incident, is never sent.
    WorkerOutOfMemory = 503_302, destination_unavailable;
    /// A `status` rule fired: too many failing answers. Names an incident, is never sent.
    RuleStatus = 503_401, destination_unavailable;
    /// A `slow` rule fired: too many requests without a response head. Names an incident, is never
    /// sent.
    RuleSlow = 503_402, destination_unavailable;
    /// A `requests` rule fired: the worker served as many as it may. Names an incident, is never
    /// sent.
    RuleRequests = 503_403, destination_unavailable;
    /// A `memory` rule fired: the worker's private bytes stayed over the limit. Names an incident,
    /// is never sent.
    RuleMemory = 503_404, destination_unavailable;
    /// The worker failed its health probe too often. Names an incident, is never sent.
    Unhealthy = 503_405, destination_unavailable;
    /// Two recycles in a row that a rule caused did not help, so that the rule rests. Names an
    /// incident, is never sent.
    RecyclingDoesNotHelp = 503_406, destination_unavailable;
    /// The worker sent no response head in time.
    WorkerTimeout = 504_101, http_response_timeout;
    /// The worker did not accept the connection in time.
    ConnectTimeout = 504_102, connection_timeout;
    /// The TLS handshake with the worker was not over in time.
    WorkerTlsTimeout = 504_103, connection_timeout;
    /// The request line names a version of HTTP that is not spoken here: 1.1 and 1.0 are, and 2 by
    /// its own preface.
    VersionNotSpoken = 505_101, http_request_error;
    /// The request has been through this proxy before.
    Loop = 508_101, proxy_loop_detected;
}

impl Code {
    /// All six digits: `502101`.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The HTTP status that its first three digits are.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "six digits over a thousand are three"
    )]
    pub const fn status(self) -> u16 {
        (self.number() / 1000) as u16
    }

    /// What a caller of gRPC is told, in the manner of gRPC's own mapping of HTTP's statuses, but
    /// more exactly where that says unknown.
    #[must_use]
    pub fn grpc_status(self) -> GrpcStatus {
        match self.status() {
            _ if self == Self::GrpcNeedsHttp2 => GrpcStatus::UNIMPLEMENTED,
            // Callers may try again what is unavailable.
            _ if self == Self::PoisonRequest => GrpcStatus::INTERNAL,
            408 | 499 => GrpcStatus::CANCELLED,
            414 | 431 => GrpcStatus::RESOURCE_EXHAUSTED,
            405 | 501 | 505 => GrpcStatus::UNIMPLEMENTED,
            429 | 502..=504 => GrpcStatus::UNAVAILABLE,
            _ => GrpcStatus::INTERNAL,
        }
    }

    /// Whether it is ever sent to a client, rather than only counted, logged, or the name of an
    /// incident.
    #[must_use]
    pub fn is_sent(self) -> bool {
        self.number() % 1000 < 200
            && !matches!(
                self,
                Self::BadProxyHeader
                    | Self::HandshakeFailed
                    | Self::HandshakeTimeout
                    | Self::ClientClosed
                    | Self::AnswerTruncated
                    | Self::TunnelCut
            )
    }

    /// The code with this number or name, in any case: `502101`, `502.101`,
    /// `WorkerRefusedConnection`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.replace(['.', '_'], "");
        Self::ALL.iter().copied().find(|code| {
            code.name().eq_ignore_ascii_case(text) || code.number().to_string() == digits
        })
    }

    /// The code with this number: `502101`.
    #[must_use]
    pub fn of_number(number: u64) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|code| u64::from(code.number()) == number)
    }

    /// Every code, in the order of their numbers.
    #[must_use]
    pub fn all() -> &'static [Self] {
        Self::ALL
    }

    /// Its likely causes, the likeliest first, each with its cure.
    #[must_use]
    pub fn causes_and_cures(self) -> &'static [(&'static str, &'static str)] {
        cures::of(self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9209, section 2.3.
    const TOKENS: [&str; 14] = [
        "connection_limit_reached",
        "connection_refused",
        "connection_terminated",
        "connection_timeout",
        "destination_unavailable",
        "http_protocol_error",
        "http_request_denied",
        "http_request_error",
        "http_response_incomplete",
        "http_response_timeout",
        "proxy_internal_error",
        "tls_alert_received",
        "tls_certificate_error",
        "tls_protocol_error",
    ];

    #[test]
    fn every_code_has_a_meaning_a_token_and_a_cure_for_each_cause() {
        for code in Code::all() {
            let meaning = code.meaning();
            assert!(meaning.len() > 10 && meaning.ends_with('.'), "{code}");
            assert!(!meaning.contains("  "), "{code}: {meaning:?}");
            let token = code.proxy_error();
            assert!(
                TOKENS.contains(&token) || token == "proxy_loop_detected",
                "{code}"
            );
            assert!(!code.causes_and_cures().is_empty(), "{code}");
            for (cause, cure) in code.causes_and_cures() {
                for text in [cause, cure] {
                    assert!(text.len() > 15, "{code}: {text:?}");
                    assert!(!text.ends_with('.'), "{code}: {text:?}");
                    assert!(!text.contains("  "), "{code}: {text:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_rise_and_their_status_is_an_error() {
        assert!(
            Code::all()
                .windows(2)
                .all(|w| w[0].number() < w[1].number())
        );
        for code in Code::all() {
            assert!((400..600).contains(&code.status()), "{code}");
        }
    }

    #[test]
    fn a_code_is_found_by_number_and_by_name() {
        for code in Code::all() {
            assert_eq!(Code::parse(&code.number().to_string()), Some(*code));
            assert_eq!(Code::parse(&code.name().to_lowercase()), Some(*code));
        }
        assert_eq!(
            Code::parse(" 502.101 "),
            Some(Code::WorkerRefusedConnection)
        );
        assert_eq!(Code::parse("502"), None);
        assert_eq!(Code::parse(""), None);
    }

    #[test]
    fn a_code_that_is_never_sent_says_so() {
        for code in Code::all() {
            let meaning = code.meaning();
            let says = meaning.contains("ever sent") || meaning.contains("Only counted");
            assert_eq!(code.is_sent(), !says, "{code}");
        }
    }

    #[test]
    fn a_code_reads_as_in_iis() {
        let code = Code::WorkerRefusedConnection;
        assert_eq!(code.to_string(), "502101 WorkerRefusedConnection");
        assert_eq!(code.status(), 502);
    }
}
