//! What a client is told whose request could not be read, or was not waited for to its end.

use http::StatusCode;

use crate::explain::code::Code;

/// The code for a head that hyper could not read and answered with `status`, of which `said` is
/// there. `None`: there is nobody to tell.
pub(super) fn of_head(error: &hyper::Error, status: Option<u16>, said: &[u8]) -> Option<Code> {
    let what = error.to_string();
    Some(match status? {
        414 => Code::TargetTooLong,
        431 => Code::HeadTooLarge,
        _ if what.contains("content-length") || what.contains("transfer-encoding") => {
            Code::AmbiguousFraming
        }
        _ => match of_line(said) {
            Some(code) => code,
            None if what.contains("header") => Code::BadField,
            None if what.contains("URI") => Code::BadTarget,
            None => Code::NotHttp,
        },
    })
}

/// What is wrong with a request line (RFC 9112 section 3), if anything is.
fn of_line(said: &[u8]) -> Option<Code> {
    let (line, whole) = match said.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&said[..end], true),
        None => (said, false),
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (method, rest) = split(line, line.iter().position(|byte| *byte == b' '));
    let is_method = !method.is_empty() && method.iter().all(|byte| is_of_token(*byte));
    let Some(rest) = rest.filter(|_| is_method) else {
        return Some(Code::NotHttp);
    };
    let (target, version) = split(rest, rest.iter().rposition(|byte| *byte == b' '));
    let named = version.is_some_and(|version| version.starts_with(b"HTTP/"));
    if whole && !named {
        return Some(Code::NotHttp);
    }
    if target.iter().any(|byte| *byte <= b' ' || *byte == 0x7F) {
        return Some(Code::BadTarget);
    }
    match version.filter(|_| whole)?.strip_prefix(b"HTTP/")? {
        b"1.0" | b"1.1" => None,
        [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Some(Code::VersionNotSpoken)
        }
        _ => Some(Code::NotHttp),
    }
}

/// What stands before the byte there, and behind it.
fn split(text: &[u8], at: Option<usize>) -> (&[u8], Option<&[u8]>) {
    match at {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// RFC 9110 section 5.6.2.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An answer to a client that hyper has none for.
pub(super) fn last_words(code: Code) -> Vec<u8> {
    let body = format!("{} {}\n{}\n", code.number(), code.name(), code.meaning());
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    format!(
        "HTTP/1.1 {status}\r\nproxy-status: autoheal; error={}; details=\"{}\"\r\n\
         content-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n\
         {body}",
        code.proxy_error(),
        code.number(),
        body.len(),
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_named_as_rfc_9112_names_it_or_it_is_not_http() {
        let versions = [
            ("HTTP/1.1", None),
            ("HTTP/1.0", None),
            ("HTTP/1.2", Some(Code::VersionNotSpoken)),
            ("HTTP/2.0", Some(Code::VersionNotSpoken)),
            ("HTTP/0.9", Some(Code::VersionNotSpoken)),
            ("HTTP/1.10", Some(Code::NotHttp)),
            ("HTTP/01.1", Some(Code::NotHttp)),
            ("HTTP/1.", Some(Code::NotHttp)),
            ("HTTP/1", Some(Code::NotHttp)),
            ("HTTP/1.1x", Some(Code::NotHttp)),
            ("HTTP/1.1\t", Some(Code::NotHttp)),
            ("http/1.1", Some(Code::NotHttp)),
            ("HTTPS/1.1", Some(Code::NotHttp)),
        ];
        for (version, code) in versions {
            for end in ["\r\n", "\n"] {
                let said = format!("GET / {version}{end}host: a\r\n\r\n");
                assert_eq!(of_line(said.as_bytes()), code, "{said:?}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_by_its_part() {
        let lines = [
            ("GET / HTTP/1.1\r\n", None),
            ("GET /a b HTTP/1.1\r\n", Some(Code::BadTarget)),
            ("GET /a\tb HTTP/1.1\r\n", Some(Code::BadTarget)),
            ("GET /a\0", Some(Code::BadTarget)),
            ("GET  / HTTP/1.1\r\n", Some(Code::BadTarget)),
            ("GET /\r\n", Some(Code::NotHttp)),
            ("GET\r\n", Some(Code::NotHttp)),
            ("G(T / HTTP/1.1\r\n", Some(Code::NotHttp)),
            (" / HTTP/1.1\r\n", Some(Code::NotHttp)),
            ("SSH-2.0-x\r\n", Some(Code::NotHttp)),
            ("\u{1}\u{2}", Some(Code::NotHttp)),
            ("", Some(Code::NotHttp)),
        ];
        for (line, code) in lines {
            assert_eq!(of_line(line.as_bytes()), code, "{line:?}");
        }
    }
}
