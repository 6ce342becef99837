//! Rules at work: what was counted, whether it is too much, what keeps a rule from acting, and
//! what it does.

use std::{path::Path, time::Duration};

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    guard::Held,
    life::Life,
    observation::{Levels, Measure, MemorySample, Tally},
    policy::{Action, Command, Strategy},
    recycle::{Cause, Phase, Wish, strategy_word},
    step::Step,
    trigger::Trigger,
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
        self.end_hung(generation);
        if self.serving == Some(generation) {
            let conditions = self.rules.iter_mut().flat_map(|rule| &mut rule.conditions);
            let conditions: Vec<_> = conditions.collect();
            // Another length: counted under rules that are no longer in force.
            if conditions.len() == tally.rules.len() {
                for (condition, seen) in conditions.into_iter().zip(&tally.rules) {
                    condition.count(now, *seen);
                }
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
            let rule = &mut self.rules[at];
            let disarmed = rule.disarmed_until.filter(|until| *until > now);
            if let Some(own) = rule.conditions.get_mut(condition.wrapping_sub(first)) {
                match disarmed {
                    Some(until) => self.say_held(at, Held::Disarmed(until)),
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
            if known && rule.recycles().is_some() {
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
            match self.held(at, generation) {
                Some(held) => self.say_held(at, held),
                None if !self.dependencies_answer(at) => {}
                None => self.fire(at, generation),
            }
        }
    }

    /// What keeps a rule from acting now.
    pub(super) fn held(&self, at: usize, generation: Generation) -> Option<Held> {
        let (now, rule) = (self.now, &self.rules[at]);
        if let Some(until) = rule.disarmed_until.filter(|until| *until > now) {
            return Some(Held::Disarmed(until));
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
        if rule.recycles().is_some() && self.recycle_not_before > now {
            return Some(Held::Backoff(self.recycle_not_before));
        }
        self.held_by_dependency(at)
    }

    /// Says it once for each reason.
    fn say_held(&mut self, at: usize, held: Held) {
        if self.rules[at].held == Some(held) {
            return;
        }
        let why = self.held_words(held, self.now);
        let rule = &mut self.rules[at];
        rule.held = Some(held);
        let seen = rule.words(self.now);
        let reason = format!("rule \"{}\": {seen}", rule.rule.name);
        let text = format!("{reason}; held, as {why}");
        let event = Event::new(Kind::RuleHeld, Level::Info, text);
        let mut event = event.text("rule", rule.rule.name.clone());
        event.generation = self.serving;
        if let Held::Recycling(incident) = held {
            event = event.of(incident);
            if rule.recycles().is_some()
                && let Some(recycle) = &mut self.recycle
            {
                recycle.add_reason(reason);
            }
        }
        self.say(event);
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

    fn fire(&mut self, at: usize, generation: Generation) {
        let incident = self.new_incident();
        let rule = &self.rules[at];
        let memory_limit = rule.memory_limit(self.now);
        let observes = self.policy.mode == Mode::Observe || rule.rule.mode == Mode::Observe;
        let recycle = rule.recycles();
        let mut wish = Wish::new("", self.cause(at, generation));
        wish.strategy = recycle.flatten();
        let (strategy, note) = self.strategy_for(&wish);
        let mut next = self.run_words(at, observes);
        let mut recycles = false;
        if recycle.is_some() {
            let (taken, words) = self.spend(observes, generation, strategy, note);
            recycles = taken && !observes;
            next.push(words);
        } else if next.is_empty() {
            next.push("only said, as it has no other action".to_owned());
        }
        let rule = &mut self.rules[at];
        rule.firings += 1;
        rule.cooldown.fire(self.now, rule.rule.cooldown);
        let name = rule.rule.name.clone();
        let seen = rule.words(self.now);
        let reason = format!("rule \"{name}\": {seen}");
        let text = format!("rule \"{name}\" fired: {seen}; {}", next.join("; "));
        let level = match recycle.is_some() && !recycles && !observes {
            true => Level::Error,
            false => Level::Warn,
        };
        let event = rule.numbers(self.now, Event::new(Kind::RuleFired, level, text));
        rule.clear(self.now, !observes, &mut self.rng);
        let event = event.about(generation).of(incident).text("rule", name);
        self.say(event.flag("observe", observes).flag("recycles", recycles));
        if !observes {
            self.run_commands(at, generation, incident, &reason);
        }
        if recycles {
            wish.incident = Some(incident);
            wish.reason = reason;
            wish.rule = Some(self.rules[at].rule.name.clone());
            wish.stuck = self.stuck_place(&self.rules[at].rule.name);
            wish.memory_limit = memory_limit.map(ByteSize);
            self.request_recycle(wish);
        }
    }

    /// The place among all conditions of what this rule finds slow, if it looks at that.
    pub(super) fn stuck_place(&self, name: &str) -> Option<usize> {
        let conditions = self
            .rules
            .iter()
            .flat_map(|rule| rule.conditions.iter().map(|c| (&rule.rule.name, &c.when)));
        let slow =
            |(of, when): (&String, &Trigger)| of == name && matches!(when, Trigger::Slow { .. });
        conditions.into_iter().position(slow)
    }

    /// How sick the worker is that this rule found at fault: as the worst of its conditions says.
    fn cause(&self, at: usize, generation: Generation) -> Cause {
        let parts = self.rules[at].rule.when.parts().iter();
        let causes = parts.map(|when| self.cause_by(when, generation));
        causes.max().unwrap_or(Cause::Healthy)
    }

    fn cause_by(&self, when: &Trigger, generation: Generation) -> Cause {
        match when {
            Trigger::Age { .. }
            | Trigger::All(_)
            | Trigger::File { .. }
            | Trigger::Memory { .. }
            | Trigger::Requests { .. }
            | Trigger::Schedule { .. } => Cause::Healthy,
            Trigger::Level { measure, .. } => match measure {
                Measure::Connections | Measure::Descriptors | Measure::Threads => Cause::Healthy,
                Measure::Cpu | Measure::Core | Measure::MemoryHigh | Measure::Pressure(..) => {
                    Cause::Sick
                }
            },
            Trigger::Output { .. } | Trigger::Status { .. } => Cause::Sick,
            Trigger::Abandoned {
                after: time_taken, ..
            }
            | Trigger::Slow { time_taken, .. } => {
                let hangs = |life: &Life| life.hangs(self.now, *time_taken);
                match self.life(generation).is_some_and(hangs) {
                    true => Cause::Hung,
                    false => Cause::Sick,
                }
            }
        }
    }

    /// Takes one recycle from the budget if there is one; and says what that means.
    fn spend(
        &mut self,
        observes: bool,
        old: Generation,
        strategy: Strategy,
        note: &str,
    ) -> (bool, String) {
        let (now, budget) = (self.now, self.policy.budget);
        let spent = if observes {
            &mut self.spent_observing
        } else {
            &mut self.spent
        };
        let taken = spent.take(now, &budget);
        let left = spent.left(now, &budget);
        let strategy = strategy_word(strategy);
        let new = self.newest.next();
        let words = match (taken, observes) {
            (true, false) => {
                format!("recycling worker {old} ({strategy}{note}) to worker {new}; budget {left}")
            }
            (true, true) => format!(
                "would recycle worker {old} ({strategy}{note}) to worker {new}, but only observes; \
                 budget would be {left}"
            ),
            (false, false) => format!("not recycling, as the budget is spent: {left}"),
            (false, true) => format!("would not recycle, as the budget would be spent: {left}"),
        };
        (taken, words)
    }

    fn run_words(&self, at: usize, observes: bool) -> Vec<String> {
        let rule = &self.rules[at];
        let busy = rule.running.is_some() && !observes;
        let verb = if observes { "would run" } else { "running" };
        commands(&rule.rule.actions)
            .map(|command| {
                let program = command.argv.first().map_or("", String::as_str);
                match busy {
                    true => format!("not running {program}, as the rule's last command still runs"),
                    false => format!("{verb} {program}"),
                }
            })
            .collect()
    }

    /// One command of a rule runs at a time.
    fn run_commands(&mut self, at: usize, generation: Generation, incident: u64, reason: &str) {
        let rule = &mut self.rules[at];
        if rule.running.is_some() {
            return;
        }
        let name = rule.rule.name.clone();
        rule.queued = commands(&rule.rule.actions)
            .map(|command| Step::Run {
                incident,
                rule: name.clone(),
                reason: reason.to_owned(),
                generation,
                command: command.clone(),
            })
            .collect();
        self.run_next(at, incident);
    }

    fn run_next(&mut self, at: usize, incident: u64) {
        let step = self.rules[at].queued.pop_front();
        self.rules[at].running = step.is_some().then_some(incident);
        if let Some(step) = step {
            self.push(step);
        }
    }

    pub(super) fn command_ended(&mut self, incident: u64, how: &str) {
        let ran = self
            .rules
            .iter()
            .position(|rule| rule.running == Some(incident));
        let who = ran.map_or_else(String::new, |at| {
            format!(" of rule \"{}\"", self.rules[at].rule.name)
        });
        let text = format!("the command{who} ended: {how}");
        self.say(Event::new(Kind::CommandEnded, Level::Info, text).of(incident));
        if let Some(at) = ran {
            self.run_next(at, incident);
        }
    }
}

fn commands(actions: &[Action]) -> impl Iterator<Item = &Command> {
    actions.iter().filter_map(|action| match action {
        Action::Run(command) => Some(command),
        _ => None,
    })
}
