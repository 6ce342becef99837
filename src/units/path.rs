//! Patterns for paths.

use std::{fmt, str::FromStr};

use super::UnitError;

/// A pattern for a request's path: `*` stands for any run of characters, `/` included. Letters
/// match without regard to case; the query string is not looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    /// What stands between the stars, in lower case; one more than there are stars.
    pieces: Vec<Vec<u8>>,
}

impl PathPattern {
    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `path`, without its query string, matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path = path.as_bytes();
        let (first, rest) = self
            .pieces
            .split_first()
            .unwrap_or((const { &Vec::new() }, &[]));
        let Some((last, middle)) = rest.split_last() else {
            return path.eq_ignore_ascii_case(first);
        };
        if path.len() < first.len() + last.len()
            || !path[..first.len()].eq_ignore_ascii_case(first)
            || !path[path.len() - last.len()..].eq_ignore_ascii_case(last)
        {
            return false;
        }
        let mut left = &path[first.len()..path.len() - last.len()];
        for piece in middle {
            let found = left
                .windows(piece.len())
                .position(|at| at.eq_ignore_ascii_case(piece));
            match found {
                Some(at) => left = &left[at + piece.len()..],
                None => return false,
            }
        }
        true
    }
}

impl FromStr for PathPattern {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let cure = "start it with / or *, like \"/checkout/*\"; * stands for anything";
        let error = |what: String| Err(UnitError::new(what, cure));
        if !text.starts_with(['/', '*']) {
            return error(format!("the path \"{text}\" does not start with / or *"));
        }
        if let Some(bad) = text
            .chars()
            .find(|c| c.is_whitespace() || "?#".contains(*c))
        {
            return error(format!(
                "the path \"{text}\" contains {bad:?}, which never matches"
            ));
        }
        if text.len() > 1024 {
            return error("the path is longer than 1,024 bytes".to_owned());
        }
        let mut pieces: Vec<Vec<u8>> = text
            .split('*')
            .map(|piece| piece.to_ascii_lowercase().into_bytes())
            .collect();
        let last = pieces.len() - 1;
        let mut at = 0;
        pieces.retain(|piece| {
            at += 1;
            at == 1 || at == last + 1 || !piece.is_empty()
        });
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathPattern({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let matches = |pattern: &str, path| pattern.parse::<PathPattern>().unwrap().matches(path);
        assert!(matches("/checkout/*", "/Checkout/pay/1"));
        assert!(!matches("/checkout/*", "/checkout"));
        assert!(matches("*", "/") && matches("*", ""));
        assert!(matches("*.aspx", "/a/b.ASPX"));
        assert!(matches("/a*b*c", "/axxbyyc") && !matches("/a*b*c", "/acb"));
        assert!(!matches("/aa*aa", "/aaa"));
        assert!("checkout".parse::<PathPattern>().is_err());
        assert!("/a?b=1".parse::<PathPattern>().is_err());
    }

    /// The textbook matcher, exponential and obviously right.
    fn oracle(pattern: &[u8], path: &[u8]) -> bool {
        match pattern.split_first() {
            None => path.is_empty(),
            Some((b'*', rest)) => (0..=path.len()).any(|skip| oracle(rest, &path[skip..])),
            Some((c, rest)) => path
                .split_first()
                .is_some_and(|(d, left)| c.eq_ignore_ascii_case(d) && oracle(rest, left)),
        }
    }

    proptest! {
        #[test]
        fn path_patterns_match_as_the_textbook_says(
            pattern in "[/*][ab*/A]{0,7}",
            path in "/[abAB/]{0,9}",
        ) {
            let compiled: PathPattern = pattern.parse().unwrap();
            prop_assert_eq!(compiled.matches(&path), oracle(pattern.as_bytes(), path.as_bytes()));
        }
    }
}
