//! A response body on its way to the client: streamed, never collected.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::{
    grpc::Call,
    noted::Noted,
    pool::{Connection, Upstream},
    thread::{Thread, View},
    trailing,
    tunnel::Tunnel,
    upload::Upload,
};
use crate::{
    admit::gate::Permit,
    explain::code::Code,
    observe::{in_flight::Key, ledger::End},
};

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
        match call {
            // Without a word of how.
            Some(call) if end == End::Completed => call.ended(&view.rules, &thread.ledger, None),
            Some(call) => call.lost(&thread.ledger),
            None => {}
        }
        thread.in_flight().leave(key);
        thread.ledger.ended(end);
        // An answer that came before its request's end leaves a connection that nobody can use.
        let whole = upload.is_none_or(|upload| {
            // On a connection of HTTP/2 the body goes on by itself.
            let lacks_its_end =
                upload.lacks_its_end() && !matches!(connection, Connection::Lane(_));
            let whole = upload.is_finished() || lacks_its_end;
            if end == End::Completed && lacks_its_end {
                tokio::task::spawn_local(upload.ended());
            }
            whole
        });
        if end == End::Completed && whole {
            let now = crate::time::now();
            upstream.give_back(connection, now, &view.settings);
            thread.arm(now + view.settings.keep_alive);
        } else if end == End::Completed {
            connection.leave();
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
    /// `None`: it has ended.
    exchange: Option<Exchange>,
    /// It broke off: what has come of it is written before that is told.
    broken: bool,
}

impl Download {
    /// The body of a worker's answer.
    #[must_use]
    pub fn worker(exchange: Exchange) -> Self {
        let is_end_stream = exchange.connection.is_end_stream();
        let mut body = WorkerBody {
            exchange: Some(exchange),
            broken: false,
        };
        if is_end_stream {
            body.end(End::Completed);
        }
        Self::Worker(body)
    }
}

impl Download {
    /// The call whose status is to come.
    pub fn call(&mut self) -> Option<&mut Call> {
        match self {
            Self::Worker(body) => body.exchange.as_mut()?.call.as_mut(),
            Self::Own(_) | Self::Tunnel(_) | Self::Noted(_) => None,
        }
    }

    /// The tunnel that follows the head, for whoever has the client's connection.
    pub fn take_tunnel(&mut self) -> Option<Box<Tunnel>> {
        match self {
            Self::Tunnel(tunnel) => tunnel.take(),
            Self::Own(_) | Self::Worker(_) | Self::Noted(_) => None,
        }
    }

    /// Whether what comes next of it is held here already: it takes no more room to hand it on.
    #[must_use]
    pub fn is_at_hand(&self) -> bool {
        match self {
            Self::Worker(body) => {
                let exchange = body.exchange.as_ref();
                exchange.is_none_or(|exchange| exchange.connection.is_at_hand())
            }
            Self::Noted(noted) => noted.inner.is_at_hand(),
            Self::Own(_) | Self::Tunnel(_) => true,
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
        let Some(exchange) = &mut self.exchange else {
            return Poll::Ready(None);
        };
        if self.broken {
            self.end(End::Failed(Code::AnswerTruncated));
            return Poll::Ready(Some(Err(Truncated)));
        }
        match exchange.connection.poll_frame(cx) {
            Poll::Pending => {
                let mut table = exchange.thread.in_flight();
                let cut = table.poll_cut(exchange.key, cx.waker());
                drop(table);
                if cut.is_none() {
                    return Poll::Pending;
                }
                self.end(End::Failed(Code::AnswerTruncated));
                Poll::Ready(Some(Err(Truncated)))
            }
            Poll::Ready(None) => {
                self.end(End::Completed);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref()
                    && let Some(call) = exchange.call.take()
                {
                    let (view, ledger) = (&exchange.view, &exchange.thread.ledger);
                    call.ended(&view.rules, ledger, Some(trailers));
                }
                let kept = trailing::kept(frame);
                if kept.is_none() || exchange.connection.is_end_stream() {
                    self.end(End::Completed);
                }
                Poll::Ready(kept.map(Ok))
            }
            Poll::Ready(Some(Err(Truncated))) => {
                self.broken = true;
                let now = crate::time::now();
                exchange.thread.in_flight().lost(exchange.key, now);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let exchange = self.exchange.as_ref();
        exchange.map_or_else(
            || SizeHint::with_exact(0),
            |exchange| exchange.connection.size_hint(),
        )
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
            Self::Worker(body) => body.is_end_stream(),
            Self::Tunnel(_) => true,
            Self::Noted(noted) => noted.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Worker(body) => body.size_hint(),
            Self::Tunnel(_) => SizeHint::with_exact(0),
            Self::Noted(noted) => noted.inner.size_hint(),
        }
    }
}
