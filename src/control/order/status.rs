//! How things are, as plain data for people and programs.

use serde::{Deserialize, Serialize};

/// How things are, for people and programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// autoheal's version.
    pub version: String,
    /// `heal`, `observe` or `relay`.
    pub mode: String,
    /// autoheal's own process.
    pub pid: u32,
    /// Since the process started.
    pub uptime_ms: u64,
    /// Whether a request now would be passed or parked.
    pub ready: bool,
    /// Why someone else is to restart the worker, if someone is.
    #[serde(default)]
    pub restart_wanted: Option<String>,
    /// In one sentence: `serving`, `in-place recycle: 12 requests are parked`.
    pub state: String,
    /// Where it listens.
    pub listen: Vec<String>,
    /// The configuration's files.
    pub config: Vec<String>,
    /// The certificates that clients are shown.
    #[serde(default)]
    pub certificates: Vec<CertificateStatus>,
    /// The workers that exist, the oldest first.
    pub workers: Vec<WorkerStatus>,
    /// Where there may be several at the same time: those that there are to be, by their numbers.
    #[serde(default)]
    pub instances: Vec<InstanceStatus>,
    /// The rules in force.
    pub rules: Vec<RuleStatus>,
    /// What the app depends on.
    #[serde(default)]
    pub dependencies: Vec<DependencyStatus>,
    /// Kinds of requests that end their workers: served, but not sent twice.
    #[serde(default)]
    pub poison: Vec<PoisonStatus>,
    /// What recycles rules may still cause.
    pub budget: BudgetStatus,
    /// Requests that wait for a worker.
    pub parking: ParkingStatus,
    /// Requests that wait for a place at a worker.
    #[serde(default)]
    pub queue: QueueStatus,
    /// What became of all requests.
    pub ledger: LedgerStatus,
    /// What each data thread holds.
    pub threads: Vec<ThreadStatus>,
    /// What became of incidents.
    #[serde(default)]
    pub incidents: IncidentsStatus,
    /// Lines of the access log that could not be written.
    #[serde(default)]
    pub access_log_lost: u64,
    /// What an operator should know, a sentence each.
    pub warnings: Vec<String>,
}

/// One certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Its file.
    pub certificate: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// It is valid from then on, RFC 3339.
    pub not_before: String,
    /// It is valid until then, RFC 3339.
    pub not_after: String,
    /// So long; negative: it has expired.
    pub remaining_s: i64,
}

/// One of several that serve at the same time; its number outlives its workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its number, from one up.
    pub instance: u32,
    /// `ready`, `starting`, `waiting` (for its next start), `gave up`, `stopped`...
    pub state: String,
    /// When it is started next, if that is planned.
    pub next_start_ms: Option<u64>,
}

/// One generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its number.
    pub generation: u32,
    /// The instance that it is a generation of; null: there is only one.
    #[serde(default)]
    pub instance: Option<u32>,
    /// `starting`, `ready`, `draining`, `stopping`.
    pub state: String,
    /// Its main process.
    pub pid: Option<u32>,
    /// Where it listens: `127.0.0.1:41233`, `unix:/run/..`.
    pub address: String,
    /// Since it was started.
    pub uptime_ms: u64,
    /// Requests that it has.
    pub in_flight: u64,
    /// Its tree's private memory, where it can be read.
    pub private_bytes: Option<u64>,
    /// So many requests at once it may have now, where that is found out...
    #[serde(default)]
    pub limit: Option<u64>,
    /// ...and why.
    #[serde(default)]
    pub limit_why: Option<String>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleStatus {
    /// Its name.
    pub name: String,
    /// Of several instances the one where there is most to see; null: there is nothing to see at
    /// any, or only one.
    #[serde(default)]
    pub instance: Option<u32>,
    /// `armed`, `firing`, `cooling`, `disarmed`.
    pub state: String,
    /// Its numbers and limits now: `2 of 5 slower than 30s in 2min`.
    pub now: String,
    /// Why it does not act although its condition holds.
    pub held: Option<String>,
    /// How often it fired.
    pub fired: u64,
    /// How long it stays cooling or disarmed.
    pub remaining_ms: Option<u64>,
    /// Whether its last recycle helped: `helped`, `did-not-help`, `unclear`; null: not told yet.
    #[serde(default)]
    pub verdict: Option<String>,
}

