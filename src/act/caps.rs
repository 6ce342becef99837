//! How many requests each worker may have at once, where that is found out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    admit::{
        limiter::{Limiter, Range, Why},
        overload::Cap,
        roster::Member,
    },
    time::{self, MonoTime},
    words::Generation,
};

/// A new worker begins with as many as the last one of its instance had, but with no fewer than
/// this: that one may have been sick.
const FRESH: u64 = 32;
/// A change by less than this is not worth a word...
const TOLD_LESS: f64 = 0.7;
const TOLD_MORE: f64 = 1.5;
/// ...nor is one that comes so soon after another.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// The cap of one worker, as it was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// So many at once.
    pub limit: u64,
    /// Why not more or fewer.
    pub why: Why,
    /// How long answers took of late, and how long they take when nothing waits in the worker.
    pub times: Option<(Duration, Duration)>,
}

/// A cap that has become another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub generation: Generation,
    /// What it was when it was last told.
    pub was: u64,
    /// What it is.
    pub now: Found,
}

/// The caps that are found out.
#[derive(Debug, Default)]
pub(super) struct Caps {
    range: Option<Range>,
    workers: BTreeMap<Generation, Worker>,
    /// What the last worker of each instance had.
    last: BTreeMap<u32, u64>,
}

#[derive(Debug)]
struct Worker {
    limiter: Limiter,
    told: u64,
    told_at: MonoTime,
}

impl Caps {
    pub(super) fn new(cap: Cap) -> Self {
        let mut caps = Self::default();
        caps.set(cap);
        caps
    }

    /// Takes what a reload brought.
    pub(super) fn set(&mut self, cap: Cap) {
        self.range = match cap {
            Cap::Found(range) => Some(range),
            Cap::None | Cap::Fixed(_) => None,
        };
        match self.range {
            Some(range) => {
                let workers = self.workers.values_mut();
                workers.for_each(|worker| worker.limiter.set_range(range));
            }
            None => self.workers.clear(),
        }
    }

    /// What was found of a worker.
    pub(super) fn of(&self, generation: Generation) -> Option<Found> {
        self.workers.get(&generation).map(Worker::found)
    }

    /// Looks at the workers that serve, once a tick. Returns what is worth a word, and whether one
    /// of them has more places than before.
    pub(super) fn look(&mut self, members: &[Arc<Member>]) -> (Vec<Change>, bool) {
        let Some(range) = self.range else {
            return (Vec::new(), false);
        };
        let now = time::now();
        let (mut changes, mut more) = (Vec::new(), false);
        for member in members {
            let last = self.last.get(&member.instance);
            let last = last.map(|last| (*last).max(FRESH));
            let new = || Worker::new(Limiter::new(range, last, now), now);
            let worker = self.workers.entry(member.generation).or_insert_with(new);
            let order = worker.limiter.look(now, member.found.seen(&member.places));
            more |= member.found.order(order);
            changes.extend(worker.change(now, member.generation));
            self.last.insert(member.instance, worker.limiter.limit());
        }
        let serves = |generation: &Generation| {
            let mut members = members.iter();
            members.any(|member| member.generation == *generation)
        };
        self.workers.retain(|generation, _| serves(generation));
        (changes, more)
    }
}

impl Worker {
    fn new(limiter: Limiter, now: MonoTime) -> Self {
        Self {
            told: limiter.limit(),
            limiter,
            told_at: now,
        }
    }

    fn found(&self) -> Found {
        Found {
            limit: self.limiter.order().limit,
            why: self.limiter.why(),
            times: self.limiter.times(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of requests at once")]
    fn change(&mut self, now: MonoTime, generation: Generation) -> Option<Change> {
        let found = self.found();
        let part = found.limit as f64 / self.told as f64;
        let soon = now.since(self.told_at) < TOLD_EVERY;
        if soon || found.why == Why::Probing || (TOLD_LESS..TOLD_MORE).contains(&part) {
            return None;
        }
        self.told_at = now;
        Some(Change {
            generation,
            was: std::mem::replace(&mut self.told, found.limit),
            now: found,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;
    use crate::{
        admit::roster::{Endpoint, Ramp},
        tls::back::Manner,
    };

    const RANGE: Range = Range { min: 4, max: 200 };

    fn member(generation: u32, instance: u32) -> Arc<Member> {
        let ramp = Ramp {
            first: 16,
            since: MonoTime::ZERO,
            until: MonoTime::ZERO,
        };
        let at = (Endpoint::Tcp(([127, 0, 0, 1], 1).into()), Manner::default());
        let who = (Generation(generation), instance);
        Arc::new(Member::new(who, at, ramp, 1, Arc::<Notify>::default()))
    }

    #[test]
    fn a_new_worker_begins_where_the_last_of_its_instance_was_and_knows_nothing_more() {
        let mut caps = Caps::new(Cap::Found(RANGE));
        caps.last = BTreeMap::from([(0, 60), (1, 5)]);
        let (changes, more) = caps.look(&[member(1, 0), member(2, 1), member(3, 2)]);
        assert!(changes.is_empty() && more);
        let limit = |generation| caps.of(Generation(generation)).map(|found| found.limit);
        assert_eq!(
            [limit(1), limit(2), limit(3)].map(Option::unwrap),
            [60, FRESH, 100]
        );
        let found = caps.of(Generation(1)).unwrap();
        assert_eq!((found.why, found.times), (Why::New, None));
        caps.look(&[member(2, 1)]);
        assert_eq!(caps.of(Generation(1)), None, "it is gone");
    }

    #[test]
    fn a_reload_takes_effect_on_workers_that_serve() {
        let mut caps = Caps::new(Cap::None);
        let members = [member(1, 0)];
        assert!(!caps.look(&members).1 && caps.of(Generation(1)).is_none());
        caps.set(Cap::Found(RANGE));
        caps.look(&members);
        caps.set(Cap::Found(Range { min: 1, max: 7 }));
        assert_eq!(caps.of(Generation(1)).unwrap().limit, 7);
        caps.set(Cap::Fixed(3));
        assert_eq!(caps.of(Generation(1)), None);
    }

    #[test]
    fn a_change_is_told_once_and_if_it_is_one() {
        let at = MonoTime::from_millis;
        let mut worker = Worker::new(Limiter::new(RANGE, Some(100), at(0)), at(0));
        let mut tell = |most: u64, ms: u64| {
            worker.limiter.set_range(Range { min: 1, max: most });
            let change = worker.change(at(ms), Generation(1));
            change.map(|change| (change.was, change.now.limit))
        };
        assert_eq!(tell(90, 20_000), None);
        assert_eq!(tell(50, 20_000), Some((100, 50)));
        assert_eq!(tell(20, 20_100), None, "soon");
        assert_eq!(tell(20, 30_000), Some((50, 20)));
        assert_eq!(tell(20, 60_000), None);
    }
}
