//! Serves one client connection with a deadline for each of its phases.

use std::{
    io,
    net::IpAddr,
    pin::{Pin, pin},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::time::Instant;
use tower::Service;

use super::{
    client_io::ClientIo,
    io::{Phase, Shared},
    leave::{BREAK, leaving},
    listener::{Arrival, Entry},
    peer::peer,
    phased::Phased,
    proxy_protocol::{self, Source},
    refusal::{self, last_words},
    rest::{self, Lasts, REST},
    streams,
    tls::shake_hands,
};
use crate::{
    explain::code::Code,
    proxy::{Client, Download, Peer, Progress, Thread, Tunnel},
    time::{self, MonoTime},
    tls::front::Protocol,
};

/// How long a client may take for what is its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a request's head, from its first byte; also for a new connection's first byte.
    pub head: Duration,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For the next piece of a request's body.
    pub body: Duration,
    /// For taking the next piece of an answer.
    pub write: Duration,
}

impl Deadlines {
    pub(super) fn shortest(&self) -> Duration {
        self.head.min(self.idle).min(self.body).min(self.write)
    }
}

/// So many fields hyper lets a head have unless it is told a number; then it makes room for them
/// one by one, for each head.
const HYPER_FIELDS: usize = 100;

/// Limits of a request's head, and what a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All of it, in bytes.
    pub head: usize,
    /// Its fields.
    pub fields: usize,
    /// A client's connections.
    pub connections: u64,
    /// Whether one that has ended its half of a connection is answered.
    pub half_close: bool,
}

/// Serves a client until it leaves, falls silent, or autoheal stops.
pub async fn serve<S, E>(
    arrival: Arrival,
    thread: Rc<Thread>,
    (deadlines, limits): (Deadlines, Limits),
    stack: impl Fn(Rc<Client>) -> S + 'static,
) where
    S: Service<Request<Incoming>, Response = Response<Download>, Error = E> + Clone + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let _lasts = Lasts;
    let Arrival {
        socket,
        ip,
        entry,
        place: _place,
    } = arrival;
    let shared = Shared::new(socket, time::now());
    let source = source(&shared, ip, &entry, &thread);
    let Ok(Some(ip)) = tokio::time::timeout(deadlines.head, source).await else {
        return;
    };
    let _held = match thread.connects(ip, limits.connections) {
        Ok(held) => held,
        Err(code) => {
            thread.refused(code);
            if entry.tls.is_none() {
                shared.last_words(&last_words(code));
            }
            return;
        }
    };
    let (shared, scheme, shown) = match &entry.tls {
        None => (shared, "http", None),
        Some(front) => {
            let shaking = shake_hands(shared, front, deadlines.handshake, &thread);
            match Box::pin(shaking).await {
                Some((shared, shown)) => (shared, "https", shown),
                None => return,
            }
        }
    };
    let peer = peer(ip, scheme, shown);
    let rules = (deadlines, limits);
    // What serves a request is nearly all that a connection takes. It is built at the first byte
    // and taken down while the client rests; hence the boxes.
    loop {
        match first_bytes(&shared, &thread, &deadlines).await {
            First::Protocol(Protocol::Http1) => {
                match Box::pin(talk(&shared, peer.clone(), &thread, rules, &stack)).await {
                    Next::Rest => rest::give_back(),
                    Next::Close => return,
                    Next::Tunnel(tunnel, early) => {
                        shared.phase.set(Phase::Tunnel);
                        rest::give_back();
                        return Box::pin(tunnel.run(ClientIo(shared), early)).await;
                    }
                    Next::Linger => return Box::pin(shared.linger()).await,
                }
            }
            First::Protocol(Protocol::Http2) => {
                Box::pin(streams::serve(&shared, peer, thread, rules, stack)).await;
                return Box::pin(shared.linger()).await;
            }
            First::Refuse(code) => {
                thread.refused(code);
                shared.last_words(&last_words(code));
                return Box::pin(shared.linger()).await;
            }
            First::None => return,
        }
    }
}

