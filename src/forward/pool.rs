//! Connections to one worker from one data thread. They die with their generation.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

use super::{
    body::Truncated,
    failure::Failure,
    h1::{Break, Whole},
    habits::{Habits, PROVEN, RECENT, SURE, Trust},
    lines::{Lane, Lines},
    replay::Plan,
    socket::{self, Open, WorkerIo},
    thread::Settings,
    upload::Outgoing,
};
use crate::{admit::gate::Local, time::MonoTime};

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
    pub why: Why,
    /// Whether bytes of the request may have reached the worker.
    pub sent: bool,
}

/// Why an exchange failed before its response head.
#[derive(Debug)]
pub enum Why {
    /// Over HTTP/1.1.
    Whole(Break),
    /// Over HTTP/2.
    Lane(hyper::Error),
}

impl Connection {
    /// Sends a request with this body and waits for the response head.
    ///
    /// # Errors
    /// How it failed, and whether bytes of the request may have reached the worker.
    pub async fn send(&mut self, plan: &Plan, body: Outgoing) -> Result<Response<()>, Lost> {
        match self {
            Self::Whole(whole) => {
                let before = whole.written();
                let head = (&plan.method, &plan.uri, plan.headers());
                whole.send(head, body).await.map_err(|error| Lost {
                    why: Why::Whole(error),
                    sent: whole.written() > before,
                })
            }
            Self::Lane(lane) => lane.send(plan.request(body)).await,
        }
    }

    /// Whether the answer has a short body, of which nothing has come with its head.
    #[must_use]
    pub fn owes_its_body(&self) -> bool {
        matches!(self, Self::Whole(whole) if whole.owes_its_body())
    }

    /// Waits for the first of such a body.
    ///
    /// # Errors
    /// How it broke off before that.
    pub async fn await_body(&mut self) -> Result<(), Lost> {
        let Self::Whole(whole) = self else {
            return Ok(());
        };
        whole.await_body().await.map_err(|error| Lost {
            why: Why::Whole(error),
            sent: true,
        })
    }

    /// What comes next of the response body. An error: it broke off.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Truncated>>> {
        let broke_off =
            |frame: Option<Result<Frame<Bytes>, _>>| frame.map(|f| f.or(Err(Truncated)));
        match self {
            Self::Whole(whole) => whole.poll_frame(cx).map(broke_off),
            Self::Lane(lane) => lane.poll_frame(cx),
        }
    }

    /// Whether the response body has ended.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Lane(lane) => lane.is_end_stream(),
        }
    }

    /// Whether some of the response body is held here already.
    #[must_use]
    pub fn is_at_hand(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_at_hand(),
            Self::Lane(_) => false,
        }
    }

    /// What is known of the rest of the response body.
    #[must_use]
    pub fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Lane(lane) => lane.size_hint(),
        }
    }

    /// The worker's end of a connection that switched protocols. `None`: it has ended.
    #[must_use]
    pub fn switched(self) -> Option<WorkerEnd> {
        let Self::Whole(whole) = self else {
            return None;
        };
        let (io, early, open) = whole.into_parts()?;
        Some(WorkerEnd {
            io,
            early,
            _open: open,
        })
    }

    /// Whether its worker closes it by habit rather than by dying.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        matches!(self, Self::Whole(whole) if whole.reused)
    }

    /// Its answer is complete, but not the request, of which the rest goes on by itself.
    pub fn leave(self) {
        match self {
            Self::Whole(whole) => whole.leave(),
            Self::Lane(lane) => drop(lane),
        }
    }
}

impl Habits {
    /// Learns from a connection that nobody used since it was given back.
    fn saw(&self, now: MonoTime, idle: &Whole) {
        let age = now.since(idle.idle_since);
        if idle.is_over() {
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
        if let Some(connection) = self.idle_connection(now, fresh, settings.keep_alive) {
            return Ok(Connection::Whole(connection));
        }
        let member = &self.local.member;
        let io = socket::connect(member, settings.connect_timeout).await?;
        let open = Open::new(member.clone(), self.local.thread());
        Ok(Connection::Whole(Whole::new(io, open)))
    }

    /// What a failed exchange means.
    #[must_use]
    pub fn judge(&self, why: &Why, client_failed: bool) -> Failure {
        if client_failed {
            return Failure::ClientBody;
        }
        let of_tls = |error| socket::of_tls(&self.local.member, error);
        match why {
            Why::Lane(error) => of_tls(error).unwrap_or_else(|| Failure::of_stream(error)),
            Why::Whole(Break::Failed(error)) => of_tls(error).unwrap_or(Failure::Closed),
            Why::Whole(Break::Closed) => Failure::Closed,
            Why::Whole(Break::NotHttp) => Failure::BadResponse,
            Why::Whole(Break::Client) => Failure::ClientBody,
        }
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
        // The first ones are too old for this request, and may do for others.
        let old = idle.partition_point(|one| now.since(one.idle_since) >= longest);
        loop {
            // The longest idle has proven most; the last used has its memory warm.
            let at = match proof {
                Some(_) => old,
                None => idle.len().checked_sub(1).filter(|last| *last >= old)?,
            };
            let next = idle.remove(at)?;
            let age = now.since(next.idle_since);
            if next.is_over() {
                self.habits.closed(now, age);
            } else if proof.is_some_and(|proof| age < proof) {
                idle.insert(at, next);
                return None;
            } else {
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
        if self.closed.get() || !connection.may_carry_more() {
            // All of a request may have come and not yet have gone.
            return connection.leave();
        }
        if connection.is_over() {
            self.habits.closed(now, Duration::ZERO);
            return;
        }
        (connection.idle_since, connection.reused) = (now, true);
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
