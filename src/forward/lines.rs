//! Connections to one worker that carry many exchanges at once (HTTP/2): one line as a rule, one
//! more for as long as all lanes of the others are taken.

use std::{
    cell::{Cell, OnceCell, RefCell},
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, Response, Uri, Version,
    header::{CONNECTION, HOST, UPGRADE},
    uri::{Authority, Scheme},
};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http2::{self, SendRequest},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;

use super::{
    body::Truncated,
    failure::Failure,
    habits::RECENT,
    pool::{Fresh, Lost, Why},
    socket::{self, Heard, Open},
    thread::Settings,
    upload::{Outgoing, STREAM_WINDOW},
};
use crate::{
    admit::{gate::Local, roster::Member},
    time::{self, MonoTime},
};

/// All lanes of a line together may have as much under way as they like: a client that does not
/// take its answer must not stop those of others. Each lane has its own limit.
const LINE_WINDOW: u32 = (1 << 31) - 1;
/// While so much of a request's body waits for its worker, in bytes for each lane, no more is taken
/// from its client.
const SEND_BUFFER: usize = 16 * 1024;
/// The longest head of an answer, in bytes.
const HEAD_MAX: u32 = 64 * 1024;

/// The lines of one data thread to one worker.
#[derive(Default)]
pub(super) struct Lines {
    lines: RefCell<Vec<Rc<Line>>>,
    /// The line that is being opened, for all who wait for it.
    opening: RefCell<Option<Rc<Opening>>>,
    closed: Cell<bool>,
}

/// One connection to the worker.
struct Line {
    sender: SendRequest<Outgoing>,
    scheme: Scheme,
    /// So many lanes its worker lets it have.
    most: Rc<Cell<usize>>,
    taken: Cell<usize>,
    /// Since when no lane is taken, if none is.
    idle_since: Cell<MonoTime>,
}

#[derive(Default)]
struct Opening {
    /// Why it failed, if it did.
    result: OnceCell<Result<(), Failure>>,
    over: Notify,
}

/// A place for one exchange on a line.
pub struct Lane {
    line: Rc<Line>,
    sender: SendRequest<Outgoing>,
    /// The body of its answer, once its head has come.
    incoming: Option<Incoming>,
}

impl Lines {
    /// A free lane of a line, opened if need be.
    ///
    /// # Errors
    /// When no line can be opened. No byte of the request has been sent then.
    pub(super) async fn lane(
        self: &Rc<Self>,
        now: MonoTime,
        fresh: Fresh,
        local: &Local,
        settings: &Settings,
    ) -> Result<Lane, Failure> {
        let mut now = now;
        loop {
            if let Some(lane) = self.free(now, fresh, settings.keep_alive) {
                return Ok(lane);
            }
            let opening = self.open(local, settings);
            let over = opening.over.notified();
            if opening.result.get().is_none() {
                over.await;
            }
            opening.result.get().copied().unwrap_or(Ok(()))?;
            now = time::now();
        }
    }

    fn free(&self, now: MonoTime, fresh: Fresh, keep_alive: Duration) -> Option<Lane> {
        let longest = match fresh {
            Fresh::Recent => keep_alive.min(RECENT),
            Fresh::Any | Fresh::New => keep_alive,
        };
        let mut lines = self.lines.borrow_mut();
        // Its worker may be about to close one that has been idle for long.
        lines.retain(|line| !line.sender.is_closed() && line.idle(now) < longest);
        lines.iter().find_map(Line::lane)
    }

    /// Opens one more line, unless one is being opened.
    fn open(self: &Rc<Self>, local: &Local, settings: &Settings) -> Rc<Opening> {
        let mut opening = self.opening.borrow_mut();
        if let Some(opening) = &*opening {
            return opening.clone();
        }
        let new = Rc::new(Opening::default());
        *opening = Some(new.clone());
        let (lines, told) = (self.clone(), new.clone());
        let (member, thread) = (local.member.clone(), local.thread());
        let within = settings.connect_timeout;
        // A task of its own: who asked for it may leave, and others wait for it too.
        tokio::task::spawn_local(async move {
            let result = match connect(&member, thread, within).await {
                Ok(line) if lines.closed.get() || line.sender.is_closed() => Err(Failure::Closed),
                Ok(line) => {
                    lines.lines.borrow_mut().push(Rc::new(line));
                    Ok(())
                }
                Err(failure) => Err(failure),
            };
            lines.opening.replace(None);
            told.result.get_or_init(|| result);
            told.over.notify_waiters();
        });
        new
    }

    /// Closes lines that have been idle for too long. Returns when to ask again.
    pub(super) fn expire(&self, now: MonoTime, keep_alive: Duration) -> Option<MonoTime> {
        let mut lines = self.lines.borrow_mut();
        lines.retain(|line| line.idle(now) < keep_alive);
        let idle = lines.iter().filter(|line| line.taken.get() == 0);
        idle.map(|line| line.idle_since.get() + keep_alive).min()
    }

