//! Words for people: how events are put together and how durations read.

use std::time::Duration;

use super::event::{Event, Field, Kind, Level};
use crate::words::Generation;

impl Event {
    pub(super) fn new(kind: Kind, level: Level, text: impl Into<String>) -> Self {
        Self {
            kind,
            level,
            generation: None,
            incident: None,
            text: text.into(),
            fields: Vec::new(),
        }
    }

    pub(super) fn about(mut self, generation: Generation) -> Self {
        self.generation = Some(generation);
        self
    }

    pub(super) fn of(mut self, incident: impl Into<Option<u64>>) -> Self {
        self.incident = incident.into();
        self
    }

    pub(super) fn number(mut self, name: &'static str, value: u64) -> Self {
        self.fields.push((name, Field::Number(value)));
        self
    }

    pub(super) fn text(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, Field::Text(value.into())));
        self
    }

    pub(super) fn flag(mut self, name: &'static str, value: bool) -> Self {
        self.fields.push((name, Field::Flag(value)));
        self
    }
}

/// Milliseconds as a number of an event.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A duration as one says it: `200ms`, `1.2s`, `30s`, `2min`, `1min 30s`, `1h 5min`.
pub(super) fn words(duration: Duration) -> String {
    let ms = millis(duration);
    let secs = ms.saturating_add(500) / 1000;
    let pair = |big: u64, unit: &str, small: u64, rest: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit} {small}{rest}"),
    };
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..59_950 => match (ms + 50) / 100 {
            tenths if tenths.is_multiple_of(10) => format!("{}s", tenths / 10),
            tenths => format!("{}.{}s", tenths / 10, tenths % 10),
        },
        _ if secs < 3600 => pair(secs / 60, "min", secs % 60, "s"),
        _ => pair(secs / 3600, "h", secs % 3600 / 60, "min"),
    }
}

/// `part` of `whole` in whole percent, rounded down.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_one_says_them() {
        for (ms, text) in [
            (0, "0ms"),
            (200, "200ms"),
            (1_000, "1s"),
            (1_249, "1.2s"),
            (30_000, "30s"),
            (59_960, "1min"),
            (120_000, "2min"),
            (90_400, "1min 30s"),
            (3_599_600, "1h"),
            (3_900_000, "1h 5min"),
        ] {
            assert_eq!(words(Duration::from_millis(ms)), text);
        }
    }
}
