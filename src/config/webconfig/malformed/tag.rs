//! What is wrong inside a tag: a space, a quote, a sign that is not there or one too many.

use std::ops::Range;

use super::{super::xml::Unreadable, LONGEST_MARK, cut, floor, mark, unreadable};

/// The elements that people write: a name that begins with one and goes on has lost its space.
const ELEMENTS: [&str; 14] = [
    "environmentVariable",
    "periodicRestart",
    "customAction",
    "slowRequests",
    "httpPlatform",
    "processModel",
    "statusCode",
    "aspNetCore",
    "requests",
    "location",
    "actions",
    "failure",
    "memory",
    "add",
];
/// So much of one tag is looked at.
const LONGEST_TAG: usize = 10_000;
/// What is wrong in the tag that the parser stopped in.
pub(super) fn fault(text: &str, at: usize) -> Option<Unreadable> {
    let at = at.min(text.len());
    // It may have stopped at the < of the next tag, because this one was not closed.
    let start = text[..at].rfind('<')?;
    let end = floor(text, start + LONGEST_TAG);
    let mut tag = Tag {
        text: &text[..end],
        start,
        at: start + 1,
    };
    tag.fault()
}

struct Tag<'a> {
    /// The file to where it is looked at.
    text: &'a str,
    start: usize,
    at: usize,
}

impl Tag<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Passes over what `wanted` holds for, and says where that was.
    fn pass(&mut self, wanted: impl Fn(char) -> bool) -> Range<usize> {
        let length = self.rest().find(|c| !wanted(c));
        let from = self.at;
        self.at += length.unwrap_or_else(|| self.rest().len());
        from..self.at
    }

    fn fault(&mut self) -> Option<Unreadable> {
        let name = self.pass(is_name);
        if name.is_empty() {
            return None;
        }
        if self.rest().starts_with('=') {
            return Some(self.no_space_after_name(name));
        }
        loop {
            let blank = self.pass(char::is_whitespace);
            let rest = self.rest();
            if rest.is_empty() {
                return Some(self.not_closed());
            }
            if rest.starts_with("/>") || rest.starts_with('>') {
                return None;
            }
            if rest.starts_with("//") || rest.starts_with('#') || rest.starts_with("<!--") {
                let sign = &rest[..rest.find(|c: char| !"/#<!-".contains(c)).unwrap_or(1)];
                return Some(unreadable(
                    self.at..self.at + sign.len(),
                    format!("a comment ({sign}) can't stand inside a tag"),
                    "write <!-- ... --> on a line of its own, before the element",
                ));
            }
            if rest.starts_with('<') {
                return Some(self.not_closed());
            }
            if let Some(fault) = self.attribute(blank.is_empty()) {
                return Some(fault);
            }
        }
    }

    /// `<addstatusCode="500"`
    fn no_space_after_name(&self, name: Range<usize>) -> Unreadable {
        let written = &self.text[name.clone()];
        let element = ELEMENTS.iter().find(|known| written.starts_with(**known));
        let (after, cure) = match element {
            Some(element) => {
                let attribute = &written[element.len()..];
                (*element, format!("write <{element} {attribute}=..."))
            }
            None => (
                "the element's name",
                "write <name attribute=\"value\" />".to_owned(),
            ),
        };
        unreadable(
            self.start..name.end,
            format!("there is no space after {after}"),
            cure,
        )
    }

    fn not_closed(&self) -> Unreadable {
        let shown = mark(self.text, self.start);
        let name = &self.text[shown.clone()];
        unreadable(
            shown,
            format!("the tag {name} has no > at its end"),
            format!("write {name} .../>, or {name} ...> if something stands inside"),
        )
    }

    fn attribute(&mut self, touches: bool) -> Option<Unreadable> {
        let name = self.pass(is_name);
        let written = self.text[name.clone()].to_owned();
        if name.is_empty() {
            let c = self.rest().chars().next().unwrap_or(' ');
            return Some(unreadable(
                self.at..self.at + c.len_utf8(),
                format!("{c} can't stand here"),
                "write <name attribute=\"value\" />, with nothing between the attributes",
            ));
        }
        if touches {
            return Some(unreadable(
                name,
                format!("there is no space before {written}"),
                format!("write a space between the \" and {written}"),
            ));
        }
        self.pass(char::is_whitespace);
        if !self.rest().starts_with('=') {
            return Some(unreadable(
                name,
                format!("{written} has no = and no value"),
                format!("write {}=\"VALUE\"", written.trim_end_matches(':')),
            ));
        }
        self.at += 1;
        self.pass(char::is_whitespace);
        self.value(&written)
    }

    fn value(&mut self, name: &str) -> Option<Unreadable> {
        let rest = self.rest();
        let quote = rest.chars().next().unwrap_or(' ');
        if quote != '"' && quote != '\'' {
            let typed = ['“', '”', '„', '‘', '’', '«', '»', '`'];
            let plain = rest.trim_start_matches(typed);
            let ends = |c: char| c.is_whitespace() || "/>\"'".contains(c) || typed.contains(&c);
            let value = cut(
                &plain[..plain.find(ends).unwrap_or(plain.len())],
                LONGEST_MARK,
            );
            let what = match typed.contains(&quote) {
                true => format!("{quote} is no quote in XML"),
                false => format!("the value of {name} has no quotes"),
            };
            let marked = mark(self.text, self.at);
            return Some(unreadable(
                marked,
                what,
                format!("write {name}=\"{value}\""),
            ));
        }
        let body = &rest[1..];
        let end = body.find(quote).unwrap_or(body.len());
        let inner = &body[..end];
        let Some(bracket) = inner
            .find('<')
            .or_else(|| (end == body.len()).then_some(end))
        else {
            self.at += 1 + end + 1;
            return None;
        };
        let before = &inner[..bracket];
        let marked = mark(self.text, self.at);
        if before.contains(['\n', '>']) || end == body.len() {
            let ends = |c: char| c.is_whitespace() || "/>".contains(c);
            let value = cut(
                &before[..before.find(ends).unwrap_or(before.len())],
                LONGEST_MARK,
            );
            return Some(unreadable(
                marked,
                format!("the quote of {name} is never closed"),
                format!("write {name}=\"{value}\""),
            ));
        }
        let at = self.at + 1 + bracket;
        Some(unreadable(
            at..at + 1,
            "a < is not allowed in an attribute",
            "write &lt; for it",
        ))
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')
}
