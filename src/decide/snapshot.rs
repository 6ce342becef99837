//! The engine at one moment, as plain data for `status` and the dashboard.

use std::time::Duration;

use crate::{
    time::MonoTime,
    units::ByteSize,
    words::{Generation, Mode},
};

/// The engine at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// `starting`, `ready`, `draining`, `stopping`, `down`, `waiting` (for the next start), `gave
    /// up`, `stopped` (by an operator), `maintenance` or `shutting down`.
    pub phase: &'static str,
    /// What is done with what is decided.
    pub mode: Mode,
    /// Every worker that is not gone, the oldest first.
    pub generations: Vec<GenerationView>,
    /// The rules in force, in the policy's order.
    pub rules: Vec<RuleView>,
    /// The budget of recycles by rules.
    pub budget: BudgetView,
    /// When the next start is due; in the past: it waits for an old worker to be gone.
    pub next_start: Option<MonoTime>,
    /// Since when nothing serves.
    pub down_since: Option<MonoTime>,
    /// A request that came now would be passed or parked, and autoheal is not about to end.
    pub takes: bool,
    /// Why someone else is to restart the worker, if someone is.
    pub restart_wanted: Option<String>,
    /// Load balancers are told to send requests elsewhere.
    pub unready: bool,
    /// Every request is parked until then.
    pub hold_until: Option<MonoTime>,
    /// The recycle under way.
    pub recycle: Option<RecycleView>,
    /// Everything has ended by then.
    pub shutdown_deadline: Option<MonoTime>,
    /// The latest incident.
    pub last_incident: Option<IncidentView>,
    /// What the app depends on, in the policy's order.
    pub dependencies: Vec<DependencyView>,
    /// Kinds of requests that end their workers.
    pub poison: Vec<PoisonView>,
    /// The instances, by their numbers, less those that go for good.
    pub instances: Vec<InstanceView>,
}

/// One of the workers that are to serve at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceView {
    /// Its number.
    pub instance: u32,
    /// As [`Snapshot::phase`], of this one alone.
    pub phase: &'static str,
    /// When its next start is due.
    pub next_start: Option<MonoTime>,
}

/// A kind of requests that ends its workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoisonView {
    /// `POST /report/*`.
    pub request: String,
    /// What that rests on: `in flight at 3 of 3 crashes, 2% of the traffic`.
    pub because: String,
    /// So many crashes it was in.
    pub crashes: u64,
    /// It is forgotten then.
    pub until: MonoTime,
}

/// Something that the app depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyView {
    /// Its name.
    pub name: String,
    /// Where it is asked.
    pub address: String,
    /// `up`, `doubtful`, `down`, or `unknown` before the first answer.
    pub state: &'static str,
    /// Since when it has failed.
    pub failing_since: Option<MonoTime>,
    /// Why the last failed probe failed, while it fails.
    pub why: Option<String>,
}

/// One worker.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationView {
    /// Which.
    pub generation: Generation,
    /// The instance that it is a generation of.
    pub instance: u32,
    /// `starting`, `ready`, `draining` or `stopping`.
    pub state: &'static str,
    /// New requests may go to it.
    pub on_roster: bool,
    /// Its main process, once that exists.
    pub pid: Option<u32>,
    /// When it was started.
    pub started_at: MonoTime,
    /// When it gave its first complete answer.
    pub ready_since: Option<MonoTime>,
    /// How long it has been ready.
    pub uptime: Option<Duration>,
    /// Requests in flight, as of the last tally.
    pub in_flight: u64,
    /// Its private memory, as of the last sample.
    pub private_bytes: Option<ByteSize>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// The instance that is seen here, where there may be several and something is to be seen.
    pub instance: Option<u32>,
    /// `armed`, `firing`, `cooling`, `disarmed` or `off`.
    pub state: &'static str,
    /// When that state ends, if that is known.
    pub until: Option<MonoTime>,
    /// Its numbers and limits now, in words.
    pub reading: String,
    /// Requests, bytes or milliseconds that count against it now, by its first condition.
    pub matching: u64,
    /// Requests in its scope.
    pub total: u64,
    /// How many of them are too many.
    pub limit: u64,
    /// Why it does not act although its condition holds.
    pub held: Option<String>,
    /// How often it has fired since autoheal or this rule's definition came into force.
    pub firings: u64,
    /// It only reports.
    pub observes: bool,
    /// Whether it stands there by default.
    pub proactive: bool,
    /// Whether its last recycle helped, if that has been told.
    pub verdict: Option<VerdictView>,
}

/// Whether a recycle helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictView {
    /// `helped`, `did-not-help` or `unclear`.
    pub verdict: &'static str,
    /// The incident.
    pub incident: u64,
    /// When it was reached.
    pub at: MonoTime,
}

/// The budget of recycles by rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetView {
    /// Left in the sliding window...
    pub left: u32,
    /// ...of so many...
    pub of: u32,
    /// ...in this time.
    pub window: Duration,
    /// Left in 24 hours...
    pub left_today: u32,
    /// ...of so many.
    pub per_day: u32,
}

/// A recycle under way.
#[derive(Clone, Debug, PartialEq)]
pub struct RecycleView {
    /// The incident that `RecycleEnded` will carry.
    pub incident: u64,
    /// The instance whose worker it is, where there may be several.
    pub instance: Option<u32>,
    /// Everything it is done for.
    pub reasons: Vec<String>,
    /// `overlap` or `in-place`.
    pub strategy: &'static str,
    /// `starting`, `handing over`, `waiting for quiet`, `draining` or `stopping`.
    pub phase: &'static str,
    /// The worker that goes, if one served.
    pub old: Option<Generation>,
    /// The worker that comes, once it is started.
    pub new: Option<Generation>,
    /// When it began.
    pub began: MonoTime,
}

/// An incident.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentView {
    /// Its number.
    pub incident: u64,
    /// When it happened.
    pub at: MonoTime,
    /// Its first event's line.
    pub text: String,
}
