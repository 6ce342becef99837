//! One line of the journal: an event with its times, as versioned JSON.
//!
//! Invariant: a line holds no control character and is at most [`LINE_BYTES_MAX`] long.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::{
    decide::event::{Event, Field, Level},
    time::{MonoTime, WallTime},
    words::one_line,
};

/// The version in each line. It changes when a reader of old lines would misread new ones.
pub const VERSION: u32 = 1;

/// No line is longer, its line break not counted. What a worker printed may be part of an event.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// The most bytes of one text in a record; control characters may take six times that.
const TEXT_BYTES_MAX: usize = 2 * 1024;

/// An event with its place in the journal and its times.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its number; each record has the next one, across restarts too when there is a folder.
    pub seq: u64,
    /// When it happened, for people.
    pub at: WallTime,
    /// When it happened, for differences within one run.
    pub mono: MonoTime,
    /// What happened.
    pub event: &'a Event,
}

impl Record<'_> {
    /// The line, without its line break.
    #[must_use]
    pub fn to_line(&self) -> String {
        let whole = self.serialized(self.event);
        if whole.len() <= LINE_BYTES_MAX {
            return whole;
        }
        let short = Event {
            text: clip(&self.event.text, LINE_BYTES_MAX / 16).to_owned(),
            fields: vec![("fields_left_out", Field::Flag(true))],
            ..self.event.clone()
        };
        self.serialized(&short)
    }

    fn serialized(&self, event: &Event) -> String {
        let record = Record { event, ..*self };
        // A map of strings and numbers into memory has no way to fail.
        let json = serde_json::to_string(&record).unwrap_or_default();
        // JSON lets DEL, the C1 controls and direction marks stand as they are.
        one_line(&json).into_owned()
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Event {
            kind,
            level,
            generation,
            incident,
            text,
            fields,
        } = self.event;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("v", &VERSION)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("at", &self.at.to_string())?;
        map.serialize_entry("mono_ms", &self.mono.as_millis())?;
        map.serialize_entry("kind", kind.name())?;
        map.serialize_entry("level", level_name(*level))?;
        if let Some(generation) = generation {
            map.serialize_entry("generation", &generation.0)?;
        }
        if let Some(incident) = incident {
            map.serialize_entry("incident", incident)?;
        }
        map.serialize_entry("text", clip(text, TEXT_BYTES_MAX))?;
        for (name, value) in fields.iter().filter(|(name, _)| !RESERVED.contains(name)) {
            match value {
                Field::Number(number) => map.serialize_entry(name, number)?,
                Field::Text(text) => map.serialize_entry(name, clip(text, TEXT_BYTES_MAX))?,
                Field::Flag(flag) => map.serialize_entry(name, flag)?,
                Field::Json(json) => map.serialize_entry(name, &parsed(json))?,
            }
        }
        map.end()
    }
}

/// Names that an event's own fields can't take: a line has each name once.
const RESERVED: [&str; 9] = [
    "v",
    "seq",
    "at",
    "mono_ms",
    "kind",
    "level",
    "generation",
    "incident",
    "text",
];

/// What is not JSON stands as the text that it is.
fn parsed(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap_or_else(|_| clip(json, TEXT_BYTES_MAX).into())
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn clip(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// What a restart needs of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub(super) struct Numbers {
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) incident: Option<u64>,
}

impl Numbers {
    /// Reads them; `None` for a line that is not a record.
    pub(super) fn of(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{decide::event::Kind, words::Generation};

    fn event(text: &str, fields: Vec<(&'static str, Field)>) -> Event {
        Event {
            kind: Kind::RuleFired,
            level: Level::Warn,
            generation: Some(Generation(3)),
            incident: Some(7),
            text: text.to_owned(),
            fields,
        }
    }

    fn line(event: &Event) -> String {
        Record {
            seq: 5,
            at: WallTime(1_700_000_000_123),
            mono: MonoTime::from_millis(42),
            event,
        }
        .to_line()
    }

    #[test]
    fn a_line_has_the_times_the_words_and_the_numbers() {
        let event = event(
            "rule \"x\" fired",
            vec![("count", Field::Number(5)), ("v", Field::Number(9))],
        );
        assert_eq!(
            line(&event),
            r#"{"v":1,"seq":5,"at":"2023-11-14T22:13:20.123Z","mono_ms":42,"kind":"rule-fired","#
                .to_owned()
                + r#""level":"warn","generation":3,"incident":7,"text":"rule \"x\" fired","#
                + r#""count":5}"#
        );
        let numbers = Numbers::of(&line(&event)).expect("a record");
        assert_eq!((numbers.seq, numbers.incident), (5, Some(7)));
    }

    proptest! {
        #[test]
        fn whatever_a_worker_printed_is_one_bounded_line_of_json(
            text in "(?s).{0,1500}", field in "(?s).{0,1500}", fields in 0_usize..12
        ) {
            const NAMES: [&str; 12] =
                ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
            let fields = NAMES[..fields]
                .iter()
                .map(|name| (*name, Field::Text(field.clone())))
                .collect();
            let line = line(&event(&text, fields));
            prop_assert!(!line.chars().any(|c| c.is_control()));
            prop_assert!(line.len() <= LINE_BYTES_MAX, "{}", line.len());
            let value: serde_json::Value = serde_json::from_str(&line).expect("json");
            let said = value["text"].as_str().expect("text");
            prop_assert!(text.starts_with(said));
        }
    }
}
