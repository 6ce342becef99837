//! Several worker slots as one: "if one process goes down, another goes on".
//!
//! Each instance is an [`Engine`] of its own: it is judged by its own answers, restarted and
//! replaced by itself. What they have in common is here: the numbers of workers and incidents, the
//! budget, the turn to be replaced, the door, the operators' words, the end. A group of one does
//! exactly what its engine does (`tests/sim`).

mod door;
mod hearing;
mod roll;
mod scale;
mod view;
mod word;

use std::collections::VecDeque;

use self::{roll::Roll, scale::Scaling};
use super::{
    engine::{Engine, FIRST},
    event::Kind,
    observation::Observation,
    peers::{Common, Peers},
    policy::Policy,
    step::Step,
};
use crate::{
    time::MonoTime,
    words::{Door, Generation, Mode},
};

/// Decides for all workers. To be used like an [`Engine`], and with the same promises.
#[derive(Debug)]
pub struct Group {
    policy: Policy,
    seed: u64,
    now: MonoTime,
    /// By their numbers; those that go for good stay until they are gone.
    pub(super) slots: Vec<Slot>,
    common: Common,
    /// Replacements of several, one after another; the first is under way.
    pub(super) rolls: VecDeque<Roll>,
    scaling: Scaling,
    door: Option<Door>,
    /// Since when nothing serves.
    down_since: Option<MonoTime>,
    /// Load balancers were told that we are not ready.
    unready: bool,
    /// The maintenance page is there.
    offline: bool,
    /// Everything is to end.
    ending: bool,
    ended: bool,
    /// What all were told at once and one has said already.
    said: Vec<(Kind, String)>,
    steps: VecDeque<Step>,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) engine: Engine,
    /// It goes for good.
    leaves: bool,
    /// As it last told, if nothing of it served.
    door: Option<Door>,
    exit: Option<i32>,
}

impl Group {
    /// A group that starts its first workers now. `seed` feeds every jitter; `first_incident` is
    /// the number of the first incident.
    #[must_use]
    pub fn new(policy: Policy, seed: u64, first_incident: u64, now: MonoTime) -> Self {
        Self::empty(policy, seed, first_incident, now).filled()
    }

    /// One that begins while the maintenance page is there; see [`Engine::offline`].
    #[must_use]
    pub fn offline(policy: Policy, seed: u64, first_incident: u64, now: MonoTime) -> Self {
        let mut group = Self::empty(policy, seed, first_incident, now);
        group.offline = true;
        group.filled()
    }

    /// With as many instances as there are at first.
    fn filled(mut self) -> Self {
        for _ in 0..self.policy.instances.bounds().0.max(1) {
            self.add();
        }
        self
    }

    fn empty(policy: Policy, seed: u64, first_incident: u64, now: MonoTime) -> Self {
        let mut common = Common {
            next_incident: first_incident,
            ..Common::default()
        };
        common.dependencies.set(policy.dependencies.clone(), now);
        Self {
            policy,
            seed,
            now,
            slots: Vec::new(),
            common,
            rolls: VecDeque::new(),
            scaling: Scaling::default(),
            door: None,
            down_since: None,
            unready: false,
            offline: false,
            ending: false,
            ended: false,
            said: Vec::new(),
            steps: VecDeque::new(),
        }
    }

    /// Takes one fact; see [`Engine::handle`].
    pub fn handle(&mut self, now: MonoTime, seen: Observation) -> Option<u64> {
        self.now = self.now.max(now);
        if self.ended {
            return None;
        }
        self.said.clear();
        let answer = match seen {
            Observation::Operator(word) => self.word(word),
            Observation::CommandEnded { incident, .. } => {
                let at = self
                    .slots
                    .iter()
                    .position(|slot| slot.engine.runs(incident));
                self.tell(at.unwrap_or(0), seen)
            }
            // What all have in common; one of them is enough to take it in.
            Observation::Captured { .. }
            | Observation::Notified { .. }
            | Observation::Lost { .. }
            | Observation::Presence(_) => self.tell(0, seen),
            Observation::Maintenance { on } => {
                if std::mem::replace(&mut self.offline, on) && !on {
                    // Until it went nobody waited.
                    self.down_since = self.down_since.map(|_| self.now);
                }
                self.tell_all(&seen)
            }
            Observation::Dependency { probe, result } => {
                self.dependency(probe, result);
                None
            }
            seen => match seen.generation() {
                Some(generation) => self.tell(self.slot_of(generation), seen),
                None => self.tell_all(&seen),
            },
        };
        self.follow();
        answer
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: MonoTime) {
        self.now = self.now.max(now);
        if self.ended {
            return;
        }
        self.said.clear();
        let now = self.now;
        let is_due = |due: Option<MonoTime>| due.is_some_and(|due| due <= now);
        let asks = is_due(self.dependencies_deadline());
        for at in 0..self.slots.len() {
            if is_due(self.slots[at].engine.next_deadline()) || (asks && at == 0) {
                self.timeout(at);
            }
        }
        self.follow();
    }

