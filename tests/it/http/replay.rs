//! What becomes of a request whose worker fails it.

use std::time::Duration;

use super::{
    origin::Origin,
    proxy::{Proxy, pass, start},
    wire::{End, Wire},
};

const GET: &str = "GET /x HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// autoheal whose worker has one request of this client, read whole.
fn with_one(request: &str) -> (Wire, Wire, Proxy, Origin) {
    let (proxy, origin) = start(&[]);
    let client = proxy.says(request);
    let mut worker = origin.accept();
    worker.head();
    if request == POST {
        assert_eq!(worker.bytes(3).unwrap(), b"abc");
    }
    (client, worker, proxy, origin)
}

/// A client and a worker that have a kept connection between them.
fn kept() -> (Wire, Wire, Proxy, Origin) {
    let (mut client, mut worker, proxy, origin) = with_one(GET);
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    (client, worker, proxy, origin)
}

#[test]
fn a_get_that_its_worker_lost_is_sent_once_more() {
    let (mut client, worker, proxy, origin) = with_one(GET);
    drop(worker);
    let mut worker = origin.accept();
    assert!(worker.head().starts_with("GET /x"));
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    let ledger = proxy.settled();
    assert_eq!((ledger.completed, ledger.replayed), (1, 1));
}

#[test]
fn a_get_that_was_lost_twice_is_given_up() {
    let (mut client, worker, proxy, origin) = with_one(GET);
    drop(worker);
    let mut worker = origin.accept();
    worker.head();
    drop(worker);
    assert_eq!(client.answer().code(), 502_102);
    origin.hears_nothing(Duration::from_millis(50));
    assert_eq!(proxy.settled().failed, 1);
}

#[test]
fn a_get_whose_worker_died_between_head_and_body_is_sent_once_more() {
    let (mut client, mut worker, proxy, origin) = with_one(GET);
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    drop(worker);
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole");
    let answer = client.answer();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"whole"[..]));
    let ledger = proxy.settled();
    assert_eq!((ledger.completed, ledger.replayed), (1, 1));
}

#[test]
fn a_head_whose_body_is_late_is_passed_on_without_it() {
    let (mut client, mut worker, proxy, _origin) = with_one(GET);
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    // It comes although the worker says no more until then.
    assert!(client.head().starts_with("HTTP/1.1 200"));
    worker.send("whole");
    assert_eq!(client.bytes(5).unwrap(), b"whole");
    assert_eq!(proxy.settled().replayed, 0);
}

#[test]
fn a_head_that_came_in_time_is_not_too_late_while_it_is_held_back() {
    let (proxy, origin) = start(&["timeouts.response=\"100ms\""]);
    // On a busy machine one may come too late indeed, but not each time.
    let in_time = (0..20).any(|_| {
        let mut client = proxy.says(GET);
        let mut worker = origin.accept();
        worker.head();
        origin.hears_nothing(Duration::from_millis(50));
        worker.try_send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
        let in_time = client.head().starts_with("HTTP/1.1 200");
        worker.try_send("whole");
        in_time
    });
    assert!(in_time);
}

#[test]
fn a_post_that_its_worker_lost_is_never_sent_again() {
    let (mut client, worker, proxy, origin) = with_one(POST);
    drop(worker);
    let answer = client.answer();
    assert_eq!((answer.status, answer.code()), (502, 502_102));
    let status = answer.field("proxy-status").unwrap();
    assert!(status.contains("error=connection_terminated"), "{status}");
    origin.hears_nothing(Duration::from_millis(50));
    let ledger = proxy.settled();
    assert_eq!((ledger.failed, ledger.replayed), (1, 0));
    client.send(GET);
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(
        client.answer().status,
        200,
        "the client's connection goes on"
    );
}

#[test]
fn a_put_is_sent_once_more_with_its_body() {
    let put = "PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    let (mut client, mut worker, _proxy, origin) = with_one(put);
    assert_eq!(worker.bytes(3).unwrap(), b"abc");
    drop(worker);
    let mut worker = origin.accept();
    assert!(worker.head().starts_with("PUT /x"));
    assert_eq!(worker.bytes(3).unwrap(), b"abc");
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_put_with_a_body_too_long_to_keep_is_not_sent_again() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n");
    client.send(vec![b'x'; 100_000]);
    let mut worker = origin.accept();
    worker.head();
    worker.bytes(100_000).unwrap();
    drop(worker);
    assert_eq!(client.answer().code(), 502_102);
    origin.hears_nothing(Duration::from_millis(50));
}

#[test]
fn a_get_on_a_kept_connection_that_its_worker_closed_is_served() {
    for _ in 0..3 {
        let (mut client, worker, proxy, origin) = kept();
        drop(worker);
        client.send(GET);
        let mut worker = origin.accept();
        worker.head();
        worker.send(OK);
        assert_eq!(client.answer().status, 200);
        assert_eq!(proxy.settled().completed, 2);
    }
}

