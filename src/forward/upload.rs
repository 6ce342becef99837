//! A request body on its way to the worker: streamed, and kept only where it is small and may be
//! needed again.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{thread::Thread, trailing};
use crate::observe::in_flight::Key;

/// A request body with a known length of at most this is kept while it is sent, so that a request
/// that may be sent twice can be.
pub const KEPT_MAX: u64 = 64 * 1024;

/// So many bytes of a request's body an HTTP/2 client may send before any of it is read.
pub const STREAM_WINDOW: u32 = 64 * 1024;

/// So long a stream whose body is whole may take to say that it has ended.
const END_AWAITED: Duration = Duration::from_secs(5);

/// A request body on its way to the worker. The exchange and the attempt share it, so that one that
/// was never begun can go to another worker.
#[derive(Debug)]
pub struct Upload {
    incoming: RefCell<Incoming>,
    length: Option<u64>,
    begun: Cell<bool>,
    /// So many bytes of it have come.
    came: Cell<u64>,
    finished: Cell<bool>,
    failed: Cell<Option<Broken>>,
    kept: RefCell<Kept>,
    /// Whose client is being waited for.
    waits: Cell<Option<Key>>,
    thread: Rc<Thread>,
    /// Told when a piece comes, so that a client that stalls can be found.
    pub progress: Rc<Progress>,
}

/// What of a body is kept for another attempt.
#[derive(Debug)]
enum Kept {
    /// Nothing: not all of it may or could be.
    Nothing,
    /// What has come so far.
    Pieces(BytesMut),
    /// All of it, as it came in one piece.
    Whole(Bytes),
}

/// What a client connection's own deadline needs to know of its request's body.
#[derive(Debug, Default)]
pub struct Progress {
    /// The body is being waited for since then; `None`: it is not.
    pub waiting_since: Cell<Option<crate::time::MonoTime>>,
}

/// How a request's body broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The client left.
    Off,
    /// It is not framed as it should be; the client may still be there.
    Malformed,
}

impl Broken {
    fn of(error: &hyper::Error) -> Self {
        let cause = std::error::Error::source(error).and_then(|e| e.downcast_ref::<io::Error>());
        match cause.map(io::Error::kind) {
            Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => Self::Malformed,
            _ => Self::Off,
        }
    }
}

impl Upload {
    /// A body as it comes from the client. `keep`: it may be needed again. `call`: it is gRPC's,
    /// whose length is small as a rule and never said.
    #[must_use]
    pub fn new(
        incoming: Incoming,
        keep: bool,
        call: bool,
        thread: Rc<Thread>,
        progress: Rc<Progress>,
    ) -> Self {
        let length = incoming.size_hint().exact();
        let keep = keep && length.map_or(call, |length| length <= KEPT_MAX);
        Self {
            incoming: RefCell::new(incoming),
            length,
            begun: Cell::new(false),
            came: Cell::new(0),
            finished: Cell::new(false),
            failed: Cell::new(None),
            kept: RefCell::new(if keep {
                Kept::Pieces(BytesMut::new())
            } else {
                Kept::Nothing
            }),
            waits: Cell::new(None),
            thread,
            progress,
        }
    }

