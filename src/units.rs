//! Quantities as people write them: sizes, durations, shares, status sets, path patterns.
//!
//! Each parses from text with an error that says what is wrong and what to write instead, and
//! prints back as text that parses to the same value.

use std::{fmt, str::FromStr, time::Duration};

use crate::words::Outcome;

mod networks;

pub use networks::{Network, Networks};

/// Why a quantity can't be read: what is wrong, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    /// What is wrong, as a fragment without a full stop.
    pub what: String,
    /// What to write instead.
    pub cure: String,
}

impl UnitError {
    fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            cure: cure.into(),
        }
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.cure)
    }
}

impl std::error::Error for UnitError {}

/// A number of bytes. Written with a unit that says which: `64MiB` is 2^26, `64MB` is 64,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// `n` kibibytes.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n.saturating_mul(1024))
    }

    /// `n` mebibytes.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n.saturating_mul(1024 * 1024))
    }

    /// For people: one decimal at most, in the largest binary unit that fits (`740 MiB`).
    #[must_use]
    pub fn human(self) -> String {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut unit = 0;
        let mut scale = 1u64;
        while unit + 1 < UNITS.len() && self.0 / scale >= 1024 {
            scale *= 1024;
            unit += 1;
        }
        let tenths = u128::from(self.0) * 10 / u128::from(scale);
        if tenths.is_multiple_of(10) || tenths >= 1000 {
            format!("{} {}", tenths / 10, UNITS[unit])
        } else {
            format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
        }
    }
}

const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let cure = "write a number and a unit, like \"800MiB\", \"1.5GiB\" or \"64kB\"";
        let text = text.trim();
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = (&text[..split], text[split..].trim());
        if number.is_empty() {
            return Err(UnitError::new(format!("\"{text}\" is not a size"), cure));
        }
        let Some((_, scale)) = SIZE_UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        else {
            let what = if unit.is_empty() {
                format!("\"{text}\" has no unit")
            } else {
                format!("\"{unit}\" is not a unit of size")
            };
            return Err(UnitError::new(what, cure));
        };
        let too_big = || UnitError::new(format!("\"{text}\" is too large"), cure);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let bad = |_| UnitError::new(format!("\"{number}\" is not a number"), cure);
        if fraction.len() > 9 || fraction.contains('.') {
            return Err(UnitError::new(
                format!("\"{number}\" is not a number"),
                cure,
            ));
        }
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(bad)?
        };
        let mut bytes = u128::from(whole) * u128::from(*scale);
        if !fraction.is_empty() {
            let digits: u64 = fraction.parse().map_err(bad)?;
            let places = u32::try_from(fraction.len()).unwrap_or(9);
            bytes += u128::from(digits) * u128::from(*scale) / 10u128.pow(places);
        }
        u64::try_from(bytes).map(Self).map_err(|_| too_big())
    }
}

impl fmt::Display for ByteSize {
    /// The largest unit that divides it exactly, so that it parses to the same value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, scale) = SIZE_UNITS
            .iter()
            .filter(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale))
            .max_by_key(|(_, scale)| *scale)
            .unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / scale)
    }
}

/// Reads a duration as humantime has it: `30s`, `1h 30min`, `250ms`.
///
/// # Errors
/// When the text is not a duration, with what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let cure = "write a number and a unit, like \"30s\", \"2min\" or \"1h 30min\"";
    if text.trim().chars().all(|c| c.is_ascii_digit()) && text.trim() != "0" {
        return Err(UnitError::new(format!("\"{text}\" has no unit"), cure));
    }
    humantime::parse_duration(text)
        .map_err(|_| UnitError::new(format!("\"{text}\" is not a duration"), cure))
}

