//! A socket to a worker, counted for as long as anything uses it.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::failure::Failure;
use crate::admit::roster::{Endpoint, Member};

/// Connects to a worker.
///
/// # Errors
/// When it does not accept. No byte has been sent then.
pub(super) async fn connect(member: &Member) -> Result<WorkerIo, Failure> {
    let failed = |error: io::Error| Failure::of_connect(&error);
    let stream = match &member.endpoint {
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await.map_err(failed)?;
            // A connect to a closed port of the ephemeral range can meet itself.
            if stream.local_addr().map_err(failed)? == stream.peer_addr().map_err(failed)? {
                return Err(Failure::Refused);
            }
            stream.set_nodelay(true).map_err(failed)?;
            Stream::Tcp(stream)
        }
        Endpoint::Unix(path) => Stream::Unix(UnixStream::connect(path).await.map_err(failed)?),
    };
    Ok(WorkerIo {
        stream,
        written: Rc::default(),
        heard: None,
    })
}

/// What was heard of the worker so far.
#[derive(Default)]
pub(super) struct Heard {
    /// Something.
    pub(super) bytes: Cell<bool>,
    /// Who wants to know when there is more.
    pub(super) waker: Cell<Option<Waker>>,
}

/// Counts a connection for as long as a task of it lives.
pub(super) struct Open {
    member: Arc<Member>,
    thread: usize,
}

impl Open {
    pub(super) fn new(member: Arc<Member>, thread: usize) -> Self {
        member.connection_opened(thread);
        Self { member, thread }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.member.connection_closed(self.thread);
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The worker's socket; counts what was written to it, which proves what was never sent.
pub(super) struct WorkerIo {
    stream: Stream,
    /// Bytes written to the worker so far.
    pub(super) written: Rc<Cell<u64>>,
    /// Who waits for the worker's first word.
    pub(super) heard: Option<Rc<Heard>>,
}

impl WorkerIo {
    /// Counts what was written. A worker that takes no more may have answered before: the answer
    /// is read first, and reading tells how the connection ended.
    fn wrote(&self, poll: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        poll.map(|result| {
            let bytes = result.as_ref().copied().unwrap_or(0);
            self.written.set(self.written.get() + bytes as u64);
            Ok(result.unwrap_or(length))
        })
    }
}

impl AsyncRead for WorkerIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if let (Poll::Ready(Ok(())), Some(heard)) = (&poll, &self.heard) {
            heard
                .bytes
                .set(heard.bytes.get() || !buffer.filled().is_empty());
            if let Some(waker) = heard.waker.take() {
                waker.wake();
            }
        }
        poll
    }
}

impl AsyncWrite for WorkerIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.wrote(poll, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        };
        self.wrote(poll, bytes.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
