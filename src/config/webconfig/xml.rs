//! XML with places: a thin view on roxmltree that reports what it does not know.

use std::ops::Range;

use super::{
    super::{
        app_service::{Part, Written},
        diagnostic::{Report, Span},
        keys,
    },
    malformed,
};

/// A file that declares more namespaces is refused: each element may repeat all of them.
const MOST_NAMESPACES: usize = 1000;
/// Deeper files are refused; web.config needs seven levels.
const DEEPEST: usize = 200;
/// An element with more is refused: telling its attributes apart takes the square of their number.
const MOST_ATTRIBUTES: usize = 500;
/// A web.config has a few hundred tags, applicationHost.config a few thousand.
const MOST_TAGS: usize = 50_000;
/// A list of more entries is refused.
const MOST_ENTRIES: usize = 1000;

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

    /// The entries of a list, where `<remove>` is looked for among all that came before it.
    pub(super) fn entries(&self, report: &mut Report) -> Vec<Self> {
        let mut entries: Vec<_> = self.children().take(MOST_ENTRIES + 1).collect();
        if let Some(more) = entries.get(MOST_ENTRIES) {
            report.error(
                more.span(),
                format!("<{}> has more than {MOST_ENTRIES} entries", self.name()),
                "remove those that mean the same",
            );
            entries.pop();
        }
        entries
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
                // A misspelt one is reported as what it is, and so is ARM's shorter name.
                let name_lower = name.to_lowercase();
                let most = (name.len() / 5).max(2);
                let misspelt = |written: &str| {
                    let written = written.to_lowercase();
                    let distance = strsim::damerau_levenshtein(&written, &name_lower);
                    distance <= most || (written.len() > 4 && name_lower.starts_with(&written))
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

    /// The first text in it, without the blanks around it.
    pub(super) fn text(&self) -> &'a str {
        self.node.text().unwrap_or_default().trim()
    }

    /// Reports whatever the element may not hold.
    pub(super) fn check(&self, shape: &Shape, report: &mut Report) {
        let element = self.name();
        for attribute in self.node.attributes() {
            let name = attribute.name();
            let span = Span::new(self.source, attribute.range_qname());
            if attribute.namespace().is_none() && !shape.attributes.contains(&name) {
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
                let line = written[at..].lines().next().unwrap_or_default();
                let range = start..start + line.len();
                let wrong = match line.starts_with("//") || line.starts_with('#') {
                    true => malformed::not_a_comment(range, line),
                    false => Unreadable {
                        range,
                        what: format!("text in <{element}> means nothing"),
                        cure: "remove it; a comment is written <!-- ... -->".to_owned(),
                    },
                };
                report.error(Span::new(self.source, wrong.range), wrong.what, wrong.cure);
            }
        }
    }

    fn cure(&self, name: &str, known: &[&str], shape: &Shape) -> String {
        let wrong = shape.wrong.iter().find(|(wrong, _)| *wrong == name);
        match (wrong, keys::nearest(name, known)) {
            (Some((_, cure)), _) => {
                let number = Some(self.text()).filter(|text| text.parse::<u64>().is_ok());
                cure.replace("{KB}", number.unwrap_or("819200"))
            }
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

/// The first thing that makes a file a transform (XDT) of another one.
pub(super) fn transform(document: &roxmltree::Document<'_>) -> Option<Range<usize>> {
    let mut attributes = document.descendants().flat_map(|node| node.attributes());
    let is_transform = |attribute: &roxmltree::Attribute<'_, '_>| {
        attribute
            .namespace()
            .is_some_and(|namespace| namespace.contains("XML-Document-Transform"))
    };
    attributes
        .find(is_transform)
        .map(|found| found.range_qname())
}

/// Where one of these elements stands in a comment.
pub(super) fn commented(
    document: &roxmltree::Document<'_>,
    names: &[&'static str],
) -> Option<(&'static str, Range<usize>)> {
    let comments = document.descendants().filter(roxmltree::Node::is_comment);
    comments.into_iter().find_map(|comment| {
        let range = comment.range();
        let text = &document.input_text()[range.clone()];
        names.iter().find_map(|name| {
            let open = format!("<{name}");
            let at = text.find(&open).filter(|at| {
                let rest = &text[at + open.len()..];
                rest.starts_with(|c: char| c.is_whitespace() || c == '>' || c == '/')
            })?;
            let start = range.start + at;
            Some((*name, start..start + open.len()))
        })
    })
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
    if let Some((at, what, cure)) = excessive(text) {
        return Err(Unreadable {
            range: at..at + 1,
            what,
            cure: cure.to_owned(),
        });
    }
    roxmltree::Document::parse(text).map_err(|error| malformed::explain(&error, text))
}

/// Where the file has more than it can mean, so much that parsing it could take minutes or the
/// stack.
fn excessive(text: &str) -> Option<(usize, String, &'static str)> {
    let close = "close the elements: each <name> needs a </name>, or ends in />";
    if let Some((at, _)) = text.match_indices("xmlns").nth(MOST_NAMESPACES) {
        let what = format!("more than {MOST_NAMESPACES} namespaces (xmlns) are declared");
        return Some((at, what, "give the app's web.config; it needs none"));
    }
    let (mut depth, mut tags, mut at) = (0usize, 0, 0);
    while let Some(start) = text[at..].find('<').map(|found| at + found) {
        let rest = &text[start..];
        if let Some(end) = passed_over(rest) {
            at = start + end;
            continue;
        }
        let tag = Tag::of(rest);
        if tag.attributes > MOST_ATTRIBUTES {
            let what = format!("an element has more than {MOST_ATTRIBUTES} attributes");
            return Some((start, what, close));
        }
        tags += 1;
        if tags > MOST_TAGS {
            let what = format!("more than {MOST_TAGS} tags are in this file");
            return Some((
                start,
                what,
                "give the app's web.config; it has a few hundred",
            ));
        }
        let inner = &rest[1..tag.length];
        if inner.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if !inner.starts_with(['!', '?']) && !inner.trim_end_matches('>').ends_with('/') {
            depth += 1;
        }
        if depth > DEEPEST {
            let what = format!("elements are nested more than {DEEPEST} deep");
            return Some((start, what, close));
        }
        at = start + tag.length;
    }
    None
}

/// The length of a comment or of character data; all of the rest if it does not end.
fn passed_over(rest: &str) -> Option<usize> {
    let kinds = [("<!--", "-->"), ("<![CDATA[", "]]>")];
    let (_, end) = kinds.iter().find(|(begin, _)| rest.starts_with(begin))?;
    Some(rest.find(end).map_or(rest.len(), |at| at + end.len()))
}

/// A tag, as far as the parser would read it.
struct Tag {
    length: usize,
    attributes: usize,
}

impl Tag {
    fn of(rest: &str) -> Self {
        let mut attributes = 0;
        let mut quote = None;
        for (i, byte) in rest.bytes().enumerate().skip(1) {
            match (quote, byte) {
                // The parser stops here: it is not allowed in a tag.
                (_, b'<') => {
                    return Self {
                        length: i,
                        attributes,
                    };
                }
                (Some(open), _) if open == byte => quote = None,
                (Some(_), _) => {}
                (None, b'>') => {
                    return Self {
                        length: i + 1,
                        attributes,
                    };
                }
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'=') => attributes += 1,
                (None, _) => {}
            }
        }
        Self {
            length: rest.len(),
            attributes,
        }
    }
}
