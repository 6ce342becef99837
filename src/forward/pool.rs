//! Connections to one worker from one data thread. They die with their generation.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt, io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    sync::{Notify, oneshot},
};

use super::{
    body::Outgoing,
    failure::Failure,
    habits::{Habits, PROVEN, RECENT, SURE, Trust},
    thread::Settings,
};
use crate::{
    admit::{
        gate::Local,
        roster::{Endpoint, Member},
    },
    time::MonoTime,
};

/// Read and write buffers grow to this at most, in bytes, for each connection.
const BUFFER_MAX: usize = 64 * 1024;

/// The news that a worker is dead follows the end of its connections within this time.
pub const NEWS: Duration = Duration::from_millis(25);

/// One worker as one data thread uses it.
#[derive(Debug)]
pub struct Upstream {
    /// Its place on the roster.
    pub local: Rc<Local>,
    idle: RefCell<VecDeque<Connection>>,
    habits: Rc<Habits>,
    suspect_until: Cell<MonoTime>,
    closed: Cell<bool>,
    /// Who looks out for its leaving the roster.
    leaving: Notify,
}

/// Which connections will do for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// Any: if the worker closes it meanwhile, the request is sent again.
    Any,
    /// One that was in use just now, for a request that may not be sent twice.
    Recent,
    /// A new one, for a request that was lost on another: that one's worker may be dead.
    New,
}

/// One connection to the worker, not in use by anyone else.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Outgoing>,
    /// Bytes written to the worker on it so far.
    written: Rc<Cell<u64>>,
    /// Whether its task leaves us the socket, should the worker switch protocols.
    may_switch: Rc<Cell<bool>>,
    switched: oneshot::Receiver<WorkerEnd>,
    /// Since when it has been idle.
    idle_since: MonoTime,
    /// Whether it has carried a request before.
    pub reused: bool,
}

impl Connection {
    /// Sends a request.
    pub fn sender(&mut self) -> &mut SendRequest<Outgoing> {
        &mut self.sender
    }

    /// The next request asks the worker to switch protocols.
    pub fn may_switch(&self) {
        self.may_switch.set(true);
    }

    /// The worker's end of a connection that switched protocols. `None`: it has ended.
    pub async fn switched(self) -> Option<WorkerEnd> {
        self.switched.await.ok()
    }

    /// Bytes written to the worker on this connection so far.
    #[must_use]
    pub fn written(&self) -> &Rc<Cell<u64>> {
        &self.written
    }
}

impl Habits {
    /// Learns from a connection that nobody used since it was given back.
    fn saw(&self, now: MonoTime, idle: &Connection) {
        let age = now.since(idle.idle_since);
        if idle.sender.is_closed() {
            self.closed(now, age);
        } else {
            self.survived(age);
        }
    }
}

impl Upstream {
    /// No connection yet. `habits`: what this thread knows of the app's workers.
    #[must_use]
    pub fn new(local: Rc<Local>, habits: Rc<Habits>) -> Self {
        Self {
            local,
            idle: RefCell::default(),
            habits,
            suspect_until: Cell::default(),
            closed: Cell::new(false),
            leaving: Notify::new(),
        }
    }

    /// An idle connection, or a new one that carried nothing before, as `fresh` wants it.
    ///
    /// # Errors
    /// When no connection can be made. No byte has been sent then.
    pub async fn connection(
        &self,
        now: MonoTime,
        fresh: Fresh,
        settings: &Settings,
    ) -> Result<Connection, Failure> {
        while let Some(mut connection) = self.idle_connection(now, fresh, settings.keep_alive) {
            // Its task may still have to see the end of the last exchange.
            if connection.sender.ready().await.is_ok() {
                return Ok(connection);
            }
            self.habits.closed(now, now.since(connection.idle_since));
        }
        let connecting = connect(&self.local.member, self.local.thread());
        match tokio::time::timeout(settings.connect_timeout, connecting).await {
            Ok(connection) => connection,
            Err(_) => Err(Failure::ConnectTimeout),
        }
    }

