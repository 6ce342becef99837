//! What must hold whenever the engine says something or starts a worker.

use std::{collections::VecDeque, time::Duration};

use autoheal::{
    decide::event::{Event, Field, Kind},
    time::MonoTime,
};

use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

impl World {
    /// Restarts only: three at once in a minute and those that waited 1, 2, 4... seconds.
    pub(crate) fn check_rate(&mut self) {
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

    pub(crate) fn hear(&mut self, event: &Event) {
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
