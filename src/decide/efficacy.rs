//! Whether a recycle helped: what a rule saw of the worker before, against what it sees of the one
//! after. Pure statistics; all thresholds are here.
//!
//! A *rate* (`status`, `slow`, `abandoned`) is compared over comparable traffic: at least as many
//! requests as the firing counted (half as many if no more came within `back_within`), for at least
//! the rule's window, after the slow start. It helped when the rate is surely below half of what it
//! was, and did not when it is surely above that (Wilson's interval, 95%), or when the rule would
//! act again. A *level* (`memory`, `cpu`, `output`, ...) is judged by when it comes back: within
//! `back_within`, or in under a fifth of the time that the worker before took, it did not help.
//! What was planned (`age`, `schedule`, `file`, `requests`) has no symptom, and so no verdict.
//!
//! Invariant: nothing that was counted before a stall is ever compared.

use std::time::Duration;

use super::{observation::RuleCount, trigger::Trigger};
use crate::{time::MonoTime, words::Generation};

/// Fewer requests than this tell nothing.
const REQUESTS_LEAST: u64 = 10;
/// Rates are compared with this part of the rate before.
const HALF: f64 = 0.5;
/// Of a normal distribution, 95% lie within so many standard deviations.
const DEVIATIONS: f64 = 1.96;
/// A level that is back in less than this part of the time before did not help.
pub(super) const FIFTH: u32 = 5;
/// A level is not watched for longer.
const WATCHED_MOST: Duration = Duration::from_secs(24 * 3600);
/// So many verdicts "did not help" in a row disarm the rule...
pub(super) const RUNNING: u32 = 2;
/// ...if no more than this lies between them.
pub(super) const RUNNING_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Whether a recycle helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Helped,
    DidNotHelp,
    Unclear,
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Helped => "helped",
            Self::DidNotHelp => "did-not-help",
            Self::Unclear => "unclear",
        }
    }
}

/// What a condition's recycle is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symptom {
    /// A share of requests.
    Rate,
    /// Something that is there or not, printed lines too: they have no share of anything.
    Level,
    /// None: it was planned.
    Planned,
}

impl Symptom {
    pub(super) fn of(when: &Trigger) -> Self {
        match when {
            Trigger::Abandoned { .. } | Trigger::Slow { .. } | Trigger::Status { .. } => Self::Rate,
            Trigger::Leak { .. }
            | Trigger::Level { .. }
            | Trigger::Memory { .. }
            | Trigger::Output { .. } => Self::Level,
            Trigger::Age { .. }
            | Trigger::All(_)
            | Trigger::File { .. }
            | Trigger::Requests { .. }
            | Trigger::Schedule { .. } => Self::Planned,
        }
    }
}

/// How things were when the rule fired.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Before {
    Rate {
        /// The place of the condition in its rule.
        condition: usize,
        count: RuleCount,
        window: Duration,
    },
    Level {
        /// How long the worker had been ready.
        lasted: Duration,
    },
}

/// A recycle of this rule whose verdict is due.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) incident: u64,
    pub(super) before: Before,
    /// `None`: the recycle has not ended.
    pub(super) watch: Option<Watch>,
}

/// What is seen of the new worker.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) generation: Generation,
    /// When it began to serve.
    pub(super) served: MonoTime,
    /// What comes before this does not count.
    from: MonoTime,
    until: MonoTime,
    pub(super) after: RuleCount,
    /// So many requests are compared next.
    enough: u64,
    /// For so long nobody looked.
    blind: Duration,
}

/// What came of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) after: Option<RuleCount>,
    /// How long the new worker had served.
    pub(super) served: Duration,
}

impl Trial {
    /// The new worker serves from now on; its first `slow_start` does not count as a rate.
    pub(super) fn begin(
        &mut self,
        now: MonoTime,
        generation: Generation,
        slow_start: Duration,
        back_within: Duration,
    ) {
        let (from, until, enough) = match self.before {
            Before::Rate { count, window, .. } => {
                let from = now + slow_start;
                (from, from + back_within.max(window * 2), count.total)
            }
            Before::Level { lasted } => {
                let watched = back_within.max(lasted / FIFTH).min(WATCHED_MOST);
                (now, now + watched, 0)
            }
        };
        self.watch = Some(Watch {
            generation,
            served: now,
            from,
            until,
            after: RuleCount::default(),
            enough: enough.max(REQUESTS_LEAST),
            blind: Duration::ZERO,
        });
    }

    /// Takes in what the rule's conditions saw of a worker.
    pub(super) fn count(&mut self, now: MonoTime, generation: Generation, seen: &[RuleCount]) {
        let Before::Rate { condition, .. } = self.before else {
            return;
        };
        if let (Some(watch), Some(seen)) = (&mut self.watch, seen.get(condition))
            && watch.generation == generation
            && now >= watch.from
        {
            watch.after.matching += seen.matching;
            watch.after.total += seen.total;
        }
    }

    /// Nobody looked for so long, until now.
    pub(super) fn stalled(&mut self, now: MonoTime, time: Duration) {
        if let Some(watch) = &mut self.watch {
            watch.after = RuleCount::default();
            watch.until = watch.until + time;
            watch.blind += time;
            if matches!(self.before, Before::Rate { .. }) {
                watch.from = watch.from.max(now);
            }
        }
    }

    /// When time alone may bring the verdict, if nothing else is seen.
    pub(super) fn deadline(&self, now: MonoTime) -> Option<MonoTime> {
        let watch = self.watch.as_ref()?;
        let compared = match self.before {
            Before::Rate { window, .. } if watch.after.total >= watch.enough => {
                Some(watch.from + window)
            }
            _ => None,
        };
        let at = compared.map_or(watch.until, |at| at.min(watch.until));
        // What could be told at a time that has passed was told then.
        Some(if at > now { at } else { watch.until })
    }

