//! Where the body of a worker's answer ends (RFC 9112 section 6.3). Pure.

use bytes::Bytes;
use http::{
    HeaderMap, Method, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::SizeHint;

use super::{
    NotHttp,
    chunks::{Chunks, Step},
};

/// The longest piece of a body, in bytes.
const PIECE_MAX: usize = 32 * 1024;
/// Lengths beyond it are nobody's.
const LENGTH_MAX: u64 = u64::MAX - 2;

/// How the end of a body is known, and what is left of it.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes are to come.
    Length(u64),
    /// The chunked coding tells.
    Chunked(Box<Chunks>),
    /// The end of the connection is its end.
    UntilClose,
    /// It has ended.
    Over,
}

impl Framing {
    /// What the head of an answer to this method says. A switch of protocols has no body.
    pub(super) fn of(
        method: &Method,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Self, NotHttp> {
        let bodiless = matches!(
            status,
            StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        if bodiless || *method == Method::HEAD {
            return Ok(Self::Over);
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        if let Some(coding) = codings.next() {
            // Any other could be read in two ways.
            let chunked = coding.as_bytes().trim_ascii();
            let plain = chunked.eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
            return match version {
                Version::HTTP_11 if plain => Ok(Self::Chunked(Box::default())),
                _ => Err(NotHttp),
            };
        }
        match length(headers)? {
            Some(0) => Ok(Self::Over),
            Some(length) => Ok(Self::Length(length)),
            None => Ok(Self::UntilClose),
        }
    }

    /// Takes what comes next out of these bytes.
    pub(super) fn step(&mut self, bytes: &mut Bytes) -> Result<Step, NotHttp> {
        match self {
            Self::Over => Ok(Step::End),
            Self::Length(_) | Self::UntilClose if bytes.is_empty() => Ok(Step::More),
            Self::UntilClose => Ok(Step::Data(piece(bytes, u64::MAX))),
            Self::Length(left) => {
                let data = piece(bytes, *left);
                *left -= data.len() as u64;
                if *left == 0 {
                    *self = Self::Over;
                }
                Ok(Step::Data(data))
            }
            Self::Chunked(chunks) => {
                let step = chunks.step(bytes)?;
                if chunks.is_over() {
                    *self = Self::Over;
                }
                Ok(step)
            }
        }
    }

    /// The connection has ended; whether the body has with it, whole.
    pub(super) fn close(&mut self) -> bool {
        if matches!(self, Self::UntilClose) {
            *self = Self::Over;
        }
        self.is_over()
    }

    /// Whether nothing more is to come.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    /// What is known of what is to come.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Length(left) => SizeHint::with_exact(*left),
            Self::Over => SizeHint::with_exact(0),
            Self::Chunked(_) | Self::UntilClose => SizeHint::default(),
        }
    }
}

/// Takes a piece of at most this length out of these bytes, and not too long a one: that a client
/// of HTTP/2 takes no more shows by the next piece, which waits, while one that fits in part is
/// given.
pub(super) fn piece(bytes: &mut Bytes, most: u64) -> Bytes {
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(PIECE_MAX);
    bytes.split_to(most.min(bytes.len()))
}

/// RFC 9110 section 8.6: the same number may be said more than once.
pub(super) fn length(headers: &HeaderMap) -> Result<Option<u64>, NotHttp> {
    let mut length = None;
    for line in headers.get_all(CONTENT_LENGTH) {
        for said in line.as_bytes().split(|byte| *byte == b',') {
            let said = number(said.trim_ascii()).ok_or(NotHttp)?;
            if *length.get_or_insert(said) != said {
                return Err(NotHttp);
            }
        }
    }
    Ok(length)
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok();
    number.filter(|number| *number <= LENGTH_MAX)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn of(method: &Method, status: u16, fields: &[(&str, &str)]) -> Result<Framing, NotHttp> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Framing::of(method, status, Version::HTTP_11, &headers)
    }

    #[test]
    fn some_answers_have_no_body_whatever_their_head_says() {
        let said = &[("content-length", "7")][..];
        for (method, status) in [
            (Method::HEAD, 200),
            (Method::GET, 204),
            (Method::GET, 304),
            (Method::GET, 101),
        ] {
            let framing = of(&method, status, said).unwrap();
            assert!(framing.is_over(), "{method} {status}");
            assert!(of(&method, status, &[("transfer-encoding", "chunked")]).is_ok());
        }
    }

    #[test]
    fn a_length_may_be_said_twice_but_not_in_two_ways() {
        for said in [
            &["2"][..],
            &["2", "2"],
            &["2, 2"],
            &["02", "2"],
            &["2", " 2 ,2"],
        ] {
            let fields: Vec<_> = said
                .iter()
                .map(|value| ("content-length", *value))
                .collect();
            let framing = of(&Method::GET, 200, &fields);
            assert!(matches!(framing, Ok(Framing::Length(2))), "{said:?}");
        }
        for said in [
            &["2", "3"][..],
            &["2, 3"],
            &["2,"],
            &["+2"],
            &["-2"],
            &["0x2"],
            &["2 2"],
            &[""],
            &["x"],
            &["18446744073709551616"],
            &["18446744073709551615"],
        ] {
            let fields: Vec<_> = said
                .iter()
                .map(|value| ("content-length", *value))
                .collect();
            assert!(of(&Method::GET, 200, &fields).is_err(), "{said:?}");
        }
    }

    #[test]
    fn a_coding_wins_over_a_length_and_must_be_chunked_alone() {
        let both = &[("content-length", "3"), ("transfer-encoding", " Chunked ")];
        let framing = of(&Method::GET, 200, both);
        assert!(matches!(framing, Ok(Framing::Chunked(_))));
        for said in [
            &["gzip"][..],
            &["gzip, chunked"],
            &["chunked", "chunked"],
            &["chunked, chunked"],
            &["identity"],
            &[""],
        ] {
            let fields: Vec<_> = said.iter().map(|v| ("transfer-encoding", *v)).collect();
            assert!(of(&Method::GET, 200, &fields).is_err(), "{said:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        let old = Framing::of(&Method::GET, StatusCode::OK, Version::HTTP_10, &headers);
        assert!(old.is_err(), "HTTP/1.0 has no codings");
    }

    #[test]
    fn a_length_takes_its_bytes_and_leaves_the_rest() {
        let mut framing = Framing::Length(3);
        let mut bytes = Bytes::from_static(b"ab");
        assert_eq!(
            framing.step(&mut bytes),
            Ok(Step::Data(Bytes::from_static(b"ab")))
        );
        assert_eq!(framing.step(&mut bytes), Ok(Step::More));
        assert!(!framing.close(), "cut short");
        bytes = Bytes::from_static(b"cHTTP");
        assert_eq!(
            framing.step(&mut bytes),
            Ok(Step::Data(Bytes::from_static(b"c")))
        );
        assert!(framing.is_over() && framing.step(&mut bytes) == Ok(Step::End));
        assert_eq!(&bytes[..], b"HTTP");
    }

    #[test]
    fn without_a_word_the_end_of_the_connection_is_the_end() {
        let mut framing = of(&Method::GET, 200, &[]).unwrap();
        let mut bytes = Bytes::from_static(b"abc");
        assert!(matches!(framing.step(&mut bytes), Ok(Step::Data(_))));
        assert_eq!(framing.size_hint().exact(), None);
        assert!(framing.close());
    }
}
