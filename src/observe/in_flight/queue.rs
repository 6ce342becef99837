//! What waits for one time limit, in the order of coming due.

use std::{collections::VecDeque, time::Duration};

use slab::Slab;

use super::{Entry, Key};
use crate::{observe::route::Look, time::MonoTime};

/// Which limit a queue stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Rule(usize),
    Response,
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) limit: Limit,
    pub(super) time: Duration,
    /// In the order of coming due: each with the time from which it was measured when queued.
    pub(super) waiting: VecDeque<(Key, MonoTime)>,
}

impl Queue {
    pub(super) fn takes(&self, look: Look) -> bool {
        match self.limit {
            Limit::Rule(rule) => look.rules >> rule & 1 == 1,
            Limit::Response => look.response == Some(self.time),
        }
    }

    /// Queues one at the end, and keeps the queue no longer than about twice what is in flight.
    pub(super) fn push(&mut self, key: Key, from: MonoTime, entries: &Slab<Entry>) {
        while self
            .waiting
            .front()
            .is_some_and(|(key, _)| !waits(entries, *key))
        {
            self.waiting.pop_front();
        }
        if self.waiting.len() > 64 + 2 * entries.len() {
            self.waiting.retain(|(key, _)| waits(entries, *key));
        }
        self.waiting.push_back((key, from));
    }

    /// Queues one where its turn is, which is near the end.
    pub(super) fn insert(&mut self, key: Key, from: MonoTime) {
        let place = self.waiting.partition_point(|(_, other)| *other <= from);
        self.waiting.insert(place, (key, from));
    }
}

/// Whether the attempt under this key still waits for its response head.
pub(super) fn waits(entries: &Slab<Entry>, key: Key) -> bool {
    entries
        .get(key.index)
        .is_some_and(|e| e.serial == key.serial && !e.answered)
}
