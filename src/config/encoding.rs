//! Bytes to text: UTF-8 or UTF-16, with or without a byte order mark.
//!
//! What is neither is told by its name; a text that can be shown comes with it.

use std::{borrow::Cow, ops::Range};

/// Why bytes are no text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Undecodable {
    /// What of it can be shown.
    pub(super) text: String,
    /// Which bytes of `text` are to blame.
    pub(super) range: Range<usize>,
    pub(super) what: String,
    pub(super) cure: &'static str,
}

const UTF8_BOM: [u8; 3] = [0xef, 0xbb, 0xbf];
const UTF32_BOMS: [[u8; 4]; 2] = [[0xff, 0xfe, 0, 0], [0, 0, 0xfe, 0xff]];
const TEXT_CURE: &str = "give an autoheal.toml or a web.config";
/// How files begin that are no text: the first bytes, what it is, and what to do.
const KNOWN: [(&[u8], &str, &str); 7] = [
    (b"\x7fELF", "a program", PROGRAM_CURE),
    (
        b"MZ\x90",
        "a Windows program",
        "give the web.config beside it",
    ),
    (b"PK\x03\x04", "a zip archive", UNPACK_CURE),
    (b"\x1f\x8b", "a gzip archive", UNPACK_CURE),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", UNPACK_CURE),
    (b"%PDF-", "a PDF", TEXT_CURE),
    (b"\x89PNG", "a picture", TEXT_CURE),
];
const PROGRAM_CURE: &str = "a program to run goes after --: autoheal run -- PROGRAM ARG...";
const UNPACK_CURE: &str = "unpack it, and give the web.config or autoheal.toml inside";

/// The text of a file without its byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Undecodable> {
    if let Some((_, what, cure)) = KNOWN.iter().find(|(first, ..)| bytes.starts_with(first)) {
        return Err(not_text(bytes, &format!("this is {what}"), cure));
    }
    if UTF32_BOMS.iter().any(|bom| bytes.starts_with(bom)) {
        let cure = "save it as UTF-8: iconv -f UTF-32 -t UTF-8 FILE > NEW";
        return Err(not_text(bytes, "this file is written in UTF-32", cure));
    }
    let decoded = match utf16(bytes) {
        Some((order, rest)) => Cow::Owned(decode_utf16(rest, order)?),
        None => Cow::Borrowed(decode_utf8(bytes)?),
    };
    if decoded.contains('\0') {
        return Err(not_text(bytes, "this file is not text", TEXT_CURE));
    }
    Ok(decoded)
}

type Order = fn([u8; 2]) -> u16;

/// Whether the bytes are UTF-16, in which order, and where they begin behind the mark.
fn utf16(bytes: &[u8]) -> Option<(Order, &[u8])> {
    match *bytes {
        [0xff, 0xfe, ..] => Some((u16::from_le_bytes, &bytes[2..])),
        [0xfe, 0xff, ..] => Some((u16::from_be_bytes, &bytes[2..])),
        // Without a mark: two ASCII characters tell the order.
        [1..=255, 0, 1..=255, 0, ..] => Some((u16::from_le_bytes, bytes)),
        [0, 1..=255, 0, 1..=255, ..] => Some((u16::from_be_bytes, bytes)),
        _ => None,
    }
}

fn decode_utf16(bytes: &[u8], order: Order) -> Result<String, Undecodable> {
    let (units, cut) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let mut first_bad = None;
    for unit in char::decode_utf16(units.iter().map(|unit| order(*unit))) {
        let c = unit.unwrap_or_else(|_| {
            first_bad.get_or_insert(text.len());
            char::REPLACEMENT_CHARACTER
        });
        text.push(c);
    }
    let (at, what) = match (first_bad, cut) {
        (None, []) => return Ok(text),
        (Some(at), _) => (at, "half a character of UTF-16 stands here"),
        (None, _) => (text.len(), "this file ends in the middle of a character"),
    };
    let range = at..text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    Err(Undecodable {
        text,
        range,
        what: what.to_owned(),
        cure: "copy the file once more, or write it anew as UTF-8",
    })
}

fn decode_utf8(bytes: &[u8]) -> Result<&str, Undecodable> {
    let bytes = bytes.strip_prefix(&UTF8_BOM).unwrap_or(bytes);
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    if bytes.contains(&0) {
        return Err(not_text(bytes, "this file is not text", TEXT_CURE));
    }
    let at = error.valid_up_to();
    Err(Undecodable {
        text: String::from_utf8_lossy(bytes).into_owned(),
        range: at..at + char::REPLACEMENT_CHARACTER.len_utf8(),
        what: format!(
            "this file is not UTF-8: the byte {:#04x} is no character of it",
            bytes[at]
        ),
        cure: "save it as UTF-8; for a file of an old Windows editor: \
               iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW",
    })
}

/// The first bytes, made fit to be shown.
fn not_text(bytes: &[u8], what: &str, cure: &'static str) -> Undecodable {
    const SHOWN: usize = 60;
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    let shown = shown.chars().map(|c| match c {
        c if c.is_control() || c == char::REPLACEMENT_CHARACTER => '.',
        c => c,
    });
    let text: String = shown.collect();
    Undecodable {
        range: 0..text.len(),
        text,
        what: what.to_owned(),
        cure,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utf16_of(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn both_orders_of_utf_16_are_read_with_and_without_a_mark() {
        let text = "<a>é𝄞\r\n</a>";
        for order in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            let marked = format!("\u{feff}{text}");
            assert_eq!(decode(&utf16_of(&marked, order)).unwrap(), text);
            assert_eq!(decode(&utf16_of(text, order)).unwrap(), text);
        }
        assert_eq!(decode(b"\xef\xbb\xbfx = 1").unwrap(), "x = 1");
        assert_eq!(decode(b"").unwrap(), "");
    }

    #[test]
    fn what_is_no_text_is_told_by_its_name() {
        let what = |bytes: &[u8]| decode(bytes).unwrap_err().what;
        assert_eq!(what(b"\x7fELF\x02\x01"), "this is a program");
        assert_eq!(what(b"PK\x03\x04.."), "this is a zip archive");
        assert_eq!(
            what(b"a\0b\0\0\0\0"),
            "this file ends in the middle of a character"
        );
        assert_eq!(what(b"ab\0\0"), "this file is not text");
        assert_eq!(
            what(b"\xff\xfe\0\0<\0\0\0"),
            "this file is written in UTF-32"
        );
        assert!(what(b"a = \"\xe9\"").contains("0xe9"));
    }

    #[test]
    fn the_place_of_what_is_wrong_is_in_the_text_that_is_shown() {
        let bad = decode(b"ab\ncd\xe9f").unwrap_err();
        assert_eq!(&bad.text[bad.range], "\u{fffd}");
        let mut cut = utf16_of("\u{feff}ab\ncd", u16::to_le_bytes);
        cut.extend([0x00, 0xd8, b'x', 0]);
        let bad = decode(&cut).unwrap_err();
        assert_eq!((bad.range.start, &bad.text[..]), (5, "ab\ncd\u{fffd}x"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_text_or_told(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Err(bad) = decode(&bytes) {
                prop_assert!(bad.text.get(bad.range).is_some());
            }
        }

        #[test]
        fn what_utf_16_can_write_is_read_again(text in "\\PC{0,20}") {
            let bytes = utf16_of(&format!("\u{feff}{text}"), u16::to_be_bytes);
            prop_assert_eq!(decode(&bytes).unwrap(), text);
        }
    }
}
