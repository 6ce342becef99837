//! A worker that does not speak HTTP as it should.

use std::time::Duration;

use super::{
    proxy::start,
    wire::{Answer, Wire},
};

const GET: &str = "GET /x HTTP/1.1\r\nhost: a\r\n\r\n";

/// What a client gets when the worker says this, and the worker's end.
fn when_the_worker_says(says: &str) -> (Answer, Wire) {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    worker.send(says);
    let answer = client.answer();
    origin.hears_nothing(Duration::from_millis(20));
    drop(client);
    proxy.settled();
    (answer, worker)
}

#[test]
fn an_answer_that_can_be_read_in_two_ways_is_a_502() {
    for says in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nhi!",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ] {
        let (answer, mut worker) = when_the_worker_says(says);
        assert_eq!((answer.status, answer.code()), (502, 502_103), "{says:?}");
        worker.is_closed();
    }
}

#[test]
fn a_coding_beside_a_length_wins_and_the_length_is_dropped() {
    let (answer, _worker) = when_the_worker_says(
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\n\r\n",
    );
    assert_eq!((answer.text(), answer.whole), ("hi", true));
    assert_eq!(answer.field("content-length"), None);
}

#[test]
fn a_length_that_is_said_twice_is_handed_on_once() {
    for lengths in [
        "content-length: 2\r\ncontent-length: 2",
        "content-length: 2, 2",
    ] {
        let says = format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nhi");
        let (answer, _worker) = when_the_worker_says(&says);
        assert_eq!(answer.field("content-length"), Some("2"));
        assert_eq!((answer.text(), answer.whole), ("hi", true));
    }
}

#[test]
fn what_is_not_http_is_a_502() {
    for says in [
        "garbage\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
    ] {
        let (answer, mut worker) = when_the_worker_says(says);
        assert_eq!((answer.status, answer.code()), (502, 502_103), "{says:?}");
        worker.is_closed();
    }
}

#[test]
fn an_answer_before_the_request_is_not_taken_for_the_next_one() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    worker.send(
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst\
         HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen",
    );
    assert_eq!(client.answer().text(), "first");
    client.send(GET);
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond");
    assert_eq!(client.answer().text(), "second");
}

#[test]
fn a_bad_answer_is_not_asked_for_again() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    worker.send("garbage\r\n\r\n");
    assert_eq!(client.answer().code(), 502_103);
    origin.hears_nothing(Duration::from_millis(50));
    let ledger = proxy.settled();
    assert_eq!((ledger.failed, ledger.replayed), (1, 0));
}

#[test]
fn a_worker_that_answers_with_a_502_is_passed_on_as_it_is() {
    let (answer, _worker) =
        when_the_worker_says("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\nmine!");
    assert_eq!((answer.status, answer.text()), (502, "mine!"));
    assert!(answer.field("proxy-status").is_none());
}
