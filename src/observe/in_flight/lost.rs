//! Which kinds of requests a worker lost: those that it had when its connections broke.

use std::time::Duration;

use crate::{time::MonoTime, units::RequestShape, words::Generation};

/// So many kinds are remembered...
const MOST: usize = 256;
/// ...for so long: a connection breaks at most this long before the end of its worker is known.
const KEPT: Duration = Duration::from_secs(2);

/// The last ones on one data thread, each kind once for each worker.
#[derive(Debug, Default)]
pub(super) struct Lost(Vec<One>);

#[derive(Debug)]
struct One {
    at: MonoTime,
    worker: Generation,
    shape: RequestShape,
}

impl Lost {
    /// The worker had a request of this kind.
    pub(super) fn note(&mut self, now: MonoTime, worker: Generation, method: &str, path: &str) {
        let digest = RequestShape::digest(method, path);
        let same = |one: &&mut One| one.worker == worker && one.shape.matches(digest, method, path);
        if let Some(one) = self.0.iter_mut().find(same) {
            one.at = now;
            return;
        }
        if self.0.len() >= MOST {
            self.0.retain(|one| now.since(one.at) <= KEPT);
        }
        if self.0.len() < MOST {
            let shape = RequestShape::of(method, path);
            self.0.push(One {
                at: now,
                worker,
                shape,
            });
        }
    }

    /// Takes what this worker lost of late.
    pub(super) fn take(&mut self, now: MonoTime, worker: Generation) -> Vec<RequestShape> {
        self.0.retain(|one| now.since(one.at) <= KEPT);
        let own = self.0.extract_if(.., |one| one.worker == worker);
        own.map(|one| one.shape).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    #[test]
    fn what_a_worker_lost_is_told_once_and_only_of_late() {
        let mut lost = Lost::default();
        let mut note = |ms, worker, path| lost.note(at(ms), Generation(worker), "GET", path);
        note(0, 1, "/old");
        note(2_500, 1, "/a/1");
        note(2_500, 1, "/a/2");
        note(2_600, 2, "/b");
        let taken = lost.take(at(2_700), Generation(1));
        assert_eq!(taken, [RequestShape::of("GET", "/a/9")]);
        assert!(lost.take(at(2_700), Generation(1)).is_empty());
        assert_eq!(lost.take(at(2_700), Generation(2)).len(), 1);
    }

    #[test]
    fn only_so_many_are_remembered_and_the_late_ones_give_way() {
        let mut lost = Lost::default();
        for kind in 0..1_000 {
            lost.note(at(0), Generation(1), "GET", &format!("/k{kind}x"));
        }
        assert_eq!(lost.0.len(), MOST);
        lost.note(at(2_001), Generation(1), "GET", "/new");
        assert_eq!(lost.0.len(), 1);
    }
}
