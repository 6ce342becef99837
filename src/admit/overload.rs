//! How many requests a worker may have at once.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// How many requests a worker may have at once, over all data threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cap {
    /// As many as come.
    #[default]
    None,
    /// So many.
    Fixed(u64),
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
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

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
}
