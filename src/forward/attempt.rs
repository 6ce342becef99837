//! One attempt: a request to one worker, up to the head of its answer.

use std::{
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Poll, ready},
    time::Duration,
};

use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

use super::{
    affinity,
    body::{Download, Exchange},
    extended,
    failure::Failure,
    grpc::{Call, GRPC_STATUS},
    pool::{Connection, Fresh, Lost, Upstream, WorkerEnd},
    replay::{Failed, Plan},
    response,
    thread::{Seat, Thread, View},
    tunnel::{Stay, Tunnel},
};
use crate::{
    admit::{gate::Permit, wish::Token},
    observe::in_flight::{Cut, Key},
    time::MonoTime,
    words::{Mode, Outcome},
};

/// Takes an attempt out of the table of what is in flight, however it ends. One that is dropped
/// before its answer was abandoned by its client.
struct InFlightGuard<'a> {
    thread: &'a Thread,
    view: &'a View,
    seat: &'a Seat,
    key: Key,
    start: MonoTime,
    armed: bool,
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let mut table = self.thread.in_flight();
        if let Some((mask, taken)) = table.abandoned(self.key, crate::time::now()) {
            let counters = &self.seat.counters;
            counters.abandoned(&self.view.rules, mask, taken);
            self.seat.upstream.local.gave_up(self.start, taken);
        }
        table.leave(self.key);
    }
}

/// Sends a request to the worker that gave the permit.
///
/// # Errors
/// How the attempt failed, and whether bytes of the request may have reached the worker.
pub async fn attempt(
    thread: &Rc<Thread>,
    view: &Rc<View>,
    seat: &Seat,
    mut permit: Permit,
    plan: &Plan,
) -> Result<Response<Download>, Failed> {
    let start = crate::time::now();
    let response = view.settings.response_timeout;
    let look = (view.rules).look(plan.method.as_str(), plan.uri.path(), response);
    if look.response.is_none() {
        permit.lasts();
    }
    let key = thread.enter(
        start,
        &permit,
        look,
        &plan.method,
        &plan.uri,
        plan.is_replayable(),
    );
    let mut guard = InFlightGuard {
        thread,
        view,
        seat,
        key,
        start,
        armed: true,
    };
    let exchanged = exchange(thread, view, &seat.upstream, plan, (key, start)).await;
    let result = exchanged.and_then(|whole| prepared(whole, thread.is_closing(), plan, seat, view));
    let outcome = outcome(&result, plan, seat);
    let (mask, slow, taken) = thread.in_flight().answered(key, crate::time::now());
    if let Some(outcome) = outcome {
        seat.counters
            .finished(&view.rules, mask, slow, outcome, taken);
        seat.counters.routed(plan.uri.path(), outcome);
        if look.response.is_some() && tells(outcome) && !taken.is_zero() {
            seat.upstream.local.took(start, taken);
        }
    }
    let (answer, connection) = result?;
    if is_stream(&answer) {
        permit.lasts();
    }
    seat.upstream.local.answered();
    thread.release();
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let worker = switched(connection)?;
        guard.armed = false;
        let (thread, view) = (thread.clone(), view.clone());
        let stay = Stay::new(thread, view, seat.upstream.clone(), key, permit);
        let tunnel = Box::new(Tunnel { worker, stay });
        let mut answer = answer.map(|()| Download::Tunnel(Some(tunnel)));
        if plan.connect {
            extended::grant(&mut answer);
        }
        return Ok(answer);
    }
    guard.armed = false;
    let call = call(plan, seat, thread, view, &answer, mask);
    let exchange = Exchange {
        thread: thread.clone(),
        view: view.clone(),
        upstream: seat.upstream.clone(),
        key,
        permit,
        connection,
        upload: plan.upload().cloned(),
        call,
    };
    Ok(answer.map(|()| Download::worker(exchange)))
}

/// How it ended, as rules see it. One that waits for a worker that refuses it is heard of only at
/// first, as it says the same again and again.
fn outcome(
    result: &Result<(Response<()>, Connection), Failed>,
    plan: &Plan,
    seat: &Seat,
) -> Option<Outcome> {
    let failed = match result {
        Ok((answer, _)) => return Some(Outcome::Status(answer.status().as_u16())),
        Err(failed) => failed,
    };
    if failed.failure == Failure::Refused {
        seat.counters.refused();
    }
    let again = failed.failure == Failure::Refused && plan.must_wait();
    failed.failure.outcome().filter(|_| !again)
}

/// The answer as its client gets it.
fn prepared(
    (answer, connection): (Response<()>, Connection),
    closing: bool,
    plan: &Plan,
    seat: &Seat,
    view: &View,
) -> Result<(Response<()>, Connection), Failed> {
    let (mut head, ()) = answer.into_parts();
    let prepared = response::prepare(&mut head, closing, plan.websocket);
    let judged = prepared.and_then(|()| match plan.connect {
        true => extended::judge(&head, plan.headers()),
        false => Ok(()),
    });
    judged.map_err(|failure| Failed {
        failure,
        sent: true,
    })?;
    let own = Token::of(seat.upstream.local.member.instance);
    if let Some(cookie) = &view.settings.affinity
        && plan.wants != Some(own)
    {
        affinity::give(&mut head.headers, cookie, own, plan.headers());
    }
    Ok((Response::from_parts(head, ()), connection))
}

