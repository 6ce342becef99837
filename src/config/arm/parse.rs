//! The syntax of ARM's expressions: calls, literals, and ways into what a call gives.

/// One expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    Call {
        function: String,
        arguments: Vec<Self>,
        /// The properties and places that are taken of the result.
        path: Vec<Self>,
    },
    Number(i64),
    Text(String),
}

/// Calls nested deeper are refused.
const DEEPEST: usize = 32;

/// Whether a string is an expression; `[[` begins one that only looks like it.
pub(super) fn is_expression(text: &str) -> bool {
    text.starts_with('[') && text.ends_with(']') && !text.starts_with("[[")
}

/// Parses a text with its outer brackets; `None`: it is none of what Azure reads.
pub(super) fn parse(text: &str) -> Option<Expression> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let mut parser = Parser { rest: inner };
    let read = parser.expression(0)?;
    parser.blanks();
    parser.rest.is_empty().then_some(read)
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn expression(&mut self, depth: usize) -> Option<Expression> {
        if depth > DEEPEST {
            return None;
        }
        self.blanks();
        if self.rest.starts_with('\'') {
            return self.text().map(Expression::Text);
        }
        if self
            .rest
            .starts_with(|c: char| c.is_ascii_digit() || c == '-')
        {
            let number = self.take(|c| c.is_ascii_digit() || c == '-')?;
            return number.parse().ok().map(Expression::Number);
        }
        let function = self.take(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')?;
        let mut arguments = Vec::new();
        self.expect('(')?;
        while !self.is_next(')') {
            if !arguments.is_empty() {
                self.expect(',')?;
            }
            arguments.push(self.expression(depth + 1)?);
        }
        self.expect(')')?;
        let mut path = Vec::new();
        loop {
            if self.is_next('.') {
                self.expect('.')?;
                let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_')?;
                path.push(Expression::Text(name.to_owned()));
            } else if self.is_next('[') {
                self.expect('[')?;
                path.push(self.expression(depth + 1)?);
                self.expect(']')?;
            } else {
                break;
            }
        }
        Some(Expression::Call {
            function: function.to_owned(),
            arguments,
            path,
        })
    }

    /// A string in single quotes, of which two stand for one inside.
    fn text(&mut self) -> Option<String> {
        let mut read = String::new();
        self.rest = self.rest.strip_prefix('\'')?;
        loop {
            let (before, after) = self.rest.split_once('\'')?;
            read.push_str(before);
            self.rest = after;
            match after.strip_prefix('\'') {
                Some(rest) => {
                    read.push('\'');
                    self.rest = rest;
                }
                None => return Some(read),
            }
        }
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!taken.is_empty()).then_some(taken)
    }

    fn expect(&mut self, c: char) -> Option<()> {
        self.blanks();
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }

    fn is_next(&mut self, c: char) -> bool {
        self.blanks();
        self.rest.starts_with(c)
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(function: &str, arguments: Vec<Expression>, path: Vec<Expression>) -> Expression {
        Expression::Call {
            function: function.to_owned(),
            arguments,
            path,
        }
    }

    fn text(text: &str) -> Expression {
        Expression::Text(text.to_owned())
    }

    #[test]
    fn an_expression_is_a_call_of_literals_and_calls() {
        let x = call("parameters", vec![text("x")], vec![]);
        assert_eq!(parse("[parameters('x')]"), Some(x.clone()));
        assert_eq!(parse("[\n  parameters ( 'x' )\n]"), Some(x.clone()));
        let both = call(
            "concat",
            vec![x, text("it's"), Expression::Number(-5)],
            vec![],
        );
        assert_eq!(parse("[concat(parameters('x'), 'it''s', -5)]"), Some(both));
        let path = vec![text("a"), text("b c"), Expression::Number(0)];
        let within = call("variables", vec![text("v")], path);
        assert_eq!(parse("[variables('v').a['b c'][0]]"), Some(within));
    }

    #[test]
    fn what_azure_would_refuse_is_none() {
        for wrong in [
            "[]",
            "[a-z]",
            "[parameters('x'",
            "[parameters('x)]",
            "[parameters('x') 'y']",
            "[f(a b)]",
            "[f('a',)]",
            "[99999999999999999999]",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        let deep = format!("[{}1{}]", "f(".repeat(1000), ")".repeat(1000));
        assert_eq!(parse(&deep), None);
    }

    #[test]
    fn two_brackets_begin_an_ordinary_text() {
        assert!(is_expression("[parameters('x')]"));
        assert!(!is_expression("[[parameters('x')]"));
        assert!(!is_expression("[x"));
        assert!(!is_expression(""));
    }
}
