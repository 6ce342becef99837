//! One connection to a worker, and the exchange that it carries.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri};
use http_body::{Frame, SizeHint};
use tokio::{task::JoinHandle, time::timeout};

use super::{
    Break,
    chunks::Step,
    framing::Framing,
    head::{Head, Reader},
    piece::poll_piece,
    sending::{ClientFailed, Sending},
};
use crate::{
    forward::{
        socket::{Open, WorkerIo},
        upload::Outgoing,
    },
    time::MonoTime,
};

/// A worker that has answered may take nothing of what is left of its request for so long.
const UNTAKEN_MAX: Duration = Duration::from_secs(30);

/// A connection to a worker that nobody else uses.
pub struct Whole {
    io: Rc<Io>,
    /// What is to come of the answer's body.
    framing: Framing,
    /// Was read, and is to be used yet.
    unread: Bytes,
    /// Whether the worker lets it carry another exchange.
    keeps: bool,
    /// Sends what is left of a request whose answer came before its end.
    upload: Option<Task>,
    /// Since when it has been idle.
    pub(in crate::forward) idle_since: MonoTime,
    /// Whether it has carried a request before.
    pub(in crate::forward) reused: bool,
}

/// A body of no more bytes is written at once by who writes its head before it.
const SHORT: u64 = 64 * 1024;

/// The socket, as the answer and what is left of the request use it.
struct Io {
    stream: RefCell<WorkerIo>,
    rest: Cell<Rest>,
    /// Who reads the answer.
    reader: Cell<Option<Waker>>,
    open: Open,
}

/// What is left of a request whose answer has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    Something,
    /// What the worker does not take.
    Unwanted,
    /// What its client will never send.
    Lost,
}

impl Whole {
    pub(in crate::forward) fn new(io: WorkerIo, open: Open) -> Self {
        Self {
            io: Rc::new(Io {
                stream: RefCell::new(io),
                rest: Cell::new(Rest::Nothing),
                reader: Cell::default(),
                open,
            }),
            framing: Framing::Over,
            unread: Bytes::new(),
            keeps: true,
            upload: None,
            idle_since: MonoTime::ZERO,
            reused: false,
        }
    }

    /// Bytes written to the worker on it so far.
    pub(in crate::forward) fn written(&self) -> u64 {
        self.io.stream.borrow().written
    }

    /// Whether the worker has closed it, or has said something that nobody asked for.
    pub(in crate::forward) fn is_over(&self) -> bool {
        !self.io.stream.borrow_mut().is_quiet()
    }

    /// Whether it may carry another exchange, if it is not over.
    pub(in crate::forward) fn may_carry_more(&self) -> bool {
        self.keeps
            && self.framing.is_over()
            && self.unread.is_empty()
            && self.io.rest.get() == Rest::Nothing
    }

    /// Sends a request and waits for the head of its answer.
    pub(in crate::forward) async fn send(
        &mut self,
        head: (&Method, &Uri, &HeaderMap),
        body: Outgoing,
    ) -> Result<Response<()>, Break> {
        self.upload = None;
        let mut sending = Sending::new(head.2, body);
        let mut reader = Reader::default();
        let answer = poll_fn(|cx| {
            let sent = sending.poll(cx, &mut self.io.stream.borrow_mut(), head);
            match sent {
                Poll::Ready(Err(ClientFailed)) => return Poll::Ready(Err(Break::Client)),
                // Nothing that comes before a request is its answer.
                _ if !sending.has_begun() => return Poll::Pending,
                _ => {}
            }
            self.poll_head(cx, &mut reader)
        });
        let Head { response, keeps } = answer.await?;
        self.keeps = keeps;
        let (status, version) = (response.status(), response.version());
        self.framing = Framing::of(head.0, status, version, response.headers())?;
        if self.unread.is_empty() && !self.framing.is_over() {
            self.io.stream.borrow().acknowledge();
        }
        if !sending.is_over() {
            self.go_on(sending);
        }
        Ok(response)
    }

    /// Whether the answer has a short body, of which nothing has come with its head.
    pub(in crate::forward) fn owes_its_body(&self) -> bool {
        let length = self.framing.size_hint().exact();
        self.unread.is_empty() && length.is_some_and(|length| (1..=SHORT).contains(&length))
    }

