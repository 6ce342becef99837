//! The facts the engine is told. Each names the generation it was measured on.

mod earlier;
mod level;

use std::{path::PathBuf, sync::Arc, time::Duration};

pub use earlier::{Deed, Earlier};
pub use level::{Level, Levels, Measure, Resource, Waiting};

use super::policy::Policy;
use crate::{
    explain::code::Code,
    time::MonoTime,
    units::{ByteSize, RequestShape},
    words::{Exit, Generation, LastWords},
};

/// Why a health probe counts as failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhealthy {
    /// As a fragment for people.
    pub why: String,
    /// There was no answer at all in time.
    pub silent: bool,
}

/// One fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// What one generation did since the last tally. Given for each live generation at every
    /// tick, and at once when a request became slow.
    Tally(Tally),
    /// What routes one generation's requests were for, since the last time. Told where a rule asks
    /// which of them makes memory grow.
    Routes {
        /// Whose.
        generation: Generation,
        /// How many requests each route had; those of no name are the rest.
        requests: Vec<(Arc<str>, u64)>,
    },
    /// The private memory of one generation's tree.
    Memory(MemorySample),
    /// What else one generation's tree uses.
    Levels(Levels),
    /// The worker's process exists.
    Started {
        /// Whose.
        generation: Generation,
        /// Its process id.
        pid: u32,
    },
    /// While starting: it answered, and was then asked for what makes it warm; `Ready` follows.
    WarmedUp(WarmUp),
    /// A complete HTTP answer was seen.
    Ready {
        /// Whose.
        generation: Generation,
    },
    /// The worker could not be started at all, or its port is taken. No process of it is left;
    /// nothing more is told of this generation.
    StartFailed {
        /// Whose.
        generation: Generation,
        /// Why, as a fragment for people.
        why: StartFailure,
    },
    /// While starting: the worker's tree listens on another port than the one it was given.
    ListensElsewhere {
        /// Whose.
        generation: Generation,
        /// Where it should listen.
        expected: u16,
        /// Where it does.
        found: u16,
    },
    /// About a worker that something else starts.
    Attaching {
        /// Which.
        generation: Generation,
        /// What is in the way.
        trouble: Trouble,
    },
    /// While starting: TLS can't be agreed on with the worker. Told when the reason is another.
    TlsFailed {
        /// Whose.
        generation: Generation,
        /// Which way.
        code: Code,
        /// Why and what to do, as a fragment for people.
        why: String,
    },
    /// What the worker printed right before its main process ended; `Exited` follows.
    LastWords {
        /// Whose.
        generation: Generation,
        /// The lines.
        words: LastWords,
    },
    /// The worker's main process ended.
    Exited {
        /// Whose.
        generation: Generation,
        /// How.
        exit: Exit,
        /// The cgroup's OOM kill counter went up since the last look.
        oom_killed: bool,
        /// Some line of its last output says that the address is in use.
        address_in_use: bool,
        /// Other processes of its tree were still alive. After exit code 0 this means that it
        /// forked into the background; a killed one leaves its children behind, too.
        left_children: bool,
    },
    /// No process of its tree is left. Without an `Exited` before it, it counts as killed.
    Gone {
        /// Whose.
        generation: Generation,
    },
    /// Answer to [`super::step::Step::AwaitQuiet`]: nothing old is in flight.
    Quiet {
        /// Whose.
        generation: Generation,
    },
    /// Answer to [`super::step::Step::Drain`]: nothing is in flight and no connection is open.
    Drained {
        /// Whose.
        generation: Generation,
        /// So many requests were cut at the deadline.
        cut: u64,
    },
    /// The health probe's answer.
    Probe {
        /// Whose.
        generation: Generation,
        /// `Err`: it counts as failed.
        result: Result<(), Unhealthy>,
    },
    /// A custom action ended.
    CommandEnded {
        /// The incident it belongs to.
        incident: u64,
        /// How it ended, as a fragment for people: `exit code 0 after 1.2s`.
        how: String,
    },
    /// Answer to [`super::step::Step::Capture`].
    Captured {
        /// The incident it belongs to.
        incident: u64,
        /// What was kept and where, as a fragment for people.
        what: String,
    },
    /// Answer to [`super::step::Step::Notify`].
    Notified {
        /// The incident it belongs to.
        incident: u64,
        /// Who was told, or why nobody was, as a fragment for people.
        result: Result<String, String>,
    },
    /// A time of a schedule has come, whatever worker serves. Each is told once.
    ScheduleDue {
        /// The place of the schedule among the conditions of the policy's rules.
        condition: usize,
    },
    /// The maintenance page came, or went.
    Maintenance {
        /// It is there.
        on: bool,
    },
    /// By the wall clock, the quiet time of a rule began or ended. Told at each change, and after
    /// [`Word::Reload`] for every rule that is in it.
    QuietTime {
        /// The rule's place in the policy.
        rule: usize,
        /// How much of it is left; `None`: it is over.
        left: Option<Duration>,
    },
    /// A watched file has other content than before, whatever worker serves.
    FileChanged {
        /// As the policy names it.
        path: PathBuf,
        /// When that was first seen. A worker that was started later is not concerned.
        since: MonoTime,
    },
    /// Whether the CPU that there is for the worker was used up in the last second; told once a
    /// second.
    Cpu {
        /// All of it.
        full: bool,
    },
    /// Answer to [`super::step::Step::ListLost`].
    Lost {
        /// The crash.
        incident: u64,
        /// The kinds of requests that were in flight, each once.
        in_flight: Vec<RequestShape>,
    },
    /// How much of the traffic the suspected kinds of requests are.
    Presence(Presence),
    /// Answer to [`super::step::Step::AskDependency`].
    Dependency {
        /// The number of the probe.
        probe: u64,
        /// `Err`: why it counts as failed, as a fragment for people.
        result: Result<(), String>,
    },
    /// This process did not run for so long: windows hold nothing that can be trusted. To be told
    /// before anything else of its moment, also before [`super::engine::Engine::handle_timeout`].
    Stalled(Duration),
    /// What earlier runs did that still counts, the oldest first. Told before anything else.
    Earlier(Vec<Earlier>),
    /// An operator's word.
    Operator(Word),
}

