//! The requests that came, and when it is quiet by what is usual.
//!
//! It is quiet when the rate is near the lowest of a stretch of the past: what a stretch of the
//! past had, an equal one of the future may have. What clients do does not change with the worker,
//! so the record outlives workers.

use std::time::Duration;

use super::thinned::{Join, Thinned};
use crate::time::MonoTime;

/// The finest pieces of the record.
const FINEST: Duration = Duration::from_millis(500);
/// How far back it reaches.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// The rate now is that of so long.
const NOW: Duration = Duration::from_secs(2);
/// Without word for longer than this, nothing is known of the time between.
const GAP: Duration = Duration::from_secs(2);
/// Where the lowest rate is at least so much of the usual one, any moment is as good.
const STEADY: f64 = 0.75;
/// Less of the past than this tells nothing.
const PAST_LEAST: Duration = Duration::from_secs(20);

/// What came.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    record: Thinned<Requests>,
    /// Until when it is known.
    known_to: Option<MonoTime>,
    /// Since when it is known without a gap.
    known_from: MonoTime,
}

#[derive(Clone, Copy, Debug)]
struct Requests(u64);

impl Join for Requests {
    fn join(&mut self, later: Self) {
        self.0 += later.0;
    }
}

/// How quiet it is now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quiet {
    /// Whether this is as quiet as it gets.
    pub(super) now: bool,
    /// Requests a second.
    pub(super) rate: f64,
    /// What half of the time has more than.
    pub(super) usual: f64,
    /// From the beginning of one quiet time to that of the next, if there were two; nothing where
    /// any moment is as good.
    pub(super) every: Option<Duration>,
    /// When the next one is expected, if there were two.
    pub(super) next_in: Option<Duration>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            record: Thinned::new(FINEST, KEEP),
            known_to: None,
            known_from: MonoTime::ZERO,
        }
    }
}

impl Traffic {
    /// So many were answered since the last call.
    pub(super) fn count(&mut self, now: MonoTime, requests: u64) {
        let before = self.known_to.replace(now);
        let from = match before.filter(|at| now.since(*at) <= GAP) {
            Some(from) => from,
            None => {
                self.known_from = now;
                now
            }
        };
        self.record.add(from, now, Requests(requests));
    }

    /// Nothing is known of the time up to the next count.
    pub(super) fn void(&mut self) {
        self.known_to = None;
    }

    /// How quiet it is, by the past of this length.
    pub(super) fn quiet(&self, now: MonoTime, past: Duration) -> Option<Quiet> {
        let rate = self.rate(now)?;
        let from = now - past.max(PAST_LEAST);
        let pieces = self.record.pieces().filter(|p| p.from >= from);
        let pieces: Vec<_> = pieces
            .filter(|piece| !piece.length().is_zero())
            .map(|p| {
                let length = p.length().as_secs_f64();
                (p.from, p.what.0 as f64 / length, length)
            })
            .collect();
        let mut rates: Vec<_> = pieces
            .iter()
            .map(|(_, rate, time)| (*rate, *time))
            .collect();
        rates.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (lowest, usual) = (quantile(&rates, 0.02)?, quantile(&rates, 0.5)?);
        if lowest >= usual * STEADY {
            return Some(Quiet {
                now: true,
                rate,
                usual,
                every: Some(Duration::ZERO),
                next_in: Some(Duration::ZERO),
            });
        }
        let most = lowest + (usual - lowest) / 4.0;
        let mut begins = Vec::new();
        let mut was = rate_of(&pieces, 0);
        for at in 0..pieces.len() {
            // One piece alone is chance.
            let smooth = rate_of(&pieces, at);
            if smooth <= most && was > most {
                begins.push(pieces[at].0);
            }
            was = smooth;
        }
        let every = match begins[..] {
            [first, .., last] => {
                let gaps = u32::try_from(begins.len() - 1).unwrap_or(u32::MAX);
                Some(last.since(first) / gaps)
            }
            _ => None,
        };
        let last = begins.last().copied();
        Some(Quiet {
            now: rate <= most,
            rate,
            usual,
            every,
            next_in: every
                .zip(last)
                .map(|(every, last)| (last + every).since(now)),
        })
    }

