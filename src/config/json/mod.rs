//! Reads JSON into the document tree: RFC 8259, and the comments that Azure's tools allow.
//!
//! What people really paste (trailing commas, other quotes, keys without quotes) is reported and
//! then read as it was meant, so that all of it is said at once. The time is linear in the text.

mod bare;
mod string;
#[cfg(test)]
mod tests;

use super::{
    diagnostic::{Report, Span},
    document::{Entry, Node, Table, Value},
};

/// Deeper values are refused; a template in a template in a template needs forty levels.
const DEEPEST: usize = 128;

/// Reads a file's text, which the report knows as `source`. `None`: it can't be read as a whole.
pub(super) fn read(text: &str, source: usize, report: &mut Report) -> Option<Node> {
    let found_before = report.found();
    let mut reading = Reading {
        text,
        at: 0,
        source,
        report,
        told: Vec::new(),
    };
    let read = reading.whole();
    if report.found() > found_before {
        report.partial = true;
    }
    read.ok()
}

/// It can't be read on; why is in the report.
struct Stop;

struct Reading<'a> {
    text: &'a str,
    /// How far it is read; always between two characters.
    at: usize,
    source: usize,
    report: &'a mut Report,
    /// Mistakes that people make throughout a file, each told where it is made first.
    told: Vec<&'static str>,
}

