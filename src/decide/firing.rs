//! What a rule does when it fires: the rungs of its ladder that this firing reaches, and one
//! recycle of the budget.

use super::{
    attached::UNASKED,
    engine::Engine,
    event::{Event, Kind, Level},
    life::Life,
    observation::Measure,
    policy::{Action, Strategy},
    recycle::{Cause, Wish, strategy_word},
    step::Step,
    trigger::Trigger,
};
use crate::{units::ByteSize, words::Generation};

/// One firing.
struct Firing {
    /// The rule's place.
    at: usize,
    generation: Generation,
    incident: u64,
    reason: String,
}

impl Engine {
    pub(super) fn fire(&mut self, at: usize, generation: Generation) {
        let incident = self.new_incident();
        let (observes, unasked) = (self.observes(at), self.is_unasked());
        let memory_limit = self.rules[at].memory_limit(self.now);
        let nth = self.rules[at].fired(self.now);
        let actions: Vec<_> = self.rules[at].rule.actions_at(nth).cloned().collect();
        let recycle = actions.iter().find_map(|action| match action {
            Action::Recycle(strategy) => Some(*strategy),
            _ => None,
        });
        let mut wish = Wish::new("", self.cause(at, generation));
        wish.strategy = recycle.flatten();
        let (strategy, note) = self.strategy_for(&wish);
        let mut next = self.words_of(at, &actions, observes);
        let mut recycles = false;
        if recycle.is_some() {
            let (taken, words) = self.spend(observes, generation, strategy, note);
            recycles = taken && !observes;
            next.push(words);
        } else if next.is_empty() {
            next.push("only said, as it has no other action".to_owned());
        }
        // Whether our own end helped only the next run can tell.
        if recycles && self.our_exit().is_none() {
            self.open_trial(at, generation, incident);
        }
        let rule = &mut self.rules[at];
        let name = rule.rule.name.clone();
        let when = rule.rule.when.name();
        let seen = rule.words(self.now);
        let reason = format!("rule \"{name}\": {seen}");
        let in_a_row = match rule.rule.actions.iter().any(|rung| rung.after > 1) {
            true => format!(" ({nth} in a row)"),
            false => String::new(),
        };
        let next = next.join("; ");
        let text = format!("rule \"{name}\" fired{in_a_row}: {seen}; {next}");
        let level = match recycle.is_some() && !recycles && !observes {
            true => Level::Error,
            false => Level::Warn,
        };
        let event = rule.numbers(self.now, Event::new(Kind::RuleFired, level, text));
        let replaces = recycle.is_some() && !observes && !unasked;
        rule.clear(self.now, replaces, &mut self.rng);
        let event = event.about(generation).of(incident).text("rule", name);
        let event = event.number("in_a_row", u64::from(nth));
        let mut event = event.text("when", when).text("seen", seen);
        if unasked && recycle.is_some() {
            event = event.text("cure", UNASKED);
        }
        self.say(event.flag("observe", observes).flag("recycles", recycles));
        let firing = Firing {
            at,
            generation,
            incident,
            reason,
        };
        if !observes {
            self.perform(&firing, &actions);
        }
        if recycles {
            wish.incident = Some(incident);
            wish.reason = firing.reason;
            wish.rule = Some(self.rules[at].rule.name.clone());
            wish.stuck = self.stuck_place(&self.rules[at].rule.name);
            wish.memory_limit = memory_limit.map(ByteSize);
            self.request_recycle(wish);
        }
    }

