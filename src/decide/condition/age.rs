//! How long the worker has been ready.

use std::time::Duration;

use super::{Born, Reading};
use crate::{
    decide::{
        rng::Rng,
        say::{millis, words as time},
    },
    time::MonoTime,
};

/// Since when, and how long is too long for this worker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Age(Option<(MonoTime, Duration)>);

impl Age {
    pub(super) fn new(born: Born, limit: Duration, rng: &mut Rng) -> Self {
        Self(Some((born.ready, rng.jitter(limit))))
    }

    pub(super) fn due(self) -> Option<MonoTime> {
        self.0.map(|(since, limit)| since + limit)
    }

    pub(super) fn holds(self, now: MonoTime) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    pub(super) fn reading(self, now: MonoTime) -> Reading {
        let (since, limit) = self.0.unwrap_or((now, Duration::ZERO));
        Reading {
            matching: millis(now.since(since)),
            limit: millis(limit),
            ..Reading::default()
        }
    }
}

pub(super) fn words(reading: Reading, limit: Duration) -> String {
    let ready = time(Duration::from_millis(reading.matching));
    let own = time(Duration::from_millis(reading.limit));
    let limit = time(limit);
    format!("worker ready for {ready} (limit: {own}, which is {limit} give or take 10%)")
}
