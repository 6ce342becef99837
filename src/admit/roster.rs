//! The ready workers that the data plane may use now, and what each of them has in flight.

use std::{
    fmt,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::overload::{Found, Places};
use crate::{
    time::MonoTime,
    tls::back::Manner,
    words::{Door, Generation},
};

/// Where a worker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP port, on loopback as a rule.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(Arc<Path>),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How a fresh worker's share grows: so many requests at once to begin with, then two for each
/// answer but no faster than doubling every [`Ramp::DOUBLES`], without limit from `until` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// At once, to begin with, over all data threads.
    pub first: u64,
    /// The ramp begins here.
    pub since: MonoTime,
    /// The ramp ends here at the latest.
    pub until: MonoTime,
}

impl Ramp {
    /// A worker that answers fast would be flooded with all who waited before its memory or its
    /// errors can be seen.
    pub const DOUBLES: Duration = Duration::from_millis(500);
    /// So many at once are no flood.
    const HARMLESS: u64 = 32;

    /// The most at once at this time, however many it answered, over all data threads.
    #[must_use]
    pub fn most(&self, now: MonoTime) -> u64 {
        if now >= self.until {
            return u64::MAX;
        }
        let doubled = now.since(self.since).as_millis() / Self::DOUBLES.as_millis();
        self.first
            .saturating_mul(2)
            .max(Self::HARMLESS)
            .saturating_mul(1 << doubled.min(40))
    }
}

/// One worker on the roster.
pub struct Member {
    /// Which worker.
    pub generation: Generation,
    /// The instance that it is a generation of.
    pub instance: u32,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// How it is spoken to.
    pub manner: Manner,
    /// How its share grows.
    pub ramp: Ramp,
    /// Which of its places are taken, if they are counted.
    pub places: Places,
    /// How many of them there are, if that is found out.
    pub found: Found,
    shards: Box<[Shard]>,
    bell: Arc<Notify>,
}

/// What one data thread has on one worker. The top bit of `in_flight` is CLOSED.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    in_flight: AtomicU64,
    connections: AtomicU64,
}

const CLOSED: u64 = 1 << 63;

impl Member {
    /// A worker that requests may enter from `threads` data threads. `bell` rings when it has been
    /// closed and a thread's last request or connection ends.
    #[must_use]
    pub fn new(
        (generation, instance): (Generation, u32),
        (endpoint, manner): (Endpoint, Manner),
        ramp: Ramp,
        threads: usize,
        bell: Arc<Notify>,
    ) -> Self {
        let shards = (0..threads).map(|_| Shard::default()).collect();
        Self {
            generation,
            instance,
            endpoint,
            manner,
            ramp,
            places: Places::default(),
            found: Found::default(),
            shards,
            bell,
        }
    }

    /// Counts a request in, unless the worker is closed. The one step of admission.
    #[must_use]
    pub fn enter(&self, thread: usize) -> bool {
        let shard = &self.shards[thread];
        let before = shard.in_flight.fetch_add(1, AcqRel);
        if before & CLOSED != 0 {
            self.leave(thread);
            return false;
        }
        true
    }

    /// Counts a request out.
    pub fn leave(&self, thread: usize) {
        if self.shards[thread].in_flight.fetch_sub(1, AcqRel) == CLOSED + 1 {
            self.bell.notify_one();
        }
    }

    /// Counts a connection to the worker in.
    pub fn connection_opened(&self, thread: usize) {
        self.shards[thread].connections.fetch_add(1, AcqRel);
    }

    /// Counts a connection to the worker out.
    pub fn connection_closed(&self, thread: usize) {
        let shard = &self.shards[thread];
        let last = shard.connections.fetch_sub(1, AcqRel) == 1;
        if last && shard.in_flight.load(Acquire) & CLOSED != 0 {
            self.bell.notify_one();
        }
    }

    /// Lets no further request in, on any thread, from this moment on.
    pub fn close(&self) {
        for shard in &self.shards {
            shard.in_flight.fetch_or(CLOSED, AcqRel);
        }
        self.bell.notify_one();
    }

    /// Waits until the bell rings.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Requests in flight, over all data threads.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.in_flight.load(Acquire) & !CLOSED)
            .sum()
    }

    /// Requests in flight from one data thread.
    #[must_use]
    pub fn in_flight_on(&self, thread: usize) -> u64 {
        self.shards[thread].in_flight.load(Relaxed) & !CLOSED
    }

    /// Open connections to the worker, over all data threads.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.connections.load(Acquire))
            .sum()
    }

    /// How many data threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shards.len()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "worker {} at {} ({} in flight)",
            self.generation,
            self.endpoint,
            self.in_flight()
        )
    }
}

/// The ready workers as one immutable snapshot.
#[derive(Clone, Debug)]
pub struct Roster {
    /// By instance; within one in the order in which they are tried: a fresh worker first, then
    /// the one that it relieves.
    pub members: Vec<Arc<Member>>,
    /// What a request meets while none of them lets it in.
    pub door: Door,
    /// Park every request although a worker is ready.
    pub hold: bool,
    /// Answer load balancers' probes that we are not ready.
    pub unready: bool,
    /// The maintenance page, while that is the answer to every request.
    pub page: Option<Bytes>,
    /// autoheal will stop then: tell each client at a moment of its own until then that its
    /// connection ends.
    pub leaving: Option<MonoTime>,
    /// Tell each client to close its connection: autoheal itself is stopping.
    pub closing: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(threads: usize) -> Member {
        let ramp = Ramp {
            first: 16,
            since: MonoTime::ZERO,
            until: MonoTime::ZERO,
        };
        let at = (Endpoint::Tcp(([127, 0, 0, 1], 1).into()), Manner::default());
        Member::new((Generation(1), 0), at, ramp, threads, Arc::default())
    }

    #[test]
    fn nothing_enters_a_closed_worker_and_nothing_is_lost_from_the_count() {
        let member = member(2);
        assert!(member.enter(0) && member.enter(1) && member.enter(1));
        member.close();
        assert!(!member.enter(0));
        assert_eq!(member.in_flight(), 3);
        member.leave(1);
        member.leave(1);
        member.leave(0);
        assert!(!member.enter(1), "on no thread");
        assert_eq!(member.in_flight(), 0);
    }

    #[test]
    fn the_bell_rings_when_the_last_leaves_a_closed_worker() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let member = member(1);
            assert!(member.enter(0));
            member.close();
            member.bell.notified().await;
            member.leave(0);
            member.bell.notified().await;
        });
    }

    #[test]
    fn admission_and_closing_race_without_a_gap() {
        for _ in 0..200 {
            let member = Arc::new(member(1));
            let other = member.clone();
            let entered =
                std::thread::spawn(move || (0..100).filter(|_| other.enter(0)).count() as u64);
            member.close();
            // Whoever is not seen here did not get in, and never will.
            let inside = entered.join().unwrap();
            assert_eq!(member.in_flight(), inside);
            assert!(!member.enter(0));
        }
    }
}
