//! What the engine wants done. `act` is a dumb pair of hands: it performs a step and reports.
//!
//! Steps are performed in their order; none waits for the reports of another. A step names only
//! generations whose `Gone` (or `StartFailed`) the engine has not been told; one that has gone in
//! the meantime is passed over.

use super::{
    event::Event,
    policy::{Command, Notice},
};
use crate::{
    time::MonoTime,
    units::RequestShape,
    words::{Door, Generation},
};

/// One thing to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Start a worker under this serial number, on a fresh port unless the port is fixed, and
    /// probe it until it is ready. Numbers rise by one. Reports `Started`, then `Ready`; or
    /// `StartFailed`, and nothing after it; `ListensElsewhere` while it starts; at its end
    /// `Exited`, then `Gone` once the rest of its tree is killed too. A worker that something else
    /// starts is looked for, and brought by the operator's command if that is how it comes;
    /// `Attaching` tells of what is in the way.
    Start {
        /// Its number.
        generation: Generation,
        /// The instance that it is a generation of.
        instance: u32,
    },
    /// Put a ready worker on the roster, with a ramp, and release the parked. `beside`: this
    /// older one of the same instance stays on the roster for what the ramp does not yet let
    /// through. Without it the new one is its instance's only one on the roster from now on; a
    /// `Withdraw` of the old one follows.
    Admit {
        /// The new one.
        generation: Generation,
        /// The healthy old one, if any.
        beside: Option<Generation>,
    },
    /// Take a worker off the roster. What is in flight on it goes on; new requests go to another
    /// ready worker, or meet the [`Door`], which was told before if no other is left. Of a worker
    /// that has died it is only the roster's entry that goes.
    Withdraw {
        /// Which.
        generation: Generation,
    },
    /// Report `Quiet` as soon as nothing in flight on it is older than a second and nobody waits
    /// for it, or at `until`.
    /// It keeps serving meanwhile, and new requests don't count. A `Withdraw` ends the wait.
    AwaitQuiet {
        /// Which.
        generation: Generation,
        /// At the latest.
        until: MonoTime,
    },
    /// Close a withdrawn worker's admission, let what is in flight finish, cut the rest at
    /// `until` (replayed where that is safe), close its connections; then report `Drained`. A
    /// second one for the same worker moves `until`; `until` may be now.
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
        /// The place of the condition among those of all rules.
        rule: usize,
    },
    /// Send the stop signal, wait `stop_timeout`, then SIGKILL group and descendants. Reports
    /// `Exited`, then `Gone`. One that something else started is restarted as its operator said; if
    /// its process goes on there is no `Exited`.
    Stop {
        /// Which.
        generation: Generation,
        /// SIGKILL at this time at the latest.
        kill_at: MonoTime,
    },
    /// SIGKILL group and every descendant at once. Reports `Exited`, then `Gone`. Comes again for
    /// a worker that does not go.
    Kill {
        /// Which.
        generation: Generation,
    },
    /// Let a worker that something else started run on, and have no more to do with it. Reports
    /// `Gone`.
    LetGo {
        /// Which.
        generation: Generation,
    },
    /// What a new request meets while no worker is on the roster; those that are parked already
    /// are judged by it too. Told whenever it changes, before the roster gets empty.
    Door(Door),
    /// Tell clients that their connections end, each at a moment of its own until then; whatever
    /// they ask is served meanwhile.
    Leave {
        /// By then each was told.
        until: MonoTime,
    },
    /// Park every new request although a worker is ready, or stop doing so.
    Hold(bool),
    /// Run a custom action; report `CommandEnded`, in any case. One at a time for each rule.
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
    /// Keep what is known of a worker before anything is done to it; report `Captured`, in any
    /// case.
    Capture {
        /// The incident it belongs to.
        incident: u64,
        /// The rule's name.
        rule: String,
        /// Why, in words.
        reason: String,
        /// The worker.
        generation: Generation,
    },
    /// Tell someone; report `Notified`, in any case.
    Notify {
        /// The incident it belongs to.
        incident: u64,
        /// The rule's name.
        rule: String,
        /// Why, in words.
        reason: String,
        /// The worker it is about.
        generation: Generation,
        /// Whom.
        notice: Notice,
    },
    /// Tell load balancers to send requests elsewhere, or that they may come back.
    Unready(bool),
    /// Probe health from now on with this worker, or (`None`) stop probing. Of several instances
    /// each tells it for itself: [`super::group::Group::probed`] has them all.
    Probe(Option<Generation>),
    /// Ask this dependency of the policy in force whether it is there; report `Dependency`. One
    /// that is still being asked is asked anew.
    AskDependency {
        /// Its name.
        name: String,
        /// The number of this probe; they rise.
        probe: u64,
    },
    /// Report `Lost`: what this worker had in flight when it crashed.
    ListLost {
        /// The worker.
        generation: Generation,
        /// The crash.
        incident: u64,
    },
    /// Report `Presence` of these kinds of requests once a second from now on, and don't send those
    /// twice that are poison (`true`). None: stop both.
    Suspects(Vec<(RequestShape, bool)>),
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
