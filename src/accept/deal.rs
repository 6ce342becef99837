//! Deals new connections to the data thread with the fewest: picking and counting are one step.

use std::sync::{
    Arc,
    atomic::{
        AtomicU64,
        Ordering::{AcqRel, Relaxed},
    },
};

/// The most data threads there may be: each has sixteen bits of one word.
pub const THREADS_MAX: usize = 4;

/// The most connections one data thread may have.
const EACH_MAX: u64 = 0xffff;

/// How many live connections each data thread has, sixteen bits each.
#[derive(Clone, Debug)]
pub struct Dealer {
    counts: Arc<AtomicU64>,
    threads: usize,
    limit: u64,
}

/// One connection's place on its data thread, until it is dropped.
#[derive(Debug)]
pub struct Place {
    counts: Arc<AtomicU64>,
    thread: usize,
}

impl Dealer {
    /// No connection yet; at most `limit` over `threads` data threads.
    #[must_use]
    pub fn new(threads: usize, limit: u64) -> Self {
        assert!(
            (1..=THREADS_MAX).contains(&threads),
            "one to four data threads"
        );
        Self {
            counts: Arc::default(),
            threads,
            limit,
        }
    }

    /// A place on the thread with the fewest connections; on `me` if no other has fewer. `None`:
    /// there are as many as may be.
    #[must_use]
    pub fn take(&self, me: usize) -> Option<Place> {
        let mut counts = self.counts.load(Relaxed);
        loop {
            let on = |thread: usize| counts >> (16 * thread) & EACH_MAX;
            let total: u64 = (0..self.threads).map(on).sum();
            let fewest =
                (0..self.threads).fold(
                    me,
                    |best, thread| {
                        if on(thread) < on(best) { thread } else { best }
                    },
                );
            if total >= self.limit || on(fewest) >= EACH_MAX {
                return None;
            }
            let next = counts + (1 << (16 * fewest));
            match self
                .counts
                .compare_exchange_weak(counts, next, AcqRel, Relaxed)
            {
                Ok(_) => {
                    return Some(Place {
                        counts: self.counts.clone(),
                        thread: fewest,
                    });
                }
                Err(now) => counts = now,
            }
        }
    }

    /// Live connections of each data thread.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        let counts = self.counts.load(Relaxed);
        (0..self.threads)
            .map(|thread| counts >> (16 * thread) & EACH_MAX)
            .collect()
    }
}

impl Place {
    /// The data thread's number.
    #[must_use]
    pub fn thread(&self) -> usize {
        self.thread
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counts.fetch_sub(1 << (16 * self.thread), AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_connections_on_two_threads_are_two_and_two_whoever_accepts() {
        let dealer = Dealer::new(2, 100);
        let places: Vec<_> = (0..4).map(|_| dealer.take(0).unwrap()).collect();
        assert_eq!(dealer.counts(), [2, 2]);
        drop(places);
        assert_eq!(dealer.counts(), [0, 0]);
    }

    #[test]
    fn bursts_on_all_threads_are_dealt_evenly() {
        let dealer = Dealer::new(4, 10_000);
        let takers: Vec<_> = (0..4)
            .map(|me| {
                let dealer = dealer.clone();
                std::thread::spawn(move || {
                    (0..250)
                        .map(|_| dealer.take(me).unwrap())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let places: Vec<_> = takers
            .into_iter()
            .map(|taker| taker.join().unwrap())
            .collect();
        assert_eq!(dealer.counts(), [250; 4]);
        drop(places);
    }

    #[test]
    fn there_are_never_more_than_the_limit() {
        let dealer = Dealer::new(2, 3);
        let places: Vec<_> = (0..9).map_while(|_| dealer.take(1)).collect();
        assert_eq!(places.len(), 3);
    }
}
