//! Replacing several workers one after another: a surge of one, never all at once.

use super::{Group, Slot};
use crate::{
    decide::{
        event::{Event, Field, Kind, Level},
        life::Want,
        observation::{Observation, Word},
        recycle::{Cause, Wish},
        say::{millis, words},
    },
    time::MonoTime,
    words::Generation,
};

/// So many reasons are remembered for one.
const REASONS: usize = 8;

/// One round of replacements.
#[derive(Debug)]
pub(in crate::decide) struct Roll {
    pub(in crate::decide) incident: u64,
    /// Workers up to this one go.
    upto: Generation,
    /// This instance alone.
    pub(in crate::decide) only: Option<u32>,
    /// Why, in words; the wish for each worker has the first.
    reasons: Vec<String>,
    force: bool,
    /// The configuration that workers are started with is new.
    reloaded: bool,
    began: MonoTime,
    /// The recycles of it that are under way.
    current: Vec<u64>,
    done: u32,
    /// The instances that it has a new worker of, be it one that was starting anyway.
    renewed: Vec<u32>,
    /// Why it can't go on.
    stopped: Option<String>,
    /// The one instance has told how it ended, as that is its own recycle.
    told: bool,
}

impl Roll {
    pub(super) fn new(reason: String, force: bool, only: Option<u32>) -> Self {
        Self {
            incident: 0,
            upto: Generation::default(),
            only,
            reasons: vec![reason],
            force,
            reloaded: false,
            began: MonoTime::ZERO,
            current: Vec::new(),
            done: 0,
            renewed: Vec::new(),
            stopped: None,
            told: false,
        }
    }

    pub(super) fn for_reload(reason: String) -> Self {
        Self {
            reloaded: true,
            ..Self::new(reason, false, None)
        }
    }

    fn concerns(&self, slot: &Slot) -> bool {
        !slot.leaves && self.only.is_none_or(|only| slot.engine.instance == only)
    }

    fn wants(&self, slot: &Slot) -> bool {
        let has_it = self.renewed.contains(&slot.engine.instance);
        self.concerns(slot) && !has_it && slot.engine.is_of(self.upto, self.force)
    }
}

impl Group {
    /// Begins a round, or joins the one that waits or runs. Returns its incident.
    pub(super) fn roll(&mut self, mut roll: Roll) -> u64 {
        roll.upto = self.common.newest;
        roll.began = self.now;
        if roll.reloaded {
            self.start_anew();
        }
        if roll.force {
            self.start_stopped(&roll);
            self.hurry(&roll);
        }
        if let Some(same) = self.rolls.iter_mut().find(|other| other.only == roll.only) {
            same.upto = roll.upto;
            same.renewed.clear();
            same.force |= roll.force;
            same.reloaded |= roll.reloaded;
            if same.reasons.len() < REASONS && !same.reasons.contains(&roll.reasons[0]) {
                same.reasons.append(&mut roll.reasons);
            }
            return same.incident;
        }
        let mut concerned = self.slots.iter().filter(|slot| roll.concerns(slot));
        if !roll.force && concerned.all(|slot| slot.engine.want == Want::Stopped) {
            roll.stopped = Some("an operator stopped it: start it instead".to_owned());
        }
        roll.incident = self.common.next_incident;
        self.common.next_incident = roll.incident.saturating_add(1);
        let incident = roll.incident;
        if roll.only.is_none() {
            let text = format!(
                "recycling {} workers, one after another: {}",
                self.staying(),
                roll.reasons[0]
            );
            let event = Event::new(Kind::RecycleBegun, Level::Info, text).of(incident);
            self.hear_own(event.text("reason", roll.reasons[0].clone()));
        }
        self.rolls.push_back(roll);
        incident
    }

    /// What starts was started with the old configuration.
    fn start_anew(&mut self) {
        for at in 0..self.slots.len() {
            let slot = &self.slots[at];
            if !slot.leaves && slot.engine.starting().is_some() {
                self.with(at, |engine| {
                    engine.start_anew();
                    engine.settle();
                });
            }
        }
    }

    /// Those that an operator stopped serve nothing that a round could keep: they start now, and
    /// are not left stopped by a round that does not get to them.
    fn start_stopped(&mut self, roll: &Roll) {
        for at in 0..self.slots.len() {
            let slot = &self.slots[at];
            if roll.concerns(slot) && slot.engine.want == Want::Stopped {
                self.tell(at, Observation::Operator(Word::Start));
            }
        }
    }

