//! How much of an answer waits for its client to take it.

use std::{
    cell::{Cell, RefCell},
    task::{Context, Waker},
};

/// While more than so much waits, in bytes, no more is read of an answer: hyper would take another
/// piece for as long as it has less than the longest head that a client may send, and each piece
/// may be as large. A client that does not read holds one piece, and not two or more.
const AHEAD_MAX: usize = 8 * 1024;

/// What of an answer has been given to hyper, and not been written yet.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// So many bytes. Heads and what frames a body are not counted when they are given, but when
    /// they are written: it may be too few, until all is written.
    bytes: Cell<usize>,
    /// The client took nothing when it was last written to.
    stalls: Cell<bool>,
    /// Who has more of the answer.
    giver: RefCell<Option<Waker>>,
}

impl Backlog {
    /// Whether more may be read of the answer; if not, who asks is woken when it may.
    pub(super) fn has_room(&self, cx: &Context<'_>) -> bool {
        let room = self.is_short();
        if !room {
            self.giver.replace(Some(cx.waker().clone()));
        }
        room
    }

    fn is_short(&self) -> bool {
        self.bytes.get() < AHEAD_MAX && !self.stalls.get()
    }

    /// An answer begins: what came before it has been written, or never will be.
    pub(super) fn begins(&self) {
        self.bytes.set(0);
    }

    /// So many bytes are to be written.
    pub(super) fn given(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
    }

    /// The client took so many bytes.
    pub(super) fn wrote(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
        self.stalls.set(false);
        if self.is_short()
            && let Some(giver) = self.giver.take()
        {
            giver.wake();
        }
    }

    /// The client takes nothing now.
    pub(super) fn stalls(&self) {
        self.stalls.set(true);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::Relaxed},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Calls(AtomicU32);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn who_has_more_of_an_answer_waits_until_its_client_has_taken_what_there_is() {
        let (calls, backlog) = (Arc::new(Calls::default()), Backlog::default());
        let waker = calls.clone().into();
        let cx = Context::from_waker(&waker);
        backlog.given(AHEAD_MAX - 1);
        assert!(backlog.has_room(&cx), "small pieces are written together");
        backlog.given(64 * 1024);
        assert!(!backlog.has_room(&cx));
        backlog.wrote(64 * 1024 - 1);
        assert!(!backlog.has_room(&cx));
        assert_eq!(calls.0.load(Relaxed), 0);
        backlog.wrote(200 + AHEAD_MAX);
        assert_eq!(calls.0.load(Relaxed), 1);
        assert!(
            backlog.has_room(&cx),
            "a head is written, and was not given"
        );
    }

    #[test]
    fn a_client_that_takes_nothing_is_given_nothing() {
        let (calls, backlog) = (Arc::new(Calls::default()), Backlog::default());
        let waker = calls.clone().into();
        let cx = Context::from_waker(&waker);
        backlog.given(1);
        backlog.stalls();
        assert!(!backlog.has_room(&cx));
        backlog.wrote(1);
        assert!(backlog.has_room(&cx));
        assert_eq!(calls.0.load(Relaxed), 1);
    }
}
