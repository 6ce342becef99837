//! After each recycle that a rule caused: did it help, and what follows when it does not.

use std::time::Duration;

use super::{
    efficacy::{Before, Finding, Symptom, Trial, Verdict},
    engine::Engine,
    event::{Event, Kind, Level},
    no_help::{Scope, cure},
    observation::{RuleCount, Tally},
    rule::Watched,
    say::{millis, percent, words},
    trigger::Trigger,
};
use crate::{time::MonoTime, words::Generation};

impl Watched {
    /// How things are now, for a comparison after the recycle; `None`: there is no symptom. A rate
    /// says more than a level.
    fn before(&self, now: MonoTime, ready: MonoTime) -> Option<Before> {
        let place = |symptom| {
            let mut all = self.conditions.iter();
            all.position(|condition| Symptom::of(&condition.when) == symptom)
        };
        if let Some(condition) = place(Symptom::Rate)
            && let Some(own) = self.conditions.get(condition)
            && let Trigger::Abandoned { window, .. }
            | Trigger::Slow { window, .. }
            | Trigger::Status { window, .. } = &own.when
        {
            let reading = own.reading(now);
            return Some(Before::Rate {
                condition,
                count: RuleCount {
                    matching: reading.matching,
                    total: reading.total,
                },
                window: *window,
            });
        }
        let lasted = now.since(ready);
        place(Symptom::Level).map(|_| Before::Level { lasted })
    }
}

impl Engine {
    /// A rule is about to replace this worker: how things are now.
    pub(super) fn open_trial(&mut self, at: usize, generation: Generation, incident: u64) {
        let ready = self.life(generation).and_then(|life| life.ready_since);
        let ready = ready.unwrap_or(self.now);
        let rule = &mut self.rules[at];
        let before = rule.before(self.now, ready);
        rule.efficacy.trial = before.map(|before| Trial {
            incident,
            before,
            watch: None,
        });
    }

    /// A recycle has ended: if a rule caused it, the new worker is watched from now on.
    pub(super) fn begin_trial(&mut self, incident: u64, outcome: &str) {
        let of = |rule: &Watched| {
            let trial = rule.efficacy.trial.as_ref();
            trial.is_some_and(|trial| trial.incident == incident)
        };
        let Some(at) = self.rules.iter().position(of) else {
            return;
        };
        let new = self.serving.filter(|_| outcome == "replaced");
        let Some(new) = new else {
            let why = match outcome {
                "kept-old" => "the old worker was kept",
                _ => "the worker was not replaced",
            };
            return self.give_up_trial(at, why);
        };
        let ready = self.life(new).and_then(|life| life.ready_since);
        let served = ready.unwrap_or(self.now);
        let slow_start = self.policy.recycle.slow_start;
        let back_within = self.policy.verdict.back_within;
        if let Some(trial) = &mut self.rules[at].efficacy.trial {
            trial.begin(served, new, slow_start, back_within);
        }
    }

    /// Takes in what the rules saw of the worker that serves.
    pub(super) fn count_trials(&mut self, tally: &Tally) {
        let now = self.now;
        let mut rest = tally.rules.as_slice();
        // What a dependency does to a worker is neither's fault.
        if self.dependency_at_fault().is_some() {
            rest = &[];
        }
        for rule in &mut self.rules {
            let (own, others) = rest.split_at(rule.conditions.len().min(rest.len()));
            rest = others;
            if let Some(trial) = &mut rule.efficacy.trial {
                trial.count(now, tally.generation, own);
            }
        }
        self.trials_timeout();
    }

    /// Tells the verdicts that can be told.
    pub(super) fn trials_timeout(&mut self) {
        let now = self.now;
        for at in 0..self.rules.len() {
            let trial = self.rules[at].efficacy.trial.as_mut();
            if let Some(found) = trial.and_then(|trial| trial.look(now)) {
                self.conclude(at, found, None);
            }
        }
    }

    pub(super) fn trials_deadline(&self) -> Option<MonoTime> {
        let trials = self.rules.iter().filter_map(|rule| {
            let trial = rule.efficacy.trial.as_ref()?;
            trial.deadline(self.now)
        });
        trials.min()
    }

    /// A rule's condition holds, on a worker that may be the one its last recycle brought.
    /// `fires`: and nothing keeps it from acting.
    pub(super) fn came_back(&mut self, at: usize, fires: bool) {
        let now = self.now;
        let back_within = self.policy.verdict.back_within;
        let Some(trial) = &self.rules[at].efficacy.trial else {
            return;
        };
        if let Some(found) = trial.came_back(now, fires, back_within) {
            let again = self.rules[at].words(now);
            self.conclude(at, found, Some(&again));
        }
    }

    /// Another worker is about to serve, or none.
    pub(super) fn cut_trials_short(&mut self) {
        let now = self.now;
        for at in 0..self.rules.len() {
            let trial = self.rules[at].efficacy.trial.as_ref();
            // A trial whose recycle has not ended waits for the very change that is coming.
            if let Some(trial) = trial.filter(|trial| trial.watch.is_some()) {
                let found = trial.cut_short(now);
                self.conclude(at, found, Some("its worker serves no more"));
            }
        }
    }

