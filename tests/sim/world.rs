//! Performs the engine's steps with fake workers, feeds back what they do, and checks at each step
//! what must always hold.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use autoheal::{
    decide::{
        engine::Engine,
        event::{Event, Field, Kind},
        observation::{MemorySample, Observation, RuleCount, StartFailure, Tally, Word},
        policy::{Policy, Strategy},
        step::Step,
        trigger::Trigger,
    },
    time::MonoTime,
    units::ByteSize,
    words::{Exit, Generation},
};

use crate::worker::{Knobs, Life, Worker, own_exit};

/// Coarser than the engine's own tick, so that a thousand seeds are quick.
pub(crate) const TICK: Duration = Duration::from_millis(500);
/// What one moment may cause; more is a livelock.
const SAME_MOMENT: u32 = 500;
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: MonoTime,
    pub(crate) knobs: Knobs,
    pub(crate) rng: fastrand::Rng,
    pub(crate) policy: Policy,
    pub(crate) workers: BTreeMap<u32, Worker>,
    pub(crate) roster: Vec<u32>,
    pub(crate) exit: Option<i32>,
    /// Everything told to the engine, and everything it did.
    pub(crate) told: Vec<(MonoTime, Option<Observation>)>,
    pub(crate) done: Vec<String>,
    pub(crate) unanswered: BTreeSet<u64>,
    pub(crate) stopped: bool,
    pub(crate) shutting_down: bool,
    events: BTreeMap<(MonoTime, u64), Observation>,
    serial: u64,
    next_tick: MonoTime,
    confirm: bool,
    recycle: Option<u64>,
    fired: VecDeque<MonoTime>,
    starts: VecDeque<MonoTime>,
    /// Starts that are not restarts: recycles and words.
    asked: VecDeque<MonoTime>,
}

