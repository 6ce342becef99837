//! Times that come again, by the wall clock of a time zone.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{
    clock::{TimeOfDay, Weekdays, Zone, timestamp},
    cron::Cron,
};
use crate::time::WallTime;

/// Times that come again, by the wall clock of a time zone.
///
/// Where clocks are put forward, a time of the day that they skip comes as long after the change
/// as it would have been without it; where they are put back, a time that they show twice comes
/// the first time only. A cron line that speaks of the minutes of any hour goes by real minutes
/// instead: it misses the hour that is skipped and comes in both hours that look alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Which times.
    pub times: Times,
    /// Whose clock.
    pub zone: Zone,
}

/// Times that come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Times {
    /// At these times of these days.
    At {
        /// At least one.
        times: Vec<TimeOfDay>,
        /// The days.
        days: Weekdays,
    },
    /// By cron's fields.
    Cron(Cron),
}

/// February 29 comes after at most eight years.
const DAYS_MOST: u32 = 9 * 366;
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

impl Calendar {
    /// The first of the times that is later than this one. `None`: there is none, like February 30.
    #[must_use]
    pub fn next_after(&self, after: WallTime) -> Option<WallTime> {
        let after = timestamp(after);
        let next = match &self.times {
            Times::Cron(cron) if cron.is_hourly() => self.by_the_minute(cron, after),
            _ => self.by_the_day(after),
        };
        next.and_then(|at| u64::try_from(at.as_millisecond()).ok().map(WallTime))
    }

