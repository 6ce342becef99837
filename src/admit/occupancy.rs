//! How much waits now, over all data threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    clients::Clients,
    lot::{Asking, Lack, Limits},
    pace::Pace,
    turns::Turns,
};
use crate::time::MonoTime;

/// So many clients that wait can be told apart, and rather more.
const CLIENTS: usize = 16_384;

/// How much waits now, over all data threads.
#[derive(Debug)]
pub struct Occupancy {
    parked: AtomicU64,
    queued: AtomicU64,
    bytes: AtomicU64,
    pace: Pace,
    turns: Turns,
    clients: [Arc<Clients>; 2],
}

impl Occupancy {
    /// Nobody waits on any of so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self {
            parked: AtomicU64::default(),
            queued: AtomicU64::default(),
            bytes: AtomicU64::default(),
            pace: Pace::default(),
            turns: Turns::new(threads),
            clients: std::array::from_fn(|_| Arc::new(Clients::new(CLIENTS))),
        }
    }

    /// Requests that came while no worker was ready, and wait.
    #[must_use]
    pub fn parked(&self) -> u64 {
        self.parked.load(Relaxed)
    }

    /// Requests that came while every worker had as many as it may, and wait.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.queued.load(Relaxed)
    }

    /// Bytes of their heads.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parked() == 0 && self.queued() == 0
    }

    /// Whose turn it is.
    #[must_use]
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Whether one more of this size would fit.
    #[must_use]
    pub fn has_room(&self, limits: Limits, lack: Lack, bytes: u64) -> bool {
        let (count, most) = self.of(limits, lack);
        count.load(Relaxed) < most && self.bytes().saturating_add(bytes) <= limits.bytes
    }

    /// What each client has waiting for this lack.
    #[must_use]
    pub fn clients(&self, lack: Lack) -> &Arc<Clients> {
        match lack {
            Lack::Worker => &self.clients[0],
            Lack::Place => &self.clients[1],
        }
    }

    /// How long one more would wait for a place, by the rate of late. `None`: nobody knows.
    #[must_use]
    pub fn wait(&self, now: MonoTime) -> Option<Duration> {
        self.pace.until(self.queued() + 1, now)
    }

    /// A place at a worker became free.
    pub fn freed(&self, now: MonoTime) {
        if self.queued() > 0 {
            self.pace.freed(now);
        }
        self.turns.call();
    }

    /// Counts one in. `false`: there was no room, but it is counted.
    pub(super) fn enter(&self, limits: Limits, asking: Asking) -> bool {
        let (count, most) = self.of(limits, asking.lack);
        let before = count.fetch_add(1, Relaxed);
        if before == 0 && asking.lack == Lack::Place {
            self.pace.began(asking.now);
        }
        let bytes = self.bytes.fetch_add(asking.bytes, Relaxed);
        before < most && bytes.saturating_add(asking.bytes) <= limits.bytes
    }

    /// Counts one out.
    pub(super) fn leave(&self, lack: Lack, bytes: u64) {
        let count = match lack {
            Lack::Worker => &self.parked,
            Lack::Place => &self.queued,
        };
        count.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    fn of(&self, limits: Limits, lack: Lack) -> (&AtomicU64, u64) {
        match lack {
            Lack::Worker => (&self.parked, limits.parked),
            Lack::Place => (&self.queued, limits.queued),
        }
    }
}
