//! Passes bytes both ways between a client and its worker, and can end the way to the client with
//! a Close frame of our own, between two frames of the worker's.

use std::{
    cell::RefCell,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    frames::{Frames, GOING_AWAY},
    pool::WorkerEnd,
};
use crate::{
    explain::code::Code,
    observe::ledger::End,
    time::{self, MonoTime},
};

/// So much is read at a time, in bytes; what can't be written at once waits.
const PIECE: usize = 16 * 1024;

thread_local! {
    /// What is written as soon as it is read needs no buffer of its tunnel's own.
    static SCRATCH: RefCell<Box<[u8; PIECE]>> = RefCell::new(Box::new([0; PIECE]));
}

/// What came of passing bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// One side has ended, and the other was told. Said once.
    HalfOver,
    /// Nothing more will pass.
    Over(End),
}

/// Whether the client was told that we go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goodbye {
    No,
    /// As soon as it may be said.
    Wanted,
    Said,
}

/// Both directions of one tunnel.
pub(super) struct Pump<C> {
    client: C,
    worker: WorkerEnd,
    to_client: Flow,
    to_worker: Flow,
    /// Where the worker is in its frames.
    frames: Frames,
    goodbye: Goodbye,
    half_over: bool,
    moved_at: MonoTime,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Pump<C> {
    /// `early`: what the client has sent already.
    pub(super) fn new(client: C, mut worker: WorkerEnd, early: Bytes) -> Self {
        let (mut to_client, mut to_worker) = (Flow::default(), Flow::default());
        let mut frames = Frames::default();
        let said = std::mem::take(&mut worker.early);
        frames.pass(&said);
        to_client.waiting.extend_from_slice(&said);
        to_worker.waiting.extend_from_slice(&early);
        Self {
            client,
            worker,
            to_client,
            to_worker,
            frames,
            goodbye: Goodbye::No,
            half_over: false,
            moved_at: time::now(),
        }
    }

    /// When a byte last passed.
    pub(super) fn moved_at(&self) -> MonoTime {
        self.moved_at
    }

    /// Tells the client that we go, as soon as the worker's frame is at its end. Nothing that the
    /// worker says after that is passed on.
    pub(super) fn say_goodbye(&mut self) {
        if self.goodbye == Goodbye::No {
            self.goodbye = Goodbye::Wanted;
        }
    }

    /// Whether the client was told.
    pub(super) fn said_goodbye(&self) -> bool {
        self.goodbye == Goodbye::Said
    }

    /// Whether one side has ended.
    pub(super) fn is_half_over(&self) -> bool {
        self.half_over
    }

    /// Passes what there is to pass.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        let Self {
            client,
            worker,
            to_client,
            to_worker,
            frames,
            goodbye,
            ..
        } = self;
        if *goodbye == Goodbye::Wanted && frames.is_between() && !to_client.ended {
            *goodbye = Goodbye::Said;
            to_client.waiting.extend_from_slice(&GOING_AWAY);
        }
        let frame_by_frame = |piece: &[u8]| match *goodbye {
            Goodbye::No => {
                frames.pass(piece);
                (piece.len(), &b""[..])
            }
            Goodbye::Wanted => match frames.pass_to_between(piece) {
                Some(end) => {
                    *goodbye = Goodbye::Said;
                    (end, &GOING_AWAY[..])
                }
                None => (piece.len(), &b""[..]),
            },
            Goodbye::Said => (0, &b""[..]),
        };
        let mut moved = false;
        let down = to_client.poll(cx, &mut worker.io, client, frame_by_frame, &mut moved);
        let all = |piece: &[u8]| (piece.len(), &b""[..]);
        let up = to_worker.poll(cx, client, &mut worker.io, all, &mut moved);
        if moved {
            self.moved_at = time::now();
        }
        let expected = self.half_over || self.goodbye != Goodbye::No;
        let broke = |end| Poll::Ready(Progress::Over(if expected { End::Completed } else { end }));
        match (down, up) {
            (Poll::Ready(Err(Side::From)), _) | (_, Poll::Ready(Err(Side::To))) => {
                broke(End::Failed(Code::AnswerTruncated))
            }
            (Poll::Ready(Err(Side::To)), _) | (_, Poll::Ready(Err(Side::From))) => {
                broke(End::Aborted)
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                Poll::Ready(Progress::Over(End::Completed))
            }
            (Poll::Pending, Poll::Pending) => Poll::Pending,
            _ if self.half_over => Poll::Pending,
            _ => {
                self.half_over = true;
                Poll::Ready(Progress::HalfOver)
            }
        }
    }
}

/// Which side of a direction failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    From,
    To,
}

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    /// Read and not yet written: at most a piece and what came early.
    waiting: BytesMut,
    /// The source has ended.
    ended: bool,
    /// And that was told.
    told: bool,
    unflushed: bool,
}

impl Flow {
    /// Moves bytes until one side can't go on. `look` says how many bytes of a piece are passed,
    /// and what is said after them. Ready: the source has ended, and everything was passed.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        mut look: impl FnMut(&[u8]) -> (usize, &'static [u8]),
        moved: &mut bool,
    ) -> Poll<Result<(), Side>> {
        loop {
            while !self.waiting.is_empty() {
                match ready!(Pin::new(&mut *to).poll_write(cx, &self.waiting)) {
                    Ok(0) | Err(_) => return Poll::Ready(Err(Side::To)),
                    Ok(count) => self.waiting.advance(count),
                }
                (*moved, self.unflushed) = (true, true);
            }
            // Nearly always nothing waits: a tunnel that stalled once keeps no room for it.
            if self.waiting.capacity() > 0 {
                self.waiting = BytesMut::new();
            }
            if self.ended {
                if !self.told {
                    // Who can't be told has ended too.
                    drop(ready!(Pin::new(&mut *to).poll_shutdown(cx)));
                    self.told = true;
                }
                return Poll::Ready(Ok(()));
            }
            match self.poll_piece(cx, from, to, &mut look) {
                Poll::Ready(result) => {
                    result?;
                    *moved |= !self.ended;
                }
                Poll::Pending => {
                    if self.unflushed {
                        drop(ready!(Pin::new(&mut *to).poll_flush(cx)));
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Reads a piece and writes as much of it as is taken at once.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        look: &mut impl FnMut(&[u8]) -> (usize, &'static [u8]),
    ) -> Poll<Result<(), Side>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut piece = ReadBuf::new(&mut scratch[..]);
            let read = ready!(Pin::new(from).poll_read(cx, &mut piece));
            if read.is_err() {
                return Poll::Ready(Err(Side::From));
            }
            if piece.filled().is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            let (passed, then) = look(piece.filled());
            let bytes = &piece.filled()[..passed];
            let mut written = 0;
            if !bytes.is_empty() {
                match Pin::new(to).poll_write(cx, bytes) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(count)) => written = count,
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Side::To)),
                }
            }
            self.unflushed |= written > 0;
            self.waiting.extend_from_slice(&bytes[written..]);
            self.waiting.extend_from_slice(then);
            Poll::Ready(Ok(()))
        })
    }
}
