//! A client's socket with what its deadlines need to know.

use std::{
    cell::{Cell, RefCell},
    io,
    net::TcpStream as StdTcpStream,
    os::fd::AsFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::time::{self, MonoTime};

/// Either kind of client socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// What a connection is doing, for its deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has come yet since then: the first request is waited for.
    New(MonoTime),
    /// A request's head is arriving since then.
    Head(MonoTime),
    /// A request is being served.
    Busy,
    /// The last answer was complete then; the next request is waited for.
    Idle(MonoTime),
}

/// A client's socket, shared between hyper and the connection's watch.
#[derive(Debug)]
pub struct Shared {
    socket: RefCell<Socket>,
    /// What the connection is doing.
    pub phase: Cell<Phase>,
    /// The client has not taken what we write since then.
    pub write_stalled: Cell<Option<MonoTime>>,
}

impl Shared {
    /// A new connection.
    #[must_use]
    pub fn new(socket: Socket, now: MonoTime) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(socket),
            phase: Cell::new(Phase::New(now)),
            write_stalled: Cell::new(None),
        })
    }

    /// A second descriptor of the socket.
    ///
    /// # Errors
    /// When there is no descriptor left, or it is a unix socket.
    pub fn duplicate(&self) -> io::Result<StdTcpStream> {
        match &*self.socket.borrow() {
            Socket::Tcp(stream) => Ok(stream.as_fd().try_clone_to_owned()?.into()),
            Socket::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Waits until the client has sent something, or closed.
    ///
    /// # Errors
    /// When the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| match &*self.socket.borrow() {
            Socket::Tcp(stream) => stream.poll_read_ready(cx),
            Socket::Unix(stream) => stream.poll_read_ready(cx),
        })
        .await
    }

    /// Writes what fits at once, when the connection ends and hyper has nothing to say.
    pub fn last_words(&self, words: &[u8]) {
        let written = match &*self.socket.borrow() {
            Socket::Tcp(stream) => stream.try_write(words),
            Socket::Unix(stream) => stream.try_write(words),
        };
        // Who does not read them has left.
        drop(written);
    }
}

/// What hyper reads and writes.
#[derive(Debug)]
pub struct ClientIo(pub Rc<Shared>);

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = match &mut *self.0.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        ready!(poll)?;
        if buffer.filled().len() > before
            && matches!(self.0.phase.get(), Phase::New(_) | Phase::Idle(_))
        {
            self.0.phase.set(Phase::Head(time::now()));
        }
        Poll::Ready(Ok(()))
    }
}

impl ClientIo {
    fn wrote(&self, poll: &Poll<io::Result<usize>>) {
        match poll {
            Poll::Ready(_) => self.0.write_stalled.set(None),
            Poll::Pending if self.0.write_stalled.get().is_none() => {
                self.0.write_stalled.set(Some(time::now()));
            }
            Poll::Pending => {}
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = match &mut *self.0.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.wrote(&poll);
        poll
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = match &mut *self.0.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        };
        self.wrote(&poll);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
