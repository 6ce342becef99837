//! A client's socket with what its deadlines need to know.

use std::{
    cell::{Cell, RefCell},
    io,
    net::TcpStream as StdTcpStream,
    os::fd::AsFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::{
    proxy::Tunnel,
    time::{self, MonoTime},
    tls::{front::Protocol, stream::Stream},
};

/// Either kind of client socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<Stream>),
}

/// What a connection is doing, for its deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has come yet since then: the first request is waited for.
    New(MonoTime),
    /// A request's head is arriving since then.
    Head(MonoTime),
    /// A request is being served; its client has seen nothing of an answer.
    Busy,
    /// An answer is on its way.
    Answering,
    /// The last answer was complete then; the next request is waited for.
    Idle(MonoTime),
    /// Bytes pass as they are.
    Tunnel,
}

/// How every HTTP/2 connection begins (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client's socket, shared between hyper and the connection's watch.
#[derive(Debug)]
pub struct Shared {
    socket: RefCell<Socket>,
    /// What the connection is doing.
    pub phase: Cell<Phase>,
    /// The client has not taken what we write since then.
    pub write_stalled: Cell<Option<MonoTime>>,
    /// The client speaks HTTP/1.0: the end of its connection may be the end of an answer.
    pub old: Cell<bool>,
    /// What came first was the beginning of a TLS handshake.
    pub shakes_hands: Cell<bool>,
    /// hyper refused a head with this status. Its own answer has no code: it was not sent.
    pub refused: Cell<Option<u16>>,
    /// What follows the answer that is on its way, if it is a tunnel.
    pub tunnel: RefCell<Option<Box<Tunnel>>>,
    /// What was read to see which protocol it is; it is read once more by whoever serves it.
    first: RefCell<Bytes>,
}

