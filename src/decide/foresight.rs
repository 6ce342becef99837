//! Rules that look ahead: whether this is the moment that they wait for, and what they expect.

use std::sync::Arc;

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
};
use crate::words::Generation;

impl Engine {
    /// What routes a worker's requests were for.
    pub(super) fn routes(&mut self, generation: Generation, requests: &[(Arc<str>, u64)]) {
        if self.serving == Some(generation) {
            let rules = self.rules.iter_mut();
            let conditions = rules.flat_map(|rule| &mut rule.conditions);
            conditions.for_each(|condition| condition.routes(requests));
        }
    }

    /// Lets every rule that waits for the right moment look whether it has come, and says what is
    /// newly expected.
    pub(super) fn look_ahead(&mut self) {
        let (now, start_took) = (self.now, self.last_start_took);
        for at in 0..self.rules.len() {
            let rule = &mut self.rules[at];
            let mut news = false;
            for condition in &mut rule.conditions {
                condition.look(now, &self.traffic, start_took);
                news |= condition.has_news(now);
            }
            if !news {
                continue;
            }
            let name = rule.rule.name.clone();
            let text = format!("rule \"{name}\": {}", rule.words(now));
            let event = rule.numbers(now, Event::new(Kind::Forecast, Level::Info, text));
            let event = event.text("rule", name);
            self.say(match self.serving {
                Some(generation) => event.about(generation),
                None => event,
            });
        }
    }
}
