//! Samples the private memory of workers' process trees, and what else they use.
//!
//! Invariant: only its own thread reads /proc, which may block for long; whoever watches never
//! waits for it. A sample that finds no room is dropped and counted. What can't be read is no
//! sample, never zero.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use tokio::sync::mpsc::{Sender, error::TrySendError};

use super::{
    levels::Meter,
    pace::{LEISURELY, Pace, USUAL},
};
use crate::{
    decide::observation::{Levels, Measure, MemorySample},
    os::{
        cgroup::Cgroup,
        procfs::{Identity, Proc, is_gone},
        tree::{Census, Member, Root},
    },
    time::{MonoTime, now, spent},
    units::{ByteSize, Share},
    words::Generation,
};

/// The limits that a worker's memory is measured against, of which the lowest counts; and what
/// else is measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// In bytes.
    pub bytes: Vec<ByteSize>,
    /// In shares of the limit of the worker's control group, where that can be read.
    pub shares: Vec<Share>,
    /// What else is measured, once a second.
    pub measures: Vec<Measure>,
}

impl Thresholds {
    fn lowest(&self, limit: Option<ByteSize>) -> Option<ByteSize> {
        let shares = self
            .shares
            .iter()
            .filter_map(|share| Some(ByteSize(share.of(limit?.0))));
        self.bytes.iter().copied().chain(shares).min()
    }
}

/// Watches workers' memory on a thread of its own; dropping it ends the thread.
#[derive(Debug)]
pub struct Sampler {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    wishes: Mutex<Wishes>,
    changed: Condvar,
    dropped: AtomicU64,
    only_bounds: AtomicBool,
}

/// What the control side wants.
#[derive(Debug, Default)]
struct Wishes {
    watched: BTreeMap<Generation, (Root, Thresholds)>,
    confirm: BTreeSet<Generation>,
    ended: bool,
    new: bool,
}

