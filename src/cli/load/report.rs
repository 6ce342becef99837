//! What a run of load found, for people and as JSON.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// All that is known at the end of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where the requests went.
    pub url: String,
    /// The method of each request.
    pub method: String,
    /// Requests due each second.
    pub rate_per_s: u32,
    /// Over how many keep-alive connections.
    pub connections: usize,
    /// From the first due request to the last answer, in seconds.
    pub seconds: f64,
    /// How many requests were due.
    pub requests: u64,
    /// How many had a whole and right answer in time.
    pub answered: u64,
    /// How many had not, downloads among them.
    pub failed: u64,
    /// Right answers each second.
    pub answered_per_s: f64,
    /// Failures by kind.
    pub failures: BTreeMap<String, u64>,
    /// The first failures, one by one.
    pub first_failures: Vec<FailedRequest>,
    /// Right answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// From when a request was due to the end of its right answer.
    pub latency: Latency,
    /// The slowest right answers, slowest first.
    pub slowest: Vec<SlowRequest>,
    /// Second by second, by when requests were due.
    pub timeline: Vec<Second>,
    /// How many connections were opened; above `connections`, some were reopened.
    pub opened: u64,
    /// The downloads beside the requests.
    pub downloads: Downloads,
    /// What the client itself cost and how exact it was.
    pub client: Client,
}

/// Latency in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The mean.
    pub mean_ms: f64,
    /// Half were faster.
    pub p50_ms: f64,
    /// 90% were faster.
    pub p90_ms: f64,
    /// 99% were faster.
    pub p99_ms: f64,
    /// 99.9% were faster.
    pub p999_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedRequest {
    /// Which request, counted from 0; its `X-Load-Id` ends with it.
    pub number: u64,
    /// When it was due, in seconds from the start.
    pub due_s: f64,
    /// From when it was due to its failure.
    pub after_ms: f64,
    /// The kind of failure.
    pub kind: String,
    /// What else is known.
    pub detail: String,
}

/// A request that took long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlowRequest {
    /// Which request, counted from 0; its `X-Load-Id` ends with it.
    pub number: u64,
    /// When it was due, in seconds from the start.
    pub due_s: f64,
    /// From when it was due to the end of its answer.
    pub latency_ms: f64,
}

/// The requests due in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// How many were answered rightly.
    pub answered: u64,
    /// How many failed.
    pub failed: u64,
    /// The mean latency of right answers.
    pub mean_ms: f64,
    /// The slowest right answer.
    pub max_ms: f64,
}

/// The downloads beside the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Downloads {
    /// How many came whole and right.
    pub finished: u64,
    /// How many did not.
    pub failed: u64,
    /// Bytes of those that came whole.
    pub bytes: u64,
}

/// What the client itself cost and how exact it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// CPU time in percent of one core.
    pub cpu_percent: f64,
    /// The longest that a due request waited for us although a connection was free.
    pub late_max_ms: f64,
}

impl Report {
    /// How many requests failed in this way; `kind` as in [`Report::failures`], or how it begins.
    #[must_use]
    pub fn failed_as(&self, kind: &str) -> u64 {
        self.failures
            .iter()
            .filter(|(name, _)| name.starts_with(kind))
            .map(|(_, count)| count)
            .sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {}: {}/s over {} connections, {:.1} s",
            self.method, self.url, self.rate_per_s, self.connections, self.seconds
        )?;
        let latency = &self.latency;
        writeln!(
            f,
            "  latency ms   p50 {:.2}   p90 {:.2}   p99 {:.2}   p99.9 {:.2}   max {:.2}",
            latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms
        )?;
        for slow in self.slowest.iter().take(3) {
            writeln!(
                f,
                "  slow         {:.2} ms, number {}, due at {:.3} s",
                slow.latency_ms, slow.number, slow.due_s
            )?;
        }
        self.timeline(f)?;
        if self.downloads != Downloads::default() {
            let Downloads {
                finished,
                failed,
                bytes,
            } = self.downloads;
            writeln!(
                f,
                "  downloads    {finished} whole ({bytes} bytes), {failed} failed"
            )?;
        }
        writeln!(
            f,
            "  client       {:.1}% of a core, late by {:.1} ms at most, {} connections opened",
            self.client.cpu_percent, self.client.late_max_ms, self.opened
        )?;
        for (kind, count) in &self.failures {
            writeln!(f, "  failed       {count} x {kind}")?;
        }
        for failed in &self.first_failures {
            writeln!(
                f,
                "    number {}, due at {:.3} s, failed after {:.1} ms: {} {}",
                failed.number, failed.due_s, failed.after_ms, failed.kind, failed.detail
            )?;
        }
        writeln!(f, "{} failed of {} requests", self.failed, self.requests)
    }
}

impl Report {
    /// Seconds that stand out: all with a failure, and up to ten of the slowest.
    fn timeline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut slow: Vec<usize> = (0..self.timeline.len()).collect();
        slow.sort_by(|a, b| {
            self.timeline[*b]
                .max_ms
                .total_cmp(&self.timeline[*a].max_ms)
        });
        slow.truncate(10);
        let mut shown = 0;
        for (second, line) in self.timeline.iter().enumerate() {
            if shown < 30 && (line.failed > 0 || slow.contains(&second)) {
                shown += 1;
                writeln!(
                    f,
                    "  second {second:<5} {:>6} answered {:>5} failed   mean {:.2}   max {:.2} ms",
                    line.answered, line.failed, line.mean_ms, line.max_ms
                )?;
            }
        }
        Ok(())
    }
}
