//! What clients saw of a run in which the worker was restarted.

use std::{collections::HashMap, io, thread, time::Duration};

use autoheal::{
    cli::load::{Report, Running},
    time,
};

use super::{scenario::Scenario, subject::Pair};

/// How exactly a gap is measured.
const LOOK: Duration = Duration::from_millis(1);

pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) lost: u64,
    /// Failures by kind, the most frequent first.
    pub(crate) kinds: Vec<(String, u64)>,
    /// The slowest right answer less the usual one.
    pub(crate) delay_ms: f64,
    /// The longest time in which no right answer came.
    pub(crate) gap: Duration,
    /// Requests that workers began with more than once.
    pub(crate) twice: usize,
}

impl Outcome {
    /// Loads a pair for `seconds` and restarts its worker `restarts` times, evenly spread.
    pub(crate) fn of(
        pair: &mut Pair,
        scenario: &Scenario,
        seconds: u32,
        restarts: u32,
    ) -> io::Result<Self> {
        let plan = scenario.plan(&format!("http://{}/echo", pair.address), seconds)?;
        let every = plan.duration / (restarts + 1);
        let load = Running::start(plan).map_err(io::Error::other)?;
        let (gap, restarted) = thread::scope(|scope| {
            let watch = scope.spawn(|| longest_gap(&load));
            let began = time::now();
            let mut restarted = Ok(());
            for number in 1..=restarts {
                thread::park_timeout((began + every * number).since(time::now()));
                restarted = restarted.and_then(|()| pair.restart());
            }
            (watch.join(), restarted)
        });
        restarted?;
        let gap = gap.map_err(|_| io::Error::other("the watch panicked"))?;
        let report = load.wait().map_err(io::Error::other)?;
        Ok(Self::found(&report, gap, &pair.ids()?))
    }

    fn found(report: &Report, gap: Duration, ids: &[String]) -> Self {
        let mut seen = HashMap::new();
        for id in ids {
            *seen.entry(id).or_insert(0) += 1;
        }
        let mut kinds: Vec<_> = report.failures.clone().into_iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self {
            requests: report.requests,
            lost: report.failed,
            kinds,
            delay_ms: report.latency.max_ms - report.latency.p50_ms,
            gap,
            twice: seen.values().filter(|count| **count > 1).count(),
        }
    }
}

fn longest_gap(load: &Running) -> Duration {
    let (mut answered, mut since) = (0, time::now());
    let mut longest = Duration::ZERO;
    while !load.is_finished() {
        let (seen, now) = (load.progress().answered, time::now());
        if seen != answered {
            longest = longest.max(now.since(since));
            (answered, since) = (seen, now);
        }
        thread::park_timeout(LOOK);
    }
    longest
}
