//! The five fields of cron: minute, hour, day of the month, month, day of the week.

use std::{fmt, str::FromStr};

use jiff::civil::{Date, DateTime};

use super::UnitError;

/// When, in cron's five fields: `30 3 * * mon-fri`. Lists, ranges, steps, and names of months and
/// of days of the week are understood; 0 and 7 are Sunday.
///
/// As cron does, a day counts if either its date or its day of the week fits, where both are
/// restricted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Either of these begins with a star, so that both must fit.
    both_days: bool,
    any_hour: bool,
}

impl Cron {
    pub(super) fn has_date(&self, date: Date) -> bool {
        let has = |set: u64, number: i8| u32::try_from(number).is_ok_and(|n| set >> n & 1 == 1);
        let by_date = has(self.days, date.day());
        let by_weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let day = match self.both_days {
            true => by_date && by_weekday,
            false => by_date || by_weekday,
        };
        day && has(self.months, date.month())
    }

    pub(super) fn has_minute(&self, shown: DateTime) -> bool {
        let has = |set: u64, number: i8| u32::try_from(number).is_ok_and(|n| set >> n & 1 == 1);
        has(self.hours, shown.hour()) && has(self.minutes, shown.minute())
    }

    /// It speaks of the minutes of any hour (`*/15 * * * *`) rather than of times of the day.
    pub(super) fn is_hourly(&self) -> bool {
        self.any_hour
    }

    /// The times of a day, in seconds since midnight.
    pub(super) fn times(&self) -> impl Iterator<Item = (i8, i8)> + '_ {
        let bits = |set: u64, below: i8| (0..below).filter(move |n| set >> n & 1 == 1);
        bits(self.hours, 24).flat_map(move |hour| bits(self.minutes, 60).map(move |m| (hour, m)))
    }
}

/// What one field may hold.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    /// What stands for the numbers from `first` on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    field("minute", 0, 59, &[]),
    field("hour", 0, 23, &[]),
    field("day of the month", 1, 31, &[]),
    field("month", 1, 12, &MONTHS),
    field("day of the week", 0, 7, &WEEKDAYS),
];

const fn field(name: &'static str, first: u32, last: u32, names: &'static [&'static str]) -> Field {
    Field {
        name,
        first,
        last,
        names,
    }
}

impl Field {
    fn number(&self, text: &str) -> Option<u32> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = self.names.iter().position(|name| *name == lower) {
            return Some(self.first + u32::try_from(at).ok()?);
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten()?;
        (self.first..=self.last).contains(&number).then_some(number)
    }

    fn part(&self, text: &str) -> Option<u64> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|n| *n > 0)?)),
            None => (text, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((first, last)) => (self.number(first)?, self.number(last)?),
            None => {
                let first = self.number(range)?;
                // "5/15" is from 5 on.
                (first, if step.is_some() { self.last } else { first })
            }
        };
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        let set = (first..=last).step_by(step).fold(0, |set, n| set | 1 << n);
        (set != 0).then_some(set)
    }

    fn read(&self, text: &str) -> Result<u64, UnitError> {
        let mut set = 0;
        for part in text.split(',') {
            set |= self.part(part).ok_or_else(|| {
                let names = match self.names {
                    [] => String::new(),
                    [first, .., last] => format!(" or {first} to {last}"),
                    [_] => String::new(),
                };
                UnitError::new(
                    format!("\"{part}\" is no {} of a cron line", self.name),
                    format!(
                        "write * or numbers from {} to {}{names}, like 5, 1-5 or */2",
                        self.first, self.last
                    ),
                )
            })?;
        }
        Ok(set)
    }
}

impl FromStr for Cron {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let parts: Vec<_> = text.split_whitespace().collect();
        let &[minutes, hours, days, months, weekdays] = parts.as_slice() else {
            let what = format!("\"{text}\" has {} fields, not five", parts.len());
            let cure = "write minute, hour, day of the month, month and day of the week, like \
                        \"30 3 * * mon-fri\"";
            return Err(UnitError::new(what, cure));
        };
        let read = |at: usize, text: &str| FIELDS[at].read(text);
        let week = read(4, weekdays)?;
        Ok(Self {
            minutes: read(0, minutes)?,
            hours: read(1, hours)?,
            days: read(2, days)?,
            months: read(3, months)?,
            // 7 is another name of 0.
            weekdays: (week | week >> 7) & 0x7f,
            both_days: days.starts_with('*') || weekdays.starts_with('*'),
            any_hour: hours.starts_with('*'),
            text: parts.join(" "),
        })
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(set: u64) -> Vec<u32> {
        (0..64).filter(|n| set >> n & 1 == 1).collect()
    }

    #[test]
    fn lists_ranges_steps_and_names_are_understood() {
        let cron: Cron = "*/20 1-3,23 5/10 Jan-mar fri,7".parse().unwrap();
        assert_eq!(numbers(cron.minutes), [0, 20, 40]);
        assert_eq!(numbers(cron.hours), [1, 2, 3, 23]);
        assert_eq!(numbers(cron.days), [5, 15, 25]);
        assert_eq!(numbers(cron.months), [1, 2, 3]);
        assert_eq!(numbers(cron.weekdays), [0, 5]);
        assert!(!cron.both_days && !cron.any_hour);
        assert_eq!(cron.to_string(), "*/20 1-3,23 5/10 Jan-mar fri,7");
    }

    #[test]
    fn what_cron_would_not_take_is_not_taken() {
        for wrong in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "1, * * * *",
            "- * * * *",
            "+1 * * * *",
            "@daily",
        ] {
            assert!(wrong.parse::<Cron>().is_err(), "{wrong}");
        }
        let error = "0 3 * * workdays".parse::<Cron>().unwrap_err().to_string();
        assert!(error.contains("no day of the week"), "{error}");
        assert!(error.contains("0 to 7 or sun to sat"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[ -~é]{0,40}") {
            let _ = text.parse::<Cron>().is_ok();
        }
    }
}
