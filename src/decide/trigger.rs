//! What a rule looks at. The data side compiles these into matchers; the engine counts windows.

use std::{path::PathBuf, time::Duration};

use super::observation::Measure;
use crate::units::{ByteSize, Calendar, LinePattern, PathPattern, Share, StatusSet};

/// The most rules one configuration may have, and the most conditions over all of them: a
/// request's matches are one 64-bit word.
pub const MAX_RULES: usize = 64;

/// The limit of a leak where none is given, of the memory limit of the worker's cgroup.
pub const LEAK_SHARE: Share = Share::percent(90);

/// The condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// So many requests were served.
    Requests {
        /// Fires at this many.
        count: u32,
        /// ...if they are also at least this share of all requests in the window; none without
        /// a window.
        share: Option<Share>,
        /// Within this time; `None`: since the worker started, with 10% jitter.
        window: Option<Duration>,
        /// Which requests count.
        filter: Filter,
    },
    /// So many answers, or failures to answer, were of these kinds.
    Status {
        /// Which outcomes match.
        codes: StatusSet,
        /// Fires at this many matching...
        count: u32,
        /// ...if they are also at least this share of what finished in the window.
        share: Option<Share>,
        /// How far back to look.
        window: Duration,
        /// Which requests count, matching or not.
        filter: Filter,
    },
    /// So many requests had no response head after this long. Counted when they *become* slow.
    Slow {
        /// How long the worker may take to the response head.
        time_taken: Duration,
        /// Fires at this many slow...
        count: u32,
        /// ...if they are also at least this share of (finished + in flight and slow).
        share: Option<Share>,
        /// How far back to look.
        window: Duration,
        /// Which requests count, matching or not.
        filter: Filter,
    },
    /// So many clients left before the worker's response head.
    Abandoned {
        /// Those that had waited at least this long.
        after: Duration,
        /// Fires at this many...
        count: u32,
        /// ...if they are also at least this share of (finished + abandoned).
        share: Option<Share>,
        /// How far back to look.
        window: Duration,
        /// Which requests count, matching or not.
        filter: Filter,
    },
    /// The worker printed so many such lines.
    Output {
        /// Which lines count.
        line: LinePattern,
        /// Fires at this many.
        count: u32,
        /// How far back to look.
        window: Duration,
    },
    /// The worker's private memory stayed over a limit.
    Memory {
        /// The limit.
        limit: MemoryLimit,
        /// For how long without a sample below it; zero: one confirmed sample is enough.
        hold: Duration,
    },
    /// The worker's private memory grows steadily towards a limit.
    Leak {
        /// The limit; `None`: 90% of the memory limit of the worker's cgroup. Where that can't be
        /// read the rule is off.
        limit: Option<ByteSize>,
        /// Fires when the limit is going to be reached within this time: at the last quiet moment
        /// before, or when no time is left.
        horizon: Duration,
    },
    /// Something that is measured once a second has reached a limit and stayed there.
    Level {
        /// What.
        measure: Measure,
        /// The limit. Where that can't be read the rule is off.
        limit: LevelLimit,
        /// For how long without a reading below it.
        hold: Duration,
    },
    /// All of these hold at the same moment: what counts, each over its own window; what lasts,
    /// each for its own time; what comes, from then until the rule fires. At least two, and none
    /// of them is one of these itself.
    All(Vec<Self>),
    /// The worker has been ready for so long, give or take 10%.
    Age {
        /// Fires at this age.
        limit: Duration,
    },
    /// The wall clock shows one of these times. Each comes once, however the clock is set; what
    /// comes while the rule is disarmed is passed over, what else keeps it from acting delays it.
    Schedule {
        /// Which times.
        calendar: Calendar,
        /// The firing comes at a random moment within this time after it.
        spread: Duration,
    },
    /// The content of one of these files is not what it was when the worker was started.
    File {
        /// Absolute.
        paths: Vec<PathBuf>,
    },
}

/// A limit on the worker's private bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// So many bytes.
    PrivateBytes(ByteSize),
    /// This share of the memory limit of the worker's cgroup. Where that can't be read the rule
    /// is off.
    Share(Share),
}

/// A limit on what a [`Measure`] says; reached at this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelLimit {
    /// So many, as the measure counts.
    Count(u32),
    /// So much of the whole.
    Share(Share),
}

/// Which requests a rule counts. An empty list does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only paths that match one of these.
    pub path: Vec<PathPattern>,
    /// But none of these.
    pub except: Vec<PathPattern>,
    /// Only these methods, in upper case.
    pub methods: Vec<String>,
}

impl Filter {
    /// Whether a request counts.
    #[must_use]
    pub fn matches(&self, method: &str, path: &str) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|m| m == method))
            && (self.path.is_empty() || self.path.iter().any(|p| p.matches(path)))
            && !self.except.iter().any(|p| p.matches(path))
    }

    /// Whether every request counts.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.path.is_empty() && self.except.is_empty() && self.methods.is_empty()
    }
}

impl Trigger {
    /// Which requests the trigger counts; `None` for triggers that don't look at requests, and for
    /// those of which only the parts do.
    #[must_use]
    pub fn filter(&self) -> Option<&Filter> {
        match self {
            Self::Requests { filter, .. }
            | Self::Status { filter, .. }
            | Self::Slow { filter, .. }
            | Self::Abandoned { filter, .. } => Some(filter),
            Self::Age { .. }
            | Self::All(_)
            | Self::File { .. }
            | Self::Leak { .. }
            | Self::Level { .. }
            | Self::Memory { .. }
            | Self::Output { .. }
            | Self::Schedule { .. } => None,
        }
    }

    /// Whether something that the worker depends on can be to blame for it, so that a new worker
    /// would be no better.
    #[must_use]
    pub fn may_be_a_dependency(&self) -> bool {
        match self {
            Self::Abandoned { .. } | Self::Slow { .. } | Self::Status { .. } => true,
            Self::All(parts) => parts.iter().any(Self::may_be_a_dependency),
            Self::Age { .. }
            | Self::File { .. }
            | Self::Leak { .. }
            | Self::Level { .. }
            | Self::Memory { .. }
            | Self::Output { .. }
            | Self::Requests { .. }
            | Self::Schedule { .. } => false,
        }
    }

    /// The conditions that must all hold.
    #[must_use]
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::All(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }

    /// The word for it in configuration, logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requests { .. } => "requests",
            Self::Status { .. } => "status",
            Self::Slow { .. } => "slow",
            Self::Abandoned { .. } => "abandoned",
            Self::Output { .. } => "output",
            Self::Memory { .. } => "memory",
            Self::Leak { .. } => "leak",
            Self::Level { measure, .. } => match measure {
                Measure::Cpu | Measure::Core => "cpu",
                Measure::Descriptors => "descriptors",
                Measure::Threads => "threads",
                Measure::Connections => "connections",
                Measure::Pressure(..) | Measure::MemoryHigh => "pressure",
            },
            Self::All(_) => "all",
            Self::Age { .. } => "age",
            Self::Schedule { .. } => "schedule",
            Self::File { .. } => "file",
        }
    }
}
