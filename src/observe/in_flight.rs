//! What is in flight on one data thread, and when the oldest of it becomes slow.
//!
//! Pure: callers pass `now`. Entering and leaving cost a few nanoseconds each, whatever the number
//! in flight; there is no timer a request. One queue for each time limit holds requests in the
//! order in which they come due.

mod lost;
mod queue;

use std::{collections::VecDeque, sync::Arc, task::Waker, time::Duration};

use http::{Method, Uri};
use slab::Slab;

use self::{
    lost::Lost,
    queue::{Limit, Queue, waits},
};
use super::{
    route::Look,
    suspects::{Place, Suspects},
    tally::Rules,
};
use crate::{time::MonoTime, units::RequestShape, words::Generation};

/// Where a request stands in the table of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    index: usize,
    serial: u64,
}

/// Why an attempt must leave its worker before an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// No response head within `timeouts.response`.
    TimedOut,
    /// A slow rule recycles and this request is one of the slow.
    Stuck,
    /// The drain of its worker is at its deadline.
    DrainOver,
}

/// One attempt that is in flight, for lists.
#[derive(Clone, Debug)]
pub struct Listed {
    /// On which worker.
    pub generation: Generation,
    /// Method and target as the client sent them.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// Since when the worker has it.
    pub since: MonoTime,
    /// Whether its response head was seen.
    pub answered: bool,
    /// Whether its connection switched protocols.
    pub tunnel: bool,
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    generation: Generation,
    method: Method,
    uri: Uri,
    start: MonoTime,
    /// From here on the worker is measured; `NEVER` while we wait for the client's body.
    since: MonoTime,
    mask: u64,
    /// Its limit to the response head.
    response: Option<Duration>,
    slow: u64,
    answered: bool,
    tunnel: bool,
    replayable: bool,
    /// Its kind, if that is suspected.
    suspect: Option<Place>,
    cut: Option<Cut>,
    waker: Option<Waker>,
}

/// What came due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BecameSlow {
    /// By which rule.
    pub rule: usize,
    /// On which worker.
    pub generation: Generation,
}

/// Everything in flight on one data thread.
#[derive(Debug, Default)]
pub struct InFlight {
    entries: Slab<Entry>,
    serial: u64,
    queues: Vec<Queue>,
    /// `None`: nobody is suspected.
    suspects: Option<Arc<Suspects>>,
    lost: Lost,
}

impl InFlight {
    /// Takes new limits into force: those of the slow rules, and those to the response head. What
    /// is in flight keeps its own limit to the response head alone, since its rules are gone.
    pub fn set_limits(&mut self, rules: &Rules, response: Option<Duration>) {
        self.queues.clear();
        for (index, time) in rules.slow() {
            self.queues.push(Queue {
                limit: Limit::Rule(index),
                time,
                waiting: VecDeque::new(),
            });
        }
        for (_, entry) in &mut self.entries {
            (entry.mask, entry.slow) = (0, 0);
        }
        let live = self.entries.iter().filter_map(|(_, entry)| entry.response);
        let mut times: Vec<Duration> = rules.limits().chain(response).chain(live).collect();
        times.sort_unstable();
        times.dedup();
        for time in times {
            let of = |entry: &Entry| !entry.answered && entry.response == Some(time);
            let live = self.entries.iter().filter(|(_, entry)| of(entry));
            let mut live: Vec<(Key, MonoTime)> = live
                .map(|(index, entry)| {
                    let serial = entry.serial;
                    (Key { index, serial }, entry.start)
                })
                .collect();
            live.sort_by_key(|(_, start)| *start);
            self.queues.push(Queue {
                limit: Limit::Response,
                time,
                waiting: live.into(),
            });
        }
    }

    /// These kinds of requests were in flight when a worker crashed. What is in flight now is
    /// looked at too.
    pub fn suspect(&mut self, suspects: &Arc<Suspects>) {
        self.suspects = (!suspects.is_empty()).then(|| suspects.clone());
        for (_, entry) in &mut self.entries {
            entry.look_for(suspects);
        }
    }

    /// Whether such a request ends its workers: it is not to be sent twice.
    #[must_use]
    pub fn is_poison(&self, method: &Method, uri: &Uri) -> bool {
        self.suspects.as_ref().is_some_and(|suspects| {
            let place = suspects.find(method.as_str(), uri.path());
            place.is_some_and(|place| suspects.is_poison(place))
        })
    }