    /// Replaces the next, or the next round's first.
    pub(super) fn advance(&mut self) {
        while let Some(roll) = self.rolls.front() {
            if roll.stopped.is_some() && roll.current.is_empty() {
                self.end_roll();
                continue;
            }
            if roll.stopped.is_some() {
                return;
            }
            // The one that serves nothing has nothing to lose.
            let wants = |slot: &Slot| roll.wants(slot) && slot.engine.recycle.is_none();
            let slots = self.slots.iter().enumerate();
            let next = slots
                .filter(|(_, slot)| wants(slot))
                .min_by_key(|(_, slot)| (slot.engine.serves(), slot.engine.instance));
            if let Some(at) = next.map(|(at, _)| at) {
                let at_once = roll.force && roll.only.is_some();
                if !at_once && !self.has_turn(at) {
                    return;
                }
                self.replace(at);
                continue;
            }
            let waits = |slot: &Slot| roll.concerns(slot) && slot.engine.recycle.is_some();
            if !roll.current.is_empty() || self.slots.iter().any(waits) {
                return;
            }
            self.end_roll();
        }
    }

    fn has_turn(&self, at: usize) -> bool {
        let peers = self.peers_of(at);
        let coming = match self.slots[at].engine.serves() {
            true => peers.coming,
            false => 0,
        };
        peers.out + coming < self.policy.instances.max_unavailable
    }

    /// Without waiting any longer for what is under way.
    fn hurry(&mut self, roll: &Roll) {
        for at in 0..self.slots.len() {
            let slot = &self.slots[at];
            if roll.concerns(slot) && slot.engine.recycle.is_some() {
                let mut wish = Wish::new(roll.reasons[0].clone(), Cause::Healthy);
                wish.forced = true;
                self.with(at, |engine| {
                    engine.request_recycle(wish);
                    engine.settle();
                });
            }
        }
    }

    fn replace(&mut self, at: usize) {
        let Some(roll) = self.rolls.front() else {
            return;
        };
        let mut wish = Wish::new(roll.reasons[0].clone(), Cause::Healthy);
        wish.forced = roll.force;
        wish.incident = roll.only.map(|_| roll.incident);
        let incident = self.with(at, |engine| {
            let incident = engine.request_recycle(wish);
            let under_way = engine.recycle.is_some();
            engine.settle();
            under_way.then_some(incident)
        });
        let Some(roll) = self.rolls.front_mut() else {
            return;
        };
        match incident {
            Some(incident) => roll.current.push(incident),
            None => roll.stopped = Some("nothing is recycled now".to_owned()),
        }
    }

    /// A recycle of an instance has ended: of a round, perhaps.
    pub(super) fn heard_of_roll(&mut self, instance: u32, event: &Event) {
        let Some(incident) = event.incident.filter(|_| event.kind == Kind::RecycleEnded) else {
            return;
        };
        let own = |roll: &Roll| roll.only.is_some() && roll.incident == incident;
        let mut rolls = self.rolls.iter_mut();
        let Some(roll) = rolls.find(|roll| own(roll) || roll.current.contains(&incident)) else {
            return;
        };
        roll.told |= own(roll);
        roll.current.retain(|current| *current != incident);
        let replaced = ("outcome", Field::Text("replaced".to_owned()));
        if event.fields.contains(&replaced) {
            roll.done += 1;
            roll.renewed.push(instance);
        } else {
            roll.stopped = Some(event.text.clone());
        }
    }

    fn end_roll(&mut self) {
        let Some(roll) = self.rolls.pop_front().filter(|roll| !roll.told) else {
            return;
        };
        let took = self.now.since(roll.began);
        let many = match roll.done {
            1 => "1 worker".to_owned(),
            done => format!("{done} workers"),
        };
        let (outcome, level, text) = match (&roll.stopped, roll.only) {
            (None, Some(instance)) if !self.instances().contains(&instance) => {
                let text = format!("instance {instance} is not recycled: it is there no more");
                ("failed", Level::Warn, text)
            }
            (None, Some(instance)) => {
                let text = format!("instance {instance} has a newer worker already");
                ("replaced", Level::Info, text)
            }
            (Some(why), Some(instance)) => {
                let text = format!("instance {instance} is not recycled: {why}");
                ("kept-old", Level::Warn, text)
            }
            (None, None) => {
                let text = format!("{many} replaced after {}", words(took));
                ("replaced", Level::Info, text)
            }
            (Some(why), None) if roll.done == 0 => (
                "kept-old",
                Level::Warn,
                format!("no worker is replaced: {why}"),
            ),
            (Some(why), None) => {
                let text = format!("{many} replaced, the others are kept: {why}");
                ("kept-old", Level::Warn, text)
            }
        };
        let reasons = roll.reasons.join("; ");
        let text = format!("{text}; asked for: {reasons}");
        let event = Event::new(Kind::RecycleEnded, level, text).of(roll.incident);
        let mut event = event.text("outcome", outcome).text("reasons", reasons);
        let instance = roll.only.map(|one| ("instance", Field::Number(one.into())));
        event.fields.extend(instance);
        self.hear_own(event.number("took_ms", millis(took)));
    }

    /// Ends every round.
    pub(super) fn end_rolls(&mut self, why: &str) {
        while let Some(roll) = self.rolls.front_mut() {
            roll.current.clear();
            roll.stopped.get_or_insert_with(|| why.to_owned());
            self.end_roll();
        }
    }

    pub(super) fn hear_own(&mut self, event: Event) {
        self.steps.push_back(super::Step::Say(event));
    }
}
