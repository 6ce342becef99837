//! What a certificate says of its time and its issuer: the few fields that rustls does not tell.
//!
//! Reads the fixed beginning of RFC 5280's Certificate. What does not follow it is no certificate.

use crate::time::WallTime;

/// The fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) not_before: WallTime,
    pub(super) not_after: WallTime,
    /// Both names as they are encoded.
    pub(super) issuer: Vec<u8>,
    pub(super) subject: Vec<u8>,
}

impl Facts {
    /// Whether it says that it issued itself.
    pub(super) fn is_its_own_issuer(&self) -> bool {
        self.issuer == self.subject
    }

    /// What its issuer is called: the common name, else the organisation.
    pub(super) fn issuer_name(&self) -> Option<String> {
        [COMMON_NAME, ORGANISATION]
            .iter()
            .find_map(|kind| attribute(&self.issuer, kind))
    }
}

/// The value of the first attribute of this kind of a name (RFC 5280 section 4.1.2.4).
fn attribute(name: &[u8], kind: &[u8]) -> Option<String> {
    let mut rest = name;
    while !rest.is_empty() {
        let mut set = item(&mut rest, SET)?;
        while !set.is_empty() {
            let mut pair = item(&mut set, SEQUENCE)?;
            if item(&mut pair, OBJECT_IDENTIFIER)? == kind {
                let tag = *pair.first()?;
                let value = item(&mut pair, tag)?;
                return Some(String::from_utf8_lossy(value).into_owned());
            }
        }
    }
    None
}

/// A name as people write it (RFC 4514), in one line: its last part first.
pub(super) fn written(name: &[u8]) -> Option<String> {
    let (mut parts, mut rest) = (Vec::new(), name);
    while !rest.is_empty() {
        let (mut pairs, mut set) = (Vec::new(), item(&mut rest, SET)?);
        while !set.is_empty() {
            let mut pair = item(&mut set, SEQUENCE)?;
            let kind = item(&mut pair, OBJECT_IDENTIFIER)?;
            let (encoded, tag) = (pair, *pair.first()?);
            let value = item(&mut pair, tag)?;
            let pair = match (known(kind), plain(tag, value)) {
                (Some(word), Some(value)) => format!("{word}={}", escaped(&value)),
                _ => format!("{}=#{}", dotted(kind), hex(encoded)),
            };
            pairs.push(pair);
        }
        parts.push(pairs.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

/// 2.5.4.3 and 2.5.4.10.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];
/// Words for kinds of attributes: RFC 4514 section 3, and one that everybody knows.
const WORDS: [(&[u8], &str); 9] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (ORGANISATION, "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19],
        "DC",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01],
        "UID",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01],
        "emailAddress",
    ),
];
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const BMP_STRING: u8 = 0x1e;
const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

fn known(kind: &[u8]) -> Option<&'static str> {
    let mut words = WORDS.iter();
    words
        .find(|(known, _)| *known == kind)
        .map(|(_, word)| *word)
}

/// The text of a value that is one.
fn plain(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        UTF8_STRING | PRINTABLE_STRING | IA5_STRING => String::from_utf8(value.to_vec()).ok(),
        BMP_STRING => {
            let (pairs, []) = value.as_chunks::<2>() else {
                return None;
            };
            let units: Vec<_> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

/// RFC 4514 section 2.4. Control characters are escaped too: it stands in one line.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, letter) in value.chars().enumerate() {
        let edge = (letter == ' ' && (at == 0 || at == last)) || (letter == '#' && at == 0);
        match letter {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => text.extend(['\\', letter]),
            _ if edge => text.extend(['\\', letter]),
            _ if letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    text += &format!("\\{byte:02x}");
                }
            }
            _ => text.push(letter),
        }
    }
    text
}

/// An object identifier in numbers.
fn dotted(kind: &[u8]) -> String {
    let (mut numbers, mut number) = (Vec::new(), 0u64);
    for byte in kind {
        number = number.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(std::mem::take(&mut number));
        }
    }
    if let Some(first) = numbers.first().copied() {
        let root = (first / 40).min(2);
        numbers.splice(..1, [root, first - root * 40]);
    }
    let words: Vec<_> = numbers.iter().map(u64::to_string).collect();
    words.join(".")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a certificate in DER.
pub(super) fn read(der: &[u8]) -> Option<Facts> {
    let mut rest = der;
    let mut certificate = item(&mut rest, SEQUENCE)?;
    let mut body = item(&mut certificate, SEQUENCE)?;
    if body.first() == Some(&VERSION) {
        item(&mut body, VERSION)?;
    }
    item(&mut body, INTEGER)?;
    item(&mut body, SEQUENCE)?;
    let issuer = item(&mut body, SEQUENCE)?;
    let mut validity = item(&mut body, SEQUENCE)?;
    let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
    let subject = item(&mut body, SEQUENCE)?;
    Some(Facts {
        not_before,
        not_after,
        issuer: issuer.to_vec(),
        subject: subject.to_vec(),
    })
}

