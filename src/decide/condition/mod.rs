//! One condition of a rule and what it has seen of the worker that serves now; a file for each
//! kind.

mod age;
mod file;
mod leak;
mod level;
mod memory;
mod rate;
mod schedule;

use std::{path::Path, sync::Arc, time::Duration};

use self::{
    age::Age, file::Changes, leak::Leak, level::Sustained, memory::Over, rate::Rate, schedule::Due,
};
use super::{
    event::Event,
    observation::{Levels, MemorySample, RuleCount},
    rng::Rng,
    say::millis,
    traffic::Traffic,
    trigger::Trigger,
};
use crate::time::MonoTime;

/// A condition at work.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) when: Trigger,
    seen: Seen,
}

#[derive(Clone, Debug)]
enum Seen {
    Age(Age),
    File(Changes),
    Leak(Box<Leak>),
    Level(Sustained),
    Memory(Over),
    Rate(Rate),
    Schedule(Due),
}

/// The numbers of a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// What counts against `limit`: requests, bytes, milliseconds, or hundredths of a percent.
    pub(super) matching: u64,
    pub(super) total: u64,
    pub(super) limit: u64,
    /// For how long it has been so, where that matters.
    pub(super) held_for: Duration,
}

/// When a worker came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Born {
    pub(super) started: MonoTime,
    pub(super) ready: MonoTime,
}

impl Condition {
    pub(super) fn new(when: &Trigger) -> Self {
        let seen = match when {
            // A condition is made of each part; one of no kind never holds.
            Trigger::Age { .. } | Trigger::All(_) => Seen::Age(Age::default()),
            Trigger::File { .. } => Seen::File(Changes::default()),
            Trigger::Leak { horizon, .. } => Seen::Leak(Box::new(Leak::new(*horizon))),
            Trigger::Level { .. } => Seen::Level(Sustained::default()),
            Trigger::Memory { .. } => Seen::Memory(Over::default()),
            Trigger::Abandoned { .. }
            | Trigger::Output { .. }
            | Trigger::Requests { .. }
            | Trigger::Slow { .. }
            | Trigger::Status { .. } => Seen::Rate(Rate::new(when)),
            Trigger::Schedule { .. } => Seen::Schedule(Due::default()),
        };
        Self {
            when: when.clone(),
            seen,
        }
    }

    /// Another worker serves now: nothing that was seen of the last one counts any more.
    /// `recycles`: that another one serves is what the rule wants.
    pub(super) fn renew(&mut self, born: Born, recycles: bool, rng: &mut Rng) {
        match (&mut self.seen, &self.when) {
            (Seen::Age(age), Trigger::Age { limit, .. }) => *age = Age::new(born, *limit, rng),
            (Seen::File(changes), _) if recycles => changes.known_to(born),
            (Seen::Leak(leak), Trigger::Leak { horizon, .. }) => **leak = Leak::new(*horizon),
            (Seen::Level(level), _) => *level = Sustained::default(),
            (Seen::Memory(over), _) => *over = Over::default(),
            (Seen::Rate(rate), when) => rate.renew(when, rng),
            (Seen::Schedule(due), _) if recycles => *due = Due::default(),
            _ => {}
        }
    }

    /// What it has seen in time can't be trusted.
    pub(super) fn void(&mut self) {
        match &mut self.seen {
            Seen::Leak(leak) => leak.void(),
            Seen::Level(level) => *level = Sustained::default(),
            Seen::Memory(over) => *over = Over::default(),
            Seen::Rate(rate) => rate.void(),
            // Neither the machine's stall nor ours makes a worker younger or a due time pass.
            Seen::Age(_) | Seen::File(_) | Seen::Schedule(_) => {}
        }
    }

    /// The rule has fired: the count begins anew. `recycles`: the worker is to be replaced, and if
    /// it is not, what is still so is to be said again.
    pub(super) fn clear(&mut self, now: MonoTime, recycles: bool, rng: &mut Rng) {
        match (&mut self.seen, &self.when) {
            (Seen::Age(age), Trigger::Age { limit, .. }) if !recycles => {
                let born = Born {
                    started: now,
                    ready: now,
                };
                *age = Age::new(born, *limit, rng);
            }
            (Seen::File(changes), _) => *changes = Changes::default(),
            (Seen::Leak(leak), Trigger::Leak { horizon, .. }) => **leak = Leak::new(*horizon),
            (Seen::Rate(rate), _) => rate.clear(),
            (Seen::Schedule(due), _) => *due = Due::default(),
            _ => self.void(),
        }
    }

    pub(super) fn count(&mut self, now: MonoTime, seen: RuleCount) {
        if let Seen::Rate(rate) = &mut self.seen {
            rate.count(now, seen);
        }
    }

    /// Takes a sample of the worker that serves now; whether an exact one is wanted next.
    pub(super) fn sample(&mut self, now: MonoTime, sample: &MemorySample, held: bool) -> bool {
        match (&mut self.seen, &self.when) {
            (Seen::Memory(over), Trigger::Memory { limit, .. }) => {
                over.sample(now, sample, *limit, held)
            }
            (Seen::Leak(leak), Trigger::Leak { limit, .. }) => {
                leak.sample(now, sample, *limit, held)
            }
            _ => false,
        }
    }

    /// Takes what was measured of the worker that serves now.
    pub(super) fn read(&mut self, now: MonoTime, seen: &Levels) {
        if let (Seen::Level(level), Trigger::Level { measure, limit, .. }) =
            (&mut self.seen, &self.when)
        {
            level.read(now, seen, *measure, *limit);
        }
    }

