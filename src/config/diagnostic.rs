//! What is wrong with a configuration, where, and what to write instead.
//!
//! A diagnostic can't be made without a cure.

use std::{ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is not used.
    Error,
    /// It is used, but probably not as meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as a fragment without a full stop.
    pub what: String,
    /// Where; `None` for something that is missing everywhere.
    pub place: Option<Place>,
    /// What to do.
    pub cure: String,
}

impl Diagnostic {
    /// An error without a place.
    #[must_use]
    pub fn error(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            what: what.into(),
            place: None,
            cure: cure.into(),
        }
    }

    /// Whether the configuration can't be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The diagnostic in one line, as for a log.
    #[must_use]
    pub fn line(&self) -> String {
        let place = self.place.as_ref().map_or_else(String::new, |place| {
            let (line, column) = place.line_column();
            format!("{}:{line}:{column}: ", place.source.name)
        });
        let text = format!("{place}{} ({})", self.what, self.cure);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The diagnostic with its excerpt, as rustc prints its own, ending in a newline.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut what = Group::with_title(level.primary_title(&self.what));
        if let Some(place) = &self.place {
            let excerpt = place.excerpt();
            let (line, column) = place.line_column();
            let mut snippet = Snippet::source(excerpt.text)
                .line_start(line)
                .annotation(AnnotationKind::Primary.span(excerpt.range));
            if excerpt.from_line_start {
                snippet = snippet.path(&place.source.name);
            } else {
                let origin = Origin::path(&place.source.name).line(line);
                what = what.element(origin.char_column(column));
            }
            what = what.element(snippet);
        }
        let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        let cure: String = self.cure.chars().map(plain).collect();
        let cure = Group::with_title(Level::HELP.secondary_title(cure));
        let report = match self.place {
            Some(_) => vec![vec![what, cure]],
            // Without an excerpt nothing is left to draw a line between.
            None => vec![vec![what], vec![cure]],
        };
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let parts = report.iter().map(|groups| renderer.render(groups) + "\n");
        parts.collect()
    }
}

/// A place in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which source.
    pub source: Arc<SourceText>,
    /// Which bytes of its text.
    pub range: Range<usize>,
}

