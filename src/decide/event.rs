//! What happened, for people and for the journal: plain data with one line of text.

use std::fmt;

use crate::words::Generation;

/// One event of the healing loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What kind, for programs.
    pub kind: Kind,
    /// How urgent it is, by what an operator must do.
    pub level: Level,
    /// The worker it is about.
    pub generation: Option<Generation>,
    /// The incident it belongs to: one firing of a rule, one crash, one recycle.
    pub incident: Option<u64>,
    /// One line that says what happened, with the numbers, and what happens next. Lower case, no
    /// full stop.
    pub text: String,
    /// The same numbers for programs.
    pub fields: Vec<(&'static str, Field)>,
}

/// How urgent an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It changed.
    Info,
    /// We coped.
    Warn,
    /// Wake someone.
    Error,
}

/// One value of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// A count, or a number of the unit that the field's name ends in.
    Number(u64),
    /// Words.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// One value of JSON, of any kind.
    Json(String),
}

/// What kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A worker is being started.
    WorkerStarting,
    /// A worker was asked for what makes it warm.
    WarmedUp,
    /// A worker gave its first complete answer.
    WorkerReady,
    /// A worker ended without being asked to.
    WorkerExited,
    /// What a worker was doing when it crashed: the kinds of requests that it had.
    HadInFlight,
    /// A worker did not get ready.
    StartFailed,
    /// A worker that was told to stop is gone.
    WorkerStopped,
    /// The worker does not stay up; what happens now.
    GaveUp,
    /// A rule's condition held and its actions run, or would.
    RuleFired,
    /// A rule's condition holds but something keeps it from acting.
    RuleHeld,
    /// Something that the app depends on does not answer: rules that it may be to blame for rest.
    DependencyDown,
    /// It answers again.
    DependencyUp,
    /// A kind of requests ends its workers and is not sent twice, or is no longer thought to.
    PoisonRequest,
    /// What a rule expects of the time to come has changed.
    Forecast,
    /// The health probe failed often enough.
    Unhealthy,
    /// A worker is being replaced.
    RecycleBegun,
    /// A worker was replaced, or the old one kept.
    RecycleEnded,
    /// Whether the recycle that a rule caused helped.
    Verdict,
    /// Recycling does not help: the rule that does it is disarmed.
    NoHelp,
    /// A custom action ended.
    CommandEnded,
    /// The maintenance page came, or went.
    Maintenance,
    /// What was known of a worker was kept.
    Captured,
    /// Someone was told by a webhook, or could not be.
    Notified,
    /// Load balancers are told to send requests elsewhere, or that they may come back.
    Readiness,
    /// This process or its machine stood still; windows were voided.
    WindowsVoided,
    /// Requests are parked by an operator, or no longer.
    Hold,
    /// Rules were disarmed or armed by an operator.
    Armed,
    /// The worker was stopped or started by an operator.
    Operator,
    /// A new configuration is in force.
    Reloaded,
    /// A new configuration can't be used; the old one stays in force.
    ConfigurationRefused,
    /// autoheal itself is stopping.
    ShuttingDown,
    /// The worker listens on another port than it was told to.
    ListensElsewhere,
    /// The worker that something else starts is not there.
    WorkerAbsent,
    /// The worker that something else started could not be restarted.
    NotRestarted,
    /// TLS can't be agreed on with a worker that starts.
    TlsFailed,
    /// A certificate was renewed, can't be, or expires.
    Certificate,
    /// The journal's disk does not take records, or does again.
    RecordsLost,
    /// The number of workers follows the load, or can't.
    Scaled,
    /// An incident is over: the whole of it.
    IncidentClosed,
    /// A worker gets fewer requests at once, or more again, as it was found what it can do.
    Concurrency,
}

impl Kind {
    /// Its name in the journal and in `events --json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkerStarting => "worker-starting",
            Self::WarmedUp => "warmed-up",
            Self::WorkerReady => "worker-ready",
            Self::WorkerExited => "worker-exited",
            Self::HadInFlight => "had-in-flight",
            Self::StartFailed => "start-failed",
            Self::WorkerStopped => "worker-stopped",
            Self::GaveUp => "gave-up",
            Self::RuleFired => "rule-fired",
            Self::RuleHeld => "rule-held",
            Self::DependencyDown => "dependency-down",
            Self::DependencyUp => "dependency-up",
            Self::PoisonRequest => "poison-request",
            Self::Forecast => "forecast",
            Self::Unhealthy => "unhealthy",
            Self::RecycleBegun => "recycle-begun",
            Self::RecycleEnded => "recycle-ended",
            Self::Verdict => "verdict",
            Self::NoHelp => "recycling-does-not-help",
            Self::CommandEnded => "command-ended",
            Self::Maintenance => "maintenance",
            Self::Captured => "captured",
            Self::Notified => "notified",
            Self::Readiness => "readiness",
            Self::WindowsVoided => "windows-voided",
            Self::Hold => "hold",
            Self::Armed => "armed",
            Self::Operator => "operator",
            Self::Reloaded => "reloaded",
            Self::ConfigurationRefused => "configuration-refused",
            Self::ShuttingDown => "shutting-down",
            Self::ListensElsewhere => "listens-elsewhere",
            Self::WorkerAbsent => "worker-absent",
            Self::NotRestarted => "not-restarted",
            Self::TlsFailed => "tls-failed",
            Self::Certificate => "certificate",
            Self::RecordsLost => "records-lost",
            Self::Scaled => "scaled",
            Self::IncidentClosed => "incident-closed",
            Self::Concurrency => "concurrency",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
