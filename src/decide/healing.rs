//! Rules at work: what was counted, whether it is too much, and what keeps a rule from acting.

use std::{path::Path, time::Duration};

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    guard::Held,
    observation::{Levels, MemorySample, Tally},
    recycle::Phase,
    say::{millis, words},
    step::Step,
};
use crate::{
    time::MonoTime,
    units::ByteSize,
    words::{Generation, Mode},
};

impl Engine {
    pub(super) fn tally(&mut self, tally: &Tally) {
        let (now, generation) = (self.now, tally.generation);
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        life.tally(now, tally);
        self.overload.answered(now, tally.answered, tally.in_flight);
        if self.serving.is_some() {
            self.traffic.count(now, tally.answered);
        }
        self.end_hung(generation);
        self.refusals(tally);
        if self.serving == Some(generation) {
            let conditions = self.rules.iter_mut().flat_map(|rule| &mut rule.conditions);
            let conditions: Vec<_> = conditions.collect();
            // Another length: counted under rules that are no longer in force.
            if conditions.len() == tally.rules.len() {
                for (condition, seen) in conditions.into_iter().zip(&tally.rules) {
                    condition.count(now, *seen);
                }
                self.count_trials(tally);
                self.look_ahead();
                self.check_rules();
            }
        }
        if let Some(recycle) = &mut self.recycle
            && let Phase::Handover(handover) = &mut recycle.phase
        {
            let by_new = recycle.new == Some(generation);
            if by_new || recycle.old == Some(generation) {
                handover.answers(by_new, tally.answered);
            }
            self.recycle_timeout();
        }
    }

    pub(super) fn memory(&mut self, sample: &MemorySample) {
        let (now, generation) = (self.now, sample.generation);
        let slow_start = self.policy.recycle.slow_start;
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        life.memory.sample(now, sample);
        let young = life
            .ready_since
            .is_none_or(|ready| now.since(ready) < slow_start);
        self.room = sample.room;
        if generation > self.start_took.0 {
            self.start_took = (generation, ByteSize(0));
        }
        if young && generation == self.start_took.0 {
            self.start_took.1 = self.start_took.1.max(sample.bytes);
        }
        if self.serving == Some(generation) && !self.relays() {
            let mut confirm = false;
            for at in 0..self.rules.len() {
                let held = self.held(at, generation).is_some();
                confirm |= self.rules[at].sample(now, sample, held);
                self.say_if_off(at);
            }
            if confirm && self.ending.is_none() {
                self.push(Step::ConfirmMemory { generation });
            }
            self.check_rules();
        }
        self.watch_projection();
    }

    pub(super) fn levels(&mut self, seen: &Levels) {
        if self.serving != Some(seen.generation) || self.relays() {
            return;
        }
        for at in 0..self.rules.len() {
            for condition in &mut self.rules[at].conditions {
                condition.read(self.now, seen);
            }
            self.say_if_off(at);
        }
        self.check_rules();
    }

    /// A time of a schedule has come. A rule that is disarmed passes it over: nobody who arms it in
    /// the morning wants what was due at night.
    pub(super) fn schedule_due(&mut self, condition: usize) {
        let now = self.now;
        let mut first = 0;
        for at in 0..self.rules.len() {
            let disarmed = self.disarmed(at, now);
            let rule = &mut self.rules[at];
            if let Some(own) = rule.conditions.get_mut(condition.wrapping_sub(first)) {
                match disarmed {
                    Some(held) => self.say_held(at, held),
                    None => own.came(now, &mut self.rng),
                }
                break;
            }
            first += rule.conditions.len();
        }
        self.check_rules();
    }

    /// A rule's quiet time began, or ended, by the wall clock.
    pub(super) fn quiet_time(&mut self, rule: usize, left: Option<Duration>) {
        let until = left.map(|left| self.now + left);
        if let Some(rule) = self.rules.get_mut(rule) {
            rule.quiet_until = until;
        }
        self.check_rules();
    }

    pub(super) fn file_changed(&mut self, path: &Path, since: MonoTime) {
        let known = self.born().is_some_and(|born| since < born.started);
        for rule in &mut self.rules {
            if known && rule.rule.recycles() {
                continue;
            }
            for condition in &mut rule.conditions {
                condition.changed(path, since);
            }
        }
        self.check_rules();
    }

    /// Lets every rule whose condition holds act, or says why it is held.
    pub(super) fn check_rules(&mut self) {
        if self.relays() || self.ending.is_some() {
            return;
        }
        for at in 0..self.rules.len() {
            // A rule before this one may have withdrawn the worker.
            let Some(generation) = self.serving else {
                return;
            };
            if !self.rules[at].holds(self.now) {
                continue;
            }
            self.rules[at].still_unready(self.now);
            self.came_back(at, false);
            match self.held(at, generation) {
                Some(held) => self.say_held(at, held),
                None if !self.dependencies_answer(at) => {}
                None => self.fire_unless_in_vain(at, generation),
            }
        }
    }

