//! Looks at all instances as one, without changing them.

use super::{Group, Slot};
use crate::{
    decide::snapshot::{RuleView, Snapshot},
    time::MonoTime,
    words::Generation,
};

/// What people are told first of several; the more hopeful, the earlier.
const PHASES: [&str; 10] = [
    "shutting down",
    "ready",
    "starting",
    "waiting",
    "draining",
    "stopping",
    "maintenance",
    "gave up",
    "down",
    "stopped",
];

/// The states of a rule; the more there is to see, the earlier.
const STATES: [&str; 5] = ["firing", "cooling", "disarmed", "armed", "off"];

impl Group {
    /// All instances at this moment, as plain data.
    pub fn snapshot(&mut self, now: MonoTime) -> Snapshot {
        let many = self.is_many();
        let (mut each, mut going) = (Vec::new(), Vec::new());
        for slot in &mut self.slots {
            slot.engine.lend(&mut self.common);
            let mut one = slot.engine.snapshot(now);
            slot.engine.lend(&mut self.common);
            if many {
                number(&mut one, slot.engine.instance);
            }
            match slot.leaves {
                true => going.push(one),
                false => each.push(one),
            }
        }
        let phase = |one: &Snapshot| PHASES.iter().position(|phase| *phase == one.phase);
        let mut generations: Vec<_> = each
            .iter()
            .chain(&going)
            .flat_map(|one| one.generations.clone())
            .collect();
        generations.sort_by_key(|one| one.generation);
        generations.dedup_by_key(|one| one.generation);
        let serves = self.slots.iter().any(|slot| slot.engine.serves());
        let first = each[0].clone();
        let recycle = each.iter().filter_map(|one| one.recycle.clone());
        let incidents = each.iter().filter_map(|one| one.last_incident.clone());
        Snapshot {
            phase: each
                .iter()
                .min_by_key(|one| phase(one))
                .map_or("down", |one| one.phase),
            mode: self.policy.mode,
            generations,
            rules: merged(&each),
            budget: first.budget,
            next_start: each.iter().filter_map(|one| one.next_start).min(),
            down_since: match self.slots.len() {
                1 => first.down_since,
                _ => self.down_since.filter(|_| !serves),
            },
            hold_until: each.iter().find_map(|one| one.hold_until),
            recycle: recycle.min_by_key(|one| one.began),
            shutdown_deadline: each.iter().filter_map(|one| one.shutdown_deadline).max(),
            last_incident: incidents.max_by_key(|one| one.incident),
            dependencies: first.dependencies,
            poison: first.poison,
            takes: each.iter().any(|one| one.takes),
            restart_wanted: each.iter().find_map(|one| one.restart_wanted.clone()),
            unready: self.unready,
            instances: each.iter().flat_map(|one| one.instances.clone()).collect(),
        }
    }

    /// Whether there may be several, or are: whether an instance's number says anything.
    #[must_use]
    pub fn is_many(&self) -> bool {
        self.policy.instances.bounds().1 > 1 || self.slots.len() > 1
    }

    /// The numbers of the instances, less those that go for good.
    #[must_use]
    pub fn instances(&self) -> Vec<u32> {
        let staying = self.slots.iter().filter(|slot| !slot.leaves);
        let mut numbers: Vec<u32> = staying.map(|slot| slot.engine.instance).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The instance that this is a worker of, where there may be several.
    #[must_use]
    pub fn instance_of(&self, generation: Generation) -> Option<u32> {
        let knows = |slot: &&Slot| slot.engine.life(generation).is_some();
        let slot = self.slots.iter().find(knows).filter(|_| self.is_many())?;
        Some(slot.engine.instance)
    }
}

/// Says of which of several it is.
fn number(one: &mut Snapshot, instance: u32) {
    for rule in &mut one.rules {
        rule.instance = Some(instance);
    }
    if let Some(recycle) = &mut one.recycle {
        recycle.instance = Some(instance);
    }
}

/// Each rule as the instance sees it where there is most to see; its firings are those of all. One
/// that only some instances' own verdicts have disarmed is as the others see it, and held by that.
fn merged(each: &[Snapshot]) -> Vec<RuleView> {
    let Some(first) = each.first() else {
        return Vec::new();
    };
    let state = |rule: &RuleView| STATES.iter().position(|state| *state == rule.state);
    let near = |rule: &RuleView| u128::from(rule.matching) * 1_000 / u128::from(rule.limit.max(1));
    (0..first.rules.len())
        .filter_map(|at| {
            let views = each.iter().filter_map(|one| one.rules.get(at));
            let firings = views.clone().map(|rule| rule.firings).sum();
            let order = |rule: &&RuleView| {
                let held = rule.held.is_none();
                (state(rule), held, u128::MAX - near(rule))
            };
            let rests = |rule: &&RuleView| rule.state == "disarmed";
            let acts = views.clone().filter(|rule| !rests(rule)).min_by_key(order);
            let at_rest = views.clone().find(rests).and_then(|rule| rule.held.clone());
            let worst = match acts {
                Some(acts) => acts,
                None => views.min_by_key(order)?,
            };
            let seen = worst.matching > 0 || worst.held.is_some() || worst.state != "armed";
            Some(RuleView {
                firings,
                instance: worst.instance.filter(|_| seen && worst.state != "off"),
                held: worst.held.clone().or(at_rest),
                ..worst.clone()
            })
        })
        .collect()
}
