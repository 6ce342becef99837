//! Something that is measured once a second against a limit: CPU, descriptors, threads,
//! connections, pressure.

use std::time::Duration;

use super::Reading;
use crate::{
    decide::{
        observation::{Level, Levels, Measure, Waiting},
        say::words as time,
        trigger::LevelLimit,
    },
    time::MonoTime,
};

/// For how long a limit has been reached without a reading below it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sustained {
    level: Option<Level>,
    unreadable: bool,
    since: Option<MonoTime>,
}

impl Sustained {
    pub(super) fn read(
        &mut self,
        now: MonoTime,
        seen: &Levels,
        measure: Measure,
        limit: LevelLimit,
    ) {
        let Some((_, level)) = seen.levels.iter().find(|(read, _)| *read == measure) else {
            return;
        };
        let reached = level.and_then(|level| match limit {
            LevelLimit::Count(count) => Some(level.count >= u64::from(count).max(1)),
            LevelLimit::Share(share) => Some(level.share? >= u64::from(share.basis_points())),
        });
        self.level = *level;
        self.unreadable = reached.is_none();
        match reached {
            Some(true) => drop(self.since.get_or_insert(now)),
            Some(false) | None => self.since = None,
        }
    }

    pub(super) fn holds(self, now: MonoTime, hold: Duration) -> bool {
        self.since.is_some_and(|since| now.since(since) >= hold)
    }

    pub(super) fn unreadable(self) -> bool {
        self.unreadable
    }

    pub(super) fn reading(self, now: MonoTime, limit: LevelLimit) -> Reading {
        let level = self.level.unwrap_or_default();
        let (matching, limit) = match limit {
            LevelLimit::Count(count) => (level.count, u64::from(count)),
            LevelLimit::Share(share) => (level.share.unwrap_or(0), u64::from(share.basis_points())),
        };
        Reading {
            matching,
            total: 0,
            limit,
            held_for: self.since.map_or(Duration::ZERO, |since| now.since(since)),
        }
    }
}

/// What is measured, before its number.
fn noun(measure: Measure) -> String {
    match measure {
        Measure::Cpu => "CPU of what it may use".to_owned(),
        Measure::Core => "CPU of one core".to_owned(),
        Measure::Descriptors => "open descriptors".to_owned(),
        Measure::Threads => "threads".to_owned(),
        Measure::Connections => "open TCP connections".to_owned(),
        Measure::Pressure(resource, Waiting::Some) => {
            format!("{} pressure", resource.name())
        }
        Measure::Pressure(resource, Waiting::Full) => {
            format!("full {} pressure", resource.name())
        }
        Measure::MemoryHigh => "times a second at memory.high".to_owned(),
    }
}

pub(super) fn words(
    reading: Reading,
    measure: Measure,
    limit: LevelLimit,
    hold: Duration,
) -> String {
    let noun = noun(measure);
    let for_long = match hold.is_zero() {
        true => String::new(),
        false => format!(" for {}", time(reading.held_for)),
    };
    match limit {
        LevelLimit::Count(count) => {
            format!("{} {noun}{for_long} (limit: {count})", reading.matching)
        }
        LevelLimit::Share(share) => {
            format!(
                "{noun}: {}%{for_long} (limit: {share})",
                reading.matching / 100
            )
        }
    }
}

/// Why the rule is off where it can't be measured.
pub(super) fn unreadable(measure: Measure) -> &'static str {
    match measure {
        Measure::Pressure(..) | Measure::MemoryHigh => {
            "the pressure of the worker's own control group can't be read, so the rule is off"
        }
        Measure::Connections | Measure::Descriptors => {
            "the worker's descriptors can't be read (another user's process), so the rule is off"
        }
        Measure::Cpu | Measure::Core | Measure::Threads => {
            "the worker's processes can't be read, so the rule is off"
        }
    }
}