/// The name and text of a source, kept for excerpts.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The file's path as the user gave it, or the option's name.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Place {
    /// The line and the column of its first character, both from 1.
    #[must_use]
    pub fn line_column(&self) -> (usize, usize) {
        let before = &self.source.text[..self.clamped().start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// The lines of the place, at most three, and of a long line what is around it.
    #[must_use]
    pub fn lines(&self) -> String {
        self.excerpt().text
    }

    /// The lines of the place, at most three, so that rendering costs the same in any file.
    fn excerpt(&self) -> Excerpt {
        const MOST_LINES: usize = 3;
        const MOST_BYTES: usize = 300;
        let text = &self.source.text;
        let range = self.clamped();
        let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        let last = text[range.clone()].bytes().filter(|b| *b == b'\n').count();
        let end = text[range.start..]
            .match_indices('\n')
            .nth(last.min(MOST_LINES - 1))
            .map_or(text.len(), |(at, _)| range.start + at);
        let line_start = start;
        let start = floor(text, start.max(range.start.saturating_sub(MOST_BYTES)));
        let end = floor(text, end.min(range.start + MOST_BYTES));
        // Windows ends lines with two characters; a blank is as wide as the first of them.
        let shown = text[start..end].replace('\r', " ");
        let marked = range.end.min(end) - start;
        let whole = marked + shown[marked..].trim_end().len();
        Excerpt {
            text: shown[..whole].to_owned(),
            from_line_start: start == line_start,
            range: range.start - start..marked,
        }
    }

    fn clamped(&self) -> Range<usize> {
        let text = &self.source.text;
        let start = floor(text, self.range.start.min(text.len()));
        start..floor(text, self.range.end.clamp(start, text.len()))
    }
}

struct Excerpt {
    text: String,
    /// It begins where its line does, so that its columns are the file's.
    from_line_start: bool,
    range: Range<usize>,
}

/// The start of the character that `at` lies in.
fn floor(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// So many diagnostics are told of one configuration; who has more has given the wrong file.
const MOST_FOUND: usize = 200;

/// Collects what is wrong, so that all of it is said at once.
#[derive(Debug, Default)]
pub(super) struct Report {
    sources: Vec<(Arc<SourceText>, std::path::PathBuf)>,
    found: Vec<Diagnostic>,
    /// A source could not be read as a whole: what seems missing may stand there.
    pub(super) partial: bool,
    /// A missing command is only worth a warning.
    pub(super) command_may_follow: bool,
}

impl Report {
    pub(super) fn add_source(
        &mut self,
        name: impl Into<String>,
        text: impl Into<String>,
        dir: impl Into<std::path::PathBuf>,
    ) -> usize {
        let text = SourceText {
            name: name.into(),
            text: text.into(),
        };
        self.sources.push((Arc::new(text), dir.into()));
        self.sources.len() - 1
    }

    /// The folder that relative paths of this source start from.
    pub(super) fn dir(&self, span: Span) -> &std::path::Path {
        &self.sources[span.source].1
    }

    pub(super) fn text(&self, span: Span) -> &str {
        self.sources[span.source]
            .0
            .text
            .get(span.start..span.end)
            .unwrap_or_default()
    }

    /// The line and the column that a span begins at, both from 1.
    pub(super) fn line_column(&self, span: Span) -> (usize, usize) {
        let place = Place {
            source: Arc::clone(&self.sources[span.source].0),
            range: span.start..span.end,
        };
        place.line_column()
    }

    pub(super) fn error(&mut self, span: Span, what: impl Into<String>, cure: impl Into<String>) {
        self.push(Severity::Error, Some(span), what.into(), cure.into());
    }

    pub(super) fn warning(&mut self, span: Span, what: impl Into<String>, cure: impl Into<String>) {
        self.push(Severity::Warning, Some(span), what.into(), cure.into());
    }

    /// Something required is not there. Not said when part of a source could not be read.
    pub(super) fn missing(
        &mut self,
        span: Option<Span>,
        what: impl Into<String>,
        cure: impl Into<String>,
    ) {
        if !self.partial {
            self.push(Severity::Error, span, what.into(), cure.into());
        }
    }

    fn push(&mut self, severity: Severity, span: Option<Span>, what: String, cure: String) {
        if self.found.len() == MOST_FOUND && severity == Severity::Error {
            self.found.push(Diagnostic::error(
                format!("more than {MOST_FOUND} things are wrong; the others are not shown"),
                "cure the first ones, or check that this is the file you mean",
            ));
        }
        if self.found.len() >= MOST_FOUND {
            return;
        }
        let place = span.map(|span| self.place(span));
        let new = Diagnostic {
            severity,
            what,
            place,
            cure,
        };
        if !self.found.contains(&new) {
            self.found.push(new);
        }
    }

    /// The place of a span, with its source.
    pub(super) fn place(&self, span: Span) -> Place {
        Place {
            source: Arc::clone(&self.sources[span.source].0),
            range: span.start..span.end,
        }
    }

    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Whether something was found at exactly this place.
    pub(super) fn has_at(&self, span: Span) -> bool {
        let source = &self.sources[span.source].0;
        let here = |place: &Place| {
            Arc::ptr_eq(&place.source, source) && place.range == (span.start..span.end)
        };
        self.found
            .iter()
            .filter_map(|found| found.place.as_ref())
            .any(here)
    }

    /// How many things were found so far.
    pub(super) fn found(&self) -> usize {
        self.found.len()
    }

    /// Takes back what was found after the first so many.
    pub(super) fn forget_since(&mut self, found: usize) {
        self.found.truncate(found);
    }

    /// Whether no more is told, so that looking further is in vain.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() > MOST_FOUND
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }

    /// Everything found, in the order of the sources and, in each, of the text.
    pub(super) fn into_found(mut self) -> Vec<Diagnostic> {
        let position = |found: &Diagnostic| {
            found.place.as_ref().map_or((usize::MAX, 0), |place| {
                let source = self
                    .sources
                    .iter()
                    .position(|(source, _)| Arc::ptr_eq(source, &place.source));
                (source.unwrap_or(usize::MAX), place.range.start)
            })
        };
        self.found.sort_by_key(position);
        self.found
    }
}

/// Bytes of one of the report's sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) source: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn new(source: usize, range: Range<usize>) -> Self {
        Self {
            source,
            start: range.start,
            end: range.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, range: Range<usize>) -> Diagnostic {
        let source = SourceText {
            name: "a.toml".to_owned(),
            text: text.to_owned(),
        };
        Diagnostic {
            place: Some(Place {
                source: Arc::new(source),
                range,
            }),
            ..Diagnostic::error("it is wrong", "make it \u{1b}[31mright")
        }
    }

    #[test]
    fn a_place_is_counted_in_characters_from_one() {
        let found = at("é = 1\nñandú = 2\n", 7..14);
        let place = found.place.unwrap();
        assert_eq!(place.line_column(), (2, 1));
        let found = at("é = 1\nñandú = 2\n", 17..18);
        assert_eq!(found.place.unwrap().line_column(), (2, 9));
    }

    #[test]
    fn an_endless_line_is_shown_in_part_and_with_its_real_column() {
        let text = "a".repeat(100_000) + "\n" + &"b".repeat(100_000) + "!" + &"c".repeat(100_000);
        let shown = at(&text, 200_001..200_002).render(false);
        assert!(shown.contains("a.toml:2:100001"), "{shown}");
        assert!(shown.len() < 1500 && shown.contains('!'), "{shown}");
    }

    #[test]
    fn what_spans_many_lines_is_shown_by_its_first_three() {
        let shown = at(&"line\n".repeat(1000), 0..5000).render(false);
        assert_eq!(shown.matches("line").count(), 3, "{shown}");
    }

    #[test]
    fn lines_that_windows_ended_look_as_others_do() {
        let shown = at("a = 1\r\nb = 2\r\n", 7..12).render(false);
        assert!(shown.contains("b = 2\n"), "{shown}");
        let shown = at("a = 1\r\nb = 2\r\n", 4..8).render(false);
        assert!(!shown.contains(['\r', '\u{240d}']), "{shown}");
    }

    #[test]
    fn there_is_colour_only_when_it_is_asked_for() {
        let found = at("a = 1", 0..1);
        assert!(!found.render(false).contains('\u{1b}'));
        assert!(found.render(true).contains('\u{1b}'));
    }

    #[test]
    fn a_place_outside_of_its_text_is_shown_nevertheless() {
        for range in [0..9, 7..9, 1..2, 3..3] {
            assert!(at("éé", range).render(false).contains("a.toml:1:"));
        }
        assert!(at("", 0..0).render(false).contains("a.toml:1:1"));
    }

    #[test]
    fn two_hundred_diagnostics_are_enough() {
        let mut report = Report::default();
        let source = report.add_source("a.toml", "x".repeat(1000), "/");
        for at in 0..1000 {
            report.error(Span::new(source, at..at + 1), "wrong", "right it");
        }
        let found = report.into_found();
        assert_eq!(found.len(), 201);
        assert!(found[200].what.contains("more than 200"));
    }
}