impl Observation {
    /// Whom it is about; `None`: not one worker alone.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        match self {
            Self::Tally(tally) => Some(tally.generation),
            Self::WarmedUp(seen) => Some(seen.generation),
            Self::Memory(sample) => Some(sample.generation),
            Self::Levels(levels) => Some(levels.generation),
            Self::Routes { generation, .. }
            | Self::Started { generation, .. }
            | Self::Ready { generation }
            | Self::StartFailed { generation, .. }
            | Self::ListensElsewhere { generation, .. }
            | Self::Attaching { generation, .. }
            | Self::TlsFailed { generation, .. }
            | Self::LastWords { generation, .. }
            | Self::Exited { generation, .. }
            | Self::Gone { generation }
            | Self::Quiet { generation }
            | Self::Drained { generation, .. }
            | Self::Probe { generation, .. } => Some(*generation),
            Self::CommandEnded { .. }
            | Self::Captured { .. }
            | Self::Notified { .. }
            | Self::Dependency { .. }
            | Self::Lost { .. }
            | Self::Presence(_)
            | Self::Maintenance { .. }
            | Self::QuietTime { .. }
            | Self::ScheduleDue { .. }
            | Self::FileChanged { .. }
            | Self::Stalled(_)
            | Self::Earlier(_)
            | Self::Cpu { .. }
            | Self::Operator(_) => None,
        }
    }
}

