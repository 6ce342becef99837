//! WebSockets on streams of HTTP/2 (RFC 8441), asked of a worker in HTTP/1.1.

use std::{thread, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture, ext::Protocol};
use http::{Method, Request};
use sha1::{Digest, Sha1};

use super::client::Client;
use crate::http::{
    origin::Origin,
    proxy::{start, wait_until},
    wire::{End, PATIENCE, Wire, fields},
};

/// A frame of text: "hi".
const HI: &[u8] = b"\x81\x02hi";
/// A Close frame, status 1001.
const GOING_AWAY: &[u8] = b"\x88\x02\x03\xe9";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Asks for a tunnel of a protocol.
fn ask(client: &mut Client, protocol: &'static str) -> (ResponseFuture, SendStream<Bytes>) {
    wait_until("the settings have come", || client.may_connect());
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://shop.example/chat?room=1")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat")
        .header("sec-websocket-extensions", "permessage-deflate")
        .header("sec-websocket-key", "forged")
        .header("origin", "http://shop.example")
        .extension(Protocol::from_static(protocol));
    client.send(request.body(()).unwrap(), false)
}

/// A switch that answers the key of a request.
fn switch(asked: &str) -> String {
    let key = fields(asked, "sec-websocket-key")[0];
    let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let accept = STANDARD.encode(Sha1::digest(format!("{key}{guid}")));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\nsec-websocket-extensions: permessage-deflate\r\n\
         sec-websocket-protocol: chat\r\n\r\n"
    )
}

/// Both ends of a tunnel on a stream.
struct Tunnel {
    up: SendStream<Bytes>,
    down: RecvStream,
    worker: Wire,
}

fn tunnel(client: &mut Client, origin: &Origin) -> Tunnel {
    let (answer, up) = ask(client, "websocket");
    let mut worker = origin.accept();
    let asked = worker.head();
    worker.send(switch(&asked));
    let answer = client.wait(answer).unwrap();
    assert_eq!(answer.status(), 200);
    let down = answer.into_body();
    Tunnel { up, down, worker }
}

/// What comes on a stream: so many bytes, or all of it.
fn read(client: &Client, down: &mut RecvStream, most: usize) -> Vec<u8> {
    let mut read = Vec::new();
    client.wait(async {
        while read.len() < most
            && let Some(piece) = down.data().await
        {
            let piece = piece.unwrap();
            down.flow_control().release_capacity(piece.len()).unwrap();
            read.extend_from_slice(&piece);
        }
    });
    read
}

#[test]
fn a_stream_becomes_a_tunnel_whose_bytes_pass_both_ways_as_they_are() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let (answer, mut up) = ask(&mut client, "websocket");
    let mut worker = origin.accept();
    let asked = worker.head();
    assert!(
        asked.starts_with("GET /chat?room=1 HTTP/1.1\r\n"),
        "{asked}"
    );
    for (name, value) in [
        ("host", "shop.example"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ] {
        assert_eq!(fields(&asked, name), [value], "{asked}");
    }
    let key = fields(&asked, "sec-websocket-key");
    assert_eq!(STANDARD.decode(key[0]).unwrap().len(), 16, "{asked}");
    assert_eq!(key.len(), 1, "{asked}");
    worker.send([switch(&asked).as_bytes(), HI].concat());
    let answer = client.wait(answer).unwrap();
    assert_eq!(answer.status(), 200);
    let names: Vec<_> = answer.headers().keys().map(|name| name.as_str()).collect();
    for gone in ["connection", "upgrade", "sec-websocket-accept"] {
        assert!(!names.contains(&gone), "{names:?}");
    }
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    assert_eq!(
        answer.headers()["sec-websocket-extensions"],
        "permessage-deflate"
    );
    let mut down = answer.into_body();
    assert_eq!(read(&client, &mut down, 4), HI);
    let much = vec![b'm'; 3_000_000];
    thread::scope(|scope| {
        scope.spawn(|| worker.send(&much));
        assert_eq!(read(&client, &mut down, much.len()), much);
    });
    up.send_data(Bytes::from(much.clone()), false).unwrap();
    assert_eq!(worker.bytes(much.len()).unwrap(), much);
    // A request beside it.
    let page = client.get("/page");
    let mut other = origin.accept();
    other.head();
    other.send(OK);
    assert_eq!(client.answer(page).body, b"ok");
    let ledger = proxy.ledger();
    assert_eq!((ledger.in_flight, ledger.tunnels), (1, 1));
    up.send_data(Bytes::from_static(b"last"), true).unwrap();
    assert_eq!(worker.rest(PATIENCE), (b"last".to_vec(), End::Closed));
    worker.send(HI);
    drop(worker);
    assert_eq!(read(&client, &mut down, usize::MAX), HI);
    assert!(down.is_end_stream());
    assert_eq!(proxy.settled().completed, 2);
}

