//! Finds how many requests a worker can do at once, by how long its answers take: what is more
//! waits inside it, and every answer takes longer.
//!
//! The limit follows `limit * clamp(TOLERANCE * base / taken, 0.5, 1) + sqrt(limit)`, where `base`
//! is how long an answer takes when nothing waits in the worker. While there is always too much to
//! do that can't be seen, and an average of what can be seen drifts up with the overload. So now
//! and then the worker is probed: the limit is halved for a moment, and again for as long as
//! answers get faster by it. What is left is the work's own time, whatever it was before.
//!
//! Invariant: nothing here reads a clock; callers pass `now`.

use std::time::Duration;

use crate::time::MonoTime;

/// Between which limits one is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Never fewer, but while the worker is probed.
    pub min: u64,
    /// Never more.
    pub max: u64,
}

impl Range {
    /// The limit until something is known.
    #[must_use]
    pub fn start(self) -> u64 {
        START.clamp(self.min, self.max.max(self.min))
    }
}

/// What was seen of a worker since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// So many answers...
    pub answers: u64,
    /// ...took so long, all of them together.
    pub taken: Duration,
    /// Places that are taken now.
    pub places: u64,
    /// There was a moment when all were.
    pub full: bool,
}

/// What holds until the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// So many requests at once.
    pub limit: u64,
    /// What was given to the worker earlier says nothing any more.
    pub since: MonoTime,
    /// No answer counts as longer than this: one report among pages is no overload.
    pub longest: Duration,
}

/// Why the limit is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing is known yet.
    New,
    /// There was less to do.
    Unused,
    /// Answers take about as long as when nothing waits in the worker.
    Fast,
    /// Answers take longer than that.
    Slow,
    /// It is being looked how long that is.
    Probing,
}

/// The limit of one worker.
#[derive(Clone, Debug)]
pub struct Limiter {
    range: Range,
    limit: f64,
    why: Why,
    /// How long an answer takes when nothing waits in the worker, in seconds.
    base: Option<f64>,
    /// A probe said so, not what was seen by chance.
    proven: bool,
    /// How long answers took of late, in seconds.
    taken: Option<f64>,
    since: MonoTime,
    window: Window,
    probe: Option<Probe>,
    probed_at: MonoTime,
    /// Until the next probe, if there is doubt.
    pause: Duration,
    /// Until the next probe, if answers have become very slow.
    rest: Duration,
    /// That they are has led to a probe.
    is_slow: bool,
}

/// What is being added up.
#[derive(Clone, Copy, Debug)]
struct Window {
    begun: MonoTime,
    last: MonoTime,
    answers: u64,
    taken: f64,
    /// Places taken, times seconds.
    area: f64,
    full: bool,
}

/// A window that says something.
#[derive(Clone, Copy, Debug)]
struct Whole {
    /// How long an answer took, in seconds.
    taken: f64,
    /// Places taken, on average.
    level: f64,
    full: bool,
}

/// A look at how long an answer takes with fewer.
#[derive(Clone, Copy, Debug)]
struct Probe {
    begun: MonoTime,
    /// How it was before.
    before: Whole,
    /// So many at once.
    level: u64,
    /// How long an answer took with twice as many.
    taken: f64,
    /// More than one level was seen.
    seen_once: bool,
}

