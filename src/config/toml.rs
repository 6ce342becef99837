//! Reads TOML into the document tree. Every syntax error is reported, not only the first.

use std::{collections::HashSet, ops::Range};

use toml::de::{DeTable, DeValue};

use super::{
    diagnostic::{Report, Span},
    document::{Entry, Node, Table, Value},
};

/// Deeper tables are refused: the deepest key that means something is four levels down.
const DEEPEST: usize = 64;

/// A configuration has a few hundred lines; so many more would each take their time.
const MOST_LINES: usize = 10_000;

/// Reads a file's text, which the report knows as `source`.
pub(super) fn read(text: &str, source: usize, report: &mut Report) -> Table {
    if let Some((end, _)) = text.match_indices('\n').nth(MOST_LINES) {
        report.partial = true;
        report.error(
            Span::new(source, end..end + 1),
            format!("a file of more than {MOST_LINES} lines is no configuration"),
            "give an autoheal.toml: rules and settings take a few hundred lines",
        );
        return Table::default();
    }
    if let Some(at) = too_many_dots(text) {
        report.partial = true;
        report.error(
            Span::new(source, at),
            "a key of so many parts means nothing here",
            "write a key of autoheal, like recycle.drain_timeout; config/autoheal.toml has all of \
             them",
        );
        return Table::default();
    }
    let (tree, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text);
    let mut broken = HashSet::new();
    let mut array_left_open = false;
    for error in &errors {
        report.partial = true;
        let span = error.span().unwrap_or(0..0);
        let in_array = error.message().contains("array");
        // What follows the first error of a line, or an array that was not closed, is its echo.
        let first_of_line = broken.insert(lines.line(span.start));
        let echo = !first_of_line || (in_array && array_left_open);
        array_left_open |= in_array && !error.message().contains("table");
        if !echo {
            let (what, cure) = explain(error.message(), text, &span);
            report.error(Span::new(source, span), what, cure);
        }
    }
    let mut reading = Reading {
        source,
        lines,
        broken,
    };
    reading.table(tree.get_ref(), 0)
}

/// Reads the value of `--set KEY=VALUE`; `offset` is where it starts in the source's text. What is
/// no TOML value is taken as a string, so that a shell needs no second pair of quotes.
pub(super) fn read_value(text: &str, offset: usize, source: usize) -> Node {
    let whole = Span::new(source, offset..offset + text.len());
    let plain = || Node::text(text, whole);
    if too_many_dots(text).is_some() {
        return plain();
    }
    match DeValue::parse(text) {
        Ok(value) => {
            let mut reading = Reading {
                source,
                lines: Lines::of(""),
                broken: HashSet::new(),
            };
            let mut node = reading.node(value.get_ref(), value.span(), 0);
            shift(&mut node, offset);
            node
        }
        Err(_) => plain(),
    }
}

struct Reading {
    source: usize,
    lines: Lines,
    /// Lines with syntax errors: what was recovered there would only be complained about again.
    broken: HashSet<usize>,
}

impl Reading {
    fn table(&mut self, table: &DeTable<'_>, depth: usize) -> Table {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            if self.is_broken(&key.span()) || self.is_broken(&value.span()) {
                continue;
            }
            entries.push(Entry {
                key: key.get_ref().to_string(),
                key_span: Span::new(self.source, key.span()),
                node: self.node(value.get_ref(), value.span(), depth + 1),
            });
        }
        entries.sort_by_key(|entry| entry.key_span.start);
        Table(entries)
    }

    fn node(&mut self, value: &DeValue<'_>, span: Range<usize>, depth: usize) -> Node {
        let value = match value {
            _ if depth > DEEPEST => Value::Other("a value nested so deep"),
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::Integer(number),
                    Err(_) => Value::Other("a number so large"),
                }
            }
            DeValue::Float(_) => Value::Other("a number with a fraction"),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(_) => Value::Other("a date or time"),
            DeValue::Array(items) => {
                let items = items
                    .iter()
                    .map(|item| self.node(item.get_ref(), item.span(), depth + 1));
                Value::List(items.collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table, depth)),
        };
        Node::new(value, Span::new(self.source, span))
    }

    fn is_broken(&self, span: &Range<usize>) -> bool {
        self.broken.contains(&self.lines.line(span.start))
    }
}

/// Where each line ends.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn line(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at)
    }
}

/// The line whose dotted keys would nest so deep that building the tree could exhaust the stack.
fn too_many_dots(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let unquoted = line.split(['"', '\'']).step_by(2);
        let dots: usize = unquoted
            .map(|part| part.split('#').next().unwrap_or(part))
            .map(|part| part.bytes().filter(|byte| *byte == b'.').count())
            .sum();
        if dots > DEEPEST {
            return Some(start..start + line.trim_end().len().min(60));
        }
        start += line.len();
    }
    None
}

fn shift(node: &mut Node, by: usize) {
    node.span.start += by;
    node.span.end += by;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Value::Table(table) => {
            for entry in &mut table.0 {
                entry.key_span.start += by;
                entry.key_span.end += by;
                shift(&mut entry.node, by);
            }
        }
        _ => {}
    }
}

/// A syntax error in words that say what to type.
fn explain(message: &str, text: &str, span: &Range<usize>) -> (String, String) {
    let message = message.lines().next().unwrap_or_default().trim();
    // The parser's list of what could follow is longer than the truth.
    let message = message
        .strip_suffix(", expected literal string")
        .unwrap_or(message);
    let start = span.start.min(text.len());
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let cure = if text[line_start..].trim_start().starts_with("//") {
        "a comment begins with #"
    } else if message.contains("duplicate key") {
        "keep one of the two; a table's keys may stand in one place only"
    } else if message.contains("string values must be quoted") {
        "put the value in double quotes"
    } else if message.contains("basic string") || message.contains("literal string") {
        "close the string with the quote it began with; write \\\\ for a backslash, or use '...'"
    } else if message.contains("array") || message.contains("unclosed") {
        "close what was opened, and put commas between the parts"
    } else if message.contains("key with no value") || message.contains("missing value") {
        "write key = value"
    } else {
        "write key = value lines under [section] headers; strings stand in double quotes"
    };
    (format!("this is not TOML: {message}"), cure.to_owned())
}
