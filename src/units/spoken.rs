//! How durations read to people.

use std::time::Duration;

/// A duration as one says it: `200ms`, `1.2s`, `30s`, `2min`, `1min 30s`, `1h 5min`.
#[must_use]
pub fn spoken(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let secs = ms.saturating_add(500) / 1000;
    let pair = |big: u64, unit: &str, small: u64, rest: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit} {small}{rest}"),
    };
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..59_950 => match (ms + 50) / 100 {
            tenths if tenths.is_multiple_of(10) => format!("{}s", tenths / 10),
            tenths => format!("{}.{}s", tenths / 10, tenths % 10),
        },
        _ if secs < 3600 => pair(secs / 60, "min", secs % 60, "s"),
        _ => pair(secs / 3600, "h", secs % 3600 / 60, "min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_one_says_them() {
        for (ms, text) in [
            (0, "0ms"),
            (200, "200ms"),
            (1_000, "1s"),
            (1_249, "1.2s"),
            (30_000, "30s"),
            (59_960, "1min"),
            (120_000, "2min"),
            (90_400, "1min 30s"),
            (3_599_600, "1h"),
            (3_900_000, "1h 5min"),
        ] {
            assert_eq!(spoken(Duration::from_millis(ms)), text);
        }
    }
}
