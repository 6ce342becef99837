//! The healing loop's mind: facts in ([`Observation`]), steps out ([`Step`]), `now` as an argument.

use std::{collections::VecDeque, time::Duration};

use super::{
    condition::Born,
    deaf::Deaf,
    dependency::Dependencies,
    event::Event,
    guard::Spent,
    health::Health,
    life::{Life, State, Want},
    observation::Observation,
    overload::Overload,
    peers::{Common, Peers},
    poison::Poison,
    policy::Policy,
    recycle::Recycle,
    restart::{Backoff, Restarts},
    rng::Rng,
    rule::Watched,
    shutdown::Ending,
    slot::Signs,
    snapshot::IncidentView,
    step::Step,
    streak::Streaks,
    traffic::Traffic,
};
use crate::{
    time::MonoTime,
    units::ByteSize,
    words::{Door, Generation, Mode},
};

/// More events than this that nobody has taken are dropped. Steps that act are never dropped:
/// The number of the first instance.
pub(super) const FIRST: u32 = 1;
/// one observation causes a few at most.
const EVENTS_WAITING: usize = 1024;

/// Decides for one worker slot. Does no I/O and never asks what time it is.
///
/// The caller tells facts with [`Engine::handle`], calls [`Engine::handle_timeout`] when
/// [`Engine::next_deadline`] has come, and after either of them takes every step from
/// [`Engine::poll_step`] and performs them in that order. Time may not go back; if it does, the
/// latest time told counts. A stall is told ([`Observation::Stalled`]) before anything else of its
/// moment, else deadlines that passed in it act first.
///
/// After [`Step::Exit`] nothing is done any more.
#[derive(Debug)]
pub struct Engine {
    /// Which one of several it is.
    pub(super) instance: u32,
    /// What the others do, as of now.
    pub(super) peers: Peers,
    /// Its rules are in `rules`.
    pub(super) policy: Policy,
    pub(super) rules: Vec<Watched>,
    pub(super) rng: Rng,
    pub(super) now: MonoTime,
    pub(super) began: MonoTime,
    pub(super) want: Want,
    /// Every worker that is not gone, the oldest first.
    pub(super) lives: Vec<Life>,
    pub(super) newest: Generation,
    /// The worker on the roster that rules and probes look at.
    pub(super) serving: Option<Generation>,
    pub(super) down_since: MonoTime,
    /// A start is due at this time, or as soon after it as nothing blocks it.
    pub(super) pending_start: Option<MonoTime>,
    /// The incident that the start under way, or the next one, belongs to.
    pub(super) story: Option<u64>,
    pub(super) restarts: Restarts,
    /// So many ends in a row were the last straw, which is still to be said.
    pub(super) given_up: Option<u32>,
    pub(super) recycle: Option<Recycle>,
    /// Overlaps of this worker that failed in a row.
    pub(super) overlaps_failed: u32,
    /// Two at a time can't be: their addresses collide.
    pub(super) overlap_impossible: bool,
    pub(super) recycle_delay: Backoff,
    /// Rules don't recycle before this: the last replacement did not get ready.
    pub(super) recycle_not_before: MonoTime,
    /// What is left of the memory limit of the worker's cgroup.
    pub(super) room: Option<ByteSize>,
    /// The most memory that the newest worker had while it was young.
    pub(super) start_took: (Generation, ByteSize),
    pub(super) last_start_took: Duration,
    pub(super) spent: Spent,
    /// What rules that only report would have spent.
    pub(super) spent_observing: Spent,
    pub(super) streaks: Streaks,
    pub(super) health: Health,
    pub(super) deaf: Deaf,
    pub(super) dependencies: Dependencies,
    pub(super) overload: Overload,
    pub(super) poison: Poison,
    pub(super) traffic: Traffic,
    pub(super) hold_until: Option<MonoTime>,
    pub(super) ending: Option<Ending>,
    /// The maintenance page is there: nothing starts.
    pub(super) offline: bool,
    /// Load balancers were told that we are not ready.
    pub(super) unready: bool,
    /// Why whoever watches over the worker is to restart it.
    pub(super) wanted_elsewhere: Option<String>,
    pub(super) last_incident: Option<IncidentView>,
    next_incident: u64,
    door: Option<Door>,
    pub(super) probed: Option<Generation>,
    steps: VecDeque<Step>,
}

impl Engine {
    /// An engine that starts its first worker now. `seed` feeds every jitter; `first_incident` is
    /// the number of the first incident.
    #[must_use]
    pub fn new(policy: Policy, seed: u64, first_incident: u64, now: MonoTime) -> Self {
        let mut engine = Self::of(FIRST, policy, seed, first_incident, now);
        engine.settle();
        engine
    }

    /// One that begins while the maintenance page is there, and starts nothing before it has gone.
    #[must_use]
    pub fn offline(policy: Policy, seed: u64, first_incident: u64, now: MonoTime) -> Self {
        let mut engine = Self::of(FIRST, policy, seed, first_incident, now);
        engine.maintenance(true);
        engine.settle();
        engine
    }

