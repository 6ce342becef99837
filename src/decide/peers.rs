//! What one worker slot knows of the others: whether its requests have somewhere to go, and
//! whether it is its turn to be replaced.

use super::{
    dependency::Dependencies,
    drain::SLACK,
    engine::Engine,
    guard::{Held, Spent},
    life::{Life, State, Want},
    poison::Poison,
    policy::{GiveUp, Strategy},
    recycle::Cause,
    streak::Streaks,
};
use crate::words::Generation;

/// What the other instances do. All zero: there is no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peers {
    /// How many there are.
    pub(super) others: u32,
    /// So many serve.
    pub(super) serving: u32,
    /// So many are being replaced, or have an old worker on its way out.
    pub(super) out: u32,
    /// So many serve nothing yet, but start.
    pub(super) coming: u32,
    /// So many have a worker that starts, beside another or not.
    pub(super) starting: u32,
    /// So many have not been given up.
    pub(super) hopeful: u32,
}

impl Peers {
    pub(super) fn count(&mut self, other: &Engine) {
        let (serves, is_out) = (other.serves(), other.is_out());
        let starts = other.starting().is_some();
        self.others += 1;
        self.serving += u32::from(serves);
        self.out += u32::from(is_out);
        self.coming += u32::from(!serves && !is_out && starts);
        self.starting += u32::from(starts);
        self.hopeful += u32::from(!other.restarts.gave_up());
    }
}

/// What all instances have in common; the one that decides has it.
#[derive(Debug, Default)]
pub(super) struct Common {
    pub(super) newest: Generation,
    pub(super) next_incident: u64,
    pub(super) spent: Spent,
    pub(super) spent_observing: Spent,
    pub(super) streaks: Streaks,
    pub(super) dependencies: Dependencies,
    pub(super) poison: Poison,
}

impl Engine {
    pub(super) fn serves(&self) -> bool {
        self.lives.iter().any(|life| life.on_roster)
    }

    /// Whether it is being replaced, or an old worker of it is on its way out: a surge of one.
    pub(super) fn is_out(&self) -> bool {
        let patience = self.policy.recycle.stop_timeout + SLACK;
        let leaves = |life: &Life| match life.state {
            State::Starting | State::Ready => false,
            State::Draining => true,
            // Whom the kernel does not let go must not keep the others from being healed.
            State::Stopping => life.stop_at.is_none_or(|at| self.now.since(at) < patience),
        };
        self.recycle.is_some() || self.lives.iter().any(leaves)
    }

    /// Whether this instance may be replaced now. Not while as many others as may be are out, by
    /// our own doing; and, if it still answers, not while others are on their way back.
    pub(super) fn has_turn(&self, cause: Cause) -> bool {
        let coming = match cause {
            Cause::Hung => 0,
            Cause::Healthy | Cause::Strained | Cause::Sick => self.peers.coming,
        };
        self.peers.out + coming < self.policy.instances.max_unavailable
    }

    /// Whether a rule waits for nothing but its turn.
    pub(super) fn waits_for_turn(&self) -> bool {
        self.rules.iter().any(|rule| rule.held == Some(Held::Turn))
    }

    /// The next worker of this instance, in words. Which number it gets is not known while others
    /// may start before it.
    pub(super) fn successor(&self, strategy: Strategy) -> String {
        match strategy {
            Strategy::InPlace if self.peers.others > 0 => "a new one".to_owned(),
            _ => format!("worker {}", self.newest.next()),
        }
    }

    /// Whether to end autoheal, now that this instance is given up: the last one to be.
    pub(super) fn gives_up_all(&self) -> bool {
        self.policy.restart.give_up == GiveUp::Exit && self.peers.hopeful == 0
    }

    /// Whether its newest worker is one of these or older, or there is none.
    pub(super) fn is_of(&self, upto: Generation, stopped_too: bool) -> bool {
        if self.want == Want::Stopped && !stopped_too {
            return false;
        }
        let lives = self.lives.iter().rev();
        let mut current = lives.filter(|l| matches!(l.state, State::Starting | State::Ready));
        current.next().is_none_or(|life| life.generation <= upto)
    }

    /// What holds for all by an operator's word or the clock holds for one more, too.
    pub(super) fn learn_from(&mut self, other: &Self) {
        for (rule, other) in self.rules.iter_mut().zip(&other.rules) {
            // What its own verdicts have disarmed is its own affair.
            rule.disarmed_until = other.disarmed_until.filter(|_| !other.no_help);
            rule.quiet_until = other.quiet_until;
            rule.off_said = other.off_said;
        }
    }

    /// Its worker goes for good: the load does not need it, or the configuration does not.
    pub(super) fn wind_down(&mut self) {
        self.want = Want::Stopped;
        self.pending_start = None;
        self.end_recycle("failed", "not replaced: it is not needed any more");
        let until = self.now + self.policy.recycle.drain_timeout;
        self.retire_all(until);
        self.settle();
    }
}
