//! A request on its way to the worker: what is to be written, and the body that more comes from.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, Uri};
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::{
    super::{socket::WorkerIo, upload::Outgoing},
    encode::{self, Coding},
};

/// So much of a body waits for its worker to take it, in bytes, before more is taken from its
/// client.
const WAITING_MAX: usize = 16 * 1024;
/// So many pieces are written at once.
const SLICES: usize = 16;

thread_local! {
    /// Heads are made here: as a rule the worker takes them whole and at once.
    static HEAD: RefCell<Vec<u8>> = RefCell::default();
}

/// The client's body broke off, or is not framed as it was said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientFailed;

/// A request on its way to the worker.
pub(super) struct Sending {
    coding: Coding,
    /// What is still to come of a body whose length is known, in bytes.
    left: u64,
    /// `None`: nothing more comes of it.
    body: Option<Outgoing>,
    waiting: VecDeque<Bytes>,
    at: At,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    /// Its body was asked for: most often its beginning has come with the head.
    Asked,
    Begun,
    /// The worker has all of it.
    Sent,
}

impl Sending {
    /// A request with this body.
    pub(super) fn new(headers: &HeaderMap, body: Outgoing) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        let coding = match &body {
            None => Coding::None,
            Some(body) => Coding::of(headers, body.size_hint().exact()),
        };
        let left = match coding {
            Coding::Length(length) => length,
            Coding::None | Coding::Chunked(_) => 0,
        };
        Self {
            coding,
            left,
            body,
            waiting: VecDeque::new(),
            at: At::Start,
        }
    }

    /// Whether anything of it was written.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.at, At::Begun | At::Sent)
    }

    /// Whether all of it was.
    pub(super) fn is_over(&self) -> bool {
        self.at == At::Sent
    }

    /// Writes as much as there is and as the worker takes. Ready: it has taken all.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut WorkerIo,
        head: (&Method, &Uri, &HeaderMap),
    ) -> Poll<Result<(), ClientFailed>> {
        if !self.has_begun() {
            self.gather(cx)?;
            if self.at == At::Start && self.body.is_some() && self.waiting.is_empty() {
                // One write for both, if the body's beginning is here already.
                self.at = At::Asked;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.begin(cx, io, head);
        }
        self.poll_rest(cx, io)
    }

    /// The same, once it has begun.
    pub(super) fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut WorkerIo,
    ) -> Poll<Result<(), ClientFailed>> {
        while self.at != At::Sent {
            self.gather(cx)?;
            if self.waiting.is_empty() {
                // Nor may TLS hold anything back.
                drop(ready!(Pin::new(&mut *io).poll_flush(cx)));
                if self.body.is_some() {
                    return Poll::Pending;
                }
                self.at = At::Sent;
            } else {
                let written = ready!(write(cx, io, &[], &self.waiting));
                self.wrote(written);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the head, and what of the body is there.
    fn begin(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut WorkerIo,
        request: (&Method, &Uri, &HeaderMap),
    ) {
        self.at = At::Begun;
        HEAD.with_borrow_mut(|head| {
            head.clear();
            encode::head(head, request, &self.coding);
            let written = match write(cx, io, head, &self.waiting) {
                Poll::Ready(written) => written,
                Poll::Pending => 0,
            };
            if written < head.len() {
                let rest = Bytes::copy_from_slice(&head[written..]);
                self.waiting.push_front(rest);
            } else {
                self.wrote(written - head.len());
            }
        });
    }

    /// Takes pieces from the client, as long as there is room.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), ClientFailed> {
        while let Some(body) = &mut self.body {
            let bytes: usize = self.waiting.iter().map(Bytes::len).sum();
            if bytes >= WAITING_MAX || self.waiting.len() >= SLICES {
                break;
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(frame))) => self.add(frame)?,
                Poll::Ready(Some(Err(_))) => return Err(ClientFailed),
                Poll::Ready(None) => self.end(None)?,
            }
        }
        Ok(())
    }

    fn add(&mut self, frame: Frame<Bytes>) -> Result<(), ClientFailed> {
        let mut data = match frame.into_data() {
            Ok(data) => data,
            // Beside a length there are none.
            Err(trailers) => return self.end(trailers.into_trailers().ok().as_ref()),
        };
        match self.coding {
            // An empty chunk would be the last.
            _ if data.is_empty() => {}
            Coding::None => {}
            Coding::Length(_) => {
                data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= data.len() as u64;
                self.waiting.push_back(data);
                if self.left == 0 {
                    self.body = None;
                }
            }
            Coding::Chunked(_) => {
                let line = encode::size_line(data.len());
                self.waiting
                    .extend([line, data, Bytes::from_static(b"\r\n")]);
            }
        }
        if self.body.as_ref().is_some_and(Body::is_end_stream) {
            self.end(None)?;
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), ClientFailed> {
        self.body = None;
        match &self.coding {
            Coding::None => Ok(()),
            Coding::Length(_) if self.left == 0 => Ok(()),
            Coding::Length(_) => Err(ClientFailed),
            Coding::Chunked(named) => {
                self.waiting.push_back(encode::last_chunk(named, trailers));
                Ok(())
            }
        }
    }

    /// So many of the bytes that waited have gone.
    fn wrote(&mut self, mut count: usize) {
        while let Some(first) = self.waiting.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.waiting.pop_front();
        }
    }
}

/// Writes as many bytes as go at once.
fn write(
    cx: &mut Context<'_>,
    io: &mut WorkerIo,
    head: &[u8],
    waiting: &VecDeque<Bytes>,
) -> Poll<usize> {
    let io = Pin::new(io);
    let result = if waiting.is_empty() {
        ready!(io.poll_write(cx, head))
    } else {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let pieces = std::iter::once(head).chain(waiting.iter().map(|piece| &piece[..]));
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces.filter(|p| !p.is_empty())) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        ready!(io.poll_write_vectored(cx, &slices[..count]))
    };
    // A socket that takes no more takes all: what came of it is told by reading.
    Poll::Ready(result.unwrap_or(usize::MAX))
}
