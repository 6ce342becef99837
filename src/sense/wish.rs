//! What a thread of its own is to watch: told by others, waited for between two looks.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

#[derive(Debug, Default)]
pub(super) struct Wish<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State<T> {
    what: T,
    new: bool,
    ended: bool,
}

impl<T: Clone> Wish<T> {
    pub(super) fn of(what: T) -> Self {
        let state = State {
            what,
            new: false,
            ended: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// What is wished for now.
    pub(super) fn now(&self) -> T {
        self.lock().what.clone()
    }

    pub(super) fn tell(&self, what: T) {
        self.change(|state| state.what = what);
    }

    /// The thread may end.
    pub(super) fn end(&self) {
        self.change(|state| state.ended = true);
    }

    /// Waits for so long, or until something is wished for. `None`: it is over.
    pub(super) fn wait(&self, time: Duration) -> Option<T> {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), time, |state| !state.new);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.new = false;
        (!state.ended).then(|| state.what.clone())
    }

    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        let mut state = self.lock();
        change(&mut state);
        state.new = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn who_waits_is_woken_by_a_wish_and_by_the_end() {
        let wish = Arc::new(Wish::of(1));
        let own = wish.clone();
        let waiting = thread::spawn(move || {
            let first = own.wait(Duration::MAX);
            (first, own.wait(Duration::MAX))
        });
        wish.tell(2);
        while wish.lock().new {
            thread::yield_now();
        }
        wish.end();
        assert_eq!(waiting.join().unwrap(), (Some(2), None));
    }

    #[test]
    fn what_was_wished_holds_until_something_else_is() {
        let wish = Wish::of("a");
        assert_eq!(wish.wait(Duration::ZERO), Some("a"));
        wish.tell("b");
        assert_eq!(wish.wait(Duration::MAX), Some("b"));
        assert_eq!((wish.wait(Duration::ZERO), wish.now()), (Some("b"), "b"));
    }
}
