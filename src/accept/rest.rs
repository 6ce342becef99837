//! Gives the memory of connections that rest back to the kernel.

use std::{cell::Cell, hint::black_box, time::Duration};

/// A connection on which nothing was asked for so long keeps its socket and little else.
pub(super) const REST: Duration = Duration::from_secs(5);

/// The allocator keeps what is free for a second, in case it is needed again.
const KEPT: Duration = Duration::from_secs(2);
/// A block of so many bytes has pages of its own. It is never written to, so it costs no memory.
const BLOCK: usize = 1024 * 1024;

thread_local! {
    static BEGUN: Cell<bool> = const { Cell::new(false) };
}

/// A connection of this thread went to rest: what it used is given back a little later, together
/// with what others used that rest by then.
///
/// mimalloc looks for what it has kept long enough only when it frees pages, and a thread whose
/// connections all rest frees none: 10,000 that had been busy kept 16 KiB each for ever.
pub(super) fn give_back() {
    if BEGUN.replace(true) {
        return;
    }
    tokio::task::spawn_local(async {
        tokio::time::sleep(KEPT).await;
        BEGUN.set(false);
        drop(black_box(Vec::<u8>::with_capacity(BLOCK)));
    });
}
