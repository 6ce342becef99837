//! Words for people: how events are put together and how durations read.

use std::time::Duration;

use super::event::{Event, Field, Kind, Level};
pub(super) use crate::units::spoken as words;
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

/// `part` of `whole` in whole percent, rounded down: `31%`; what is not nothing is `<1%` at least.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match u128::from(part) * 100 / u128::from(whole.max(1)) {
        0 if part > 0 => "<1%".to_owned(),
        percent => format!("{percent}%"),
    }
}
