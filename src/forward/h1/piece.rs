//! Reads a piece from a worker. The room for it is the data thread's, so that who waits holds none.

use std::{
    cell::RefCell,
    io,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::super::socket::WorkerIo;

/// The room, in bytes.
const ROOM: usize = 64 * 1024;
/// Pieces that are left so little room are given new room.
const ROOM_MIN: usize = 32 * 1024;
/// A piece of at most this is copied out: it would hold all of the room for as long as it lives.
const COPIED_MAX: usize = 8 * 1024;

thread_local! {
    static HERE: RefCell<BytesMut> = RefCell::default();
}

/// What there is to read; nothing: the connection has ended.
pub(super) fn poll_piece(io: &mut WorkerIo, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    HERE.with_borrow_mut(|room| {
        if room.capacity() < ROOM_MIN {
            // The same as before, where nobody holds any of it.
            room.reserve(ROOM);
        }
        let read = pin!(io.read_buf(room)).poll(cx);
        let count = ready!(read)?;
        if count > COPIED_MAX {
            return Poll::Ready(Ok(room.split().freeze()));
        }
        let piece = Bytes::copy_from_slice(room);
        room.clear();
        Poll::Ready(Ok(piece))
    })
}
