//! A recycle: what was asked for, and how far it is.

use super::{
    handover::Handover,
    policy::{Strategy, TICK},
};
use crate::{time::MonoTime, units::ByteSize, words::Generation};

/// So many reasons are remembered for one recycle.
const REASONS: usize = 8;

/// A recycle under way.
#[derive(Clone, Debug)]
pub(super) struct Recycle {
    pub(super) incident: u64,
    pub(super) reasons: Vec<String>,
    pub(super) strategy: Strategy,
    pub(super) cause: Cause,
    /// Without waiting for anything that is in flight.
    pub(super) forced: bool,
    /// The worker that goes, if one served.
    pub(super) old: Option<Generation>,
    /// The worker that comes, once it is started.
    pub(super) new: Option<Generation>,
    pub(super) began: MonoTime,
    /// The name of the rule that asked for it, if one did.
    pub(super) rule: Option<String>,
    /// The place of the condition whose stuck requests leave the old worker.
    pub(super) stuck: Option<usize>,
    /// The limit that the old worker is over.
    pub(super) memory_limit: Option<ByteSize>,
    pub(super) phase: Phase,
}

/// What is known of the worker that goes; the worse, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    Healthy,
    /// It answers, under strain: whoever takes its requests over comes under strain too.
    Strained,
    /// Sick, but it answers.
    Sick,
    /// It answers nothing.
    Hung,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Overlap: the new one is on its way beside the old one.
    Starting,
    /// Overlap: both serve.
    Handover(Handover),
    /// In place: the old one still serves while what is in flight gets less.
    Quiet { until: MonoTime },
    /// In place: requests are parked and the old one drains...
    Draining,
    /// ...or is on its way out.
    Stopping,
    /// In place, or nothing served to begin with: the new one is on its way.
    Restarting,
}

/// What someone wants.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// The incident it belongs to, if it has one already.
    pub(super) incident: Option<u64>,
    pub(super) reason: String,
    pub(super) cause: Cause,
    pub(super) forced: bool,
    pub(super) strategy: Option<Strategy>,
    pub(super) rule: Option<String>,
    pub(super) stuck: Option<usize>,
    pub(super) memory_limit: Option<ByteSize>,
}

impl Wish {
    pub(super) fn new(reason: impl Into<String>, cause: Cause) -> Self {
        Self {
            incident: None,
            reason: reason.into(),
            cause,
            forced: false,
            strategy: None,
            rule: None,
            stuck: None,
            memory_limit: None,
        }
    }
}

impl Recycle {
    /// Whether the new one may start while the old one lives.
    pub(super) fn overlaps(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Handover(_))
    }

    pub(super) fn deadline(&self) -> Option<MonoTime> {
        match &self.phase {
            Phase::Handover(handover) => Some(handover.deadline()),
            // A tick for the report to come in.
            Phase::Quiet { until } => Some(*until + TICK),
            _ => None,
        }
    }

    pub(super) fn stalled(&mut self, now: MonoTime) {
        if let Phase::Handover(handover) = &mut self.phase {
            handover.stalled(now);
        }
    }

    pub(super) fn add_reason(&mut self, reason: String) {
        if self.reasons.len() < REASONS && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

pub(super) fn strategy_word(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Overlap => "overlap",
        Strategy::InPlace => "in-place",
    }
}
