//! Performs one step at a time: a dumb pair of hands that reports what came of it.
//!
//! Invariant: nothing here decides, and nothing here waits: what takes time runs as a task and
//! ends in an observation.

mod attend;
mod caps;
mod capture;
pub mod command;
mod drain;
mod notify;
mod stage;
mod start;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
};

pub use self::caps::{Change, Found};
use self::{caps::Caps, notify::Notifier, stage::Stage};
pub use crate::admit::{
    limiter::Why,
    mailbox::{Mailboxes, Request},
    roster::Endpoint,
};
use crate::{
    admit::{
        mailbox::Which,
        occupancy::Occupancy,
        overload::Cap,
        roster::{Member, Roster},
    },
    decide::{observation::Observation, step::Step},
    explain::code::Code,
    sense::probe::Address,
    time,
    tls::back::Manner,
    words::{Door, Generation},
    worker::{
        attachment::{Attachment, Plan},
        lines::Patterns,
        output::{Output, Passing},
        port::{FreshPorts, SocketFolder},
        process::Process,
        ready::Test,
        spec::StopTo,
        warmup::Warmup,
    },
};

/// How many observations may wait for the control thread. Each generation makes a handful.
pub const OBSERVATIONS: usize = 1024;

/// Where workers listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// A free port for each generation.
    Auto,
    /// Always this one.
    Fixed(u16),
    /// A unix socket for each generation.
    Unix,
}

/// What a worker is started with, and how it is stopped.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Added to the environment.
    pub env: Vec<(String, String)>,
    /// Where it runs.
    pub dir: PathBuf,
    /// As whom.
    pub user: Option<String>,
    /// Where it listens.
    pub port: Port,
    /// How it shows that it is ready.
    pub ready: Test,
    /// The signal that asks it to stop, and who gets it.
    pub stop: (i32, StopTo),
    /// How its lines are passed on.
    pub passing: Passing,
    /// Which of its lines are counted.
    pub lines: Patterns,
    /// A fresh worker gets its full share after this long at the latest.
    pub slow_start: Duration,
    /// The soft limit on open files that we were started with, if we raised ours since.
    pub open_files: Option<u64>,
    /// The folder for workers' sockets.
    pub sockets: PathBuf,
    /// How workers are spoken to.
    pub manner: Manner,
    /// How many requests each may have at once.
    pub cap: Cap,
    /// What a worker that answers is asked for before it serves.
    pub warmup: Warmup,
    /// Where captures are kept; `None`: nowhere.
    pub captures: Option<PathBuf>,
    /// What to attach to; `None`: workers are started. Which of the two, and where, holds from the
    /// start of the hands on.
    pub attach: Option<Plan>,
}

/// One worker that is not gone.
#[derive(Debug)]
struct Running {
    instance: u32,
    process: Process,
    /// Where it must listen.
    address: Address,
    /// Its socket is a file that we made room for.
    is_own_socket: bool,
    /// Where it was found to answer.
    endpoint: Rc<OnceCell<Endpoint>>,
    /// How it is spoken to.
    manner: Manner,
    member: Option<Arc<Member>>,
    pid: Option<u32>,
    waiting: Option<Waiting>,
}

/// The wait for a worker's readiness. One that is gone, whatever was heard of it, is waited for no
/// more.
#[derive(Debug)]
struct Waiting(AbortHandle);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What one worker printed.
#[derive(Debug)]
pub struct Printed {
    /// Which.
    pub generation: Generation,
    /// The instance that this is a generation of.
    pub instance: u32,
    /// What.
    pub output: Output,
}

/// One worker for lists.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which.
    pub generation: Generation,
    /// Where it listens.
    pub address: String,
    /// The root of its process tree; `None`: it has not been found yet.
    pub tree: Option<crate::os::tree::Root>,
    /// Requests in flight on it.
    pub in_flight: u64,
}

