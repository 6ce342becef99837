//! XML on paper: elements with attributes, two blanks a level.

use std::fmt::Write as _;

use crate::words::one_line;

/// A file that is being written.
pub(super) struct Xml {
    text: String,
    depth: usize,
    is_whole: bool,
}

impl Xml {
    /// A file that begins with a comment.
    pub(super) fn new(comment: &str) -> Self {
        let mut xml = Self {
            text: "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n".to_owned(),
            depth: 0,
            is_whole: true,
        };
        xml.comment(comment);
        xml
    }

    pub(super) fn comment(&mut self, words: &str) {
        let mut apart = String::new();
        for c in one_line(words).chars() {
            // Two dashes would end it.
            if c == '-' && apart.ends_with('-') {
                apart.push(' ');
            }
            apart.push(c);
        }
        self.line(&format!("<!-- {apart} -->"));
    }

    pub(super) fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let attributes = self.attributes(attributes);
        self.line(&format!("<{name}{attributes}>"));
        self.depth += 1;
    }

    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let attributes = self.attributes(attributes);
        self.line(&format!("<{name}{attributes} />"));
    }

    pub(super) fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }

    /// The file, and whether it holds every character that it was given.
    pub(super) fn finish(self) -> (String, bool) {
        (self.text, self.is_whole)
    }

    fn attributes(&mut self, attributes: &[(&str, &str)]) -> String {
        let mut written = String::new();
        for (name, value) in attributes {
            self.is_whole &= can_hold(value);
            // Writing to a string has no way to fail.
            write!(written, " {name}=\"{}\"", escaped(value)).ok();
        }
        written
    }

    fn line(&mut self, text: &str) {
        let blanks = self.depth * 2;
        // Writing to a string has no way to fail.
        writeln!(self.text, "{:blanks$}{text}", "").ok();
    }
}

/// Whether XML has a way to write every character.
pub(super) fn can_hold(text: &str) -> bool {
    text.chars().all(is_character)
}

/// XML's production Char.
fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if !is_character(c) => escaped.push(char::REPLACEMENT_CHARACTER),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // A line break as such would be read as a blank.
            c if c.is_control() => {
                write!(escaped, "&#{};", u32::from(c)).ok();
            }
            c => escaped.push(c),
        }
    }
    escaped
}
