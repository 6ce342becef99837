//! What is measured of a worker's tree once a second: CPU, descriptors, threads, connections,
//! pressure.

use crate::words::Generation;

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// CPU time of the tree; its share is of what the worker may use: the CPU quota of its control
    /// group, or the CPUs of its affinity, whichever is less. Counted in thousandths of a CPU.
    Cpu,
    /// The same; its share is of one CPU.
    Core,
    /// Open descriptors of the tree; the share is that of the process which is nearest to its own
    /// limit.
    Descriptors,
    /// Threads of the tree.
    Threads,
    /// TCP connections that the tree has open, in either direction, those from autoheal included.
    Connections,
    /// The share of the last ten seconds in which tasks of the worker's own control group waited
    /// for this resource (PSI).
    Pressure(Resource, Waiting),
    /// How often a second the worker's own control group was held up at memory.high (version 1:
    /// met its limit).
    MemoryHigh,
}

/// What tasks may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// A CPU.
    Cpu,
    /// A disk.
    Io,
    /// Memory that has to be freed or read back first.
    Memory,
}

impl Resource {
    /// The kernel's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Io => "io",
            Self::Memory => "memory",
        }
    }
}

/// How many tasks wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Waiting {
    /// At least one.
    Some,
    /// All at once.
    Full,
}

impl Waiting {
    /// The kernel's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Some => "some",
            Self::Full => "full",
        }
    }
}

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// As its [`Measure`] counts.
    pub count: u64,
    /// In hundredths of a percent, where there is something to have a share of.
    pub share: Option<u64>,
}

/// What was measured of one generation's tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Whose.
    pub generation: Generation,
    /// Everything that was wanted; `None`: it can't be read here.
    pub levels: Vec<(Measure, Option<Level>)>,
}
