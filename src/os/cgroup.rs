//! The limits and counters of a process's control group, version 1 or 2.

mod throttle;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use throttle::Throttling;

use super::procfs::{Proc, field};
use crate::units::ByteSize;

/// The control groups of a process, as far as they can be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// Where memory is accounted: the innermost group first, then what it lies in.
    memory: Vec<PathBuf>,
    memory_version: Version,
    /// Where CPU time is limited, likewise.
    cpu: Vec<PathBuf>,
    cpu_version: Version,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Version {
    One,
    #[default]
    Two,
}

/// How many tasks wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// At least one.
    Some,
    /// All of them.
    Full,
}

/// The memory of a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The tightest limit.
    pub limit: ByteSize,
    /// What is in use of it and can't be given back: without the file cache that is not active.
    pub working_set: ByteSize,
}

impl Cgroup {
    /// The groups that a process is in.
    #[must_use]
    pub fn of(proc: &Proc, pid: u32) -> Self {
        let read = |name| fs::read_to_string(proc.file(pid, name)).unwrap_or_default();
        Self::parse(&read("cgroup"), &read("mountinfo"))
    }

    /// The groups by the text of `/proc/PID/cgroup`, at the mounts of `/proc/PID/mountinfo`.
    #[must_use]
    pub fn parse(cgroup: &str, mountinfo: &str) -> Self {
        let mounts: Vec<Mount> = mountinfo.lines().filter_map(Mount::parse).collect();
        let (memory, memory_version) = levels(cgroup, &mounts, "memory");
        let (cpu, cpu_version) = levels(cgroup, &mounts, "cpu");
        Self {
            memory,
            memory_version,
            cpu,
            cpu_version,
        }
    }

    /// The tightest memory limit, and how much of it is in use. `None`: there is no limit, or it
    /// can't be seen.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        let (limit_file, usage_file, cache) = match self.memory_version {
            Version::One => (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file ",
            ),
            Version::Two => ("memory.max", "memory.current", "inactive_file "),
        };
        let limit = |level: &&PathBuf| {
            let bytes = number(level, limit_file)?;
            (bytes < NO_LIMIT).then_some(bytes)
        };
        let level = self
            .memory
            .iter()
            .filter(|level| limit(level).is_some())
            .min_by_key(limit)?;
        let statistics = fs::read_to_string(level.join("memory.stat")).unwrap_or_default();
        let inactive = field(&statistics, cache).and_then(|text| text.parse().ok());
        let used = number(level, usage_file).unwrap_or_default();
        Some(Memory {
            limit: ByteSize(limit(&level)?),
            working_set: ByteSize(used.saturating_sub(inactive.unwrap_or(0))),
        })
    }

    /// How many processes of the group were ever killed for want of memory. `None`: the kernel
    /// doesn't say.
    #[must_use]
    pub fn oom_kills(&self) -> Option<u64> {
        let file = match self.memory_version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(self.memory.first()?.join(file)).ok()?;
        field(&text, "oom_kill ")?.parse().ok()
    }

    /// How often the group's own tasks were held up for memory: at memory.high or, in version 1,
    /// at the limit. `None`: the kernel doesn't say.
    #[must_use]
    pub fn high_events(&self) -> Option<u64> {
        let own = self.memory.first()?;
        match self.memory_version {
            Version::One => number(own, "memory.failcnt"),
            Version::Two => {
                let text = fs::read_to_string(own.join("memory.events")).ok()?;
                field(&text, "high ")?.parse().ok()
            }
        }
    }

    /// The share of the last ten seconds, in hundredths of a percent, in which the group's own
    /// tasks waited for `cpu`, `io` or `memory`. `None`: the kernel doesn't say; version 1 never
    /// does.
    #[must_use]
    pub fn pressure(&self, resource: &str, waits: Waits) -> Option<u64> {
        let own = match self.memory_version {
            Version::One => return None,
            Version::Two => self.memory.first()?,
        };
        let text = fs::read_to_string(own.join(format!("{resource}.pressure"))).ok()?;
        let begin = match waits {
            Waits::Some => "some ",
            Waits::Full => "full ",
        };
        let average = field(&text, begin)?.strip_prefix("avg10=")?;
        let (whole, rest) = average.split_once(' ')?.0.split_once('.')?;
        let hundredths: u64 = rest.get(..2)?.parse().ok()?;
        Some(whole.parse::<u64>().ok()?.min(100) * 100 + hundredths)
    }

    /// Whether a kill for want of memory takes every process of the group, us too.
    #[must_use]
    pub fn oom_kills_all(&self) -> bool {
        self.memory
            .iter()
            .any(|level| number(level, "memory.oom.group") == Some(1))
    }

    /// How many CPUs' worth of time the tightest quota gives, in thousandths. `None`: no quota.
    #[must_use]
    pub fn cpu_quota_millis(&self) -> Option<u64> {
        let quota = |level: &PathBuf| {
            let (quota, period) = match self.cpu_version {
                Version::One => (
                    number(level, "cpu.cfs_quota_us")?,
                    number(level, "cpu.cfs_period_us")?,
                ),
                Version::Two => {
                    let text = fs::read_to_string(level.join("cpu.max")).ok()?;
                    let (quota, period) = text.trim().split_once(' ')?;
                    (quota.parse().ok()?, period.parse().ok()?)
                }
            };
            quota.saturating_mul(1000).checked_div(period)
        };
        self.cpu.iter().filter_map(quota).min()
    }
}

