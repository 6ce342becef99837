//! Performs the engine's steps with fake workers, feeds back what they do, and checks at each step
//! what must always hold.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use autoheal::{
    decide::{
        engine::Engine,
        observation::{Observation, StartFailure, Word},
        policy::{Policy, Strategy},
        step::{Door, Step},
    },
    time::MonoTime,
    words::{Exit, Generation},
};

use crate::checks::Judged;
use crate::worker::{Knobs, Life, Worker, own_exit};

/// Coarser than the engine's own tick, so that a thousand seeds are quick.
pub(crate) const TICK: Duration = Duration::from_millis(500);
/// What one moment may cause; more is a livelock.
const SAME_MOMENT: u32 = 500;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: MonoTime,
    pub(crate) knobs: Knobs,
    pub(crate) rng: fastrand::Rng,
    pub(crate) policy: Policy,
    pub(crate) workers: BTreeMap<u32, Worker>,
    pub(crate) roster: Vec<u32>,
    pub(crate) exit: Option<i32>,
    pub(crate) door: Option<Door>,
    record: bool,
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
    pub(crate) recycle: Option<u64>,
    pub(crate) dependency_down: bool,
    pub(crate) fired: VecDeque<MonoTime>,
    /// The incidents of recycles by rules whose verdict is due.
    pub(crate) unjudged: BTreeSet<u64>,
    /// The verdicts of each rule since it was last armed, and until when it may not recycle.
    pub(crate) judged: BTreeMap<String, Judged>,
    pub(crate) starts: VecDeque<MonoTime>,
    /// Starts that are not restarts: recycles and words.
    pub(crate) asked: VecDeque<MonoTime>,
}

impl World {
    pub(crate) fn new(seed: u64, policy: Policy, knobs: Knobs, record: bool) -> Self {
        let now = MonoTime::from_millis(10_000);
        let engine = Engine::new(policy.clone(), seed, 1, now);
        let mut world = Self {
            engine,
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
            recycle: None,
            dependency_down: false,
            fired: VecDeque::new(),
            unjudged: BTreeSet::new(),
            judged: BTreeMap::new(),
            starts: VecDeque::new(),
            asked: VecDeque::from([now]),
        };
        world.perform();
        world
    }

