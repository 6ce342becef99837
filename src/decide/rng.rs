//! Jitter from an injected seed (splitmix64), so that the same seed gives the same steps.

use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A factor of 0.9 to 1.1, in thousandths.
    fn tenth(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        900 + (z ^ (z >> 31)) % 201
    }

    /// `duration` give or take 10%.
    pub(super) fn jitter(&mut self, duration: Duration) -> Duration {
        let thousandths = u32::try_from(self.tenth()).unwrap_or(1000);
        duration.saturating_mul(thousandths) / 1000
    }

    /// Any part of a duration, in thousandths of it.
    pub(super) fn part(&mut self, whole: Duration) -> Duration {
        let thousandths = u32::try_from((self.tenth() - 900) * 5).unwrap_or(0);
        whole.saturating_mul(thousandths) / 1000
    }

    /// `count` give or take 10%, at least 1.
    pub(super) fn jitter_count(&mut self, count: u64) -> u64 {
        (count.saturating_mul(self.tenth()) / 1000).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth_and_uses_all_of_it() {
        let mut rng = Rng::new(7);
        let drawn: Vec<u64> = (0..2_000).map(|_| rng.jitter_count(1_000)).collect();
        assert_eq!(drawn.iter().min(), Some(&900));
        assert_eq!(drawn.iter().max(), Some(&1_100));
        assert_eq!(Rng::new(3).jitter_count(1), 1);
    }
}