    /// Requests a second of late; `None`: it is not known for long enough.
    fn rate(&self, now: MonoTime) -> Option<f64> {
        let known_to = self.known_to.filter(|at| now.since(*at) <= GAP)?;
        if known_to.since(self.known_from) < NOW {
            return None;
        }
        let (mut requests, mut time) = (0, Duration::ZERO);
        for piece in self.record.pieces().rev() {
            requests += piece.what.0;
            time += piece.length();
            if time >= NOW {
                break;
            }
        }
        (!time.is_zero()).then(|| requests as f64 / time.as_secs_f64())
    }
}

/// The rate at a piece and the three before it.
fn rate_of(pieces: &[(MonoTime, f64, f64)], at: usize) -> f64 {
    let some = pieces.get(at.saturating_sub(3)..=at).unwrap_or_default();
    let (requests, time) = some.iter().fold((0.0, 0.0), |(n, t), (_, rate, time)| {
        (n + rate * time, t + time)
    });
    requests / f64::max(time, 1e-9)
}

/// The value that this part of the time is not above.
fn quantile(sorted: &[(f64, f64)], part: f64) -> Option<f64> {
    let whole: f64 = sorted.iter().map(|(_, time)| time).sum();
    let mut left = whole * part;
    for (value, time) in sorted {
        left -= time;
        if left <= 0.0 {
            return Some(*value);
        }
    }
    sorted.last().map(|(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Ten ticks a second for so long, with what the second has.
    fn run(traffic: &mut Traffic, seconds: std::ops::Range<u64>, rate: impl Fn(u64) -> u64) {
        for tick in seconds.start * 10..seconds.end * 10 {
            let now = MonoTime::from_millis(tick * 100);
            traffic.count(now, rate(tick / 10) / 10);
        }
    }

    fn at(second: u64) -> MonoTime {
        MonoTime::from_millis(second * 1_000)
    }

    /// 15 quiet seconds at the end of each two minutes.
    fn troughs(second: u64) -> u64 {
        if second % 120 >= 105 { 20 } else { 200 }
    }

    #[test]
    fn a_trough_is_told_from_its_surroundings_and_the_next_one_is_expected() {
        let mut traffic = Traffic::default();
        run(&mut traffic, 0..570, troughs);
        let busy = traffic.quiet(at(570), MINUTE * 10).unwrap();
        assert!(
            !busy.now && busy.rate > 190.0 && busy.usual > 190.0,
            "{busy:?}"
        );
        let every = busy.every.unwrap().as_secs();
        assert!((115..=125).contains(&every), "{busy:?}");
        let next = busy.next_in.unwrap().as_secs();
        assert!((5..=25).contains(&next), "{busy:?}");
        run(&mut traffic, 570..590, troughs);
        assert!(traffic.quiet(at(590), MINUTE * 10).unwrap().now);
    }

    #[test]
    fn a_steady_rate_is_as_quiet_as_it_gets() {
        let mut traffic = Traffic::default();
        run(&mut traffic, 0..60, |_| 200);
        let quiet = traffic.quiet(at(60), MINUTE).unwrap();
        assert!(
            quiet.now && quiet.every == Some(Duration::ZERO),
            "{quiet:?}"
        );
    }

    #[test]
    fn after_a_gap_nothing_is_known_for_a_moment_and_the_gap_is_no_trough() {
        let mut traffic = Traffic::default();
        run(&mut traffic, 0..60, |_| 200);
        traffic.void();
        assert_eq!(traffic.quiet(at(90), MINUTE), None);
        run(&mut traffic, 90..91, |_| 200);
        assert_eq!(traffic.quiet(at(91), MINUTE), None);
        run(&mut traffic, 91..100, |_| 200);
        let quiet = traffic.quiet(at(100), MINUTE * 5).unwrap();
        assert!(
            quiet.rate > 190.0 && quiet.every == Some(Duration::ZERO),
            "{quiet:?}"
        );
    }
}
