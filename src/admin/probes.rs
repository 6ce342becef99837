//! Answers whoever watches over autoheal and its worker (a kubelet, a load balancer, a script) on
//! an address of its own: GET and HEAD alone, no token, any `Host`; nothing of it is secret.
//!
//! Invariant: however many connect and say nothing, there is a place for the next one: the oldest
//! connection loses its own.

use std::{cell::RefCell, collections::VecDeque, io, net, net::SocketAddr, path::PathBuf, rc::Rc};

use hyper::{Method, Request, StatusCode};
use tokio::{
    net::{TcpListener, UnixListener},
    task::{AbortHandle, JoinSet},
};

use super::{
    answer::{self, Answer, Problem},
    converse,
    socket::{self, BindError, Bound, Folders},
    vitals::{self, Vitals},
};
use crate::{
    control::order::Orders,
    time::{self, MonoTime},
};

/// So many connections are open at once.
pub const CONNECTIONS_MAX: usize = 32;

/// The most bytes of a request's head; hyper takes no less.
const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// How long a client may take to send its request, and again to take the answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// What the control thread has said holds so long, so that it is not asked as often as we are.
const FRESH: std::time::Duration = std::time::Duration::from_millis(100);

/// Where probes are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a TCP port.
    Tcp(SocketAddr),
    /// On a Unix socket.
    Unix(PathBuf),
}

/// Where probes are answered, listening. Dropping it removes a socket's file.
#[derive(Debug)]
pub enum Probes {
    /// On a TCP port.
    Tcp(net::TcpListener),
    /// On a Unix socket.
    Unix(Bound),
}

/// Why probes can't be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbesError {
    /// The system says no.
    #[error(
        "answer probes on {address}: {source}; stop what listens there, or choose another address \
         for probes"
    )]
    Tcp {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The socket can't be had.
    #[error("answer probes: {0}")]
    Unix(#[from] BindError),
}

impl Probes {
    /// Listens there.
    ///
    /// # Errors
    /// When something else does, or the system says no.
    pub fn bind(place: &Place) -> Result<Self, ProbesError> {
        match place {
            Place::Tcp(address) => {
                let cannot = |source| ProbesError::Tcp {
                    address: *address,
                    source,
                };
                let listener = net::TcpListener::bind(address).map_err(cannot)?;
                listener.set_nonblocking(true).map_err(cannot)?;
                Ok(Self::Tcp(listener))
            }
            Place::Unix(path) => {
                let at = socket::Place::At(path.clone());
                Ok(Self::Unix(Bound::new(&at, &Folders::new([]))?))
            }
        }
    }

    /// Where, for people.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |at| at.to_string()),
            Self::Unix(bound) => format!("unix:{}", bound.path().display()),
        }
    }

    /// Answers until it is dropped. Runs on the control thread, inside a `LocalRuntime` or a
    /// `LocalSet`.
    ///
    /// # Errors
    /// When the listening socket can't be waited for.
    pub fn serve(&self, orders: Orders) -> io::Result<impl Future<Output = ()> + use<>> {
        let listener = match self {
            Self::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener.try_clone()?)?),
            Self::Unix(bound) => Listener::Unix(bound.listener()?),
        };
        Ok(serve(listener, Rc::new(Desk::new(orders))))
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

async fn serve(listener: Listener, desk: Rc<Desk>) {
    let mut connections = JoinSet::new();
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let desk = desk.clone();
        let answered = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                connections.spawn_local(async move {
                    let answer = |request| desk.answer(request);
                    converse(stream, REQUEST_BYTES_MAX, PATIENCE, answer).await;
                })
            }),
            Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                connections.spawn_local(async move {
                    let answer = |request| desk.answer(request);
                    converse(stream, REQUEST_BYTES_MAX, PATIENCE, answer).await;
                })
            }),
        };
        match answered {
            Ok(connection) => oldest.push_back(connection),
            Err(error) => {
                tracing::warn!(%error, "probes can't connect; trying again");
                tokio::time::sleep(FRESH).await;
            }
        }
        while connections.try_join_next().is_some() {}
        oldest.retain(|one| !one.is_finished());
        if oldest.len() > CONNECTIONS_MAX
            && let Some(oldest) = oldest.pop_front()
        {
            oldest.abort();
        }
    }
}

/// Answers, and remembers what the control thread has said just now.
struct Desk {
    orders: Orders,
    known: RefCell<Option<(MonoTime, Vitals)>>,
}

impl Desk {
    fn new(orders: Orders) -> Self {
        Self {
            orders,
            known: RefCell::new(None),
        }
    }

    async fn answer<B>(&self, request: Request<B>) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Problem::method("GET, HEAD").into_answer();
        }
        match request.uri().path() {
            path @ ("/livez" | "/readyz" | "/workerz") => {
                let vitals = self.vitals().await;
                vitals::answer(path, vitals.as_ref()).unwrap_or_else(nothing)
            }
            "/metrics" => answer::line(
                StatusCode::NOT_FOUND,
                "this version of autoheal has no metrics; autoheal status --json has its numbers",
            ),
            _ => nothing(),
        }
    }

    async fn vitals(&self) -> Option<Vitals> {
        let now = time::now();
        if let Some((at, known)) = &*self.known.borrow()
            && now.since(*at) < FRESH
        {
            return Some(known.clone());
        }
        let vitals = vitals::ask(&self.orders).await?;
        self.known.replace(Some((time::now(), vitals.clone())));
        Some(vitals)
    }
}

fn nothing() -> Answer {
    answer::line(
        StatusCode::NOT_FOUND,
        "there is nothing here; paths are /livez, /readyz and /workerz",
    )
}
