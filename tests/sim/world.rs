//! A simulated world: its time, what is told to the workers' group, and when.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use autoheal::{
    decide::{
        group::Group,
        observation::{Observation, Word},
        policy::{Policy, RestartWhen},
    },
    time::MonoTime,
    units::RequestShape,
    words::{Door, Exit, Generation},
};

use crate::{
    checks::{Judged, Recycle},
    incidents::Followed,
    worker::{Knobs, Life, Worker},
};

/// Coarser than the engine's own tick, so that a thousand seeds are quick.
pub(crate) const TICK: Duration = Duration::from_millis(500);
/// What one moment may cause; more is a livelock.
const SAME_MOMENT: u32 = 500;

pub(crate) struct World {
    pub(crate) group: Group,
    pub(crate) now: MonoTime,
    pub(crate) knobs: Knobs,
    pub(crate) rng: fastrand::Rng,
    pub(crate) policy: Policy,
    pub(crate) workers: BTreeMap<u32, Worker>,
    pub(crate) roster: Vec<u32>,
    pub(crate) exit: Option<i32>,
    pub(crate) door: Option<Door>,
    pub(super) record: bool,
    /// Everything told to the engine, and everything it did.
    pub(crate) told: Vec<(MonoTime, Option<Observation>)>,
    pub(crate) done: Vec<String>,
    pub(crate) unanswered: BTreeSet<u64>,
    pub(crate) stopped: bool,
    /// The maintenance page has ever come or gone.
    pub(crate) paged: bool,
    pub(crate) shutting_down: bool,
    pub(crate) events: BTreeMap<(MonoTime, u64), Observation>,
    pub(crate) serial: u64,
    pub(crate) next_tick: MonoTime,
    pub(crate) confirm: bool,
    pub(crate) recycles: BTreeMap<u64, Recycle>,
    /// The instances of which nothing serves by our own doing.
    pub(crate) out: BTreeSet<u32>,
    pub(crate) dependency_down: bool,
    /// The requests in flight that a number of workers which follows the load is for.
    pub(crate) load: u64,
    pub(crate) suspects: Vec<(RequestShape, bool)>,
    pub(crate) fired: VecDeque<MonoTime>,
    /// The incidents of recycles by rules whose verdict is due, and the instance of each.
    pub(crate) unjudged: BTreeMap<u64, u32>,
    /// The verdicts of each instance's rules, and of all instances' (`None`), since they were last
    /// armed, and until when they may not recycle.
    pub(crate) judged: BTreeMap<(Option<u32>, String), Judged>,
    /// The instance of the last verdict.
    pub(crate) last_judged: u32,
    pub(crate) followed: Followed,
    /// Of each instance.
    pub(crate) starts: BTreeMap<u32, VecDeque<MonoTime>>,
    /// Starts that are not restarts: recycles and words.
    pub(crate) asked: VecDeque<MonoTime>,
}

impl World {
    pub(crate) fn new(seed: u64, policy: Policy, knobs: Knobs, record: bool) -> Self {
        let now = MonoTime::from_millis(10_000);
        let group = Group::new(policy.clone(), seed, 1, now);
        let mut world = Self {
            group,
            now,
            knobs,
            rng: fastrand::Rng::with_seed(seed),
            policy,
            workers: BTreeMap::new(),
            roster: Vec::new(),
            exit: None,
            door: None,
            record,
            told: Vec::new(),
            done: Vec::new(),
            unanswered: BTreeSet::new(),
            stopped: false,
            paged: false,
            shutting_down: false,
            events: BTreeMap::new(),
            serial: 0,
            next_tick: now + TICK,
            confirm: false,
            dependency_down: false,
            load: 0,
            recycles: BTreeMap::new(),
            out: BTreeSet::new(),
            suspects: Vec::new(),
            fired: VecDeque::new(),
            unjudged: BTreeMap::new(),
            judged: BTreeMap::new(),
            last_judged: 0,
            followed: Followed::default(),
            starts: BTreeMap::new(),
            asked: VecDeque::from([now]),
        };
        world.perform();
        world
    }

