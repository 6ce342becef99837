//! The roster as it is being changed; each change is published as one snapshot.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use crate::{
    admit::roster::{Endpoint, Member, Ramp, Roster},
    time::{self, MonoTime},
    tls::back::Manner,
    words::{Door, Generation},
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
    /// By instance.
    peaks: BTreeMap<u32, Peak>,
    /// For so many ticks nobody has waited.
    calm: u32,
    roster: watch::Sender<Arc<Roster>>,
}

/// The most in flight at once, when nobody had to wait.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    /// Of the last generation.
    last: u64,
    /// Of the generation that serves now.
    now: u64,
}

impl Stage {
    pub(super) fn new(threads: usize, roster: watch::Sender<Arc<Roster>>) -> Self {
        let now = Roster::clone(&roster.borrow());
        Self {
            threads,
            now,
            peaks: BTreeMap::new(),
            calm: 0,
            roster,
        }
    }

    /// Puts a worker on the roster; of the others of its instance only `beside` stays.
    pub(super) fn admit(
        &mut self,
        (generation, instance): (Generation, u32),
        at: (Endpoint, Manner),
        beside: Option<Generation>,
        slow_start: Duration,
    ) -> Arc<Member> {
        let peak = self.peaks.entry(instance).or_default();
        if peak.now > 0 {
            peak.last = std::mem::take(&mut peak.now);
        }
        let since = time::now();
        let ramp = Ramp {
            first: peak.last.max(FIRST_MIN),
            since,
            until: since + slow_start,
        };
        let bell = Arc::new(Notify::new());
        let member = Arc::new(Member::new(
            (generation, instance),
            at,
            ramp,
            self.threads,
            bell,
        ));
        let members = &mut self.now.members;
        members.retain(|one| one.instance != instance || Some(one.generation) == beside);
        let place = members.partition_point(|one| one.instance < instance);
        members.insert(place, member.clone());
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
        if self.calm < CALM_TICKS {
            return;
        }
        let instances = self.now.members.chunk_by(|a, b| a.instance == b.instance);
        for member in instances.filter_map(<[_]>::first) {
            let peak = self.peaks.entry(member.instance).or_default();
            peak.now = peak.now.max(member.in_flight());
        }
    }

    /// The workers that serve.
    pub(super) fn members(&self) -> &[Arc<Member>] {
        &self.now.members
    }

    /// Those of them that clients are let in to now; none when all is to end.
    pub(super) fn serving(&self) -> &[Arc<Member>] {
        let now = &self.now;
        match now.page.is_some() || now.hold || now.closing || now.leaving.is_some() {
            true => &[],
            false => &now.members,
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
        self.now.door = door;
        self.publish();
    }

    pub(super) fn leave(&mut self, until: MonoTime) {
        self.now.leaving = Some(until);
        self.publish();
    }

    pub(super) fn unready(&mut self, unready: bool) {
        self.now.unready = unready;
        self.publish();
    }

    pub(super) fn page(&mut self, page: Option<Bytes>) {
        self.now.page = page;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::code::Code;

    fn stage() -> Stage {
        let roster = Roster {
            members: Vec::new(),
            door: Door::Park {
                down_since: MonoTime::ZERO,
                next_start: MonoTime::ZERO,
            },
            hold: false,
            unready: false,
            page: None,
            leaving: None,
            closing: false,
        };
        let mut stage = Stage::new(1, watch::channel(Arc::new(roster)).0);
        for number in [1, 2] {
            let at = (Endpoint::Tcp(([127, 0, 0, 1], 1).into()), Manner::default());
            stage.admit((Generation(number), number), at, None, Duration::ZERO);
        }
        stage
    }

    #[test]
    fn nobody_serves_while_clients_are_let_in_to_nobody_or_all_is_to_end() {
        assert_eq!(stage().serving().len(), 2);
        let acts: [fn(&mut Stage); 4] = [
            |stage| stage.page(Some(Bytes::new())),
            |stage| stage.hold(true),
            |stage| stage.leave(MonoTime::ZERO),
            |stage| {
                let code = Code::ShuttingDown;
                stage.door(
                    Door::Refuse {
                        code,
                        retry_at: None,
                    },
                    true,
                );
            },
        ];
        for act in acts {
            let mut stage = stage();
            act(&mut stage);
            assert_eq!(stage.serving().len(), 0);
        }
        let mut draining = stage();
        draining.withdraw(Generation(1));
        assert_eq!(draining.serving()[0].generation, Generation(2));
        assert_eq!(draining.serving().len(), 1);
    }
}