    /// That it would act again may be the last proof that it does so in vain.
    fn fire_unless_in_vain(&mut self, at: usize, generation: Generation) {
        self.came_back(at, true);
        match self.disarmed(at, self.now) {
            Some(held) => self.say_held(at, held),
            None => self.fire(at, generation),
        }
    }

    /// What keeps a rule from acting now.
    pub(super) fn held(&self, at: usize, generation: Generation) -> Option<Held> {
        let (now, rule) = (self.now, &self.rules[at]);
        if let Some(disarmed) = self.disarmed(at, now) {
            return Some(disarmed);
        }
        if let Some(until) = rule.quiet_until {
            return Some(Held::QuietTime(until));
        }
        if let Some(recycle) = &self.recycle {
            return Some(Held::Recycling(recycle.incident));
        }
        let ready = self
            .life(generation)
            .and_then(|life| life.ready_since)
            .unwrap_or(now);
        let old_enough = ready + rule.rule.min_uptime;
        if old_enough > now {
            return Some(Held::MinUptime(old_enough));
        }
        if let Some(until) = rule.cooldown.until(now) {
            return Some(Held::Cooldown(until));
        }
        if !rule.recycles_next(now) {
            return None;
        }
        if self.recycle_not_before > now {
            return Some(Held::Backoff(self.recycle_not_before));
        }
        if let Some(until) = self.stays_until().filter(|_| !self.observes(at)) {
            return Some(Held::JustStarted(until));
        }
        let held = self.held_by_dependency(at);
        if let Some(held) = held.or_else(|| self.held_by_overload(at)) {
            return Some(held);
        }
        let waits = !self.observes(at) && !self.has_turn(self.cause(at, generation));
        waits.then_some(Held::Turn)
    }

    pub(super) fn observes(&self, at: usize) -> bool {
        self.policy.mode == Mode::Observe || self.rules[at].rule.mode == Mode::Observe
    }

    /// Says it once for each reason. That its own recycle is under way is no news.
    fn say_held(&mut self, at: usize, held: Held) {
        if self.rules[at].held == Some(held) {
            return;
        }
        let why = self.held_words(held, self.now);
        let rule = &mut self.rules[at];
        rule.held = Some(held);
        let recycles_for = self
            .recycle
            .as_ref()
            .and_then(|recycle| recycle.rule.as_ref());
        if matches!(held, Held::Recycling(_)) && recycles_for == Some(&rule.rule.name) {
            return;
        }
        let seen = rule.words(self.now);
        let reason = format!("rule \"{}\": {seen}", rule.rule.name);
        let text = format!("{reason}; held, as {why}");
        let event = Event::new(Kind::RuleHeld, Level::Info, text);
        let mut event = event.text("rule", rule.rule.name.clone());
        event.generation = self.serving;
        if let Held::Recycling(incident) = held {
            event = event.of(incident);
            if rule.rule.recycles()
                && let Some(recycle) = &mut self.recycle
            {
                recycle.add_reason(reason);
            }
        }
        self.say(event);
    }

    /// Nothing ran for so long: what was counted can't be trusted.
    pub(super) fn stalled(&mut self, time: Duration) {
        for rule in &mut self.rules {
            rule.void();
        }
        self.void_trials(time);
        for life in &mut self.lives {
            life.stalled(self.now, time);
        }
        if let Some(recycle) = &mut self.recycle {
            recycle.stalled(self.now);
        }
        self.health.renew();
        self.traffic.void();
        let text = format!(
            "this process or its machine stood still for {}; what the rules had counted is void",
            words(time)
        );
        let event = Event::new(Kind::WindowsVoided, Level::Warn, text);
        self.say(event.number("stalled_ms", millis(time)));
    }

    /// That something can't be read does not change with the worker, so it is said once. Nobody has
    /// asked for a rule that stands there by default, so nobody has to do anything about it.
    fn say_if_off(&mut self, at: usize) {
        let rule = &mut self.rules[at];
        let Some(why) = rule.off() else { return };
        rule.held = Some(Held::Off(why));
        if std::mem::replace(&mut rule.off_said, true) {
            return;
        }
        let level = match rule.rule.proactive {
            true => Level::Info,
            false => Level::Warn,
        };
        let name = rule.rule.name.clone();
        let text = format!("rule \"{name}\": {why}");
        self.say(Event::new(Kind::RuleHeld, level, text).text("rule", name));
    }
}