impl World {
    pub(crate) fn new(seed: u64, policy: Policy, knobs: Knobs) -> Self {
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
            told: Vec::new(),
            done: Vec::new(),
            unanswered: BTreeSet::new(),
            stopped: false,
            shutting_down: false,
            events: BTreeMap::new(),
            serial: 0,
            next_tick: now + TICK,
            confirm: false,
            recycle: None,
            fired: VecDeque::new(),
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
                self.told.push((next, None));
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
        self.told.push((self.now, Some(seen.clone())));
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
            Observation::Gone { generation } => {
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

    fn tick(&mut self) {
        let all: Vec<u32> = self
            .workers
            .iter()
            .filter(|(_, w)| w.lives())
            .map(|(generation, _)| *generation)
            .collect();
        for generation in all {
            self.misbehave(generation);
            let tally = self.traffic(generation);
            let bytes = self.workers[&generation].bytes;
            self.tell(Observation::Tally(tally));
            let sample = |exact| MemorySample {
                generation: Generation(generation),
                bytes: ByteSize(bytes),
                exact,
                limit: None,
            };
            self.tell(Observation::Memory(sample(false)));
            if std::mem::take(&mut self.confirm) {
                self.tell(Observation::Memory(sample(true)));
            }
            let result = match self.workers[&generation].sick {
                true => Err("no answer within 2s".to_owned()),
                false => Ok(()),
            };
            self.tell(Observation::Probe {
                generation: Generation(generation),
                result,
            });
        }
        self.interfere();
        assert!(self.engine.snapshot(self.now).generations.len() < 12);
    }

    fn misbehave(&mut self, generation: u32) {
        let knobs = self.knobs;
        let chances = [
            knobs.crashes_a_tick,
            knobs.hangs_a_tick,
            knobs.unhealthy_a_tick,
        ];
        let [crashes, hangs, sickens] = chances.map(|chance| self.rng.f64() < chance);
        let worker = self.workers.get_mut(&generation).unwrap();
        worker.hung |= hangs && worker.state == Life::Up;
        worker.sick |= sickens;
        if crashes && worker.state == Life::Up {
            let exit = own_exit(&mut self.rng);
            self.exits_in(0, generation, exit);
        }
    }

    /// Ten requests a tick, spread over the roster.
    fn traffic(&mut self, generation: u32) -> Tally {
        let came = if self.roster.contains(&generation) {
            10 / self.roster.len() as u64
        } else {
            0
        };
        let (now, knobs) = (self.now, self.knobs);
        let failed = (0..came)
            .filter(|_| self.rng.f64() < knobs.fails_requests)
            .count() as u64;
        let worker = self.workers.get_mut(&generation).unwrap();
        let mut answered = came;
        if worker.hung {
            answered = 0;
            worker.in_flight += came;
            worker.stuck.push((now, came));
        } else {
            worker.bytes += came * knobs.leak_per_request;
        }
        let mut rules = Vec::new();
        for rule in &self.policy.rules {
            rules.push(match &rule.when {
                Trigger::Status { .. } => RuleCount {
                    matching: failed.min(answered),
                    total: answered,
                },
                Trigger::Requests { .. } => RuleCount {
                    matching: answered,
                    total: answered,
                },
                Trigger::Slow { time_taken, .. } => {
                    let slow = |at: MonoTime| {
                        now.since(at) >= *time_taken && now.since(at) < *time_taken + TICK
                    };
                    let slow = worker
                        .stuck
                        .iter()
                        .filter(|(at, _)| slow(*at))
                        .map(|(_, n)| n)
                        .sum();
                    RuleCount {
                        matching: slow,
                        total: answered + slow,
                    }
                }
                Trigger::Memory { .. } => RuleCount::default(),
            });
        }
        let in_flight = worker.in_flight;
        Tally {
            generation: Generation(generation),
            rules,
            answered,
            in_flight,
        }
    }

    /// Operators, stalls, and facts about workers that nobody knows.
    fn interfere(&mut self) {
        let knobs = self.knobs;
        if self.rng.f64() < knobs.stalls_a_tick {
            self.tell(Observation::Stalled(Duration::from_secs(3)));
        }
        if self.rng.f64() < knobs.nonsense_a_tick {
            let generation = Generation(self.rng.u32(0..100_000) + 100_000);
            self.tell(Observation::Ready { generation });
            self.tell(Observation::Gone { generation });
            self.tell(Observation::Drained { generation, cut: 1 });
        }
        if self.rng.f64() >= knobs.words_a_tick {
            return;
        }
        let word = match self.rng.u8(0..12) {
            0..4 => Word::Recycle {
                reason: "because".to_owned(),
                force: self.rng.bool(),
            },
            4..7 => Word::Start,
            7 => Word::Stop,
            8 => Word::Hold(Duration::from_secs(1)),
            9 => Word::Disarm {
                rules: Vec::new(),
                time: Duration::from_secs(5),
            },
            10 => Word::Arm { rules: Vec::new() },
            _ => Word::Reload {
                policy: Box::new(self.policy.clone()),
                recycle: self.rng.bool().then(|| "the command changed".to_owned()),
            },
        };
        self.operator(word);
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

    fn perform(&mut self) {
        while let Some(step) = self.engine.poll_step() {
            self.done.push(format!("{:?} {step:?}", self.now));
            assert!(self.exit.is_none(), "a step after the last one: {step:?}");
            self.step(step);
        }
        assert!(self.roster.len() <= 2, "on the roster: {:?}", self.roster);
        let booting = self
            .workers
            .values()
            .filter(|w| w.state == Life::Booting && !w.gone_told);
        let starting = self.engine.snapshot(self.now);
        let starting = starting
            .generations
            .iter()
            .filter(|g| g.state == "starting")
            .count();
        assert!(
            starting <= 1,
            "{starting} start at once of {}",
            booting.count()
        );
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
            Step::Start { generation } => self.start(generation.0),
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
                let patient = self.known(generation).never_drains;
                let most = ms(until.since(self.now));
                let ms = if patient {
                    most
                } else {
                    self.rng.u64(0..=most.min(300))
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
            Step::ConfirmMemory { .. } => self.confirm = true,
            Step::Say(event) => self.hear(&event),
            Step::Exit(code) => self.exit = Some(code),
            Step::Door(_) | Step::Hold(_) | Step::Run { .. } | Step::Probe(None) => {}
        }
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
            self.workers.get_mut(&generation).unwrap().gone_told = true;
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

    /// Restarts only: three at once in a minute and those that waited 1, 2, 4... seconds.
    fn check_rate(&mut self) {
        for times in [&mut self.starts, &mut self.asked, &mut self.fired] {
            times.retain(|at| self.now.since(*at) < MINUTE * 11);
        }
        let recent = |times: &VecDeque<MonoTime>| {
            times
                .iter()
                .filter(|at| self.now.since(**at) < MINUTE)
                .count()
        };
        let (starts, asked) = (recent(&self.starts), recent(&self.asked));
        assert!(
            starts <= 11 + 9 * asked,
            "{starts} starts in a minute, {asked} asked for"
        );
    }

    fn hear(&mut self, event: &Event) {
        match event.kind {
            Kind::RecycleBegun => {
                assert_eq!(self.recycle, None, "a second recycle: {event}");
                self.recycle = event.incident;
                self.asked.push_back(self.now);
            }
            Kind::RecycleEnded => {
                let incident = event.incident.expect("an incident");
                if self.recycle.is_some() {
                    assert_eq!(self.recycle.take(), Some(incident), "{event}");
                }
                self.unanswered.remove(&incident);
            }
            Kind::RuleFired => {
                let generation = event.generation.expect("a worker").0;
                assert!(
                    self.roster.contains(&generation),
                    "{event} acts on a worker that rests"
                );
                if event.fields.contains(&("recycles", Field::Flag(true))) {
                    self.fired.push_back(self.now);
                    let budget = self.policy.budget;
                    let live = |at: &&MonoTime| self.now.since(**at) < budget.window;
                    let spent = self.fired.iter().filter(live).count();
                    assert!(spent <= budget.recycles as usize, "the budget: {event}");
                }
            }
            _ => {}
        }
    }
}

fn ms(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap()
}