    /// Waits for the first of the answer's body.
    pub(in crate::forward) async fn await_body(&mut self) -> Result<(), Break> {
        let piece = poll_fn(|cx| poll_piece(&mut self.io.stream.borrow_mut(), cx)).await;
        self.unread = piece.map_err(Break::Failed)?;
        match self.unread.is_empty() {
            true => Err(Break::Closed),
            false => Ok(()),
        }
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut Reader,
    ) -> Poll<Result<Head, Break>> {
        loop {
            let piece = ready!(poll_piece(&mut self.io.stream.borrow_mut(), cx));
            let piece = piece.map_err(Break::Failed)?;
            if piece.is_empty() {
                return Poll::Ready(Err(Break::Closed));
            }
            if let Some((head, rest)) = reader.push(piece)? {
                self.unread = rest;
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// The rest of a request goes on by itself: its client may take none of the answer before it
    /// has said everything.
    fn go_on(&mut self, mut sending: Sending) {
        let io = self.io.clone();
        io.rest.set(Rest::Something);
        let handle = tokio::task::spawn_local(async move {
            let rest = poll_fn(|cx| {
                let mut stream = io.stream.borrow_mut();
                let sent = sending.poll_rest(cx, &mut stream);
                if stream.takes_no_more {
                    return Poll::Ready(Rest::Unwanted);
                }
                sent.map(|sent| match sent {
                    Ok(()) => Rest::Nothing,
                    Err(ClientFailed) => Rest::Lost,
                })
            });
            io.rest.set(rest.await);
            if let Some(reader) = io.reader.take() {
                reader.wake();
            }
        });
        self.upload = Some(Task(handle));
    }

    /// What comes next of the answer's body.
    pub(in crate::forward) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        loop {
            match self.framing.step(&mut self.unread)? {
                Step::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Step::Trailers(fields) => return Poll::Ready(Some(Ok(Frame::trailers(fields)))),
                Step::End => return Poll::Ready(None),
                Step::More => {}
            }
            match self.io.rest.get() {
                Rest::Nothing | Rest::Unwanted => {}
                Rest::Something => self.io.reader.set(Some(cx.waker().clone())),
                // The worker waits for it.
                Rest::Lost => return Poll::Ready(Some(Err(Break::Client))),
            }
            let piece = ready!(poll_piece(&mut self.io.stream.borrow_mut(), cx));
            self.unread = piece.map_err(Break::Failed)?;
            if self.unread.is_empty() {
                self.keeps = false;
                return Poll::Ready(match self.framing.close() {
                    true => None,
                    false => Some(Err(Break::Closed)),
                });
            }
        }
    }

    /// Whether nothing more is to come of the answer's body.
    pub(in crate::forward) fn is_end_stream(&self) -> bool {
        self.framing.is_over()
    }

    /// Whether some of it was read and not yet taken.
    pub(in crate::forward) fn is_at_hand(&self) -> bool {
        !self.unread.is_empty()
    }

    /// What is known of what is to come of it.
    pub(in crate::forward) fn size_hint(&self) -> SizeHint {
        self.framing.size_hint()
    }

    /// Leaves it to what is left of the request, if there is something.
    pub(in crate::forward) fn leave(mut self) {
        if let Some(task) = self.upload.take() {
            tokio::task::spawn_local(task.while_taken(self.io.clone()));
        }
    }

    /// The socket, and what was read of it, after a switch of protocols.
    pub(in crate::forward) fn into_parts(self) -> Option<(WorkerIo, Bytes, Open)> {
        drop(self.upload);
        let Io { stream, open, .. } = Rc::into_inner(self.io)?;
        Some((stream.into_inner(), self.unread, open))
    }
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whole")
            .field("framing", &self.framing)
            .field("reused", &self.reused)
            .finish_non_exhaustive()
    }
}

/// A task that ends with who needs it.
struct Task(JoinHandle<()>);

impl Task {
    /// Needs it until it has ended, or the worker takes nothing any more.
    async fn while_taken(mut self, io: Rc<Io>) {
        let mut taken = io.stream.borrow().written;
        while timeout(UNTAKEN_MAX, &mut self.0).await.is_err() {
            let now = io.stream.borrow().written;
            if now == std::mem::replace(&mut taken, now) {
                return;
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
