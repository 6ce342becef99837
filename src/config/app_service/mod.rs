//! App Service's auto-heal, which web.config and ARM write differently: triggers and the action
//! that they share become rules.
//!
//! A format hands over its [`Part`]s; what their values mean, and what is said of one that means
//! nothing, stands here once.

pub(super) mod actions;
pub(super) mod arguments;
pub(super) mod expand;
pub(super) mod program;
pub(super) mod timespan;
pub(super) mod triggers;

use super::{
    Surroundings,
    diagnostic::{Report, Span},
};

/// What a file is read with.
pub(super) struct Context<'a> {
    pub(super) around: &'a Surroundings<'a>,
    /// The folder of the file, which is the site's root; absolute.
    pub(super) root: std::path::PathBuf,
}

/// A trigger or an action as a format writes it: values with names.
pub(super) trait Part {
    /// Where it begins.
    fn span(&self) -> Span;

    /// Its name as people see it in the file.
    fn shown(&self) -> String;

    /// A value as text; `None` if it is absent.
    fn value(&self, name: &str) -> Option<Written<'_>>;

    /// A value that must be there and not be blank; what is missing is reported.
    fn need(&self, name: &str, example: &str, report: &mut Report) -> Option<Written<'_>>;

    /// How one writes that `name` is `value`.
    fn pair(&self, name: &str, value: &str) -> String;

    /// How one writes a part of these pairs inside this one.
    fn nested(&self, name: &str, pairs: &[(&str, &str)]) -> String;
}

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) text: &'a str,
    pub(super) span: Span,
}
