//! How much later requests got their answers because they were parked or sent once more: counts in
//! buckets, each no wider than a sixteenth of its value.
//!
//! Invariant: only such requests are counted; any other one costs nothing here.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Each doubling is cut into so many buckets.
const STEPS: usize = 16;
/// Up to this many milliseconds (2^22, over an hour) delays are told apart.
const DOUBLINGS: usize = 22;
const BUCKETS: usize = STEPS + (DOUBLINGS - 4) * STEPS;

/// One data thread's delays. That thread writes; the control thread reads.
#[derive(Debug)]
pub struct Delays(Box<[AtomicU64]>);

/// The delays of all data threads since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelaySum(Box<[u64]>);

impl Default for Delays {
    fn default() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::default()).collect())
    }
}

impl Default for DelaySum {
    fn default() -> Self {
        Self(vec![0; BUCKETS].into())
    }
}

impl Delays {
    /// Counts one.
    pub fn add(&self, delay: Duration) {
        if let Some(bucket) = self.0.get(bucket(delay)) {
            bucket.store(bucket.load(Relaxed) + 1, Relaxed);
        }
    }

    /// Adds all to a sum.
    pub fn add_to(&self, sum: &mut DelaySum) {
        for (to, from) in sum.0.iter_mut().zip(&self.0) {
            *to += from.load(Relaxed);
        }
    }
}

impl DelaySum {
    /// Those that came since an earlier sum.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let pairs = self.0.iter().zip(&before.0);
        Self(pairs.map(|(now, then)| now.saturating_sub(*then)).collect())
    }

    /// So many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Half of them are no longer than this; `None`: there is none.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        let half = self.count().div_ceil(2);
        let mut seen = 0;
        let at = self.0.iter().position(|count| {
            seen += count;
            half > 0 && seen >= half
        });
        at.map(longest_of)
    }

    /// None is longer than this; `None`: there is none.
    #[must_use]
    pub fn worst(&self) -> Option<Duration> {
        self.0.iter().rposition(|count| *count > 0).map(longest_of)
    }
}

/// Below 16 ms each millisecond has its own; then each doubling has 16.
fn bucket(delay: Duration) -> usize {
    let ms = usize::try_from(delay.as_millis()).unwrap_or(usize::MAX);
    let doublings = ms.checked_ilog2().unwrap_or(0).saturating_sub(4) as usize;
    (doublings * STEPS + (ms >> doublings)).min(BUCKETS - 1)
}

/// The longest delay that this bucket counts.
fn longest_of(bucket: usize) -> Duration {
    let doublings = (bucket / STEPS).saturating_sub(1);
    let next = (bucket + 1 - doublings * STEPS) << doublings;
    Duration::from_millis(next as u64 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_delay_is_told_within_a_sixteenth() {
        for exact in (0..4_000).chain((4_000..4_000_000).step_by(997)) {
            let told = longest_of(bucket(ms(exact))).as_millis();
            let exact = u128::from(exact);
            assert!(
                told >= exact && told <= exact + exact / 16,
                "{exact} {told}"
            );
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn median_and_worst_are_of_what_came_since() {
        let delays = Delays::default();
        let sum = |delays: &Delays| {
            let mut sum = DelaySum::default();
            delays.add_to(&mut sum);
            sum
        };
        delays.add(ms(60_000));
        let before = sum(&delays);
        assert_eq!(before.since(&before).median(), None);
        assert_eq!(before.since(&before).worst(), None);
        for delay in [3, 5, 9] {
            delays.add(ms(delay));
        }
        let since = sum(&delays).since(&before);
        assert_eq!(since.count(), 3);
        assert_eq!((since.median(), since.worst()), (Some(ms(5)), Some(ms(9))));
    }
}
