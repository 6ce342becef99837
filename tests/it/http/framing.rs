//! Where a request ends, and what must never reach a worker.

use std::time::Duration;

use super::{
    proxy::{Proxy, pass, start},
    wire::{Wire, fields},
};

/// A head whose refusal is tested: it is answered with this code and the connection ends.
fn is_refused(proxy: &Proxy, request: &str, code: u32) {
    let mut client = proxy.says(request);
    let answer = client.answer();
    assert_eq!(u32::from(answer.status), code / 1000, "{request:?}");
    assert_eq!(answer.code(), code, "{request:?}");
    assert!(answer.text().starts_with(&code.to_string()), "{request:?}");
    assert_eq!(answer.field("connection"), Some("close"), "{request:?}");
    client.is_closed();
}

#[test]
fn what_can_be_read_in_two_ways_never_reaches_the_worker() {
    let (proxy, origin) = start(&[]);
    let refused = [
        ("1.1", "content-length: +3\r\n", 400_103),
        ("1.1", "content-length: 3,3\r\n", 400_103),
        ("1.1", "content-length: -1\r\n", 400_103),
        ("1.1", "content-length: 0x3\r\n", 400_103),
        ("1.1", "content-length:\r\n", 400_103),
        ("1.1", "content-length: 3 3\r\n", 400_103),
        ("1.1", "content-length: 99999999999999999999\r\n", 400_103),
        ("1.1", "content-length: 3\r\ncontent-length: 4\r\n", 400_103),
        ("1.1", "transfer-encoding: ,chunked\r\n", 400_103),
        ("1.1", "transfer-encoding: chunked, chunked\r\n", 400_103),
        (
            "1.1",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            400_103,
        ),
        ("1.1", "transfer-encoding: identity\r\n", 400_103),
        ("1.1", "transfer-encoding: xchunked\r\n", 400_103),
        ("1.1", "transfer-encoding: chunked, gzip\r\n", 400_103),
        ("1.0", "transfer-encoding: chunked\r\n", 400_103),
        ("1.1", "transfer-encoding: gzip, chunked\r\n", 501_101),
    ];
    for (version, fields, code) in refused {
        let request = format!("POST / HTTP/{version}\r\nhost: a\r\n{fields}\r\n0\r\n\r\n");
        is_refused(&proxy, &request, code);
    }
    origin.hears_nothing(Duration::from_millis(50));
    let ledger = proxy.settled();
    assert_eq!(ledger.refused, refused.len() as u64);
}

#[test]
fn what_is_not_http_is_refused_with_a_code() {
    let (proxy, origin) = start(&[]);
    let refused = [
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n", 400_104),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n", 400_104),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n folded\r\n\r\n",
            400_104,
        ),
        ("GET / HTTP/1.1\r\nhost: a\r\n x: a\r\n\r\n", 400_104),
        ("GET / HTTP/1.1\r\nhost: a\r\nx : a\r\n\r\n", 400_104),
        ("GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n", 400_104),
        ("GET / HTTP/1.1\r\nhost: a\r\n: nameless\r\n\r\n", 400_104),
        ("GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n", 400_102),
        ("GE\x01T / HTTP/1.1\r\nhost: a\r\n\r\n", 400_105),
        ("GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", 400_102),
        ("GET / HTTP/1.10\r\nhost: a\r\n\r\n", 400_105),
        ("GET / HTTP/01.1\r\nhost: a\r\n\r\n", 400_105),
        ("GET / http/1.1\r\nhost: a\r\n\r\n", 400_105),
        ("GET /\r\nhost: a\r\n\r\n", 400_105),
        ("GET / HTTP/1.2\r\nhost: a\r\n\r\n", 505_101),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505_101),
        ("GET / HTTP/9.9\r\nhost: a\r\n\r\n", 505_101),
        (
            "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03\r\n\r\n",
            400_109,
        ),
    ];
    for (request, code) in refused {
        is_refused(&proxy, request, code);
    }
    origin.hears_nothing(Duration::from_millis(50));
    assert_eq!(proxy.settled().refused, refused.len() as u64);
}

#[test]
fn a_request_has_exactly_one_host_and_it_is_one() {
    let (proxy, origin) = start(&[]);
    for hosts in [
        "",
        "host: a\r\nhost: a\r\n",
        "host: a\r\nhost: b\r\n",
        "host:\r\n",
    ] {
        is_refused(&proxy, &format!("GET / HTTP/1.1\r\n{hosts}\r\n"), 400_101);
    }
    for host in ["a b", "a/b", "a@b", "[::1", "a:b", "a:999999", "\u{e9}"] {
        is_refused(
            &proxy,
            &format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"),
            400_101,
        );
    }
    origin.hears_nothing(Duration::from_millis(50));
    let mut client = proxy.says("GET / HTTP/1.0\r\n\r\n");
    let mut worker = origin.accept();
    assert!(worker.head().starts_with("GET / HTTP/1.1\r\n"));
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn only_targets_of_an_origin_are_served() {
    let (proxy, origin) = start(&[]);
    for target in ["!", "x", "*", "ftp://a/", "http://u:p@a/", "a:80"] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
        is_refused(&proxy, &request, 400_102);
    }
    for method in ["CONNECT", "TRACE"] {
        let target = if method == "CONNECT" { "a:80" } else { "/" };
        let request = format!("{method} {target} HTTP/1.1\r\nhost: a:80\r\n\r\n");
        is_refused(&proxy, &request, 405_101);
    }
    origin.hears_nothing(Duration::from_millis(50));
}