/// What came of waiting for a client to say something.
enum First {
    Protocol(Protocol),
    /// Nothing that could be served.
    Refuse(Code),
    /// It left, or its time was over, or ours.
    None,
}

/// Waits for the first byte of a request, as long as a client may take for it.
async fn first_bytes(shared: &Shared, thread: &Thread, deadlines: &Deadlines) -> First {
    let (until, rests) = match shared.phase.get() {
        Phase::Idle(since) => (since + deadlines.idle, true),
        _ => (time::now() + deadlines.head, false),
    };
    tokio::select! {
        biased;
        said = shared.protocol() => match said {
            Ok(_) if shared.shakes_hands.get() => First::Refuse(Code::TlsToPlain),
            Ok(protocol) => First::Protocol(protocol),
            Err(_) => First::None,
        },
        () = tokio::time::sleep_until(Instant::from_std(until.to_instant())) => {
            match shared.phase.get() {
                Phase::Head(_) => First::Refuse(Code::HeadTimeout),
                _ => First::None,
            }
        }
        // Who is new is told that autoheal is stopping; who rests has been answered.
        () = leaving(shared, thread), if rests => First::None,
    }
}

/// How a connection goes on after its requests.
enum Next {
    /// With requests to come, some time.
    Rest,
    /// It is over.
    Close,
    /// It is over, and its client may not have read all of it.
    Linger,
    /// As a tunnel, with what its client has said already.
    Tunnel(Box<Tunnel>, Bytes),
}

/// Serves HTTP/1.1 requests until none has come for a while.
async fn talk<S, E>(
    shared: &Rc<Shared>,
    peer: Peer,
    thread: &Thread,
    (deadlines, limits): (Deadlines, Limits),
    stack: impl Fn(Rc<Client>) -> S,
) -> Next
where
    S: Service<Request<Incoming>, Response = Response<Download>, Error = E> + Clone + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let progress = Rc::new(Progress::default());
    let watched = shared.clone();
    let duplicate = Box::new(move || watched.duplicate());
    let client = Rc::new(Client::new(
        peer,
        progress.clone(),
        duplicate,
        limits.half_close,
    ));
    let service = TowerToHyperService::new(Phased {
        inner: stack(client.clone()),
        shared: shared.clone(),
    });
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_buf_size(limits.head.max(8192))
        .half_close(limits.half_close);
    if limits.fields != HYPER_FIELDS {
        builder.max_headers(limits.fields);
    }
    let mut serving = builder.serve_connection(TokioIo::new(ClientIo(shared.clone())), service);
    // Where half a connection may be closed, hyper looks for no other end than that of what it
    // reads, while an answer is waited for.
    let gone = async {
        match limits.half_close {
            true => client.gone().await,
            false => std::future::pending().await,
        }
    };
    let watched = (&**shared, &*progress, gone);
    let ended = until_end(&mut serving, watched, thread, &deadlines).await;
    let tunnel = shared.tunnel.take();
    if let (Ended::Done, Some(tunnel)) = (&ended, tunnel) {
        return Next::Tunnel(tunnel, serving.into_parts().read_buf);
    }
    let code = match ended {
        Ended::Rest => {
            shared.unread(&serving.into_parts().read_buf);
            return Next::Rest;
        }
        Ended::Late(code) => Some(code),
        // An answer broke off whose end would have been the connection's.
        Ended::Hyper(error) if error.is_user() && shared.old.get() => {
            shared.reset();
            return Next::Close;
        }
        Ended::Hyper(error) => {
            let said = serving.into_parts().read_buf;
            refusal::of_head(&error, shared.refused.get(), &said)
        }
        Ended::Done => None,
    };
    if let Some(code) = code {
        if code != Code::BodyTimeout {
            thread.refused(code);
        }
        shared.last_words(&last_words(code));
    }
    if shared.is_finished() || shared.is_long_idle(time::now()) {
        Next::Close
    } else {
        Next::Linger
    }
}