    /// The verdict, once there is one without the rule's condition holding again.
    pub(super) fn look(&mut self, now: MonoTime) -> Option<Finding> {
        let watch = self.watch.as_mut()?;
        let last = now >= watch.until;
        let verdict = match self.before {
            Before::Level { .. } => last.then_some(Verdict::Helped)?,
            Before::Rate { count, window, .. } => {
                let half = count.total / 2;
                let enough = if last {
                    half.min(watch.enough)
                } else {
                    watch.enough
                };
                let compared = now >= watch.from + window && watch.after.total >= enough;
                let verdict = if compared {
                    // Looking again at each tick would find by chance what is not there.
                    watch.enough = watch.after.total.saturating_mul(2);
                    compare(count, watch.after)
                } else {
                    Verdict::Unclear
                };
                if verdict == Verdict::Unclear && !last {
                    return None;
                }
                verdict
            }
        };
        Some(self.finding(now, verdict))
    }

    /// The rule's condition holds again. `fires`: and nothing keeps it from acting.
    pub(super) fn came_back(
        &self,
        now: MonoTime,
        fires: bool,
        back_within: Duration,
    ) -> Option<Finding> {
        let watch = self.watch.as_ref()?;
        let verdict = match self.before {
            Before::Rate { .. } if fires => Verdict::DidNotHelp,
            Before::Rate { .. } => return None,
            Before::Level { lasted } => {
                let took = now.since(watch.served);
                let soon = back_within.max(lasted / FIFTH);
                match took < soon {
                    true => Verdict::DidNotHelp,
                    // It may have been back while nobody looked.
                    false if took < soon + watch.blind => Verdict::Unclear,
                    false => Verdict::Helped,
                }
            }
        };
        Some(self.finding(now, verdict))
    }

    /// The new worker serves no more: by what was seen of it, if that was enough.
    pub(super) fn cut_short(&self, now: MonoTime) -> Finding {
        let verdict = match (self.before, &self.watch) {
            (Before::Rate { count, window, .. }, Some(watch))
                if now >= watch.from + window && watch.after.total >= count.total =>
            {
                compare(count, watch.after)
            }
            _ => Verdict::Unclear,
        };
        self.finding(now, verdict)
    }

    pub(super) fn finding(&self, now: MonoTime, verdict: Verdict) -> Finding {
        let rate = matches!(self.before, Before::Rate { .. });
        let watch = self.watch.as_ref();
        Finding {
            verdict,
            after: watch.filter(|_| rate).map(|watch| watch.after),
            served: watch.map_or(Duration::ZERO, |watch| now.since(watch.served)),
        }
    }
}

/// Compares two rates.
fn compare(before: RuleCount, after: RuleCount) -> Verdict {
    if after.total < REQUESTS_LEAST {
        return Verdict::Unclear;
    }
    let limit = rate(before) * HALF;
    let (low, high) = wilson(after);
    if high < limit {
        Verdict::Helped
    } else if low > limit {
        Verdict::DidNotHelp
    } else {
        Verdict::Unclear
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "requests of a window are far from 2^53"
)]
fn rate(count: RuleCount) -> f64 {
    // A call of gRPC may match in another tick than the one in which it finished.
    (count.matching as f64 / count.total.max(1) as f64).min(1.0)
}

/// Between which rates the true one lies, with 95% confidence (Wilson's score interval, which holds
/// for few requests and for rates near 0 and 1 too).
#[expect(
    clippy::cast_precision_loss,
    reason = "requests of a window are far from 2^53"
)]
fn wilson(count: RuleCount) -> (f64, f64) {
    let (p, n) = (rate(count), count.total.max(1) as f64);
    let square = DEVIATIONS * DEVIATIONS;
    let centre = p + square / (2.0 * n);
    let spread = DEVIATIONS * (p * (1.0 - p) / n + square / (4.0 * n * n)).sqrt();
    let scale = 1.0 + square / n;
    ((centre - spread) / scale, (centre + spread) / scale)
}

/// The verdicts of one rule on one instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Efficacy {
    pub(super) trial: Option<Trial>,
    /// The last verdict, its incident, and when it was reached.
    pub(super) last: Option<(Verdict, u64, MonoTime)>,
    /// "Did not help" in a row.
    running: u32,
    failed_at: MonoTime,
    /// How long the worker had been ready before the first of them.
    pub(super) lasted: Duration,
}

impl Efficacy {
    /// Takes in a verdict; whether it is one "did not help" too many.
    pub(super) fn take(&mut self, now: MonoTime, trial: &Trial, verdict: Verdict) -> bool {
        self.trial = None;
        self.last = Some((verdict, trial.incident, now));
        match verdict {
            Verdict::Unclear => return false,
            Verdict::Helped => self.running = 0,
            Verdict::DidNotHelp => {
                if now.since(self.failed_at) > RUNNING_WITHIN {
                    self.running = 0;
                }
                if let (0, Before::Level { lasted }) = (self.running, trial.before) {
                    self.lasted = lasted;
                }
                self.running = self.running.saturating_add(1);
                self.failed_at = now;
            }
        }
        self.running >= RUNNING
    }

    /// Takes in a verdict of an earlier run; `None`: it was unclear.
    pub(super) fn remember(&mut self, now: MonoTime, helped: Option<bool>) {
        match helped {
            None => {}
            Some(true) => self.running = 0,
            Some(false) => {
                self.running = self.running.saturating_add(1);
                self.failed_at = now;
            }
        }
    }

    /// An operator wants the rule to act again, and so to be judged anew.
    pub(super) fn forgive(&mut self) {
        self.running = 0;
    }
}

#[cfg(test)]
mod tests;