/// What one generation did since its last tally.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Whose.
    pub generation: Generation,
    /// For each condition of each rule, in the policy's order. What does not look at requests stays
    /// at zero. What
    /// was counted under another policy than the one in force must not be told (a list of another
    /// length is passed over): drain the tallies before [`Word::Reload`].
    pub rules: Vec<RuleCount>,
    /// Response heads given by the worker.
    pub answered: u64,
    /// Connections that the worker refused.
    pub refused: u64,
    /// Requests in flight now.
    pub in_flight: u64,
}

/// What came of a worker's warm-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmUp {
    /// Whose.
    pub generation: Generation,
    /// How many paths were asked for.
    pub asked: usize,
    /// Those without a good answer, and why.
    pub failed: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// The traffic since it was last told, and the part of the suspected kinds of requests in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// All requests that workers got.
    pub requests: u64,
    /// So often was looked at what is in flight.
    pub moments: u64,
    /// Each kind.
    pub each: Vec<Present>,
}

/// One kind of requests in a [`Presence`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// The kind.
    pub shape: RequestShape,
    /// Requests of this kind.
    pub requests: u64,
    /// So often one was in flight.
    pub moments: u64,
}

/// One condition's part of a [`Tally`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCount {
    /// Requests that matched since the last tally.
    pub matching: u64,
    /// Requests in the condition's scope that finished, or that became slow before they finished;
    /// each request once.
    pub total: u64,
}

/// The memory of one generation's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySample {
    /// Whose.
    pub generation: Generation,
    /// Private bytes. Exact (Pss_Anon + SwapPss) when `exact`, else the cheap upper bound
    /// (RssAnon + VmSwap).
    pub bytes: ByteSize,
    /// Which of the two it is.
    pub exact: bool,
    /// The memory limit of the worker's cgroup, where it can be read.
    pub limit: Option<ByteSize>,
    /// What is left of that limit: limit less working set.
    pub room: Option<ByteSize>,
}

/// What is in the way with a worker that something else starts; as a fragment for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// While it is looked for: why it is not found. Told when the reason is another.
    Absent(String),
    /// It was to be restarted and could not be. It goes on as it was; `Gone` follows.
    NotRestarted(String),
}

/// Why a worker could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartFailure {
    /// The system would not run the command: `no such file: gunicorn`.
    Spawn(String),
    /// The fixed port is taken; by whom, where that can be seen.
    PortInUse {
        /// The port.
        port: u16,
        /// `nginx (pid 812)`.
        owner: Option<String>,
    },
}

/// An operator's word.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// Replace the worker.
    Recycle {
        /// Why, for the record.
        reason: String,
        /// Also a worker that just starts, or that an operator stopped; and without waiting for a
        /// drain. After giving up, and while the next start waits, either kind starts at once.
        force: bool,
    },
    /// Replace the worker of this instance alone, of several.
    RecycleOne {
        /// Which. If there is none such nothing is done.
        instance: u32,
        /// Why, for the record.
        reason: String,
        /// As [`Word::Recycle`]; and without waiting for its turn.
        force: bool,
    },
    /// Start the worker after [`Word::Stop`] or after giving up.
    Start,
    /// Drain and stop the worker and leave it stopped.
    Stop,
    /// Park every new request for at most this long.
    Hold(Duration),
    /// End a hold.
    Release,
    /// These rules (none: all) only report, for this long. That the names are rules' names is for
    /// the caller to check.
    Disarm {
        /// By name.
        rules: Vec<String>,
        /// For how long.
        time: Duration,
    },
    /// These rules (none: all) act again.
    Arm {
        /// By name.
        rules: Vec<String>,
    },
    /// A new configuration. `recycle`: what the worker is started with has changed.
    Reload {
        /// The new policy.
        policy: Box<Policy>,
        /// Why the worker must be replaced, if it must.
        recycle: Option<String>,
        /// What it changes, in one line for people; empty: nothing that can be told.
        changes: String,
    },
    /// Drain, stop everything and end, within the policy's shutdown deadline.
    Shutdown,
    /// During a shutdown: stop waiting.
    EndDrain,
}
