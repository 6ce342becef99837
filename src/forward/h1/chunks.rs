//! The chunked coding of a worker's answer (RFC 9112 section 7.1). Pure.
//!
//! Lines end in CR LF and nothing else; extensions are passed over.

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{NotHttp, framing::piece};

/// All extensions of a body together, in bytes.
const EXTENSIONS_MAX: usize = 16 * 1024;
/// All trailers of a body together, in bytes.
const TRAILERS_MAX: usize = 16 * 1024;
/// The most trailers of a body.
const FIELDS_MAX: usize = 100;

/// A place in a chunked body.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: At,
    /// What is left of this chunk, or its size as far as it was read.
    left: u64,
    /// Bytes of extensions so far.
    extensions: usize,
    /// The trailer section so far.
    trailers: Vec<u8>,
    fields: usize,
}

/// What the next byte is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    FirstDigit,
    Size,
    SpaceAfterSize,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    LineStart,
    Trailer,
    TrailerLf,
    LastLf,
    End,
    /// What came is no chunk.
    Broken,
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A piece of it.
    Data(Bytes),
    /// What follows it.
    Trailers(HeaderMap),
    /// Nothing.
    End,
    /// That is not known before more bytes come: all have been used.
    More,
}

impl Chunks {
    /// Whether all of the body was read and given.
    pub(super) fn is_over(&self) -> bool {
        self.at == At::End && self.trailers.is_empty()
    }

    /// Takes what comes next out of these bytes.
    pub(super) fn step(&mut self, bytes: &mut Bytes) -> Result<Step, NotHttp> {
        self.skip(bytes)?;
        match self.at {
            At::End if self.trailers.is_empty() => Ok(Step::End),
            At::End => trailers(&std::mem::take(&mut self.trailers)).map(Step::Trailers),
            At::Data if !bytes.is_empty() => {
                let data = piece(bytes, self.left);
                self.left -= data.len() as u64;
                if self.left == 0 {
                    self.at = At::DataCr;
                    // The last piece is known for the last, if its end has come with it.
                    if self.skip(bytes).is_err() {
                        self.at = At::Broken;
                    }
                }
                Ok(Step::Data(data))
            }
            _ => Ok(Step::More),
        }
    }

    /// Reads up to the next piece of data, or to the end.
    fn skip(&mut self, bytes: &mut Bytes) -> Result<(), NotHttp> {
        while !matches!(self.at, At::Data | At::End) {
            if self.at == At::Broken {
                return Err(NotHttp);
            }
            let Some(byte) = bytes.first().copied() else {
                return Ok(());
            };
            bytes.advance(1);
            self.at = self.next(byte)?;
        }
        Ok(())
    }

    fn next(&mut self, byte: u8) -> Result<At, NotHttp> {
        Ok(match (self.at, byte) {
            (At::FirstDigit | At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let more = self.left.checked_mul(16).ok_or(NotHttp)?;
                self.left = more + u64::from(digit);
                At::Size
            }
            (At::Size | At::SpaceAfterSize, b' ' | b'\t') => At::SpaceAfterSize,
            (At::Size | At::SpaceAfterSize, b';') => At::Extension,
            (At::Size | At::SpaceAfterSize | At::Extension, b'\r') => At::SizeLf,
            (At::Extension, b'\n') => return Err(NotHttp),
            (At::Extension, _) => {
                self.extensions += 1;
                if self.extensions >= EXTENSIONS_MAX {
                    return Err(NotHttp);
                }
                At::Extension
            }
            (At::SizeLf, b'\n') if self.left == 0 => At::LineStart,
            (At::SizeLf, b'\n') => At::Data,
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::FirstDigit,
            (At::LineStart, b'\r') => At::LastLf,
            (At::LastLf, b'\n') => At::End,
            (At::LineStart | At::Trailer, b'\n') => return Err(NotHttp),
            (At::LineStart | At::Trailer, _) => {
                self.trailers.push(byte);
                if self.trailers.len() >= TRAILERS_MAX {
                    return Err(NotHttp);
                }
                if byte == b'\r' {
                    At::TrailerLf
                } else {
                    At::Trailer
                }
            }
            (At::TrailerLf, b'\n') => {
                self.trailers.push(byte);
                self.fields += 1;
                if self.fields > FIELDS_MAX {
                    return Err(NotHttp);
                }
                At::LineStart
            }
            _ => return Err(NotHttp),
        })
    }
}

