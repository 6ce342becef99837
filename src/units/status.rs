//! Sets of outcomes: statuses, ranges, sub-statuses, and ways of not answering.

use std::{fmt, str::FromStr};

use super::{GrpcStatus, UnitError};
use crate::words::Outcome;

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
    /// A call of gRPC ended with this status.
    Grpc(GrpcStatus),
}

/// A set of outcomes: statuses, ranges, sub-statuses, and ways of not answering.
///
/// Written `500-599`, `429,502.3`, `connect,reset,timeout` or `grpc:unavailable`. Refused and reset
/// count as 502 with sub-status 3; no answer in time counts as 504 and matches 502.3; all three are
/// what a caller of gRPC is told is unavailable.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusSet {
    items: Vec<StatusItem>,
    plain: [u64; 16],
    refused: bool,
    reset: bool,
    timed_out: bool,
    grpc: u32,
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
            grpc: 0,
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
                StatusItem::Grpc(status) => {
                    set.grpc |= 1 << status.number();
                    if status == GrpcStatus::UNAVAILABLE {
                        (set.refused, set.reset, set.timed_out) = (true, true, true);
                    }
                }
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
            Outcome::Grpc(status) => self.grpc >> status.number() & 1 == 1,
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
    if let Some(name) = part.strip_prefix("grpc:") {
        let status = GrpcStatus::parse(name.trim()).map(StatusItem::Grpc);
        return status.ok_or_else(|| {
            UnitError::new(
                format!("\"{name}\" is not a status of gRPC"),
                "write its name or number, like \"grpc:unavailable\" or \"grpc:14\"",
            )
        });
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
                StatusItem::Grpc(status) => write!(f, "grpc:{}", status.name())?,
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(set("grpc:14").contains(Outcome::Grpc(GrpcStatus::UNAVAILABLE)));
        assert!(set("grpc:unavailable").contains(Outcome::Refused));
        assert!(!set("grpc:internal").contains(Outcome::Refused));
        assert!(!set("500-599").contains(Outcome::Grpc(GrpcStatus::UNAVAILABLE)));
        assert_eq!(set("grpc:13, 500").to_string(), "grpc:internal,500");
        for wrong in [
            "grpc:", "grpc:17", "grpc:bad", "", "99", "600", "500-400", "5xx", "502.x", "500-",
        ] {
            assert!(wrong.parse::<StatusSet>().is_err(), "{wrong}");
        }
    }
}
