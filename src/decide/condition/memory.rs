//! The worker's private memory against a limit.

use std::time::Duration;

use super::Reading;
use crate::{
    decide::{
        event::Event,
        observation::MemorySample,
        say::{millis, words as time},
        trigger::MemoryLimit,
    },
    time::MonoTime,
    units::ByteSize,
};

/// Not more often than this is an exact sample asked for: it costs the worker's kernel time...
const CONFIRM_EVERY: Duration = Duration::from_millis(200);
/// ...and less often while the rule could not act on it.
const CONFIRM_HELD_EVERY: Duration = Duration::from_secs(5);

/// How long a memory limit has been exceeded.
#[derive(Clone, Debug, Default)]
pub(super) struct Over {
    bytes: u64,
    limit: Option<u64>,
    limit_unknown: bool,
    exact: bool,
    since: Option<MonoTime>,
    asked_at: Option<MonoTime>,
}

impl Over {
    /// Whether an exact sample is wanted next.
    pub(super) fn sample(
        &mut self,
        now: MonoTime,
        sample: &MemorySample,
        limit: MemoryLimit,
        held: bool,
    ) -> bool {
        self.limit = match limit {
            MemoryLimit::PrivateBytes(bytes) => Some(bytes.0),
            MemoryLimit::Share(share) => sample.limit.map(|limit| share.of(limit.0)),
        };
        self.limit_unknown = self.limit.is_none();
        self.bytes = sample.bytes.0;
        self.exact = sample.exact;
        if self.limit.is_none_or(|limit| sample.bytes.0 <= limit) {
            self.since = None;
            return false;
        }
        self.since.get_or_insert(now);
        let pace = if held {
            CONFIRM_HELD_EVERY
        } else {
            CONFIRM_EVERY
        };
        let due = self.asked_at.is_none_or(|at| now.since(at) >= pace);
        if sample.exact || !due {
            return false;
        }
        self.asked_at = Some(now);
        true
    }

    pub(super) fn holds(&self, now: MonoTime, hold: Duration) -> bool {
        self.exact && self.since.is_some_and(|since| now.since(since) >= hold)
    }

    /// Why the rule is off, if its limit can't be read.
    pub(super) fn off(&self) -> Option<&'static str> {
        self.limit_unknown.then_some(
            "the memory limit of the worker's cgroup can't be read, so the rule is off; set \
             private_bytes",
        )
    }

    pub(super) fn reading(&self, now: MonoTime) -> Reading {
        Reading {
            matching: self.bytes,
            total: 0,
            limit: self.limit.unwrap_or(0),
            held_for: self.since.map_or(Duration::ZERO, |since| now.since(since)),
        }
    }
}

pub(super) fn words(reading: Reading, limit: MemoryLimit, hold: Duration) -> String {
    let for_long = match hold.is_zero() {
        true => String::new(),
        false => format!(" for {}", time(reading.held_for)),
    };
    let bytes = ByteSize(reading.matching).human();
    let human = ByteSize(reading.limit).human();
    let limit = match limit {
        MemoryLimit::Share(share) if reading.limit == 0 => {
            format!("{share} of the cgroup's, which is not known")
        }
        MemoryLimit::Share(share) => format!("{share} of the cgroup's, {human}"),
        MemoryLimit::PrivateBytes(_) => human,
    };
    format!("private memory {bytes}{for_long} (limit: {limit})")
}

pub(super) fn numbers(reading: Reading, event: Event) -> Event {
    event
        .number("private_bytes", reading.matching)
        .number("limit_bytes", reading.limit)
        .number("over_ms", millis(reading.held_for))
}