fn trailers(section: &[u8]) -> Result<HeaderMap, NotHttp> {
    let section = [section, b"\r\n"].concat();
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let Ok(httparse::Status::Complete((_, fields))) =
        httparse::parse_headers(&section, &mut fields)
    else {
        return Err(NotHttp);
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NotHttp)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| NotHttp)?;
        trailers.append(name, value);
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a body gives, and what is left of the bytes.
    fn read(text: &str) -> Result<(Vec<u8>, Option<HeaderMap>, bool, Bytes), NotHttp> {
        let mut bytes = Bytes::copy_from_slice(text.as_bytes());
        let (mut chunks, mut data, mut trailers) = (Chunks::default(), Vec::new(), None);
        loop {
            match chunks.step(&mut bytes)? {
                Step::Data(piece) => data.extend(piece),
                Step::Trailers(fields) => trailers = Some(fields),
                Step::End => return Ok((data, trailers, true, bytes)),
                Step::More => return Ok((data, trailers, false, bytes)),
            }
        }
    }

    #[test]
    fn chunks_end_with_the_empty_one_and_what_follows_is_left() {
        let (data, trailers, ended, left) =
            read("3\r\nabc\r\nA \t;x=\"y\"\r\n0123456789\r\n00\r\n\r\nHTTP").unwrap();
        assert_eq!(data, b"abc0123456789");
        assert_eq!((trailers, ended, &left[..]), (None, true, &b"HTTP"[..]));
    }

    #[test]
    fn trailers_follow_the_last_chunk() {
        let (_, trailers, ended, _) = read("0\r\na: 1\r\nb:2\r\na: 3\r\n\r\n").unwrap();
        let trailers = trailers.unwrap();
        assert!(ended && trailers.get_all("a").iter().count() == 2);
        assert_eq!(trailers["b"], "2");
    }

    #[test]
    fn the_last_piece_is_known_for_the_last_if_its_end_came_with_it() {
        let mut bytes = Bytes::from_static(b"1\r\na\r\n0\r\n\r\n");
        let mut chunks = Chunks::default();
        assert_eq!(
            chunks.step(&mut bytes),
            Ok(Step::Data(Bytes::from_static(b"a")))
        );
        assert!(chunks.is_over());
        let mut bytes = Bytes::from_static(b"1\r\na\r\n0\r\nt: 1\r\n\r\n");
        let mut chunks = Chunks::default();
        chunks.step(&mut bytes).unwrap();
        assert!(!chunks.is_over(), "trailers are to be given");
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        for text in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\na",
            "0x1\r\na",
            " 1\r\na",
            "1 1\r\na",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n0\r\n\r\n",
            "1;a\nb\r\na\r\n",
            "1\rX",
            "10000000000000000\r\n",
            "0\r\n\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\na: 1\rb: 2\r\n\r\n",
            "0\r\n\rX",
            "0\r\na\0: 1\r\n\r\n",
        ] {
            assert_eq!(read(text), Err(NotHttp), "{text:?}");
        }
    }

    #[test]
    fn what_stands_beside_the_data_is_bounded() {
        let long = "a".repeat(TRAILERS_MAX);
        assert_eq!(read(&format!("0\r\na: {long}\r\n\r\n")), Err(NotHttp));
        assert_eq!(read(&format!("1;{long}\r\na")), Err(NotHttp));
        let many = "a: 1\r\n".repeat(FIELDS_MAX);
        assert!(read(&format!("0\r\n{many}\r\n")).is_ok());
        assert_eq!(read(&format!("0\r\n{many}a: 1\r\n\r\n")), Err(NotHttp));
    }

    #[test]
    fn the_largest_size_is_no_overflow() {
        let (data, _, ended, _) = read("FFFFFFFFFFFFFFFF\r\nabc").unwrap();
        assert_eq!((&data[..], ended), (&b"abc"[..], false));
    }
}
