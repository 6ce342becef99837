//! Counts what became of each request. Every number that is due is recorded exactly once.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::{
    connection::Answer,
    failure::Failed,
    report::{Downloads, FailedRequest, Latency, Report, Second, SlowRequest},
};
use crate::time::MonoTime;

const FIRST_FAILURES_MAX: usize = 10;
const SLOWEST_MAX: usize = 5;
/// Kinds of failure told apart; a server that makes up details can't fill the memory.
const KINDS_MAX: usize = 100;
const LATENCY_MAX_US: u64 = 3_600_000_000;
const SECONDS_MAX: usize = 7 * 24 * 3600;

/// Which request, when it was due, and when it was over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) number: u64,
    pub(super) due: MonoTime,
    pub(super) over: MonoTime,
}

/// The counts of one run.
pub(super) struct Ledger {
    start: MonoTime,
    over: MonoTime,
    answered: u64,
    failed: u64,
    latency_us: Histogram<u64>,
    failures: BTreeMap<String, u64>,
    first_failures: Vec<FailedRequest>,
    statuses: BTreeMap<u16, u64>,
    slowest: Vec<SlowRequest>,
    timeline: Vec<Second>,
    downloads: Downloads,
    late_max: Duration,
}

impl Ledger {
    pub(super) fn new(start: MonoTime) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the bounds are constants that the histogram takes"
        )]
        let latency_us = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("valid bounds");
        Self {
            start,
            over: start,
            answered: 0,
            failed: 0,
            latency_us,
            failures: BTreeMap::new(),
            first_failures: Vec::new(),
            statuses: BTreeMap::new(),
            slowest: Vec::new(),
            timeline: Vec::new(),
            downloads: Downloads::default(),
            late_max: Duration::ZERO,
        }
    }

    /// The client sent a request this much after it was due, although a connection was free.
    pub(super) fn late(&mut self, by: Duration) {
        self.late_max = self.late_max.max(by);
    }

    pub(super) fn record(&mut self, times: Times, result: Result<Answer, Failed>) {
        self.over = self.over.max(times.over);
        let second = self.second(times.due);
        match result {
            Ok(answer) => {
                let latency = times.over.since(times.due);
                let millis = millis(latency);
                if let Some(second) = second {
                    second.answered += 1;
                    second.mean_ms += (millis - second.mean_ms) / second.answered as f64;
                    second.max_ms = second.max_ms.max(millis);
                }
                self.answered += 1;
                *self.statuses.entry(answer.status).or_default() += 1;
                let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                self.latency_us.saturating_record(micros.max(1));
                self.rank(times, millis);
            }
            Err(failed) => {
                if let Some(second) = second {
                    second.failed += 1;
                }
                self.failure(times, &failed, "");
            }
        }
    }

    /// A download ended.
    pub(super) fn download(&mut self, times: Times, result: Result<Answer, Failed>) {
        match result {
            Ok(answer) => {
                self.downloads.finished += 1;
                self.downloads.bytes += answer.body_bytes;
            }
            Err(failed) => {
                self.downloads.failed += 1;
                self.failure(times, &failed, "download ");
            }
        }
    }

    /// The counts as a report; what was planned and what the client cost is for the caller to add.
    pub(super) fn report(self) -> Report {
        let seconds = self.over.since(self.start).as_secs_f64();
        let at = |quantile| self.latency_us.value_at_quantile(quantile) as f64 / 1e3;
        let latency = if self.answered == 0 {
            Latency::default()
        } else {
            Latency {
                mean_ms: self.latency_us.mean() / 1e3,
                p50_ms: at(0.5),
                p90_ms: at(0.9),
                p99_ms: at(0.99),
                p999_ms: at(0.999),
                max_ms: self.slowest.first().map_or(0.0, |slow| slow.latency_ms),
            }
        };
        Report {
            seconds,
            answered: self.answered,
            failed: self.failed,
            answered_per_s: if seconds > 0.0 {
                self.answered as f64 / seconds
            } else {
                0.0
            },
            failures: self.failures,
            first_failures: self.first_failures,
            statuses: self.statuses,
            latency,
            slowest: self.slowest,
            timeline: self.timeline,
            downloads: self.downloads,
            client: super::report::Client {
                late_max_ms: millis(self.late_max),
                ..Default::default()
            },
            ..Report::default()
        }
    }

    fn second(&mut self, due: MonoTime) -> Option<&mut Second> {
        let index = usize::try_from(due.since(self.start).as_secs()).unwrap_or(usize::MAX);
        if index >= SECONDS_MAX {
            return None;
        }
        if self.timeline.len() <= index {
            self.timeline.resize(index + 1, Second::default());
        }
        self.timeline.get_mut(index)
    }

    fn rank(&mut self, times: Times, latency_ms: f64) {
        let full = self.slowest.len() == SLOWEST_MAX;
        if full
            && self
                .slowest
                .last()
                .is_some_and(|last| last.latency_ms >= latency_ms)
        {
            return;
        }
        self.slowest.push(SlowRequest {
            number: times.number,
            due_s: times.due.since(self.start).as_secs_f64(),
            latency_ms,
        });
        self.slowest
            .sort_by(|a, b| b.latency_ms.total_cmp(&a.latency_ms));
        self.slowest.truncate(SLOWEST_MAX);
    }

    fn failure(&mut self, times: Times, failed: &Failed, prefix: &str) {
        self.failed += 1;
        let kind = format!("{prefix}{}", failed.kind);
        if self.first_failures.len() < FIRST_FAILURES_MAX {
            self.first_failures.push(FailedRequest {
                number: times.number,
                due_s: times.due.since(self.start).as_secs_f64(),
                after_ms: millis(times.over.since(times.due)),
                kind: kind.clone(),
                detail: failed.detail.clone(),
            });
        }
        let known = self.failures.len() < KINDS_MAX || self.failures.contains_key(&kind);
        let kind = if known { kind } else { "other".to_owned() };
        *self.failures.entry(kind).or_default() += 1;
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::{super::failure::Failure, *};

    fn times(number: u64, due: u64, over: u64) -> Times {
        let [due, over] = [due, over].map(MonoTime::from_millis);
        Times { number, due, over }
    }

    const FINE: Answer = Answer {
        status: 200,
        body_bytes: 7,
    };

    #[test]
    fn latency_counts_from_when_a_request_was_due() {
        let mut ledger = Ledger::new(MonoTime::from_millis(1_000));
        ledger.record(times(0, 1_000, 1_010), Ok(FINE));
        ledger.record(times(1, 2_500, 4_500), Ok(FINE));
        let report = ledger.report();
        assert_eq!(report.latency.max_ms, 2_000.0);
        assert_eq!(report.slowest[0].number, 1);
        assert_eq!(report.slowest[0].due_s, 1.5);
        assert_eq!(report.timeline.len(), 2);
        assert_eq!(report.timeline[1].max_ms, 2_000.0);
        assert_eq!(report.seconds, 3.5);
        assert_eq!(report.statuses[&200], 2);
    }

    #[test]
    fn failures_are_counted_by_kind_and_are_no_latency() {
        let mut ledger = Ledger::new(MonoTime::ZERO);
        let status = Failure::Status(502, "autoheal; error=x".to_owned());
        ledger.record(times(0, 1, 9_000), Err(Failed::new(status, "")));
        ledger.download(times(0, 1, 2), Err(Failed::new(Failure::Truncated, "half")));
        ledger.download(times(0, 1, 2), Ok(FINE));
        let report = ledger.report();
        assert_eq!((report.failed, report.answered), (2, 0));
        assert_eq!(report.failed_as("status 502"), 1);
        assert_eq!(report.failed_as("download truncated"), 1);
        assert_eq!(report.latency, Latency::default());
        assert_eq!((report.downloads.finished, report.downloads.bytes), (1, 7));
        assert_eq!(report.first_failures[1].detail, "half");
    }

    #[test]
    fn made_up_details_do_not_grow_the_report_for_ever() {
        let mut ledger = Ledger::new(MonoTime::ZERO);
        for number in 0..1_000 {
            let status = Failure::Status(500, number.to_string());
            ledger.record(times(number, 1, 2), Err(Failed::new(status, "")));
        }
        let report = ledger.report();
        assert_eq!(report.failed, 1_000);
        assert_eq!(report.failures["other"], 900);
        assert_eq!(report.first_failures.len(), FIRST_FAILURES_MAX);
    }

    #[test]
    fn only_the_slowest_few_are_kept_slowest_first() {
        let mut ledger = Ledger::new(MonoTime::ZERO);
        for number in [5, 1, 9, 3, 7, 2, 8] {
            ledger.record(times(number, 0, number), Ok(FINE));
        }
        let kept: Vec<u64> = ledger
            .report()
            .slowest
            .iter()
            .map(|slow| slow.number)
            .collect();
        assert_eq!(kept, [9, 8, 7, 5, 3]);
    }
}
