//! Splits a command line as Windows programs do.

/// Splits at blanks outside of quotes. Backslashes are literal except before a quote, where two
/// stand for one and an odd one makes the quote literal.
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
        if c.is_ascii_whitespace() && !quoted {
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

#[cfg(test)]
mod tests {
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
        ] {
            assert_eq!(split(line), expected, "{line}");
        }
    }
}
