//! How fast a worker's memory grows, from its samples of the last two seconds.

use std::{collections::VecDeque, time::Duration};

use super::observation::MemorySample;
use crate::{time::MonoTime, units::ByteSize};

const LOOK_BACK: Duration = Duration::from_secs(2);
/// At ten samples a second, exact ones between them.
const SAMPLES: usize = 48;
/// Less time than this tells nothing about a rate.
const LEAST: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, Default)]
pub(super) struct Growth {
    samples: VecDeque<(MonoTime, u64, bool)>,
}

impl Growth {
    pub(super) fn sample(&mut self, now: MonoTime, sample: &MemorySample) {
        self.samples.retain(|(at, ..)| now.since(*at) <= LOOK_BACK);
        if self.samples.len() >= SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((now, sample.bytes.0, sample.exact));
    }

    pub(super) fn last(&self) -> Option<ByteSize> {
        self.samples.back().map(|(_, bytes, _)| ByteSize(*bytes))
    }

    /// What it will be after `time` at the present rate; never less than now.
    pub(super) fn projected(&self, time: Duration) -> u64 {
        let now = self.last().unwrap_or_default().0;
        // Exact samples and upper bounds don't mix: the step between them is not growth.
        let rate = self.per_second(true).max(self.per_second(false));
        let more = u128::from(rate) * time.as_millis() / 1000;
        now.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
    }

    fn per_second(&self, exact: bool) -> u64 {
        let mut kind = self.samples.iter().filter(|(.., e)| *e == exact);
        let (Some(first), Some(last)) = (kind.next(), kind.next_back()) else {
            return 0;
        };
        let time = last.0.since(first.0);
        if time < LEAST {
            return 0;
        }
        let more = u128::from(last.1.saturating_sub(first.1));
        u64::try_from(more * 1000 / time.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Generation;

    fn sample(growth: &mut Growth, ms: u64, mib: u64, exact: bool) {
        let sample = MemorySample {
            generation: Generation(1),
            bytes: ByteSize::mib(mib),
            exact,
            limit: None,
            room: None,
        };
        growth.sample(MonoTime::from_millis(ms), &sample);
    }

    #[test]
    fn growth_goes_on_as_it_did_in_the_last_two_seconds() {
        let mut growth = Growth::default();
        sample(&mut growth, 0, 900, false);
        for step in 30..=50 {
            sample(&mut growth, step * 100, step * 10, false);
        }
        let in_a_second = growth.projected(Duration::from_secs(1));
        assert_eq!(in_a_second, ByteSize::mib(600).0);
    }

    #[test]
    fn an_upper_bound_before_an_exact_sample_is_not_growth() {
        let mut growth = Growth::default();
        sample(&mut growth, 0, 100, true);
        sample(&mut growth, 100, 500, false);
        assert_eq!(
            growth.projected(Duration::from_secs(9)),
            ByteSize::mib(500).0
        );
        sample(&mut growth, 200, 90, true);
        assert_eq!(
            growth.projected(Duration::from_secs(9)),
            ByteSize::mib(90).0
        );
    }
}
