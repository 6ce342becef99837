//! `hh:mm:ss`, as IIS writes durations. Hours may pass 24.

use std::time::Duration;

use super::super::reader::hms;
use crate::units::parse_duration;

/// Reads `hh:mm:ss`, or says what was probably meant.
pub(in crate::config) fn parse(name: &str, text: &str) -> Result<Duration, (String, String)> {
    let written = text.trim();
    exact(written).ok_or_else(|| {
        let cure = match guess(written) {
            Some(guess) => format!("did you mean {}?", hms(guess)),
            None => "write hours:minutes:seconds, like 00:02:00".to_owned(),
        };
        (format!("{name} wants hh:mm:ss, not \"{written}\""), cure)
    })
}

/// Reads `d.hh:mm:ss` too, as IIS writes more than a day.
pub(in crate::config) fn parse_with_days(
    name: &str,
    text: &str,
) -> Result<Duration, (String, String)> {
    let days = text.trim().split_once('.').and_then(|(days, rest)| {
        let days = days.parse::<u64>().ok().filter(|days| *days <= 400)?;
        Some(Duration::from_secs(days * 24 * 3600) + exact(rest)?)
    });
    days.map_or_else(|| parse(name, text), Ok)
}

fn exact(text: &str) -> Option<Duration> {
    let parts: Vec<_> = text.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else {
        return None;
    };
    let number = |part: &str, most: u64| -> Option<u64> {
        let digits = (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let number = part.parse().ok().filter(|_| digits)?;
        (number <= most).then_some(number)
    };
    let (hours, minutes) = (number(hours, 9999)?, number(minutes, 59)?);
    let seconds = number(seconds, 59)?;
    Some(Duration::from_secs(hours * 3600 + minutes * 60 + seconds))
}

/// What someone meant who wrote seconds, a unit, two parts, or 90 seconds as seconds.
fn guess(text: &str) -> Option<Duration> {
    const MOST_SECS: u64 = 9999 * 3600;
    let in_range = |secs: u64| (secs <= MOST_SECS).then(|| Duration::from_secs(secs));
    if let Ok(secs) = text.parse::<u64>() {
        return in_range(secs);
    }
    if let Ok(duration) = parse_duration(text) {
        return in_range(duration.as_secs());
    }
    let parts: Option<Vec<u64>> = text.split(':').map(|p| p.trim().parse().ok()).collect();
    let parts = parts.filter(|parts| parts.iter().all(|part| *part < 100_000))?;
    match parts[..] {
        [minutes, seconds] => in_range(minutes * 60 + seconds),
        [hours, minutes, seconds] => in_range(hours * 3600 + minutes * 60 + seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_is_hours_minutes_and_seconds() {
        let secs = |text| parse("timeTaken", text).map(|d| d.as_secs());
        assert_eq!(secs("00:00:45"), Ok(45));
        assert_eq!(secs("29:00:00"), Ok(29 * 3600));
        assert_eq!(secs(" 00:05:00 "), Ok(300));
    }

    #[test]
    fn iis_writes_days_before_a_dot() {
        let secs = |text| parse_with_days("time", text).map(|d| d.as_secs());
        assert_eq!(secs("1.05:00:00"), Ok(29 * 3600));
        assert_eq!(secs("05:00:00"), Ok(5 * 3600));
        assert!(secs("1.5").is_err() && secs("99999.00:00:00").is_err());
    }

    #[test]
    fn what_is_no_time_span_is_guessed() {
        let cure = |text| parse("timeTaken", text).unwrap_err().1;
        assert_eq!(
            parse("timeTaken", "45").unwrap_err(),
            (
                "timeTaken wants hh:mm:ss, not \"45\"".to_owned(),
                "did you mean 00:00:45?".to_owned()
            )
        );
        assert_eq!(cure("30s"), "did you mean 00:00:30?");
        assert_eq!(cure("2min"), "did you mean 00:02:00?");
        assert_eq!(cure("01:30"), "did you mean 00:01:30?");
        assert_eq!(cure("00:00:90"), "did you mean 00:01:30?");
        assert!(cure("soon").contains("hours:minutes:seconds"));
        assert!(cure("99999999999999999999").contains("hours:minutes:seconds"));
        assert!(cure("1.00:00:00").contains("hours:minutes:seconds"));
    }
}
