//! Bodies in both directions: streamed, never collected.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{
    grpc::Call,
    noted::Noted,
    pool::{Connection, Upstream},
    thread::{Thread, View},
    tunnel::Tunnel,
};
use crate::{
    admit::gate::Permit,
    explain::code::Code,
    observe::{in_flight::Key, ledger::End},
};

/// A request body with a known length of at most this is kept while it is sent, so that a request
/// that may be sent twice can be.
pub const KEPT_MAX: u64 = 64 * 1024;

/// So many bytes of a request's body an HTTP/2 client may send before any of it is read.
pub const STREAM_WINDOW: u32 = 64 * 1024;

/// A request body on its way to the worker. The exchange and the attempt share it, so that one that
/// was never begun can go to another worker.
#[derive(Debug)]
pub struct Upload {
    incoming: RefCell<Incoming>,
    length: Option<u64>,
    begun: Cell<bool>,
    finished: Cell<bool>,
    failed: Cell<Option<Broken>>,
    kept: RefCell<Option<BytesMut>>,
    /// Whose client is being waited for.
    waits: Cell<Option<Key>>,
    thread: Rc<Thread>,
    /// Told when a piece comes, so that a client that stalls can be found.
    pub progress: Rc<Progress>,
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
            finished: Cell::new(false),
            failed: Cell::new(None),
            kept: RefCell::new(keep.then(BytesMut::new)),
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
        if !self.finished.get() {
            return None;
        }
        let kept = self.kept.borrow();
        kept.as_ref()
            .map(|kept| Outgoing::Kept(Some(kept.clone().freeze())))
    }

    /// Whether [`Upload::again`] would give a body.
    #[must_use]
    pub fn can_go_again(&self) -> bool {
        !self.begun.get() || (self.finished.get() && self.kept.borrow().is_some())
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
        poll
    }

    fn keep(&self, frame: &Frame<Bytes>) {
        let mut kept = self.kept.borrow_mut();
        match (frame.data_ref(), kept.as_mut()) {
            (Some(data), Some(bytes)) if (bytes.len() + data.len()) as u64 > KEPT_MAX => {
                *kept = None;
            }
            (Some(data), Some(kept)) => kept.extend_from_slice(data),
            // Trailers can't be kept beside a known length.
            (None, Some(_)) => *kept = None,
            (_, None) => {}
        }
    }
}

/// What hyper's client sends as a body.
#[derive(Debug)]
pub enum Outgoing {
    /// Nothing.
    Empty,
    /// What comes from the client.
    Upload(Rc<Upload>),
    /// What came from the client before.
    Kept(Option<Bytes>),
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
            Self::Kept(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
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

/// An attempt whose response head came: holds what it uses until its body has ended.
#[derive(Debug)]
pub struct Exchange {
    /// Its data thread.
    pub thread: Rc<Thread>,
    /// The snapshot it was admitted with.
    pub view: Rc<View>,
    /// The worker.
    pub upstream: Rc<Upstream>,
    /// Its place in the table of what is in flight.
    pub key: Key,
    /// Counts it.
    pub permit: Permit,
    /// What it came on.
    pub connection: Connection,
    /// The request's body, which may still be under way.
    pub upload: Option<Rc<Upload>>,
    /// Whose status is to come.
    pub call: Option<Call>,
}

impl Exchange {
    fn end(self, end: End) {
        let Self {
            thread,
            view,
            upstream,
            key,
            permit,
            connection,
            upload,
            call,
        } = self;
        if end == End::Completed
            && let Some(call) = call
        {
            // Without a word of how.
            call.ended(&view.rules, None);
        }
        thread.in_flight().leave(key);
        thread.ledger.ended(end);
        // An answer that came before its request's end leaves a connection that nobody can use.
        let whole = upload.is_none_or(|upload| upload.finished.get());
        if end == End::Completed && whole {
            let now = crate::time::now();
            upstream.give_back(connection, now, &view.settings);
            thread.arm(now + view.settings.keep_alive);
        }
        drop(permit);
        thread.release();
    }
}

/// A response body on its way to the client.
#[derive(Debug)]
pub enum Download {
    /// autoheal's own answer.
    Own(Option<Bytes>),
    /// The worker's.
    Worker(WorkerBody),
    /// None: from the head on, bytes pass as they are.
    Tunnel(Option<Box<Tunnel>>),
    /// One that the access log hears of.
    Noted(Box<Noted>),
}

/// The worker's response body. Dropped before its end: the client left.
#[derive(Debug)]
pub struct WorkerBody {
    incoming: Incoming,
    exchange: Option<Exchange>,
}

impl Download {
    /// The body of a worker's answer.
    #[must_use]
    pub fn worker(incoming: Incoming, exchange: Exchange) -> Self {
        let mut body = WorkerBody {
            incoming,
            exchange: Some(exchange),
        };
        if body.incoming.is_end_stream() {
            body.end(End::Completed);
        }
        Self::Worker(body)
    }
}

impl Download {
    /// The tunnel that follows the head, for whoever has the client's connection.
    pub fn take_tunnel(&mut self) -> Option<Box<Tunnel>> {
        match self {
            Self::Tunnel(tunnel) => tunnel.take(),
            Self::Own(_) | Self::Worker(_) | Self::Noted(_) => None,
        }
    }
}

impl WorkerBody {
    fn end(&mut self, end: End) {
        if let Some(exchange) = self.exchange.take() {
            exchange.end(end);
        }
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Truncated>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending => {
                let cut = self.exchange.as_ref().and_then(|exchange| {
                    exchange
                        .thread
                        .in_flight()
                        .poll_cut(exchange.key, cx.waker())
                });
                if cut.is_none() {
                    return Poll::Pending;
                }
                self.end(End::Failed(Code::AnswerTruncated));
                Poll::Ready(Some(Err(Truncated)))
            }
            Poll::Ready(None) if self.is_cut_short() => {
                self.end(End::Failed(Code::AnswerTruncated));
                Poll::Ready(Some(Err(Truncated)))
            }
            Poll::Ready(None) => {
                self.end(End::Completed);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref()
                    && let Some(exchange) = &mut self.exchange
                    && let Some(call) = exchange.call.take()
                {
                    call.ended(&exchange.view.rules, Some(trailers));
                }
                if self.incoming.is_end_stream() {
                    self.end(End::Completed);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => {
                self.end(End::Failed(Code::AnswerTruncated));
                Poll::Ready(Some(Err(Truncated)))
            }
        }
    }

    /// hyper takes a stream that was reset without an error for one that ended.
    fn is_cut_short(&self) -> bool {
        let connection = self.exchange.as_ref().map(|exchange| &exchange.connection);
        matches!(connection, Some(Connection::Lane(_))) && !self.incoming.is_end_stream()
    }
}

impl Drop for WorkerBody {
    fn drop(&mut self) {
        self.end(End::Aborted);
    }
}

/// The worker's answer broke off: the client's connection must end so that this can be seen
/// (RFC 9112 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker's answer broke off")]
pub struct Truncated;

impl Body for Download {
    type Data = Bytes;
    type Error = Truncated;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Truncated>>> {
        match &mut *self {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Worker(body) => body.poll_frame(cx),
            Self::Tunnel(_) => Poll::Ready(None),
            Self::Noted(noted) => noted.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Worker(body) => body.incoming.is_end_stream(),
            Self::Tunnel(_) => true,
            Self::Noted(noted) => noted.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Worker(body) => body.incoming.size_hint(),
            Self::Tunnel(_) => SizeHint::with_exact(0),
            Self::Noted(noted) => noted.inner.size_hint(),
        }
    }
}
