//! How many requests a worker may have at once.

use std::{
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};

use super::limiter::{Order, Range, Seen};
use crate::time::MonoTime;

/// How many requests a worker may have at once, over all data threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cap {
    /// As many as come.
    #[default]
    None,
    /// So many.
    Fixed(u64),
    /// As many as it can do, which is found out, between these.
    Found(Range),
}

impl Cap {
    /// Whether there is one.
    #[must_use]
    pub fn is_set(self) -> bool {
        self != Self::None
    }
}

/// The places at one worker that are taken. Untouched while there is no cap.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Places(AtomicU64);

impl Places {
    /// Takes one of so many. `false`: all are taken.
    #[must_use]
    pub fn take(&self, cap: u64) -> bool {
        let free = |taken: u64| (taken < cap).then_some(taken + 1);
        self.0.fetch_update(SeqCst, SeqCst, free).is_ok()
    }

    /// Gives one back.
    pub fn give_back(&self) {
        self.0.fetch_sub(1, SeqCst);
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What data threads tell of a worker whose cap is found out, and what they are told of it.
#[derive(Debug)]
#[repr(align(128))]
pub struct Found {
    /// The cap; zero: nothing has been ordered yet.
    limit: AtomicU64,
    since: AtomicU64,
    longest: AtomicU64,
    answers: AtomicU64,
    /// In nanoseconds, all of them together.
    taken: AtomicU64,
    full: AtomicBool,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            limit: AtomicU64::new(0),
            since: AtomicU64::new(0),
            longest: AtomicU64::new(u64::MAX),
            answers: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            full: AtomicBool::new(false),
        }
    }
}

impl Found {
    /// Takes one of the places that there are now. `false`: all are taken.
    #[must_use]
    pub fn take(&self, places: &Places, range: Range) -> bool {
        let cap = match self.limit.load(Relaxed) {
            0 => range.start(),
            cap => cap,
        };
        let takes = places.take(cap);
        if (!takes || places.taken() >= cap) && !self.full.load(Relaxed) {
            self.full.store(true, Relaxed);
        }
        takes
    }

    /// An answer came so long after its request was given to the worker, which was at `start`.
    pub fn answered(&self, start: MonoTime, taken: Duration) {
        if start.as_nanos() >= self.since.load(Relaxed) {
            let longest = self.longest.load(Relaxed);
            self.taken.fetch_add(nanos(taken).min(longest), Relaxed);
            self.answers.fetch_add(1, Relaxed);
        }
    }

    /// A client left after so long: an answer would have taken longer. That says something only
    /// if it is longer than answers take when nothing waits in the worker.
    pub fn gave_up(&self, start: MonoTime, taken: Duration) {
        if nanos(taken) >= self.longest.load(Relaxed) / 4 {
            self.answered(start, taken);
        }
    }

    /// What was told since the last time.
    #[must_use]
    pub fn seen(&self, places: &Places) -> Seen {
        Seen {
            answers: self.answers.swap(0, Relaxed),
            taken: Duration::from_nanos(self.taken.swap(0, Relaxed)),
            places: places.taken(),
            full: self.full.swap(false, Relaxed),
        }
    }

    /// What holds from now on. `true`: there are more places than before.
    pub fn order(&self, order: Order) -> bool {
        self.since.store(order.since.as_nanos(), Relaxed);
        self.longest.store(nanos(order.longest), Relaxed);
        self.limit.swap(order.limit, SeqCst) < order.limit
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_places_are_taken_than_there_are() {
        let (places, most) = (Places::default(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if places.take(3) {
                            most.fetch_max(places.0.load(SeqCst), Relaxed);
                            places.give_back();
                        }
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.load(Relaxed)));
        assert!((0..3).all(|_| places.take(3)) && !places.take(3));
    }

    #[test]
    fn what_was_given_before_or_took_for_ever_does_not_spoil_what_is_seen() {
        let (found, places) = (Found::default(), Places::default());
        let at = MonoTime::from_millis;
        let ms = Duration::from_millis;
        assert!(found.order(Order {
            limit: 2,
            since: at(1_000),
            longest: ms(80),
        }));
        found.answered(at(999), ms(500));
        found.answered(at(1_000), ms(20));
        found.answered(at(1_001), ms(30_000));
        let range = Range { min: 1, max: 9 };
        assert!(found.take(&places, range));
        assert!(!found.full.load(Relaxed));
        assert!(found.take(&places, range));
        let seen = found.seen(&places);
        assert_eq!((seen.answers, seen.taken), (2, ms(100)));
        assert_eq!((seen.places, seen.full), (2, true));
        assert!(!found.take(&places, range));
        assert_eq!(
            found.seen(&places),
            Seen {
                places: 2,
                full: true,
                ..Seen::default()
            }
        );
    }
}
