//! The head of a worker's answer (RFC 9112 sections 4 and 5). Pure.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header::CONNECTION};
use hyper::ext::ReasonPhrase;

use super::NotHttp;

/// The longest head of an answer, in bytes.
const HEAD_MAX: usize = 64 * 1024;
/// The most fields in one.
const FIELDS_MAX: usize = 100;

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    /// As it was said.
    pub(super) response: Response<()>,
    /// Whether its connection may carry another exchange.
    pub(super) keeps: bool,
}

/// Reads heads, however they are cut.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The beginning of one.
    partial: Vec<u8>,
}

impl Reader {
    /// These bytes follow. Gives the head of the answer, once it has come whole, and what has come
    /// after it. Heads of interim answers are swallowed (RFC 9110 section 15.2).
    pub(super) fn push(&mut self, piece: Bytes) -> Result<Option<(Head, Bytes)>, NotHttp> {
        let mut bytes = if self.partial.is_empty() {
            piece
        } else {
            let before = self.partial.len();
            self.partial.extend_from_slice(&piece);
            // Who sends a head byte by byte does not have all of it read at each of them.
            if !has_end(&self.partial[before.saturating_sub(3)..]) {
                return self.more(Bytes::new());
            }
            Bytes::from(std::mem::take(&mut self.partial))
        };
        while !bytes.is_empty() {
            let Some(head) = parse(&mut bytes)? else {
                return self.more(bytes);
            };
            let status = head.response.status();
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Some((head, bytes)));
            }
        }
        Ok(None)
    }

    /// Keeps the beginning of a head.
    fn more(&mut self, bytes: Bytes) -> Result<Option<(Head, Bytes)>, NotHttp> {
        self.partial.extend_from_slice(&bytes);
        if self.partial.len() >= HEAD_MAX {
            return Err(NotHttp);
        }
        Ok(None)
    }
}

/// Whether a line end is followed by another one.
fn has_end(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// Takes a head out of these bytes, if all of it is there.
fn parse(bytes: &mut Bytes) -> Result<Option<Head>, NotHttp> {
    let whole = bytes.clone();
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut read = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut read, &whole, &mut fields);
    let httparse::Status::Complete(length) = parsed.map_err(|_| NotHttp)? else {
        return Ok(None);
    };
    let mut headers = HeaderMap::with_capacity(read.headers.len());
    let mut keeps = Keeps {
        by_version: read.version == Some(1),
        ..Keeps::default()
    };
    for field in read.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NotHttp)?;
        // No copy: all of them share the bytes that were read.
        let value = HeaderValue::from_maybe_shared(whole.slice_ref(field.value));
        let value = value.map_err(|_| NotHttp)?;
        if name == CONNECTION {
            keeps.look(&value);
        }
        headers.append(name, value);
    }
    let status = StatusCode::from_u16(read.code.ok_or(NotHttp)?).map_err(|_| NotHttp)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    *response.version_mut() = match read.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    if let Some(reason) = read.reason
        && Some(reason) != status.canonical_reason()
        && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
    {
        response.extensions_mut().insert(reason);
    }
    bytes.advance(length);
    let keeps = keeps.said();
    Ok(Some(Head { response, keeps }))
}

/// What the Connection lines of a head say (RFC 9112 section 9.3).
#[derive(Debug, Default)]
struct Keeps {
    by_version: bool,
    close: bool,
    keep_alive: bool,
}