/// Prints a duration so that [`parse_duration`] reads the same value: `1h 30m`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// A share of a whole, in hundredths of a percent. Written `30%` or `2.5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// Everything.
    pub const ALL: Self = Self(10_000);

    /// A share of `percent` percent; at most 100.
    #[must_use]
    pub const fn percent(percent: u16) -> Self {
        Self(if percent > 100 { 10_000 } else { percent * 100 })
    }

    /// Hundredths of a percent, 0 to 10,000.
    #[must_use]
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// Whether `part` of `whole` is at least this share. No part of nothing is a share of 0.
    #[must_use]
    pub fn reached_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * 10_000 >= u128::from(whole) * u128::from(self.0) && (whole > 0)
    }

    /// This share of `whole`, rounded down.
    #[must_use]
    pub fn of(self, whole: u64) -> u64 {
        u64::try_from(u128::from(whole) * u128::from(self.0) / 10_000).unwrap_or(u64::MAX)
    }
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || {
            UnitError::new(
                format!("\"{text}\" is not a share"),
                "write a percentage from 0% to 100%, like \"30%\" or \"2.5%\"",
            )
        };
        let number = text.trim().strip_suffix('%').ok_or_else(error)?.trim();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 2 || !digits(whole) || !digits(fraction) {
            return Err(error());
        }
        let points = format!("{whole}{fraction:0<2}")
            .parse::<u32>()
            .map_err(|_| error())?;
        match u16::try_from(points) {
            Ok(points) if points <= 10_000 => Ok(Self(points)),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

/// One part of a [`StatusSet`] as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusItem {
    /// Statuses from the first to the last, both included.
    Range(u16, u16),
    /// A status with an IIS sub-status that is not 0 (`502.3`).
    Sub(u16, u16),
    /// The worker refused the connection.
    Connect,
    /// The worker closed or reset the connection before its answer.
    Reset,
    /// The worker did not answer in time.
    Timeout,
}

/// A set of outcomes: statuses, ranges, sub-statuses, and ways of not answering.
///
/// Written `500-599`, `429,502.3` or `connect,reset,timeout`. Refused and reset count as 502 with
/// sub-status 3; no answer in time counts as 504 and matches 502.3.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusSet {
    items: Vec<StatusItem>,
    plain: [u64; 16],
    refused: bool,
    reset: bool,
    timed_out: bool,
}

impl StatusSet {
    /// The set of these parts.
    #[must_use]
    pub fn new(items: Vec<StatusItem>) -> Self {
        let mut set = Self {
            items,
            plain: [0; 16],
            refused: false,
            reset: false,
            timed_out: false,
        };
        for item in &set.items {
            match *item {
                StatusItem::Range(first, last) => {
                    for status in first..=last.min(1023) {
                        set.plain[usize::from(status / 64)] |= 1 << (status % 64);
                    }
                    let has = |status| (first..=last).contains(&status);
                    set.refused |= has(502);
                    set.reset |= has(502);
                    set.timed_out |= has(504);
                }
                StatusItem::Sub(502, 3) => {
                    (set.refused, set.reset, set.timed_out) = (true, true, true);
                }
                StatusItem::Sub(..) => {}
                StatusItem::Connect => set.refused = true,
                StatusItem::Reset => set.reset = true,
                StatusItem::Timeout => set.timed_out = true,
            }
        }
        set
    }

    /// The parts as they were written.
    #[must_use]
    pub fn items(&self) -> &[StatusItem] {
        &self.items
    }

    /// Whether this outcome belongs to the set.
    #[must_use]
    pub fn contains(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Status(status) => self
                .plain
                .get(usize::from(status / 64))
                .is_some_and(|word| word >> (status % 64) & 1 == 1),
            Outcome::Refused => self.refused,
            Outcome::Reset => self.reset,
            Outcome::TimedOut => self.timed_out,
        }
    }
}

impl FromStr for StatusSet {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let items = text
            .split(',')
            .map(|part| status_item(part.trim()))
            .collect::<Result<_, _>>();
        items.map(Self::new)
    }
}

