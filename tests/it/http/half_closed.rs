//! Clients that end their half of a connection and wait for the answer (`half_close`).

use socket2::SockRef;
use std::time::Duration;

use super::{
    proxy::start,
    wire::{End, PATIENCE, Wire},
};

const GET: &str = "GET /x HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const ANSWER: &str = "half_close=true";

/// Ends a connection as a program that is killed with unread bytes does.
fn reset(client: Wire) {
    let linger = Some(Duration::ZERO);
    SockRef::from(client.stream()).set_linger(linger).unwrap();
    drop(client);
}

#[test]
fn each_request_that_was_sent_before_the_end_is_answered_and_then_it_is_over() {
    let (proxy, origin) = start(&[ANSWER]);
    let mut client = proxy.says(format!(
        "POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc{GET}"
    ));
    client.finish_sending();
    let mut worker = origin.accept();
    worker.head();
    assert_eq!(worker.bytes(3).unwrap(), b"abc");
    assert_eq!(worker.rest(Duration::from_millis(200)).1, End::Open);
    worker.send(OK);
    assert_eq!(client.answer().text(), "ok");
    let mut worker = origin.accept_or(worker);
    assert!(worker.head().starts_with("GET /x"));
    worker.send(OK);
    assert_eq!(client.answer().text(), "ok");
    client.is_closed();
    assert_eq!(proxy.settled().completed, 2);
}

#[test]
fn an_upload_that_waits_for_a_worker_is_served_though_its_client_sends_no_more() {
    let (proxy, origin) = start(&[ANSWER]);
    proxy.order("hold", "{\"for\": \"30s\"}");
    let mut client = proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
    client.finish_sending();
    let mut other = proxy.says(GET);
    other.finish_sending();
    proxy.until_parked(2);
    proxy.order("release", "{}");
    for _ in 0..2 {
        let mut worker = origin.accept();
        if worker.head().starts_with("POST") {
            assert_eq!(worker.bytes(3).unwrap(), b"abc");
        }
        worker.send(OK);
    }
    assert_eq!(client.answer().text(), "ok");
    assert_eq!(other.answer().text(), "ok");
}

#[test]
fn half_a_request_is_not_waited_for_after_the_end() {
    let (proxy, origin) = start(&[ANSWER]);
    let mut head = proxy.says("GET /x HTTP/1.1\r\nho");
    head.finish_sending();
    assert_ne!(head.rest(PATIENCE).1, End::Open);
    let mut body = proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\na");
    body.finish_sending();
    let mut worker = origin.accept();
    worker.head();
    assert_ne!(worker.rest(PATIENCE).1, End::Open);
    assert_ne!(body.rest(PATIENCE).1, End::Open);
    assert_eq!(proxy.settled().client_aborted, 1);
}

#[test]
fn a_client_that_resets_its_connection_is_gone_before_and_after_its_end() {
    let (proxy, origin) = start(&[ANSWER]);
    for half_closed in [false, true] {
        let client = proxy.says(GET);
        if half_closed {
            client.finish_sending();
        }
        let mut worker = origin.accept();
        worker.head();
        reset(client);
        assert_ne!(worker.rest(PATIENCE).1, End::Open);
    }
    proxy.order("hold", "{\"for\": \"30s\"}");
    let client = proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
    client.finish_sending();
    proxy.until_parked(1);
    reset(client);
    proxy.until_parked(0);
    assert_eq!(proxy.settled().client_aborted, 3);
}

#[test]
fn who_rests_is_served_on_and_who_is_told_to_close_is_closed() {
    let (mut proxy, origin) = start(&[ANSWER, "threads=1"]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().text(), "ok");
    client.send(GET);
    let mut worker = origin.accept_or(worker);
    worker.head();
    client.finish_sending();
    proxy.signal(rustix::process::Signal::TERM);
    worker.send(OK);
    assert_eq!(client.answer().text(), "ok");
    client.is_closed();
    assert_eq!(proxy.exit_code(), Some(0));
}