impl Reading<'_> {
    fn whole(&mut self) -> Result<Node, Stop> {
        self.blanks()?;
        if self.peek().is_none() {
            self.error(
                0..0,
                "this file is empty",
                "give an ARM template, or what az webapp config show prints",
            );
            return Err(Stop);
        }
        let node = self.value(0)?;
        self.blanks()?;
        let rest = self.at..self.at + self.peek().map_or(0, char::len_utf8);
        match self.peek() {
            None => return Ok(node),
            Some(':') if matches!(node.value, Value::Text(_)) => self.error(
                node.span.start..node.span.end,
                "this is a piece of an object: a key stands outside of any { }",
                "put { before it and } after its end",
            ),
            Some('}' | ']') => self.error(
                rest,
                "this closes what was never opened",
                "remove it, or paste the file from its first { on",
            ),
            Some(_) => self.error(
                rest,
                "the JSON ended before this",
                "keep one { ... } in the file; put a comma and [ ] around several",
            ),
        }
        Err(Stop)
    }

    fn value(&mut self, depth: usize) -> Result<Node, Stop> {
        let start = self.at;
        if depth > DEEPEST {
            self.error(
                start..start + 1,
                format!("values are nested more than {DEEPEST} deep"),
                "give the template itself: nothing in one is that deep",
            );
            return Err(Stop);
        }
        let value = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.list(depth)?,
            Some(c) if string::is_quote(c) => Value::Text(self.string()?),
            Some(',' | '}' | ']') => {
                self.error(
                    start..start + 1,
                    "a value is missing here",
                    "write one: \"text\", 10, true, false, null, { ... } or [ ... ]",
                );
                Value::Null
            }
            Some(_) => self.bare()?,
            None => return self.ended("a value", start),
        };
        Ok(Node::new(value, self.span(start..self.at)))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Stop> {
        let open = self.at;
        self.at += 1;
        let mut entries = Vec::new();
        while self.more('}', open, entries.is_empty())? {
            let start = self.at;
            let key = match self.peek() {
                Some(c) if string::is_quote(c) => self.string()?,
                Some(':') => {
                    self.error(
                        start..start + 1,
                        "a key is missing before this colon",
                        "write it in double quotes: \"count\": 10",
                    );
                    String::new()
                }
                _ => self.bare_key()?,
            };
            let key_span = self.span(start..self.at);
            self.blanks()?;
            let node = match self.peek() {
                Some(':' | '=') => {
                    self.colon();
                    self.blanks()?;
                    self.value(depth + 1)?
                }
                None => return self.ended("{", open),
                Some(_) => {
                    self.error(
                        start..key_span.end,
                        format!("\"{}\" has no value", clipped(&key)),
                        "write a colon and a value after it: \"count\": 10",
                    );
                    Node::new(Value::Null, key_span)
                }
            };
            entries.push(Entry {
                key,
                key_span,
                node,
            });
        }
        Ok(Value::Table(Table(entries)))
    }

    fn colon(&mut self) {
        let at = self.at..self.at + 1;
        if self.peek() == Some('=') {
            self.error(at, "JSON has no =", "write a colon: \"count\": 10");
        }
        self.at += 1;
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        let open = self.at;
        self.at += 1;
        let mut items = Vec::new();
        while self.more(']', open, items.is_empty())? {
            items.push(self.value(depth + 1)?);
        }
        Ok(Value::List(items))
    }

    /// Moves to the next part of what opened at `open`; `false`: it is closed.
    fn more(&mut self, close: char, open: usize, first: bool) -> Result<bool, Stop> {
        let end_of_last = self.at;
        self.blanks()?;
        let mut comma = None;
        if !first && self.peek() == Some(',') {
            comma = Some(self.at);
            self.at += 1;
            self.blanks()?;
        }
        while self.peek() == Some(',') {
            let at = self.at;
            self.error(at..at + 1, "a comma too many", "remove it");
            comma = Some(at);
            self.at += 1;
            self.blanks()?;
        }
        match (self.peek(), comma) {
            (None, _) => self.ended(if close == '}' { "{" } else { "[" }, open),
            (Some(c), comma) if c == close => {
                if let Some(at) = comma {
                    let what = format!("a comma before {close} is not allowed in JSON");
                    self.error(at..at + 1, what, "remove the comma");
                }
                self.at += 1;
                Ok(false)
            }
            (Some(c @ ('}' | ']')), _) => {
                let line = self.line(open);
                let opened = if close == '}' { '{' } else { '[' };
                self.error(
                    self.at..self.at + 1,
                    format!("{c} can't close the {opened} of line {line}"),
                    format!("write {close} here, or look for a {close} that is missing before it"),
                );
                Err(Stop)
            }
            (Some(_), None) if !first => {
                self.error(
                    end_of_last.saturating_sub(1)..end_of_last,
                    "a comma is missing after this",
                    "write a comma between two values",
                );
                Ok(true)
            }
            (Some(_), _) => Ok(true),
        }
    }

    /// Passes blanks and comments over.
    fn blanks(&mut self) -> Result<(), Stop> {
        loop {
            let rest = &self.text[self.at..];
            let solid = rest.trim_start_matches([' ', '\t', '\n', '\r']);
            self.at = self.text.len() - solid.len();
            if solid.starts_with("//") || solid.starts_with('#') {
                if solid.starts_with('#') {
                    self.tell_once(
                        self.at..self.at + 1,
                        "JSON has no comments that begin with #",
                        "write // instead, which Azure's tools read too",
                    );
                }
                self.at += solid.find(['\n', '\r']).unwrap_or(solid.len());
            } else if let Some(comment) = solid.strip_prefix("/*") {
                let Some(length) = comment.find("*/") else {
                    self.error(
                        self.at..self.at + 2,
                        "this comment never ends",
                        "write */ where it is to end",
                    );
                    return Err(Stop);
                };
                self.at += 2 + length + 2;
            } else if solid.starts_with(char::is_whitespace) {
                self.tell_once(
                    self.at..self.at + self.peek().map_or(0, char::len_utf8),
                    "this blank is none that JSON knows, like one copied from a web page",
                    "replace it by an ordinary space",
                );
                self.at += self.peek().map_or(0, char::len_utf8);
            } else {
                return Ok(());
            }
        }
    }

    fn ended<T>(&mut self, what: &str, open: usize) -> Result<T, Stop> {
        let end = self.text.trim_end().len();
        let last = self.text[..end].chars().next_back();
        let line = self.line(open);
        let (what, cure) = match what {
            "{" | "[" => (
                format!("the file ends before the {what} of line {line} is closed"),
                "paste the whole file: its end is missing, or a } or ]",
            ),
            _ => (
                format!("the file ends where {what} is wanted"),
                "paste the whole file: its end is missing",
            ),
        };
        self.error(end - last.map_or(0, char::len_utf8)..end, what, cure);
        Err(Stop)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text[..at].bytes();
        before.filter(|byte| *byte == b'\n').count() + 1
    }

    fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span::new(self.source, range)
    }

    fn error(
        &mut self,
        range: std::ops::Range<usize>,
        what: impl Into<String>,
        cure: impl Into<String>,
    ) {
        let span = self.span(range);
        self.report.error(span, what, cure);
    }

    /// Reports what is likely to be wrong throughout the file, once.
    fn tell_once(&mut self, range: std::ops::Range<usize>, what: &'static str, cure: &str) {
        if !self.told.contains(&what) {
            self.told.push(what);
            self.error(range, what, cure);
        }
    }
}

/// A text of the file, short enough for a sentence.
fn clipped(text: &str) -> String {
    const MOST_CHARS: usize = 40;
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(MOST_CHARS).collect();
    match chars.next() {
        Some(_) => start + "...",
        None => start,
    }
}
