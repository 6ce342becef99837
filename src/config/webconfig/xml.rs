//! XML with places: a thin view on roxmltree that reports what it does not know.

use std::ops::Range;

use super::super::{
    app_service::{Part, Written},
    diagnostic::{Report, Span},
    keys,
};

/// Deeper files are refused; web.config needs seven levels.
const DEEPEST: usize = 200;
/// An element with more is refused: telling its attributes apart takes the square of their number.
const MOST_ATTRIBUTES: usize = 500;

/// An element of the file.
#[derive(Clone, Copy)]
pub(super) struct Element<'a, 'i> {
    node: roxmltree::Node<'a, 'i>,
    source: usize,
}

/// What an element of ours may hold.
pub(super) struct Shape {
    pub(super) attributes: &'static [&'static str],
    pub(super) children: &'static [&'static str],
    /// Names that people write, and what to write instead.
    pub(super) wrong: &'static [(&'static str, &'static str)],
}

impl<'a, 'i> Element<'a, 'i> {
    pub(super) fn new(node: roxmltree::Node<'a, 'i>, source: usize) -> Self {
        Self { node, source }
    }

    pub(super) fn name(&self) -> &'a str {
        self.node.tag_name().name()
    }

    /// The `<name` it begins with.
    pub(super) fn span(&self) -> Span {
        let start = self.node.range().start;
        let text = &self.node.document().input_text()[start..];
        let length = text
            .find(|c: char| c.is_whitespace() || c == '>' || c == '/')
            .unwrap_or(text.len());
        Span::new(self.source, start..start + length)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = Self> + use<'a, 'i> {
        let source = self.source;
        let elements = self.node.children().filter(roxmltree::Node::is_element);
        elements.map(move |node| Self { node, source })
    }

    pub(super) fn children_named(
        &self,
        name: &'static str,
    ) -> impl Iterator<Item = Self> + use<'a, 'i> {
        self.children().filter(move |child| child.name() == name)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<Written<'a>> {
        let attribute = self.node.attributes().find(|a| a.name() == name)?;
        Some(Written {
            text: attribute.value(),
            span: Span::new(self.source, attribute.range_value()),
        })
    }

    /// An attribute that must be there and not be blank.
    pub(super) fn need(
        &self,
        name: &str,
        example: &str,
        report: &mut Report,
    ) -> Option<Written<'a>> {
        match self.attribute(name) {
            Some(found) if found.text.trim().is_empty() => {
                report.error(
                    found.span,
                    format!("{name} is empty"),
                    format!("write {name}=\"{example}\""),
                );
                None
            }
            Some(found) => Some(found),
            None => {
                // A misspelt one is reported as what it is.
                let misspelt = |written: &str| {
                    let (written, name) = (written.to_lowercase(), name.to_lowercase());
                    strsim::damerau_levenshtein(&written, &name) <= 2
                };
                if !self.node.attributes().any(|a| misspelt(a.name())) {
                    report.error(
                        self.span(),
                        format!("<{}> has no {name}", self.name()),
                        format!("add {name}=\"{example}\""),
                    );
                }
                None
            }
        }
    }

    /// Reports whatever the element may not hold.
    pub(super) fn check(&self, shape: &Shape, report: &mut Report) {
        let element = self.name();
        for attribute in self.node.attributes() {
            let name = attribute.name();
            let span = Span::new(self.source, attribute.range_qname());
            if let Some(namespace) = attribute.namespace() {
                if namespace.contains("XML-Document-Transform") {
                    report.error(
                        span,
                        "this is a transform file: it changes another web.config",
                        "give the web.config that it was applied to",
                    );
                }
            } else if !shape.attributes.contains(&name) {
                let what = format!("<{element}> has no attribute {name}");
                report.error(span, what, self.cure(name, shape.attributes, shape));
            }
        }
        for child in self.children() {
            if report.is_full() {
                return;
            }
            if !shape.children.contains(&child.name()) {
                let name = child.name();
                let what = format!("<{element}> has no element <{name}>");
                report.error(child.span(), what, child.cure(name, shape.children, shape));
            }
        }
        for text in self.node.children().filter(roxmltree::Node::is_text) {
            let written = text.text().unwrap_or_default();
            if let Some(at) = written.find(|c: char| !c.is_whitespace()) {
                let start = text.range().start + at;
                let length = written[at..].lines().next().unwrap_or_default().len();
                report.error(
                    Span::new(self.source, start..start + length),
                    format!("text in <{element}> means nothing"),
                    "remove it; a comment is written <!-- ... -->",
                );
            }
        }
    }

    fn cure(&self, name: &str, known: &[&str], shape: &Shape) -> String {
        let wrong = shape.wrong.iter().find(|(wrong, _)| *wrong == name);
        match (wrong, keys::nearest(name, known)) {
            (Some((_, cure)), _) => (*cure).to_owned(),
            (None, Some(near)) => format!("did you mean {near}?"),
            (None, None) if known.is_empty() => "remove it".to_owned(),
            (None, None) => format!("remove it, or use one of: {}", known.join(", ")),
        }
    }
}

impl Part for Element<'_, '_> {
    fn span(&self) -> Span {
        Element::span(self)
    }

    fn shown(&self) -> String {
        format!("<{}>", self.name())
    }

