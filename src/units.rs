//! Quantities as people write them: sizes, durations, shares, status sets, path patterns, times of
//! the day.
//!
//! Each parses from text with an error that says what is wrong and what to write instead, and
//! prints back as text that parses to the same value.

use std::{fmt, str::FromStr, time::Duration};

mod calendar;
mod clock;
mod cron;
mod grpc;
mod hours;
mod line;
mod path;
mod shape;
mod spoken;
mod stamp;
mod status;
mod url;

pub use calendar::{Calendar, Times};
pub use clock::{TimeOfDay, Weekdays, Zone};
pub use cron::Cron;
pub use grpc::GrpcStatus;
pub use hours::{Hours, Span};
pub use line::LinePattern;
pub use path::PathPattern;
pub use shape::{PathShape, RequestShape};
pub use spoken::spoken;
pub use stamp::Stamp;
pub use status::{StatusItem, StatusSet};
pub use url::WebUrl;

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

/// Prints a duration so that [`parse_duration`] reads the same value: `1h 30min`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let text = humantime::format_duration(duration).to_string();
    // "min" is what people write, and what the configuration shows; "m" could be a metre.
    let words = text.split(' ').map(|word| match word.strip_suffix('m') {
        Some(number) => format!("{number}min"),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
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
        assert_eq!(
            format_duration(Duration::from_millis(5_460_003)),
            "1h 31min 3ms"
        );
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

    proptest! {
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
