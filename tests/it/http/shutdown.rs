//! The end: what is in flight is finished, and nobody new is kept.

use std::{net::TcpStream, time::Duration};

use rustix::process::Signal;

use super::{
    proxy::{start, wait_until},
    wire::{End, Wire, fields},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET /x HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn a_request_in_flight_is_finished_and_told_that_its_connection_ends() {
    let (mut proxy, origin) = start(&["threads=1"]);
    let mut idle = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    idle.answer();
    let mut client = proxy.says(GET);
    let mut worker = origin.accept_or(worker);
    worker.head();
    proxy.signal(Signal::TERM);
    // Now the thread knows.
    idle.is_closed();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (200, "hi"));
    // Answered just before the stop began, it could not be told so; it is closed all the same.
    client.is_closed();
    assert_eq!(proxy.exit_code(), Some(0));
}

#[test]
fn idle_connections_are_closed_and_new_ones_get_no_reset() {
    let (mut proxy, origin) = start(&["threads=1"]);
    let mut idle = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    idle.answer();
    let mut busy = proxy.says(GET);
    let mut worker = origin.accept_or(worker);
    worker.head();
    proxy.signal(Signal::TERM);
    idle.is_closed();
    let mut new = Wire::new(TcpStream::connect(proxy.address).unwrap(), 0);
    new.send(GET);
    let answer = new.answer();
    assert_eq!(answer.code(), 503_106);
    assert_eq!(answer.field("connection"), Some("close"));
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(busy.answer().status, 200);
    assert_eq!(proxy.exit_code(), Some(0));
}

/// Whether the answer to a request says that it is the last. `None`: the connection had ended.
fn is_told(client: &mut Wire) -> Option<bool> {
    if !client.try_send(GET) {
        return None;
    }
    let head = client.try_head()?;
    client.bytes(2).ok()?;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    Some(fields(&head, "connection") == ["close"])
}

#[test]
fn while_it_still_serves_clients_are_told_one_by_one_that_their_connections_end() {
    let (mut proxy, origin) = start(&["shutdown.delay=60s", "shutdown.timeout=80s"]);
    let _folder = origin.serve(|wire| while wire.try_head().is_some_and(|_| wire.try_send(OK)) {});
    let mut clients: Vec<Wire> = (0..80).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(is_told(client), Some(false));
    }
    let mut idle = clients.split_off(40);
    proxy.signal(Signal::TERM);
    // The first of forty is told after a second or two. On a machine that stands still for a second
    // meanwhile, one may end between two requests.
    let mut told = 0;
    wait_until("one of those who ask is told", || {
        clients.retain_mut(|client| {
            let answer = is_told(client);
            told += usize::from(answer == Some(true));
            answer == Some(false)
        });
        told > 0
    });
    assert!(!clients.is_empty(), "all were told at once");
    wait_until("one that rests is closed", || {
        idle.retain_mut(|client| client.rest(Duration::from_millis(1)).1 == End::Open);
        idle.len() < 40
    });
    assert!(!idle.is_empty(), "all were closed at once");
    assert_eq!(is_told(&mut proxy.client()), Some(false));
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.exit_code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_drain() {
    let (mut proxy, origin) = start(&[]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    proxy.signal(Signal::TERM);
    wait_until("it drains", || {
        proxy.log().contains("stopping") || proxy.log().contains("drain")
    });
    let since = autoheal::time::now();
    proxy.signal(Signal::TERM);
    proxy.exit_code();
    let took = autoheal::time::now().since(since);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let head = client.try_head();
    assert!(head.is_none_or(|head| !head.contains(" 200 ")));
}

#[test]
fn the_parked_are_served_or_told_that_it_stops() {
    let (mut proxy, origin) = start(&[]);
    let _folder = origin.serve(|wire| {
        while wire
            .try_head()
            .is_some_and(|_| wire.try_send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
        {
        }
    });
    proxy.order("hold", "{\"for\": \"30s\"}");
    proxy.until("it holds", |status| {
        status.parking.hold_remaining_ms.is_some()
    });
    let mut client = proxy.says(GET);
    proxy.until_parked(1);
    proxy.signal(Signal::TERM);
    let answer = client.answer();
    assert!(
        answer.status == 200 || answer.code() == 503_106,
        "{answer:?}"
    );
    // Answered just before the stop began, it could not be told so; it is closed all the same.
    client.is_closed();
    assert_eq!(proxy.exit_code(), Some(0));
}
