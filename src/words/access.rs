//! What a line of the access log can say.

/// One member of a line of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessField {
    /// When the request's head was read.
    At,
    /// The client's address.
    Client,
    /// The method.
    Method,
    /// The path, with its query if that is wanted.
    Path,
    /// What the client speaks.
    Protocol,
    /// The status of the answer.
    Status,
    /// The code, if autoheal answered by itself or the worker's answer broke off.
    Code,
    /// How it ended: completed, aborted, refused or failed; always-on: autoheal asked for it.
    End,
    /// So many bytes of the answer's body were sent.
    Bytes,
    /// From the request's head to its end, in milliseconds.
    Duration,
    /// From the request's head to the answer's, in milliseconds.
    Head,
    /// The generation of the worker.
    Worker,
    /// The instance that this is a generation of, where there may be several.
    Instance,
    /// Whether it waited for a worker.
    Parked,
    /// How often it was sent once more.
    Replayed,
    /// The request id.
    Id,
    /// The host.
    Host,
    /// `User-Agent`.
    UserAgent,
    /// `Referer`.
    Referer,
    /// Whose certificate the client has shown.
    Subject,
}

impl AccessField {
    /// Every one, in the order of a line.
    pub const ALL: [Self; 20] = [
        Self::At,
        Self::Client,
        Self::Method,
        Self::Path,
        Self::Protocol,
        Self::Status,
        Self::Code,
        Self::End,
        Self::Bytes,
        Self::Duration,
        Self::Head,
        Self::Worker,
        Self::Instance,
        Self::Parked,
        Self::Replayed,
        Self::Id,
        Self::Host,
        Self::UserAgent,
        Self::Referer,
        Self::Subject,
    ];

    /// Its word in configuration and in JSON lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::At => "at",
            Self::Client => "client",
            Self::Method => "method",
            Self::Path => "path",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Code => "code",
            Self::End => "end",
            Self::Bytes => "bytes",
            Self::Duration => "duration_ms",
            Self::Head => "head_ms",
            Self::Worker => "worker",
            Self::Instance => "instance",
            Self::Parked => "parked",
            Self::Replayed => "replayed",
            Self::Id => "id",
            Self::Host => "host",
            Self::UserAgent => "user_agent",
            Self::Referer => "referer",
            Self::Subject => "client_subject",
        }
    }
}
