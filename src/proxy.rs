//! Story one, a request: admit (or park), forward (or replay), observe.
//!
//! It never waits for the healing loop and takes no lock that another thread holds.

mod account;
mod client;
pub mod panics;
pub mod steward;

use std::{convert::Infallible, rc::Rc, time::Duration};

use http::{Request, Response, Version, request::Parts};
use hyper::body::{Body, Incoming};

use self::account::Account;
pub use self::client::Client;
pub use crate::forward::{
    answer::Answer,
    body::Download,
    grpc::is_call as is_grpc,
    request::Peer,
    thread::Thread,
    tunnel::Tunnel,
    upload::{Progress, STREAM_WINDOW},
};
use crate::{
    admit::{
        gate::{Admission, Permit},
        lot::{Asking, Lack, Parked, Verdict},
        wish::Wish,
    },
    explain::code::Code,
    forward::{
        attempt::attempt,
        failure::Failure,
        pool::NEWS,
        replay::{Failed, Plan, REFUSAL_NEWS},
        request,
        thread::{Seat, Settings, View},
        upload::Upload,
    },
    time::{self, MonoTime},
    words::Mode,
};

/// Serves one request, whatever becomes of its worker.
///
/// # Errors
/// None: every failure is an answer.
pub async fn serve(
    thread: Rc<Thread>,
    client: Rc<Client>,
    incoming: Request<Incoming>,
) -> Result<Response<Download>, Infallible> {
    let mut account = Account::open(&thread);
    let mut view = thread.view();
    let (mut head, body) = incoming.into_parts();
    let settings = view.settings.clone();
    let many = head.version == Version::HTTP_2;
    let mut noted = match account.prepare(&mut head, &client.peer, &settings) {
        Ok(noted) => noted,
        Err(code) => return Ok(account.refuse(&head.headers, &view, code, None, true)),
    };
    if let Err(code) = route(&mut head, &mut noted, &view) {
        return Ok(account.refuse(&head.headers, &view, code, None, false));
    }
    let keep = settings.mode != Mode::Relay;
    let upload = (!body.is_end_stream()).then(|| {
        let (thread, progress) = (thread.clone(), client.progress.clone());
        Rc::new(Upload::new(body, keep, noted.call, thread, progress))
    });
    if many && let Some(upload) = &upload {
        noted.bytes += upload.window();
    }
    if view.page.is_some() {
        let code = Code::Maintenance;
        return Ok(account.refuse(&head.headers, &view, code, None, upload.is_some()));
    }
    let mut plan = Plan::new(head, upload, noted);
    let (mut once, mut wish) = (!plan.is_idempotent(), Wish::to_have(noted.wants));
    loop {
        let permit = match admit(&mut account, &view, &client, &plan, noted, wish).await {
            Wait::Pass(permit) => permit,
            Wait::ClientGone => return Ok(account.abort()),
            Wait::Probe => return Ok(account.probe()),
            Wait::Refuse(code, retry_at) => {
                return Ok(account.refuse(plan.headers(), &thread.view(), code, retry_at, false));
            }
        };
        if has_ended_a_worker(&thread, &plan) {
            return Ok(account.fail(plan.headers(), &view, Code::PoisonRequest));
        }
        view = thread.view();
        let Some(seat) = view.seat(&permit) else {
            continue;
        };
        account.given_to(&seat.upstream.local.member, settings.several);
        if once && seat.upstream.is_suspect(time::now()) {
            // What can't be sent twice is not given to a worker that may be dead.
            once = false;
            drop(permit);
            drop(tokio::time::timeout(NEWS, thread.turned()).await);
            view = thread.view();
            continue;
        }
        wish.avoids = Some(seat.upstream.local.member.generation);
        let failed = match attempt(&thread, &view, seat, permit, &plan).await {
            Ok(answer) => return Ok(account.hand_over(answer)),
            Err(failed) => failed,
        };
        if failed.failure == Failure::ClientBody {
            return Ok(account.broken(&plan, &view));
        }
        if let Some(code) = the_last_word(&thread, &mut plan, failed, &settings) {
            return Ok(account.fail(plan.headers(), &view, code));
        }
        if failed.sent {
            account.replayed();
        }
        await_news(&thread, &view, seat, failed.failure, &plan).await;
        view = thread.view();
    }
}

/// Takes the wish for a WebSocket out of a request for a path that has none. Of one on a stream of
/// HTTP/2 nothing would be left.
fn route(head: &mut Parts, noted: &mut request::Noted, view: &View) -> Result<(), Code> {
    if !noted.websocket || view.rules.may_tunnel(head.method.as_str(), head.uri.path()) {
        return Ok(());
    }
    if noted.connect {
        return Err(Code::MethodNotForwarded);
    }
    request::stay(&mut head.headers);
    noted.websocket = false;
    Ok(())
}

/// What a failed attempt is answered with; `None`: there may be another.
fn the_last_word(
    thread: &Thread,
    plan: &mut Plan,
    failed: Failed,
    settings: &Settings,
) -> Option<Code> {
    let poison = failed.sent && plan.is_poison(&thread.in_flight());
    let may = settings.mode != Mode::Relay && !poison;
    let again = may && plan.may_go_again(failed, settings.parking_wait);
    (!again).then(|| failed.code(poison))
}

