//! A stream of HTTP/2 that has become a tunnel.

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::proxy::Tunnel;

/// Runs a tunnel on its stream. `held`: what is to last as long.
pub(super) fn run(tunnel: Box<Tunnel>, stream: OnUpgrade, held: impl Sized + 'static) {
    tokio::task::spawn_local(async move {
        // Its client may have left before it was told.
        if let Ok(stream) = stream.await {
            Box::pin(tunnel.run(TokioIo::new(stream), Bytes::new())).await;
        }
        drop(held);
    });
}
