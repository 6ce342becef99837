//! Spans of the day, by the wall clock of a time zone: `08:00-18:00`, `mon-fri 22:00-06:00`.

use std::{fmt, str::FromStr};

use jiff::civil::Date;

use super::{
    UnitError,
    clock::{TimeOfDay, Weekdays, Zone, timestamp},
};
use crate::time::WallTime;

/// One span of some days, from its first moment to just before its last. Written
/// `08:00-18:00` or `mon-fri 22:00-06:00`; one that ends no later than it starts goes over
/// midnight, and belongs to the day on which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    days: Weekdays,
    from: TimeOfDay,
    to: TimeOfDay,
}

/// Spans of the day, by the clock of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// At least one.
    pub spans: Vec<Span>,
    /// Whose clock.
    pub zone: Zone,
}

impl Hours {
    /// When the span ends that this time lies in; the latest of several. `None`: it lies in none.
    #[must_use]
    pub fn until(&self, at: WallTime) -> Option<WallTime> {
        let now = timestamp(at);
        let today = self.zone.civil(now).date();
        let days = [today.yesterday().ok(), Some(today)];
        let ends = days.into_iter().flatten().flat_map(|date| {
            let spans = self.spans.iter();
            spans.filter_map(move |span| self.on(span, date))
        });
        let ends = ends.filter(|(from, to)| *from <= at && at < *to);
        ends.map(|(_, to)| to).max()
    }

    /// A span as it lies when it starts on this date.
    fn on(&self, span: &Span, date: Date) -> Option<(WallTime, WallTime)> {
        if !span.days.has(date.weekday()) {
            return None;
        }
        let last = match span.to > span.from {
            true => date,
            false => date.tomorrow().ok()?,
        };
        let wall = |shown| {
            let at = self.zone.instant(shown)?;
            u64::try_from(at.as_millisecond()).ok().map(WallTime)
        };
        Some((wall(span.from.on(date))?, wall(span.to.on(last))?))
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || {
            UnitError::new(
                format!("\"{text}\" is not a span of the day"),
                "write two times, like \"08:00-18:00\", or with days, like \"mon-fri 22:00-06:00\"",
            )
        };
        let trimmed = text.trim();
        let (days, times) = match trimmed.rsplit_once(char::is_whitespace) {
            Some((days, times)) => (days.parse()?, times),
            None => (Weekdays::ALL, trimmed),
        };
        let (from, to) = times.split_once('-').ok_or_else(error)?;
        Ok(Self {
            days,
            from: from.parse()?,
            // The end of a day is the start of the next.
            to: if to == "24:00" { "00:00" } else { to }.parse()?,
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != Weekdays::ALL {
            write!(f, "{} ", self.days)?;
        }
        write!(f, "{}-{}", self.from, self.to)
    }
}

impl fmt::Display for Hours {
    /// For people: `08:00-18:00 or sat 09:00-12:00 (Europe/Berlin time)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spans: Vec<_> = self.spans.iter().map(ToString::to_string).collect();
        write!(f, "{} ({} time)", spans.join(" or "), self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(spans: &[&str], zone: &str) -> Hours {
        Hours {
            spans: spans.iter().map(|span| span.parse().unwrap()).collect(),
            zone: zone.parse().unwrap(),
        }
    }

    fn at(text: &str) -> WallTime {
        let at: jiff::Timestamp = text.parse().unwrap();
        WallTime(u64::try_from(at.as_millisecond()).unwrap())
    }

    #[test]
    fn a_span_holds_from_its_first_moment_to_just_before_its_last() {
        let day = hours(&["08:00-18:00"], "UTC");
        let end = Some(at("2026-06-01T18:00:00Z"));
        assert_eq!(day.until(at("2026-06-01T07:59:59Z")), None);
        assert_eq!(day.until(at("2026-06-01T08:00:00Z")), end);
        assert_eq!(day.until(at("2026-06-01T17:59:59Z")), end);
        assert_eq!(day.until(at("2026-06-01T18:00:00Z")), None);
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_on_which_it_starts() {
        // 2026-06-05 is a Friday.
        let night = hours(&["fri 22:00-06:00"], "UTC");
        let end = Some(at("2026-06-06T06:00:00Z"));
        assert_eq!(night.until(at("2026-06-05T05:00:00Z")), None);
        assert_eq!(night.until(at("2026-06-05T23:00:00Z")), end);
        assert_eq!(night.until(at("2026-06-06T05:59:00Z")), end);
        assert_eq!(night.until(at("2026-06-06T23:00:00Z")), None);
        let whole = hours(&["sat 00:00-00:00"], "UTC");
        let end = Some(at("2026-06-07T00:00:00Z"));
        assert_eq!(whole.until(at("2026-06-06T12:00:00Z")), end);
    }

    #[test]
    fn a_zone_moves_it_and_several_are_one_another_s_rest() {
        let two = hours(&["08:00-10:00", "09:00-12:00"], "Europe/Berlin");
        let end = Some(at("2026-06-01T10:00:00Z"));
        assert_eq!(two.until(at("2026-06-01T07:30:00Z")), end);
        assert_eq!(two.until(at("2026-06-01T05:30:00Z")), None);
    }

    #[test]
    fn spans_read_and_print_alike() {
        for text in [
            "08:00-18:00",
            "mon-fri 22:00-06:00:30",
            "sat-sun 00:00-00:00",
        ] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("08:00-24:00".parse(), "08:00-00:00".parse::<Span>());
        for wrong in [
            "",
            "08:00",
            "8-18",
            "08:00-25:00",
            "someday 08:00-18:00",
            "mon",
        ] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
