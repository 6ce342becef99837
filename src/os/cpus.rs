//! How many CPUs this process may use: by affinity, and by its control group's quota.

use std::fs;

use super::{
    cgroup::Cgroup,
    procfs::{Proc, field},
};

/// How many CPUs a process may use, at least 1: those of its affinity mask, or as many whole ones
/// as its quota pays for, rounded up, whichever are fewer.
#[must_use]
pub fn usable(proc: &Proc, pid: u32) -> usize {
    let status = fs::read_to_string(proc.file(pid, "status")).unwrap_or_default();
    let allowed = field(&status, "Cpus_allowed:").and_then(count_bits);
    let quota = Cgroup::of(proc, pid)
        .cpu_quota_millis()
        .and_then(|millis| usize::try_from(millis.div_ceil(1000)).ok());
    allowed.into_iter().chain(quota).min().unwrap_or(1).max(1)
}

/// How much CPU a process may use, in thousandths of one: of its affinity mask, or its quota.
#[must_use]
pub fn usable_millis(proc: &Proc, pid: u32) -> u64 {
    let status = fs::read_to_string(proc.file(pid, "status")).unwrap_or_default();
    let allowed = field(&status, "Cpus_allowed:").and_then(count_bits);
    let allowed = allowed.map(|cpus| cpus as u64 * 1000);
    let quota = Cgroup::of(proc, pid).cpu_quota_millis();
    allowed
        .into_iter()
        .chain(quota)
        .min()
        .unwrap_or(1000)
        .max(1)
}

/// The bits of a mask like `ff,ffffffff`.
fn count_bits(mask: &str) -> Option<usize> {
    let mut bits = 0;
    for digit in mask.chars().filter(|c| *c != ',') {
        bits += digit.to_digit(16)?.count_ones() as usize;
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A process 7 with four CPUs, in a group of version 2 at `group`.
    fn machine(dir: &Path, group: &Path) -> Proc {
        let folder = dir.join("7");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("status"), "Cpus_allowed:\t0000000,0000000f\n").unwrap();
        fs::write(folder.join("cgroup"), "0::/\n").unwrap();
        let mount = format!("30 23 0:26 / {} rw - cgroup2 cgroup rw\n", group.display());
        fs::write(folder.join("mountinfo"), mount).unwrap();
        Proc::at(dir)
    }

    #[test]
    fn the_tighter_of_affinity_and_quota_counts() {
        let (dir, group) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let proc = machine(dir.path(), group.path());
        for (quota, expected) in [
            ("max 100000", 4),
            ("150000 100000", 2),
            ("1000 100000", 1),
            ("900000 100000", 4),
        ] {
            fs::write(group.path().join("cpu.max"), quota).unwrap();
            assert_eq!(usable(&proc, 7), expected, "{quota}");
        }
    }

    #[test]
    fn a_machine_that_says_nothing_has_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(usable(&Proc::at(dir.path()), 7), 1);
        assert_eq!(count_bits("x"), None);
    }
}
