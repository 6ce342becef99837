//! Which incidents have not come to their end.

use super::{engine::Engine, group::Group};

/// How far an incident is that has not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Something is done about it, or a worker that it took from its place is not gone.
    Healing,
    /// All is done; the verdict is due.
    Judging,
}

impl Engine {
    /// Every incident that has not come to its end; one may be told more than once, and the
    /// earliest stage counts.
    pub fn open_incidents(&self) -> impl Iterator<Item = (u64, Stage)> {
        let recycle = self.recycle.as_ref().map(|recycle| recycle.incident);
        let leaving = self.lives.iter().filter(|life| !life.on_roster);
        let healing = leaving.filter_map(|life| life.incident);
        let healing = healing.chain(self.story).chain(recycle);
        let running = self.rules.iter().filter_map(|rule| rule.running);
        let healing = healing.chain(running).map(|id| (id, Stage::Healing));
        let trials = self.rules.iter().filter_map(|rule| {
            let trial = rule.efficacy.trial.as_ref()?;
            Some((trial.incident, Stage::Judging))
        });
        healing.chain(trials)
    }

    /// An incident has no part in a start that nobody plans yet.
    pub(super) fn end_story(&mut self) {
        let comes = self.pending_start.is_some() || self.starting().is_some();
        self.story = self.story.filter(|_| comes || self.recycle.is_some());
    }
}

impl Group {
    /// Every incident that has not come to its end; see [`Engine::open_incidents`].
    pub fn open_incidents(&self) -> impl Iterator<Item = (u64, Stage)> {
        let slots = self.slots.iter();
        let each = slots.flat_map(|slot| slot.engine.open_incidents());
        // One of a single instance is told of as that instance's own.
        let rolls = self.rolls.iter().filter(|roll| roll.only.is_none());
        each.chain(rolls.map(|roll| (roll.incident, Stage::Healing)))
    }
}
