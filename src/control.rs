//! Story two, a healing: observe -> decide -> act -> verify, on the control thread.
//!
//! One loop: facts go into the engine, steps come out and are performed. It never touches a file
//! that may block, and no request ever waits for it.

mod always_on;
mod answering;
mod depending;
mod earlier;
mod incidents;
mod limiting;
pub mod order;
mod overview;
mod parts;
mod probing;
mod quiet;
pub mod reloading;
mod scheduling;
mod suspecting;
mod tallying;

use std::{collections::HashMap, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, Interval, MissedTickBehavior},
};

pub use self::{
    always_on::AlwaysOn,
    parts::{About, AskReload, Health, Parts},
};
use self::{
    always_on::Warming,
    depending::Depending,
    incidents::{Counted, Incidents},
    order::Order,
    probing::Probing,
    quiet::QuietTimes,
    reloading::{News, Reloaded, Reloading, rule_names, watched_files},
    scheduling::Scheduling,
    suspecting::Suspecting,
    tallying::Tallying,
};
use crate::{
    decide::{
        event::{Event, Field, Kind},
        group::Group,
        observation::{Observation, Word},
        policy::TICK,
        step::Step,
    },
    sense::{files::Changed, memory::Thresholds, strain::Strain},
    time::{self, MonoTime},
    worker::orphans::Orphans,
};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Stop; a second time: stop waiting.
    End,
    /// Read the configuration again.
    Reload,
    /// For the worker.
    Pass(i32),
}

/// What woke the loop.
enum Woken {
    Signal(Signal),
    Seen(Observation),
    Order(Order),
    Notice(Event),
    News(News),
    Strain(Strain),
    Bell,
    Tick,
    Deadline,
}

/// Orphans of custom actions are looked for every so many ticks.
const REAP_TICKS: u32 = 3;

/// The control thread's state.
pub struct Control {
    engine: Group,
    parts: Parts,
    tallying: Tallying,
    probing: Probing,
    warming: Warming,
    depending: Depending,
    scheduling: Scheduling,
    suspecting: Suspecting,
    quiet: QuietTimes,
    incidents: Incidents,
    /// Who waits for the end of which recycle.
    waiters: HashMap<u64, Vec<oneshot::Sender<order::Answer>>>,
    thresholds: Thresholds,
    rule_names: Vec<String>,
    warnings: Vec<String>,
    reloading: Reloading,
    ending: bool,
    orphans: Orphans,
    ticks: u32,
    /// For how long our control group was ever stopped for want of quota, a second ago or less.
    throttled: Duration,
}

impl Control {
    /// A control thread that starts the first worker when it runs.
    #[must_use]
    pub fn new(mut parts: Parts, first: Reloaded, seed: u64) -> Self {
        let incident = parts.journal.last_incident() + 1;
        let names = rule_names(&first.policy);
        let thresholds = tallying::thresholds(&first.policy);
        parts.files.watch(watched_files(&first.policy));
        let page = parts.page.take();
        let begin = match page {
            Some(_) => Group::offline,
            None => Group::new,
        };
        parts.hands.page(page);
        let lines = parts.journal.take_incident_lines();
        Self {
            tallying: Tallying::new(parts.registry.clone(), first.rules),
            probing: Probing::new(first.health),
            warming: Warming::new(first.always_on, parts.access.take()),
            depending: Depending::new(&first.policy),
            suspecting: Suspecting::new(parts.suspects.clone()),
            scheduling: Scheduling::new(&first.policy, time::wall()),
            quiet: QuietTimes::new(&first.policy),
            incidents: Incidents::of(&lines),
            engine: earlier::told(begin(first.policy, seed, incident, time::now()), &lines),
            parts,
            waiters: HashMap::new(),
            thresholds,
            rule_names: names,
            warnings: first.warnings,
            reloading: Reloading::default(),
            ending: false,
            orphans: Orphans::default(),
            ticks: 0,
            throttled: Duration::MAX,
        }
    }