impl Keeps {
    fn look(&mut self, line: &HeaderValue) {
        for option in line.as_bytes().split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn said(&self) -> bool {
        !self.close && (self.by_version || self.keep_alive)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Option<(Head, Bytes)>, NotHttp> {
        Reader::default().push(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn whole(text: &str) -> (Head, Bytes) {
        read(text).unwrap().unwrap()
    }

    #[test]
    fn a_head_is_read_and_what_follows_is_left() {
        let (head, rest) = whole(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nset-cookie: a\r\nX:  y \r\n\
             set-cookie: b\r\n\r\nhi",
        );
        let headers = head.response.headers();
        assert_eq!((headers.len(), &rest[..]), (4, &b"hi"[..]));
        assert_eq!(
            (&headers["x"], &headers["content-length"]),
            (&"y".parse().unwrap(), &"2".parse().unwrap())
        );
        let cookies: Vec<_> = headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a", "b"]);
        assert!(head.keeps && head.response.extensions().is_empty());
    }

    #[test]
    fn a_reason_of_its_own_is_kept() {
        let (head, _) = whole("HTTP/1.1 404 Nobody Home\r\n\r\n");
        let reason = head.response.extensions().get::<ReasonPhrase>().unwrap();
        assert_eq!(reason.as_bytes(), b"Nobody Home");
        let (head, _) = whole("HTTP/1.1 404\r\n\r\n");
        assert_eq!(head.response.status(), 404);
    }

    #[test]
    fn interim_answers_are_swallowed_but_a_switch_is_none() {
        let (head, rest) = whole(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n\
             HTTP/1.1 200 OK\r\n\r\nx",
        );
        assert_eq!(
            (head.response.status().as_u16(), &rest[..]),
            (200, &b"x"[..])
        );
        assert!(head.response.headers().is_empty());
        assert!(read("HTTP/1.1 102 Processing\r\n\r\n").unwrap().is_none());
        let (head, _) = whole("HTTP/1.1 101 Switching Protocols\r\n\r\nframes");
        assert_eq!(head.response.status(), 101);
    }

    #[test]
    fn a_connection_is_kept_as_its_lines_say() {
        for (text, keeps) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nconnection: x, Close\r\n\r\n", false),
            (
                "HTTP/1.1 200 OK\r\nconnection: close\r\nconnection: keep-alive\r\n\r\n",
                false,
            ),
            ("HTTP/1.1 200 OK\r\nconnection: closed\r\n\r\n", true),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\n\r\n", true),
            (
                "HTTP/1.0 200 OK\r\nconnection: keep-alive, close\r\n\r\n",
                false,
            ),
        ] {
            assert_eq!(whole(text).0.keeps, keeps, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_head_is_an_error_at_once() {
        for text in [
            "garbage\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.2 200 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nname : x\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\r\n folded\r\n\r\n",
            "HTTP/1.1 200 O\0K\r\n\r\n",
            "\0",
        ] {
            assert_eq!(read(text).err(), Some(NotHttp), "{text:?}");
        }
    }

    #[test]
    fn heads_are_bounded() {
        let many = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(
            whole(&many(FIELDS_MAX)).0.response.headers().len(),
            FIELDS_MAX
        );
        assert_eq!(read(&many(FIELDS_MAX + 1)).err(), Some(NotHttp));
        let mut reader = Reader::default();
        let line = Bytes::from(format!("a: {}\r\n", "x".repeat(1000)));
        reader
            .push(Bytes::from_static(b"HTTP/1.1 200 OK\r\n"))
            .unwrap();
        let pieces = (0..100).take_while(|_| reader.push(line.clone()).is_ok());
        assert_eq!(pieces.count(), 65);
    }

    proptest! {
        #[test]
        fn a_head_is_the_same_however_it_is_cut(
            cuts in proptest::collection::vec(1_usize..40, 1..40),
        ) {
            let text = "HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 206 Some\r\n\
                        content-length: 12\r\nserver: a\r\nconnection: close\r\n\r\nthe body ...";
            let (expected, rest) = whole(text);
            let (mut reader, mut left, mut cut) = (Reader::default(), text, cuts.iter().cycle());
            let (head, after) = loop {
                let (piece, later) = left.split_at((*cut.next().unwrap()).min(left.len()));
                left = later;
                if let Some(found) = reader.push(Bytes::from_static(piece.as_bytes())).unwrap() {
                    break found;
                }
            };
            prop_assert_eq!(head.response.headers(), expected.response.headers());
            prop_assert_eq!(head.keeps, expected.keeps);
            prop_assert_eq!([&after[..], left.as_bytes()].concat(), rest.to_vec());
        }
    }
}
