//! Which processes descend from one: a worker is a tree of them.

use std::{collections::HashMap, io};

use super::procfs::{Identity, Proc};

/// Where a tree begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// All that descends from this process, without it: what a keeper keeps.
    Under(u32),
    /// This process and all that descends from it.
    From(u32),
}

impl Root {
    /// The process that it begins at.
    #[must_use]
    pub fn pid(self) -> u32 {
        match self {
            Self::Under(pid) | Self::From(pid) => pid,
        }
    }
}

/// One process of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub who: Identity,
    /// Its parent when it was listed.
    pub parent: u32,
    /// It has ended and waits for its parent to notice.
    pub zombie: bool,
    /// CPU time that it had used by itself when it was listed, in clock ticks.
    pub cpu_ticks: u64,
    /// Its threads when it was listed.
    pub threads: u64,
}

/// The most processes of one tree that are looked at: a fork bomb must not make us one.
pub const MAX_MEMBERS: usize = 4096;

/// All processes at one moment, so that several trees can be read off one pass over /proc.
#[derive(Debug, Default)]
pub struct Census {
    children: HashMap<u32, Vec<Member>>,
    all: HashMap<u32, Member>,
}

impl Census {
    /// Looks at every process once.
    ///
    /// # Errors
    /// When /proc can't be listed. Processes that end meanwhile are left out.
    pub fn take(proc: &Proc) -> io::Result<Self> {
        let mut census = Self::default();
        for pid in proc.pids()? {
            let Ok(stat) = proc.stat(pid) else { continue };
            let member = Member {
                who: Identity {
                    pid,
                    start_ticks: stat.start_ticks,
                },
                parent: stat.parent,
                zombie: stat.is_zombie(),
                cpu_ticks: stat.cpu_ticks,
                threads: stat.threads,
            };
            census.children.entry(stat.parent).or_default().push(member);
            census.all.insert(pid, member);
        }
        Ok(census)
    }

    /// The processes of a tree, parents before their children, at most [`MAX_MEMBERS`].
    #[must_use]
    pub fn tree(&self, root: Root) -> Vec<Member> {
        let mut found: Vec<Member> = match root {
            Root::From(pid) => self.all.get(&pid).copied().into_iter().collect(),
            Root::Under(pid) => self.children_of(pid).to_vec(),
        };
        let mut next = 0;
        while next < found.len() && found.len() < MAX_MEMBERS {
            // Two looks at a changing world can show a ring; a process is listed once.
            for child in self.children_of(found[next].who.pid) {
                if child.who.pid != root.pid() && !found.iter().any(|m| m.who == child.who) {
                    found.push(*child);
                }
            }
            next += 1;
        }
        found.truncate(MAX_MEMBERS);
        found
    }

    fn children_of(&self, pid: u32) -> &[Member] {
        self.children.get(&pid).map_or(&[], Vec::as_slice)
    }
}

/// The processes of one tree, zombies included; see [`Census`].
///
/// # Errors
/// When /proc can't be listed.
pub fn members(proc: &Proc, root: Root) -> io::Result<Vec<Member>> {
    Ok(Census::take(proc)?.tree(root))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn machine(processes: &[(u32, u32, char)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (pid, parent, state) in processes {
            let folder = dir.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            let stat =
                format!("{pid} (p) {state} {parent} 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 {pid}00 9");
            fs::write(folder.join("stat"), stat).unwrap();
        }
        fs::create_dir(dir.path().join("self")).unwrap();
        dir
    }

    fn pids(dir: &tempfile::TempDir, root: Root) -> Vec<u32> {
        let mut pids: Vec<_> = members(&Proc::at(dir.path()), root)
            .unwrap()
            .iter()
            .map(|m| m.who.pid)
            .collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn a_tree_has_every_descendant_and_no_neighbour() {
        let dir = machine(&[
            (1, 0, 'S'),
            (10, 1, 'S'),
            (11, 10, 'S'),
            (12, 11, 'Z'),
            (13, 10, 'S'),
            (20, 1, 'S'),
        ]);
        assert_eq!(pids(&dir, Root::Under(10)), [11, 12, 13]);
        assert_eq!(pids(&dir, Root::From(11)), [11, 12]);
        assert_eq!(pids(&dir, Root::From(99)), [0u32; 0]);
    }

    #[test]
    fn a_ring_of_parents_ends() {
        let dir = machine(&[(10, 12, 'S'), (11, 10, 'S'), (12, 11, 'S')]);
        assert_eq!(pids(&dir, Root::From(10)), [10, 11, 12]);
        assert_eq!(pids(&dir, Root::Under(10)), [11, 12]);
    }
}
