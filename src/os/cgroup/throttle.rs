//! How often a control group was stopped for having used up its CPU quota.

use std::{fs, path::Path, time::Duration};

use super::{Cgroup, Version};
use crate::os::procfs::field;

/// Counters that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods of the quota in which something ran.
    pub periods: u64,
    /// Of these: at whose end it was stopped.
    pub throttled: u64,
    /// For how long, over all CPUs.
    pub time: Duration,
}

impl Cgroup {
    /// The counters of the group, of all that have a quota, that was stopped most often. `None`:
    /// there is no quota, or the kernel doesn't say.
    #[must_use]
    pub fn throttling(&self) -> Option<Throttling> {
        let levels = self.cpu.iter();
        let all = levels.filter_map(|level| read(level, self.cpu_version));
        all.max_by_key(|counters| counters.throttled)
    }
}

/// A group without a quota has no periods.
fn read(level: &Path, version: Version) -> Option<Throttling> {
    let text = fs::read_to_string(level.join("cpu.stat")).ok()?;
    let number = |name| field(&text, name)?.parse::<u64>().ok();
    let periods = number("nr_periods ")?;
    let time = match version {
        Version::One => Duration::from_nanos(number("throttled_time ")?),
        Version::Two => Duration::from_micros(number("throttled_usec ")?),
    };
    (periods > 0).then_some(Throttling {
        periods,
        throttled: number("nr_throttled ")?,
        time,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn version_two_counts_microseconds_in_the_group_that_is_stopped_most() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("pod/app");
        fs::create_dir_all(&inner).unwrap();
        let mount = format!(
            "30 23 0:26 / {} rw,x - cgroup2 c rw\n",
            dir.path().display()
        );
        let group = Cgroup::parse("0::/pod/app\n", &mount);
        assert_eq!(group.throttling(), None);
        fs::write(
            inner.join("cpu.stat"),
            "usage_usec 9\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n",
        )
        .unwrap();
        assert_eq!(group.throttling(), None, "no quota");
        let text = "usage_usec 9\nnr_periods 20\nnr_throttled 7\nthrottled_usec 350000\n";
        fs::write(dir.path().join("pod/cpu.stat"), text).unwrap();
        let expected = Throttling {
            periods: 20,
            throttled: 7,
            time: Duration::from_millis(350),
        };
        assert_eq!(group.throttling(), Some(expected));
    }

    #[test]
    fn version_one_counts_nanoseconds() {
        let dir = tempfile::tempdir().unwrap();
        let mount = format!(
            "31 23 0:27 / {} rw - cgroup c rw,cpu,cpuacct\n",
            dir.path().display()
        );
        let group = Cgroup::parse("4:cpu,cpuacct:/\n", &mount);
        let text = "nr_periods 5\nnr_throttled 2\nthrottled_time 90000000\n";
        fs::write(dir.path().join("cpu.stat"), text).unwrap();
        assert_eq!(group.throttling().unwrap().time, Duration::from_millis(90));
    }
}