#[test]
fn the_host_of_an_absolute_target_replaces_the_host_field() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("GET http://b:81/x?y#z HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    let head = worker.head();
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\n"), "{head}");
    assert_eq!(fields(&head, "host"), ["b:81"]);
    assert_eq!(fields(&head, "x-forwarded-host"), ["b:81"]);
    worker.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.answer().status, 204);
    client.send("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(worker.head().starts_with("OPTIONS * HTTP/1.1\r\n"));
    worker.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.answer().status, 204);
}

/// What a worker reads when a client says this.
fn arrives(request: &str) -> (String, Wire, Wire, Proxy) {
    let (proxy, origin) = start(&[]);
    let client = proxy.says(request);
    let mut worker = origin.accept();
    let head = worker.head();
    (head, worker, client, proxy)
}

#[test]
fn a_length_is_written_once_and_plainly() {
    for lengths in [
        "content-length: 010\r\n",
        "content-length: 10\r\ncontent-length: 10\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{lengths}\r\n0123456789");
        let (head, mut worker, mut client, _proxy) = arrives(&request);
        assert_eq!(fields(&head, "content-length"), ["10"]);
        assert_eq!(worker.bytes(10).unwrap(), b"0123456789");
        worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn a_coding_beside_a_length_wins_and_the_connection_ends() {
    for fields_of in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    ] {
        let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
        let (proxy, origin) = start(&[]);
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{fields_of}\r\n0\r\n\r\n{smuggled}");
        let mut client = proxy.says(&request);
        let mut worker = origin.accept();
        let head = worker.head();
        assert_eq!(fields(&head, "content-length"), Vec::<&str>::new());
        assert_eq!(fields(&head, "transfer-encoding"), ["chunked"]);
        assert_eq!(worker.until("0\r\n\r\n"), "0\r\n\r\n");
        worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        client.is_closed();
        origin.hears_nothing(Duration::from_millis(50));
    }
}

#[test]
fn bare_line_feeds_are_read_as_line_ends_and_sent_on_as_whole_ones() {
    let (head, mut worker, mut client, _proxy) = arrives("GET / HTTP/1.1\nhost: a\nx: 1\n\n");
    assert_eq!(fields(&head, "x"), ["1"]);
    assert!(!head.replace("\r\n", "").contains(['\r', '\n']));
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_chunked_body_that_is_malformed_is_told_to_the_client_and_never_made_to_look_whole() {
    for body in [
        "zz\r\nabc\r\n",
        "3;\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n",
        "-3\r\nabc\r\n",
    ] {
        let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let (_, mut worker, mut client, proxy) = arrives(head);
        client.send(body);
        let (came, _) = worker.rest(Duration::from_secs(5));
        assert!(
            !came.ends_with(b"0\r\n\r\n"),
            "made to look complete: {body:?}"
        );
        assert_eq!(client.answer().code(), 400_106, "{body:?}");
        let ledger = proxy.settled();
        assert_eq!((ledger.refused, ledger.failed), (1, 0), "{body:?}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(
        "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n\
         abcGET /3 HTTP/1.1\r\nhost: a\r\n\r\n",
    );
    let mut worker = origin.accept();
    for path in ["GET /1", "POST /2", "GET /3"] {
        worker = origin.accept_or(worker);
        assert!(worker.head().starts_with(path));
        if path == "POST /2" {
            assert_eq!(worker.bytes(3).unwrap(), b"abc");
        }
        let body = format!("{path}!");
        let length = body.len();
        worker.send(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    }
    for path in ["GET /1!", "POST /2!", "GET /3!"] {
        assert_eq!(client.answer().text(), path);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_through_a_recycle() {
    let (proxy, origin) = start(&[]);
    let mut client =
        proxy.says("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut old = origin.accept();
    assert!(old.head().starts_with("GET /1"));
    proxy.order("recycle", "{}");
    proxy.until("the next worker serves", |status| {
        status
            .workers
            .iter()
            .any(|w| w.generation == 2 && w.state == "ready")
    });
    old.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1");
    let mut new = origin.accept();
    assert_eq!((old.generation, new.generation), (1, 2));
    assert!(new.head().starts_with("GET /2"));
    new.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2");
    assert_eq!(client.answer().text(), "1");
    assert_eq!(client.answer().text(), "2");
}

#[test]
fn bytes_after_an_upgrade_that_was_not_granted_are_the_next_request() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhidden",
    );
    let mut worker = origin.accept();
    let head = worker.head();
    assert_eq!(fields(&head, "upgrade"), ["websocket"]);
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    pass(Duration::from_millis(20));
    worker.stream().set_nonblocking(true).unwrap();
    let came = worker.stream().peek(&mut [0; 9]);
    assert!(
        came.is_err(),
        "the hidden bytes reached the worker: {came:?}"
    );
}

#[test]
fn a_switch_of_protocols_that_nobody_asked_for_is_a_bad_answer() {
    let (_, mut worker, mut client, proxy) = arrives("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    worker.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
    assert_eq!(client.answer().code(), 502_103);
    worker.is_closed();
    assert_eq!(proxy.settled().failed, 1);
}
