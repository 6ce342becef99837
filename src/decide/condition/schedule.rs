//! Times of the wall clock. When they come is told; how long a firing waits then, so that replicas
//! don't act all at once, is drawn here.

use std::time::Duration;

use super::Reading;
use crate::{
    decide::{rng::Rng, say::words as time},
    time::MonoTime,
    units::Calendar,
};

/// A time that came and that no firing has answered; however many came meanwhile, it is one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due(Option<MonoTime>);

impl Due {
    pub(super) fn came(&mut self, now: MonoTime, spread: Duration, rng: &mut Rng) {
        self.0.get_or_insert_with(|| now + rng.part(spread));
    }

    pub(super) fn at(self) -> Option<MonoTime> {
        self.0
    }

    pub(super) fn holds(self, now: MonoTime) -> bool {
        self.0.is_some_and(|at| at <= now)
    }

    pub(super) fn reading(self, now: MonoTime) -> Reading {
        Reading {
            matching: u64::from(self.holds(now)),
            limit: 1,
            ..Reading::default()
        }
    }

    pub(super) fn words(self, now: MonoTime, calendar: &Calendar) -> String {
        match self.0 {
            Some(at) if at > now => {
                format!("{calendar} has come; due in {}", time(at.since(now)))
            }
            Some(_) => format!("{calendar} has come"),
            None => format!("waits for {calendar}"),
        }
    }
}
