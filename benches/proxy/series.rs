//! Rounds of one proxy under one load, and what stands in the report.

use std::{
    fmt, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    load::{self, Seen},
    subject::{Subject, pss_kib},
    workload::Workload,
};

/// What one subject did in each round.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<Round>,
}

pub(crate) struct Round {
    pub(crate) cpu_us: f64,
    pub(crate) seen: Seen,
    /// The most that was seen while the load ran.
    pub(crate) pss_mib: f64,
}

impl Round {
    /// One round; `None`: this proxy does not speak that.
    pub(crate) fn run(
        subject: &Subject,
        workload: &Workload,
        seconds: u32,
        folder: &Path,
    ) -> io::Result<Option<Self>> {
        let Some(address) = subject.address(workload.front) else {
            return Ok(None);
        };
        let peak = Peak::watch(subject.pid());
        let before = subject.cpu_s()?;
        let seen = load::drive(workload, address, seconds, folder);
        let cpu_s = subject.cpu_s()? - before;
        let pss_mib = peak.end();
        let seen = seen?;
        Ok(Some(Self {
            cpu_us: cpu_s * 1e6 / seen.requests as f64,
            seen,
            pss_mib,
        }))
    }
}

impl Series {
    pub(crate) fn middle(&self, of: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(of).collect())
    }

    pub(crate) fn errors(&self) -> u64 {
        self.rounds.iter().map(|round| round.seen.errors).sum()
    }

    /// CPU per request as a multiple of another's, round by round.
    pub(crate) fn ratio(&self, other: &Self) -> Spread {
        let pairs = self.rounds.iter().zip(&other.rounds);
        Spread::of(
            pairs
                .map(|(our, their)| our.cpu_us / their.cpu_us)
                .collect(),
        )
    }
}

/// The median, and the least and greatest.
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self {
            least: at(0),
            median: at(values.len() / 2),
            greatest: at(values.len().saturating_sub(1)),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} ({:.2} to {:.2})",
            self.median, self.least, self.greatest
        )
    }
}

/// The greatest memory of a process while something else happens.
struct Peak {
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<f64>,
}

impl Peak {
    fn watch(pid: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let thread = thread::spawn(move || {
            let mut peak_kib = 0.0f64;
            while !ends.load(Ordering::Relaxed) {
                // A process that has ended has no more memory.
                peak_kib = peak_kib.max(pss_kib(pid).unwrap_or(0.0));
                thread::park_timeout(Duration::from_millis(200));
            }
            peak_kib / 1024.0
        });
        Self { over, thread }
    }

    fn end(self) -> f64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or(f64::NAN)
    }
}
