//! What is wrong with a configuration, where, and what to write instead.
//!
//! A diagnostic can't be made without a cure.

use std::{ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

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
            let snippet = Snippet::source(excerpt.text)
                .path(&place.source.name)
                .line_start(excerpt.line)
                .annotation(AnnotationKind::Primary.span(excerpt.range));
            what = what.element(snippet);
        }
        let cure = Group::with_title(Level::HELP.secondary_title(&self.cure));
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut text = renderer.render(&[what, cure]);
        text.push('\n');
        text
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

    /// The lines of the place, at most three, so that rendering costs the same in any file.
    fn excerpt(&self) -> Excerpt<'_> {
        const MOST_LINES: usize = 3;
        let text = &self.source.text;
        let range = self.clamped();
        let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        let last = text[range.clone()].bytes().filter(|b| *b == b'\n').count();
        let end = text[range.start..]
            .match_indices('\n')
            .nth(last.min(MOST_LINES - 1))
            .map_or(text.len(), |(at, _)| range.start + at);
        Excerpt {
            text: &text[start..end],
            line: self.line_column().0,
            range: range.start - start..range.end.min(end) - start,
        }
    }

    fn clamped(&self) -> Range<usize> {
        let text = &self.source.text;
        let mut start = self.range.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = self.range.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }
}

struct Excerpt<'a> {
    text: &'a str,
    line: usize,
    range: Range<usize>,
}

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
        let place = span.map(|span| Place {
            source: Arc::clone(&self.sources[span.source].0),
            range: span.start..span.end,
        });
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

    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
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
