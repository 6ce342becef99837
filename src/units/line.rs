//! What a line of text must have: a literal, or a regular expression that is matched in linear
//! time.

use regex::bytes::{Regex, RegexBuilder};

use super::UnitError;

/// What a line must have to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinePattern {
    /// This text, somewhere in it.
    Contains(String),
    /// A match of this regular expression, somewhere in it. Made by [`LinePattern::regex`], so
    /// that it can be compiled.
    Regex(String),
}

/// The longest pattern, in bytes.
const LONGEST: usize = 1024;
/// The most memory that a compiled pattern may take, in bytes.
const COMPILED_MOST: usize = 256 * 1024;

impl LinePattern {
    /// A regular expression.
    ///
    /// # Errors
    /// When it is none, when it is too large, and when it wants what takes more than linear time.
    pub fn regex(text: &str) -> Result<Self, UnitError> {
        let pattern = Self::Regex(text.to_owned());
        pattern.compiled()?;
        Ok(pattern)
    }

    /// This text.
    ///
    /// # Errors
    /// When it is too long.
    pub fn contains(text: &str) -> Result<Self, UnitError> {
        let pattern = Self::Contains(text.to_owned());
        pattern.compiled()?;
        Ok(pattern)
    }

    /// Ready to be matched against lines of bytes.
    ///
    /// # Errors
    /// When it can't be compiled.
    pub fn compiled(&self) -> Result<Regex, UnitError> {
        let (text, literal) = match self {
            Self::Contains(text) => (text, true),
            Self::Regex(text) => (text, false),
        };
        if text.len() > LONGEST {
            return Err(UnitError::new(
                format!("a pattern of {} bytes is too long", text.len()),
                format!("keep it to {LONGEST} bytes: a few words of the line are enough"),
            ));
        }
        let escaped = literal.then(|| regex::escape(text));
        RegexBuilder::new(escaped.as_ref().unwrap_or(text))
            .size_limit(COMPILED_MOST)
            .build()
            .map_err(|error| {
                let why = error.to_string();
                let last = why.lines().last().unwrap_or_default();
                let last = last.trim_start_matches("error: ");
                UnitError::new(
                    format!("\"{text}\" is not a regular expression: {last}"),
                    "write it as the Rust crate regex has it, without look-around and \
                     back-references; contains = \"...\" takes a text as it is",
                )
            })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Contains(text) | Self::Regex(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_taken_as_it_is_and_bytes_that_are_no_text_are_no_obstacle() {
        let literal = LinePattern::contains("a.b (c").unwrap().compiled().unwrap();
        assert!(literal.is_match(b"\xff a.b (c"));
        assert!(!literal.is_match(b"axb (c"));
        let regex = LinePattern::regex("(?i)out ?of ?memory").unwrap();
        assert!(regex.compiled().unwrap().is_match(b"\xfe OutOfMemory"));
    }

    #[test]
    fn what_is_no_regular_expression_or_would_be_slow_or_large_is_refused() {
        for wrong in [
            "(",
            "(a)\\1",
            "a(?=b)",
            "(a{1000}){1000}",
            &"x".repeat(2000),
        ] {
            assert!(LinePattern::regex(wrong).is_err(), "{wrong}");
        }
    }
}
