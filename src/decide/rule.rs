//! One rule: its conditions, what it did, and what it waits for.

use std::collections::VecDeque;

use super::{
    condition::{Born, Condition, Reading},
    efficacy::Efficacy,
    event::Event,
    guard::{Cooldown, Held, Row},
    observation::MemorySample,
    policy::{Action, Rule},
    rng::Rng,
    step::Step,
    trigger::Trigger,
};
use crate::time::MonoTime;

#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) rule: Rule,
    /// All of them must hold; in the order of [`super::trigger::Trigger::parts`].
    pub(super) conditions: Vec<Condition>,
    pub(super) cooldown: Cooldown,
    /// Its firings in a row.
    pub(super) row: Row,
    /// It keeps load balancers away at least until then.
    pub(super) unready_until: Option<MonoTime>,
    pub(super) disarmed_until: Option<MonoTime>,
    /// Its quiet time: until about then, and until its end is told.
    pub(super) quiet_until: Option<MonoTime>,
    /// It was its verdicts on this instance that disarmed it.
    pub(super) no_help: bool,
    pub(super) efficacy: Efficacy,
    /// Why it is held, as last said.
    pub(super) held: Option<Held>,
    /// That it is off has been said.
    pub(super) off_said: bool,
    pub(super) firings: u64,
    /// The incident whose command runs now.
    pub(super) running: Option<u64>,
    /// Commands of the same firing that come after it.
    pub(super) queued: VecDeque<Step>,
}

impl Watched {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            conditions: rule.when.parts().iter().map(Condition::new).collect(),
            rule,
            cooldown: Cooldown::default(),
            row: Row::default(),
            unready_until: None,
            disarmed_until: None,
            quiet_until: None,
            no_help: false,
            efficacy: Efficacy::default(),
            held: None,
            off_said: false,
            firings: 0,
            running: None,
            queued: VecDeque::new(),
        }
    }

    /// Another worker serves now.
    pub(super) fn renew(&mut self, born: Born, rng: &mut Rng) {
        self.held = None;
        self.unready_until = None;
        let recycles = self.rule.recycles();
        for condition in &mut self.conditions {
            condition.renew(born, recycles, rng);
        }
    }

    /// What it has seen in time can't be trusted.
    pub(super) fn void(&mut self) {
        self.conditions.iter_mut().for_each(Condition::void);
    }

    /// It has fired: its own count begins anew. `recycles`: the worker is to be replaced.
    pub(super) fn clear(&mut self, now: MonoTime, recycles: bool, rng: &mut Rng) {
        self.held = None;
        for condition in &mut self.conditions {
            condition.clear(now, recycles, rng);
        }
    }

    /// Whether it would replace the worker if it fired now.
    pub(super) fn recycles_next(&self, now: MonoTime) -> bool {
        let mut actions = self.rule.actions_at(self.row.next(now));
        actions.any(|action| matches!(action, Action::Recycle(_)))
    }

    /// It fires now, and rests; which firing in a row this is.
    pub(super) fn fired(&mut self, now: MonoTime) -> u32 {
        self.firings += 1;
        self.cooldown.fire(now, self.rule.cooldown);
        let rest = self.cooldown.until(now).map(|until| until.since(now));
        self.row.fire(now, rest.unwrap_or_default())
    }

    /// What was last said of it, if that holds for every instance.
    pub(super) fn said_of_all(&self) -> Option<Held> {
        let of_all = |held: &Held| matches!(held, Held::NoHelp(_) | Held::Off(_));
        self.held.filter(of_all)
    }

    /// Another instance has said it.
    pub(super) fn told(&mut self, held: Held) {
        self.held = Some(held);
        self.off_said |= matches!(held, Held::Off(_));
    }

    /// Takes a sample of the worker that serves now; whether an exact one is wanted next.
    pub(super) fn sample(&mut self, now: MonoTime, sample: &MemorySample, held: bool) -> bool {
        let mut confirm = false;
        for condition in &mut self.conditions {
            confirm |= condition.sample(now, sample, held);
        }
        confirm
    }

    /// Whether every condition holds now.
    pub(super) fn holds(&mut self, now: MonoTime) -> bool {
        self.conditions
            .iter_mut()
            .all(|condition| condition.holds(now))
    }

    /// When a condition will hold by the mere passing of time.
    pub(super) fn due(&self, now: MonoTime) -> Option<MonoTime> {
        let due = self.conditions.iter().filter_map(Condition::due);
        due.filter(|at| *at > now).min()
    }

    /// The numbers of the first condition.
    pub(super) fn reading(&self, now: MonoTime) -> Reading {
        let first = self.conditions.first();
        first.map_or_else(Reading::default, |condition| condition.reading(now))
    }

    /// The limit that the worker's memory is over, or nears, if the rule looks at that.
    pub(super) fn memory_limit(&self, now: MonoTime) -> Option<u64> {
        let mut conditions = self.conditions.iter();
        let memory =
            conditions.find(|c| matches!(c.when, Trigger::Leak { .. } | Trigger::Memory { .. }))?;
        Some(memory.reading(now).limit)
    }

    /// Why the rule is off, if something that it looks at can't be read.
    pub(super) fn off(&self) -> Option<&'static str> {
        self.conditions.iter().find_map(Condition::off)
    }

    /// The numbers and the limits in words.
    pub(super) fn words(&self, now: MonoTime) -> String {
        let words: Vec<_> = self.conditions.iter().map(|c| c.words(now)).collect();
        words.join(" and ")
    }

    /// Adds the numbers to the event of a firing.
    pub(super) fn numbers(&self, now: MonoTime, event: Event) -> Event {
        let conditions = self.conditions.iter();
        conditions.fold(event, |event, condition| condition.numbers(now, event))
    }
}