    /// The engine of one of several instances, before it starts anything.
    pub(super) fn of(
        instance: u32,
        mut policy: Policy,
        seed: u64,
        first_incident: u64,
        now: MonoTime,
    ) -> Self {
        let rules = std::mem::take(&mut policy.rules);
        let rules = rules.into_iter().map(Watched::new).collect();
        let mut dependencies = Dependencies::default();
        dependencies.set(std::mem::take(&mut policy.dependencies), now);
        Self {
            instance,
            peers: Peers::default(),
            policy,
            rules,
            rng: Rng::new(seed),
            now,
            began: now,
            want: Want::Up,
            lives: Vec::new(),
            newest: Generation::default(),
            serving: None,
            down_since: now,
            pending_start: Some(now),
            story: None,
            restarts: Restarts::default(),
            given_up: None,
            recycle: None,
            overlaps_failed: 0,
            overlap_impossible: false,
            recycle_delay: Backoff::default(),
            recycle_not_before: MonoTime::ZERO,
            room: None,
            start_took: (Generation::default(), ByteSize(0)),
            last_start_took: Duration::ZERO,
            spent: Spent::default(),
            spent_observing: Spent::default(),
            streaks: Streaks::default(),
            health: Health::default(),
            deaf: Deaf::default(),
            dependencies,
            overload: Overload::default(),
            poison: Poison::default(),
            traffic: Traffic::default(),
            hold_until: None,
            ending: None,
            offline: false,
            unready: false,
            wanted_elsewhere: None,
            last_incident: None,
            next_incident: first_incident,
            door: None,
            probed: None,
            steps: VecDeque::new(),
        }
    }

    /// Takes what all instances have in common, or gives it back.
    pub(super) fn lend(&mut self, common: &mut Common) {
        std::mem::swap(&mut self.newest, &mut common.newest);
        std::mem::swap(&mut self.next_incident, &mut common.next_incident);
        std::mem::swap(&mut self.spent, &mut common.spent);
        std::mem::swap(&mut self.spent_observing, &mut common.spent_observing);
        std::mem::swap(&mut self.streaks, &mut common.streaks);
        std::mem::swap(&mut self.dependencies, &mut common.dependencies);
        std::mem::swap(&mut self.poison, &mut common.poison);
    }

    /// Takes one fact. The answer to [`super::observation::Word::Recycle`], and to a reload that
    /// recycles, is the incident that the `RecycleEnded` event will carry; else `None`.
    ///
    /// A fact about a generation that is not known (gone, or never started) is ignored.
    pub fn handle(&mut self, now: MonoTime, seen: Observation) -> Option<u64> {
        self.now = self.now.max(now);
        if self.ended() {
            return None;
        }
        let mut incident = None;
        match seen {
            Observation::Tally(tally) => self.tally(&tally),
            Observation::Routes {
                generation,
                requests,
            } => self.routes(generation, &requests),
            Observation::Memory(sample) => self.memory(&sample),
            Observation::Levels(seen) => self.levels(&seen),
            Observation::Started { generation, pid } => self.started(generation, pid),
            Observation::Ready { generation } => self.ready(generation),
            Observation::WarmedUp(seen) => self.warmed_up(&seen),
            Observation::StartFailed { generation, why } => self.not_started(generation, &why),
            Observation::ListensElsewhere {
                generation,
                expected,
                found,
            } => self.listens_elsewhere(generation, expected, found),
            Observation::TlsFailed {
                generation,
                code,
                why,
            } => self.tls_failed(generation, code, why),
            Observation::Attaching {
                generation,
                trouble,
            } => self.attaching(generation, trouble),
            Observation::LastWords { generation, words } => self.said(generation, words),
            Observation::Exited {
                generation,
                exit,
                oom_killed,
                address_in_use,
                left_children,
            } => {
                let signs = Signs {
                    oom_killed,
                    address_in_use,
                    left_children,
                };
                self.exited(generation, exit, signs);
            }
            Observation::Gone { generation } => self.gone(generation),
            Observation::Quiet { generation } => self.quiet(generation),
            Observation::Drained { generation, cut } => self.drained(generation, cut),
            Observation::Probe { generation, result } => self.probe(generation, result),
            Observation::Dependency { probe, result } => _ = self.dependency(probe, result),
            Observation::Lost {
                incident,
                in_flight,
            } => self.lost(incident, &in_flight),
            Observation::Presence(seen) => self.presence(&seen),
            Observation::Cpu { full } => self.overload.cpu(self.now, full),
            Observation::CommandEnded { incident, how } => self.command_ended(incident, &how),
            Observation::Captured { incident, what } => self.captured(incident, &what),
            Observation::Notified { incident, result } => self.notified(incident, &result),
            Observation::ScheduleDue { condition } => self.schedule_due(condition),
            Observation::Maintenance { on } => self.maintenance(on),
            Observation::QuietTime { rule, left } => self.quiet_time(rule, left),
            Observation::FileChanged { path, since } => self.file_changed(&path, since),
            Observation::Stalled(time) => self.stalled(time),
            Observation::Earlier(all) => self.remember(&all),
            Observation::Operator(word) => incident = self.word(word),
        }
        self.settle();
        incident
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: MonoTime) {
        self.now = self.now.max(now);
        if self.ended() {
            return;
        }
        self.lives_timeout();
        self.recycle_timeout();
        self.hold_timeout();
        self.shutdown_timeout();
        self.trials_timeout();
        self.check_rules();
        self.readiness_timeout();
        self.settle();
    }