/// From here on a number stands for "no limit": version 1 says 2^63 rounded down to a page.
const NO_LIMIT: u64 = 1 << 60;

/// A mount of a cgroup hierarchy.
struct Mount {
    /// Which part of the hierarchy is mounted.
    root: PathBuf,
    point: PathBuf,
    version: Version,
    controllers: Vec<String>,
}

impl Mount {
    /// Reads a line of proc_pid_mountinfo(5).
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ');
        let (root, point) = (left.nth(3)?, left.next()?);
        let mut right = right.split(' ');
        let version = match right.next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let options = right.nth(1).unwrap_or_default();
        Some(Self {
            root: root.into(),
            point: point.into(),
            version,
            controllers: options.split(',').map(str::to_owned).collect(),
        })
    }
}

/// The folders of the groups that a controller accounts a process in, innermost first.
fn levels(cgroup: &str, mounts: &[Mount], controller: &str) -> (Vec<PathBuf>, Version) {
    let entry = |wanted: Version| {
        cgroup.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let fits = match wanted {
                Version::One => controllers.split(',').any(|name| name == controller),
                Version::Two => controllers.is_empty(),
            };
            fits.then_some(Path::new(path))
        })
    };
    for version in [Version::One, Version::Two] {
        let mount = mounts.iter().find(|mount| {
            mount.version == version
                && (version == Version::Two || mount.controllers.iter().any(|c| c == controller))
        });
        if let (Some(path), Some(mount)) = (entry(version), mount) {
            return (folders(path, mount), version);
        }
    }
    (Vec::new(), Version::Two)
}

/// In a container without a namespace of its own for groups, the path is the host's and the mount
/// shows only a part of it.
fn folders(path: &Path, mount: &Mount) -> Vec<PathBuf> {
    let below = path
        .strip_prefix(&mount.root)
        .or_else(|_| path.strip_prefix("/"))
        .unwrap_or(path);
    let inside = mount.point.join(below);
    let innermost = if inside.is_dir() {
        inside
    } else {
        mount.point.clone()
    };
    innermost
        .ancestors()
        .take_while(|folder| folder.starts_with(&mount.point))
        .map(Path::to_path_buf)
        .collect()
}