#[test]
fn a_stream_that_is_reset_ends_its_tunnel_alone() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let mut left = tunnel(&mut client, &origin);
    let mut stays = tunnel(&mut client, &origin);
    left.up.send_reset(Reason::CANCEL);
    assert_ne!(left.worker.rest(PATIENCE).1, End::Open);
    stays.worker.send(HI);
    assert_eq!(read(&client, &mut stays.down, 4), HI);
    let mut worker = stays.worker;
    drop((client, stays.up, stays.down));
    assert_ne!(worker.rest(PATIENCE).1, End::Open);
    drop(worker);
    assert_eq!(proxy.settled().tunnels, 2);
}

#[test]
fn what_the_worker_says_instead_is_passed_on_unless_it_looks_like_a_switch() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let wrong = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                 upgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";
    let no = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";
    for (says, status, code) in [
        (no, 403, None),
        (OK, 502, Some(502_110)),
        (wrong, 502, Some(502_103)),
    ] {
        let (answer, _up) = ask(&mut client, "websocket");
        let mut worker = origin.accept();
        worker.head();
        worker.send(says);
        let answer = client.answer(answer);
        assert_eq!(answer.status(), status, "{says}");
        match code {
            Some(code) => assert_eq!(answer.code(), code),
            None => assert_eq!(answer.body, b"no"),
        }
    }
    let ledger = proxy.settled();
    assert_eq!((ledger.completed, ledger.failed, ledger.tunnels), (1, 2, 0));
}

#[test]
fn other_tunnels_are_refused_with_a_code() {
    let route = "route=[{path=\"/chat\", websocket=false}]";
    let (proxy, origin) = start(&[route]);
    let mut client = Client::of(&proxy);
    for (protocol, code) in [("webtransport", 501_102), ("websocket", 405_101)] {
        let (answer, _up) = ask(&mut client, protocol);
        assert_eq!(client.answer(answer).code(), code, "{protocol}");
    }
    let plain = Request::builder()
        .method(Method::CONNECT)
        .uri("shop.example:80");
    let (answer, _up) = client.send(plain.body(()).unwrap(), false);
    assert_eq!(client.answer(answer).code(), 405_101);
    origin.hears_nothing(Duration::from_millis(50));
    assert_eq!(proxy.settled().refused, 3);
}

#[test]
fn one_that_is_asked_for_while_no_worker_serves_waits_whatever_its_path() {
    let (proxy, origin) = start(&["parking.probe=\"/chat\""]);
    proxy.order("hold", "{\"for\": \"30s\"}");
    let mut client = Client::of(&proxy);
    let (answer, up) = ask(&mut client, "websocket");
    proxy.until_parked(1);
    proxy.order("release", "{}");
    let mut worker = origin.accept();
    let asked = worker.head();
    worker.send(switch(&asked));
    let answer = client.wait(answer).unwrap();
    assert_eq!(answer.status(), 200);
    drop((answer, up, client));
    assert_ne!(worker.rest(PATIENCE).1, End::Open);
    drop(worker);
    assert_eq!(proxy.settled().tunnels, 1);
}

#[test]
fn a_tunnel_moves_politely_when_its_worker_is_replaced_and_its_connection_stays() {
    let (proxy, origin) = start(&["recycle.tunnel_timeout=500ms"]);
    let mut client = Client::of(&proxy);
    let mut moved = tunnel(&mut client, &origin);
    thread::scope(|scope| {
        let recycling = scope.spawn(|| proxy.order("recycle", "{\"wait\": true}"));
        assert_eq!(read(&client, &mut moved.down, 4), GOING_AWAY);
        let close = b"\x88\x82\0\0\0\0\x03\xe9";
        moved.up.send_data(Bytes::from_static(close), true).unwrap();
        assert_eq!(moved.worker.bytes(8).unwrap(), close);
        drop(moved.worker);
        assert_eq!(read(&client, &mut moved.down, 1), b"");
        recycling.join().unwrap();
    });
    let ledger = proxy.settled();
    assert_eq!((ledger.tunnels_moved, ledger.failed), (1, 0));
    let next = tunnel(&mut client, &origin);
    assert_eq!(next.worker.generation, 2);
    drop(next.worker);
    drop(client);
}

#[test]
fn a_connection_that_carries_a_tunnel_is_not_idle() {
    let (proxy, origin) = start(&["timeouts.idle=1s", "timeouts.write=1s"]);
    let mut client = Client::of(&proxy);
    let mut lasting = tunnel(&mut client, &origin);
    assert!(client.is_open_after(Duration::from_secs(4)));
    lasting.worker.send(HI);
    assert_eq!(read(&client, &mut lasting.down, 4), HI);
    drop((lasting.worker, lasting.up));
    assert_eq!(read(&client, &mut lasting.down, 1), b"");
    drop(lasting.down);
    assert!(client.end().is_none(), "now it is");
    assert_eq!(proxy.settled().tunnels, 1);
}
