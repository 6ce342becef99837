//! Whether the OOM killer ended a worker: by its control group's counter, never by a guess.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    os::{cgroup::Cgroup, procfs::Proc},
    time::{MonoTime, now},
};

/// Whether the OOM killer has been at work of late. The counter of a group says nothing of who was
/// killed: one that went up long before a worker's end is not what ended it.
pub(super) struct OomKills {
    proc: Proc,
    pid: u32,
    cgroup: Cgroup,
    /// What it was one look ago, and at the last look.
    seen: [Option<u64>; 2],
    looked_at: MonoTime,
}

impl OomKills {
    const LOOK: Duration = Duration::from_secs(1);
    /// One that goes to a group of its own does so at once.
    const FIRST_LOOK: Duration = Duration::from_millis(20);

    /// In the group of this process, wherever it goes.
    pub(super) fn of(proc: &Proc, pid: u32) -> Self {
        let mut kills = Self {
            proc: proc.clone(),
            pid,
            cgroup: Cgroup::default(),
            seen: [None; 2],
            looked_at: MonoTime::ZERO,
        };
        kills.follow();
        kills
    }

    /// Waits for something, and looks at the counter meanwhile.
    pub(super) async fn watch<T>(&mut self, what: impl Future<Output = T>) -> T {
        let (mut what, mut pause) = (std::pin::pin!(what), Self::FIRST_LOOK);
        loop {
            match timeout(pause, &mut what).await {
                Ok(came) => return came,
                Err(_) => self.look(),
            }
            pause = (pause * 2).min(Self::LOOK);
        }
    }

    /// One more look at the counter; one is due every second.
    pub(super) fn look(&mut self) {
        self.follow();
        let now = now();
        if now.since(self.looked_at) >= Self::LOOK {
            self.looked_at = now;
            self.seen = [self.seen[1], self.cgroup.oom_kills()];
        }
    }

    /// Whether the counter went up since the last look but one.
    pub(super) fn lately(&self) -> bool {
        let [before, _] = self.seen;
        let now = self.cgroup.oom_kills();
        now.zip(before).is_some_and(|(now, before)| now > before)
    }

    /// Sees to which group it has gone. One that has ended is in none.
    fn follow(&mut self) {
        let cgroup = Cgroup::of(&self.proc, self.pid);
        if cgroup != self.cgroup && cgroup != Cgroup::default() {
            self.seen = [cgroup.oom_kills(); 2];
            self.looked_at = now();
            self.cgroup = cgroup;
        }
    }
}
