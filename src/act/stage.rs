//! The roster as it is being changed; each change is published as one snapshot.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, watch};

use crate::{
    admit::roster::{self, Endpoint, Member, Ramp, Roster},
    decide::step::Door,
    time,
    words::Generation,
};

/// A fresh worker gets at least so many requests at once.
const FIRST_MIN: u64 = 16;

/// What is on stage: the ready workers, the door, the hold.
#[derive(Debug)]
pub(super) struct Stage {
    threads: usize,
    now: Roster,
    /// The most that the last generation had in flight at once.
    peak: u64,
    roster: watch::Sender<Arc<Roster>>,
}

impl Stage {
    pub(super) fn new(threads: usize, roster: watch::Sender<Arc<Roster>>) -> Self {
        let now = Roster::clone(&roster.borrow());
        Self {
            threads,
            now,
            peak: 0,
            roster,
        }
    }

    /// Puts a worker on the roster; of the others only `beside` stays.
    pub(super) fn admit(
        &mut self,
        generation: Generation,
        endpoint: Endpoint,
        beside: Option<Generation>,
        slow_start: Duration,
    ) -> Arc<Member> {
        self.remember_peak();
        let ramp = Ramp {
            first: self.peak.max(FIRST_MIN),
            until: time::now() + slow_start,
        };
        let bell = Arc::new(Notify::new());
        let member = Arc::new(Member::new(generation, endpoint, ramp, self.threads, bell));
        self.now
            .members
            .retain(|member| Some(member.generation) == beside);
        self.now.members.insert(0, member.clone());
        self.publish();
        member
    }

    pub(super) fn withdraw(&mut self, generation: Generation) {
        if self
            .now
            .members
            .iter()
            .any(|member| member.generation == generation)
        {
            self.remember_peak();
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

    pub(super) fn hold(&mut self, hold: bool) {
        self.now.hold = hold;
        self.publish();
    }

    fn remember_peak(&mut self) {
        if let Some(member) = self.now.members.first() {
            self.peak = member.peak();
        }
    }

    fn publish(&self) {
        self.roster.send_replace(Arc::new(self.now.clone()));
    }
}
