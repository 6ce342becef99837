//! A tunnel: after a switch of protocols that was asked for, bytes pass both ways as they are.
//!
//! It keeps its permit, so a drain waits for it. When its worker leaves, it ends politely at a
//! moment of its own within `recycle.tunnel_timeout`, so that not all clients come back at once.

use std::{fmt, future::poll_fn, pin::pin, rc::Rc, task::Poll, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};

use super::{
    pool::{Upstream, WorkerEnd},
    pump::{Progress, Pump},
    thread::{Thread, View},
};
use crate::{
    admit::gate::Permit,
    explain::code::Code,
    observe::{access::Note, in_flight::Key, ledger::End},
    time::{self, MonoTime},
};

/// After one side's end the other has so long to say what it still has to say.
const CLOSING: Duration = Duration::from_secs(2);
/// While no other worker serves, those who come back are parked: then no one need be spared.
const HASTE: Duration = Duration::from_secs(1);

/// A connection that switched protocols, before or while bytes pass. Dropping it ends it.
pub struct Tunnel {
    /// The worker's end of it.
    pub worker: WorkerEnd,
    /// Its place in the books.
    pub stay: Stay,
}

/// What a tunnel holds, and where it is counted.
pub struct Stay {
    /// Its data thread.
    pub thread: Rc<Thread>,
    /// The snapshot it was admitted with.
    pub view: Rc<View>,
    /// Its worker.
    pub upstream: Rc<Upstream>,
    /// Its place in the table of what is in flight.
    pub key: Key,
    /// Counts it.
    pub permit: Permit,
    /// Its record for the access log, if there is one.
    pub note: Option<Box<Note>>,
    /// How it ended; until then: its client left before it began.
    end: End,
}

impl Stay {
    /// Counts a tunnel from now on.
    #[must_use]
    pub fn new(
        thread: Rc<Thread>,
        view: Rc<View>,
        upstream: Rc<Upstream>,
        key: Key,
        permit: Permit,
    ) -> Self {
        thread.in_flight().tunneled(key);
        thread.ledger.tunneled();
        Self {
            thread,
            view,
            upstream,
            key,
            permit,
            note: None,
            end: End::Aborted,
        }
    }

    /// Waits until the worker or autoheal itself is about to go.
    async fn leaving(&self) {
        if self.upstream.is_closed() || self.thread.is_closing() {
            return;
        }
        tokio::select! {
            () = self.upstream.left() => {}
            () = self.thread.closing() => {}
        }
    }

    /// Waits until the drain of the worker is over.
    async fn cut(&self) {
        poll_fn(|cx| {
            let cut = self.thread.in_flight().poll_cut(self.key, cx.waker());
            cut.map_or(Poll::Pending, |_| Poll::Ready(()))
        })
        .await;
    }

    /// When a tunnel whose worker is about to go ends, each at another time.
    fn leaves_at(&self, now: MonoTime) -> MonoTime {
        let drain = self.view.settings.tunnel_drain;
        let alone = self.thread.view().seats.is_empty() && !self.thread.is_closing();
        let within = if alone { drain.min(HASTE) } else { drain };
        now + within.mul_f64(fastrand::f64())
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.thread.in_flight().leave(self.key);
        self.thread.ledger.ended(self.end);
        if let Some(note) = self.note.take() {
            note.close(self.end);
        }
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tunnel")
    }
}

impl Tunnel {
    /// Passes bytes both ways until either side ends it, or it is time to leave. `early`: what the
    /// client has sent already.
    pub async fn run(self, client: impl AsyncRead + AsyncWrite + Unpin, early: Bytes) {
        let Self { worker, mut stay } = self;
        let mut pump = Pump::new(client, worker, early);
        let (end, moved) = last(&mut pump, &stay).await;
        stay.end = end;
        if moved {
            stay.thread.ledger.moved();
        }
        // The last request of a drain wakes those who wait for its permit.
        let thread = stay.thread.clone();
        if end != End::Aborted {
            // It may be the end of its worker that ended it.
            thread.in_flight().lost(stay.key, time::now());
        }
        drop((pump, stay));
        thread.release();
    }
}

/// Lets a tunnel last. Returns how it ended, and whether its client was told to come back.
async fn last<C>(pump: &mut Pump<C>, stay: &Stay) -> (End, bool)
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let idle = stay.view.settings.tunnel_idle;
    let mut leaving = pin!(stay.leaving());
    let (mut told, mut leave_at, mut close_at) = (false, MonoTime::NEVER, MonoTime::NEVER);
    let first = Instant::from_std((pump.moved_at() + idle).to_instant());
    let mut sleep = pin!(sleep_until(first));
    loop {
        tokio::select! {
            biased;
            progress = poll_fn(|cx| pump.poll(cx)) => match progress {
                Progress::Over(end) => return (end, told && pump.said_goodbye()),
                Progress::HalfOver => close_at = close_at.min(time::now() + CLOSING),
            },
            () = stay.cut() => return (End::Failed(Code::TunnelCut), false),
            () = leaving.as_mut(), if !told => {
                told = true;
                leave_at = stay.leaves_at(time::now());
            }
            () = sleep.as_mut() => {}
        }
        let now = time::now();
        let idle_at = pump.moved_at() + idle;
        if now >= close_at {
            let cut = told && !pump.said_goodbye() && !pump.is_half_over();
            let end = if cut {
                End::Failed(Code::TunnelCut)
            } else {
                End::Completed
            };
            return (end, told && pump.said_goodbye());
        }
        if now >= leave_at.min(idle_at) && close_at == MonoTime::NEVER {
            pump.say_goodbye();
            (leave_at, close_at) = (MonoTime::NEVER, now + CLOSING);
        }
        let next = if close_at == MonoTime::NEVER {
            leave_at.min(idle_at)
        } else {
            close_at
        };
        sleep.as_mut().reset(Instant::from_std(next.to_instant()));
    }
}