/// Takes the next item, which must have this tag; gives its contents.
fn item<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (first, after) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, after) = after.split_first()?;
    let (length, after) = match usize::from(*length) {
        short @ ..=0x7f => (short, after),
        // One to three bytes of length: more than a certificate has.
        long @ 0x81..=0x83 => {
            let (digits, after) = after.split_at_checked(long - 0x80)?;
            let length = digits
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, after)
        }
        _ => return None,
    };
    let (contents, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(contents)
}

/// RFC 5280 section 4.1.2.5: always in UTC, to the second.
fn time(rest: &mut &[u8]) -> Option<WallTime> {
    let tag = *rest.first()?;
    let text = item(rest, tag)?;
    let (year, text) = match tag {
        UTC_TIME => {
            let year = number(text.get(..2)?)?;
            (year + if year < 50 { 2000 } else { 1900 }, text.get(2..)?)
        }
        GENERALIZED_TIME => (number(text.get(..4)?)?, text.get(4..)?),
        _ => return None,
    };
    if text.len() != 11 || text[10] != b'Z' {
        return None;
    }
    let part = |at: usize| number(&text[at..at + 2]);
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 {
        return None;
    }
    let seconds = (days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second;
    // Before 1970 is long ago, whenever it was.
    Some(WallTime(u64::try_from(seconds * 1000).unwrap_or(0)))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        Some(sum * 10 + digit)
    })
}

/// Days from 1970-01-01 in the Gregorian calendar; years are counted from March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(tag: u8, text: &str) -> Option<String> {
        let length = u8::try_from(text.len()).unwrap();
        let der = [&[tag, length], text.as_bytes()].concat();
        time(&mut &der[..]).map(|time| time.to_string())
    }

    #[test]
    fn times_of_both_forms_are_read() {
        let read = |tag, text| utc(tag, text).unwrap();
        assert_eq!(read(UTC_TIME, "240229235959Z"), "2024-02-29T23:59:59.000Z");
        assert_eq!(read(UTC_TIME, "991231000000Z"), "1999-12-31T00:00:00.000Z");
        assert_eq!(read(UTC_TIME, "700101000000Z"), "1970-01-01T00:00:00.000Z");
        let far = read(GENERALIZED_TIME, "99991231235959Z");
        assert_eq!(far, "9999-12-31T23:59:59.000Z");
        let text = read(GENERALIZED_TIME, "20500301000000Z");
        assert_eq!(text, "2050-03-01T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2402292359Z",
            "240229235959",
            "24x229235959Z",
            "241329235959Z",
        ] {
            assert_eq!(utc(UTC_TIME, text), None, "{text}");
        }
        assert_eq!(utc(INTEGER, "240229235959Z"), None);
    }

    #[test]
    fn a_made_certificate_is_read() {
        let mut params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2025, 1, 2);
        params.not_after = rcgen::date_time_ymd(2051, 3, 4);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let facts = read(made.der()).unwrap();
        assert_eq!(facts.not_before.to_string(), "2025-01-02T00:00:00.000Z");
        assert_eq!(facts.not_after.to_string(), "2051-03-04T00:00:00.000Z");
        assert!(facts.is_its_own_issuer());
        assert_eq!(
            facts.issuer_name().as_deref(),
            Some("rcgen self signed cert")
        );
    }

    #[test]
    fn a_name_is_written_with_its_last_part_first_and_cannot_be_mistaken() {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let name = &mut params.distinguished_name;
        *name = rcgen::DistinguishedName::new();
        name.push(rcgen::DnType::CountryName, "DE");
        name.push(rcgen::DnType::OrganizationName, "Shop, \"Inc\" + Sons");
        name.push(rcgen::DnType::CustomDnType(vec![2, 5, 4, 5]), "77");
        name.push(rcgen::DnType::CommonName, "#ann\n=root ");
        let key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let facts = read(made.der()).unwrap();
        assert_eq!(
            written(&facts.subject).as_deref(),
            Some(r#"CN=\#ann\0a=root\ ,2.5.4.5=#0c023737,O=Shop\, \"Inc\" \+ Sons,C=DE"#)
        );
        assert_eq!(
            plain(BMP_STRING, b"\0a\x20\xac").as_deref(),
            Some("a\u{20ac}")
        );
        assert_eq!(plain(BMP_STRING, b"\0a\x20"), None);
        assert_eq!(
            dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]),
            "1.2.840.113549"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            drop(read(&bytes));
        }

        #[test]
        fn a_damaged_certificate_is_read_or_refused(at: proptest::sample::Index, byte: u8) {
            let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
            let mut der = made.cert.der().to_vec();
            let at = at.index(der.len());
            der[at] = byte;
            drop(read(&der).map(|facts| (facts.issuer_name(), written(&facts.subject))));
            drop(read(&der[..at]));
        }
    }
}
