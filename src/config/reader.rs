//! Reads values out of the document tree. One set of words for what was wanted and what is there.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    diagnostic::{Report, Span},
    document::{Node, Table, Value},
    keys,
};
use crate::units::{ByteSize, UnitError, format_duration, parse_duration};

/// The keys of one table of the configuration.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    /// The table's name in [`keys::KEYS`].
    at: &'static str,
    table: &'a Table,
    pub(super) span: Span,
}

impl<'a> Fields<'a> {
    /// The top level of a document.
    pub(super) fn top(table: &'a Table, report: &mut Report) -> Self {
        let span = Span::new(0, 0..0);
        let fields = Self {
            at: "",
            table,
            span,
        };
        fields.report_unknown(report);
        fields
    }

    /// The keys of `node`, which must be a table; unknown ones are reported.
    pub(super) fn of(node: &'a Node, at: &'static str, report: &mut Report) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            let example = keys::of(at).first().copied().unwrap_or("key");
            report.error(
                node.span,
                format!("{at} wants a table, not {}", node.kind()),
                format!("write {at} = {{ {example} = ... }}"),
            );
            return None;
        };
        let fields = Self {
            at,
            table,
            span: node.span,
        };
        fields.report_unknown(report);
        Some(fields)
    }

    /// The table under `key`, if it is there.
    pub(super) fn section(&self, key: &'static str, report: &mut Report) -> Option<Self> {
        Self::of(self.get(key)?, key, report)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(
            keys::of(self.at).contains(&key),
            "{}.{key} is read but not in the table of keys",
            self.at
        );
        self.table.get(key)
    }

    /// The value of `key` as `parse` reads it; `None` if it is absent or was reported.
    pub(super) fn find<T>(
        &self,
        report: &mut Report,
        key: &str,
        parse: impl Fn(&mut Report, &str, &Node) -> Option<T>,
    ) -> Option<T> {
        let node = self.get(key)?;
        parse(report, &self.name(key, node), node)
    }

    /// Replaces a default with the value of `key`.
    pub(super) fn read<T>(
        &self,
        report: &mut Report,
        key: &str,
        into: &mut T,
        parse: impl Fn(&mut Report, &str, &Node) -> Option<T>,
    ) {
        if let Some(value) = self.find(report, key, parse) {
            *into = value;
        }
    }

    /// The value of a key that must be there.
    pub(super) fn need<T>(
        &self,
        report: &mut Report,
        key: &str,
        example: &str,
        parse: impl Fn(&mut Report, &str, &Node) -> Option<T>,
    ) -> Option<T> {
        if self.get(key).is_none() {
            report.missing(
                Some(self.span),
                format!("{} has no {key}", self.at),
                format!("add {key} = {example}"),
            );
            return None;
        }
        self.find(report, key, parse)
    }

    /// The table under `key` once more, after its unknown keys were reported.
    pub(super) fn section_quietly(&self, key: &'static str) -> Option<Self> {
        let node = self.get(key)?;
        match &node.value {
            Value::Table(table) => Some(Self {
                at: key,
                table,
                span: node.span,
            }),
            _ => None,
        }
    }

    fn name(&self, key: &str, node: &Node) -> String {
        match node.alias {
            Some(alias) => alias.to_owned(),
            None if self.at.is_empty() => key.to_owned(),
            None => format!("{}.{key}", self.at),
        }
    }

    fn report_unknown(&self, report: &mut Report) {
        let known = keys::of(self.at);
        for entry in &self.table.0 {
            let key = entry.key.as_str();
            if known.contains(&key) {
                continue;
            }
            if report.is_full() {
                return;
            }
            if let Some(cure) = keys::later(self.at, key) {
                report.error(
                    entry.key_span,
                    format!("{key} is not supported by this version of autoheal"),
                    cure,
                );
                continue;
            }
            let place = match self.at {
                "" => String::new(),
                at => format!(" in {at}"),
            };
            report.error(
                entry.key_span,
                format!("unknown key {key}{place}"),
                keys::cure(self.at, key),
            );
        }
    }
}

/// Reports that a value is of another type than wanted.
pub(super) fn unwanted<T>(
    report: &mut Report,
    name: &str,
    node: &Node,
    wanted: &str,
    cure: impl Into<String>,
) -> Option<T> {
    let what = format!("{name} wants {wanted}, not {}", node.kind());
    report.error(node.span, what, cure);
    None
}

/// Passes a value on, or reports what its unit's reader said.
pub(super) fn unit<T>(report: &mut Report, node: &Node, read: Result<T, UnitError>) -> Option<T> {
    read.map_err(|error| report.error(node.span, error.what, error.cure))
        .ok()
}