impl Shared {
    /// A new connection.
    #[must_use]
    pub fn new(socket: Socket, now: MonoTime) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(socket),
            phase: Cell::new(Phase::New(now)),
            write_stalled: Cell::new(None),
            old: Cell::new(false),
            shakes_hands: Cell::new(false),
            refused: Cell::new(None),
            tunnel: RefCell::default(),
            first: RefCell::default(),
        })
    }

    /// The socket, at the end of what this was for.
    #[must_use]
    pub fn into_socket(self) -> Socket {
        self.socket.into_inner()
    }

    /// A second descriptor of the socket.
    ///
    /// # Errors
    /// When there is no descriptor left, or it is a unix socket.
    pub fn duplicate(&self) -> io::Result<StdTcpStream> {
        match &*self.socket.borrow() {
            Socket::Tcp(stream) => Ok(stream.as_fd().try_clone_to_owned()?.into()),
            Socket::Tls(stream) => Ok(stream.tcp().as_fd().try_clone_to_owned()?.into()),
            Socket::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// What was agreed to be spoken, or else what the client's first bytes are of. Bytes are waited
    /// for, unless they may be here already: those that came with a handshake.
    ///
    /// # Errors
    /// When it left without a byte.
    pub async fn protocol(&self) -> io::Result<Protocol> {
        if !self.first.borrow().is_empty() {
            return Ok(Protocol::Http1);
        }
        let is_new = matches!(self.phase.get(), Phase::New(_));
        if let Some(agreed) = self.agreed() {
            if !is_new {
                self.readable().await?;
            }
            return Ok(agreed);
        }
        let mut said = Vec::new();
        let mut ended = false;
        while !ended {
            self.readable().await?;
            ended = self.hear(&mut said)?;
            let undecided = is_new && PREFACE.starts_with(&said) && said.len() < PREFACE.len();
            if !said.is_empty() && !undecided {
                break;
            }
        }
        if said.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let protocol = if is_new && said.starts_with(PREFACE) {
            Protocol::Http2
        } else {
            Protocol::Http1
        };
        self.shakes_hands.set(said[0] == HANDSHAKE);
        self.first.replace(said.into());
        Ok(protocol)
    }

    /// The protocol that was agreed on in a handshake.
    fn agreed(&self) -> Option<Protocol> {
        match &*self.socket.borrow() {
            Socket::Tls(stream) => Some(stream.protocol()),
            Socket::Tcp(_) | Socket::Unix(_) => None,
        }
    }

    /// Reads what is there. True: nothing more will come.
    fn hear(&self, said: &mut Vec<u8>) -> io::Result<bool> {
        let mut piece = [0; 4096];
        match self.try_read(&mut piece) {
            Ok(0) => Ok(true),
            Ok(count) => {
                said.extend_from_slice(&piece[..count]);
                if matches!(self.phase.get(), Phase::New(_) | Phase::Idle(_)) {
                    self.phase.set(Phase::Head(time::now()));
                }
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
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
            Socket::Tls(stream) => stream.tcp().poll_read_ready(cx),
        })
        .await
    }

    /// Writes what fits at once, when the connection ends and hyper has nothing to say.
    pub fn last_words(&self, words: &[u8]) {
        let written = match &mut *self.socket.borrow_mut() {
            Socket::Tcp(stream) => stream.try_write(words).map(drop),
            Socket::Unix(stream) => stream.try_write(words).map(drop),
            Socket::Tls(stream) => stream.last_words(words),
        };
        // Who does not read them has left.
        drop(written);
    }

    /// Whether its client has had the time to read all that was said.
    #[must_use]
    pub fn is_long_idle(&self, now: MonoTime) -> bool {
        matches!(self.phase.get(), Phase::Idle(since) if now.since(since) > LINGER)
    }

    /// Whether nothing has been asked for `rest`, and all that was answered is with the kernel.
    #[must_use]
    pub fn is_at_rest(&self, now: MonoTime, rest: Duration) -> bool {
        matches!(self.phase.get(), Phase::Idle(since) if now.since(since) >= rest)
            && self.write_stalled.get().is_none()
    }

    /// Takes bytes back that were read too early: they come first when the client is read again.
    pub fn unread(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.phase.set(Phase::Head(time::now()));
        }
        self.first.replace(bytes);
    }

    /// Makes the end of the connection a reset, which nobody takes for the end of an answer.
    pub fn reset(&self) {
        let done = match &*self.socket.borrow() {
            Socket::Tcp(stream) => SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            Socket::Tls(stream) => SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO)),
            // Unix sockets have no reset.
            Socket::Unix(_) => Ok(()),
        };
        // A socket that takes no options has ended already.
        drop(done);
    }

    /// Ends a connection whose client may still be sending: what comes is read and thrown away,
    /// or the kernel would answer it with a reset that destroys our last words before they are
    /// read (RFC 9112 section 9.6).
    pub async fn linger(&self) {
        let lingering = async {
            std::future::poll_fn(|cx| self.poll_shutdown(cx)).await?;
            let mut left = LINGER_BYTES;
            let mut piece = [0; 4096];
            while left > 0 {
                self.readable().await?;
                match self.try_read(&mut piece) {
                    Ok(0) => break,
                    Ok(count) => left = left.saturating_sub(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, io::Error>(())
        };
        // However it ends, the socket is closed next.
        drop(tokio::time::timeout(LINGER, lingering).await);
    }

    fn try_read(&self, piece: &mut [u8]) -> io::Result<usize> {
        match &*self.socket.borrow() {
            Socket::Tcp(stream) => stream.try_read(piece),
            Socket::Unix(stream) => stream.try_read(piece),
            // It is thrown away: nothing need be deciphered.
            Socket::Tls(stream) => stream.tcp().try_read(piece),
        }
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    /// Whether these bytes are hyper's own answer to a head that it can't read.
    fn is_refusal(&self, bytes: &[u8]) -> bool {
        if matches!(
            self.phase.get(),
            Phase::Busy | Phase::Answering | Phase::Tunnel
        ) {
            return false;
        }
        let refusal = REFUSALS.iter().find(|(_, head)| bytes.starts_with(head));
        if let Some((status, _)) = refusal {
            self.refused.set(Some(*status));
        }
        refusal.is_some()
    }
}

/// With this byte every TLS handshake begins, and no request (RFC 8446 section 5.1).
pub(super) const HANDSHAKE: u8 = 0x16;
/// So long a client may take to read our last words.
const LINGER: Duration = Duration::from_secs(2);
/// So much of what it still sends is read meanwhile.
const LINGER_BYTES: usize = 1024 * 1024;

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
pub struct ClientIo(pub Rc<Shared>);

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let mut first = self.0.first.borrow_mut();
        if !first.is_empty() {
            let length = first.len().min(buffer.remaining());
            buffer.put_slice(&first[..length]);
            first.advance(length);
            return Poll::Ready(Ok(()));
        }
        let poll = match &mut *self.0.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
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
    fn wrote<T>(&self, poll: &Poll<io::Result<T>>) {
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
        if self.0.is_refusal(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let poll = match &mut *self.0.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.wrote(&poll);
        poll
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bytes.first().is_some_and(|first| self.0.is_refusal(first)) {
            return Poll::Ready(Ok(bytes.iter().map(|slice| slice.len()).sum()));
        }
        let poll = match &mut *self.0.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        };
        self.wrote(&poll);
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
        self.wrote(&poll);
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