    fn by_the_day(&self, after: Timestamp) -> Option<Timestamp> {
        // A change of the clocks may move a time to the next day.
        let mut date = self.zone.civil(after).date().yesterday().ok()?;
        for _ in 0..DAYS_MOST {
            let shown: Vec<_> = match &self.times {
                Times::At { times, days } if days.has(date.weekday()) => {
                    times.iter().map(|time| time.on(date)).collect()
                }
                Times::Cron(cron) if cron.has_date(date) => cron
                    .times()
                    .map(|(hour, minute)| date.at(hour, minute, 0, 0))
                    .collect(),
                _ => Vec::new(),
            };
            let instants = shown.into_iter().filter_map(|at| self.zone.instant(at));
            let next = instants.filter(|at| *at > after).min();
            if next.is_some() {
                return next;
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn by_the_minute(&self, cron: &Cron, after: Timestamp) -> Option<Timestamp> {
        let minute = after.as_second().div_euclid(60) + 1;
        let mut at = Timestamp::from_second(minute.checked_mul(60)?).ok()?;
        let mut days = 0;
        while days < DAYS_MOST {
            let shown = self.zone.civil(at);
            let next = at.checked_add(MINUTE).ok()?;
            if !cron.has_date(shown.date()) {
                let midnight = shown.date().tomorrow().ok()?.at(0, 0, 0, 0);
                at = self.zone.instant(midnight)?.max(next);
                days += 1;
            } else if cron.has_minute(shown) {
                return Some(at);
            } else {
                at = next;
            }
        }
        None
    }
}

impl fmt::Display for Calendar {
    /// For people: `03:00 or 15:00 on mon-fri (Europe/Berlin)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.times {
            Times::Cron(cron) => write!(f, "a time of cron's \"{cron}\"")?,
            Times::At { times, days } => {
                let texts: Vec<_> = times.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(" or "))?;
                if *days != Weekdays::ALL {
                    write!(f, " on {days}")?;
                }
            }
        }
        write!(f, " ({} time)", self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(times: &[&str], days: &str, zone: &str) -> Calendar {
        Calendar {
            times: Times::At {
                times: times.iter().map(|time| time.parse().unwrap()).collect(),
                days: days.parse().unwrap(),
            },
            zone: zone.parse().unwrap(),
        }
    }

    fn cron(line: &str, zone: &str) -> Calendar {
        Calendar {
            times: Times::Cron(line.parse().unwrap()),
            zone: zone.parse().unwrap(),
        }
    }

    /// The times that follow, in UTC, to the minute.
    fn next(calendar: &Calendar, after: &str, count: usize) -> Vec<String> {
        let after: Timestamp = after.parse().unwrap();
        let mut last = WallTime(u64::try_from(after.as_millisecond()).unwrap());
        let mut found = Vec::new();
        for _ in 0..count {
            last = calendar.next_after(last).unwrap();
            found.push(last.to_string()[..16].to_owned());
        }
        found
    }

    #[test]
    fn a_time_of_the_day_follows_its_zone_through_the_year() {
        let three = at(&["03:00"], "mon-sun", "Europe/Berlin");
        assert_eq!(
            next(&three, "2026-01-10T01:59:59Z", 1),
            ["2026-01-10T02:00"]
        );
        assert_eq!(
            next(&three, "2026-01-10T02:00:00Z", 1),
            ["2026-01-11T02:00"]
        );
        assert_eq!(
            next(&three, "2026-07-10T02:00:00Z", 1),
            ["2026-07-11T01:00"]
        );
    }

    #[test]
    fn several_times_come_in_order_on_their_days_only() {
        let times = at(&["15:00", "03:00"], "sat,mon", "UTC");
        assert_eq!(
            next(&times, "2026-01-09T00:00:00Z", 4),
            [
                "2026-01-10T03:00",
                "2026-01-10T15:00",
                "2026-01-12T03:00",
                "2026-01-12T15:00"
            ]
        );
    }

    #[test]
    fn a_time_that_clocks_skip_comes_once_and_one_they_show_twice_comes_the_first_time() {
        let half = at(&["02:30"], "mon-sun", "Europe/Berlin");
        // On 31 March 2024 clocks go from 02:00 to 03:00: 03:30 summer time is 01:30Z.
        assert_eq!(
            next(&half, "2024-03-30T12:00:00Z", 2),
            ["2024-03-31T01:30", "2024-04-01T00:30"]
        );
        // On 27 October 2024 they go back from 03:00 to 02:00: the first 02:30 is 00:30Z.
        assert_eq!(
            next(&half, "2024-10-26T12:00:00Z", 2),
            ["2024-10-27T00:30", "2024-10-28T01:30"]
        );
        let line = cron("30 2 * * *", "Europe/Berlin");
        for after in ["2024-03-30T12:00:00Z", "2024-10-26T12:00:00Z"] {
            assert_eq!(next(&line, after, 2), next(&half, after, 2));
        }
    }

    #[test]
    fn a_line_for_every_hour_goes_by_real_minutes() {
        let half = cron("0,30 * * * *", "Europe/Berlin");
        assert_eq!(
            next(&half, "2024-03-31T00:30:00Z", 3),
            ["2024-03-31T01:00", "2024-03-31T01:30", "2024-03-31T02:00"]
        );
        assert_eq!(
            next(&half, "2024-10-27T00:00:00Z", 4),
            [
                "2024-10-27T00:30",
                "2024-10-27T01:00",
                "2024-10-27T01:30",
                "2024-10-27T02:00"
            ]
        );
        // Half an hour beside the whole: Kolkata is at +05:30.
        let two_hours = cron("0 */12 * * *", "Asia/Kolkata");
        assert_eq!(
            next(&two_hours, "2026-01-01T00:00:00Z", 2),
            ["2026-01-01T06:30", "2026-01-01T18:30"]
        );
    }

    #[test]
    fn clocks_that_change_at_midnight_or_skip_a_day_lose_no_time() {
        // Beirut skipped the hour after midnight on 28 March 2021; Apia the whole 30 December 2011.
        let midnight = at(&["00:00"], "mon-sun", "Asia/Beirut");
        assert_eq!(
            next(&midnight, "2021-03-27T10:00:00Z", 2),
            ["2021-03-27T22:00", "2021-03-28T21:00"]
        );
        let noon = at(&["12:00"], "mon-sun", "Pacific/Apia");
        assert_eq!(
            next(&noon, "2011-12-29T12:00:00Z", 2),
            ["2011-12-29T22:00", "2011-12-30T22:00"]
        );
    }

    #[test]
    fn a_date_or_a_weekday_is_enough_where_both_are_given() {
        let line = cron("0 0 13 * fri", "UTC");
        assert_eq!(
            next(&line, "2026-01-10T00:00:00Z", 3),
            ["2026-01-13T00:00", "2026-01-16T00:00", "2026-01-23T00:00"]
        );
        let both = cron("0 0 */2 * fri", "UTC");
        assert_eq!(
            next(&both, "2026-01-10T00:00:00Z", 2),
            ["2026-01-23T00:00", "2026-02-13T00:00"]
        );
    }

    #[test]
    fn a_day_that_is_rare_is_found_and_one_that_never_comes_is_not() {
        let leap = cron("0 3 29 feb *", "UTC");
        assert_eq!(next(&leap, "2096-03-01T00:00:00Z", 1), ["2104-02-29T03:00"]);
        assert_eq!(cron("0 3 30 feb *", "UTC").next_after(WallTime(0)), None);
        assert_eq!(cron("* * 30 feb *", "UTC").next_after(WallTime(0)), None);
        assert_eq!(leap.next_after(WallTime(u64::MAX)), None);
    }

    #[test]
    fn it_reads_as_one_says_it() {
        let times = at(&["03:00", "15:30"], "mon-fri", "Europe/Berlin");
        assert_eq!(
            times.to_string(),
            "03:00 or 15:30 on mon-fri (Europe/Berlin time)"
        );
        assert_eq!(
            cron("0 3 * * *", "local").to_string(),
            "a time of cron's \"0 3 * * *\" (local time)"
        );
    }
}
