//! Splits a command line into arguments as Windows programs do, and writes arguments as one.

/// Splits at blanks outside of quotes. Backslashes are literal except before a quote, where two
/// stand for one and an odd one makes the quote literal; two quotes inside of quotes are one.
pub(in crate::config) fn split(line: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut quoted = false;
    let mut backslashes = 0;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' {
            backslashes += 1;
            continue;
        }
        if c == '"' {
            let text = current.get_or_insert_default();
            text.extend(std::iter::repeat_n('\\', backslashes / 2));
            let literal = backslashes % 2 == 1;
            backslashes = 0;
            if literal {
                text.push('"');
            } else if quoted && chars.peek() == Some(&'"') {
                chars.next();
                text.push('"');
            } else {
                quoted = !quoted;
            }
            continue;
        }
        if backslashes > 0 {
            let text = current.get_or_insert_default();
            text.extend(std::iter::repeat_n('\\', backslashes));
            backslashes = 0;
        }
        if is_blank(c) && !quoted {
            arguments.extend(current.take());
        } else {
            current.get_or_insert_default().push(c);
        }
    }
    if backslashes > 0 {
        let text = current.get_or_insert_default();
        text.extend(std::iter::repeat_n('\\', backslashes));
    }
    arguments.extend(current);
    arguments
}

/// Writes arguments so that [`split`] and every Windows program read the same ones.
pub(in crate::config) fn join<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = arguments.into_iter().map(quote).collect();
    quoted.join(" ")
}

/// One argument, in quotes where it needs them.
fn quote(argument: &str) -> String {
    if !argument.is_empty() && !argument.contains(|c| is_blank(c) || c == '"') {
        return argument.to_owned();
    }
    let mut quoted = String::from('"');
    let mut backslashes = 0;
    for c in argument.chars() {
        if c == '\\' {
            backslashes += 1;
        } else {
            if c == '"' {
                // Those before a quote count twice, and one more makes the quote literal.
                quoted.extend(std::iter::repeat_n('\\', backslashes + 1));
            }
            backslashes = 0;
        }
        quoted.push(c);
    }
    quoted.extend(std::iter::repeat_n('\\', backslashes));
    quoted.push('"');
    quoted
}

/// Only these separate arguments on Windows; a line break is part of one.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_split_as_windows_splits_it() {
        for (line, expected) in [
            ("", &[][..]),
            ("a  b\tc", &["a", "b", "c"]),
            (r#""a b" c"#, &["a b", "c"]),
            (r#"-x="a b""#, &["-x=a b"]),
            (r"C:\dir\file", &[r"C:\dir\file"]),
            (r#""C:\dir\\" next"#, &[r"C:\dir\", "next"]),
            (r#"say \"hi\""#, &["say", r#""hi""#]),
            (r#"a\\\"b"#, &[r#"a\"b"#]),
            (r#"a\\\\"b c" d"#, &[r"a\\b c", "d"]),
            (r#""he said ""hi""" x"#, &[r#"he said "hi""#, "x"]),
            (r#""" a"#, &["", "a"]),
            (r"end\", &[r"end\"]),
            ("a\nb c", &["a\nb", "c"]),
            (r#""open to the end"#, &["open to the end"]),
            (r#"a"b c"d e"#, &["ab cd", "e"]),
        ] {
            assert_eq!(split(line), expected, "{line}");
        }
    }
    #[test]
    fn an_argument_is_quoted_only_where_it_must_be() {
        for (argument, expected) in [
            ("", r#""""#),
            ("plain", "plain"),
            (r"C:\dir\", r"C:\dir\"),
            (r"C:\my dir\", r#""C:\my dir\\""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r#"a\"b"#, r#""a\\\"b""#),
        ] {
            assert_eq!(quote(argument), expected, "{argument}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            arguments in prop::collection::vec("[a\"\\\\ \t\n%é]{0,8}", 0..6),
        ) {
            let line = join(arguments.iter().map(String::as_str));
            prop_assert_eq!(split(&line), arguments);
        }
    }
}
