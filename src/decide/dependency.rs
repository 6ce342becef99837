//! What the app depends on: whether it answers, and when it is asked again.
//!
//! A dependency that fails a probe is in doubt, and asked again soon; after so many failures in a
//! row it is down, and after so many good answers in a row up again. Before a rule may act that one
//! of them could be to blame for, each is asked once more.

use std::time::Duration;

use super::{policy::Dependency, rng::Rng};
use crate::time::MonoTime;

/// From one probe to the next while it is not clear how things are.
const SOON: Duration = Duration::from_secs(1);
/// Good answers count so long as an all-clear.
const FRESH: Duration = Duration::from_millis(100);
/// An answer that comes so long after its probe's own limit is lost.
const LOST: Duration = Duration::from_secs(1);

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Dependencies {
    all: Vec<Needed>,
    /// The number of the last probe.
    last: u64,
    /// Someone waits for an answer of each to a probe that begins then or later.
    asked: Option<MonoTime>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Needed {
    pub(super) what: Dependency,
    /// Since when it has failed without `successes` in a row.
    failing: Option<MonoTime>,
    down: bool,
    /// Whether the last answer was a good one, and how many like it came in a row.
    good: bool,
    row: u32,
    /// Why the last failed probe failed.
    pub(super) why: String,
    due: MonoTime,
    /// The probe that has begun.
    probe: Option<(u64, MonoTime)>,
    /// When the last answered probe had begun, and when it was answered.
    answer: Option<(MonoTime, MonoTime)>,
}

/// What an answer changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has failed often enough.
    Down,
    /// It answers again after it was down for so long.
    Up(Duration),
    /// It answers again after a failure that was not enough.
    Doubtless,
}

impl Dependencies {
    /// Takes another list; what is known of those that did not change is kept.
    pub(super) fn set(&mut self, list: Vec<Dependency>, now: MonoTime) {
        let mut before = std::mem::take(&mut self.all);
        for what in list {
            let kept = before.iter().position(|old| old.what == what);
            self.all.push(match kept {
                Some(at) => before.swap_remove(at),
                None => Needed::new(what, now),
            });
        }
    }

    pub(super) fn all(&self) -> &[Needed] {
        &self.all
    }

    /// When the next probe is due, or one is lost.
    pub(super) fn deadline(&self) -> Option<MonoTime> {
        self.all.iter().map(Needed::deadline).min()
    }

    /// A probe that is due now, which begins: whom it asks, and its number.
    pub(super) fn begin(&mut self, now: MonoTime, rng: &mut Rng) -> Option<(String, u64)> {
        let one = self.all.iter_mut().find(|one| one.deadline() <= now)?;
        self.last += 1;
        one.probe = Some((self.last, now));
        one.due = now + rng.jitter(one.what.interval);
        Some((one.what.name.clone(), self.last))
    }

    /// The answer to a probe: of which, and what it changed. `None`: to none that has begun.
    pub(super) fn answered(
        &mut self,
        now: MonoTime,
        probe: u64,
        result: Result<(), String>,
    ) -> Option<(usize, Option<Turn>)> {
        let is_of = |one: &Needed| one.probe.is_some_and(|(number, _)| number == probe);
        let at = self.all.iter().position(is_of)?;
        let one = &mut self.all[at];
        let (_, begun) = one.probe.take()?;
        one.answer = Some((begun, now));
        let turn = one.take(begun, result);
        if one.failing.is_some() {
            one.due = one.due.min(now + one.pause());
        }
        if self.asked.is_some_and(|asked| begun < asked) {
            one.due = now;
        }
        Some((at, turn))
    }

    /// The first that fails, and since when.
    pub(super) fn failing(&self) -> Option<(usize, MonoTime)> {
        let mut all = self.all.iter().enumerate();
        all.find_map(|(at, one)| Some((at, one.failing?)))
    }

    /// Whether each was asked just now and answered. If not, each is asked; time will tell.
    pub(super) fn all_answered(&mut self, now: MonoTime) -> bool {
        let since = |asked: MonoTime| {
            let mut all = self.all.iter();
            all.all(|one| one.answer.is_some_and(|(begun, _)| begun >= asked))
        };
        match self.asked {
            _ if self.all.is_empty() => true,
            Some(asked) if since(asked) && now.since(self.last_answer()) <= FRESH => true,
            // That answers are lost must not keep anyone from healing for ever.
            Some(asked) if !since(asked) => now.since(asked) > self.patience(),
            _ => {
                self.ask(now);
                false
            }
        }
    }

    /// A probe that was under way, and the one after it.
    fn patience(&self) -> Duration {
        let slowest = self.all.iter().map(|one| one.what.timeout).max();
        (slowest.unwrap_or_default() + LOST) * 2
    }

    fn last_answer(&self) -> MonoTime {
        let answers = self.all.iter().filter_map(|one| one.answer);
        answers.map(|(_, at)| at).max().unwrap_or_default()
    }

    fn ask(&mut self, now: MonoTime) {
        self.asked = Some(now);
        for one in self.all.iter_mut().filter(|one| one.probe.is_none()) {
            one.due = now;
        }
    }
}

impl Needed {
    fn new(what: Dependency, now: MonoTime) -> Self {
        Self {
            what,
            failing: None,
            down: false,
            good: true,
            row: 0,
            why: String::new(),
            due: now,
            probe: None,
            answer: None,
        }
    }

    /// `up`, `doubtful`, `down`, or `unknown` before the first answer.
    pub(super) fn state(&self) -> &'static str {
        match (self.failing, self.answer) {
            (Some(_), _) if self.down => "down",
            (Some(_), _) => "doubtful",
            (None, Some(_)) => "up",
            (None, None) => "unknown",
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    pub(super) fn failing_since(&self) -> Option<MonoTime> {
        self.failing
    }

    fn deadline(&self) -> MonoTime {
        match self.probe {
            Some((_, begun)) => begun + self.what.timeout + LOST,
            None => self.due,
        }
    }

    /// How long to wait after an answer while it fails.
    fn pause(&self) -> Duration {
        match self.down && !self.good {
            true => self.what.interval,
            false => SOON.min(self.what.interval),
        }
    }

    fn take(&mut self, begun: MonoTime, result: Result<(), String>) -> Option<Turn> {
        self.row = match self.good == result.is_ok() {
            true => self.row.saturating_add(1),
            false => 1,
        };
        self.good = result.is_ok();
        if let Err(why) = result {
            self.why = why;
            self.failing.get_or_insert(begun);
            let enough = !self.down && self.row >= self.what.failures;
            self.down |= enough;
            return enough.then_some(Turn::Down);
        }
        let since = self.failing?;
        if self.down && self.row < self.what.successes {
            return None;
        }
        self.failing = None;
        Some(match std::mem::take(&mut self.down) {
            true => Turn::Up(begun.since(since)),
            false => Turn::Doubtless,
        })
    }
}
