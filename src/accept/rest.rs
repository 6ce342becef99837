//! Gives the memory of connections that rest or have ended back to the kernel.

use std::{cell::Cell, hint::black_box, time::Duration};

/// A connection on which nothing was asked for so long keeps its socket and little else.
pub(super) const REST: Duration = Duration::from_secs(5);

/// The allocator keeps what is free for a second, in case it is needed again.
const KEPT: Duration = Duration::from_secs(2);
/// A block of so many bytes has pages of its own. It is never written to, so it costs no memory.
const BLOCK: usize = 1024 * 1024;

thread_local! {
    static LOOK: Cell<Look> = const { Cell::new(Look::Nowhere) };
}

/// Whether the allocator of this thread will be made to look for what is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Nowhere,
    Due,
    /// What came to be free since then may not have been kept long enough when the look comes.
    Again,
}

/// Something of this thread is over: what it used is given back a little later, together with what
/// others used that is over by then.
///
/// mimalloc looks for what it has kept long enough only when it frees pages, and a thread on which
/// nothing goes on frees none: 10,000 connections that had been busy kept 16 KiB each for ever, and
/// so did 1,000 slow readers that had left, with 60 KiB each.
pub(super) fn give_back() {
    if LOOK.replace(Look::Again) != Look::Nowhere {
        return;
    }
    LOOK.set(Look::Due);
    tokio::task::spawn_local(async {
        let mut look = Look::Again;
        while look == Look::Again {
            tokio::time::sleep(KEPT).await;
            look = LOOK.replace(Look::Due);
            drop(black_box(Vec::<u8>::with_capacity(BLOCK)));
        }
        LOOK.set(Look::Nowhere);
    });
}

/// A connection, which is over when this is dropped.
pub(super) struct Lasts;

impl Drop for Lasts {
    fn drop(&mut self) {
        give_back();
    }
}
