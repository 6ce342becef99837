//! Whether load balancers are told to send requests elsewhere: while a rule with `unready` has held
//! lately.

use std::time::Duration;

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    rule::Watched,
    trigger::Trigger,
};
use crate::time::MonoTime;

/// A rule that looks at a moment keeps load balancers away for this long.
const LEAST: Duration = Duration::from_secs(10);

impl Watched {
    /// It keeps load balancers away from now on.
    pub(super) fn unready(&mut self, now: MonoTime) {
        self.unready_until = Some(now + self.look_back());
    }

    /// It holds again, or still.
    pub(super) fn still_unready(&mut self, now: MonoTime) {
        if self.unready_until.is_some() {
            self.unready(now);
        }
    }

    /// How far back its conditions look: it has not held for this long before it is over.
    fn look_back(&self) -> Duration {
        let conditions = self.conditions.iter();
        let spans = conditions.map(|condition| match &condition.when {
            Trigger::Abandoned { window, .. }
            | Trigger::Output { window, .. }
            | Trigger::Requests {
                window: Some(window),
                ..
            }
            | Trigger::Slow { window, .. }
            | Trigger::Status { window, .. } => *window,
            Trigger::Level { hold, .. } | Trigger::Memory { hold, .. } => *hold,
            _ => Duration::ZERO,
        });
        spans.max().unwrap_or_default().max(LEAST)
    }
}

impl Engine {
    /// When the next rule has not held for long enough, if one keeps load balancers away.
    pub(super) fn unready_deadline(&self) -> Option<MonoTime> {
        self.rules
            .iter()
            .filter_map(|rule| rule.unready_until)
            .min()
    }

    pub(super) fn readiness_timeout(&mut self) {
        let now = self.now;
        for rule in &mut self.rules {
            rule.unready_until = rule.unready_until.filter(|until| *until > now);
        }
    }

    /// Tells it when it changed.
    pub(super) fn refresh_readiness(&mut self) {
        let mut unready = self
            .rules
            .iter()
            .filter(|rule| rule.unready_until.is_some());
        let why = unready.next().map(|rule| rule.rule.name.clone());
        if self.unready == why.is_some() {
            return;
        }
        self.unready = why.is_some();
        self.push(super::step::Step::Unready(self.unready));
        let (level, text) = match why {
            Some(name) => (
                Level::Warn,
                format!("not ready for load balancers: rule \"{name}\" fired"),
            ),
            None => (Level::Info, "ready for load balancers again".to_owned()),
        };
        let event = Event::new(Kind::Readiness, level, text);
        self.say(event.flag("ready", !self.unready));
    }
}
