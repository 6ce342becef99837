//! Ending ourselves, so that whoever supervises us restarts the app with us, and what that leaves
//! for the next run to know: it must not become a loop.

use std::time::Duration;

use super::{
    efficacy::{Before, Symptom, Trial},
    engine::Engine,
    event::{Event, Kind, Level},
    observation::{Deed, Earlier},
    policy::Comes,
    recycle::{Cause, Wish},
    rule::Watched,
    say::millis,
};
use crate::time::MonoTime;

/// It ends no sooner after its start, so that two ends are as far apart.
const APART: Duration = Duration::from_secs(60);

impl Engine {
    /// The code that we end with to have the app restarted, if that is how it is.
    pub(super) fn our_exit(&self) -> Option<i32> {
        match self.policy.attached {
            Some(Comes::ByOurExit(code)) => Some(code),
            _ => None,
        }
    }

    /// Until when we don't end for the app, as we have only just started.
    pub(super) fn stays_until(&self) -> Option<MonoTime> {
        let until = self.began + APART;
        let ends = self.our_exit().is_some();
        (ends && until > self.now).then_some(until)
    }

    /// Ends with the app. One that hangs will not answer what it has in flight, so that nothing is
    /// waited for then.
    pub(super) fn exit_with_it(&mut self, code: i32, incident: u64, wish: &Wish) {
        let served = self.serving.and_then(|generation| self.life(generation));
        let served = served.and_then(|life| life.served(self.now));
        let text = format!(
            "autoheal ends with exit code {code}, for its supervisor to restart the app: {}",
            wish.reason
        );
        let mut event = Event::new(Kind::ShuttingDown, Level::Warn, text)
            .of(incident)
            .number("exit_code", u64::from(code.unsigned_abs()))
            .number("served_ms", millis(served.unwrap_or_default()));
        if let Some(rule) = &wish.rule {
            event = event.text("rule", rule.clone());
        }
        // What operators ask for costs nothing.
        event = event.flag(
            "budget",
            wish.cause != Cause::Healthy || wish.rule.is_some(),
        );
        event.generation = self.serving;
        let at_once = wish.forced || wish.cause == Cause::Hung;
        let delay = match at_once {
            true => Duration::ZERO,
            false => self.policy.shutdown.delay,
        };
        self.begin_end(code, delay.min(self.policy.shutdown.timeout), event);
        if at_once {
            self.end_drain();
        }
        let text = format!("not replaced: autoheal ends with exit code {code}");
        self.say_ended(incident, "exited", &text, None);
    }

    /// Takes in what earlier runs did: what they spent is spent, the rules that they ended for
    /// rest, and whether that has helped is still to be told.
    pub(super) fn remember(&mut self, all: &[Earlier]) {
        if self.our_exit().is_none() {
            return;
        }
        let now = self.now;
        for Earlier { ago, rule, deed } in all {
            if matches!(deed, Deed::Ended { .. }) {
                self.spent.remember(now, *ago);
            }
            let named = |one: &&mut Watched| Some(&one.rule.name) == rule.as_ref();
            if let Some(rule) = self.rules.iter_mut().find(named) {
                rule.remember(now, *ago, *deed);
            }
        }
    }

    /// A worker serves: that what an earlier run ended for is well is watched from now on.
    pub(super) fn begin_earlier_trials(&mut self) {
        let trials = self.rules.iter().filter_map(|rule| {
            let trial = rule.efficacy.trial.as_ref()?;
            trial.watch.is_none().then_some(trial.incident)
        });
        let incidents: Vec<u64> = trials.collect();
        for incident in incidents {
            self.begin_trial(incident, "replaced");
        }
    }
}

impl Watched {
    fn remember(&mut self, now: MonoTime, ago: Duration, deed: Deed) {
        match deed {
            Deed::Ended { incident, served } => {
                self.cooldown.remember(now, ago, self.rule.cooldown);
                let mut symptoms = self.conditions.iter().map(|one| Symptom::of(&one.when));
                let judged = symptoms.any(|symptom| symptom != Symptom::Planned);
                // What a rate was before is not known any more; whether it is back is enough.
                self.efficacy.trial = judged.then_some(Trial {
                    incident,
                    before: Before::Level { lasted: served },
                    watch: None,
                });
            }
            Deed::Judged { helped } => {
                self.efficacy.trial = None;
                self.efficacy.remember(now, helped);
            }
        }
    }
}
