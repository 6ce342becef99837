//! Which incidents have not come to their end.

use super::{engine::Engine, group::Group, life::Want};

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
        let comes = self.pending_start.is_some() || self.starting().is_some();
        let up = self.want == Want::Up && self.ending.is_none();
        let story = self.story.filter(|_| comes && up);
        let recycle = self.recycle.as_ref().map(|recycle| recycle.incident);
        let leaving = self.lives.iter().filter(|life| !life.on_roster);
        let healing = leaving.filter_map(|life| life.incident);
        let healing = healing.chain(story).chain(recycle);
        let running = self.rules.iter().filter_map(|rule| rule.running);
        let healing = healing.chain(running).map(|id| (id, Stage::Healing));
        let trials = self.rules.iter().filter_map(|rule| {
            let trial = rule.efficacy.trial.as_ref()?;
            Some((trial.incident, Stage::Judging))
        });
        healing.chain(trials)
    }
}

impl Group {
    /// Every incident that has not come to its end; see [`Engine::open_incidents`].
    pub fn open_incidents(&self) -> impl Iterator<Item = (u64, Stage)> {
        let slots = self.slots.iter();
        let each = slots.flat_map(|slot| slot.engine.open_incidents());
        let rolls = self.rolls.iter();
        each.chain(rolls.map(|roll| (roll.incident, Stage::Healing)))
    }
}
