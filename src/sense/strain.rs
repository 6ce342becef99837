//! Whether the CPU that there is for us and the worker is used up, and for how long we were stopped
//! for it.
//!
//! The worker is in our control group, where quotas hold for both.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use tokio::sync::mpsc::{self, Receiver, error::TrySendError};

use crate::os::{
    cgroup::{Cgroup, Throttling},
    procfs::{CpuTimes, Proc},
};

/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);
/// Less idle time than one part of so many, and the machine's CPUs are all busy.
const IDLE_PART: u64 = 20;

/// What was seen in the last second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strain {
    /// The group was stopped in half of its periods or more, or the machine's CPUs were all busy.
    pub full: bool,
    /// For how long the group was ever stopped, over all CPUs.
    pub throttled: Duration,
}

/// The control group and the machine.
#[derive(Clone, Debug)]
pub struct Scales {
    proc: Proc,
    group: Cgroup,
    last: Option<(Option<Throttling>, Option<CpuTimes>)>,
}

impl Scales {
    /// Those of this process, as `proc` shows it.
    #[must_use]
    pub fn new(proc: Proc) -> Self {
        let group = Cgroup::of(&proc, std::process::id());
        Self {
            proc,
            group,
            last: None,
        }
    }

    /// For how long the group was ever stopped, over all CPUs.
    #[must_use]
    pub fn throttled(&self) -> Duration {
        let counters = self.group.throttling();
        counters.unwrap_or_default().time
    }

    /// What happened since the last look; the first look only remembers.
    pub fn look(&mut self) -> Strain {
        let (group, machine) = (self.group.throttling(), self.proc.cpu_times());
        let before = self.last.replace((group, machine)).unwrap_or_default();
        let throttled = group.zip(before.0).is_some_and(|(new, old)| {
            let periods = new.periods.saturating_sub(old.periods);
            periods > 0 && new.throttled.saturating_sub(old.throttled) * 2 >= periods
        });
        let busy = machine.zip(before.1).is_some_and(|(new, old)| {
            let all = new.all.saturating_sub(old.all);
            all > 0 && new.idle.saturating_sub(old.idle) * IDLE_PART <= all
        });
        Strain {
            full: throttled || busy,
            throttled: group.unwrap_or_default().time,
        }
    }
}

/// A thread that looks once a second; dropping it ends the thread.
#[derive(Debug)]
pub struct Watch {
    scales: Scales,
    seen: Receiver<Strain>,
    thread: Thread,
    ended: Arc<AtomicBool>,
}

impl Watch {
    /// Starts it. What nobody takes in time is dropped: the next look tells it anew.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(scales: Scales) -> io::Result<Self> {
        let (sender, seen) = mpsc::channel(1);
        let ended = Arc::new(AtomicBool::new(false));
        let (end, mut own) = (ended.clone(), scales.clone());
        let thread = thread::Builder::new()
            .name("cpu watch".into())
            .spawn(move || {
                while !end.load(Ordering::Acquire) {
                    if matches!(sender.try_send(own.look()), Err(TrySendError::Closed(_))) {
                        return;
                    }
                    thread::park_timeout(LOOK);
                }
            })?;
        Ok(Self {
            scales,
            seen,
            thread: thread.thread().clone(),
            ended,
        })
    }

    /// What is seen next.
    pub async fn seen(&mut self) -> Option<Strain> {
        self.seen.recv().await
    }

    /// For how long the group was ever stopped, now.
    #[must_use]
    pub fn throttled(&self) -> Duration {
        self.scales.throttled()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Our process in a group of version 2, on a machine with times of its own.
    fn scales(dir: &Path) -> Scales {
        let own = dir.join(std::process::id().to_string());
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("cgroup"), "0::/\n").unwrap();
        let mount = format!("30 23 0:26 / {} rw - cgroup2 c rw\n", dir.display());
        fs::write(own.join("mountinfo"), mount).unwrap();
        Scales::new(Proc::at(dir))
    }

    fn machine(dir: &Path, busy: u64, idle: u64) {
        let text = format!("cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 1 1 1\n");
        fs::write(dir.join("stat"), text).unwrap();
    }

    fn group(dir: &Path, periods: u64, throttled: u64) {
        let text = format!(
            "nr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec {}\n",
            throttled * 1000
        );
        fs::write(dir.join("cpu.stat"), text).unwrap();
    }

    #[test]
    fn without_a_quota_the_cpu_is_used_up_when_the_machine_is_never_idle() {
        let dir = tempfile::tempdir().unwrap();
        let mut scales = scales(dir.path());
        machine(dir.path(), 1_000, 5_000);
        assert!(!scales.look().full, "nothing to compare with");
        machine(dir.path(), 1_100, 5_100);
        assert!(!scales.look().full);
        machine(dir.path(), 1_295, 5_105);
        assert!(scales.look().full);
    }

    #[test]
    fn a_group_that_is_stopped_in_every_second_period_has_used_up_its_quota() {
        let dir = tempfile::tempdir().unwrap();
        let mut scales = scales(dir.path());
        machine(dir.path(), 0, 1_000);
        group(dir.path(), 100, 50);
        scales.look();
        group(dir.path(), 110, 54);
        assert!(!scales.look().full);
        group(dir.path(), 120, 59);
        let seen = scales.look();
        assert_eq!(
            (seen.full, seen.throttled),
            (true, Duration::from_millis(59))
        );
        assert_eq!(scales.throttled(), seen.throttled);
    }

    #[test]
    fn a_machine_that_says_nothing_is_not_strained() {
        let dir = tempfile::tempdir().unwrap();
        let mut scales = scales(dir.path());
        let nothing = Strain {
            full: false,
            throttled: Duration::ZERO,
        };
        assert_eq!([scales.look(), scales.look()], [nothing; 2]);
    }

    #[tokio::test]
    async fn the_thread_tells_what_it_sees() {
        let dir = tempfile::tempdir().unwrap();
        group(dir.path(), 100, 50);
        let mut watch = Watch::start(scales(dir.path())).unwrap();
        let seen = watch.seen().await.unwrap();
        assert_eq!(
            (seen.full, seen.throttled),
            (false, Duration::from_millis(50))
        );
        assert_eq!(watch.throttled(), seen.throttled);
    }
}
