//! Lets operators see and steer the running autoheal, over a unix socket that only they can open,
//! and answers probes.
//!
//! Invariants: nothing here touches a request of the app; whatever clients do, connections,
//! bodies, answers and the time each takes are bounded.

mod answer;
mod api;
mod incidents;
pub mod probes;
pub mod socket;
mod vitals;

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixListener,
    sync::{Notify, Semaphore},
    task::JoinSet,
    time,
};

use self::answer::Answer;
use crate::control::order::Orders;

/// So many clients are served at once; more wait in the socket's backlog.
pub const CONNECTIONS_MAX: usize = 32;

/// The most bytes of a request's head, and of its body.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// How long a client may take to send its request, and again to take the answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries to accept, of which each failed one is said.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Serves the admin API until it is dropped; with it go its connections. Runs on the control
/// thread, inside a `LocalRuntime` or a `LocalSet`.
pub async fn serve(listener: UnixListener, orders: Orders) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut pause = PAUSE_MIN;
    // The semaphore is never closed, so that there is a place sooner or later.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                pause = PAUSE_MIN;
                let orders = orders.clone();
                connections.spawn_local(async move {
                    let answer = |request| api::answer(request, &orders);
                    converse(stream, REQUEST_BYTES_MAX, PATIENCE, answer).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin socket can't accept; trying again");
                time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// One request of at most so many bytes and its answer. A client that does not send it, or does not
/// read the answer, is left after `patience`.
async fn converse<S>(
    stream: S,
    bytes: usize,
    patience: Duration,
    answer: impl AsyncFn(Request<Incoming>) -> Answer,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answered = Notify::new();
    let service = service_fn(|request| async {
        let response = answer(request).await;
        answered.notify_one();
        Ok::<_, Infallible>(response)
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(bytes)
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .serve_connection(TokioIo::new(stream), service);
    let stalled = async {
        answered.notified().await;
        time::sleep(patience).await;
    };
    tokio::select! {
        // A client that is gone or speaks no HTTP is no matter for an operator.
        _ = connection => {}
        () = stalled => {}
    }
}

#[cfg(test)]
mod tests;
