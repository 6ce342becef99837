//! When a client is told that its connection ends because autoheal does.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::io::Shared;
use crate::{
    proxy::Thread,
    time::{self, MonoTime},
};

/// Once its client is told, a connection that pauses for so long between two requests ends.
pub(super) const BREAK: Duration = Duration::from_secs(1);

/// Waits for the moment at which this connection's client is told: while autoheal still serves it
/// is one of its own, so that not all clients come back elsewhere at once.
pub(super) async fn leaving(shared: &Shared, thread: &Thread) {
    loop {
        let now = time::now();
        match leaves_at(shared, thread, now) {
            at if at <= now => return,
            MonoTime::NEVER => thread.ending().await,
            at => tokio::select! {
                () = thread.ending() => {}
                () = sleep_until(Instant::from_std(at.to_instant())) => {}
            },
        }
    }
}

fn leaves_at(shared: &Shared, thread: &Thread, now: MonoTime) -> MonoTime {
    let view = thread.view();
    if view.closing {
        return now;
    }
    let Some(until) = view.leaving else {
        return MonoTime::NEVER;
    };
    let draw = || now + until.since(now).mul_f64(fastrand::f64());
    let at = shared.leaves_at.get().unwrap_or_else(draw);
    shared.leaves_at.set(Some(at));
    at
}
