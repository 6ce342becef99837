//! The roster as it is being changed; each change is published as one snapshot.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, watch};

use crate::{
    admit::roster::{self, Endpoint, Member, Ramp, Roster},
    decide::step::Door,
    time,
    words::{Generation, Protocol},
};

/// A fresh worker gets at least so many requests at once.
const FIRST_MIN: u64 = 16;

/// So many ticks after the last one waited, what is in flight is what the app usually has.
const CALM_TICKS: u32 = 10;

/// What is on stage: the ready workers, the door, the hold.
#[derive(Debug)]
pub(super) struct Stage {
    threads: usize,
    now: Roster,
    /// The most that the last generation had in flight at once, when nobody had to wait.
    peak: u64,
    /// The same of the generation that serves now.
    peak_now: u64,
    /// For so many ticks nobody has waited.
    calm: u32,
    roster: watch::Sender<Arc<Roster>>,
}

impl Stage {
    pub(super) fn new(threads: usize, roster: watch::Sender<Arc<Roster>>) -> Self {
        let now = Roster::clone(&roster.borrow());
        Self {
            threads,
            now,
            peak: 0,
            peak_now: 0,
            calm: 0,
            roster,
        }
    }

    /// Puts a worker on the roster; of the others only `beside` stays.
    pub(super) fn admit(
        &mut self,
        generation: Generation,
        at: (Endpoint, Protocol),
        beside: Option<Generation>,
        slow_start: Duration,
    ) -> Arc<Member> {
        if self.peak_now > 0 {
            self.peak = std::mem::take(&mut self.peak_now);
        }
        let since = time::now();
        let ramp = Ramp {
            first: self.peak.max(FIRST_MIN),
            since,
            until: since + slow_start,
        };
        let bell = Arc::new(Notify::new());
        let member = Arc::new(Member::new(generation, at, ramp, self.threads, bell));
        self.now
            .members
            .retain(|member| Some(member.generation) == beside);
        self.now.members.insert(0, member.clone());
        self.publish();
        member
    }

    /// Looks at what is in flight, once a tick. While somebody waits, and just after, it is the
    /// release of those who waited, which says nothing of what the app usually has.
    pub(super) fn look(&mut self, parked: u64) {
        self.calm = if parked == 0 {
            self.calm.saturating_add(1)
        } else {
            0
        };
        if let Some(member) = self.now.members.first()
            && self.calm >= CALM_TICKS
        {
            self.peak_now = self.peak_now.max(member.in_flight());
        }
    }

    pub(super) fn withdraw(&mut self, generation: Generation) {
        if self
            .now
            .members
            .iter()
            .any(|member| member.generation == generation)
        {
            self.now
                .members
                .retain(|member| member.generation != generation);
            self.publish();
        }
    }

    pub(super) fn door(&mut self, door: Door, closing: bool) {
        self.now.closing |= closing;
        self.now.door = match door {
            Door::Park {
                down_since,
                next_start,
            } => roster::Door::Park {
                down_since,
                next_start,
            },
            Door::Refuse { code, retry_at } => roster::Door::Refuse { code, retry_at },
        };
        self.publish();
    }

    pub(super) fn unready(&mut self, unready: bool) {
        self.now.unready = unready;
        self.publish();
    }

    pub(super) fn hold(&mut self, hold: bool) {
        self.now.hold = hold;
        self.publish();
    }

    fn publish(&self) {
        self.roster.send_replace(Arc::new(self.now.clone()));
    }
}