    /// When [`Engine::handle_timeout`] wants to be called; always after the last `now` that it
    /// was called with.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoTime> {
        if self.ended() {
            return None;
        }
        let start = self.pending_start.filter(|_| self.may_start());
        let lives = self.lives.iter().filter_map(Life::deadline).min();
        let recycle = self.recycle.as_ref().and_then(Recycle::deadline);
        let ending = self.ending.as_ref().and_then(Ending::deadline);
        let held = self.rules.iter().filter_map(|rule| rule.held?.until());
        let held = held.filter(|at| *at > self.now).min();
        let rules = self.rules.iter().filter_map(|rule| rule.due(self.now));
        let due = rules.min().filter(|_| !self.relays());
        let ask = self.dependencies_deadline();
        let unready = self.unready_deadline();
        let trials = self.trials_deadline();
        [
            start,
            lives,
            recycle,
            ending,
            held,
            due,
            ask,
            unready,
            trials,
            self.hold_until,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next step to perform, if any.
    pub fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// After every change: starts what is due, and tells what follows from the new state.
    pub(super) fn settle(&mut self) {
        if let Some(at) = self.pending_start
            && at <= self.now
            && self.may_start()
        {
            self.start();
        }
        self.end_story();
        self.ask_dependencies();
        self.refresh_door();
        self.refresh_readiness();
        if self.lives.is_empty() {
            self.end_if_all_gone();
        }
    }

    /// Whether nothing stands in the way of a start that is due.
    fn may_start(&self) -> bool {
        if self.offline || self.lives.iter().any(|life| life.blocks_start) {
            return false;
        }
        let overlaps = self.recycle.as_ref().is_some_and(Recycle::overlaps);
        overlaps || self.may_overlap() || self.lives.is_empty()
    }

    /// Tells the door and the probe what changed.
    pub(super) fn refresh_door(&mut self) {
        if let Some(door) = self.door_now()
            && self.door != Some(door)
        {
            self.door = Some(door);
            self.push(Step::Door(door));
        }
        let probed = self.serving.filter(|_| self.policy.health.is_some());
        if self.probed != probed {
            self.probed = probed;
            self.push(Step::Probe(probed));
        }
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push_back(step);
    }

    pub(super) fn say(&mut self, event: Event) {
        if let Some(incident) = event.incident
            && self
                .last_incident
                .as_ref()
                .is_none_or(|last| last.incident < incident)
        {
            self.last_incident = Some(IncidentView {
                incident,
                at: self.now,
                text: event.text.clone(),
            });
        }
        if self.steps.len() < EVENTS_WAITING {
            self.push(Step::Say(event));
        }
    }

    pub(super) fn new_incident(&mut self) -> u64 {
        let incident = self.next_incident;
        self.next_incident = incident.saturating_add(1);
        incident
    }

    pub(super) fn relays(&self) -> bool {
        self.policy.mode == Mode::Relay
    }

    pub(super) fn life(&self, generation: Generation) -> Option<&Life> {
        self.lives.iter().find(|life| life.generation == generation)
    }

    pub(super) fn life_mut(&mut self, generation: Generation) -> Option<&mut Life> {
        self.lives
            .iter_mut()
            .find(|life| life.generation == generation)
    }

    /// The worker that is starting; there is one at most.
    pub(super) fn starting(&self) -> Option<&Life> {
        self.lives.iter().find(|life| life.state == State::Starting)
    }

    /// Which worker rules and probes look at from now on. Rules start empty with it.
    pub(super) fn serve(&mut self, generation: Option<Generation>) {
        if self.serving == generation {
            return;
        }
        self.cut_trials_short();
        self.serving = generation;
        self.health.renew();
        if let Some(born) = self.born() {
            for rule in &mut self.rules {
                rule.renew(born, &mut self.rng);
            }
        }
    }

    /// When the worker came that serves now.
    pub(super) fn born(&self) -> Option<Born> {
        let life = self.life(self.serving?)?;
        Some(Born {
            started: life.started_at,
            ready: life.ready_since.unwrap_or(self.now),
        })
    }
}