    /// An attempt begins: a worker has this request from `now` on. `look`: what its method and path
    /// mean for it.
    pub fn enter(
        &mut self,
        now: MonoTime,
        generation: Generation,
        look: Look,
        method: &Method,
        uri: &Uri,
        replayable: bool,
    ) -> Key {
        self.serial += 1;
        let serial = self.serial;
        let mut entry = Entry {
            serial,
            generation,
            method: method.clone(),
            uri: uri.clone(),
            start: now,
            since: now,
            mask: look.rules,
            response: look.response,
            slow: 0,
            answered: false,
            tunnel: false,
            replayable,
            suspect: None,
            cut: None,
            waker: None,
        };
        if let Some(suspects) = &self.suspects {
            suspects.count(entry.look_for(suspects));
        }
        let index = self.entries.insert(entry);
        let key = Key { index, serial };
        for queue in &mut self.queues {
            if queue.takes(look) {
                queue.push(key, now, &self.entries);
            }
        }
        key
    }

    /// The client's body is being waited for (`None`), or a piece of it was given to the worker.
    pub fn body(&mut self, key: Key, given: Option<MonoTime>) {
        if let Some(entry) = self.entry_mut(key) {
            entry.since = given.unwrap_or(MonoTime::NEVER);
        }
    }

    /// The response head came, or the attempt failed: it can't become slow any more. Returns the
    /// rules that count it, those that already counted it as slow, and how long the worker took.
    pub fn answered(&mut self, key: Key, now: MonoTime) -> (u64, u64, Duration) {
        match self.entry_mut(key) {
            Some(entry) => {
                entry.answered = true;
                entry.waker = None;
                (entry.mask, entry.slow, now.since(entry.since))
            }
            None => (0, 0, Duration::ZERO),
        }
    }

    /// The attempt is given up by whoever asked. Returns what [`InFlight::answered`] does of one
    /// that still waited for its head.
    pub fn abandoned(&mut self, key: Key, now: MonoTime) -> Option<(u64, Duration)> {
        let entry = self.entry_mut(key)?;
        let waits = !entry.answered && entry.cut.is_none();
        waits.then(|| (entry.mask, now.since(entry.since)))
    }

    /// Its connection switched protocols: it lasts for as long as its sides want.
    pub fn tunneled(&mut self, key: Key) {
        if let Some(entry) = self.entry_mut(key) {
            entry.tunnel = true;
        }
    }

    /// The attempt is over.
    pub fn leave(&mut self, key: Key) {
        if self.entry_mut(key).is_some() {
            let entry = self.entries.remove(key.index);
            if let (Some(suspects), Some(place)) = (&self.suspects, entry.suspect) {
                suspects.leave(place);
            }
        }
    }

    /// The worker's connection broke under this attempt, which is about to leave: the worker may
    /// have ended.
    pub fn lost(&mut self, key: Key, now: MonoTime) {
        let entry = self.entries.get(key.index);
        if let Some(entry) = entry.filter(|entry| entry.serial == key.serial) {
            let (method, path) = (entry.method.as_str(), entry.uri.path());
            self.lost.note(now, entry.generation, method, path);
        }
    }

    /// What kinds of requests a worker has, or had when its connections broke, each once. To be
    /// asked once, when it has ended.
    pub fn lost_by(&mut self, worker: Generation, now: MonoTime) -> Vec<RequestShape> {
        for (_, entry) in &self.entries {
            if entry.generation == worker {
                let (method, path) = (entry.method.as_str(), entry.uri.path());
                self.lost.note(now, worker, method, path);
            }
        }
        self.lost.take(now, worker)
    }

