//! The table of codes: every answer autoheal makes itself has one.

/// A code: an HTTP status, three digits and a name, as in `502101 WorkerRefusedConnection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Code {
    /// No Host field, or more than one, or one that is not a host.
    BadHost = 400_101,
    /// A request target that is not of an allowed form.
    BadTarget = 400_102,
    /// Content-Length or Transfer-Encoding that could be read in two ways.
    AmbiguousFraming = 400_103,
    /// A field name or value that may not be sent on.
    BadField = 400_104,
    /// CONNECT or TRACE.
    MethodNotForwarded = 405_101,
    /// The client did not finish its request head in time.
    HeadTimeout = 408_101,
    /// The request target is longer than the limit.
    TargetTooLong = 414_101,
    /// An Expect other than 100-continue.
    ExpectationFailed = 417_101,
    /// The request's fields are more or longer than the limit.
    HeadTooLarge = 431_101,
    /// The client left before it was answered. Never sent, only counted and logged.
    ClientClosed = 499_101,
    /// A defect of ours.
    Internal = 500_101,
    /// A transfer coding other than chunked.
    UnknownTransferCoding = 501_101,
    /// The worker refused the connection.
    WorkerRefusedConnection = 502_101,
    /// The worker closed or reset the connection before its answer.
    WorkerClosedConnection = 502_102,
    /// The worker sent something that is not an HTTP response.
    WorkerBadResponse = 502_103,
    /// The worker was stopped before it answered, and the request can't be sent twice.
    WorkerStopped = 502_104,
    /// The connection to the worker could not be made for another reason.
    WorkerUnreachable = 502_105,
    /// The worker's answer broke off. Only counted and logged: its head had been sent.
    AnswerTruncated = 502_106,
    /// No worker became ready while the request was parked.
    ParkedTooLong = 503_101,
    /// No place is left to wait in.
    ParkingFull = 503_102,
    /// The next start is due too late for this request, or the worker has been down too long.
    WorkerDown = 503_103,
    /// The worker does not stay up.
    WorkerGaveUp = 503_104,
    /// The worker was stopped by an operator.
    WorkerStoppedByOperator = 503_105,
    /// autoheal is stopping.
    ShuttingDown = 503_106,
    /// This machine has no local port or descriptor left for a connection to the worker.
    LocalExhaustion = 503_107,
    /// The request comes from the worker's own tree, and no worker is ready.
    WaitsForItself = 503_108,
    /// No place is left for one more client connection.
    TooManyConnections = 503_109,
    /// The worker sent no response head in time.
    WorkerTimeout = 504_101,
    /// The worker did not accept the connection in time.
    ConnectTimeout = 504_102,
    /// The request has been through this proxy before.
    Loop = 508_101,
}

impl Code {
    pub fn number(self) -> u32 {
        self as u32
    }
    pub fn status(self) -> u16 {
        (self as u32 / 1000) as u16
    }
    pub fn name(self) -> &'static str {
        "X"
    }
    pub fn meaning(self) -> &'static str {
        "X"
    }
    pub fn proxy_error(self) -> &'static str {
        "x"
    }
}
