//! WebSockets: tunnels after a 101 that was asked for.

use std::time::Duration;

use super::{
    origin::Origin,
    proxy::{Proxy, start, wait_until},
    wire::{End, PATIENCE, Wire, fields},
};

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\n\
                   upgrade: WebSocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                      upgrade: websocket\r\nsec-websocket-accept: y\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// A frame of text: "hi".
const HI: &[u8] = b"\x81\x02hi";
/// A Close frame, status 1001.
const GOING_AWAY: &[u8] = b"\x88\x02\x03\xe9";

/// A client and its worker's end, both past the switch.
fn tunnel(proxy: &Proxy, origin: &Origin) -> (Wire, Wire) {
    let mut client = proxy.says(ASK);
    let mut worker = origin.accept();
    worker.head();
    worker.send(SWITCH);
    assert_eq!(client.answer().status, 101);
    (client, worker)
}

#[test]
fn after_the_switch_bytes_pass_both_ways_as_they_are() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says([ASK.as_bytes(), b"early"].concat());
    let mut worker = origin.accept();
    let asked = worker.head();
    assert_eq!(fields(&asked, "connection"), ["upgrade"]);
    assert_eq!(fields(&asked, "upgrade"), ["websocket"]);
    assert_eq!(fields(&asked, "sec-websocket-key"), ["x"]);
    worker.send([SWITCH.as_bytes(), HI].concat());
    let answer = client.answer();
    assert_eq!(answer.field("connection"), Some("upgrade"));
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    assert_eq!(answer.field("sec-websocket-accept"), Some("y"));
    assert_eq!(client.bytes(HI.len()).unwrap(), HI);
    assert_eq!(worker.bytes(5).unwrap(), b"early");
    let much = vec![b'm'; 3_000_000];
    std::thread::scope(|scope| {
        scope.spawn(|| worker.send(&much));
        scope.spawn(|| assert_eq!(client.bytes(much.len()).unwrap(), much));
    });
    std::thread::scope(|scope| {
        scope.spawn(|| client.send(&much));
        scope.spawn(|| assert_eq!(worker.bytes(much.len()).unwrap(), much));
    });
    let ledger = proxy.ledger();
    assert_eq!((ledger.in_flight, ledger.tunnels), (1, 1));
    drop(client);
    worker.is_closed();
    drop(worker);
    assert_eq!(proxy.settled().completed, 1);
}

#[test]
fn either_end_of_a_tunnel_is_told_to_the_other_after_all_that_was_said() {
    let (proxy, origin) = start(&[]);
    let (mut client, mut worker) = tunnel(&proxy, &origin);
    worker.send(HI);
    drop(worker);
    assert_eq!(client.rest(PATIENCE), (HI.to_vec(), End::Closed));
    let (mut client, mut worker) = tunnel(&proxy, &origin);
    client.send("last");
    client.finish_sending();
    assert_eq!(worker.rest(PATIENCE), (b"last".to_vec(), End::Closed));
    worker.send(HI);
    drop(worker);
    assert_eq!(client.rest(PATIENCE), (HI.to_vec(), End::Closed));
    assert_eq!(proxy.settled().completed, 2);
}

#[test]
fn a_switch_that_is_refused_is_plain_http_and_the_connection_goes_on() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(ASK);
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().text(), "ok");
    client.send("GET /next HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept_or(worker);
    assert!(worker.head().starts_with("GET /next "));
    worker.send(OK);
    assert_eq!(client.answer().text(), "ok");
}

#[test]
fn what_is_no_request_for_a_websocket_is_asked_as_plain_http() {
    let (proxy, origin) = start(&[]);
    let asks = [
        (
            "GET",
            "connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: x\r\n",
        ),
        ("GET", "upgrade: websocket\r\n"),
        ("GET", "connection: upgrade\r\n"),
        (
            "POST",
            "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 0\r\n",
        ),
    ];
    for (method, lines) in asks {
        let mut client = proxy.says(format!("{method} / HTTP/1.1\r\nhost: a\r\n{lines}\r\n"));
        let mut worker = origin.accept();
        let head = worker.head();
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(fields(&head, name).is_empty(), "{head}");
        }
        // A worker that switches all the same is not followed.
        worker.send(SWITCH);
        assert_eq!(client.answer_to(method).code(), 502_103, "{lines}");
    }
}

#[test]
fn a_worker_that_switches_to_another_protocol_is_not_followed() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(ASK);
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n");
    assert_eq!(client.answer().code(), 502_103);
}

#[test]
fn a_tunnel_moves_politely_when_its_worker_is_replaced() {
    let (proxy, origin) = start(&["recycle.tunnel_timeout=500ms"]);
    let (mut client, mut worker) = tunnel(&proxy, &origin);
    let recycling = std::thread::scope(|scope| {
        let recycling = scope.spawn(|| proxy.order("recycle", "{\"wait\": true}"));
        assert_eq!(client.bytes(4).unwrap(), GOING_AWAY);
        // Its client answers as RFC 6455 wants; what the worker still says is for nobody.
        worker.send(HI);
        client.send(b"\x88\x82\0\0\0\0\x03\xe9");
        assert_eq!(worker.bytes(8).unwrap(), b"\x88\x82\0\0\0\0\x03\xe9");
        drop(worker);
        client.is_closed();
        recycling.join()
    });
    recycling.unwrap();
    let ledger = proxy.settled();
    assert_eq!(
        (ledger.tunnels, ledger.tunnels_moved, ledger.failed),
        (1, 1, 0)
    );
    let (client, worker) = tunnel(&proxy, &origin);
    assert_eq!(worker.generation, 2);
    drop((client, worker));
}

