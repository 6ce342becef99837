//! What a format can't say: a warning each, with what is nearest to it.

use super::section::Section;
use crate::{
    config::{Diagnostic, Severity},
    decide::policy::Rule,
};

/// Collects what one format can't say.
pub(super) struct Losses {
    /// The format's name.
    target: &'static str,
    found: Vec<Diagnostic>,
}

impl Losses {
    pub(super) fn new(target: &'static str) -> Self {
        Self {
            target,
            found: Vec::new(),
        }
    }

    /// Something of one rule: what follows its name, and what holds instead.
    pub(super) fn rule(
        &mut self,
        rule: &Rule,
        what: impl Into<String>,
        nearest: impl Into<String>,
    ) {
        let what = what.into();
        self.add(
            format!("{}: \"{}\" {what}", self.target, rule.name),
            nearest,
        );
    }

    /// Something of the file as a whole.
    pub(super) fn all(&mut self, what: impl Into<String>, nearest: impl Into<String>) {
        let what = what.into();
        self.add(format!("{}: {what}", self.target), nearest);
    }

    /// Settings that have no word: what to keep in an autoheal.toml.
    pub(super) fn settings(&mut self, left: &[Section]) {
        if left.is_empty() {
            return;
        }
        let mut names: Vec<_> = left.iter().flat_map(Section::keys).collect();
        names.sort_unstable();
        names.dedup();
        let lines: String = left.iter().map(Section::text).collect();
        let indented: String = lines.lines().map(|line| format!("\n    {line}")).collect();
        self.all(
            format!("these have no word there: {}", names.join(", ")),
            format!(
                "keep them in an autoheal.toml, and give both files: --config FILE --config \
                 autoheal.toml\n{indented}"
            ),
        );
    }

    fn add(&mut self, what: String, nearest: impl Into<String>) {
        let found = Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(what, nearest)
        };
        if !self.found.contains(&found) {
            self.found.push(found);
        }
    }

    pub(super) fn into_found(self) -> Vec<Diagnostic> {
        self.found
    }
}
