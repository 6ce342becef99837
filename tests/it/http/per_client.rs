//! One client that takes all it can get, and another that is served all the same.

use super::{
    proxy::{Proxy, start},
    wire::{End, PATIENCE, Wire},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const BEHIND: &str = "listen={address=\"127.0.0.1:0\", proxy_protocol=true}";

/// A request that a proxy in front says is of this client.
fn get_of(client: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {client}\r\n\r\n")
}

fn waits(proxy: &Proxy, count: u64) {
    proxy.until("they wait", |status| {
        status.parking.requests + status.queue.requests == count
    });
}

/// Of those who wait, two may be of one client.
fn two_of_one_client_may_wait(proxy: &Proxy) {
    let mut greedy: Vec<Wire> = (0..2).map(|_| proxy.says(get_of("203.0.113.1"))).collect();
    waits(proxy, 2);
    let answer = proxy.answers(get_of("203.0.113.1"));
    assert_eq!((answer.status, answer.code()), (429, 429_102));
    assert!(answer.field("retry-after").is_some());
    let _other = proxy.says(get_of("203.0.113.2"));
    let _six = [1, 2].map(|n| proxy.says(get_of(&format!("2001:db8::{n}"))));
    waits(proxy, 5);
    let answer = proxy.answers(get_of("2001:db8::3"));
    assert_eq!(answer.code(), 429_102, "a /64 is one client");
    let plain = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let _proxies = [0; 3].map(|_| proxy.says(plain));
    waits(proxy, 8);
    greedy.pop();
    waits(proxy, 7);
    let _again = proxy.says(get_of("203.0.113.1"));
    waits(proxy, 8);
}

#[test]
fn one_client_can_not_take_all_places_to_park() {
    let (proxy, _origin) = start(&["parking.per_client=2"]);
    proxy.order("hold", "{\"for\": \"60s\"}");
    proxy.until("it holds", |status| {
        status.parking.hold_remaining_ms.is_some()
    });
    two_of_one_client_may_wait(&proxy);
}

#[test]
fn one_client_can_not_take_all_of_the_queue() {
    let (proxy, origin) = start(&[
        "queue.per_client=2",
        "queue.wait=60s",
        "worker.concurrency=1",
    ]);
    let _client = proxy.says(get_of("203.0.113.1"));
    let mut worker = origin.accept();
    worker.head();
    two_of_one_client_may_wait(&proxy);
}

#[test]
fn one_client_can_not_take_all_connections() {
    let (proxy, origin) = start(&[BEHIND, "limits.connections_per_client=2"]);
    let connect = |client: &str| proxy.says(format!("PROXY TCP4 {client} 10.0.0.1 5 80\r\n"));
    let mut worker = None;
    let mut is_served = |client: &mut Wire| {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut at_work = match worker.take() {
            Some(known) => origin.accept_or(known),
            None => origin.accept(),
        };
        at_work.head();
        at_work.send(OK);
        assert_eq!(client.answer().status, 200);
        worker = Some(at_work);
    };
    let [mut one, mut two] = [0; 2].map(|_| connect("203.0.113.1"));
    is_served(&mut one);
    is_served(&mut two);
    let (said, end) = connect("203.0.113.1").rest(PATIENCE);
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("HTTP/1.1 429 "), "{said:?}");
    assert!(said.contains("details=\"429101\""), "{said}");
    assert_ne!(end, End::Open);
    is_served(&mut connect("203.0.113.2"));
    drop(one);
    proxy.until("only one is left", |status| {
        status
            .threads
            .iter()
            .map(|one| one.connections)
            .sum::<u64>()
            == 1
    });
    is_served(&mut connect("203.0.113.1"));
    is_served(&mut two);
}
