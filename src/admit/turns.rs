//! Whose turn it is among those who wait on different data threads: first come, first served.
//!
//! Each thread shows since when its first waits. Whoever gives a place back calls the thread whose
//! first has waited longest. Invariant: a thread shows its first before it tries for a place, and a
//! place is free before it is looked who waits; so one of the two sees the other, and nobody waits
//! beside a free place.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use tokio::sync::Notify;

use crate::time::MonoTime;

/// What every data thread shows to the others.
pub struct Turns(Box<[Shown]>);

#[repr(align(128))]
struct Shown {
    /// Since when its first waits, in nanoseconds; [`NOBODY`] waits.
    first: AtomicU64,
    /// Rings at its steward.
    bell: Notify,
}

const NOBODY: u64 = MonoTime::NEVER.as_nanos();

impl Turns {
    /// Nobody waits on any of so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let nobody = || Shown {
            first: AtomicU64::new(NOBODY),
            bell: Notify::new(),
        };
        Self((0..threads).map(|_| nobody()).collect())
    }

    /// Shows since when the first on this thread waits.
    pub fn show(&self, thread: usize, first: Option<MonoTime>) {
        let first = first.map_or(NOBODY, MonoTime::as_nanos);
        self.0[thread].first.store(first, SeqCst);
    }

    /// Whether somebody on another thread has waited longer than since then.
    #[must_use]
    pub fn is_before(&self, thread: usize, since: MonoTime) -> bool {
        let mut others = self.0.iter().enumerate().filter(|(at, _)| *at != thread);
        others.any(|(_, shown)| shown.first.load(SeqCst) < since.as_nanos())
    }

    /// A place may be free: calls the thread whose first has waited longest, if anybody waits.
    pub fn call(&self) {
        if let Some(next) = self.next() {
            self.0[next].bell.notify_one();
        }
    }

    /// The same from a thread that has looked at its own.
    pub fn call_others(&self, thread: usize) {
        if let Some(next) = self.next().filter(|next| *next != thread) {
            self.0[next].bell.notify_one();
        }
    }

    /// Waits until this thread is called.
    pub async fn called(&self, thread: usize) {
        self.0[thread].bell.notified().await;
    }

    fn next(&self) -> Option<usize> {
        let firsts = self.0.iter().map(|shown| shown.first.load(SeqCst));
        let (next, first) = firsts.enumerate().min_by_key(|(_, first)| *first)?;
        (first != NOBODY).then_some(next)
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "turns of {} threads", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    fn is_called(turns: &Turns, thread: usize) -> bool {
        let called = pin!(turns.called(thread));
        called
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn who_has_waited_longest_is_called() {
        let turns = Turns::new(3);
        turns.call();
        assert!(
            (0..3).all(|thread| !is_called(&turns, thread)),
            "nobody waits"
        );
        turns.show(1, Some(MonoTime::from_millis(7)));
        turns.show(2, Some(MonoTime::from_millis(5)));
        turns.call();
        let called: Vec<bool> = (0..3).map(|thread| is_called(&turns, thread)).collect();
        assert_eq!(called, [false, false, true]);
        turns.call_others(2);
        assert!(!is_called(&turns, 2), "it has looked at its own");
        turns.show(2, None);
        turns.call();
        assert!(is_called(&turns, 1));
    }

    #[test]
    fn nobody_is_before_one_who_came_first() {
        let turns = Turns::new(2);
        let since = MonoTime::from_millis(5);
        turns.show(0, Some(since));
        assert!(
            !turns.is_before(0, since),
            "one's own thread does not count"
        );
        assert!(!turns.is_before(1, since));
        assert!(turns.is_before(1, MonoTime::from_millis(6)));
    }
}
