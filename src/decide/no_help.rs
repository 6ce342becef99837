//! Recycling does not help: what is said of it, what would help instead, and for whom the rule
//! that recycled rests.

use super::{
    efficacy::{Before, FIFTH, Finding, Trial},
    engine::Engine,
    event::{Event, Kind, Level},
    guard::Held,
    rule::Watched,
    say::{millis, words},
    trigger::Trigger,
};
use crate::{explain::code::Code, time::MonoTime};

/// Whose recycles did not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The last two of the only instance that there is.
    Only,
    /// The last two of this one of several: it is sick by itself.
    One,
    /// The last ones of these two: so is every other.
    Two(u32, u32),
}

impl Engine {
    /// Why a rule does not act whatever its condition says, if it is disarmed.
    pub(super) fn disarmed(&self, at: usize, now: MonoTime) -> Option<Held> {
        let rule = &self.rules[at];
        let own = rule.disarmed_until.filter(|until| *until > now);
        let own = own.map(|until| match rule.no_help {
            true => Held::NoHelpHere {
                instance: self.instance,
                until,
            },
            false => Held::Disarmed(until),
        });
        let of_all = self.streaks.disarmed(now, &rule.rule.name);
        // Whichever lasts longer.
        own.into_iter()
            .chain(of_all)
            .max_by_key(|held| held.until())
    }

    /// Says so, and disarms the rule.
    pub(super) fn no_help(&mut self, at: usize, trial: &Trial, found: Finding, scope: Scope) {
        let name = self.rules[at].rule.name.clone();
        if self.streaks.disarmed(self.now, &name).is_some() {
            // Another instance's verdict has told it of all.
            return;
        }
        let incident = self.new_incident();
        let (time, instance) = (self.policy.verdict.disarm, self.instance);
        let until = self.now + time;
        let rule = &mut self.rules[at];
        rule.held = None;
        let cure = cure(self.now, rule, trial, found);
        let (whom, which, there, rest) = match scope {
            Scope::Only => (String::new(), "its last two recycles".to_owned(), "", ""),
            Scope::One => {
                let whom = format!(" instance {instance}");
                let rest = "; it stays armed for the others";
                (whom, "its last two recycles".to_owned(), " there", rest)
            }
            Scope::Two(one, other) => {
                let which = format!("the last ones of instances {one} and {other}");
                (String::new(), which, " for all", "")
            }
        };
        let next = if time.is_zero() {
            "it stays armed, as verdict.disarm is 0".to_owned()
        } else {
            if scope == Scope::One {
                rule.disarmed_until = rule.disarmed_until.max(Some(until));
                rule.no_help = true;
            } else {
                self.streaks.disarm(&name, until);
            }
            let time = words(time);
            format!("disarmed{there} for {time} (autoheal arm ends that){rest}")
        };
        let code = Code::RecyclingDoesNotHelp.number();
        let text = format!(
            "recycling{whom} does not help against rule \"{name}\": {which} did not; {next}; \
             {cure} (autoheal explain {code})"
        );
        let mut event = Event::new(Kind::NoHelp, Level::Error, text)
            .of(incident)
            .text("rule", name)
            .text("cure", cure)
            .number("code", u64::from(code))
            .number("last", trial.incident)
            .number("disarmed_ms", millis(time));
        if scope == Scope::One {
            event = event.number("instance", u64::from(instance));
        }
        self.say(event);
    }
}

/// What would help instead.
pub(super) fn cure(now: MonoTime, rule: &Watched, trial: &Trial, found: Finding) -> String {
    match trial.before {
        Before::Rate { condition, .. } => {
            let when = rule.conditions.get(condition).map(|own| &own.when);
            match when {
                Some(Trigger::Status { codes, .. }) => format!(
                    "the same {codes} came from the new worker: look at what it depends on, or at \
                     its last change"
                ),
                _ => "the new worker was as slow: look at what it depends on, or at its load"
                    .to_owned(),
            }
        }
        // In a fifth of the time: it did not grow into the limit, it starts beyond it.
        Before::Level { .. } if found.served < rule.efficacy.lasted / FIFTH => format!(
            "the limit is below what this app needs: a new worker has {} within {}; raise it",
            rule.words(now),
            words(found.served)
        ),
        Before::Level { .. } => format!(
            "every worker is over its limit within {}, the last one with {}: find out what grows, \
             or raise the limit",
            words(found.served),
            rule.words(now)
        ),
    }
}