/// Whose connection it is. `None`: it left, or that is not clear.
async fn source(
    shared: &Rc<Shared>,
    peer: Option<IpAddr>,
    entry: &Entry,
    thread: &Thread,
) -> Option<Option<IpAddr>> {
    if !entry.proxy_protocol {
        return Some(peer);
    }
    let believed = peer.is_none_or(|ip| (thread.view().settings.trusted)(ip));
    let ip = match proxy_protocol::read(shared).await {
        Ok(Source::Client(ip)) if believed => Some(ip),
        Ok(Source::Peer) if believed => peer,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
        other => {
            thread.refused(Code::BadProxyHeader);
            tracing::debug!(
                ?peer,
                believed,
                ?other,
                "closed: no PROXY header to rely on"
            );
            return None;
        }
    };
    shared.phase.set(Phase::New(time::now()));
    Some(ip)
}

type Serving<S> = http1::Connection<TokioIo<ClientIo>, TowerToHyperService<Phased<S>>>;

/// How a connection came to its end.
enum Ended {
    /// There is nothing to say.
    Done,
    /// It has not ended: nothing is asked, nothing is left to be written.
    Rest,
    /// A deadline passed, and its client may be told.
    Late(Code),
    /// hyper could not go on.
    Hyper(hyper::Error),
}

/// Lets hyper serve until the connection ends, its patience does, or autoheal's.
async fn until_end<S, E>(
    serving: &mut Serving<S>,
    (shared, progress, gone): (&Shared, &Progress, impl Future<Output = ()>),
    thread: &Thread,
    deadlines: &Deadlines,
) -> Ended
where
    S: Service<Request<Incoming>, Response = Response<Download>, Error = E> + Clone + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let shortest = deadlines.shortest().min(REST);
    let mut serving = Pin::new(serving);
    let mut sleep = pin!(tokio::time::sleep(shortest));
    let mut gone = pin!(gone);
    let mut leaving = pin!(leaving(shared, thread));
    let (mut told, mut closing) = (false, false);
    loop {
        tokio::select! {
            biased;
            ended = serving.as_mut() => {
                return ended.map_or_else(Ended::Hyper, |()| Ended::Done);
            }
            () = gone.as_mut() => return Ended::Done,
            () = sleep.as_mut() => {}
            () = thread.closing(), if !closing => {
                closing = true;
                serving.as_mut().graceful_shutdown();
            }
            // Not between two requests at once: the next may be under way.
            () = leaving.as_mut(), if !told => told = true,
        }
        let now = time::now();
        let rest = if told { BREAK } else { REST };
        if now >= shared.rests_at(rest) {
            return Ended::Rest;
        }
        match due(shared, progress, deadlines) {
            Due { at, .. } if at > now => {
                // What begins meanwhile may have a nearer deadline.
                let look = at.min(now + shortest).min(shared.rests_at(rest));
                sleep.as_mut().reset(Instant::from_std(look.to_instant()));
            }
            Due {
                tell: Some(code), ..
            } => return Ended::Late(code),
            Due { tell: None, .. } => return Ended::Done,
        }
    }
}

/// When a connection's patience ends.
struct Due {
    at: MonoTime,
    /// What its client is told then.
    tell: Option<Code>,
}

fn due(shared: &Shared, progress: &Progress, deadlines: &Deadlines) -> Due {
    let body = || match progress.waiting_since.get() {
        Some(since) => since + deadlines.body,
        None => MonoTime::NEVER,
    };
    let (at, tell) = match shared.phase.get() {
        Phase::New(since) => (since + deadlines.head, None),
        Phase::Head(since) => (since + deadlines.head, Some(Code::HeadTimeout)),
        Phase::Busy => (body(), Some(Code::BodyTimeout)),
        Phase::Answering => (body(), None),
        Phase::Idle(since) => (since + deadlines.idle, None),
        Phase::Tunnel => (MonoTime::NEVER, None),
    };
    match shared.write_stalled.get() {
        Some(since) if since + deadlines.write < at => Due {
            at: since + deadlines.write,
            tell: None,
        },
        _ => Due { at, tell },
    }
}