    fn value(&self, name: &str) -> Option<Written<'_>> {
        self.attribute(name)
    }

    fn need(&self, name: &str, example: &str, report: &mut Report) -> Option<Written<'_>> {
        Element::need(self, name, example, report)
    }

    fn pair(&self, name: &str, value: &str) -> String {
        format!("{name}=\"{value}\"")
    }

    fn nested(&self, name: &str, pairs: &[(&str, &str)]) -> String {
        let pairs = pairs.iter().map(|(name, value)| self.pair(name, value));
        let pairs: Vec<_> = pairs.collect();
        format!("<{name} {} />", pairs.join(" "))
    }
}

/// A text as it stands in an attribute.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// Why a file is not XML that we read.
pub(super) struct Unreadable {
    pub(super) range: Range<usize>,
    pub(super) what: String,
    pub(super) cure: String,
}

/// Parses a file. DTDs are refused, as is what is nested too deep to mean anything.
pub(super) fn parse(text: &str) -> Result<roxmltree::Document<'_>, Unreadable> {
    if text.trim().is_empty() {
        return Err(Unreadable {
            range: 0..0,
            what: "this file is empty".to_owned(),
            cure: "give the app's web.config: its first element is <configuration>".to_owned(),
        });
    }
    if let Some((at, what)) = excessive(text) {
        return Err(Unreadable {
            range: at..at + 1,
            what,
            cure: "close the elements: each <name> needs a </name>, or ends in />".to_owned(),
        });
    }
    roxmltree::Document::parse(text).map_err(|error| explain(&error, text))
}

/// Where the file has more than it can mean, so much that parsing it could take minutes or the
/// stack. Counted without regard to comments.
fn excessive(text: &str) -> Option<(usize, String)> {
    let mut depth = 0usize;
    for (at, _) in text.match_indices('<') {
        let rest = &text[at + 1..];
        let tag = &rest[..rest.find(['>', '<']).unwrap_or(rest.len())];
        if tag.bytes().filter(|byte| *byte == b'=').count() > MOST_ATTRIBUTES {
            let what = format!("an element has more than {MOST_ATTRIBUTES} attributes");
            return Some((at, what));
        }
        match rest.as_bytes().first() {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(b'!' | b'?') => {}
            _ if tag.ends_with('/') => {}
            _ => depth += 1,
        }
        if depth > DEEPEST {
            let what = format!("elements are nested more than {DEEPEST} deep");
            return Some((at, what));
        }
    }
    None
}

fn explain(error: &roxmltree::Error, text: &str) -> Unreadable {
    use roxmltree::Error as E;
    let position = error.pos();
    let mut at = offset(text, position);
    let (what, cure) = match error {
        E::DtdDetected => {
            at = text.find("<!DOCTYPE").unwrap_or(0);
            (
                "a DTD is not read: it could make a small file endless".to_owned(),
                "remove the <!DOCTYPE ...> part; web.config has none".to_owned(),
            )
        }
        E::UnexpectedCloseTag(expected, found, _) => (
            format!("</{found}> closes <{expected}>"),
            format!("write </{expected}> first, or close <{expected} .../> where it begins"),
        ),
        E::UnclosedRootNode | E::UnexpectedEndOfStream => {
            at = text.trim_end().len();
            (
                "the file ends before its elements do".to_owned(),
                "close every element: each <name> needs a </name>, or ends in />".to_owned(),
            )
        }
        E::DuplicatedAttribute(name, _) => (
            format!("the attribute {name} stands twice in one element"),
            "keep one of them".to_owned(),
        ),
        E::MalformedEntityReference(_) | E::UnknownEntityReference(..) => (
            "a bare & is not allowed in XML".to_owned(),
            "write &amp; for &, &lt; for < and &quot; for a quote".to_owned(),
        ),
        E::InvalidAttributeValue(_) => (
            "a < is not allowed in an attribute".to_owned(),
            "write &lt; for <, or close the quote before it".to_owned(),
        ),
        E::UnknownNamespace(prefix, _) => (
            format!("the prefix {prefix}: is not declared"),
            format!("remove {prefix}:, or declare it with xmlns:{prefix}=\"...\""),
        ),
        E::InvalidComment(_) => (
            "-- is not allowed inside a comment".to_owned(),
            "take the -- out; a comment is written <!-- ... -->".to_owned(),
        ),
        _ => (
            "this is not well-formed XML".to_owned(),
            "write <name attribute=\"value\" />: a space before each attribute, = and quotes \
             around each value"
                .to_owned(),
        ),
    };
    let length = text[at..]
        .find(|c: char| c.is_whitespace() || c == '>')
        .unwrap_or(0)
        .clamp(0, 60);
    Unreadable {
        range: at..at + length,
        what,
        cure,
    }
}

fn offset(text: &str, position: roxmltree::TextPos) -> usize {
    let row = usize::try_from(position.row).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(position.col).unwrap_or(1).saturating_sub(1);
    let line_start = match row {
        0 => 0,
        _ => text
            .match_indices('\n')
            .nth(row - 1)
            .map_or(text.len(), |(at, _)| at + 1),
    };
    text[line_start..]
        .char_indices()
        .nth(column)
        .map_or(text.len(), |(at, _)| line_start + at)
}