    /// Runs for so long, or until it has ended or `enough`.
    pub(crate) fn run(&mut self, time: Duration, enough: impl Fn(&Self) -> bool) {
        let end = self.now + time;
        let mut at_once = 0;
        while self.now < end && self.exit.is_none() && !enough(self) {
            let due = self.engine.next_deadline().unwrap_or(MonoTime::NEVER);
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
                self.engine.snapshot(next)
            );
            self.now = next;
            if due <= next {
                if self.record {
                    self.told.push((next, None));
                }
                self.engine.handle_timeout(next);
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
        let answer = self.engine.handle(self.now, seen);
        if let Some(incident) = answer {
            self.unanswered.insert(incident);
        }
        self.perform();
        answer
    }

    fn later(&mut self, ms: u64, seen: Observation) {
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

    /// The maintenance page comes, or goes.
    pub(crate) fn page(&mut self, on: bool) {
        self.paged = true;
        self.asked.push_back(self.now);
        self.tell(Observation::Maintenance { on });
    }

    fn perform(&mut self) {
        while let Some(step) = self.engine.poll_step() {
            if self.record {
                self.done.push(format!("{:?} {step:?}", self.now));
            }
            assert!(self.exit.is_none(), "a step after the last one: {step:?}");
            self.step(step);
        }
        assert!(self.roster.len() <= 2, "on the roster: {:?}", self.roster);
    }

    fn known(&mut self, generation: Generation) -> &mut Worker {
        let worker = self
            .workers
            .get_mut(&generation.0)
            .expect("a worker that was started");
        assert!(!worker.gone_told, "worker {generation} is gone");
        worker
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Start { generation, .. } => self.start(generation.0),
            Step::Admit { generation, beside } => {
                assert_eq!(self.known(generation).state, Life::Up);
                let beside = beside.map(|old| old.0);
                assert!(beside.is_none_or(|old| self.roster.contains(&old)));
                self.roster = [Some(generation.0), beside].into_iter().flatten().collect();
            }
            Step::Withdraw { generation } => {
                self.known(generation);
                self.roster.retain(|on| *on != generation.0);
            }
            Step::AwaitQuiet { generation, until } => {
                assert!(self.roster.contains(&generation.0));
                if self.rng.bool() {
                    let ms = self.rng.u64(0..=ms(until.since(self.now)));
                    self.later(ms, Observation::Quiet { generation });
                }
            }
            Step::Drain { generation, until } => {
                assert!(
                    !self.roster.contains(&generation.0),
                    "drained while it serves"
                );
                let most = ms(until.since(self.now));
                let ms = match self.known(generation).never_drains {
                    true => most,
                    false => self.rng.u64(0..=most.min(300)),
                };
                self.later(ms, Observation::Drained { generation, cut: 0 });
            }
            Step::CutStuck { generation, .. } => {
                let worker = self.known(generation);
                worker.in_flight /= 2;
                worker.stuck.clear();
            }
            Step::Stop {
                generation,
                kill_at,
            } => {
                assert!(
                    !self.roster.contains(&generation.0),
                    "stopped while it serves"
                );
                let ignores = self.known(generation).ignores_term;
                let after = if ignores {
                    ms(kill_at.since(self.now))
                } else {
                    5
                };
                let exit = if ignores {
                    Exit::Signal(9)
                } else {
                    Exit::Code(0)
                };
                self.exits_in(after, generation.0, exit);
            }
            Step::Kill { generation } => {
                self.known(generation);
                self.exits_in(1, generation.0, Exit::Signal(9));
            }
            Step::Probe(Some(generation)) => assert!(self.roster.contains(&generation.0)),
            Step::AskDependency { probe, .. } => self.answer_for_dependency(probe),
            Step::ConfirmMemory { .. } => self.confirm = true,
            Step::Say(event) => self.hear(&event),
            Step::Exit(code) => self.exit = Some(code),
            Step::Door(door) => self.door = Some(door),
            _ => {}
        }
    }

    fn answer_for_dependency(&mut self, probe: u64) {
        let knobs = self.knobs;
        if self.rng.f64() < knobs.needs_lost {
            return;
        }
        let result = match self.rng.f64() < knobs.needs_fail {
            true => Err("nobody listens".to_owned()),
            false => Ok(()),
        };
        let after = self.rng.u64(1..300);
        self.later(after, Observation::Dependency { probe, result });
    }

    fn start(&mut self, generation: u32) {
        let newest = self.workers.keys().next_back().copied().unwrap_or(0);
        assert_eq!(generation, newest + 1);
        if self.policy.recycle.strategy == Strategy::InPlace {
            let left: Vec<_> = self.workers.iter().filter(|(_, w)| !w.gone_told).collect();
            assert!(left.is_empty(), "started on a port that {left:?} may hold");
        }
        self.starts.push_back(self.now);
        self.check_rate();
        let (knobs, rng) = (self.knobs, &mut self.rng);
        let worker = Worker::drawn(rng, &knobs);
        let after = rng.u64(0..=knobs.ready_after_ms_max);
        let [spawns, exits, ready, elsewhere] = [
            knobs.spawn_fails,
            knobs.exits_at_start,
            knobs.never_ready,
            knobs.listens_elsewhere,
        ]
        .map(|chance| rng.f64() < chance);
        let exit = own_exit(rng);
        self.workers.insert(generation, worker);
        let name = Generation(generation);
        if spawns {
            self.workers.get_mut(&generation).unwrap().state = Life::Dead;
            let why = StartFailure::Spawn("no such file: shop".to_owned());
            return self.later(
                1,
                Observation::StartFailed {
                    generation: name,
                    why,
                },
            );
        }
        self.later(
            1,
            Observation::Started {
                generation: name,
                pid: generation + 1000,
            },
        );
        if elsewhere {
            let seen = Observation::ListensElsewhere {
                generation: name,
                expected: 1,
                found: 2,
            };
            self.later(2, seen);
        }
        if exits {
            self.exits_in(after, generation, exit);
        } else if !ready {
            self.later(after, Observation::Ready { generation: name });
        }
    }
}

pub(crate) fn ms(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap()
}