/// Whether it was the end of the first worker which had this request that told what it does.
fn has_ended_a_worker(thread: &Thread, plan: &Plan) -> bool {
    plan.sent() > 0 && plan.is_poison(&thread.in_flight())
}

/// Waits for what a failure may be the first sign of; not if another instance can be tried at once.
async fn await_news(thread: &Thread, view: &Rc<View>, seat: &Seat, failure: Failure, plan: &Plan) {
    if failure == Failure::LocalExhaustion {
        // Ours to wait for, whichever instance is tried: one that ends gives something back.
        tokio::time::sleep(NEWS).await;
    } else if view.has_other(seat) && !plan.must_wait() {
        if failure == Failure::Refused {
            seat.upstream.refused(time::now());
        }
    } else if let Some(patience) = news(failure)
        && Rc::ptr_eq(view, &thread.view())
    {
        drop(tokio::time::timeout(patience, thread.turned()).await);
    }
}

/// A worker that dies resets and refuses connections before its exit is known, and some of its
/// sockets outlive others by a moment: so long is the news waited for, as the next snapshot.
fn news(failure: Failure) -> Option<Duration> {
    match failure {
        Failure::Refused | Failure::Tls(_) => Some(REFUSAL_NEWS),
        Failure::Closed => Some(NEWS),
        _ => None,
    }
}

/// What waiting for a worker came to.
enum Wait {
    Pass(Permit),
    Refuse(Code, Option<MonoTime>),
    Probe,
    ClientGone,
}

/// Admits a request, parking it if need be.
async fn admit(
    account: &mut Account<'_>,
    view: &View,
    client: &Client,
    plan: &Plan,
    noted: request::Noted,
    wish: Wish,
) -> Wait {
    let (now, thread, settings) = (time::now(), account.thread, &view.settings);
    account.tries(now);
    // Who asks for a tunnel on HTTP/2 would take our 200 for one.
    let of_probe = || settings.parking_probe.as_deref() == Some(plan.uri.path());
    let probe = || !plan.connect && of_probe();
    if view.unready && probe() {
        return Wait::Refuse(Code::Unready, None);
    }
    let until = |longest: Duration| now + noted.patience.map_or(longest, |p| p.min(longest));
    let parked_deadline = until(settings.parking_wait);
    // Nobody overtakes those who wait.
    let admission = if thread.has_queue(view) {
        view.wait()
    } else {
        view.admit(now, parked_deadline, wish)
    };
    let (lack, deadline) = match admission {
        Admission::Pass(permit) => return Wait::Pass(permit),
        Admission::Refuse { code, retry_at } => return Wait::Refuse(code, retry_at),
        Admission::Park => (Lack::Worker, parked_deadline),
        Admission::Queue => (Lack::Place, until(settings.queue_wait)),
    };
    if noted.came_back {
        return Wait::Refuse(Code::WaitsForItself, None);
    }
    if settings.mode == Mode::Relay {
        return Wait::Refuse(Code::WorkerDown, None);
    }
    let (limits, occupancy) = (settings.waiting, thread.lot.occupancy());
    if probe() && occupancy.has_room(limits, lack, noted.bytes) {
        return Wait::Probe;
    }
    let served_at = thread.served_at(now).filter(|_| lack == Lack::Place);
    if served_at.is_some_and(|at| at > deadline) {
        return Wait::Refuse(Code::Overloaded, served_at);
    }
    let asking = Asking {
        lack,
        bytes: noted.bytes,
        now,
        deadline,
        parked_deadline,
        wish,
    };
    let _held = match thread.waits(settings, lack, client.peer.ip, plan.headers()) {
        Ok(held) => held,
        Err(code) => return Wait::Refuse(code, served_at),
    };
    let is_first = thread.lot.is_empty();
    let Some(parked) = thread.lot.park(limits, asking) else {
        return match lack {
            Lack::Worker => Wait::Refuse(Code::ParkingFull, None),
            Lack::Place => Wait::Refuse(Code::QueueFull, served_at),
        };
    };
    account.waits(lack);
    let grows = |seat: &Seat| seat.upstream.local.member.ramp.until > now;
    // The steward follows a fresh worker's growing share while somebody waits, once it knows.
    let follows = is_first && view.seats.iter().any(grows);
    thread.arm(if follows { now } else { deadline });
    if lack == Lack::Place {
        // One that was given back just before this one was seen to wait.
        thread.release();
    }
    let waited = wait(parked, client, plan.upload().is_some()).await;
    account.tries(time::now());
    waited
}

/// Waits for a worker; with a body unread, hyper does not see the client leave, so we look.
async fn wait(parked: Parked, client: &Client, has_body: bool) -> Wait {
    let verdict = if has_body {
        tokio::select! {
            verdict = parked => verdict,
            () = client.gone() => return Wait::ClientGone,
        }
    } else {
        parked.await
    };
    match verdict {
        Verdict::Pass(permit) => Wait::Pass(permit),
        Verdict::Refuse { code, retry_at } => Wait::Refuse(code, retry_at),
    }
}