    /// Why this attempt must leave its worker, if it must; else wakes `waker` when it must.
    pub fn poll_cut(&mut self, key: Key, waker: &Waker) -> Option<Cut> {
        let entry = self.entry_mut(key)?;
        if entry.cut.is_none() && !entry.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            entry.waker = Some(waker.clone());
        }
        entry.cut
    }

    /// Finds what has come due: marks it, cuts what is over the response limit, and tells each
    /// request that became slow.
    pub fn due(&mut self, now: MonoTime, mut became_slow: impl FnMut(BecameSlow)) {
        for at in 0..self.queues.len() {
            while let Some((key, limit, due)) = self.front(at) {
                if due > now {
                    break;
                }
                self.queues[at].waiting.pop_front();
                let time = self.queues[at].time;
                let Some(entry) = self.entry_mut(key) else {
                    continue;
                };
                if entry.since == MonoTime::NEVER {
                    // We wait for its client: ask again later.
                    self.queues[at].push(key, now, &self.entries);
                    continue;
                }
                if entry.since + time > now {
                    // Its upload went on: it is due a whole limit after the last byte.
                    let since = entry.since;
                    self.queues[at].insert(key, since);
                    continue;
                }
                match limit {
                    Limit::Rule(rule) => {
                        entry.slow |= 1 << rule;
                        became_slow(BecameSlow {
                            rule,
                            generation: entry.generation,
                        });
                    }
                    Limit::Response => entry.cut(Cut::TimedOut),
                }
            }
        }
    }

    /// Nobody was there to hear a worker for at least so long: what it said meanwhile must be heard
    /// before anything is over its time. What waits gets that time, and as much again.
    pub fn stood_still(&mut self, now: MonoTime, time: Duration) {
        for (_, entry) in self.entries.iter_mut().filter(|(_, one)| !one.answered) {
            if entry.since != MonoTime::NEVER {
                entry.since = now.min(entry.since + time * 2);
            }
        }
    }

    /// The shortest limit in force: nothing that enters comes due sooner than this.
    #[must_use]
    pub fn shortest(&self) -> Option<Duration> {
        self.queues.iter().map(|queue| queue.time).min()
    }

    /// When to ask [`InFlight::due`] next; `None`: not before something enters.
    pub fn next_due(&mut self) -> Option<MonoTime> {
        (0..self.queues.len())
            .filter_map(|at| self.front(at).map(|(_, _, due)| due))
            .min()
    }

    /// These attempts must leave their worker: unanswered and replayable ones that this rule found
    /// slow.
    pub fn cut_stuck(&mut self, generation: Generation, rule: usize) -> usize {
        self.cut_where(Cut::Stuck, |entry| {
            entry.generation == generation
                && entry.slow >> rule & 1 == 1
                && entry.replayable
                && !entry.answered
        })
    }

    /// Every attempt on this worker must leave it.
    pub fn cut_all(&mut self, generation: Generation) -> usize {
        self.cut_where(Cut::DrainOver, |entry| entry.generation == generation)
    }

    fn cut_where(&mut self, why: Cut, which: impl Fn(&Entry) -> bool) -> usize {
        let mut count = 0;
        for (_, entry) in &mut self.entries {
            if which(entry) {
                entry.cut(why);
                count += 1;
            }
        }
        count
    }

    /// Since when the oldest attempt on this worker is in flight, answered or not; tunnels aside,
    /// which would be waited for in vain.
    #[must_use]
    pub fn oldest(&self, generation: Generation) -> Option<MonoTime> {
        let of = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.generation == generation && !entry.tunnel);
        of.map(|(_, entry)| entry.start).min()
    }

    /// The oldest attempts in flight, at most `limit`.
    #[must_use]
    pub fn list(&self, limit: usize) -> Vec<Listed> {
        let mut all: Vec<&Entry> = self.entries.iter().map(|(_, entry)| entry).collect();
        all.sort_by_key(|entry| entry.start);
        all.truncate(limit);
        let list = all.into_iter().map(|entry| Listed {
            generation: entry.generation,
            method: entry.method.clone(),
            uri: entry.uri.clone(),
            since: entry.start,
            answered: entry.answered,
            tunnel: entry.tunnel,
        });
        list.collect()
    }

    /// The first that still waits in a queue, with the time it comes due. Drops those that left.
    fn front(&mut self, at: usize) -> Option<(Key, Limit, MonoTime)> {
        let queue = self.queues.get_mut(at)?;
        while let Some((key, from)) = queue.waiting.front().copied() {
            if waits(&self.entries, key) {
                return Some((key, queue.limit, from + queue.time));
            }
            queue.waiting.pop_front();
        }
        None
    }

    fn entry_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries
            .get_mut(key.index)
            .filter(|entry| entry.serial == key.serial)
    }
}

impl Entry {
    /// Enters among the suspects, if it is of such a kind; which one.
    fn look_for(&mut self, suspects: &Suspects) -> Option<Place> {
        self.suspect = suspects.find(self.method.as_str(), self.uri.path());
        if let Some(place) = self.suspect {
            suspects.enter(place);
            self.replayable &= !suspects.is_poison(place);
        }
        self.suspect
    }

    fn cut(&mut self, why: Cut) {
        self.cut.get_or_insert(why);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests;