    /// Runs for so long, or until it has ended or `enough`.
    pub(crate) fn run(&mut self, time: Duration, mut enough: impl FnMut(&mut Self) -> bool) {
        let end = self.now + time;
        let mut at_once = 0;
        while self.now < end && self.exit.is_none() && !enough(self) {
            let due = self.group.next_deadline().unwrap_or(MonoTime::NEVER);
            let event = self
                .events
                .keys()
                .next()
                .map_or(MonoTime::NEVER, |(at, _)| *at);
            let next = due.min(event).min(self.next_tick).max(self.now);
            at_once = if next == self.now { at_once + 1 } else { 0 };
            assert!(
                at_once < SAME_MOMENT,
                "nothing moves on at {next:?}: {:?}",
                self.group.snapshot(next)
            );
            self.now = next;
            if due <= next {
                if self.record {
                    self.told.push((next, None));
                }
                self.group.handle_timeout(next);
                self.perform();
            } else if event <= next {
                let ((_, _), seen) = self.events.pop_first().unwrap();
                self.deliver(seen);
            } else {
                self.next_tick = next + TICK;
                self.tick();
            }
        }
    }

    pub(crate) fn tell(&mut self, seen: Observation) -> Option<u64> {
        if self.record {
            self.told.push((self.now, Some(seen.clone())));
        }
        let answer = self.group.handle(self.now, seen);
        if let Some(incident) = answer {
            self.unanswered.insert(incident);
        }
        self.perform();
        answer
    }

    pub(crate) fn later(&mut self, ms: u64, seen: Observation) {
        self.serial += 1;
        self.events
            .insert((self.now + Duration::from_millis(ms), self.serial), seen);
    }

    fn deliver(&mut self, seen: Observation) {
        match &seen {
            Observation::Ready { generation } => {
                let worker = self.workers.get_mut(&generation.0).unwrap();
                if worker.state != Life::Booting {
                    return;
                }
                worker.state = Life::Up;
            }
            Observation::Exited { generation, .. } => {
                let worker = self.workers.get_mut(&generation.0).unwrap();
                if !worker.lives() {
                    return;
                }
                worker.state = Life::Dead;
                let after = self.rng.u64(0..50);
                self.later(
                    after,
                    Observation::Gone {
                        generation: *generation,
                    },
                );
            }
            Observation::Gone { generation } | Observation::StartFailed { generation, .. } => {
                self.workers.get_mut(&generation.0).unwrap().gone_told = true;
            }
            _ => {}
        }
        let again = (self.rng.f64() < self.knobs.nonsense_a_tick).then(|| seen.clone());
        self.tell(seen);
        if let Some(seen) = again {
            self.tell(seen);
        }
    }

    pub(crate) fn exits_in(&mut self, ms: u64, generation: u32, exit: Exit) {
        let address_in_use = self.rng.u8(0..8) == 0;
        self.later(
            ms,
            Observation::Exited {
                generation: Generation(generation),
                exit,
                oom_killed: self.rng.clone().bool(),
                address_in_use,
                left_children: false,
            },
        );
    }

    pub(crate) fn operator(&mut self, word: Word) {
        match &word {
            Word::Stop => self.stopped = true,
            Word::Start | Word::Recycle { force: true, .. } => self.stopped = false,
            Word::Shutdown => self.shutting_down = true,
            _ => {}
        }
        self.asked.push_back(self.now);
        self.tell(Observation::Operator(word));
    }

    /// Each instance has a worker that serves.
    pub(crate) fn all_serve(&mut self) -> bool {
        let on = self.roster.iter().map(|on| self.workers[on].instance);
        let on: BTreeSet<u32> = on.collect();
        !on.is_empty() && on.len() == self.group.snapshot(self.now).instances.len()
    }

    pub(crate) fn is_ready(&mut self) -> bool {
        self.group.snapshot(self.now).phase == "ready"
    }

    /// Some instance's worker has ended and is not to be started again.
    pub(crate) fn left_down(&mut self) -> bool {
        self.policy.restart.when == RestartWhen::OnFailure && !self.all_serve()
    }

    /// The maintenance page comes, or goes.
    pub(crate) fn page(&mut self, on: bool) {
        self.paged = true;
        self.asked.push_back(self.now);
        self.tell(Observation::Maintenance { on });
    }
}

pub(crate) fn ms(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap()
}
