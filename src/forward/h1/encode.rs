//! A request for the worker as bytes: its head, and the framing of its body (RFC 9112). Pure.

use std::io::Write;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method, Uri,
    header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING},
};

/// How a request's body is framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// There is none; a length of nothing may be said.
    None,
    /// It has so many bytes.
    Length(u64),
    /// In chunks, with these trailers after them.
    Chunked(Box<[HeaderName]>),
}

impl Coding {
    /// Of a body that there is. `length`: what is known of it.
    pub(super) fn of(headers: &HeaderMap, length: Option<u64>) -> Self {
        match length {
            Some(length) => Self::Length(length),
            None => {
                let named = headers.get_all(TRAILER).iter();
                let names = named.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
                let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
                Self::Chunked(names.collect())
            }
        }
    }
}

/// Writes a head. What it says of the body's framing is replaced by what is so.
pub(super) fn head(
    into: &mut Vec<u8>,
    (method, uri, headers): (&Method, &Uri, &HeaderMap),
    coding: &Coding,
) {
    put(into, &[method.as_str(), " ", uri.path()]);
    if let Some(query) = uri.query() {
        put(into, &["?", query]);
    }
    into.extend_from_slice(b" HTTP/1.1\r\n");
    let mut said = false;
    for (name, value) in headers {
        let framing = name == CONTENT_LENGTH || name == TRANSFER_ENCODING;
        if !framing || (name == CONTENT_LENGTH && *coding == Coding::None) {
            field(into, name, value.as_bytes());
        } else if !said {
            said = framed(into, name, coding);
        }
    }
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        said = said || framed(into, &name, coding);
    }
    into.extend_from_slice(b"\r\n");
}

/// Says how the body is framed, if it is framed so; whether it is.
fn framed(into: &mut Vec<u8>, name: &HeaderName, coding: &Coding) -> bool {
    match coding {
        Coding::Length(length) if name == CONTENT_LENGTH => {
            number(into, format_args!("content-length: {length}\r\n"));
        }
        Coding::Chunked(_) if name == TRANSFER_ENCODING => {
            into.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        _ => return false,
    }
    true
}

/// The line before a chunk.
pub(super) fn size_line(length: usize) -> Bytes {
    let mut line = Vec::with_capacity(20);
    number(&mut line, format_args!("{length:X}\r\n"));
    line.into()
}

/// The end of a chunked body: its last chunk, and those of its trailers that were named before (RFC
/// 9110 section 6.5.1).
pub(super) fn last_chunk(named: &[HeaderName], trailers: Option<&HeaderMap>) -> Bytes {
    let mut end = b"0\r\n".to_vec();
    for (name, value) in trailers.into_iter().flatten() {
        if named.contains(name) {
            field(&mut end, name, value.as_bytes());
        }
    }
    end.extend_from_slice(b"\r\n");
    end.into()
}

fn field(into: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    put(into, &[name.as_str(), ": "]);
    into.extend_from_slice(value);
    into.extend_from_slice(b"\r\n");
}

fn put(into: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        into.extend_from_slice(text.as_bytes());
    }
}

fn number(into: &mut Vec<u8>, number: std::fmt::Arguments<'_>) {
    // Writing to memory has no way to fail.
    into.write_fmt(number).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn encoded(method: &Method, uri: &str, fields: &[(&str, &str)], coding: &Coding) -> String {
        let mut bytes = Vec::new();
        let (uri, headers) = (uri.parse().unwrap(), map(fields));
        head(&mut bytes, (method, &uri, &headers), coding);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_head_is_written_as_it_is() {
        let fields = &[
            ("host", "a:1"),
            ("x", "1"),
            ("cookie", "a=b; c"),
            ("x", "2"),
        ];
        assert_eq!(
            encoded(&Method::GET, "/a%20b?c=d?e", fields, &Coding::None),
            "GET /a%20b?c=d?e HTTP/1.1\r\nhost: a:1\r\nx: 1\r\nx: 2\r\ncookie: a=b; c\r\n\r\n"
        );
        assert_eq!(
            encoded(&Method::OPTIONS, "*", &[], &Coding::None),
            "OPTIONS * HTTP/1.1\r\n\r\n"
        );
    }

    #[test]
    fn the_framing_is_said_once_and_in_its_place() {
        let both = &[
            ("content-length", "7"),
            ("a", "b"),
            ("transfer-encoding", "gzip"),
            ("transfer-encoding", "chunked"),
        ];
        for (coding, fields) in [
            (Coding::None, "content-length: 7\r\na: b\r\n"),
            (Coding::Length(7), "content-length: 7\r\na: b\r\n"),
            (
                Coding::Chunked(Box::default()),
                "a: b\r\ntransfer-encoding: chunked\r\n",
            ),
        ] {
            let expected = format!("POST / HTTP/1.1\r\n{fields}\r\n");
            assert_eq!(encoded(&Method::POST, "/", both, &coding), expected);
        }
        assert_eq!(
            encoded(&Method::PUT, "/", &[], &Coding::Length(3)),
            "PUT / HTTP/1.1\r\ncontent-length: 3\r\n\r\n"
        );
        assert_eq!(
            encoded(&Method::GET, "/", &[], &Coding::Chunked(Box::default())),
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn only_trailers_that_were_named_follow() {
        let headers = map(&[("trailer", "X-Sum, x-a"), ("trailer", "x-b")]);
        let Coding::Chunked(named) = Coding::of(&headers, None) else {
            panic!("a body of unknown length goes in chunks");
        };
        let trailers = map(&[("x-sum", "1"), ("other", "x"), ("x-b", "2")]);
        assert_eq!(
            last_chunk(&named, Some(&trailers)),
            "0\r\nx-sum: 1\r\nx-b: 2\r\n\r\n"
        );
        assert_eq!(last_chunk(&named, None), "0\r\n\r\n");
        assert_eq!(size_line(0x1a2b), "1A2B\r\n");
    }
}
