//! Connections to one worker from one data thread. They die with their generation.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use hyper::{
    body::{Body, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, oneshot};

use super::{
    failure::Failure,
    habits::{Habits, PROVEN, RECENT, SURE, Trust},
    lines::{Lane, Lines},
    socket::{self, Open, WorkerIo},
    thread::Settings,
    upload::Outgoing,
};
use crate::{
    admit::{gate::Local, roster::Member},
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
    idle: RefCell<VecDeque<Whole>>,
    lines: Rc<Lines>,
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

/// What carries an exchange with the worker.
#[derive(Debug)]
pub enum Connection {
    /// A connection that nobody else uses (HTTP/1.1).
    Whole(Whole),
    /// A place on one that others use too (HTTP/2).
    Lane(Lane),
}

/// How an exchange failed before its response head.
#[derive(Debug)]
pub struct Lost {
    /// Why.
    pub error: hyper::Error,
    /// Whether bytes of the request may have reached the worker.
    pub sent: bool,
}

/// One connection to the worker, not in use by anyone else.
#[derive(Debug)]
pub struct Whole {
    sender: SendRequest<Outgoing>,
    /// Bytes written to the worker on it so far.
    written: Rc<Cell<u64>>,
    /// Whether its task leaves us the socket, should the worker switch protocols.
    may_switch: Rc<Cell<bool>>,
    switched: oneshot::Receiver<WorkerEnd>,
    /// Since when it has been idle.
    idle_since: MonoTime,
    /// Whether it has carried a request before.
    reused: bool,
}

impl Connection {
    /// Sends a request and waits for the response head.
    ///
    /// # Errors
    /// How it failed, and whether bytes of the request may have reached the worker.
    pub async fn send(&mut self, request: Request<Outgoing>) -> Result<Response<Incoming>, Lost> {
        match self {
            Self::Whole(whole) => whole.send(request).await,
            Self::Lane(lane) => lane.send(request).await,
        }
    }

    /// The next request asks the worker to switch protocols.
    pub fn may_switch(&self) {
        if let Self::Whole(whole) = self {
            whole.may_switch.set(true);
        }
    }

    /// The worker's end of a connection that switched protocols. `None`: it has ended.
    pub async fn switched(self) -> Option<WorkerEnd> {
        match self {
            Self::Whole(whole) => whole.switched.await.ok(),
            Self::Lane(_) => None,
        }
    }

    /// Whether its worker closes it by habit rather than by dying.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        matches!(self, Self::Whole(whole) if whole.reused)
    }
}

impl Whole {
    async fn send(&mut self, mut request: Request<Outgoing>) -> Result<Response<Incoming>, Lost> {
        let body = request.body();
        if body.size_hint().exact().is_none() && !body.is_end_stream() {
            // hyper's client would drop the body of a GET whose length is not known.
            let headers = request.headers_mut();
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            headers.remove(CONTENT_LENGTH);
        }
        let before = self.written.get();
        let sending = self.sender.try_send_request(request);
        sending.await.map_err(|error| Lost {
            sent: error.message().is_none() && self.written.get() > before,
            error: error.into_error(),
        })
    }
}

impl Habits {
    /// Learns from a connection that nobody used since it was given back.
    fn saw(&self, now: MonoTime, idle: &Whole) {
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
            lines: Rc::default(),
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
        if self.local.member.manner.protocol.is_http2() {
            let lane = self.lines.lane(now, fresh, &self.local, settings).await?;
            return Ok(Connection::Lane(lane));
        }
        while let Some(mut connection) = self.idle_connection(now, fresh, settings.keep_alive) {
            // Its task may still have to see the end of the last exchange.
            if connection.sender.ready().await.is_ok() {
                return Ok(Connection::Whole(connection));
            }
            self.habits.closed(now, now.since(connection.idle_since));
        }
        let within = settings.connect_timeout;
        connect(&self.local.member, self.local.thread(), within).await
    }

    /// What a failed exchange means.
    #[must_use]
    pub fn judge(&self, error: &hyper::Error, client_failed: bool) -> Failure {
        let of_tls = || socket::of_tls(&self.local.member, error);
        let of_tls = (!client_failed).then(of_tls).flatten();
        of_tls.unwrap_or_else(|| Failure::of_exchange(error, client_failed))
    }

    fn idle_connection(&self, now: MonoTime, fresh: Fresh, keep_alive: Duration) -> Option<Whole> {
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

    /// It refused a connection: until there is news it may be dead.
    pub fn refused(&self, now: MonoTime) {
        self.suspect_until.set(now + NEWS);
    }

    /// Whether a connection was closed under a request just now: the worker may be dead.
    #[must_use]
    pub fn is_suspect(&self, now: MonoTime) -> bool {
        now < self.suspect_until.get()
    }

    /// Takes back a connection whose exchange is complete.
    pub fn give_back(&self, connection: Connection, now: MonoTime, settings: &Settings) {
        // Who leaves a lane leaves it to the others.
        let Connection::Whole(mut connection) = connection else {
            return;
        };
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
        let next = idle.front().map(|first| first.idle_since + keep_alive);
        next.into_iter()
            .chain(self.lines.expire(now, keep_alive))
            .min()
    }

    /// Closes every idle connection and takes none back.
    pub fn close(&self) {
        self.closed.set(true);
        self.idle.borrow_mut().clear();
        self.lines.close();
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

async fn connect(
    member: &Arc<Member>,
    thread: usize,
    within: Duration,
) -> Result<Connection, Failure> {
    let io = socket::connect(member, within).await?;
    let written = io.written.clone();
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
    Ok(Connection::Whole(Whole {
        sender,
        written,
        may_switch,
        switched,
        idle_since: MonoTime::ZERO,
        reused: false,
    }))
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