    /// When [`Group::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoTime> {
        if self.ended {
            return None;
        }
        let slots = self.slots.iter();
        let slots = slots.filter_map(|slot| slot.engine.next_deadline());
        slots.chain(self.dependencies_deadline()).min()
    }

    fn dependencies_deadline(&self) -> Option<MonoTime> {
        let rests = self.ending || self.policy.mode == Mode::Relay;
        self.common.dependencies.deadline().filter(|_| !rests)
    }

    /// The next step to perform, if any.
    pub fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// The workers whose health is to be probed.
    #[must_use]
    pub fn probed(&self) -> Vec<Generation> {
        let slots = self.slots.iter();
        slots.filter_map(|slot| slot.engine.probed).collect()
    }

    /// Lets an engine act with what all have in common, and takes its steps.
    fn with<T>(&mut self, at: usize, act: impl FnOnce(&mut Engine) -> T) -> T {
        let peers = self.peers_of(at);
        let engine = &mut self.slots[at].engine;
        engine.peers = peers;
        engine.lend(&mut self.common);
        let answer = act(engine);
        engine.lend(&mut self.common);
        while let Some(step) = self.slots[at].engine.poll_step() {
            self.take(at, step);
        }
        answer
    }

    fn tell(&mut self, at: usize, seen: Observation) -> Option<u64> {
        let now = self.now;
        self.with(at, |engine| engine.handle(now, seen))
    }

    fn tell_all(&mut self, seen: &Observation) -> Option<u64> {
        let answers = (0..self.slots.len()).map(|at| self.tell(at, seen.clone()));
        let answers: Vec<_> = answers.collect();
        answers.into_iter().flatten().next()
    }

    /// One of them takes the answer, and all are told what follows.
    fn dependency(&mut self, probe: u64, result: Result<(), String>) {
        let now = self.now;
        let forgives = self.with(0, |engine| {
            engine.now = now;
            let forgives = engine.dependency(probe, result);
            engine.settle();
            forgives
        });
        for at in 1..self.slots.len() {
            self.with(at, |engine| {
                engine.now = now;
                engine.dependency_turned(forgives);
                engine.settle();
            });
        }
    }

    fn timeout(&mut self, at: usize) {
        let now = self.now;
        self.with(at, |engine| engine.handle_timeout(now));
    }

    /// What the others of one are doing. Those that go for good don't count.
    fn peers_of(&self, at: usize) -> Peers {
        let mut peers = Peers::default();
        for (other, slot) in self.slots.iter().enumerate() {
            if other != at && !slot.leaves {
                peers.count(&slot.engine);
            }
        }
        peers
    }

    /// Whose worker that is. Of one that nobody knows the first may say that it does not.
    fn slot_of(&self, generation: Generation) -> usize {
        let knows = |slot: &Slot| slot.engine.life(generation).is_some();
        self.slots.iter().position(knows).unwrap_or(0)
    }

    /// How many are there to stay.
    fn staying(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.leaves).count()
    }

    /// One more instance, with the lowest number that is free, from one up.
    fn add(&mut self) {
        let taken = |number: &u32| {
            let mut staying = self.slots.iter().filter(|slot| !slot.leaves);
            staying.any(|slot| slot.engine.instance == *number)
        };
        let number = (FIRST..).find(|number| !taken(number)).unwrap_or(u32::MAX);
        let seed = self.seed ^ u64::from(number - FIRST).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut policy = self.policy.clone();
        // All have these in common.
        policy.dependencies.clear();
        let mut engine = Engine::of(number, policy, seed, 0, self.now);
        if let Some(first) = self.slots.first() {
            engine.learn_from(&first.engine);
        }
        self.slots.push(Slot {
            engine,
            leaves: false,
            door: None,
            exit: None,
        });
        let (last, offline) = (self.slots.len() - 1, self.offline);
        self.with(last, |engine| {
            match offline {
                true if last == 0 => engine.maintenance(true),
                // The first has said it.
                offline => engine.offline = offline,
            }
            engine.settle();
        });
    }

    /// The instance with the highest number goes for good.
    fn remove(&mut self) {
        let staying = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| !slot.leaves);
        let last = staying.max_by_key(|(_, slot)| slot.engine.instance);
        let Some(at) = last.map(|(at, _)| at) else {
            return;
        };
        self.slots[at].leaves = true;
        self.with(at, Engine::wind_down);
    }

    fn take(&mut self, at: usize, step: Step) {
        match step {
            Step::Door(door) => {
                self.slots[at].door = Some(door);
                self.refresh_door(Some(at));
            }
            Step::Withdraw { .. } => {
                self.refresh_door(None);
                self.steps.push_back(step);
            }
            Step::Admit { .. } => {
                self.down_since = None;
                self.steps.push_back(step);
            }
            Step::Unready(_) => self.refresh_readiness(),
            Step::Exit(code) => self.slots[at].exit = Some(code),
            Step::Say(event) => self.hear(at, event),
            step => self.steps.push_back(step),
        }
    }

    /// After every change: what follows from it for the others.
    fn follow(&mut self) {
        self.end_together();
        if self.ended {
            return;
        }
        let gone = |slot: &Slot| slot.leaves && slot.engine.lives.is_empty();
        self.slots.retain(|slot| self.ending || !gone(slot));
        self.refresh_readiness();
        for at in 0..self.slots.len() {
            // Another's replacement may have ended, and with it the wait for one's turn.
            if self.slots[at].engine.waits_for_turn() {
                let most = self.policy.instances.max_unavailable;
                let peers = self.peers_of(at);
                if peers.out < most {
                    self.timeout(at);
                }
            }
        }
        self.advance();
        self.scale();
    }

    /// One that ends takes all with it; when all have ended, so has this.
    fn end_together(&mut self) {
        let ends = |slot: &Slot| slot.engine.ending.is_some();
        if !self.ending && self.slots.iter().any(ends) {
            self.ending = true;
            for at in 0..self.slots.len() {
                if !ends(&self.slots[at]) {
                    self.with(at, |engine| {
                        engine.shut_down();
                        engine.settle();
                    });
                }
            }
            self.end_rolls("autoheal is stopping");
        }
        if self.slots.iter().all(|slot| slot.exit.is_some()) {
            let mut codes = self.slots.iter().filter_map(|slot| slot.exit);
            let code = codes.find(|code| *code != 0).unwrap_or(0);
            self.ended = true;
            self.steps.push_back(Step::Exit(code));
        }
    }
}