impl Sampler {
    /// Starts the thread. Samples are sent to `samples` and what else is measured to `levels`,
    /// whose capacities bound what waits.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        proc: Proc,
        samples: Sender<MemorySample>,
        levels: Sender<Levels>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = Thread {
            shared: Arc::clone(&shared),
            proc,
            samples,
            levels,
            watches: BTreeMap::new(),
        };
        thread::Builder::new()
            .name("memory sampler".into())
            .spawn(move || thread.run())?;
        Ok(Self { shared })
    }

    /// Samples a worker from now on; or changes its thresholds.
    pub fn watch(&self, generation: Generation, tree: Root, thresholds: Thresholds) {
        self.wish(|wishes| {
            wishes.watched.insert(generation, (tree, thresholds));
        });
    }

    /// Samples a worker no more.
    pub fn forget(&self, generation: Generation) {
        self.wish(|wishes| {
            wishes.watched.remove(&generation);
            wishes.confirm.remove(&generation);
        });
    }

    /// Samples a worker exactly at once, whatever that costs.
    pub fn confirm(&self, generation: Generation) {
        self.wish(|wishes| {
            if wishes.watched.contains_key(&generation) {
                wishes.confirm.insert(generation);
            }
        });
    }

    /// How many samples found no room.
    #[must_use]
    pub fn dropped_samples(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Exact readings are not permitted here (another user's process, and no CAP_SYS_PTRACE) or
    /// the kernel is too old: samples called exact are the cheap bound. For forking servers that
    /// is too much; say so once.
    #[must_use]
    pub fn has_only_bounds(&self) -> bool {
        self.shared.only_bounds.load(Ordering::Relaxed)
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        let mut wishes = self.shared.lock();
        change(&mut wishes);
        wishes.new = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.wish(|wishes| wishes.ended = true);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Thread {
    shared: Arc<Shared>,
    proc: Proc,
    samples: Sender<MemorySample>,
    levels: Sender<Levels>,
    watches: BTreeMap<Generation, Watch>,
}

/// One worker being watched.
struct Watch {
    tree: Root,
    thresholds: Thresholds,
    /// The process that the tree begins at, once it was seen: another with its number is not it.
    root: Option<Identity>,
    members: Vec<Member>,
    meter: Meter,
    limit: Option<ByteSize>,
    /// What is left of it.
    room: Option<ByteSize>,
    list_at: MonoTime,
    sample_at: MonoTime,
    confirm: bool,
    pace: Pace,
}

impl Thread {
    fn run(mut self) {
        while self.take_wishes() {
            let now = now();
            if self.watches.values().any(|watch| now >= watch.list_at) {
                self.list(now);
            }
            for (generation, watch) in &mut self.watches {
                if now < watch.sample_at && !watch.confirm {
                    continue;
                }
                let Some(sample) = watch.sample(*generation, &self.proc, &self.shared) else {
                    continue;
                };
                match self.samples.try_send(sample) {
                    Ok(()) => {}
                    Err(TrySendError::Full(_)) => {
                        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(TrySendError::Closed(_)) => return,
                }
            }
        }
    }

    /// Waits until a sample is due or something is wished for. Whether to go on.
    fn take_wishes(&mut self) -> bool {
        let due = self.watches.values().map(|watch| watch.sample_at).min();
        let wait = due.unwrap_or(MonoTime::NEVER).since(now());
        let wishes = self.shared.lock();
        let (mut wishes, _) = self
            .shared
            .changed
            .wait_timeout_while(wishes, wait, |wishes| !wishes.new)
            .unwrap_or_else(PoisonError::into_inner);
        wishes.new = false;
        let confirm = std::mem::take(&mut wishes.confirm);
        self.watches.retain(|generation, watch| {
            wishes
                .watched
                .get(generation)
                .is_some_and(|(tree, _)| *tree == watch.tree)
        });
        for (generation, (tree, thresholds)) in &wishes.watched {
            let watch = self
                .watches
                .entry(*generation)
                .or_insert_with(|| Watch::new(*tree));
            if watch.thresholds != *thresholds {
                watch.thresholds.clone_from(thresholds);
                watch.sample_at = MonoTime::ZERO;
            }
            watch.confirm |= confirm.contains(generation);
        }
        !wishes.ended
    }

    /// Lists every tree anew, in one pass over all processes.
    fn list(&mut self, from: MonoTime) {
        let before = spent();
        let Ok(census) = Census::take(&self.proc) else {
            return;
        };
        for (generation, watch) in &mut self.watches {
            watch.list(&self.proc, &census);
            let wanted = &watch.thresholds.measures;
            let levels = watch
                .meter
                .measure(from, wanted, &self.proc, &watch.members);
            if let Some(levels) = levels {
                let generation = *generation;
                let sent = self.levels.try_send(Levels { generation, levels });
                if sent.is_err() {
                    self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        let cost = spent().saturating_sub(before);
        for watch in self.watches.values_mut() {
            // On a machine with very many processes the listing itself is what costs.
            watch.list_at = from + LEISURELY.max(cost * 20);
        }
    }
}

impl Watch {
    fn new(tree: Root) -> Self {
        Self {
            tree,
            thresholds: Thresholds::default(),
            root: None,
            members: Vec::new(),
            meter: Meter::default(),
            limit: None,
            room: None,
            list_at: MonoTime::ZERO,
            sample_at: MonoTime::ZERO,
            confirm: false,
            pace: Pace::default(),
        }
    }

    fn list(&mut self, proc: &Proc, census: &Census) {
        let root = proc.identity(self.tree.pid()).ok();
        self.root = self.root.or(root);
        if self.root.is_none() || self.root != root {
            self.members.clear();
            return;
        }
        self.members = census.tree(self.tree);
        if let Some(member) = self.members.first() {
            let memory = Cgroup::of(proc, member.who.pid).memory();
            self.limit = memory.map(|memory| memory.limit);
            self.room =
                memory.map(|memory| ByteSize(memory.limit.0.saturating_sub(memory.working_set.0)));
        }
    }

    fn sample(
        &mut self,
        generation: Generation,
        proc: &Proc,
        shared: &Shared,
    ) -> Option<MemorySample> {
        let begun = now();
        let bound = self.bound(proc);
        let threshold = self.thresholds.lowest(self.limit);
        let pause = match bound {
            Some(bound) => self.pace.next(begun, bound, threshold),
            None => USUAL,
        };
        self.sample_at = begun + pause;
        let confirm = std::mem::take(&mut self.confirm);
        let mut sample = MemorySample {
            generation,
            bytes: bound?,
            exact: false,
            limit: self.limit,
            room: self.room,
        };
        let is_over = threshold.is_some_and(|threshold| sample.bytes >= threshold);
        if confirm || (is_over && self.pace.may_read_exactly(begun)) {
            let before = spent();
            sample.bytes = self.exact(proc, shared)?;
            sample.exact = true;
            let cost = spent().saturating_sub(before);
            self.pace.read_exactly(now(), cost);
        }
        Some(sample)
    }

    /// The sum of the cheap bounds. `None`: no process of the tree is there.
    fn bound(&mut self, proc: &Proc) -> Option<ByteSize> {
        let mut sum = None;
        for member in &self.members {
            match proc.status(member.who.pid) {
                // A process that changed its parent was orphaned, or is another with its number.
                Ok(status) if status.parent == member.parent || proc.is(member.who) => {
                    sum = Some(sum.unwrap_or(0u64).saturating_add(status.private_bound().0));
                }
                Ok(_) | Err(_) => self.list_at = MonoTime::ZERO,
            }
        }
        if sum.is_none() {
            self.list_at = MonoTime::ZERO;
        }
        sum.map(ByteSize)
    }

    /// The exact sum. `None`: no process of the tree is there any more.
    fn exact(&self, proc: &Proc, shared: &Shared) -> Option<ByteSize> {
        let mut sum = None;
        for member in &self.members {
            let bytes = match proc.private_bytes(member.who.pid) {
                Ok(bytes) => Some(bytes),
                Err(error) if is_gone(&error) => None,
                Err(_) => {
                    shared.only_bounds.store(true, Ordering::Relaxed);
                    let status = proc.status(member.who.pid).ok();
                    status.map(|status| status.private_bound())
                }
            };
            // Its number may have become another's while it was read.
            if let Some(bytes) = bytes.filter(|_| proc.is(member.who)) {
                sum = Some(sum.unwrap_or(0u64).saturating_add(bytes.0));
            }
        }
        sum.map(ByteSize)
    }
}
