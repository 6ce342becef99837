//! One line of the journal, as it is read back.

use serde_json::Value;

/// A record of the journal.
#[derive(Clone, Debug)]
pub struct Line(Value);

impl Line {
    /// Reads a line; `None`: it is not a record.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        value.is_object().then_some(Self(value))
    }

    /// The incident that it belongs to.
    #[must_use]
    pub fn incident(&self) -> Option<u64> {
        self.number("incident")
    }

    /// One of its fields; empty: it has none of that name, or it is no text.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or("")
    }

    pub(super) fn words(&self, name: &str) -> Option<String> {
        self.0[name].as_str().map(super::fold::clipped)
    }

    /// One of its fields.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    /// One of its fields; a missing one is false.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.0[name].as_bool().unwrap_or(false)
    }

    pub(super) fn value(&self, name: &str) -> &Value {
        &self.0[name]
    }
}