    pub(super) fn void_trials(&mut self, time: Duration) {
        let now = self.now;
        for rule in &mut self.rules {
            if let Some(trial) = &mut rule.efficacy.trial {
                trial.stalled(now, time);
            }
        }
    }

    /// A new configuration has no such rule any more.
    pub(super) fn drop_trial(&mut self, rule: Watched) {
        if let Some(trial) = &rule.efficacy.trial {
            let found = trial.finding(self.now, Verdict::Unclear);
            let note = Some("the rule was changed");
            self.say(verdict_event(&rule, trial, found, note));
        }
    }

    fn give_up_trial(&mut self, at: usize, why: &str) {
        let trial = self.rules[at].efficacy.trial.as_ref();
        if let Some(found) = trial.map(|trial| trial.finding(self.now, Verdict::Unclear)) {
            self.conclude(at, found, Some(why));
        }
    }

    /// Says the verdict, and disarms the rule if it was the second in a row that did not help.
    /// `note`: what was seen, or why nothing can be told.
    fn conclude(&mut self, at: usize, found: Finding, note: Option<&str>) {
        let now = self.now;
        let rule = &mut self.rules[at];
        let Some(trial) = rule.efficacy.trial.take() else {
            return;
        };
        let name = rule.rule.name.clone();
        let mut event = verdict_event(rule, &trial, found, note);
        let alone = rule.efficacy.take(now, &trial, found.verdict);
        let several = self.streaks.take(now, &name, self.instance, found.verdict);
        match found.verdict {
            Verdict::DidNotHelp => event = event.text("cure", cure(now, rule, &trial, found)),
            Verdict::Helped if self.streaks.arm(now, &name) => {
                event.text += "; so the rule is armed again";
            }
            Verdict::Helped | Verdict::Unclear => {}
        }
        self.say(event);
        if self.ending.is_some() {
            return;
        }
        match several {
            Some((one, other)) => self.no_help(at, &trial, found, Scope::Two(one, other)),
            None if alone && self.peers.others == 0 => {
                self.no_help(at, &trial, found, Scope::Only);
            }
            None if alone => self.no_help(at, &trial, found, Scope::One),
            None => {}
        }
    }
}

fn verdict_event(rule: &Watched, trial: &Trial, found: Finding, note: Option<&str>) -> Event {
    let name = &rule.rule.name;
    let level = match found.verdict {
        Verdict::DidNotHelp => Level::Warn,
        Verdict::Helped | Verdict::Unclear => Level::Info,
    };
    let said = match found.verdict {
        Verdict::Helped => "the recycle helped",
        Verdict::DidNotHelp => "the recycle did not help",
        Verdict::Unclear => "whether the recycle helped is unclear",
    };
    let why = why(trial, found, note);
    let text = format!("rule \"{name}\": {said}: {why}");
    let mut event = Event::new(Kind::Verdict, level, text)
        .of(trial.incident)
        .text("rule", name)
        .text("verdict", found.verdict.name())
        .text("because", why)
        .number("served_ms", millis(found.served));
    match (trial.before, found.after) {
        (
            Before::Rate {
                condition, count, ..
            },
            after,
        ) => {
            let after = after.unwrap_or_default();
            let own = rule.conditions.get(condition);
            event = event
                .text("compared", own.map_or("", |own| own.when.name()))
                .number("before_matching", count.matching)
                .number("before_total", count.total)
                .number("after_matching", after.matching)
                .number("after_total", after.total);
        }
        (Before::Level { lasted }, _) => event = event.number("before_ms", millis(lasted)),
    }
    event.generation = trial.watch.as_ref().map(|watch| watch.generation);
    event
}

/// What the verdict rests on.
fn why(trial: &Trial, found: Finding, note: Option<&str>) -> String {
    let served = words(found.served);
    match (trial.before, found.after, found.verdict) {
        (Before::Rate { .. }, _, Verdict::DidNotHelp) if note.is_some() => {
            format!("{} again, {served} after it", note.unwrap_or_default())
        }
        (Before::Rate { count, .. }, Some(after), verdict) => {
            let rates = format!("{} since, {} before", of(after), of(count));
            match (verdict, note) {
                (Verdict::Unclear, Some(note)) => format!("{note}; {rates}"),
                (Verdict::Unclear, None) => format!("{rates}, in {served}"),
                _ => rates,
            }
        }
        (Before::Level { lasted }, _, Verdict::Helped) => match note {
            Some(again) => format!(
                "{again} not before {served}; the worker before took {}",
                words(lasted)
            ),
            None => format!(
                "within its limit for {served}; the worker before took {} to reach it",
                words(lasted)
            ),
        },
        (Before::Level { lasted }, _, Verdict::DidNotHelp) => format!(
            "{} again after {served}; the worker before took {}",
            note.unwrap_or_default(),
            words(lasted)
        ),
        _ => note.unwrap_or_default().to_owned(),
    }
}

/// `23 of 61 (37%)`.
fn of(count: RuleCount) -> String {
    let RuleCount { matching, total } = count;
    format!("{matching} of {total} ({})", percent(matching, total))
}