    /// Runs until every worker is gone. Returns the exit code.
    pub async fn run(mut self) -> i32 {
        let mut tick = ticks();
        loop {
            if let Some(code) = self.perform() {
                self.close();
                return code;
            }
            self.follow_incidents();
            let deadline = self.engine.next_deadline().unwrap_or(MonoTime::NEVER);
            let woken = tokio::select! {
                biased;
                Some(signal) = self.parts.signals.recv() => Woken::Signal(signal),
                Some(seen) = self.parts.observations.recv() => Woken::Seen(seen),
                Some(seen) = self.probing.answered() => Woken::Seen(seen),
                Some(seen) = self.depending.answered() => Woken::Seen(seen),
                Some(seen) = self.suspecting.answered() => Woken::Seen(seen),
                Some(sample) = self.parts.samples.recv() => {
                    Woken::Seen(Observation::Memory(sample))
                }
                Some(levels) = self.parts.levels.recv() => {
                    Woken::Seen(Observation::Levels(levels))
                }
                Some(strain) = self.parts.cpu.seen() => Woken::Strain(strain),
                Some(Changed { path, since }) = self.parts.changes.recv() => {
                    Woken::Seen(Observation::FileChanged { path, since })
                }
                Some(page) = self.parts.pages.recv() => {
                    let on = page.is_some();
                    // The page first: nobody is to meet the door without it.
                    self.parts.hands.page(page);
                    Woken::Seen(Observation::Maintenance { on })
                }
                Some(order) = self.parts.orders.recv() => Woken::Order(order),
                Some(event) = self.parts.notices.recv() => Woken::Notice(event),
                Some(news) = self.parts.news.recv() => Woken::News(news),
                () = self.parts.bell.notified() => Woken::Bell,
                _ = tick.tick() => Woken::Tick,
                () = tokio::time::sleep_until(Instant::from_std(deadline.to_instant())) => {
                    Woken::Deadline
                }
            };
            self.take(woken);
        }
    }

    /// Takes in what woke the loop. A stall is told first: nothing that was measured across it can
    /// be trusted.
    fn take(&mut self, woken: Woken) {
        let now = time::now();
        let (cpu, last) = (&self.parts.cpu, self.throttled);
        let throttled = || cpu.throttled().saturating_sub(last);
        if let Some(stall) = self.tallying.stalled(now, throttled) {
            self.engine.handle(now, Observation::Stalled(stall));
        }
        match woken {
            Woken::Signal(signal) => self.signal(signal),
            Woken::Seen(seen) => self.see(seen),
            Woken::Order(order) => self.order(order),
            Woken::Notice(event) => self.say(event),
            Woken::News(news) => self.news(news),
            Woken::Strain(Strain { full, throttled }) => {
                self.throttled = throttled;
                self.see(Observation::Cpu { full });
            }
            Woken::Bell => self.tally(),
            Woken::Tick => self.tick(),
            Woken::Deadline => self.engine.handle_timeout(now),
        }
    }

    /// Performs what the engine wants done. Returns the exit code when it has ended.
    fn perform(&mut self) -> Option<i32> {
        while let Some(step) = self.engine.poll_step() {
            match step {
                Step::Say(event) => self.say(event),
                Step::Exit(code) => return Some(code),
                Step::Probe(_) => {
                    let hands = &self.parts.hands;
                    let probed = self.engine.probed().into_iter();
                    let targets = probed
                        .filter_map(|generation| Some((generation, hands.reached(generation)?)));
                    self.probing.probe(targets.collect());
                }
                Step::AskDependency { name, probe } => self.depending.ask(name, probe),
                Step::ListLost {
                    generation,
                    incident,
                } => {
                    let mailboxes = self.parts.hands.mailboxes().clone();
                    self.suspecting.list_lost(mailboxes, generation, incident);
                }
                Step::Suspects(all) => self.suspecting.set(all),
                Step::ConfirmMemory { generation } => self.parts.sampler.confirm(generation),
                Step::Capture { incident, .. } | Step::Notify { incident, .. } => {
                    self.incidents.errand(incident);
                    self.parts.hands.perform(step);
                }
                step => self.parts.hands.perform(step),
            }
        }
        None
    }