/// The hands.
pub struct Hands {
    settings: Settings,
    stage: Stage,
    caps: Caps,
    mailboxes: Mailboxes,
    /// How much waits.
    occupancy: Arc<Occupancy>,
    ports: FreshPorts,
    sockets: Option<SocketFolder>,
    /// What is attached to, rather than started.
    attachment: Option<Attachment>,
    running: BTreeMap<Generation, Running>,
    /// What the newest generations of each instance printed, the oldest first.
    outputs: VecDeque<Printed>,
    notifier: Notifier,
    observations: mpsc::Sender<Observation>,
}

impl Hands {
    /// Hands that publish to `roster` and report to `observations`.
    #[must_use]
    pub fn new(
        settings: Settings,
        threads: usize,
        roster: watch::Sender<Arc<Roster>>,
        mailboxes: Mailboxes,
        occupancy: Arc<Occupancy>,
        observations: mpsc::Sender<Observation>,
    ) -> Self {
        let attachment = settings.attach.clone().map(Attachment::new);
        Self {
            caps: Caps::new(settings.cap),
            settings,
            attachment,
            stage: Stage::new(threads, roster),
            mailboxes,
            occupancy,
            ports: FreshPorts::default(),
            sockets: None,
            running: BTreeMap::new(),
            outputs: VecDeque::new(),
            notifier: Notifier::default(),
            observations,
        }
    }

    /// Takes what the next worker is started with, and which lines of all are counted.
    pub fn set(&mut self, settings: Settings) {
        for running in self.running.values() {
            if let Some(output) = running.process.output() {
                output.count(settings.lines.clone());
            }
        }
        if let (Some(attachment), Some(plan)) = (&self.attachment, &settings.attach) {
            attachment.set(plan.clone());
        }
        self.caps.set(settings.cap);
        self.settings = settings;
    }

    /// Performs a step, or has it performed.
    pub fn perform(&mut self, step: Step) {
        match step {
            Step::Start {
                generation,
                instance,
            } => self.start(generation, instance),
            Step::Admit { generation, beside } => self.admit(generation, beside),
            Step::Withdraw { generation } => self.stage.withdraw(generation),
            Step::AwaitQuiet { generation, until } => self.await_quiet(generation, until),
            Step::Drain { generation, until } => self.drain(generation, until),
            Step::CutStuck { generation, rule } => {
                let mailboxes = self.mailboxes.clone();
                tokio::task::spawn_local(async move {
                    mailboxes.cut(generation, Which::Stuck(rule)).await;
                });
            }
            Step::Stop {
                generation,
                kill_at,
            } => {
                let (stop, within) = (self.settings.stop, kill_at.since(time::now()));
                self.with(generation, |running| running.process.stop(stop, within));
            }
            Step::Kill { generation } => self.with(generation, |running| running.process.kill()),
            Step::LetGo { generation } => self.with(generation, |running| running.process.let_go()),
            Step::Door(door) => {
                let closing = matches!(
                    door,
                    Door::Refuse {
                        code: Code::ShuttingDown,
                        ..
                    }
                );
                self.stage.door(door, closing);
            }
            Step::Leave { until } => self.stage.leave(until),
            Step::Hold(hold) => self.stage.hold(hold),
            step @ (Step::Run { .. } | Step::Capture { .. } | Step::Notify { .. }) => {
                self.attend(step);
            }
            Step::Unready(unready) => self.stage.unready(unready),
            // These are the control loop's own.
            Step::AskDependency { .. }
            | Step::ConfirmMemory { .. }
            | Step::Exit(_)
            | Step::ListLost { .. }
            | Step::Probe(_)
            | Step::Say(_)
            | Step::Suspects(_) => {}
        }
    }

    /// Notes what the engine is told of a worker, before it is.
    pub fn note(&mut self, seen: &Observation) {
        match seen {
            Observation::Started { generation, pid } => {
                let pid = *pid;
                self.with(*generation, |running| running.pid = Some(pid));
                self.await_found(*generation);
            }
            Observation::Exited { generation, .. }
            | Observation::StartFailed { generation, .. } => {
                self.with(*generation, |running| drop(running.waiting.take()));
            }
            Observation::Gone { generation } => self.forget(*generation),
            _ => {}
        }
        if let Observation::StartFailed { generation, .. } = seen {
            self.forget(*generation);
        }
    }