fn status_item(part: &str) -> Result<StatusItem, UnitError> {
    let error = |what: String| {
        UnitError::new(
            what,
            "write statuses, ranges or words, like \"500-599,429,connect\"",
        )
    };
    let number = |s: &str| match s.parse::<u16>() {
        Ok(n @ 100..=599) if s.len() == 3 => Ok(n),
        _ => Err(error(format!("\"{s}\" is not a status from 100 to 599"))),
    };
    match part {
        "connect" => return Ok(StatusItem::Connect),
        "reset" => return Ok(StatusItem::Reset),
        "timeout" => return Ok(StatusItem::Timeout),
        _ => {}
    }
    if let Some((first, last)) = part.split_once('-') {
        let (first, last) = (number(first.trim())?, number(last.trim())?);
        if first > last {
            return Err(error(format!("the range \"{part}\" ends before it starts")));
        }
        return Ok(StatusItem::Range(first, last));
    }
    if let Some((status, sub)) = part.split_once('.') {
        let status = number(status)?;
        let sub = sub
            .parse::<u16>()
            .map_err(|_| error(format!("\"{part}\" has no number for a sub-status")))?;
        return Ok(match sub {
            0 => StatusItem::Range(status, status),
            sub => StatusItem::Sub(status, sub),
        });
    }
    number(part).map(|status| StatusItem::Range(status, status))
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.items.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match item {
                StatusItem::Range(first, last) if first == last => write!(f, "{first}")?,
                StatusItem::Range(first, last) => write!(f, "{first}-{last}")?,
                StatusItem::Sub(status, sub) => write!(f, "{status}.{sub}")?,
                StatusItem::Connect => f.write_str("connect")?,
                StatusItem::Reset => f.write_str("reset")?,
                StatusItem::Timeout => f.write_str("timeout")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusSet({self})")
    }
}

/// A pattern for a request's path: `*` stands for any run of characters, `/` included. Letters
/// match without regard to case; the query string is not looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    /// What stands between the stars, in lower case; one more than there are stars.
    pieces: Vec<Vec<u8>>,
}

impl PathPattern {
    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `path`, without its query string, matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path = path.as_bytes();
        let (first, rest) = self
            .pieces
            .split_first()
            .unwrap_or((const { &Vec::new() }, &[]));
        let Some((last, middle)) = rest.split_last() else {
            return path.eq_ignore_ascii_case(first);
        };
        if path.len() < first.len() + last.len()
            || !path[..first.len()].eq_ignore_ascii_case(first)
            || !path[path.len() - last.len()..].eq_ignore_ascii_case(last)
        {
            return false;
        }
        let mut left = &path[first.len()..path.len() - last.len()];
        for piece in middle {
            let found = left
                .windows(piece.len())
                .position(|at| at.eq_ignore_ascii_case(piece));
            match found {
                Some(at) => left = &left[at + piece.len()..],
                None => return false,
            }
        }
        true
    }
}

