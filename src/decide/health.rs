//! The health probe's verdict. Not a rule: no budget and no cooldown, but patience with a worker
//! whose replacement is as unhealthy as it was.

use std::time::Duration;

use super::{
    attached::UNASKED,
    engine::Engine,
    event::{Event, Kind, Level},
    guard::Held,
    life::Life,
    observation::Unhealthy,
    recycle::{Cause, Wish},
    restart::{Backoff, SERVICE},
    say::words,
};
use crate::{time::MonoTime, words::Generation};

/// So long a worker that hangs has answered none of its requests.
const SILENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    /// Failed probes of the worker that serves, without enough good ones in a row between them.
    failures: u32,
    /// Those of them, in a row, to which there was no answer at all.
    silent: u32,
    /// Good ones in a row.
    successes: u32,
    /// The last recycle for ill health.
    recycled: bool,
    delay: Backoff,
    not_before: MonoTime,
    /// That it waits has been said.
    wait_said: bool,
    /// That a dependency is to blame has been said.
    blamed: Option<Held>,
    /// Why the last probe failed.
    why: String,
    /// That it waits for its turn has been said.
    turn_said: bool,
}

impl Health {
    /// Another worker serves, or what was seen says nothing.
    pub(super) fn renew(&mut self) {
        self.failures = 0;
        self.silent = 0;
        self.successes = 0;
        self.wait_said = false;
        self.blamed = None;
        self.turn_said = false;
    }
}

impl Engine {
    pub(super) fn probe(&mut self, generation: Generation, result: Result<(), Unhealthy>) {
        let asked = self.policy.health.is_some() && self.serving == Some(generation);
        if !asked || self.relays() || self.ending.is_some() {
            return;
        }
        let Err(unhealthy) = result else {
            self.health.silent = 0;
            self.health.successes = self.health.successes.saturating_add(1);
            let enough = self.policy.health.map_or(1, |health| health.successes);
            if self.health.successes >= enough {
                self.health.renew();
            }
            return;
        };
        self.health.successes = 0;
        self.health.failures = self.health.failures.saturating_add(1);
        self.health.silent = match unhealthy.silent {
            true => self.health.silent.saturating_add(1),
            false => 0,
        };
        self.health.why = unhealthy.why;
        self.check_health();
    }

    /// Recycles the worker if its probe failed too often and nothing else is to blame.
    pub(super) fn check_health(&mut self) {
        let (Some(health), Some(generation)) = (self.policy.health, self.serving) else {
            return;
        };
        let rests = self.relays() || self.ending.is_some() || self.recycle.is_some();
        if rests || self.health.failures < health.failures {
            return;
        }
        let failures = self.health.failures;
        let why = &self.health.why;
        let seen = format!("worker {generation} failed {failures} health probes in a row: {why}");
        if let Some(held) = self.dependency_at_fault() {
            if self.health.blamed.replace(held) != Some(held) {
                let why = self.held_words(held, self.now);
                self.say_unhealthy(generation, format!("{seen}; held, as {why}"), None);
            }
            return;
        }
        if !self.dependencies.all_answered(self.now) {
            return;
        }
        if self.is_unasked() {
            return self.say_once(generation, format!("{seen}; not recycling, as {UNASKED}"));
        }
        let cause = self.ill_by(generation, health.failures);
        if !self.has_turn(cause) {
            if !std::mem::replace(&mut self.health.turn_said, true) {
                let text = format!("{seen}; held, as {}", Held::Turn.words(self.now));
                self.say_unhealthy(generation, text, None);
            }
            return;
        }
        let served = self.life(generation).and_then(|life| life.served(self.now));
        let young = served.is_none_or(|served| served < SERVICE);
        if young && self.health.recycled && !self.health.wait_said {
            let delay = self.health.delay.next(&mut self.rng);
            self.health.not_before = self.now + delay;
        } else if !young {
            self.health.delay.reset();
            self.health.not_before = self.now;
        }
        let wait = self
            .health
            .not_before
            .max(self.recycle_not_before)
            .max(self.stays_until().unwrap_or_default())
            .since(self.now);
        if !wait.is_zero() {
            if !self.health.wait_said {
                let text = format!("{seen}; next recycle in {} if that goes on", words(wait));
                self.say_unhealthy(generation, text, None);
            }
            self.health.wait_said = true;
            return;
        }
        if self.our_exit().is_some() && !self.spent.take(self.now, &self.policy.budget) {
            let left = self.spent.left(self.now, &self.policy.budget);
            let text = format!("{seen}; not recycling, as the budget is spent: {left}");
            return self.say_once(generation, text);
        }
        let incident = self.new_incident();
        self.say_unhealthy(generation, format!("{seen}; recycling it"), Some(incident));
        self.health.renew();
        self.health.recycled = true;
        let mut wish = Wish::new(seen, cause);
        wish.incident = Some(incident);
        self.request_recycle(wish);
    }

    /// One that answers nobody, neither probes nor requests, will not answer what it has in flight.
    fn ill_by(&self, generation: Generation, failures: u32) -> Cause {
        let hangs = |life: &Life| life.hangs(self.now, SILENCE);
        match self.life(generation).is_some_and(hangs) && self.health.silent >= failures {
            true => Cause::Hung,
            false => Cause::Sick,
        }
    }

    /// Until it is well again, or another one.
    fn say_once(&mut self, generation: Generation, text: String) {
        if !std::mem::replace(&mut self.health.wait_said, true) {
            self.say_unhealthy(generation, text, None);
        }
    }

    fn say_unhealthy(&mut self, generation: Generation, text: String, incident: Option<u64>) {
        let failures = u64::from(self.health.failures);
        let event = Event::new(Kind::Unhealthy, Level::Warn, text).about(generation);
        self.say(event.of(incident).number("failures", failures));
    }
}
