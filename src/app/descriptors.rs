//! What there may be at once, where this process may not have as many descriptors as it takes.
//!
//! A client's connection is one, and so is a connection to the worker. Without a share of their own
//! the first would take them all, and those who were let in could not be served.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    config::{Concurrency, Settings},
    words::Mode,
};

/// What our own files, pipes and threads take, and a worker's start.
const OWN: u64 = 64;
/// So many requests at the worker at once are no question of descriptors any more.
const PLENTY: u64 = 4096;

/// Takes as many descriptors as the system lets us. Returns how many we had, for the worker.
pub(super) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_ok() {
        return limit.current;
    }
    None
}

/// How many this process may have.
pub(super) fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Narrows down how many clients, and requests at the workers, there may be at once to what this
/// many descriptors are enough for; says so if that is less than the configuration's.
#[must_use]
pub(super) fn within(settings: &Settings, open_files: u64) -> (Settings, Option<String>) {
    let mut within = settings.clone();
    let (_, workers) = settings.policy.instances.bounds();
    let Some(share) = Share::of(open_files, settings.limits.connections, workers) else {
        return (within, None);
    };
    within.limits.connections = settings.limits.connections.min(share.clients);
    let idle = settings.worker.connections.unwrap_or(share.idle);
    within.worker.connections = Some(idle.min(share.idle));
    if settings.policy.mode != Mode::Relay {
        within.worker.concurrency = share.narrowed(settings.worker.concurrency);
    }
    let words = format!(
        "there may be {open_files} open files, so at most {} clients are let in at once, and {} of \
         their requests to a worker (the others wait): raise the limit (ulimit -n, LimitNOFILE=)",
        within.limits.connections, share.requests
    );
    (within, Some(words))
}

/// How few descriptors are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    /// Connections of clients.
    clients: u32,
    /// Requests at each worker.
    requests: u32,
    /// Idle connections to all workers.
    idle: u32,
}

impl Share {
    /// `None`: there are enough for so many clients and so many workers.
    fn of(open_files: u64, clients: u32, workers: u32) -> Option<Self> {
        let room = open_files.saturating_sub(OWN.min(open_files / 4 * 3));
        if room >= u64::from(clients) + PLENTY {
            return None;
        }
        let of_room = |sixteenths: u64| {
            let part = u32::try_from(room * sixteenths / 16).unwrap_or(u32::MAX);
            part.max(1)
        };
        Some(Self {
            clients: of_room(10),
            requests: (of_room(3) / workers.max(1)).max(1),
            idle: of_room(1),
        })
    }

    fn narrowed(self, concurrency: Concurrency) -> Concurrency {
        let most = self.requests;
        match concurrency {
            Concurrency::Unlimited => Concurrency::Fixed(most),
            Concurrency::Fixed(few) => Concurrency::Fixed(few.min(most)),
            Concurrency::Found { min, max } => Concurrency::Found {
                min: min.min(most),
                max: max.min(most),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plenty_of_descriptors_change_nothing() {
        assert_eq!(Share::of(20_000, 10_000, 1), None);
        assert_eq!(Share::of(u64::MAX, u32::MAX, 64), None);
        assert!(Share::of(20_000, 20_000, 1).is_some());
    }

    #[test]
    fn few_descriptors_are_shared_out_so_that_none_is_lacking() {
        let share = Share {
            clients: 600,
            requests: 180,
            idle: 60,
        };
        assert_eq!(Share::of(1_024, 10_000, 1), Some(share));
        for (open_files, workers) in [(0, 1), (20, 1), (64, 3), (256, 1), (4_096, 8), (12_000, 1)] {
            let share = Share::of(open_files, 10_000, workers).unwrap();
            assert!(share.clients >= 1 && share.requests >= 1 && share.idle >= 1);
            let all = u64::from(share.clients + share.requests * workers + share.idle);
            assert!(all <= open_files.max(16), "{share:?} of {open_files}");
        }
    }

    #[test]
    fn what_was_configured_is_never_more_for_it() {
        let share = Share::of(1_024, 10_000, 1).unwrap();
        let narrowed = |concurrency| share.narrowed(concurrency);
        let fixed = Concurrency::Fixed;
        assert_eq!(narrowed(Concurrency::Unlimited), fixed(180));
        assert_eq!(
            (narrowed(fixed(8)), narrowed(fixed(900))),
            (fixed(8), fixed(180))
        );
        let found = |min, max| Concurrency::Found { min, max };
        assert_eq!(narrowed(found(4, 1_000)), found(4, 180));
    }
}