fn number(folder: &Path, file: &str) -> Option<u64> {
    let text = fs::read_to_string(folder.join(file)).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn write(dir: &TempDir, file: &str, text: &str) {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn two(dir: &TempDir, group: &str) -> Cgroup {
        let mount = format!(
            "30 23 0:26 / {} rw,x - cgroup2 c rw\n",
            dir.path().display()
        );
        Cgroup::parse(&format!("0::{group}\n"), &mount)
    }

    #[test]
    fn version_two_takes_the_tightest_limit_of_all_that_it_lies_in() {
        let dir = TempDir::new().unwrap();
        write(&dir, "pod/app/memory.max", "max\n");
        write(&dir, "pod/app/memory.current", "1\n");
        write(
            &dir,
            "pod/app/memory.events",
            "low 0\noom 3\noom_kill 2\noom_group_kill 0\n",
        );
        write(&dir, "pod/memory.max", "1000000\n");
        write(&dir, "pod/memory.current", "600000\n");
        write(&dir, "pod/memory.stat", "anon 5\ninactive_file 100000\n");
        write(&dir, "pod/memory.oom.group", "1\n");
        write(&dir, "pod/cpu.max", "50000 100000\n");
        write(&dir, "pod/app/cpu.max", "max 100000\n");
        let group = two(&dir, "/pod/app");
        let memory = group.memory().unwrap();
        assert_eq!(memory.limit, ByteSize(1_000_000));
        assert_eq!(memory.working_set, ByteSize(500_000));
        assert_eq!(group.oom_kills(), Some(2));
        assert!(group.oom_kills_all());
        assert_eq!(group.cpu_quota_millis(), Some(500));
    }

    #[test]
    fn version_one_has_its_own_files_and_its_own_way_to_say_no_limit() {
        let dir = TempDir::new().unwrap();
        let mounts = format!(
            "31 23 0:27 /docker/abc {0}/memory rw - cgroup c rw,memory\n\
             32 23 0:28 /docker/abc {0}/cpu rw - cgroup c rw,cpu,cpuacct\n",
            dir.path().display()
        );
        write(
            &dir,
            "memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        write(&dir, "memory/memory.usage_in_bytes", "5000\n");
        write(
            &dir,
            "memory/memory.stat",
            "cache 1\ntotal_inactive_file 2000\n",
        );
        write(
            &dir,
            "memory/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n",
        );
        write(&dir, "cpu/cpu.cfs_quota_us", "-1\n");
        write(&dir, "cpu/cpu.cfs_period_us", "100000\n");
        let text = "9:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n";
        let group = Cgroup::parse(text, &mounts);
        assert_eq!(group.memory(), None);
        assert_eq!(group.cpu_quota_millis(), None);
        assert_eq!(group.oom_kills(), Some(7));
        write(&dir, "memory/memory.failcnt", "12\n");
        assert_eq!(group.high_events(), Some(12));
        assert_eq!(group.pressure("memory", Waits::Some), None);
        write(&dir, "memory/memory.limit_in_bytes", "8000\n");
        write(&dir, "cpu/cpu.cfs_quota_us", "250000\n");
        assert_eq!(group.memory().unwrap().working_set, ByteSize(3000));
        assert_eq!(group.cpu_quota_millis(), Some(2500));
    }

    #[test]
    fn a_path_of_the_host_that_the_container_can_not_see_means_the_mount_itself() {
        let dir = TempDir::new().unwrap();
        write(&dir, "memory.max", "4096\n");
        let group = two(&dir, "/kubepods/pod1/abc");
        assert_eq!(group.memory().unwrap().limit, ByteSize(4096));
    }

    #[test]
    fn without_groups_there_is_no_limit() {
        let group = Cgroup::parse("", "");
        assert_eq!((group.memory(), group.oom_kills()), (None, None));
        assert!(!group.oom_kills_all());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(a in "[ -~\n]{0,120}", b in "[ -~\n]{0,160}") {
            let _ = Cgroup::parse(&a, &b).cpu_quota_millis();
        }
    }
}