    /// Whether its length is not known before its end.
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        self.length.is_none()
    }

    /// The most of it that an HTTP/2 connection holds while it is not read, in bytes.
    #[must_use]
    pub fn window(&self) -> u64 {
        let window = u64::from(STREAM_WINDOW);
        self.length.unwrap_or(window).min(window)
    }

    /// Whether all of it has gone to the worker.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished.get()
    }

    /// Whether all of its bytes have come, although its stream has not ended: clients may say the
    /// end in a frame of its own, for which nobody asks who knows the length.
    #[must_use]
    pub fn lacks_its_end(&self) -> bool {
        !self.finished.get() && self.length == Some(self.came.get())
    }

    /// Whether all of its bytes have come.
    fn is_whole(&self) -> bool {
        self.finished.get() || self.lacks_its_end()
    }

    /// Waits a moment for the end of the stream. One that is dropped before, its answer whole, is
    /// reset (RFC 9113 section 8.1), and some clients lose the answer over that.
    pub async fn ended(self: Rc<Self>) {
        *self.kept.borrow_mut() = Kept::Nothing;
        let ended = poll_fn(|cx| {
            let mut incoming = self.incoming.borrow_mut();
            while let Some(Ok(_)) = ready!(Pin::new(&mut *incoming).poll_frame(cx)) {}
            Poll::Ready(())
        });
        // A client that never says it gets its reset.
        drop(tokio::time::timeout(END_AWAITED, ended).await);
    }

    /// How it broke, if it did.
    #[must_use]
    pub fn broken(&self) -> Option<Broken> {
        self.failed.get()
    }

    /// The body to send for this attempt; `None`: it has begun and was not kept whole.
    #[must_use]
    pub fn again(self: &Rc<Self>, key: Key) -> Option<Outgoing> {
        self.waits.set(Some(key));
        if !self.begun.get() {
            return Some(Outgoing::Upload(self.clone()));
        }
        if !self.is_whole() {
            return None;
        }
        let kept = match &*self.kept.borrow() {
            Kept::Nothing => return None,
            Kept::Pieces(pieces) => pieces.clone().freeze(),
            Kept::Whole(body) => body.clone(),
        };
        Some(Outgoing::Kept(Some(Box::new(kept))))
    }

    /// Whether [`Upload::again`] would give a body.
    #[must_use]
    pub fn can_go_again(&self) -> bool {
        let is_kept = || !matches!(&*self.kept.borrow(), Kept::Nothing);
        !self.begun.get() || (self.is_whole() && is_kept())
    }

    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.begun.set(true);
        let poll = Pin::new(&mut *self.incoming.borrow_mut()).poll_frame(cx);
        let now = crate::time::now();
        let given = match &poll {
            Poll::Pending => {
                if self.progress.waiting_since.get().is_none() {
                    self.progress.waiting_since.set(Some(now));
                }
                None
            }
            Poll::Ready(piece) => {
                self.progress.waiting_since.set(None);
                match piece {
                    Some(Ok(frame)) => self.keep(frame),
                    Some(Err(error)) => self.failed.set(Some(Broken::of(error))),
                    None => self.finished.set(true),
                }
                if self.incoming.borrow().is_end_stream() {
                    self.finished.set(true);
                }
                Some(now)
            }
        };
        if let Some(key) = self.waits.get() {
            self.thread.in_flight().body(key, given);
        }
        match poll {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(trailing::kept(frame).map(Ok)),
            other => other,
        }
    }

    /// Counts a piece, and keeps it where it may be needed again.
    fn keep(&self, frame: &Frame<Bytes>) {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.came.set(self.came.get() + bytes);
        let mut kept = self.kept.borrow_mut();
        let Kept::Pieces(pieces) = &mut *kept else {
            if frame.is_trailers() {
                *kept = Kept::Nothing;
            }
            return;
        };
        match frame.data_ref() {
            Some(data) if self.length == Some(data.len() as u64) => {
                // No copy: one piece holds one read buffer, while small ones might hold many.
                *kept = Kept::Whole(data.clone());
            }
            Some(data) if (pieces.len() + data.len()) as u64 <= KEPT_MAX => {
                pieces.extend_from_slice(data);
            }
            // Nor can trailers be kept beside a known length.
            _ => *kept = Kept::Nothing,
        }
    }
}

/// What is sent as a body.
#[derive(Debug)]
pub enum Outgoing {
    /// Nothing.
    Empty,
    /// What comes from the client.
    Upload(Rc<Upload>),
    /// What came from the client before. In a box, for a connection of HTTP/2 to a worker has room
    /// for many requests, most of which have none.
    Kept(Option<Box<Bytes>>),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Upload(upload) => upload.poll_frame(cx),
            Self::Kept(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(*b)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Upload(upload) => upload.incoming.borrow().is_end_stream(),
            Self::Kept(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Upload(upload) => upload.incoming.borrow().size_hint(),
            Self::Kept(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
        }
    }
}
