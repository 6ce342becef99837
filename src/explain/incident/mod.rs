//! The story of an incident: one firing of a rule, one crash, one recycle.
//!
//! The journal's lines about it are folded into one record: what happened and why, what was done,
//! what it cost and saved, whether it helped. The record is what `autoheal incidents` lists, what
//! `autoheal explain` tells ([`story`]), and one whole line of the journal and the log when the
//! incident is closed.
//!
//! Invariant: nothing here does I/O or reads a clock; records and their number are bounded.

mod fold;
pub mod ledger;
mod line;
pub mod store;
pub mod story;

use serde::{Deserialize, Serialize};

use self::ledger::{Averted, Cost};
pub use self::line::Line;

/// No record is longer as JSON: it must fit into a line of the journal.
pub const RECORD_BYTES_MAX: usize = 12 * 1024;

/// So many moments of one incident are kept: the first ones and the latest.
const MOMENTS: usize = 32;
/// Of these so many first ones.
const MOMENTS_FIRST: usize = 12;
/// A text in a record is no longer, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// Everything that is known of one incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Incident {
    /// Its number.
    pub id: u64,
    /// What kind it is.
    pub kind: Kind,
    /// How far it is.
    pub state: State,
    /// When it began, RFC 3339.
    pub opened_at: String,
    /// When it was over, RFC 3339.
    pub closed_at: Option<String>,
    /// From its beginning to its end, or to its latest moment.
    pub lasted_ms: u64,
    /// What happened, in one line.
    pub what: String,
    /// The rule that fired.
    pub rule: Option<String>,
    /// What the rule looks at: `status`, `slow`, `memory`...
    pub when: Option<String>,
    /// Which of several instances.
    pub instance: Option<u64>,
    /// The worker that it is about.
    pub generation: Option<u64>,
    /// The worker that came instead.
    pub replaced_by: Option<u64>,
    /// How the worker ended, if it did so by itself.
    pub exit: Option<Exit>,
    /// What the latest of its workers that ended by itself printed right before that.
    pub last_words: Option<LastWords>,
    /// `overlap` or `in-place`, if a worker was recycled.
    pub strategy: Option<String>,
    /// How it ended: `restarted`, `replaced`, `kept-old`, `failed`, `gave-up`, `reported`,
    /// `disarmed`, `exited` (autoheal itself, for the app).
    pub outcome: Option<String>,
    /// Whether the recycle helped, if that could be judged.
    pub verdict: Option<Verdict>,
    /// The code that names it, if it has one of its own: `503406 RecyclingDoesNotHelp`.
    pub code: Option<String>,
    /// What would help where recycling does not.
    pub cure: Option<String>,
    /// That a rule was disarmed for it was told.
    pub disarmed: bool,
    /// The incident whose recycle was the last that did not help.
    pub last: Option<u64>,
    /// What it cost; while it is open, so far.
    pub cost: Option<Cost>,
    /// What it saved.
    pub averted: Option<Averted>,
    /// What was said of it, the oldest first.
    pub moments: Vec<Moment>,
    /// So many more moments are not kept.
    pub moments_left_out: u64,
    #[serde(skip)]
    opened_mono_ms: u64,
}

/// What kind of incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A worker ended without being asked to.
    Crash,
    /// A worker did not get ready.
    FailedStart,
    /// A rule fired.
    Rule,
    /// The health probe failed often enough.
    Unhealthy,
    /// Recycling does not help: a rule was disarmed.
    NoHelp,
    /// Someone wanted the worker replaced, or a new configuration did.
    #[default]
    Recycle,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::FailedStart => "failed-start",
            Self::Rule => "rule",
            Self::Unhealthy => "unhealthy",
            Self::NoHelp => "no-help",
            Self::Recycle => "recycle",
        }
    }
}

/// How far an incident is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Something is done about it.
    #[default]
    Open,
    /// All is done; the verdict is due.
    Judging,
    /// It is over.
    Closed,
    /// autoheal ended before it was over.
    CutOff,
}

/// How a worker ended by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exit {
    /// In words: `exit code 1`, `killed by SIGSEGV (core dumped)`.
    pub how: String,
    /// Its exit code, if it called exit.
    pub code: Option<u64>,
    /// The signal that killed it.
    pub signal: Option<u64>,
    /// The kernel killed it because its control group had no memory left.
    pub oom_killed: bool,
    /// The system wrote a core dump.
    pub core_dumped: bool,
    /// How long it had served.
    pub uptime_ms: u64,
    /// So many requests it had when they were last counted, a tenth of a second before at most.
    pub in_flight: u64,
    /// The kinds of requests that it had, if the end was of its own making.
    pub requests: Option<String>,
}

/// What a worker printed right before its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastWords {
    /// Which worker.
    pub generation: Option<u64>,
    /// The lines, the oldest first.
    pub lines: Vec<String>,
}

/// Whether a recycle helped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// `helped`, `did-not-help` or `unclear`.
    pub verdict: String,
    /// What it rests on.
    pub because: String,
    /// What was compared, where it was a share of requests: `status`, `slow`, `abandoned`.
    pub compared: Option<String>,
    /// Matching and all requests before the recycle.
    pub before: Option<(u64, u64)>,
    /// Matching and all requests of the new worker.
    pub after: Option<(u64, u64)>,
}

/// One thing that was said of an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moment {
    /// Since the incident began.
    pub after_ms: u64,
    /// The kind of event.
    pub kind: String,
    /// What was said.
    pub text: String,
}

impl Incident {
    /// Ends it: nothing more is done about it.
    pub fn close(&mut self, at: String, lasted_ms: u64) {
        self.state = State::Closed;
        self.closed_at = Some(at);
        self.lasted_ms = lasted_ms;
    }

    /// Takes in what it cost, and what follows from that.
    pub fn charge(&mut self, cost: Cost) {
        self.averted = Averted::of(&cost, self.verdict.as_ref());
        self.cost = Some(cost);
    }

    /// The record as JSON, short enough for a line of the journal: moments are left out until it
    /// is.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut short = self.clone();
        loop {
            // A record of strings and numbers has no way to fail.
            let json = serde_json::to_string(&short).unwrap_or_default();
            if json.len() <= RECORD_BYTES_MAX || short.moments.is_empty() {
                return json;
            }
            short.moments.remove(short.moments.len() / 2);
            short.moments_left_out += 1;
        }
    }

    /// Reads a record; `None`: it is not one.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Option<Self> {
        Self::deserialize(json).ok()
    }

    /// Whether it is worth a warning now that it is over: it cost clients something, or was not
    /// mended.
    #[must_use]
    pub fn hurt(&self) -> bool {
        let cost = self.cost.as_ref();
        let cost = cost.is_some_and(|cost| cost.refused + cost.failed > 0);
        let in_vain = match &self.verdict {
            Some(verdict) => verdict.verdict != "helped",
            None => matches!(
                self.outcome.as_deref(),
                Some("disarmed" | "failed" | "gave-up" | "kept-old")
            ),
        };
        cost || in_vain
    }

    /// How it came out, in a word.
    #[must_use]
    pub fn came_out(&self) -> &str {
        match (&self.verdict, &self.outcome, self.state) {
            (Some(verdict), ..) => &verdict.verdict,
            (None, Some(outcome), _) => outcome,
            (None, None, State::CutOff) => "cut-off",
            (None, None, State::Closed) => "closed",
            (None, None, State::Open | State::Judging) => "open",
        }
    }
}

#[cfg(test)]
mod tests;