    /// Takes what routes the requests of the worker that serves now were for.
    pub(super) fn routes(&mut self, requests: &[(Arc<str>, u64)]) {
        if let Seen::Leak(leak) = &mut self.seen {
            leak.routes(requests);
        }
    }

    /// Looks at the traffic for the right moment, where it waits for one. `start_took`: how long a
    /// worker takes to get ready.
    pub(super) fn look(&mut self, now: MonoTime, traffic: &Traffic, start_took: Duration) {
        if let Seen::Leak(leak) = &mut self.seen {
            leak.look(now, traffic, start_took);
        }
    }

    /// Whether what it expects is to be said, although it does not hold.
    pub(super) fn has_news(&mut self, now: MonoTime) -> bool {
        match &mut self.seen {
            Seen::Leak(leak) => leak.has_news(now),
            _ => false,
        }
    }

    /// A time of its schedule has come.
    pub(super) fn came(&mut self, now: MonoTime, rng: &mut Rng) {
        if let (Seen::Schedule(due), Trigger::Schedule { spread, .. }) =
            (&mut self.seen, &self.when)
        {
            due.came(now, *spread, rng);
        }
    }

    /// A file was found to have other content since then.
    pub(super) fn changed(&mut self, path: &Path, since: MonoTime) {
        if let (Seen::File(changes), Trigger::File { paths }) = (&mut self.seen, &self.when)
            && paths.iter().any(|own| own == path)
        {
            changes.add(path, since);
        }
    }

    /// Whether it holds now.
    pub(super) fn holds(&mut self, now: MonoTime) -> bool {
        match (&mut self.seen, &self.when) {
            (Seen::Age(age), _) => age.holds(now),
            (Seen::File(changes), _) => changes.hold(),
            (Seen::Leak(leak), _) => leak.holds(now),
            (Seen::Level(level), Trigger::Level { hold, .. }) => level.holds(now, *hold),
            (Seen::Memory(over), Trigger::Memory { hold, .. }) => over.holds(now, *hold),
            (Seen::Rate(rate), when) => rate.holds(now, when),
            (Seen::Schedule(due), _) => due.holds(now),
            (Seen::Level(_) | Seen::Memory(_), _) => false,
        }
    }

    /// When it will hold by the mere passing of time, if that is known.
    pub(super) fn due(&self) -> Option<MonoTime> {
        match &self.seen {
            Seen::Age(age) => age.due(),
            Seen::Schedule(due) => due.at(),
            Seen::File(_) | Seen::Leak(_) | Seen::Level(_) | Seen::Memory(_) | Seen::Rate(_) => {
                None
            }
        }
    }

    /// The numbers now.
    pub(super) fn reading(&self, now: MonoTime) -> Reading {
        match (&self.seen, &self.when) {
            (Seen::Age(age), _) => age.reading(now),
            (Seen::File(changes), _) => changes.reading(),
            (Seen::Leak(leak), _) => leak.reading(),
            (Seen::Level(level), Trigger::Level { limit, .. }) => level.reading(now, *limit),
            (Seen::Level(_), _) => Reading::default(),
            (Seen::Memory(over), _) => over.reading(now),
            (Seen::Rate(rate), when) => rate.reading(now, when),
            (Seen::Schedule(due), _) => due.reading(now),
        }
    }

    /// Why the rule is off, if what it looks at can't be read.
    pub(super) fn off(&self) -> Option<&'static str> {
        match (&self.seen, &self.when) {
            (Seen::Leak(leak), _) => leak.off(),
            (Seen::Memory(over), _) => over.off(),
            (Seen::Level(level), Trigger::Level { measure, .. }) => {
                level.unreadable().then(|| level::unreadable(*measure))
            }
            _ => None,
        }
    }

    /// The numbers and the limits in words: `23 of 61 answers (37%) on /checkout/* were 500-599 in
    /// 30s (limits: 20 and 30%)`.
    pub(super) fn words(&self, now: MonoTime) -> String {
        let reading = self.reading(now);
        match (&self.seen, &self.when) {
            (Seen::Age(_), Trigger::Age { limit, .. }) => age::words(reading, *limit),
            (Seen::File(changes), Trigger::File { paths }) => changes.words(paths),
            (Seen::Leak(leak), _) => leak.words(now),
            (Seen::Memory(_), Trigger::Memory { limit, hold }) => {
                memory::words(reading, *limit, *hold)
            }
            (
                Seen::Level(_),
                Trigger::Level {
                    measure,
                    limit,
                    hold,
                },
            ) => level::words(reading, *measure, *limit, *hold),
            (Seen::Schedule(due), Trigger::Schedule { calendar, .. }) => due.words(now, calendar),
            (_, when) => rate::words(reading, when),
        }
    }

    /// Adds the numbers to the event of a firing.
    pub(super) fn numbers(&self, now: MonoTime, event: Event) -> Event {
        let reading = self.reading(now);
        match &self.seen {
            Seen::Age(_) => event
                .number("age_ms", reading.matching)
                .number("limit_ms", reading.limit),
            Seen::File(changes) => event.text("changed", changes.first()),
            Seen::Leak(leak) => leak.numbers(now, event),
            Seen::Level(_) => event
                .number("level", reading.matching)
                .number("limit", reading.limit)
                .number("over_ms", millis(reading.held_for)),
            Seen::Memory(_) => memory::numbers(reading, event),
            Seen::Rate(_) => event
                .number("matching", reading.matching)
                .number("total", reading.total)
                .number("limit", reading.limit),
            Seen::Schedule(_) => event,
        }
    }
}
