//! Strings, and what is used for their quotes by mistake.

use super::{Reading, Stop, clipped};

/// Whether a string begins here, or was meant to.
pub(super) fn is_quote(c: char) -> bool {
    c == '"' || c == '\'' || c == '`' || TYPOGRAPHIC.contains(&c)
}

/// What word processors and chat programs make of quotes.
const TYPOGRAPHIC: [char; 8] = ['“', '”', '„', '‟', '‘', '’', '«', '»'];

impl Reading<'_> {
    /// Reads the string that begins with the next character.
    pub(super) fn string(&mut self) -> Result<String, Stop> {
        match self.peek() {
            Some('"') => self.quoted(),
            _ => self.misquoted(),
        }
    }

    fn quoted(&mut self) -> Result<String, Stop> {
        let start = self.at;
        self.at += 1;
        // Azure lets expressions run over several lines.
        let is_expression = self.text[self.at..].starts_with('[');
        let mut read = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ');
            let plain = plain.unwrap_or(rest.len());
            read.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some('"') => {
                    self.at += 1;
                    return Ok(read);
                }
                Some('\\') => self.escape(&mut read)?,
                Some(c @ ('\n' | '\r' | '\t')) if is_expression => {
                    read.push(c);
                    self.at += 1;
                }
                None | Some('\n' | '\r') => {
                    let what = format!("this string never ends: \"{}", clipped(read.trim_end()));
                    self.error(start..self.at, what, "close it with \" on its own line");
                    return Err(Stop);
                }
                Some(control) => {
                    self.error(
                        self.at..self.at + 1,
                        "a string can't contain this control character",
                        match control {
                            '\t' => "write \\t for a tab, or a space".to_owned(),
                            _ => format!("remove it, or write \\u{:04x}", u32::from(control)),
                        },
                    );
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, read: &mut String) -> Result<(), Stop> {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.peek() else {
            return self.ended("\"", start);
        };
        self.at += c.len_utf8();
        let meant = match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let Some(c) = self.unicode() else {
                    let end = self.at.min(self.text.len());
                    self.error(
                        start..end,
                        "\\u wants four hexadecimal digits of a character",
                        "write \\u00e9, or the character itself; write \\\\ for a backslash",
                    );
                    return Ok(());
                };
                c
            }
            _ => {
                self.error(
                    start..self.at,
                    format!("\\{c} means nothing in JSON"),
                    "write \\\\ for a backslash: \"D:\\\\home\"",
                );
                read.push('\\');
                c
            }
        };
        read.push(meant);
        Ok(())
    }

    /// The character of `\u`, whose second half may follow in a second `\u`.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.text[self.at..].starts_with("\\u") {
            return None;
        }
        self.at += 2;
        let second = self.hex()?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    /// A string in quotes that are none of JSON's; it ends on its line.
    fn misquoted(&mut self) -> Result<String, Stop> {
        let start = self.at;
        let open = self.peek().unwrap_or('\'');
        self.at += open.len_utf8();
        let typographic = TYPOGRAPHIC.contains(&open);
        let closes = |c: char| match typographic {
            true => TYPOGRAPHIC.contains(&c) || c == '"',
            false => c == open,
        };
        let rest = &self.text[self.at..];
        let end = rest.find(|c| closes(c) || c == '\n');
        let end = end.unwrap_or(rest.len());
        let Some(close) = rest[end..].chars().next().filter(|c| closes(*c)) else {
            self.error(
                start..self.at + end,
                "this string never ends, and does not begin with a double quote",
                "put it in double quotes: \"text\"",
            );
            return Err(Stop);
        };
        let read = rest[..end].to_owned();
        self.at += end + close.len_utf8();
        let (what, cure) = match typographic {
            true => (
                "these are typographic quotes, as word processors make them",
                "write \" in their place, here and in the rest of the file",
            ),
            false => (
                "strings stand in double quotes in JSON",
                "write \" in place of these quotes, here and in the rest of the file",
            ),
        };
        self.tell_once(start..self.at, what, cure);
        Ok(read)
    }
}