    /// Answers every request with this page from now on, or none any more.
    pub fn page(&mut self, page: Option<Bytes>) {
        self.stage.page(page);
    }

    /// Looks at what is in flight, once a tick. Returns the caps that have become others.
    pub fn look(&mut self) -> Vec<Change> {
        self.stage.look(self.occupancy.parked());
        let (changes, more) = self.caps.look(self.stage.members());
        if more {
            self.occupancy.turns().call();
        }
        changes
    }

    /// The workers that clients are let in to now, and that are to stay.
    #[must_use]
    pub fn serving(&self) -> Vec<Generation> {
        let members = self.stage.serving().iter();
        members.map(|member| member.generation).collect()
    }

    /// The instance that a worker is a generation of.
    #[must_use]
    pub fn instance(&self, generation: Generation) -> Option<u32> {
        Some(self.running.get(&generation)?.instance)
    }

    /// How many requests a worker may have at once, where that is found out.
    #[must_use]
    pub fn found(&self, generation: Generation) -> Option<Found> {
        self.caps.of(generation)
    }

    /// Passes a signal on to every worker's main process.
    pub fn signal(&mut self, number: i32) {
        for running in self.running.values_mut() {
            running.process.signal(number);
        }
    }

    /// The workers that are not gone, the oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        let seen = self.running.iter().map(|(generation, running)| Seen {
            generation: *generation,
            address: match running.endpoint.get() {
                Some(endpoint) => endpoint.to_string(),
                None => running.address.to_string(),
            },
            tree: running.process.tree(),
            in_flight: running
                .member
                .as_ref()
                .map_or(0, |member| member.in_flight()),
        });
        seen.collect()
    }

    /// How many lines of a worker had what a condition looks for, by its place.
    #[must_use]
    pub fn lines(&self, generation: Generation, epoch: u64) -> Vec<(usize, u64)> {
        let running = self.running.get(&generation);
        let output = running.and_then(|one| one.process.output());
        output.map_or_else(Vec::new, |output| output.counts(epoch))
    }

    /// The processes that are waited for elsewhere.
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        let all = self.running.values();
        all.filter_map(|running| running.process.keeper()).collect()
    }

    /// Where a ready worker listens, and how it is spoken to.
    #[must_use]
    pub fn reached(&self, generation: Generation) -> Option<(Endpoint, Manner)> {
        let running = self.running.get(&generation)?;
        Some((running.endpoint.get()?.clone(), running.manner.clone()))
    }

    /// What the newest generation printed, of all or of an instance; or the newest of the same
    /// instance that is over.
    #[must_use]
    pub fn output(&self, previous: bool, of: Option<u32>) -> Option<&Printed> {
        let mut newest = self.outputs.iter().rev();
        let first = match of {
            Some(of) => newest.find(|one| one.instance == of),
            None => newest.next(),
        }?;
        match previous {
            true if !self.running.contains_key(&first.generation) => Some(first),
            true => newest.find(|one| one.instance == first.instance),
            false => Some(first),
        }
    }

    /// The stewards' mailboxes.
    #[must_use]
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
    }

    fn with(&mut self, generation: Generation, act: impl FnOnce(&mut Running)) {
        if let Some(running) = self.running.get_mut(&generation) {
            act(running);
        }
    }

    fn forget(&mut self, generation: Generation) {
        self.stage.withdraw(generation);
        if let Some(running) = self.running.remove(&generation)
            && running.is_own_socket
            && let Some(folder) = &self.sockets
        {
            folder.remove(generation);
        }
    }
}

/// Tells the control thread. It reads all the time; if it has ended, nobody needs to know.
async fn report(observations: &mpsc::Sender<Observation>, seen: Observation) {
    drop(observations.send(seen).await);
}