/// High rather than low: the way down takes a second or two, the way up longer.
const START: u64 = 100;
/// Answers may take longer than when nothing waits, by so much.
const TOLERANCE: f64 = 1.5;
/// Of each change so much is made at once.
const PART: f64 = 0.5;
/// No answer counts as more than so many usual ones.
const LONGEST: f64 = 8.0;
/// So many answers say something...
const ENOUGH: u64 = 40;
const SHORT: Duration = Duration::from_millis(200);
/// ...and after this long fewer do.
const FEW: u64 = 10;
const LONG: Duration = Duration::from_secs(5);
/// What says nothing by then is thrown away.
const OVER: Duration = Duration::from_secs(10);
/// After fewer are let in it takes so many answers' time until they have all met only each other:
/// before that the fast ones among them would be overrepresented.
const SETTLED: f64 = 3.0;
/// Nobody waits for longer than this for an answer to say something, in seconds.
const TAKEN_MAX: f64 = 10.0;
/// If some waited in the worker, answers take less than this part with half as many.
const FASTER: f64 = 0.8;
/// A probe halves the limit so often at most: a worker is not to be idle for long.
const HALVINGS: u32 = 3;
/// With fewer requests there is nothing to halve.
const LEAST: f64 = 4.0;
/// What a probe finds is new, and not the old with some noise.
const NEWS: f64 = 0.3;
/// Answers that take so many times as long are a reason for a probe, in its turn...
const DOUBT: f64 = 1.2;
/// ...and so many times, at once.
const ALARM: f64 = 3.0;
const ALARM_OVER: f64 = 2.0;
/// Between probes, and doubling while nothing alarming is seen.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// A probe costs some of the worker's time: no more than about a tenth of it.
const REST: u32 = 8;
const REST_MAX: Duration = Duration::from_secs(120);
/// How fast the base follows what is seen while there is less to do than could be done...
const UNUSED_PART: f64 = 0.2;
/// ...and answers that are faster while there is not.
const USED_PART: f64 = 0.1;

impl Limiter {
    /// For a worker that nothing is known of. `last`: the limit of the one before it.
    #[must_use]
    pub fn new(range: Range, last: Option<u64>, now: MonoTime) -> Self {
        let start = last.unwrap_or(START).clamp(range.min, range.max);
        Self {
            range,
            limit: real(start),
            why: Why::New,
            base: None,
            proven: false,
            taken: None,
            since: now,
            window: Window::new(now),
            probe: None,
            probed_at: now,
            pause: Duration::ZERO,
            rest: PAUSE_MIN,
            is_slow: false,
        }
    }

    /// Takes another range, which a reload brought.
    pub fn set_range(&mut self, range: Range) {
        self.range = range;
        self.limit = self.limit.clamp(real(range.min), real(range.max));
    }

    /// Takes in what was seen. Says what holds from now on.
    pub fn look(&mut self, now: MonoTime, seen: Seen) -> Order {
        self.window.add(now, seen);
        let taken = self.taken.unwrap_or(0.0);
        if let Some(whole) = self.window.whole(now, taken) {
            self.window = Window::new(now);
            self.taken = Some(whole.taken.min(TAKEN_MAX));
            match self.probe.take() {
                Some(probe) => self.probed(now, probe, whole),
                // How many there were at once grew while this was seen.
                None if taken == 0.0 => self.restart(now),
                None => self.adapt(now, whole),
            }
        } else if now.since(self.window.begun) >= OVER.max(secs(2.0 * taken)) {
            self.window = Window::new(now);
            self.probe = None;
        }
        self.order()
    }

    /// What holds.
    #[must_use]
    pub fn order(&self) -> Order {
        let longest = self.base.map(|base| secs(base * LONGEST));
        Order {
            limit: self.probe.map_or_else(|| self.limit(), |probe| probe.level),
            since: self.since,
            longest: longest.unwrap_or(Duration::MAX),
        }
    }

    /// The limit, but for a probe's moments.
    #[must_use]
    pub fn limit(&self) -> u64 {
        whole_number(self.limit)
    }

    /// Why it is what it is.
    #[must_use]
    pub fn why(&self) -> Why {
        match self.probe {
            Some(_) => Why::Probing,
            None => self.why,
        }
    }

    /// How long answers took of late, and how long they take when nothing waits in the worker.
    #[must_use]
    pub fn times(&self) -> Option<(Duration, Duration)> {
        Some((secs(self.taken?), secs(self.base?)))
    }

    fn adapt(&mut self, now: MonoTime, whole: Whole) {
        let base = self.base.unwrap_or(whole.taken);
        if whole.full || whole.level * 2.0 > self.limit {
            self.base = Some(base + USED_PART * (whole.taken - base).min(0.0));
            let gradient = (TOLERANCE * base / whole.taken).clamp(0.5, 1.0);
            let wanted = self.limit * gradient + self.limit.sqrt();
            // A limit that nobody met is none that was too low.
            let most = if whole.full { f64::MAX } else { self.limit };
            self.set(now, self.limit + PART * (wanted.min(most) - self.limit));
            self.why = if gradient < 1.0 { Why::Slow } else { Why::Fast };
        } else {
            self.base = Some(base + UNUSED_PART * (whole.taken - base));
            self.why = Why::Unused;
        }
        self.probe_if_due(now, whole, whole.taken / base.max(f64::MIN_POSITIVE));
    }

