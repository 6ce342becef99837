//! The log: one line an event on stderr, as text or as JSON.
//!
//! Invariants: a line holds no control character but its line break; logging never waits, also
//! when stderr is a pipe that nobody reads. Lines that find no place are counted and said.

use std::{
    fmt::{self, Write},
    io,
    sync::OnceLock,
    time::Duration,
};

use tracing::{
    Subscriber,
    field::{Field as TracingField, Visit},
};
use tracing_subscriber::{
    Layer, Registry,
    filter::LevelFilter,
    layer::{Context, SubscriberExt},
};

use super::output::Output;
use crate::{
    decide::event::{Event, Field, Kind, Level},
    time::{WallTime, wall},
    words::one_line,
};

/// So many lines may wait for stderr.
const QUEUE_LINES: usize = 1_024;

/// No line is longer; the rest is cut off.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `2026-11-22T09:20:01.123Z WARN rule "x" fired: ... incident=7 worker=3`
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How a line looks.
    pub format: Format,
    /// Nothing less urgent is logged.
    pub level: tracing::Level,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: Format::Text,
            level: tracing::Level::INFO,
        }
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The thread that writes could not be started.
    #[error("start a thread for the log; raise the limit on processes")]
    Thread(#[source] io::Error),
    /// The process has a log already.
    #[error("the log was started twice")]
    Twice,
}

/// Starts the log of this process.
///
/// # Errors
/// When there is a log already, or its thread can't be started.
pub fn init(options: Options) -> Result<(), InitError> {
    let lost = match options.format {
        Format::Text => |n| lost_line(Format::Text, n),
        Format::Json => |n| lost_line(Format::Json, n),
    };
    let output = Output::start(io::stderr(), QUEUE_LINES, lost).map_err(InitError::Thread)?;
    let log = Log { output, options };
    LOG.set(log.clone()).map_err(|_| InitError::Twice)?;
    let layer = Lines(log).with_filter(LevelFilter::from_level(options.level));
    tracing::subscriber::set_global_default(Registry::default().with(layer))
        .map_err(|_| InitError::Twice)
}

/// Logs an event at its level. Before [`init`] it is dropped.
pub fn say(event: &Event, at: WallTime) {
    if let Some(log) = LOG.get()
        && tracing_level(event.level) <= log.options.level
    {
        log.output.send(event_line(log.options.format, event, at));
    }
}

/// Waits until all that was logged is written, but no longer than `patience`.
pub fn flush(patience: Duration) {
    if let Some(log) = LOG.get() {
        log.output.flush(patience);
    }
}

static LOG: OnceLock<Log> = OnceLock::new();

#[derive(Clone, Debug)]
struct Log {
    output: Output,
    options: Options,
}

/// Brings what other modules say through `tracing` into the same lines.
struct Lines(Log);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let level = event.metadata().level().as_str();
        let fields = words.fields.iter().map(|(name, value)| (*name, value));
        let format = self.0.options.format;
        self.0
            .output
            .send(line(format, wall(), level, &words.text, fields));
    }
}

#[derive(Default)]
struct Words {
    text: String,
    fields: Vec<(&'static str, Field)>,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &TracingField, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" {
            self.text = value;
        } else {
            self.fields.push((field.name(), Field::Text(value)));
        }
    }

    fn record_str(&mut self, field: &TracingField, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &TracingField, value: u64) {
        self.fields.push((field.name(), Field::Number(value)));
    }

    fn record_bool(&mut self, field: &TracingField, value: bool) {
        self.fields.push((field.name(), Field::Flag(value)));
    }
}

fn tracing_level(level: Level) -> tracing::Level {
    match level {
        Level::Info => tracing::Level::INFO,
        Level::Warn => tracing::Level::WARN,
        Level::Error => tracing::Level::ERROR,
    }
}

/// The line of one event. In text the numbers stand in the sentence already; JSON repeats them as
/// members of their own. An incident that is over is one line of JSON in either format, so that a
/// program finds it whole where logs are gathered.
fn event_line(format: Format, event: &Event, at: WallTime) -> String {
    let generation = event.generation.map(|g| Field::Number(g.0.into()));
    let incident = event.incident.map(Field::Number);
    let kind = Field::Text(event.kind.name().to_owned());
    let mut fields = event.fields.iter();
    let instance = fields.find(|(name, _)| *name == "instance");
    let ids = [
        ("incident", incident.as_ref()),
        ("worker", generation.as_ref()),
        ("instance", instance.map(|(_, value)| value)),
    ];
    let ids = ids
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)));
    let level = tracing_level(event.level).as_str();
    let format = match event.kind {
        Kind::IncidentClosed => Format::Json,
        _ => format,
    };
    match format {
        Format::Text => line(format, at, level, &event.text, ids),
        Format::Json => {
            let own = event.fields.iter().map(|(name, value)| (*name, value));
            let all = ids.chain([("kind", &kind)]).chain(own);
            line(format, at, level, &event.text, all)
        }
    }
}

fn lost_line(format: Format, lost: u64) -> String {
    let text = format!("{lost} log lines were dropped: nobody read stderr in time");
    let fields = [("lost", &Field::Number(lost))];
    line(format, wall(), "WARN", &text, fields.into_iter())
}

