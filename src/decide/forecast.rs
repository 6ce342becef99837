//! When a worker's memory will reach its limit, if it grows as it has; and how sure that is.
//!
//! A slope of Theil and Sen, which a third of wild values does not move, over the *floor* of the
//! memory: what it will have fallen back to after as large a fall as any that was seen, and half as
//! large again. So the teeth of a garbage-collected heap are flat ground, and only what rises from
//! tooth to tooth is growth. The uncertainty is that of six parts of the time, each with its own
//! growth (batch means, which hold where samples depend on each other, as these do). A step is
//! growth in one part of six, which is no growth at all; growth that slows is expected to go on
//! slowing.

use std::time::Duration;

use super::thinned::{Join, Thinned};
use crate::time::MonoTime;

/// Growth is looked for in no less time than this...
const SEEN_MOST: Duration = Duration::from_secs(180);
/// ...or this part of the horizon...
const SEEN_PART: u32 = 20;
/// ...and in any case this.
const SEEN_LEAST: Duration = Duration::from_secs(5);
/// The finest samples: so many in the least time.
const SAMPLES: u32 = 32;
/// It looks for growth so many times in the least time.
const LOOKS: u32 = 10;
/// Points of time that a slope is drawn through.
const POINTS: u32 = 49;
/// Parts of the time, each of [`POINTS`] / 6 points.
const PARTS: usize = 6;
/// Student's t for 95% on both sides, with one part less.
const STUDENT: f64 = 2.571;
/// The next fall may be so many times as large as the largest that was seen.
const FALL: f64 = 1.5;

/// The memory of one worker, and what it makes expect.
#[derive(Clone, Debug)]
pub(super) struct Forecast {
    samples: Thinned<Level>,
    least: Duration,
    keep: Duration,
    /// The growth as of the last look.
    growth: Option<Growth>,
    began: Option<MonoTime>,
    looked_at: Option<MonoTime>,
}

/// The memory within a piece of time.
#[derive(Clone, Copy, Debug)]
struct Level {
    min: u64,
    max: u64,
    /// The largest fall within it.
    fall: u64,
}

impl Join for Level {
    fn join(&mut self, later: Self) {
        let across = self.max.saturating_sub(later.min);
        self.fall = self.fall.max(later.fall).max(across);
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
    }
}

/// Growth that is surely there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Growth {
    /// Bytes a second: what it is, and what it is with 95% confidence at least and at most.
    pub(super) slope: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// In what time it was seen.
    pub(super) seen: Duration,
    /// The peaks of late.
    level: f64,
    /// It slows down, and may end at so many bytes.
    pub(super) settles: Option<f64>,
    at: MonoTime,
}

/// When the limit is reached, from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) likely: Duration,
    pub(super) earliest: Duration,
    pub(super) latest: Duration,
}

impl Forecast {
    pub(super) fn new(horizon: Duration) -> Self {
        let least = (horizon / SEEN_PART).clamp(SEEN_LEAST, SEEN_MOST);
        let keep = horizon.max(least * 4);
        Self {
            samples: Thinned::new(least / SAMPLES, keep),
            least,
            keep,
            growth: None,
            began: None,
            looked_at: None,
        }
    }

    /// How finely it looks, and how far back.
    pub(super) fn finest(&self) -> Duration {
        self.least / SAMPLES
    }

    pub(super) fn keep(&self) -> Duration {
        self.keep
    }

    /// Takes a sample; whether it has looked at all of them anew.
    pub(super) fn sample(&mut self, now: MonoTime, bytes: u64) -> bool {
        self.began.get_or_insert(now);
        let level = Level {
            min: bytes,
            max: bytes,
            fall: 0,
        };
        let due = self
            .looked_at
            .is_none_or(|at| now.since(at) >= self.least / LOOKS);
        if self.samples.add(now, now, level) && due {
            self.looked_at = Some(now);
            self.growth = self.look(now);
            return true;
        }
        false
    }

    /// For how long it has looked.
    pub(super) fn watched(&self, now: MonoTime) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.since(began))
    }

    /// The growth, if there surely is some.
    pub(super) fn growth(&self) -> Option<&Growth> {
        self.growth.as_ref()
    }

    /// Looks at all of the time, at its last half, quarter, ...: where there is growth, at the
    /// longest time, or at the one whose limit is nearest among those that can tell.
    fn look(&self, now: MonoTime) -> Option<Growth> {
        let floor = Floor::of(&self.samples)?;
        let mut time = floor.last().since(floor.first());
        let mut found: Option<Growth> = None;
        while time >= self.least {
            let growth = floor.growth(now, time, self.least);
            found = match (found, growth) {
                (Some(old), Some(new)) if new.slope > old.slope * 2.0 => Some(new),
                (None, new) => new,
                (old, _) => old,
            };
            time /= 2;
        }
        found
    }
}

