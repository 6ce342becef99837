//! How connections of HTTP/2 begin and end.

use std::time::Duration;

use rustix::process::Signal;

use super::{
    client::Client,
    frames::{Frames, GOAWAY},
};
use crate::http::{proxy::start, wire::PATIENCE};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
const MOST: u32 = (1 << 31) - 1;

#[test]
fn both_protocols_are_served_on_one_port_however_slowly_they_begin() {
    let (proxy, origin) = start(&[]);
    let _folder = origin.serve(|wire| while wire.try_head().is_some_and(|_| wire.try_send(OK)) {});
    for (head, rest) in [
        (
            "P",
            "OST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        ),
        ("PRI", "NT / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ] {
        let mut client = proxy.says(head);
        client.until_quiet();
        client.send(rest);
        assert_eq!(client.answer().status, 200, "{head}");
    }
    let mut slow = proxy.says("PRI * HTTP/2.0");
    slow.until_quiet();
    slow.send("\r\n\r\nSM\r\n\r\n");
    // Its settings.
    assert_eq!(slow.bytes(4).unwrap()[3], 4);
    let mut client = Client::of(&proxy);
    let answer = client.get("/");
    assert_eq!(client.answer(answer).status(), 200);
}

#[test]
fn half_a_preface_is_waited_for_no_longer_than_for_a_head() {
    let (proxy, _origin) = start(&["timeouts.head=1s"]);
    let mut client = proxy.says("PRI * HT");
    assert_eq!(client.answer().code(), 408_101);
    client.is_closed();
}

#[test]
fn an_idle_connection_is_told_that_it_ends() {
    let (proxy, origin) = start(&["timeouts.idle=1s"]);
    let mut client = Client::of(&proxy);
    let answer = client.get("/");
    let mut worker = origin.accept();
    worker.head();
    assert!(
        client.is_open_after(Duration::from_millis(1500)),
        "it has a stream"
    );
    worker.send(OK);
    assert_eq!(client.answer(answer).status(), 200);
    assert!(client.end().is_none(), "in peace");
}

#[test]
fn a_client_that_never_asks_is_sent_away_too() {
    let (proxy, _origin) = start(&["timeouts.idle=1s", "timeouts.write=1s"]);
    let client = Client::of(&proxy);
    assert!(client.end().is_none());
    let mut mute = proxy.says("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let (_, end) = mute.rest(PATIENCE);
    assert_ne!(end, crate::http::wire::End::Open);
}

#[test]
fn a_stopping_proxy_says_so_and_finishes_what_is_in_flight() {
    let (mut proxy, origin) = start(&["threads=1"]);
    let mut client = Client::of(&proxy);
    let first = client.get("/first");
    let mut worker = origin.accept();
    worker.head();
    let mut raw = Frames::to(&proxy);
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/second"),
        (":authority", "a"),
    ];
    raw.request(1, &fields);
    let mut second = origin.accept();
    second.head();
    proxy.signal(Signal::TERM);
    // First that no more should come, and when that has been heard, which was the last.
    let going = raw.next().unwrap();
    assert_eq!((going.kind, going.reason()), (GOAWAY, 0));
    assert_eq!(going.payload[..4], MOST.to_be_bytes());
    let ping = raw.next().unwrap();
    raw.send(ping.kind, 1, 0, &ping.payload);
    let gone = raw.next().unwrap();
    assert_eq!((gone.kind, gone.reason()), (GOAWAY, 0));
    assert_eq!(gone.payload[..4], 1_u32.to_be_bytes());
    worker.send(OK);
    assert_eq!(client.answer(first).body, b"hi");
    assert!(client.end().is_none());
    second.send(OK);
    assert_eq!(raw.next().unwrap().stream, 1);
    assert_eq!(raw.next().unwrap().payload, b"hi");
    raw.is_closed();
    assert_eq!(proxy.exit_code(), Some(0));
}

#[test]
fn while_it_still_serves_a_client_is_told_twice_and_all_that_it_asked_before_is_answered() {
    let (mut proxy, origin) = start(&["shutdown.delay=3s", "shutdown.timeout=30s"]);
    let _folder = origin.serve(|wire| while wire.try_head().is_some_and(|_| wire.try_send(OK)) {});
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ];
    let mut raw = Frames::to(&proxy);
    raw.request(1, &fields);
    assert_eq!(raw.next().unwrap().stream, 1);
    assert_eq!(raw.next().unwrap().payload, b"hi");
    proxy.signal(Signal::TERM);
    let going = raw.next().unwrap();
    assert_eq!((going.kind, going.reason()), (GOAWAY, 0));
    assert_eq!(going.payload[..4], MOST.to_be_bytes());
    let ping = raw.next().unwrap();
    // It had not heard of it when it asked for this.
    raw.request(3, &fields);
    raw.send(ping.kind, 1, 0, &ping.payload);
    let (mut last, mut body) = (None, None);
    while let Some(frame) = raw.next() {
        match (frame.kind, frame.stream) {
            (GOAWAY, _) => last = Some((frame.reason(), frame.payload[..4].to_vec())),
            (0, 3) => body = Some(frame.payload),
            _ => {}
        }
    }
    assert_eq!(last, Some((0, 3_u32.to_be_bytes().to_vec())));
    assert_eq!(body.as_deref(), Some(&b"hi"[..]));
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.exit_code(), Some(0));
}

#[test]
fn a_recycle_of_the_worker_ends_no_client_s_connection() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    for _ in 0..2 {
        let answer = client.get("/");
        let mut worker = origin.accept();
        let generation = worker.generation;
        worker.head();
        worker.send(OK);
        assert_eq!(client.answer(answer).status(), 200);
        proxy.order("recycle", "{\"wait\": true}");
        let answer = client.get("/");
        let mut worker = origin.accept();
        assert_eq!(worker.generation, generation + 1);
        worker.head();
        worker.send(OK);
        assert_eq!(client.answer(answer).status(), 200);
    }
    assert!(client.is_open_after(Duration::from_millis(50)));
}