/// Reads a duration within bounds.
pub(super) fn duration(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&mut Report, &str, &Node) -> Option<Duration> {
    move |report, name, node| {
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Integer(number) => {
                let cure = format!("write its unit: \"{number}s\" or \"{number}ms\"");
                return unwanted(report, name, node, "a duration", cure);
            }
            _ => return unwanted(report, name, node, "a duration", "write it like \"30s\""),
        };
        let read = unit(report, node, parse_duration(text))?;
        if bounds.contains(&read) {
            return Some(read);
        }
        let show = |duration| match node.alias {
            Some(_) => hms(duration),
            None => format_duration(duration),
        };
        let (least, most) = (show(*bounds.start()), show(*bounds.end()));
        report.error(
            node.span,
            format!("{name} is from {least} to {most}, not {}", show(read)),
            format!("write a duration from {least} to {most}"),
        );
        None
    }
}

/// A duration as web.config writes it.
pub(super) fn hms(duration: Duration) -> String {
    let secs = duration.as_secs();
    format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// Reads a size within bounds.
pub(super) fn size(
    bounds: RangeInclusive<ByteSize>,
) -> impl Fn(&mut Report, &str, &Node) -> Option<ByteSize> {
    move |report, name, node| {
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Integer(number) => {
                let cure = format!("write its unit: \"{number}MiB\" or \"{number}KiB\"");
                return unwanted(report, name, node, "a size", cure);
            }
            _ => return unwanted(report, name, node, "a size", "write it like \"64MiB\""),
        };
        let read: ByteSize = unit(report, node, text.parse())?;
        if bounds.contains(&read) {
            return Some(read);
        }
        let (least, most) = (bounds.start().human(), bounds.end().human());
        report.error(
            node.span,
            format!("{name} is from {least} to {most}, not {}", read.human()),
            "write a size like \"800MiB\"; KiB, MiB and GiB are powers of 1024",
        );
        None
    }
}

/// Reads a whole number within bounds.
pub(super) fn count(
    bounds: RangeInclusive<u32>,
) -> impl Fn(&mut Report, &str, &Node) -> Option<u32> {
    move |report, name, node| {
        let (least, most) = (bounds.start(), bounds.end());
        let Value::Integer(number) = node.value else {
            let cure = match node.as_text().map(|text| text.trim().parse::<u32>()) {
                Some(Ok(number)) => format!("write it without quotes: {number}"),
                _ => format!("write a whole number from {least} to {most}"),
            };
            return unwanted(report, name, node, "a whole number", cure);
        };
        let read = u32::try_from(number).ok().filter(|n| bounds.contains(n));
        if read.is_none() {
            report.error(
                node.span,
                format!("{name} is from {least} to {most}, not {number}"),
                format!("write a whole number from {least} to {most}"),
            );
        }
        read
    }
}

/// Reads `true` or `false`.
pub(super) fn flag(report: &mut Report, name: &str, node: &Node) -> Option<bool> {
    match node.value {
        Value::Flag(flag) => Some(flag),
        _ => unwanted(
            report,
            name,
            node,
            "true or false",
            "write true or false, without quotes",
        ),
    }
}

/// Reads a string that is not empty.
pub(super) fn text(report: &mut Report, name: &str, node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => {
            report.error(
                node.span,
                format!("{name} is empty"),
                "write a value, or remove the key",
            );
            None
        }
        Value::Text(text) if text.contains('\0') => {
            report.error(
                node.span,
                format!("{name} contains a NUL character"),
                "remove the \\u0000: nothing that the system is given may contain it",
            );
            None
        }
        Value::Text(text) => Some(text.clone()),
        Value::Integer(_) | Value::Flag(_) => {
            let cure = format!("put it in quotes: \"{}\"", report.text(node.span));
            unwanted(report, name, node, "a string", cure)
        }
        _ => unwanted(report, name, node, "a string", "write it as \"...\""),
    }
}

/// Reads one of a few words.
pub(super) fn word<T: Copy, const N: usize>(
    words: [(&'static str, T); N],
) -> impl Fn(&mut Report, &str, &Node) -> Option<T> {
    move |report, name, node| {
        let all = words.map(|(word, _)| word);
        let listed = listed(&all);
        let Some(text) = node.as_text() else {
            return unwanted(report, name, node, &listed, format!("write {listed}"));
        };
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let cure = match keys::nearest(text, &all) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("write {listed}"),
            };
            report.error(node.span, format!("{name} can't be \"{text}\""), cure);
        }
        found.map(|(_, value)| *value)
    }
}

fn listed(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// Reads one value or a list of them, all as `parse` reads one.
pub(super) fn one_or_more<T>(
    parse: impl Fn(&mut Report, &str, &Node) -> Option<T>,
) -> impl Fn(&mut Report, &str, &Node) -> Option<Vec<T>> {
    move |report, name, node| {
        let Value::List(items) = &node.value else {
            return parse(report, name, node).map(|one| vec![one]);
        };
        if items.is_empty() {
            report.error(
                node.span,
                format!("{name} is an empty list"),
                "put something in, or remove the key",
            );
            return None;
        }
        let read: Vec<_> = items
            .iter()
            .filter_map(|item| parse(report, name, item))
            .collect();
        (read.len() == items.len()).then_some(read)
    }
}
