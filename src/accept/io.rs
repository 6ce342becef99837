//! A client's socket with what its deadlines need to know.

use std::{
    cell::{Cell, RefCell},
    io,
    mem::MaybeUninit,
    net::TcpStream as StdTcpStream,
    os::fd::AsFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::backlog::Backlog;
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
    pub(super) socket: RefCell<Socket>,
    /// What the connection is doing.
    pub phase: Cell<Phase>,
    /// The client has not taken what we write since then.
    pub write_stalled: Cell<Option<MonoTime>>,
    /// The client speaks HTTP/1.0: the end of its connection may be the end of an answer.
    pub old: Cell<bool>,
    /// The client asks for nothing after the request that is being served.
    pub last: Cell<bool>,
    /// The client has sent all that it will ever send, and it was read.
    ended: Cell<bool>,
    /// What came first was the beginning of a TLS handshake.
    pub shakes_hands: Cell<bool>,
    /// hyper refused a head with this status. Its own answer has no code: it was not sent.
    pub refused: Cell<Option<u16>>,
    /// What follows the answer that is on its way, if it is a tunnel.
    pub tunnel: RefCell<Option<Box<Tunnel>>>,
    /// When its client is told that autoheal goes, if that is known.
    pub(super) leaves_at: Cell<Option<MonoTime>>,
    /// What was read to see which protocol it is; it is read once more by whoever serves it.
    pub(super) first: RefCell<Bytes>,
    /// What of an answer hyper has for a client, or will have.
    pub(super) backlog: Backlog,
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
            last: Cell::new(false),
            ended: Cell::new(false),
            shakes_hands: Cell::new(false),
            refused: Cell::new(None),
            tunnel: RefCell::default(),
            leaves_at: Cell::new(None),
            first: RefCell::default(),
            backlog: Backlog::default(),
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
        while !self.ended.get() {
            std::future::poll_fn(|cx| self.poll_hear(cx, &mut said)).await?;
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

    /// Reads what is there. By a read that waits, since such a one remembers that it took all: the
    /// next one does not ask the kernel before there is news.
    fn poll_hear(&self, cx: &mut Context<'_>, said: &mut Vec<u8>) -> Poll<io::Result<()>> {
        let mut piece = [MaybeUninit::uninit(); 4096];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(self.poll_read(cx, &mut piece))?;
        said.extend_from_slice(piece.filled());
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(match &mut *self.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        })?;
        if buffer.filled().len() == before {
            self.ended.set(buffer.remaining() > 0);
        } else if matches!(self.phase.get(), Phase::New(_) | Phase::Idle(_)) {
            self.phase.set(Phase::Head(time::now()));
        }
        Poll::Ready(Ok(()))
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

    /// Whether a client has sent all that it will, so that its end can be told by closing at once:
    /// the kernel answers nothing with a reset then.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let unread = match &*self.socket.borrow() {
            Socket::Tcp(stream) => stream.poll_read_ready(&mut cx).is_ready(),
            Socket::Unix(stream) => stream.poll_read_ready(&mut cx).is_ready(),
            // Its end has words of its own.
            Socket::Tls(_) => return false,
        };
        self.ended.get() || (self.last.get() && !unread)
    }

    /// When nothing will have been asked for `rest`, unless something is; never while not all that
    /// was answered is with the kernel.
    #[must_use]
    pub fn rests_at(&self, rest: Duration) -> MonoTime {
        match (self.phase.get(), self.write_stalled.get()) {
            (Phase::Idle(since), None) => since + rest,
            _ => MonoTime::NEVER,
        }
    }

    /// Whether the answers from now on say that the connection ends.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaves_at.get().is_some_and(|at| at <= time::now())
    }

    /// Takes bytes back that were read too early: they come first when the client is read again.
    pub fn unread(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.phase.set(Phase::Head(time::now()));
        }
        // A copy: even none of its bytes would hold all of the buffer that was read into.
        self.first.replace(Bytes::copy_from_slice(bytes));
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

    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.socket.borrow_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// With this byte every TLS handshake begins, and no request (RFC 8446 section 5.1).
pub(super) const HANDSHAKE: u8 = 0x16;
/// So long a client may take to read our last words.
const LINGER: Duration = Duration::from_secs(2);
/// So much of what it still sends is read meanwhile.
const LINGER_BYTES: usize = 1024 * 1024;