    /// Does all but the recycle; first what must see the worker as it is.
    fn perform(&mut self, firing: &Firing, actions: &[Action]) {
        let Firing {
            at,
            generation,
            incident,
            ref reason,
        } = *firing;
        let rule = self.rules[at].rule.name.clone();
        if actions.contains(&Action::Capture) {
            self.push(Step::Capture {
                incident,
                rule: rule.clone(),
                reason: reason.clone(),
                generation,
            });
        }
        if actions.contains(&Action::Unready) {
            self.rules[at].unready(self.now);
        }
        for action in actions {
            if let Action::Notify(notice) = action {
                self.push(Step::Notify {
                    incident,
                    rule: rule.clone(),
                    reason: reason.clone(),
                    generation,
                    notice: notice.clone(),
                });
            }
        }
        self.run_commands(firing, actions);
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
    pub(super) fn cause(&self, at: usize, generation: Generation) -> Cause {
        let parts = self.rules[at].rule.when.parts().iter();
        let causes = parts.map(|when| self.cause_by(when, generation));
        causes.max().unwrap_or(Cause::Healthy)
    }

    fn cause_by(&self, when: &Trigger, generation: Generation) -> Cause {
        match when {
            Trigger::Age { .. }
            | Trigger::All(_)
            | Trigger::File { .. }
            | Trigger::Leak { .. }
            | Trigger::Memory { .. }
            | Trigger::Requests { .. }
            | Trigger::Schedule { .. } => Cause::Healthy,
            Trigger::Level { measure, .. } => match measure {
                Measure::Connections | Measure::Descriptors | Measure::Threads => Cause::Healthy,
                Measure::Cpu | Measure::Core | Measure::MemoryHigh | Measure::Pressure(..) => {
                    Cause::Strained
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
        if self.is_unasked() {
            return (false, format!("not recycling, as {UNASKED}"));
        }
        let (now, budget) = (self.now, self.policy.budget);
        let new = self.successor(strategy);
        let spent = if observes {
            &mut self.spent_observing
        } else {
            &mut self.spent
        };
        let taken = spent.take(now, &budget);
        let left = spent.left(now, &budget);
        let strategy = strategy_word(strategy);
        let what = match self.our_exit() {
            None => format!(" worker {old} ({strategy}{note}) to {new}"),
            Some(code) => format!(" worker {old} by ending autoheal with exit code {code}"),
        };
        let words = match (taken, observes) {
            (true, false) => format!("recycling{what}; budget {left}"),
            (true, true) => {
                format!("would recycle{what}, but only observes; budget would be {left}")
            }
            (false, false) => format!("not recycling, as the budget is spent: {left}"),
            (false, true) => format!("would not recycle, as the budget would be spent: {left}"),
        };
        (taken, words)
    }

    /// What is done, or would be, of all but the recycle.
    fn words_of(&self, at: usize, actions: &[Action], observes: bool) -> Vec<String> {
        let busy = self.rules[at].running.is_some() && !observes;
        let verb = |doing: &str, would: &str| match observes {
            true => format!("would {would}"),
            false => doing.to_owned(),
        };
        let words = actions.iter().filter_map(|action| match action {
            Action::Log | Action::Recycle(_) => None,
            Action::Capture => Some(verb("capturing its state", "capture its state")),
            Action::Unready => Some(verb(
                "telling load balancers that it is not ready",
                "tell load balancers that it is not ready",
            )),
            Action::Notify(notice) => {
                let verb = verb("telling", "tell");
                Some(format!("{verb} {}", notice.url.place()))
            }
            Action::Run(command) => {
                let program = command.argv.first().map_or("", String::as_str);
                Some(match busy {
                    true => format!("not running {program}, as the rule's last command still runs"),
                    false => format!("{} {program}", verb("running", "run")),
                })
            }
        });
        words.collect()
    }

    /// One command of a rule runs at a time.
    fn run_commands(&mut self, firing: &Firing, actions: &[Action]) {
        let rule = &mut self.rules[firing.at];
        if rule.running.is_some() {
            return;
        }
        let name = rule.rule.name.clone();
        let commands = actions.iter().filter_map(|action| match action {
            Action::Run(command) => Some(command),
            _ => None,
        });
        rule.queued = commands
            .map(|command| Step::Run {
                incident: firing.incident,
                rule: name.clone(),
                reason: firing.reason.clone(),
                generation: firing.generation,
                command: command.clone(),
            })
            .collect();
        self.run_next(firing.at, firing.incident);
    }

    fn run_next(&mut self, at: usize, incident: u64) {
        let step = self.rules[at].queued.pop_front();
        self.rules[at].running = step.is_some().then_some(incident);
        if let Some(step) = step {
            self.push(step);
        }
    }

    /// Whether a command of this incident runs.
    pub(super) fn runs(&self, incident: u64) -> bool {
        self.rules.iter().any(|rule| rule.running == Some(incident))
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

    pub(super) fn captured(&mut self, incident: u64, what: &str) {
        let text = format!("captured {what}");
        self.say(Event::new(Kind::Captured, Level::Info, text).of(incident));
    }

    pub(super) fn notified(&mut self, incident: u64, result: &Result<String, String>) {
        let (level, text) = match result {
            Ok(how) => (Level::Info, format!("notified {how}")),
            Err(why) => (Level::Warn, format!("nobody was notified: {why}")),
        };
        self.say(Event::new(Kind::Notified, level, text).of(incident));
    }
}