    /// `times`: answers take so many times as long as they should.
    fn probe_if_due(&mut self, now: MonoTime, whole: Whole, times: f64) {
        self.is_slow &= times > ALARM_OVER;
        let alarm = times > ALARM && !self.is_slow;
        let pause = if alarm { self.rest } else { self.pause };
        let doubt = times > DOUBT || !self.proven;
        if !doubt || whole.level < LEAST || now < self.probed_at + pause {
            return;
        }
        if alarm {
            (self.is_slow, self.pause) = (true, self.rest);
        }
        self.probe = Some(Probe {
            begun: now,
            before: whole,
            level: halved(whole_number(whole.level.min(self.limit))),
            taken: whole.taken,
            seen_once: false,
        });
        self.restart(now);
    }

    fn probed(&mut self, now: MonoTime, probe: Probe, whole: Whole) {
        self.restart(now);
        let faster = whole.taken < FASTER * probe.taken;
        let base = self.base.unwrap_or(whole.taken);
        // That the work itself takes longer than was thought must be seen twice.
        let doubtful = !self.proven || whole.taken > (1.0 + NEWS) * base;
        // Nothing waits any more: that is known, and no reason to keep the worker idle.
        let faster = faster && doubtful;
        let next = halved(probe.level);
        let least = probe.before.level / real(1 << HALVINGS);
        let goes_on = next < probe.level && real(next) >= least.floor();
        if goes_on && (faster || doubtful && !probe.seen_once) {
            self.probe = Some(Probe {
                level: next,
                taken: whole.taken,
                seen_once: true,
                ..probe
            });
            return;
        }
        let noise = (whole.taken - base).abs() < NEWS * base;
        let base = if noise {
            f64::midpoint(base, whole.taken)
        } else {
            whole.taken
        };
        // If it went on getting faster, there is more to find.
        (self.base, self.proven) = (Some(base), !faster);
        self.rest = (now.since(probe.begun) * REST).clamp(PAUSE_MIN, REST_MAX);
        self.pause = match faster {
            true => PAUSE_MIN,
            false => (self.pause * 2).clamp(self.rest, PAUSE_MAX),
        };
        self.probed_at = now;
        // Little's law: so many were at work, of those that were in the worker.
        let at_work = probe.before.level * (base / probe.before.taken).min(1.0);
        let most = TOLERANCE * at_work + at_work.sqrt();
        self.set(now, self.limit.min(most));
    }

    fn set(&mut self, now: MonoTime, limit: f64) {
        let before = self.limit();
        self.limit = limit.clamp(real(self.range.min), real(self.range.max));
        if self.limit() < before {
            self.restart(now);
        }
    }

    /// Fewer are let in from now on: what came before met more.
    fn restart(&mut self, now: MonoTime) {
        self.since = now;
        let taken = self.taken.unwrap_or(0.0);
        self.window = Window::new(now + secs(SETTLED * taken));
    }
}

impl Window {
    const fn new(begun: MonoTime) -> Self {
        Self {
            begun,
            last: begun,
            answers: 0,
            taken: 0.0,
            area: 0.0,
            full: false,
        }
    }

    fn add(&mut self, now: MonoTime, seen: Seen) {
        if now < self.begun {
            return;
        }
        let step = now.since(self.last).as_secs_f64();
        self.last = now;
        self.answers += seen.answers;
        self.taken += seen.taken.as_secs_f64();
        self.area += real(seen.places) * step;
        self.full |= seen.full;
    }

    /// `taken`: how long answers took before it, in seconds.
    fn whole(&self, now: MonoTime, taken: f64) -> Option<Whole> {
        let age = now.since(self.begun);
        let many = self.answers >= ENOUGH && age >= SHORT.max(secs(taken));
        let few = self.answers >= FEW && age >= LONG;
        (many || few).then(|| Whole {
            taken: self.taken / real(self.answers),
            level: self.area / age.as_secs_f64(),
            full: self.full,
        })
    }
}

fn halved(level: u64) -> u64 {
    (level / 2).max(1)
}

fn secs(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a count of requests at once")]
fn real(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of requests at once"
)]
fn whole_number(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests;