fn line<'a>(
    format: Format,
    at: WallTime,
    level: &str,
    text: &str,
    fields: impl Iterator<Item = (&'static str, &'a Field)>,
) -> String {
    let mut line = match format {
        Format::Text => text_line(at, level, text, fields),
        Format::Json => json_line(at, level, text, fields),
    };
    line.push('\n');
    line
}

fn text_line<'a>(
    at: WallTime,
    level: &str,
    text: &str,
    fields: impl Iterator<Item = (&'static str, &'a Field)>,
) -> String {
    let mut line = format!("{at} {level} {}", one_line(text));
    for (name, value) in fields {
        // Writing to a string has no way to fail.
        match value {
            Field::Number(number) => write!(line, " {name}={number}"),
            Field::Flag(flag) => write!(line, " {name}={flag}"),
            Field::Json(json) => write!(line, " {name}={}", one_line(json)),
            Field::Text(text) if is_bare(text) => write!(line, " {name}={text}"),
            Field::Text(text) => write!(line, " {name}={:?}", one_line(text)),
        }
        .ok();
    }
    line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
    line
}

fn json_line<'a>(
    at: WallTime,
    level: &str,
    text: &str,
    fields: impl Iterator<Item = (&'static str, &'a Field)>,
) -> String {
    let mut map = serde_json::Map::new();
    let clip = |text: &str| text[..text.floor_char_boundary(LINE_BYTES_MAX / 8)].to_owned();
    for (name, value) in fields {
        let value = match value {
            Field::Number(number) => (*number).into(),
            Field::Flag(flag) => (*flag).into(),
            Field::Text(text) => clip(text).into(),
            Field::Json(json) => serde_json::from_str(json).unwrap_or_else(|_| clip(json).into()),
        };
        map.insert(name.to_owned(), value);
    }
    map.insert("at".to_owned(), at.to_string().into());
    map.insert("level".to_owned(), level.to_ascii_lowercase().into());
    map.insert("text".to_owned(), clip(text).into());
    one_line(&serde_json::Value::Object(map).to_string()).into_owned()
}

/// Whether a value needs no quotes in a text line.
fn is_bare(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\'))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::*;
    use crate::{decide::event::Kind, words::Generation};

    const AT: WallTime = WallTime(1_700_000_000_123);

    fn fired(text: &str, fields: Vec<(&'static str, Field)>) -> Event {
        Event {
            kind: Kind::RuleFired,
            level: Level::Warn,
            generation: Some(Generation(3)),
            incident: Some(7),
            text: text.to_owned(),
            fields,
        }
    }

    #[test]
    fn a_text_line_reads_at_three_in_the_morning() {
        let event = fired("rule \"x\" fired: 5 of 5", vec![("n", Field::Number(5))]);
        assert_eq!(
            event_line(Format::Text, &event, AT),
            "2023-11-14T22:13:20.123Z WARN rule \"x\" fired: 5 of 5 incident=7 worker=3\n"
        );
    }

    #[test]
    fn of_several_instances_a_text_line_says_which() {
        let event = fired(
            "x",
            vec![("n", Field::Number(5)), ("instance", Field::Number(2))],
        );
        assert_eq!(
            event_line(Format::Text, &event, AT),
            "2023-11-14T22:13:20.123Z WARN x incident=7 worker=3 instance=2\n"
        );
    }

    #[test]
    fn a_json_line_has_the_numbers() {
        let event = fired("x", vec![("count", Field::Number(5))]);
        let line = event_line(Format::Json, &event, AT);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["count"], 5);
        assert_eq!(value["incident"], 7);
        assert_eq!(value["kind"], "rule-fired");
        assert_eq!(value["level"], "warn");
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_tracing_says_becomes_the_same_lines_from_its_level_up() {
        let shared = Shared::default();
        let output = Output::start(shared.clone(), 100, |_| String::new()).unwrap();
        let options = Options::default();
        let lines = Lines(Log {
            output: output.clone(),
            options,
        });
        let layer = lines.with_filter(LevelFilter::from_level(options.level));
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            tracing::debug!("too quiet");
            tracing::warn!(port = 80_u64, path = "/a b", "can not\nbind");
        });
        assert!(output.flush(Duration::from_secs(20)));
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(rest, "WARN can not\\nbind port=80 path=\"/a b\"\n");
    }

    proptest! {
        #[test]
        fn no_control_character_passes(text in "(?s).{0,200}", field in "(?s).{0,200}") {
            let event = fired(&text, vec![("field", Field::Text(field.clone()))]);
            let words = [("field", Field::Text(field))];
            let words = || words.iter().map(|(name, value)| (*name, value));
            for line in [
                event_line(Format::Text, &event, AT),
                event_line(Format::Json, &event, AT),
                line(Format::Text, AT, "INFO", &text, words()),
                line(Format::Json, AT, "INFO", &text, words()),
            ] {
                let bare = line.strip_suffix('\n').expect("a line break at the end");
                prop_assert!(!bare.contains(char::is_control), "{bare:?}");
            }
        }
    }
}