#[test]
fn a_close_stands_between_two_frames_and_never_in_one() {
    let (proxy, origin) = start(&["recycle.tunnel_timeout=1ms"]);
    let (mut client, mut worker) = tunnel(&proxy, &origin);
    worker.send(&HI[..3]);
    assert_eq!(client.bytes(3).unwrap(), HI[..3]);
    std::thread::scope(|scope| {
        let recycling = scope.spawn(|| proxy.order("recycle", "{\"wait\": true}"));
        proxy.until("draining", |status| {
            status
                .workers
                .iter()
                .any(|worker| worker.state == "draining")
        });
        let (nothing, end) = client.rest(Duration::from_millis(200));
        assert_eq!((nothing.as_slice(), end), (&b""[..], End::Open));
        worker.send([&HI[3..], HI].concat());
        let said = [&HI[3..], GOING_AWAY].concat();
        assert_eq!(client.rest(PATIENCE), (said, End::Closed));
        drop(worker);
        recycling.join().unwrap();
    });
    assert_eq!(proxy.settled().tunnels_moved, 1);
}

#[test]
fn a_tunnel_that_is_never_between_two_frames_is_cut_and_counted() {
    let (proxy, origin) = start(&["recycle.tunnel_timeout=1ms"]);
    let (mut client, mut worker) = tunnel(&proxy, &origin);
    worker.send(&HI[..3]);
    client.bytes(3).unwrap();
    proxy.order("recycle", "{\"wait\": true}");
    assert_eq!(client.rest(PATIENCE).0, b"");
    let ledger = proxy.settled();
    assert_eq!(ledger.by_code[0].code, 502_107);
    assert_eq!((ledger.tunnels_moved, ledger.failed), (0, 1));
}

#[test]
fn the_end_of_the_drain_is_the_end_of_a_tunnel() {
    let (proxy, origin) = start(&["recycle.tunnel_timeout=1h", "recycle.drain_timeout=300ms"]);
    let (mut client, _worker) = tunnel(&proxy, &origin);
    proxy.order("recycle", "{\"wait\": true}");
    client.rest(PATIENCE);
    assert_eq!(proxy.settled().by_code[0].code, 502_107);
}

#[test]
fn a_silent_tunnel_has_its_own_deadline_and_a_talking_one_has_none() {
    let (proxy, origin) = start(&[
        "timeouts.tunnel=1s",
        "timeouts.idle=1s",
        "timeouts.write=1s",
    ]);
    let (mut client, mut worker) = tunnel(&proxy, &origin);
    for _ in 0..6 {
        worker.send(HI);
        assert_eq!(client.bytes(HI.len()).unwrap(), HI);
        super::proxy::pass(Duration::from_millis(300));
    }
    assert_eq!(client.bytes(4).unwrap(), GOING_AWAY);
    drop(client);
    worker.is_closed();
    drop(worker);
    assert_eq!(proxy.settled().tunnels_moved, 0);
}

#[test]
fn tunnels_are_listed_and_never_slow() {
    let rule = "rule=[{name=\"slow\", when={slow={time_taken=\"50ms\", count=1, window=\"1min\"}}, \
                do=[\"recycle\"], min_uptime=\"0s\"}]";
    let (proxy, origin) = start(&[rule, "timeouts.response=1s"]);
    let (mut client, mut worker) = tunnel(&proxy, &origin);
    super::proxy::pass(Duration::from_millis(1500));
    worker.send(HI);
    assert_eq!(client.bytes(HI.len()).unwrap(), HI);
    let status = proxy.status();
    assert_eq!(status.rules[0].fired, 0);
    assert_eq!(status.workers[0].generation, 1);
    drop((client, worker));
}

#[test]
fn tunnels_leave_when_autoheal_stops() {
    let (mut proxy, origin) = start(&["recycle.tunnel_timeout=300ms"]);
    let (mut client, worker) = tunnel(&proxy, &origin);
    proxy.signal(rustix::process::Signal::TERM);
    assert_eq!(client.bytes(4).unwrap(), GOING_AWAY);
    drop((client, worker));
    assert_eq!(proxy.exit_code(), Some(0));
}

#[test]
fn in_place_nobody_waits_for_tunnels() {
    let port = crate::support::free_port();
    let port = format!("worker.port={port}");
    let (proxy, origin) = start(&[&port, "recycle.tunnel_timeout=1h"]);
    let (mut client, worker) = tunnel(&proxy, &origin);
    let since = autoheal::time::now();
    std::thread::scope(|scope| {
        let recycling = scope.spawn(|| proxy.order("recycle", "{\"wait\": true}"));
        assert_eq!(client.bytes(4).unwrap(), GOING_AWAY);
        drop((client, worker));
        recycling.join().unwrap();
    });
    assert!(autoheal::time::now().since(since) < Duration::from_secs(8));
    wait_until("moved", || proxy.ledger().tunnels_moved == 1);
}
