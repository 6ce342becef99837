//! Serves one HTTP/2 connection: each stream is a request of its own, with deadlines of its own.

use std::{
    cell::Cell,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request, Response, header::CONNECTION};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    rt::Executor,
    server::conn::http2,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use tokio::{
    sync::Notify,
    time::{Instant, Sleep},
};
use tower::{Service, ServiceExt, util::Oneshot};

use super::{
    client_io::ClientIo,
    connection::{Deadlines, Limits},
    io::Shared,
    leave::leaving,
    rest, switched,
};
use crate::{
    explain::code::Code,
    proxy::{Answer, Client, Download, Peer, Progress, STREAM_WINDOW, Thread, is_grpc},
    time::{self, MonoTime},
};

/// So many bytes of requests' bodies a client may send ahead, over all its streams.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// So many requests a connection may have in flight.
const STREAMS_MAX: u32 = 100;
/// While so much of an answer waits for its client, in bytes for each stream, no more is read of
/// it. What is read at a time may be more.
const SEND_BUFFER: usize = 16 * 1024;
/// A client that is silent is asked so often whether it is there, and has as long to say so.
const PING: Duration = Duration::from_secs(20);
/// A client that takes back so many more requests than it lets be answered is not served on: to
/// us and to the worker each costs more than it costs the client (CVE-2023-44487).
const TAKEN_BACK_MAX: u32 = 200;
/// HTTP/2 counts so many bytes more for each field than HTTP/1.1 (RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// Serves a client until it leaves, falls silent, or autoheal stops.
pub(super) async fn serve<S, E>(
    shared: &Rc<Shared>,
    peer: Peer,
    thread: Rc<Thread>,
    (deadlines, limits): (Deadlines, Limits),
    stack: impl Fn(Rc<Client>) -> S + 'static,
) where
    S: Service<Request<Incoming>, Response = Response<Download>, Error = E> + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let streams = Rc::new(Streams {
        deadlines,
        open: Cell::new(0),
        idle_since: Cell::new(time::now()),
        taken_back: Cell::new(0),
        flood: Notify::new(),
        begun: Cell::new(None),
    });
    let each = Each {
        peer,
        stack,
        streams: streams.clone(),
    };
    // Ours is the narrower limit, so that most answers to a head that is too large have a code.
    let head = limits.head + (limits.fields + 8) * FIELD_OVERHEAD;
    let serving = http2::Builder::new(Tasks(streams.clone()))
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(ClientIo(shared.clone())), each);
    let mut serving = pin!(serving);
    let mut sleep = pin!(tokio::time::sleep(deadlines.shortest()));
    // Since when the client knows that no further request is taken.
    let mut told = thread.is_closing().then(|| {
        serving.as_mut().graceful_shutdown();
        time::now()
    });
    let mut leaving = pin!(leaving(shared, &thread));
    loop {
        tokio::select! {
            biased;
            // How it ended is the client's affair: its streams have been told.
            _ = serving.as_mut() => return,
            () = streams.flood.notified() => {
                tracing::debug!("a client takes back what it asks for: its connection is closed");
                return;
            }
            () = sleep.as_mut() => {}
            () = leaving.as_mut(), if told.is_none() => {
                told = Some(time::now());
                serving.as_mut().graceful_shutdown();
            }
        }
        let now = time::now();
        if streams.is_over(shared, told, now) {
            return;
        }
        if told.is_none() && streams.is_idle(now) {
            told = Some(now);
            serving.as_mut().graceful_shutdown();
        }
        let look = now + deadlines.shortest();
        sleep.as_mut().reset(Instant::from_std(look.to_instant()));
    }
}

/// What one connection's streams share.
struct Streams {
    deadlines: Deadlines,
    open: Cell<u32>,
    /// Since when none has been open, if none is.
    idle_since: Cell<MonoTime>,
    /// How many more were taken back than answered.
    taken_back: Cell<u32>,
    flood: Notify,
    /// The stream whose task hyper is about to start.
    begun: Cell<Option<Stream>>,
}

impl Streams {
    fn is_idle(&self, now: MonoTime) -> bool {
        self.open.get() == 0 && now.since(self.idle_since.get()) >= self.deadlines.idle
    }

    /// Whether the client takes nothing of what is for it.
    fn is_over(&self, shared: &Shared, told: Option<MonoTime>, now: MonoTime) -> bool {
        let late = |since: MonoTime| now.since(since) >= self.deadlines.write;
        let stalled = shared.write_stalled.get().is_some_and(late);
        let idle = self.open.get() == 0 && late(self.idle_since.get());
        stalled || (idle && told.is_some_and(late))
    }
}

/// One stream, from its head to the end of its task. Clones are of the same stream.
#[derive(Clone)]
struct Stream(Rc<State>);

struct State {
    streams: Rc<Streams>,
    progress: Rc<Progress>,
    /// It has a body that must come on. A call of gRPC may be silent for as long as it likes.
    hurried: bool,
    /// Its answer has begun.
    answered: Cell<bool>,
    /// Its body did not come on in time.
    late: Cell<bool>,
    /// So many pieces of its answer were handed on, and the last of them waits for the client.
    pieces: Cell<u64>,
    holds: Cell<bool>,
}