/// Whether how long it took says how much the worker has to do: what it refuses or fails at, it
/// may be quick with. An answer that came before its request's end took no time.
fn tells(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Status(status) => status < 500 && !matches!(status, 101 | 429),
        Outcome::TimedOut => true,
        _ => false,
    }
}

/// Whether it lasts for as long as its sides want, as a tunnel and server-sent events do.
fn is_stream(answer: &Response<()>) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE);
    let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
    let events = kind.get(..EVENTS.len());
    answer.status() == StatusCode::SWITCHING_PROTOCOLS
        || events.is_some_and(|kind| kind.eq_ignore_ascii_case(EVENTS))
}

const EVENTS: &[u8] = b"text/event-stream";

/// What is left of a connection whose worker switched protocols.
fn switched(connection: Connection) -> Result<WorkerEnd, Failed> {
    connection.switched().ok_or(Failed {
        failure: Failure::Closed,
        sent: true,
    })
}

/// A call's status feeds the rules: now if the head is all of the answer, else when it comes.
fn call(
    plan: &Plan,
    seat: &Seat,
    thread: &Thread,
    view: &View,
    answer: &Response<()>,
    mask: u64,
) -> Option<Call> {
    if !plan.call || answer.status() != StatusCode::OK {
        return None;
    }
    let call = Call {
        counters: seat.counters.clone(),
        mask,
        late: None,
    };
    if answer.headers().contains_key(GRPC_STATUS) {
        call.ended(&view.rules, &thread.ledger, Some(answer.headers()));
        return None;
    }
    Some(call)
}

/// Gets a connection, sends, and waits for the response head or for the attempt to be cut.
async fn exchange(
    thread: &Thread,
    view: &View,
    upstream: &Upstream,
    plan: &Plan,
    (key, now): (Key, MonoTime),
) -> Result<(Response<()>, Connection), Failed> {
    let unsent = |failure| Failed {
        failure,
        sent: false,
    };
    if plan.call && !upstream.local.member.manner.protocol.is_http2() {
        return Err(unsent(Failure::NeedsHttp2));
    }
    let fresh = match plan.sent() {
        0 if plan.is_idempotent() => Fresh::Any,
        0 => Fresh::Recent,
        _ => Fresh::New,
    };
    let connecting = upstream.connection(now, fresh, &view.settings);
    let mut connection = or_cut(thread, key, connecting)
        .await
        .map_err(|cut| unsent(of_cut(cut)))?
        .map_err(unsent)?;
    let body = plan.body(key).ok_or_else(|| unsent(Failure::ClientBody))?;
    let may_hold = view.settings.mode != Mode::Relay && plan.is_replayable();
    let sent = or_cut(thread, key, async {
        let answer = connection.send(plan, body).await?;
        if may_hold && connection.owes_its_body() {
            // Its head has come: it is neither too late any more, nor stuck.
            thread.in_flight().answered(key, crate::time::now());
            hold(&mut connection).await?;
        }
        Ok::<_, Lost>(answer)
    })
    .await;
    match sent {
        Err(cut) => Err(Failed {
            failure: of_cut(cut),
            sent: true,
        }),
        Ok(Ok(answer)) => Ok((answer, connection)),
        Ok(Err(lost)) => {
            let client_failed = plan
                .upload()
                .is_some_and(|upload| upload.broken().is_some());
            let failure = upstream.judge(&lost.why, client_failed);
            if failure == Failure::Closed {
                let now = crate::time::now();
                upstream.closed_under_a_request(now, connection.is_reused());
                thread.in_flight().lost(key, now);
            }
            Err(Failed {
                failure,
                sent: lost.sent && failure != Failure::Declined,
            })
        }
    }
}

/// Holds a head back until its body begins, for a moment at most: of a worker that dies between
/// the two nothing has reached the client then, and its request can be sent once more.
async fn hold(connection: &mut Connection) -> Result<(), Lost> {
    let begun = tokio::time::timeout(HELD, connection.await_body()).await;
    begun.unwrap_or(Ok(()))
}

/// Longest time for which a head is held back.
const HELD: Duration = Duration::from_millis(100);

fn of_cut(cut: Cut) -> Failure {
    match cut {
        Cut::TimedOut => Failure::TimedOut,
        Cut::Stuck => Failure::Stuck,
        Cut::DrainOver => Failure::DrainOver,
    }
}

/// Waits for `future`, unless the attempt must leave its worker first.
async fn or_cut<F: Future>(thread: &Thread, key: Key, future: F) -> Result<F::Output, Cut> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let cut = thread.in_flight().poll_cut(key, cx.waker());
        Poll::Ready(Err(ready!(cut.map_or(Poll::Pending, Poll::Ready))))
    })
    .await
}
