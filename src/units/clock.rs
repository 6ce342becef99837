//! Times of the day, days of the week and time zones, as a wall clock shows them.

use std::{fmt, str::FromStr};

use jiff::{
    Timestamp,
    civil::{DateTime, Weekday},
    tz::TimeZone,
};

use super::UnitError;
use crate::time::WallTime;

/// A time of the day, in seconds since midnight; below 86,400. Written `03:00` or `03:00:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u32);

impl TimeOfDay {
    /// Seconds since midnight, as clocks show them.
    #[must_use]
    pub fn as_secs(self) -> u32 {
        self.0
    }

    /// On a day that knows this time.
    pub(super) fn on(self, date: jiff::civil::Date) -> DateTime {
        // In range by construction, so that nothing is lost.
        let part = |number: u32| i8::try_from(number).unwrap_or_default();
        let (hour, minute) = (self.0 / 3600, self.0 / 60 % 60);
        date.at(part(hour), part(minute), part(self.0 % 60), 0)
    }
}

impl FromStr for TimeOfDay {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || {
            UnitError::new(
                format!("\"{text}\" is not a time of the day"),
                "write hours from 00 to 23 and minutes, like \"03:00\" or \"23:30:15\"",
            )
        };
        let parts: Vec<_> = text.split(':').collect();
        let number = |at: usize, below: u32| match parts.get(at) {
            None => Ok(0),
            Some(part) if part.len() > 2 || !part.bytes().all(|b| b.is_ascii_digit()) => {
                Err(error())
            }
            Some(part) => part.parse().ok().filter(|n| *n < below).ok_or_else(error),
        };
        if !matches!(parts.len(), 2 | 3) {
            return Err(error());
        }
        Ok(Self(
            number(0, 24)? * 3600 + number(1, 60)? * 60 + number(2, 60)?,
        ))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes, seconds) = (self.0 / 3600, self.0 / 60 % 60, self.0 % 60);
        match seconds {
            0 => write!(f, "{hours:02}:{minutes:02}"),
            _ => write!(f, "{hours:02}:{minutes:02}:{seconds:02}"),
        }
    }
}

/// Days of the week, at least one. Written `mon-fri` or `sat,sun`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Weekdays(u8);

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAYS_WHOLE: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

impl Weekdays {
    /// Every day.
    pub const ALL: Self = Self(0x7f);

    /// Whether this day is one of them.
    #[must_use]
    pub(super) fn has(self, day: Weekday) -> bool {
        self.0 >> day.to_monday_zero_offset() & 1 == 1
    }
}

impl FromStr for Weekdays {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let day = |name: &str| {
            let name = name.trim().to_ascii_lowercase();
            let mut all = DAYS.iter().zip(DAYS_WHOLE);
            let found = all.position(|(day, whole)| name == *day || name == whole);
            found.ok_or_else(|| {
                UnitError::new(
                    format!("\"{name}\" is not a day of the week"),
                    "write days or ranges of them, like \"mon-fri\" or \"sat,sun\"",
                )
            })
        };
        let mut set = 0;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut at, last) = (day(first)?, day(last)?);
            // "fri-mon" goes over the end of the week.
            while at != last {
                set |= 1 << at;
                at = (at + 1) % 7;
            }
            set |= 1 << last;
        }
        Ok(Self(set))
    }
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let has = |at: usize| self.0 >> at & 1 == 1;
        let mut at = 0;
        while at < 7 {
            let first = at;
            while at < 7 && has(at) {
                at += 1;
            }
            match at - first {
                0 => at += 1,
                1 => parts.push(DAYS[first].to_owned()),
                _ => parts.push(format!("{}-{}", DAYS[first], DAYS[at - 1])),
            }
        }
        f.write_str(&parts.join(","))
    }
}

/// A time zone. Written as the tz database names it (`Europe/Berlin`, `UTC`), or `local` for the
/// machine's own.
///
/// Its rules are read once, when it is named: from the system's tz database, or from the one that
/// is built in where the system has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// The machine's own: that of `$TZ` or `/etc/localtime`, UTC where there is neither.
    #[must_use]
    pub fn local() -> Self {
        Self {
            name: LOCAL.to_owned(),
            zone: TimeZone::system(),
        }
    }

    pub(super) fn civil(&self, at: Timestamp) -> DateTime {
        self.zone.to_datetime(at)
    }

    /// When clocks there show this for the first time. A time that they skip comes as long after
    /// the change as it would have been without it (RFC 5545).
    pub(super) fn instant(&self, shown: DateTime) -> Option<Timestamp> {
        self.zone.to_ambiguous_timestamp(shown).compatible().ok()
    }
}

const LOCAL: &str = "local";

/// The wall clock's time as the calendar's; the end of time for what it can't hold.
pub(super) fn timestamp(at: WallTime) -> Timestamp {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

impl FromStr for Zone {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == LOCAL {
            return Ok(Self::local());
        }
        let zone = TimeZone::get(text).map_err(|_| {
            UnitError::new(
                format!("there is no time zone \"{text}\""),
                "write \"local\", or its name in the tz database, like \"Europe/Berlin\"",
            )
        })?;
        let name = zone.iana_name().unwrap_or(text).to_owned();
        Ok(Self { name, zone })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_day_read_and_print_alike() {
        for (text, secs) in [("00:00", 0), ("03:00", 10_800), ("23:59:59", 86_399)] {
            let read: TimeOfDay = text.parse().unwrap();
            assert_eq!((read.as_secs(), read.to_string()), (secs, text.to_owned()));
        }
        assert_eq!(
            "03:00:00".parse::<TimeOfDay>().unwrap().to_string(),
            "03:00"
        );
        for wrong in [
            "", "3", "24:00", "12:60", "-1:00", "12:+5", "1:2:3:4", "012:00", "3am",
        ] {
            assert!(wrong.parse::<TimeOfDay>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn days_read_in_lists_and_ranges_and_print_shortest() {
        for (text, printed) in [
            ("mon-fri", "mon-fri"),
            ("Saturday, sun", "sat-sun"),
            ("fri-mon", "mon,fri-sun"),
            ("mon,wed", "mon,wed"),
            ("tue-tue", "tue"),
        ] {
            let read: Weekdays = text.parse().unwrap();
            assert_eq!(read.to_string(), printed);
            assert_eq!(printed.parse(), Ok(read));
        }
        assert_eq!("mon-sun".parse(), Ok(Weekdays::ALL));
        for wrong in ["", "mo", "workdays", "mon-", "mon;tue"] {
            assert!(wrong.parse::<Weekdays>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_zone_is_found_whatever_its_case_and_a_strange_one_is_not() {
        let berlin: Zone = "europe/berlin".parse().unwrap();
        assert_eq!(berlin.to_string(), "Europe/Berlin");
        // 2026-06-01T10:00:00Z
        let shown = berlin.civil(timestamp(WallTime(1_780_308_000_000)));
        assert_eq!((shown.hour(), shown.minute()), (12, 0));
        assert!("Europe/Bielefeld".parse::<Zone>().is_err());
        assert_eq!("local".parse(), Ok(Zone::local()));
    }
}