    /// Tells the engine a fact.
    fn see(&mut self, seen: Observation) {
        self.parts.hands.note(&seen);
        match &seen {
            Observation::Started { generation, .. } => {
                let seen = self.parts.hands.seen();
                let mut seen = seen.iter();
                if let Some(one) = seen.find(|one| one.generation == *generation)
                    && let Some(tree) = one.tree
                {
                    let thresholds = self.thresholds.clone();
                    self.parts.sampler.watch(*generation, tree, thresholds);
                }
            }
            Observation::Gone { generation } => self.parts.sampler.forget(*generation),
            _ => {}
        }
        self.engine.handle(time::now(), seen);
    }

    fn tick(&mut self) {
        self.tally();
        self.incidents.tick(Counted::of(&self.parts.ledgers));
        self.look_at_the_clock();
        if let Some(seen) = self.suspecting.look() {
            self.engine.handle(time::now(), seen);
        }
        for change in self.parts.hands.look() {
            self.say(limiting::event(change));
        }
        self.warming.look(time::now(), &self.parts.hands);
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(REAP_TICKS) {
            self.orphans.reap(&self.parts.hands.children());
        }
        if let Some(event) = self.parts.journal.notice(time::now()) {
            self.say(event);
        }
    }

    /// Tells the engine what the wall clock has to say.
    fn look_at_the_clock(&mut self) {
        let (wall, now) = (time::wall(), time::now());
        for (rule, left) in self.quiet.changes(wall) {
            self.engine
                .handle(now, Observation::QuietTime { rule, left });
        }
        for condition in self.scheduling.due(wall) {
            self.engine
                .handle(now, Observation::ScheduleDue { condition });
        }
    }

    /// Tells the engine what the data threads, and those that read lines, counted since the last
    /// time.
    fn tally(&mut self) {
        let now = time::now();
        let hands = &self.parts.hands;
        let lines = |generation, epoch| hands.lines(generation, epoch);
        for tally in self.tallying.take(now, &hands.seen(), lines) {
            self.warming.hear(&tally);
            self.engine.handle(now, Observation::Tally(tally));
        }
        for (generation, requests) in self.tallying.routes() {
            self.engine.handle(
                now,
                Observation::Routes {
                    generation,
                    requests,
                },
            );
        }
    }

    /// Writes an event to the log and the journal, and answers who waits for it.
    fn say(&mut self, event: Event) {
        let (wall, now) = (time::wall(), time::now());
        (self.parts.log)(&event, wall);
        let line = self.parts.journal.append(&event, wall, now);
        self.incidents.hear(&event, &line, now);
        if event.kind == Kind::RecycleEnded
            && let Some(waiters) = event.incident.and_then(|id| self.waiters.remove(&id))
        {
            let replaced = event.fields.iter().any(|(name, value)| {
                *name == "outcome" && *value == Field::Text("replaced".to_owned())
            });
            let printed = self.parts.hands.output(false, None).is_some();
            for waiter in waiters {
                answering::reply(waiter, answering::recycled(replaced, &event.text, printed));
            }
        }
    }

    fn signal(&mut self, signal: Signal) {
        let word = match signal {
            Signal::Pass(number) => return self.parts.hands.signal(number),
            // What comes of it is logged either way.
            Signal::Reload => return self.reload(None),
            Signal::End if self.ending => Word::EndDrain,
            Signal::End => Word::Shutdown,
        };
        self.ending = true;
        self.engine.handle(time::now(), Observation::Operator(word));
    }

    fn close(mut self) {
        /// The disk may be slow, but not for ever.
        const PATIENCE: Duration = Duration::from_secs(1);
        self.end_incidents();
        self.parts.journal.close(PATIENCE);
    }
}

fn ticks() -> Interval {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
