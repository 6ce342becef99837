//! What the engine wants done. `act` is a dumb pair of hands: it performs a step and reports.

use super::{event::Event, policy::Command};
use crate::{explain::code::Code, time::MonoTime, words::Generation};

/// One thing to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Start a worker under this serial number, on a fresh port unless the port is fixed, and
    /// probe it until it is ready. Reports `Started`, `Ready`, `StartFailed`, `ListensElsewhere`,
    /// `Exited`, `Gone`.
    Start {
        /// Its number.
        generation: Generation,
    },
    /// Put a ready worker on the roster, with a ramp, and release the parked. `beside`: this
    /// older one stays on the roster for what the ramp does not yet let through.
    Admit {
        /// The new one.
        generation: Generation,
        /// The healthy old one, if any.
        beside: Option<Generation>,
    },
    /// Take a worker off the roster. What is in flight on it goes on; new requests go to another
    /// ready worker, or meet the [`Door`].
    Withdraw {
        /// Which.
        generation: Generation,
    },
    /// Report `Quiet` as soon as nothing in flight on it is older than a second, or at `until`.
    /// It keeps serving meanwhile.
    AwaitQuiet {
        /// Which.
        generation: Generation,
        /// At the latest.
        until: MonoTime,
    },
    /// Close a withdrawn worker's admission, let what is in flight finish, cut the rest at
    /// `until` (replayed where that is safe), close its connections; then report `Drained`.
    Drain {
        /// Which.
        generation: Generation,
        /// The rest is cut here.
        until: MonoTime,
    },
    /// Requests that this rule found slow and that have no answer leave the worker, if they can be
    /// replayed, and wait for the next generation.
    CutStuck {
        /// The worker they leave.
        generation: Generation,
        /// The rule's place in the policy.
        rule: usize,
    },
    /// Send the stop signal, wait `stop_timeout`, then SIGKILL group and descendants. Reports
    /// `Exited`, then `Gone`.
    Stop {
        /// Which.
        generation: Generation,
        /// SIGKILL at this time at the latest.
        kill_at: MonoTime,
    },
    /// SIGKILL group and every descendant at once. Reports `Exited`, then `Gone`.
    Kill {
        /// Which.
        generation: Generation,
    },
    /// What a new request meets while no worker is on the roster.
    Door(Door),
    /// Park every new request although a worker is ready, or stop doing so.
    Hold(bool),
    /// Run a custom action; report `CommandEnded`.
    Run {
        /// The incident it belongs to.
        incident: u64,
        /// The rule's name.
        rule: String,
        /// Why, in words.
        reason: String,
        /// The worker it is about.
        generation: Generation,
        /// What to run.
        command: Command,
    },
    /// Probe health from now on with this worker, or (`None`) stop probing.
    Probe(Option<Generation>),
    /// Confirm the next memory samples of this worker exactly (smaps_rollup), at this pace or
    /// faster: a firing waits for it.
    ConfirmMemory {
        /// Which.
        generation: Generation,
    },
    /// Write an event to the log and the journal.
    Say(Event),
    /// The engine has ended: every worker is gone. Exit with this code.
    Exit(i32),
}

/// What a new request meets while no worker is on the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// It is parked, unless that would be in vain.
    Park {
        /// Since when nothing serves.
        down_since: MonoTime,
        /// When the next start is due; now or earlier: one is under way.
        next_start: MonoTime,
    },
    /// It is refused at once.
    Refuse {
        /// With this code.
        code: Code,
        /// When trying again may help.
        retry_at: Option<MonoTime>,
    },
}
