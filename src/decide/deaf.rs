//! A worker that runs and refuses connections: its listening socket is closed, as servers do it
//! that someone else told to stop and that take their time for what they have. Not a rule: whoever
//! is new to it is not served.

use std::time::Duration;

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    observation::Tally,
    recycle::{Cause, Wish},
    restart::{Backoff, SERVICE},
    say::{millis, words},
};
use crate::{time::MonoTime, words::Generation};

/// One that begins anew by itself listens again within this time.
const PATIENCE: Duration = Duration::from_secs(3);
/// After a pause of this length refusals begin anew.
const PAUSE: Duration = Duration::from_secs(1);

/// The refusals of the worker that serves.
#[derive(Clone, Debug, Default)]
pub(super) struct Deaf {
    generation: Generation,
    since: MonoTime,
    last: MonoTime,
    delay: Backoff,
    not_before: MonoTime,
}

impl Engine {
    /// Recycles the worker if it goes on refusing connections.
    pub(super) fn refusals(&mut self, tally: &Tally) {
        let (now, generation) = (self.now, tally.generation);
        if tally.refused == 0 || self.serving != Some(generation) {
            return;
        }
        let deaf = &mut self.deaf;
        if deaf.generation != generation || now.since(deaf.last) > PAUSE {
            (deaf.generation, deaf.since) = (generation, now);
        }
        deaf.last = now;
        let lasts = now.since(deaf.since);
        let rests = self.relays() || self.ending.is_some() || self.recycle.is_some();
        // What something else starts, something else may be restarting.
        let elsewhere = self.policy.attached.is_some();
        let soon = lasts < PATIENCE || now < self.deaf.not_before;
        if rests || elsewhere || soon || !self.has_turn(Cause::Sick) {
            return;
        }
        let Some(life) = self.life(generation) else {
            return;
        };
        let seen = format!(
            "{} runs but has refused connections for {}",
            life.name(),
            words(lasts)
        );
        if life.served(now).is_some_and(|served| served >= SERVICE) {
            self.deaf.delay.reset();
        }
        self.deaf.not_before = now + self.deaf.delay.next(&mut self.rng);
        let incident = self.new_incident();
        let text = format!("{seen}; its listening socket is closed; recycling it");
        let event = Event::new(Kind::Unhealthy, Level::Warn, text).about(generation);
        let event = event.of(incident).text("when", "refused");
        self.say(event.number("refused_ms", millis(lasts)));
        let mut wish = Wish::new(seen, Cause::Sick);
        wish.incident = Some(incident);
        self.request_recycle(wish);
    }
}