    /// Closes every line as soon as its lanes are free, and opens none.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.lines.borrow_mut().clear();
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lines", self.lines.borrow().len())
    }
}

impl Line {
    fn idle(&self, now: MonoTime) -> Duration {
        match self.taken.get() {
            0 => now.since(self.idle_since.get()),
            _ => Duration::ZERO,
        }
    }

    fn lane(self: &Rc<Self>) -> Option<Lane> {
        if self.taken.get() >= self.most.get() {
            return None;
        }
        self.taken.set(self.taken.get() + 1);
        Some(Lane {
            line: self.clone(),
            sender: self.sender.clone(),
            incoming: None,
        })
    }
}

impl Lane {
    pub(super) async fn send(
        &mut self,
        mut request: Request<Outgoing>,
    ) -> Result<Response<()>, Lost> {
        for_http2(&mut request, &self.line.scheme);
        let sending = self.sender.try_send_request(request);
        // Which bytes of a line belong to which request is not known.
        let answer = sending.await.map_err(|error| Lost {
            sent: error.message().is_none(),
            why: Why::Lane(error.into_error()),
        })?;
        Ok(answer.map(|incoming| self.incoming = Some(incoming)))
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Truncated>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
        // hyper takes a stream that was reset without an error for one that ended.
        let cut_short = frame.is_none() && !incoming.is_end_stream();
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(frame)),
            None if !cut_short => None,
            None | Some(Err(_)) => Some(Err(Truncated)),
        })
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let incoming = self.incoming.as_ref();
        incoming.map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let taken = &self.line.taken;
        taken.set(taken.get() - 1);
        if taken.get() == 0 {
            self.line.idle_since.set(time::now());
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {} lanes", self.line.taken.get())
    }
}

/// RFC 9113 section 8.3.1: scheme and authority stand in the target, not in a field.
fn for_http2(request: &mut Request<Outgoing>, scheme: &Scheme) {
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    // A WebSocket would need what RFC 8441 adds.
    for name in [CONNECTION, UPGRADE] {
        headers.remove(name);
    }
    let host = headers.remove(HOST);
    let authority = host.and_then(|host| Authority::from_maybe_shared(host).ok());
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(scheme.clone());
    // HTTP/1.0 may name none.
    parts.authority = Some(authority.unwrap_or_else(|| Authority::from_static("localhost")));
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// Opens a line, and waits for what its worker lets us do on it.
async fn connect(member: &Arc<Member>, thread: usize, within: Duration) -> Result<Line, Failure> {
    let mut io = socket::connect(member, within).await?;
    let heard = Rc::new(Heard::default());
    io.heard = Some(heard.clone());
    let spoke = heard.clone();
    let open = Rc::new(Open::new(member.clone(), thread));
    let (sender, connection) = http2::Builder::new(Tasks(open.clone()))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(LINE_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(HEAD_MAX)
        // No request before its settings: none is refused because there were too many.
        .initial_max_send_streams(0)
        // The worker may err as often as it likes; what it answers is its clients' affair.
        .max_local_error_reset_streams(None)
        .handshake(TokioIo::new(io))
        .await
        .map_err(|_| Failure::Closed)?;
    let (most, news) = (Rc::new(Cell::new(0)), Rc::new(Notify::new()));
    let (known, ring) = (most.clone(), news.clone());
    tokio::task::spawn_local(async move {
        let mut connection = pin!(connection);
        let over = poll_fn(|cx| {
            let over = connection.as_mut().poll(cx);
            known.set(connection.current_max_send_streams());
            if known.get() == 0 {
                // Its settings come with the next bytes, which another task reads.
                heard.waker.set(Some(cx.waker().clone()));
            }
            ring.notify_one();
            over
        });
        // How it ends shows in the exchanges that it carried, if any.
        drop(over.await);
        ring.notify_one();
        drop(open);
    });
    let settings = async {
        while most.get() == 0 {
            news.notified().await;
            if sender.is_closed() {
                return Err(match spoke.bytes.get() {
                    true => Failure::BadResponse,
                    false => Failure::Closed,
                });
            }
        }
        Ok(())
    };
    let settled = tokio::time::timeout(within, settings).await;
    settled.unwrap_or(Err(Failure::ConnectTimeout))?;
    let scheme = match member.manner.protocol.is_tls() {
        true => Scheme::HTTPS,
        false => Scheme::HTTP,
    };
    Ok(Line {
        sender,
        scheme,
        most,
        taken: Cell::new(0),
        idle_since: Cell::new(time::now()),
    })
}

/// Runs hyper's tasks on this thread; each counts as the connection's.
#[derive(Clone)]
struct Tasks(Rc<Open>);

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, task: F) {
        let open = self.0.clone();
        tokio::task::spawn_local(async move {
            task.await;
            drop(open);
        });
    }
}
