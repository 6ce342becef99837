//! Orphans that come to us: as a container's first process every process without a parent is our
//! child, and nobody else will reap it.

use std::{collections::HashSet, io};

use rustix::process::{
    Pid, WaitId, WaitIdOptions, WaitOptions, getpid, set_child_subreaper, waitid, waitpid,
};

use crate::os::{
    procfs::{Identity, Proc},
    tree::{Root, members},
};

/// Makes us the parent of every orphan below us, first process or not, so that what a killed
/// keeper leaves does not get out of sight.
///
/// # Errors
/// When the kernel is older than 3.4.
pub fn adopt() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Reaps orphans, and only those.
///
/// A child that we started ourselves is reaped by whoever waits for it, within milliseconds, and
/// its exit code must not be taken away. So only what was a zombie at two looks in a row is reaped.
#[derive(Debug, Default)]
pub struct Orphans {
    proc: Proc,
    seen: HashSet<Identity>,
}

impl Orphans {
    /// Looks for zombies and reaps those that were there at the last look, except `ours`: children
    /// that someone waits for. How many it reaped. Call it every 300 ms, on the thread that runs
    /// the waiting tasks; it reads /proc only when there is a zombie at all.
    pub fn reap(&mut self, ours: &[u32]) -> usize {
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if !waitid(WaitId::All, peek).is_ok_and(|zombie| zombie.is_some()) {
            self.seen.clear();
            return 0;
        }
        let me = std::process::id();
        let zombies: HashSet<Identity> = members(&self.proc, Root::Under(me))
            .unwrap_or_default()
            .iter()
            .filter(|member| member.zombie && member.parent == me)
            .map(|member| member.who)
            .filter(|who| !ours.contains(&who.pid))
            .collect();
        let (old, new): (HashSet<_>, HashSet<_>) =
            zombies.into_iter().partition(|who| self.seen.contains(who));
        self.seen = new;
        old.into_iter().filter(|who| reap(who.pid)).count()
    }
}

/// A zombie keeps its number until it is reaped, so this is the one that was seen.
fn reap(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| waitpid(Some(pid), WaitOptions::NOHANG).is_ok_and(|end| end.is_some()))
}
