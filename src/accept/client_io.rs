//! What hyper reads and writes: a client's socket, without hyper's own words for a head that it
//! can't read.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::io::{Phase, Shared, Socket};
use crate::time;

/// How hyper answers a head that it can't read, by status.
const REFUSALS: [(u16, &[u8]); 3] = [
    (
        400,
        b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: ",
    ),
    (
        414,
        b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\ndate: ",
    ),
    (
        431,
        b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
          content-length: 0\r\ndate: ",
    ),
];

/// What hyper reads and writes.
#[derive(Debug)]
pub(super) struct ClientIo(pub(super) Rc<Shared>);

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut first = self.0.first.borrow_mut();
        if !first.is_empty() {
            let length = first.len().min(buffer.remaining());
            buffer.put_slice(&first[..length]);
            first.advance(length);
            return Poll::Ready(Ok(()));
        }
        self.0.poll_read(cx, buffer)
    }
}

impl ClientIo {
    /// Whether these bytes are hyper's own answer to a head that it can't read.
    fn is_refusal(&self, bytes: &[u8]) -> bool {
        if matches!(
            self.0.phase.get(),
            Phase::Busy | Phase::Answering | Phase::Tunnel
        ) {
            return false;
        }
        let refusal = REFUSALS.iter().find(|(_, head)| bytes.starts_with(head));
        if let Some((status, _)) = refusal {
            self.0.refused.set(Some(*status));
        }
        refusal.is_some()
    }

    fn wrote<T>(&self, poll: &Poll<io::Result<T>>, bytes: impl Fn(&T) -> usize) {
        match poll {
            Poll::Ready(wrote) => {
                self.0.write_stalled.set(None);
                self.0.backlog.wrote(wrote.as_ref().map_or(0, bytes));
            }
            Poll::Pending => {
                self.0.backlog.stalls();
                if self.0.write_stalled.get().is_none() {
                    self.0.write_stalled.set(Some(time::now()));
                }
            }
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_refusal(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let poll = match &mut *self.0.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.wrote(&poll, |count| *count);
        poll
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bytes.first().is_some_and(|first| self.is_refusal(first)) {
            return Poll::Ready(Ok(bytes.iter().map(|slice| slice.len()).sum()));
        }
        let poll = match &mut *self.0.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        };
        self.wrote(&poll, |count| *count);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = match &mut *self.0.socket.borrow_mut() {
            Socket::Tcp(_) | Socket::Unix(_) => return Poll::Ready(Ok(())),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.wrote(&poll, |()| 0);
        poll
    }

    /// But for a tunnel left to [`Shared::linger`]: there may be last words.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.phase.get() {
            Phase::Tunnel => self.0.poll_shutdown(cx),
            _ => Poll::Ready(Ok(())),
        }
    }
}