impl FromStr for PathPattern {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let cure = "start it with / or *, like \"/checkout/*\"; * stands for anything";
        let error = |what: String| Err(UnitError::new(what, cure));
        if !text.starts_with(['/', '*']) {
            return error(format!("the path \"{text}\" does not start with / or *"));
        }
        if let Some(bad) = text
            .chars()
            .find(|c| c.is_whitespace() || "?#".contains(*c))
        {
            return error(format!(
                "the path \"{text}\" contains {bad:?}, which never matches"
            ));
        }
        if text.len() > 1024 {
            return error("the path is longer than 1,024 bytes".to_owned());
        }
        let mut pieces: Vec<Vec<u8>> = text
            .split('*')
            .map(|piece| piece.to_ascii_lowercase().into_bytes())
            .collect();
        let last = pieces.len() - 1;
        let mut at = 0;
        pieces.retain(|piece| {
            at += 1;
            at == 1 || at == last + 1 || !piece.is_empty()
        });
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathPattern({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_say_which_kilo_they_mean() {
        assert_eq!("1KiB".parse(), Ok(ByteSize(1024)));
        assert_eq!("1 kB".parse(), Ok(ByteSize(1000)));
        assert_eq!("1.5GiB".parse(), Ok(ByteSize(3 << 29)));
        let error = "800".parse::<ByteSize>().unwrap_err();
        assert_eq!(error.what, "\"800\" has no unit");
        assert!(
            "800 apples"
                .parse::<ByteSize>()
                .unwrap_err()
                .what
                .contains("not a unit")
        );
        assert!(
            "99999999TiB"
                .parse::<ByteSize>()
                .unwrap_err()
                .what
                .contains("too large")
        );
        assert_eq!(ByteSize::mib(740).human(), "740 MiB");
        assert_eq!(ByteSize(1_153_434).human(), "1.1 MiB");
        assert_eq!(ByteSize(1_677_722).human(), "1.6 MiB");
    }

    #[test]
    fn a_bare_number_is_not_a_duration() {
        assert_eq!(parse_duration("30").unwrap_err().what, "\"30\" has no unit");
        assert_eq!(parse_duration("1h 30min"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn shares_are_exact() {
        let share: Share = "30%".parse().unwrap();
        assert!(share.reached_by(3, 10) && !share.reached_by(29, 100));
        assert!(!share.reached_by(0, 0));
        assert_eq!("2.5%".parse::<Share>().unwrap().to_string(), "2.5%");
        for wrong in ["30", "101%", "%", "-1%", "0.001%", "1e1%"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn failures_to_answer_count_as_the_statuses_that_iis_gives_them() {
        let set = |text: &str| text.parse::<StatusSet>().unwrap();
        assert!(set("502").contains(Outcome::Refused) && set("502").contains(Outcome::Reset));
        assert!(!set("502").contains(Outcome::TimedOut));
        assert!(set("504").contains(Outcome::TimedOut));
        assert!(set("502.3").contains(Outcome::TimedOut));
        assert!(!set("502.3").contains(Outcome::Status(502)));
        assert!(set("500-599").contains(Outcome::Status(599)));
        assert!(!set("500-599").contains(Outcome::Status(499)));
        assert!(set("connect").contains(Outcome::Refused));
        assert!(!set("connect").contains(Outcome::Reset));
        for wrong in ["", "99", "600", "500-400", "5xx", "502.x", "500-"] {
            assert!(wrong.parse::<StatusSet>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_star_stands_for_anything() {
        let matches = |pattern: &str, path| pattern.parse::<PathPattern>().unwrap().matches(path);
        assert!(matches("/checkout/*", "/Checkout/pay/1"));
        assert!(!matches("/checkout/*", "/checkout"));
        assert!(matches("*", "/") && matches("*", ""));
        assert!(matches("*.aspx", "/a/b.ASPX"));
        assert!(matches("/a*b*c", "/axxbyyc") && !matches("/a*b*c", "/acb"));
        assert!(!matches("/aa*aa", "/aaa"));
        assert!("checkout".parse::<PathPattern>().is_err());
        assert!("/a?b=1".parse::<PathPattern>().is_err());
    }

    /// The textbook matcher, exponential and obviously right.
    fn oracle(pattern: &[u8], path: &[u8]) -> bool {
        match pattern.split_first() {
            None => path.is_empty(),
            Some((b'*', rest)) => (0..=path.len()).any(|skip| oracle(rest, &path[skip..])),
            Some((c, rest)) => path
                .split_first()
                .is_some_and(|(d, left)| c.eq_ignore_ascii_case(d) && oracle(rest, left)),
        }
    }

    proptest! {
        #[test]
        fn path_patterns_match_as_the_textbook_says(
            pattern in "[/*][ab*/A]{0,7}",
            path in "/[abAB/]{0,9}",
        ) {
            let compiled: PathPattern = pattern.parse().unwrap();
            prop_assert_eq!(compiled.matches(&path), oracle(pattern.as_bytes(), path.as_bytes()));
        }

        #[test]
        fn a_size_prints_as_what_parses_to_it(bytes: u64) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }

        #[test]
        fn a_share_prints_as_what_parses_to_it(points in 0u16..=10_000) {
            prop_assert_eq!(Share(points).to_string().parse(), Ok(Share(points)));
        }

        #[test]
        fn nothing_that_people_type_panics(text in ".{0,24}") {
            drop(text.parse::<ByteSize>());
            drop(text.parse::<Share>());
            drop(text.parse::<StatusSet>());
            drop(text.parse::<PathPattern>());
            drop(parse_duration(&text));
        }
    }
}
