//! The only file that reads a clock.
//!
//! Windows, deadlines and ages use [`MonoTime`]; [`WallTime`] is only for records and people.
//! Everything that decides is given `now`.

use std::{
    fmt,
    ops::{Add, Sub},
    sync::OnceLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

/// A point on the monotonic clock, in nanoseconds since the process first asked for the time.
///
/// Unlike [`Instant`] it can be built from a number, so that a recorded stream can be replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoTime(u64);

impl MonoTime {
    /// The earliest time.
    pub const ZERO: Self = Self(0);
    /// A time that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The time `nanos` nanoseconds after [`MonoTime::ZERO`].
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The time `millis` milliseconds after [`MonoTime::ZERO`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since [`MonoTime::ZERO`].
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Milliseconds since [`MonoTime::ZERO`], rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// How long after `earlier` this is; zero if it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This time as timers want it. [`MonoTime::NEVER`] becomes a time thirty years away.
    #[must_use]
    pub fn to_instant(self) -> Instant {
        const YEARS: u64 = 30 * 365 * 24 * 3600 * 1_000_000_000;
        epoch() + Duration::from_nanos(self.0.min(YEARS))
    }
}

impl Add<Duration> for MonoTime {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for MonoTime {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// A point on the wall clock, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub u64);

impl WallTime {
    /// Reads what was written of one; `None`: it is not RFC 3339, or before 1970.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let at = humantime::parse_rfc3339(text).ok()?;
        let since = at.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok().map(Self)
    }
}

impl fmt::Display for WallTime {
    /// RFC 3339 in UTC, to the millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Year 9999 is the last that the format has.
        let at = UNIX_EPOCH + Duration::from_millis(self.0.min(253_402_300_799_999));
        humantime::format_rfc3339_millis(at).fmt(f)
    }
}

/// The monotonic time.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the only place that reads the monotonic clock"
)]
pub fn now() -> MonoTime {
    let epoch = epoch();
    MonoTime(u64::try_from(Instant::now().duration_since(epoch).as_nanos()).unwrap_or(u64::MAX))
}

/// The wall time.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the only place that reads the wall clock"
)]
pub fn wall() -> WallTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How long this thread has had a CPU. Unlike [`now`] it stands still while others have it, so that
/// what is done on a busy machine does not seem to cost more.
#[must_use]
pub fn spent() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "fixes the origin of the monotonic clock"
)]
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_go_back() {
        let before = now();
        assert!(now() >= before);
    }

    #[test]
    fn arithmetic_stays_in_range() {
        assert_eq!(MonoTime::ZERO - Duration::from_secs(1), MonoTime::ZERO);
        assert_eq!(MonoTime::NEVER + Duration::from_secs(1), MonoTime::NEVER);
        assert_eq!(
            MonoTime::ZERO.since(MonoTime::from_millis(5)),
            Duration::ZERO
        );
        assert_eq!(
            (MonoTime::from_millis(5) + Duration::from_millis(7)).as_millis(),
            12
        );
    }

    #[test]
    fn wall_time_prints_as_rfc_3339() {
        assert_eq!(
            WallTime(1_700_000_000_123).to_string(),
            "2023-11-14T22:13:20.123Z"
        );
    }
}