/// One thing that the app depends on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DependencyStatus {
    /// Its name.
    pub name: String,
    /// Where it is asked.
    pub address: String,
    /// `up`, `doubtful`, `down`, or `unknown` before the first answer.
    pub state: String,
    /// For how long it has failed.
    pub failing_ms: Option<u64>,
    /// Why the last probe failed, while it fails.
    pub why: Option<String>,
}

/// A kind of requests that ends its workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoisonStatus {
    /// `POST /report/*`.
    pub request: String,
    /// What that rests on: `in flight at 3 of 3 crashes, 2% of the traffic`.
    pub because: String,
    /// So many crashes it was in.
    pub crashes: u64,
    /// When it is forgotten, if it is in none any more.
    pub remaining_ms: u64,
}

/// The recycles that rules may cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// Caused within the window.
    pub used: u32,
    /// Allowed within the window.
    pub recycles: u32,
    /// The window.
    pub window_ms: u64,
    /// Caused within a day.
    pub used_today: u32,
    /// Allowed within a day.
    pub per_day: u32,
}

/// The requests that wait for a worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ParkingStatus {
    /// So many wait now.
    pub requests: u64,
    /// So many may.
    pub requests_max: u64,
    /// They hold so many bytes.
    pub bytes: u64,
    /// They may hold so many.
    pub bytes_max: u64,
    /// While an operator holds requests: for how much longer.
    pub hold_remaining_ms: Option<u64>,
}

/// The requests that wait for a place at a worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// So many wait now.
    pub requests: u64,
    /// So many may.
    pub requests_max: u64,
    /// So many places each worker has; `None`: as many as come.
    pub places: Option<u64>,
    /// Each has as many as it can do, which is found out.
    #[serde(default)]
    pub found: bool,
}

/// What became of all requests since the start. The first is the sum of the next five.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerStatus {
    /// Heads read.
    pub accepted: u64,
    /// Answered by a worker to the end.
    pub completed: u64,
    /// Answered by us without a worker.
    pub refused: u64,
    /// Their clients left.
    pub client_aborted: u64,
    /// Failed by a worker.
    pub failed: u64,
    /// Not ended yet.
    pub in_flight: u64,
    /// Of all: had to wait for a worker.
    pub parked: u64,
    /// Of all: had to wait for a place at a worker.
    #[serde(default)]
    pub queued: u64,
    /// Of all: were sent a second time.
    pub replayed: u64,
    /// Of all: became tunnels (WebSockets).
    pub tunnels: u64,
    /// Of these: ended with a word to their client that their worker goes away.
    pub tunnels_moved: u64,
    /// Refused and failed, by code.
    pub by_code: Vec<CodeCount>,
}

/// How often a code was the answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CodeCount {
    /// `502101`.
    pub code: u32,
    /// `WorkerRefusedConnection`.
    pub name: String,
    /// So often.
    pub count: u64,
}

/// Incidents of this run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentsStatus {
    /// Not over yet.
    pub open: u64,
    /// So many can be told of, those of earlier runs too...
    pub remembered: u64,
    /// ...of so many at most.
    pub remembered_max: u64,
    /// Those that are over.
    pub closed: Vec<IncidentCount>,
}

/// How often incidents of a kind came out like that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentCount {
    /// `crash`, `rule`, `recycle`...
    pub kind: String,
    /// `helped`, `did-not-help`, `unclear`; where nothing could be judged `restarted`,
    /// `replaced`, `kept-old`...
    pub outcome: String,
    /// So often.
    pub count: u64,
}

/// One data thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThreadStatus {
    /// Client connections that it holds.
    pub connections: u64,
    /// Requests in flight on it.
    pub in_flight: u64,
}