impl Drop for State {
    fn drop(&mut self) {
        let Streams {
            open,
            idle_since,
            taken_back,
            flood,
            ..
        } = &*self.streams;
        open.set(open.get() - 1);
        if open.get() == 0 {
            idle_since.set(time::now());
            rest::give_back();
        }
        if self.answered.get() {
            taken_back.set(taken_back.get().saturating_sub(1));
        } else {
            taken_back.set(taken_back.get() + 1);
            if taken_back.get() > TAKEN_BACK_MAX {
                flood.notify_one();
            }
        }
    }
}

/// Makes a request of each stream.
struct Each<F> {
    peer: Peer,
    stack: F,
    streams: Rc<Streams>,
}

impl<F, S> hyper::service::Service<Request<Incoming>> for Each<F>
where
    F: Fn(Rc<Client>) -> S,
    S: Service<Request<Incoming>, Response = Response<Download>>,
{
    type Response = Response<Given>;
    type Error = S::Error;
    type Future = Answering<Oneshot<S, Request<Incoming>>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let streams = self.streams.clone();
        streams.open.set(streams.open.get() + 1);
        let progress = Rc::new(Progress::default());
        let client = Client::stream(self.peer.clone(), progress.clone());
        let stream = Stream(Rc::new(State {
            streams,
            progress,
            hurried: !request.body().is_end_stream() && !is_grpc(request.headers()),
            answered: Cell::new(false),
            late: Cell::new(false),
            pieces: Cell::new(0),
            holds: Cell::new(false),
        }));
        self.streams.begun.set(Some(stream.clone()));
        let connects = *request.method() == Method::CONNECT;
        let upgrade = connects.then(|| hyper::upgrade::on(&mut request));
        Answering {
            upgrade,
            inner: (self.stack)(Rc::new(client)).oneshot(request),
            stream,
        }
    }
}

pin_project! {
    /// A stream's answer to come.
    struct Answering<F> {
        #[pin]
        inner: F,
        stream: Stream,
        // What becomes of a stream that may be a tunnel.
        upgrade: Option<OnUpgrade>,
    }
}

impl<F, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<Download>, E>>,
{
    type Output = Result<Response<Given>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let state = &me.stream.0;
        let answer = if state.late.get() {
            Poll::Ready(Ok(Answer::bare(Code::BodyTimeout)))
        } else {
            me.inner.poll(cx)
        };
        answer.map_ok(|mut answer| {
            state.answered.set(true);
            // HTTP/2 says by frames what HTTP/1.1 says here.
            answer.headers_mut().remove(CONNECTION);
            if let Some(tunnel) = answer.body_mut().take_tunnel()
                && let Some(upgrade) = me.upgrade.take()
            {
                switched::run(tunnel, upgrade, me.stream.clone());
            }
            let stream = me.stream.clone();
            answer.map(|inner| Given { inner, stream })
        })
    }
}

/// A response body that notes whether its client takes it.
struct Given {
    inner: Download,
    stream: Stream,
}

impl Body for Given {
    type Data = bytes::Bytes;
    type Error = <Download as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, Self::Error>>> {
        let poll = Pin::new(&mut self.inner).poll_frame(cx);
        let state = &self.stream.0;
        state.holds.set(poll.is_ready());
        state.pieces.set(state.pieces.get() + 1);
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Runs hyper's tasks on this thread, each with the deadlines of its stream.
#[derive(Clone)]
struct Tasks(Rc<Streams>);

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, task: F) {
        match self.0.begun.take() {
            Some(stream) => tokio::task::spawn_local(Timed {
                task,
                stream,
                held: (0, MonoTime::NEVER),
                sleep: None,
            }),
            None => tokio::task::spawn_local(task),
        };
    }
}

pin_project! {
    /// A stream's task. If it ends before hyper has ended it, its stream is reset.
    struct Timed<F> {
        #[pin]
        task: F,
        stream: Stream,
        // After so many pieces the client has taken nothing since then.
        held: (u64, MonoTime),
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

impl<F> Future for Timed<F>
where
    F: Future<Output = ()>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut me = self.project();
        loop {
            if me.task.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let state = &me.stream.0;
            if !state.hurried && !state.holds.get() {
                return Poll::Pending;
            }
            let now = time::now();
            let due = state.due(me.held, now);
            if due <= now && state.answered.get() {
                return Poll::Ready(());
            }
            if due <= now {
                // Once more, for the answer that says so.
                state.late.set(true);
                continue;
            }
            let at = Instant::from_std(due.to_instant());
            let sleep = me
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if sleep.is_elapsed() || sleep.deadline() > at {
                sleep.as_mut().reset(at);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl State {
    /// When its client will have been waited for too long, or when to look again: that its body
    /// is waited for is no news to its task.
    fn due(&self, held: &mut (u64, MonoTime), now: MonoTime) -> MonoTime {
        let deadlines = &self.streams.deadlines;
        let mut due = MonoTime::NEVER;
        if self.holds.get() {
            if held.0 != self.pieces.get() {
                *held = (self.pieces.get(), now);
            }
            due = held.1 + deadlines.write;
        }
        if self.hurried && !self.late.get() {
            let since = self.progress.waiting_since.get();
            due = due.min(since.unwrap_or(now) + deadlines.body);
        }
        due
    }
}