    fn idle_connection(
        &self,
        now: MonoTime,
        fresh: Fresh,
        keep_alive: Duration,
    ) -> Option<Connection> {
        let longest = match fresh {
            Fresh::Any => keep_alive,
            Fresh::Recent => keep_alive.min(RECENT),
            Fresh::New => return None,
        };
        // How long it must have been idle to be believed; `None`: the last used will do.
        let proof = match self.habits.trust(now) {
            Trust::Closes if fresh == Fresh::Recent => return None,
            Trust::Closes => Some(PROVEN),
            Trust::Unknown if fresh == Fresh::Recent => Some(SURE),
            Trust::Unknown | Trust::Stays => None,
        };
        let mut idle = self.idle.borrow_mut();
        loop {
            // The longest idle has proven most; the last used has its memory warm.
            let next = match proof {
                Some(_) => idle.pop_front(),
                None => idle.pop_back(),
            }?;
            let age = now.since(next.idle_since);
            if next.sender.is_closed() {
                self.habits.saw(now, &next);
            } else if proof.is_some_and(|proof| age < proof) {
                idle.push_front(next);
                return None;
            } else if age < longest {
                self.habits.survived(age);
                return Some(next);
            }
        }
    }

    /// A connection was closed under a request.
    pub fn closed_under_a_request(&self, now: MonoTime, reused: bool) {
        self.suspect_until.set(now + NEWS);
        if reused {
            self.habits.closed(now, Duration::ZERO);
        }
    }

    /// Whether a connection was closed under a request just now: the worker may be dead.
    #[must_use]
    pub fn is_suspect(&self, now: MonoTime) -> bool {
        now < self.suspect_until.get()
    }

    /// Takes back a connection whose exchange is complete.
    pub fn give_back(&self, mut connection: Connection, now: MonoTime, settings: &Settings) {
        if self.closed.get() || connection.sender.is_closed() {
            return;
        }
        (connection.idle_since, connection.reused) = (now, true);
        connection.may_switch.set(false);
        let mut idle = self.idle.borrow_mut();
        let share = settings
            .idle_connections
            .div_ceil(self.local.member.threads())
            .max(1);
        if idle.len() >= share
            && let Some(oldest) = idle.pop_front()
        {
            self.habits.saw(now, &oldest);
        }
        idle.push_back(connection);
    }

    /// Closes connections that have been idle for too long. Returns when to ask again.
    pub fn expire(&self, now: MonoTime, keep_alive: Duration) -> Option<MonoTime> {
        let mut idle = self.idle.borrow_mut();
        while let Some(first) = idle.front()
            && now.since(first.idle_since) >= keep_alive
        {
            self.habits.saw(now, first);
            idle.pop_front();
        }
        idle.front().map(|first| first.idle_since + keep_alive)
    }

    /// Closes every idle connection and takes none back.
    pub fn close(&self) {
        self.closed.set(true);
        self.idle.borrow_mut().clear();
        self.leaving.notify_waiters();
    }

    /// Whether the worker has left the roster.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Waits for the worker to leave the roster.
    pub async fn left(&self) {
        self.leaving.notified().await;
    }
}

async fn connect(member: &Arc<Member>, thread: usize) -> Result<Connection, Failure> {
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
    let written = Rc::new(Cell::new(0));
    let io = WorkerIo {
        stream,
        written: written.clone(),
    };
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER_MAX)
        .handshake(TokioIo::new(io))
        .await
        .map_err(|_| Failure::Unreachable)?;
    let open = Open::new(member.clone(), thread);
    let may_switch = Rc::new(Cell::new(false));
    let (leave, switched) = oneshot::channel();
    let switches = may_switch.clone();
    tokio::task::spawn_local(async move {
        let mut connection = connection;
        // How it ends shows in the exchange that it carried, if any.
        drop((&mut connection).await);
        if switches.get() {
            let parts = connection.into_parts();
            let end = WorkerEnd {
                io: parts.io.into_inner(),
                early: parts.read_buf,
                _open: open,
            };
            // Dropped where nobody wants it any more.
            drop(leave.send(end));
        }
    });
    Ok(Connection {
        sender,
        written,
        may_switch,
        switched,
        idle_since: MonoTime::ZERO,
        reused: false,
    })
}

/// The worker's end of a connection that speaks HTTP no longer.
pub struct WorkerEnd {
    pub(super) io: WorkerIo,
    /// What the worker has said already.
    pub(super) early: Bytes,
    _open: Open,
}

impl fmt::Debug for WorkerEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a worker's end")
    }
}

/// Counts a connection for as long as its task, or its tunnel, lives.
struct Open {
    member: Arc<Member>,
    thread: usize,
}

impl Open {
    fn new(member: Arc<Member>, thread: usize) -> Self {
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
    written: Rc<Cell<u64>>,
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
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
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