impl Growth {
    /// When a limit is reached from now on; `None`: never, as far as can be said.
    pub(super) fn reaches(&self, now: MonoTime, limit: u64) -> Option<Reach> {
        let limit = limit as f64;
        // What settles a little below the limit may as well not.
        let margin = (limit - self.level) / 8.0;
        if self.settles.is_some_and(|end| end + margin < limit) {
            return None;
        }
        let left = (limit - self.level).max(0.0);
        let gone = now.since(self.at);
        let time = |slope: f64| seconds(left / slope).saturating_sub(gone);
        Some(Reach {
            likely: time(self.slope),
            earliest: time(self.high),
            latest: time(self.low),
        })
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// The floor at each point of time, from which it never rose for a while only.
#[derive(Debug)]
struct Floor {
    points: Vec<(MonoTime, f64)>,
    peaks: Vec<f64>,
}

impl Floor {
    fn of(samples: &Thinned<Level>) -> Option<Self> {
        let mut all = samples.pieces();
        let mut whole = all.next()?.what;
        all.for_each(|piece| whole.join(piece.what));
        // Where it would be after the next fall.
        let mut floor = samples.last()?.what.max as f64 - whole.fall as f64 * FALL;
        let mut points: Vec<_> = Vec::new();
        let mut peaks = Vec::new();
        for piece in samples.pieces().rev() {
            let low = piece.what.min as f64;
            // What is above that is not known to stay.
            if low <= floor || !points.is_empty() {
                floor = floor.min(low);
                points.push((piece.from, floor));
                peaks.push(piece.what.max as f64);
            }
        }
        points.reverse();
        peaks.reverse();
        (points.len() >= 2).then_some(Self { points, peaks })
    }

    fn first(&self) -> MonoTime {
        self.points.first().map_or(MonoTime::ZERO, |(at, _)| *at)
    }

    fn last(&self) -> MonoTime {
        self.points.last().map_or(MonoTime::ZERO, |(at, _)| *at)
    }

    /// The floor at a time, between two points on the line through them.
    fn at(&self, time: MonoTime) -> f64 {
        let next = self.points.partition_point(|(at, _)| *at < time);
        let Some((to, high)) = self.points.get(next).or_else(|| self.points.last()) else {
            return 0.0;
        };
        let Some((from, low)) = next.checked_sub(1).and_then(|last| self.points.get(last)) else {
            return *high;
        };
        let whole = to.since(*from).as_secs_f64();
        match whole > 0.0 {
            true => low + (high - low) * (time.since(*from).as_secs_f64() / whole).min(1.0),
            false => *high,
        }
    }

    /// The growth in the last `time` of it, if there surely is some.
    fn growth(&self, now: MonoTime, time: Duration, least: Duration) -> Option<Growth> {
        let from = self.last() - time;
        let step = time / (POINTS - 1);
        let line: Vec<f64> = (0..POINTS).map(|n| self.at(from + step * n)).collect();
        let known = self.points.iter().filter(|(at, _)| *at >= from).count();
        if known < PARTS * 2 || time < least {
            return None;
        }
        let step = step.as_secs_f64();
        let slope = theil_sen(&line) / step;
        let each = line.len() / PARTS;
        let parts: Vec<f64> = (0..PARTS)
            .map(|part| line[(part + 1) * each] - line[part * each])
            .collect();
        let (count, length) = (PARTS as f64, each as f64 * step);
        let mean = parts.iter().sum::<f64>() / count;
        let squares: f64 = parts.iter().map(|part| (part - mean).powi(2)).sum();
        let unsure = STUDENT * (squares / (count - 1.0) / count).sqrt() / length;
        let low = slope - unsure;
        if !(low > 0.0 && slope > 0.0) {
            return None;
        }
        let (before, after) = (parts[0] + parts[1], parts[4] + parts[5]);
        let level = self.peak(self.last() - time / 6);
        Some(Growth {
            slope,
            low,
            high: slope + unsure,
            seen: time,
            level,
            settles: (after < before).then(|| {
                // Each third has grown by so much of the one before it, and goes on like that.
                let ratio = (after / before).max(0.0).sqrt();
                level + after.max(0.0) * ratio / (1.0 - ratio).max(1e-9)
            }),
            at: now,
        })
    }

    fn peak(&self, from: MonoTime) -> f64 {
        let recent = self.points.iter().zip(&self.peaks);
        let recent = recent.filter(|((at, _), _)| *at >= from);
        recent.fold(0.0, |most, (_, peak)| most.max(*peak))
    }
}

/// The median of the slopes between any two values, for a step of one.
fn theil_sen(line: &[f64]) -> f64 {
    let mut slopes = Vec::with_capacity(line.len() * line.len() / 2);
    for (at, first) in line.iter().enumerate() {
        let mut apart = 0.0;
        for second in &line[at + 1..] {
            apart += 1.0;
            slopes.push((second - first) / apart);
        }
    }
    let middle = slopes.len() / 2;
    match slopes.is_empty() {
        true => 0.0,
        false => *slopes.select_nth_unstable_by(middle, f64::total_cmp).1,
    }
}

#[cfg(test)]
mod tests;
