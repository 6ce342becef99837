//! What stands without quotes: numbers, `true`, `false`, `null`, and what should have had quotes.

use super::{Reading, Stop, Value, clipped};

impl<'a> Reading<'a> {
    /// Reads a value without quotes.
    pub(super) fn bare(&mut self) -> Result<Value, Stop> {
        let start = self.at;
        let token = self.token(false);
        if token.is_empty() {
            return self.unexpected();
        }
        self.at += token.len();
        if let Some(value) = known(token) {
            return Ok(value);
        }
        let (cure, value) = match token.to_ascii_lowercase().as_str() {
            "true" => ("write true".to_owned(), Value::Flag(true)),
            "false" => ("write false".to_owned(), Value::Flag(false)),
            "null" | "none" | "nil" | "undefined" => ("write null".to_owned(), Value::Null),
            _ => {
                let number = token.replace('_', "");
                let number = number.trim_start_matches('+');
                let trimmed = match number.trim_start_matches('0') {
                    rest if rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
                    _ => number,
                };
                match known(trimmed) {
                    Some(value) => (format!("write {}", clipped(trimmed)), value),
                    None => (
                        format!("put it in double quotes: \"{}\"", clipped(token)),
                        Value::Text(token.to_owned()),
                    ),
                }
            }
        };
        let what = format!("{} is not a value in JSON", clipped(token));
        self.error(start..start + token.len(), what, cure);
        Ok(value)
    }

    /// Reads a key without quotes, and says that it needs some.
    pub(super) fn bare_key(&mut self) -> Result<String, Stop> {
        let token = self.token(true);
        if token.is_empty() {
            return self.unexpected();
        }
        self.tell_once(
            self.at..self.at + token.len(),
            "keys stand in double quotes in JSON",
            &format!(
                "write \"{}\": and so on in the rest of the file",
                clipped(token)
            ),
        );
        self.at += token.len();
        Ok(token.to_owned())
    }

    fn token(&self, key: bool) -> &'a str {
        let text: &'a str = self.text;
        let rest = &text[self.at..];
        let ends = |c: char| {
            c.is_whitespace() || ",{}[]\"'/".contains(c) || (key && (c == ':' || c == '='))
        };
        &rest[..rest.find(ends).unwrap_or(rest.len())]
    }

    fn unexpected<T>(&mut self) -> Result<T, Stop> {
        let c = self.peek().unwrap_or(' ');
        self.error(
            self.at..self.at + c.len_utf8(),
            format!("{c} is not expected here"),
            "write a key or a value in double quotes, or remove it",
        );
        Err(Stop)
    }
}

/// A literal or a number, exactly as the standard has them.
fn known(token: &str) -> Option<Value> {
    match token {
        "true" => return Some(Value::Flag(true)),
        "false" => return Some(Value::Flag(false)),
        "null" => return Some(Value::Null),
        "-0" => return Some(Value::Other("the number -0")),
        _ => {}
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = token.strip_prefix('-').unwrap_or(token);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let good = digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
    if !good {
        return None;
    }
    if fraction.is_some() || exponent.is_some() {
        return Some(Value::Other("a number with a fraction"));
    }
    let number = token.parse().map(Value::Integer);
    Some(number.unwrap_or(Value::Other("a number so large")))
}
