//! Whether the OOM killer ended a worker: by its control group's counter, never by a guess.

use std::time::Duration;

use tokio::time::timeout;

use crate::os::cgroup::Cgroup;

/// Whether the OOM killer has been at work of late. The counter of a group says nothing of who was
/// killed: one that went up long before a worker's end is not what ended it.
pub(super) struct OomKills {
    cgroup: Cgroup,
    /// What it was one look ago, and at the last look.
    seen: [Option<u64>; 2],
}

impl OomKills {
    const LOOK: Duration = Duration::from_secs(1);

    pub(super) fn new(cgroup: Cgroup) -> Self {
        let now = cgroup.oom_kills();
        let seen = [now; 2];
        Self { cgroup, seen }
    }

    /// Waits for something, and looks at the counter meanwhile.
    pub(super) async fn watch<T>(&mut self, what: impl Future<Output = T>) -> T {
        let mut what = std::pin::pin!(what);
        loop {
            match timeout(Self::LOOK, &mut what).await {
                Ok(came) => return came,
                Err(_) => self.look(),
            }
        }
    }

    /// One more look at the counter; one is due every second.
    pub(super) fn look(&mut self) {
        self.seen = [self.seen[1], self.cgroup.oom_kills()];
    }

    /// Whether the counter went up since the last look but one.
    pub(super) fn lately(&self) -> bool {
        let [before, _] = self.seen;
        let now = self.cgroup.oom_kills();
        now.zip(before).is_some_and(|(now, before)| now > before)
    }
}