#[test]
fn a_kept_connection_that_is_closed_as_the_request_comes_costs_a_get_nothing() {
    let (mut client, mut worker, proxy, origin) = kept();
    client.send(GET);
    worker.head();
    drop(worker);
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    assert_eq!(proxy.settled().replayed, 1);
}

#[test]
fn a_post_gets_a_fresh_connection_unless_the_kept_one_is_proven_and_was_just_used() {
    let (mut client, _older, _proxy, origin) = kept();
    let round = |worker: &mut Wire, request: &str| {
        worker.head();
        if request == POST {
            assert_eq!(worker.bytes(3).unwrap(), b"abc");
        }
        worker.send(OK);
    };
    client.send(POST);
    let mut fresh = origin.accept();
    round(&mut fresh, POST);
    assert_eq!(client.answer().status, 200, "not proven");
    for _ in 0..12 {
        pass(Duration::from_millis(20));
        client.send(GET);
        round(&mut fresh, GET);
        client.answer();
    }
    client.send(POST);
    round(&mut fresh, POST);
    assert_eq!(client.answer().status, 200, "proven and just used");
    pass(Duration::from_millis(1100));
    client.send(POST);
    round(&mut origin.accept(), POST);
    assert_eq!(client.answer().status, 200, "idle for too long");
}

#[test]
fn a_post_that_wants_a_fresh_connection_leaves_the_kept_ones_to_others() {
    let (proxy, origin) = start(&["worker.keep_alive=1min"]);
    let mut client = proxy.says(GET);
    let mut kept = origin.accept();
    kept.head();
    kept.send(OK);
    client.answer();
    // It is too old for a POST then.
    pass(Duration::from_millis(1100));
    client.send(POST);
    let mut fresh = origin.accept();
    fresh.head();
    fresh.bytes(3).unwrap();
    fresh.send(OK);
    assert_eq!(client.answer().status, 200);
    assert_eq!(kept.rest(Duration::from_millis(50)).1, End::Open);
}

#[test]
fn an_idle_connection_to_the_worker_is_closed_in_time() {
    let (proxy, origin) = start(&["worker.keep_alive=\"1s\""]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    client.answer();
    let since = autoheal::time::now();
    worker.is_closed();
    let took = autoheal::time::now().since(since);
    assert!(
        took > Duration::from_millis(900) && took < Duration::from_secs(3),
        "{took:?}"
    );
}

#[test]
fn a_refused_connection_fails_with_its_code_and_feeds_the_rules() {
    for request in [GET, POST] {
        let (proxy, origin) = start(&["proactive=false", "parking.wait=1s"]);
        origin.refuse();
        let answer = proxy.answers(request);
        assert_eq!((answer.status, answer.code()), (502, 502_101), "{request}");
        assert!(
            answer
                .field("proxy-status")
                .unwrap()
                .contains("error=connection_refused")
        );
    }
}

#[test]
fn a_request_that_a_dead_worker_refused_is_served_by_the_next_one() {
    for request in [GET, POST] {
        let (proxy, origin) = start(&[]);
        let worker = proxy.status().workers[0].pid.unwrap();
        origin.refuse();
        let mut client = proxy.says(request);
        let pid = rustix::process::Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let mut worker = origin.accept();
        assert_eq!(worker.generation, 2);
        worker.head();
        worker.send(OK);
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn a_request_that_a_worker_refused_which_takes_its_time_to_end_waits_for_the_next_one() {
    let (proxy, origin) = start(&[]);
    let worker = proxy.status().workers[0].pid.unwrap();
    origin.refuse();
    let mut client = proxy.says(POST);
    // Longer than the news of a sudden death takes.
    pass(Duration::from_millis(1_500));
    let pid = rustix::process::Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_worker_that_refuses_and_lives_on_is_replaced_and_who_waited_is_served_by_the_next_one() {
    let (proxy, origin) = start(&["parking.wait=30s"]);
    origin.refuse();
    let mut client = proxy.says(POST);
    let mut worker = origin.accept();
    assert_eq!(worker.generation, 2);
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn no_answer_in_time_is_a_504_and_is_not_sent_again() {
    let (proxy, origin) = start(&["timeouts.response=\"1s\""]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    let answer = client.answer();
    assert_eq!((answer.status, answer.code()), (504, 504_101));
    worker.is_closed();
    origin.hears_nothing(Duration::from_millis(50));
    assert_eq!(proxy.settled().failed, 1);
}

#[test]
fn the_time_for_an_answer_begins_when_the_client_has_said_everything() {
    let (proxy, origin) = start(&["timeouts.response=\"1s\""]);
    let mut client = proxy.says("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    for piece in ["a", "b", "c"] {
        pass(Duration::from_millis(600));
        client.send(piece);
    }
    assert_eq!(worker.bytes(3).unwrap(), b"abc");
    pass(Duration::from_millis(600));
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn nothing_is_sent_twice_by_a_bare_proxy() {
    let (proxy, origin) = start(&["mode=\"relay\""]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    drop(worker);
    assert_eq!(client.answer().code(), 502_102);
    origin.hears_nothing(Duration::from_millis(50));
}
