//! What operators say, and a new configuration.

use std::time::Duration;

use super::{
    engine::Engine,
    event::{Event, Field, Kind, Level},
    life::{State, Want},
    observation::Word,
    policy::Policy,
    recycle::{Cause, Wish},
    rule::Watched,
    say::words,
    step::Step,
};
use crate::time::MonoTime;

impl Engine {
    pub(super) fn word(&mut self, word: Word) -> Option<u64> {
        match word {
            Word::Recycle { reason, force } => {
                self.acquit();
                let reason = match reason.as_str() {
                    "" => "an operator".to_owned(),
                    reason => format!("an operator: {reason}"),
                };
                let mut wish = Wish::new(reason, Cause::Healthy);
                wish.forced = force;
                return Some(self.request_recycle(wish));
            }
            Word::RecycleOne {
                instance,
                reason,
                force,
            } => {
                let is_meant = self.instance == instance;
                return is_meant.then(|| self.word(Word::Recycle { reason, force }))?;
            }
            Word::Start => self.operator_start(),
            Word::Stop => self.operator_stop(),
            Word::Hold(time) => self.hold(time),
            Word::Release => self.release("an operator ended the hold"),
            Word::Disarm { rules, time } => self.disarm(&rules, Some(time)),
            Word::Arm { rules } => self.disarm(&rules, None),
            Word::Reload {
                policy,
                recycle,
                changes,
            } => return self.reload(*policy, recycle, changes),
            Word::Shutdown => self.shut_down(),
            Word::EndDrain => self.end_drain(),
        }
        None
    }

    fn operator_start(&mut self) {
        let text = if self.ending.is_some() {
            "not started: autoheal is stopping"
        } else if self.offline {
            self.want = Want::Up;
            "an operator asked for a start; it comes when the maintenance page is gone"
        } else if self.serving.is_some() || self.starting().is_some() {
            "an operator asked for a start; the worker is up or on its way already"
        } else if self.recycle.is_some() {
            "an operator asked for a start; a recycle sees to it already"
        } else {
            self.want = Want::Up;
            self.restarts.reset();
            self.pending_start = Some(self.now);
            "an operator started the worker"
        };
        self.say(Event::new(Kind::Operator, Level::Info, text));
    }

    fn operator_stop(&mut self) {
        if self.ending.is_some() || self.want == Want::Stopped {
            return;
        }
        self.want = Want::Stopped;
        self.pending_start = None;
        let text = "an operator stopped the worker; requests are refused until it is started";
        self.say(Event::new(Kind::Operator, Level::Info, text));
        self.end_recycle("failed", "not replaced: an operator stopped the worker");
        let until = self.now + self.policy.recycle.drain_timeout;
        self.retire_all(until);
    }

    pub(super) fn retire_all(&mut self, until: MonoTime) {
        let all: Vec<_> = self.lives.iter().map(|life| life.generation).collect();
        for generation in all {
            self.retire(generation, until);
        }
    }

    fn hold(&mut self, time: Duration) {
        if self.ending.is_some() {
            return;
        }
        if self.hold_until.is_none() {
            self.push(Step::Hold(true));
        }
        self.hold_until = Some(self.now + time);
        let text = format!(
            "an operator parks every new request for {} at most",
            words(time)
        );
        self.say(Event::new(Kind::Hold, Level::Info, text));
    }

    pub(super) fn release(&mut self, why: &str) {
        if self.hold_until.take().is_some() {
            self.push(Step::Hold(false));
            self.say(Event::new(
                Kind::Hold,
                Level::Info,
                format!("requests pass again: {why}"),
            ));
        }
    }

    pub(super) fn hold_timeout(&mut self) {
        if self.hold_until.is_some_and(|until| until <= self.now) {
            self.release("the hold's time is over");
        }
    }

    /// `time`: for so long; `None`: arms them again.
    fn disarm(&mut self, names: &[String], time: Option<Duration>) {
        let until = time.map(|time| self.now + time);
        let mut which = Vec::new();
        for rule in &mut self.rules {
            if names.is_empty() || names.contains(&rule.rule.name) {
                rule.disarmed_until = until;
                rule.no_help = false;
                rule.held = None;
                rule.unready_until = None;
                self.streaks.arm(self.now, &rule.rule.name);
                if until.is_none() {
                    rule.efficacy.forgive();
                    self.streaks.forget(&rule.rule.name);
                }
                which.push(format!("\"{}\"", rule.rule.name));
            }
        }
        let which = match names.is_empty() {
            true => "all rules".to_owned(),
            false => format!("rules {}", which.join(", ")),
        };
        let text = match time {
            Some(time) => format!("an operator disarmed {which} for {}", words(time)),
            None => format!("an operator armed {which}"),
        };
        self.say(Event::new(Kind::Armed, Level::Info, text));
    }

    /// Rules that did not change keep what they have counted, their rest and their arming.
    fn reload(
        &mut self,
        mut policy: Policy,
        recycle: Option<String>,
        changes: String,
    ) -> Option<u64> {
        let mut before = std::mem::take(&mut self.rules);
        let stuck = self.recycle.as_ref().and_then(|recycle| recycle.stuck);
        let mut names = before
            .iter()
            .flat_map(|rule| rule.conditions.iter().map(|_| rule.rule.name.clone()));
        let stuck = stuck.and_then(|at| names.nth(at));
        let born = self.born();
        for rule in std::mem::take(&mut policy.rules) {
            let kept = before.iter().position(|old| old.rule == rule);
            let mut rule = match kept {
                Some(at) => before.swap_remove(at),
                None => Watched::new(rule),
            };
            if let (None, Some(born)) = (kept, born) {
                rule.renew(born, &mut self.rng);
            }
            self.rules.push(rule);
        }
        for rule in before {
            self.streaks.forget(&rule.rule.name);
            self.drop_trial(rule);
        }
        let stuck = stuck.and_then(|name| self.stuck_place(&name));
        if let Some(recycle) = &mut self.recycle {
            recycle.stuck = stuck;
        }
        let dependencies = std::mem::take(&mut policy.dependencies);
        self.dependencies.set(dependencies, self.now);
        self.acquit();
        self.policy = policy;
        let recycle = recycle.filter(|_| self.replaces());
        self.overlaps_failed = 0;
        self.overlap_impossible = false;
        let next = recycle
            .as_ref()
            .map_or_else(String::new, |why| format!("; recycling: {why}"));
        let what = match changes.is_empty() {
            true => String::new(),
            false => format!(": {changes}"),
        };
        let text = format!("a new configuration is in force{what}{next}");
        let mut event = Event::new(Kind::Reloaded, Level::Info, text);
        event.fields.push(("changes", Field::Text(changes)));
        self.say(event);
        self.recycle_for_reload(recycle?)
    }

    pub(super) fn recycle_for_reload(&mut self, why: String) -> Option<u64> {
        if self.want == Want::Stopped || self.offline || self.ending.is_some() {
            return None;
        }
        let incident = self.request_recycle(Wish::new(why, Cause::Healthy));
        // What is starting was started with the old configuration.
        if self.lives.iter().any(|life| life.state == State::Starting) {
            self.start_anew();
        }
        Some(incident)
    }
}
