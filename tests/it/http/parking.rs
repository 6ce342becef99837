//! Requests that wait for a worker, and those for whom there is no place.

use std::time::Duration;

use super::{
    origin::Origin,
    proxy::{Proxy, start},
    wire::{PATIENCE, Wire},
};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// autoheal that parks every request until it is told otherwise.
fn parking(settings: &[&str]) -> (Proxy, Origin) {
    let (proxy, origin) = start(settings);
    proxy.order("hold", "{\"for\": \"30s\"}");
    proxy.until("it holds", |status| {
        status.parking.hold_remaining_ms.is_some()
    });
    (proxy, origin)
}

fn serve_one(worker: &mut Wire) -> String {
    let head = worker.head();
    worker.send(OK);
    head
}

#[test]
fn the_parked_are_served_in_the_end() {
    let (proxy, origin) = parking(&[]);
    let mut clients = [proxy.says(GET), proxy.says(GET), proxy.says(GET)];
    proxy.until_parked(3);
    origin.hears_nothing(Duration::from_millis(30));
    proxy.order("release", "{}");
    for _ in &clients {
        serve_one(&mut origin.accept());
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(proxy.settled().parked, 3);
}

#[test]
fn one_more_than_may_wait_is_told_so_at_once() {
    let (proxy, _origin) = parking(&["parking.requests=2"]);
    let clients = [proxy.says(GET), proxy.says(GET)];
    proxy.until_parked(2);
    let since = autoheal::time::now();
    let answer = proxy.answers(GET);
    assert!(autoheal::time::now().since(since) < Duration::from_secs(10));
    assert_eq!((answer.status, answer.code()), (503, 503_102));
    let seconds: u32 = answer.field("retry-after").unwrap().parse().unwrap();
    assert!(seconds >= 1);
    drop(clients);
    proxy.until_parked(0);
    let _client = proxy.says(GET);
    proxy.until_parked(1);
}

#[test]
fn heads_wait_only_while_their_bytes_fit() {
    let (proxy, _origin) = parking(&["parking.bytes=\"64KiB\""]);
    let large = format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "y".repeat(40_000)
    );
    let _client = proxy.says(&large);
    proxy.until_parked(1);
    assert_eq!(proxy.answers(&large).code(), 503_102);
    let _small = proxy.says(GET);
    proxy.until_parked(2);
}

#[test]
fn who_waited_in_vain_is_told_when_to_come_back() {
    let (proxy, _origin) = parking(&["parking.wait=1s"]);
    let since = autoheal::time::now();
    let answer = proxy.answers(GET);
    let took = autoheal::time::now().since(since);
    assert!(
        took >= Duration::from_millis(950) && took < Duration::from_secs(3),
        "{took:?}"
    );
    assert_eq!((answer.status, answer.code()), (503, 503_101));
    assert!(answer.field("retry-after").is_some());
    assert_eq!(proxy.settled().refused, 1);
}

#[test]
fn a_client_that_leaves_gives_its_place_back() {
    for request in [
        GET,
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let (proxy, origin) = parking(&[]);
        let client = proxy.says(request);
        proxy.until_parked(1);
        let left = autoheal::time::now();
        drop(client);
        proxy.until_parked(0);
        let after = autoheal::time::now().since(left);
        assert!(
            after < Duration::from_secs(1),
            "{after:?} after {request:?}"
        );
        let ledger = proxy.settled();
        assert_eq!(
            (ledger.client_aborted, ledger.parked),
            (1, 1),
            "{request:?}"
        );
        origin.hears_nothing(Duration::from_millis(10));
    }
}

#[test]
fn no_body_is_asked_for_while_its_request_waits() {
    let (proxy, origin) = parking(&[]);
    let mut client = proxy
        .says("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n");
    proxy.until_parked(1);
    client
        .stream()
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    assert!(
        client.stream().peek(&mut [0]).is_err(),
        "it was told to continue"
    );
    client.stream().set_read_timeout(Some(PATIENCE)).unwrap();
    proxy.order("release", "{}");
    assert!(client.head().starts_with("HTTP/1.1 100"));
    client.send("abc");
    let mut worker = origin.accept();
    worker.head();
    assert_eq!(worker.bytes(3).unwrap(), b"abc");
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_parked_upload_arrives_whole() {
    let (proxy, origin) = parking(&[]);
    let body = vec![b'x'; 300_000];
    let mut client = proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n");
    client.send(&body);
    proxy.until_parked(1);
    proxy.order("release", "{}");
    let mut worker = origin.accept();
    worker.head();
    assert_eq!(worker.bytes(body.len()).unwrap(), body);
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_load_balancers_probe_is_answered_while_there_is_room() {
    let (proxy, _origin) = parking(&["parking.probe=\"/up\"", "parking.requests=1"]);
    let probe = "GET /up HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(proxy.answers(probe).status, 200);
    let _client = proxy.says(GET);
    proxy.until_parked(1);
    assert_eq!(
        proxy.answers(probe).code(),
        503_102,
        "no room: send no more"
    );
}

#[test]
fn a_request_that_came_through_us_before_is_not_parked() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    let head = serve_one(&mut worker);
    assert_eq!(client.answer().status, 200);
    let via = super::wire::fields(&head, "via")[0].to_owned();
    proxy.order("hold", "{\"for\": \"30s\"}");
    proxy.until("it holds", |status| {
        status.parking.hold_remaining_ms.is_some()
    });
    let back = |times: usize| {
        format!(
            "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
            format!("via: {via}\r\n").repeat(times)
        )
    };
    assert_eq!(proxy.answers(back(1)).code(), 503_108);
    assert_eq!(proxy.answers(back(3)).code(), 508_101);
}

#[test]
fn the_parked_are_let_in_slowly_on_a_fresh_worker() {
    let (proxy, origin) = start(&["threads=1", "recycle.slow_start=\"30s\""]);
    proxy.order("hold", "{\"for\": \"30s\"}");
    proxy.until("it holds", |status| {
        status.parking.hold_remaining_ms.is_some()
    });
    let mut clients: Vec<Wire> = (0..60).map(|_| proxy.says(GET)).collect();
    proxy.until_parked(60);
    proxy.order("recycle", "{\"wait\": true}");
    proxy.order("release", "{}");
    let mut workers: Vec<Wire> = (0..16).map(|_| origin.accept()).collect();
    origin.hears_nothing(Duration::from_millis(100));
    assert!(workers.iter().all(|worker| worker.generation == 2));
    serve_one(&mut workers[0]);
    // One left and two more may be there: one of the three on the connection that is free.
    serve_one(&mut workers[0]);
    let mut more = vec![origin.accept(), origin.accept()];
    workers.append(&mut more);
    let _folder = origin.serve(|wire| while wire.try_head().is_some_and(|_| wire.try_send(OK)) {});
    for mut worker in workers {
        std::thread::spawn(move || while worker.try_head().is_some_and(|_| worker.try_send(OK)) {});
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(proxy.settled().completed, 60);
}

#[test]
fn nobody_waits_for_a_worker_that_an_operator_stopped() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    proxy.order("stop", "{}");
    let answer = proxy.answers(GET);
    assert_eq!((answer.status, answer.code()), (503, 503_105));
    worker.send(OK);
    assert_eq!(client.answer().status, 200, "who was in is served");
    proxy.until("stopped", |status| status.workers.is_empty());
    assert_eq!(proxy.answers(GET).code(), 503_105);
}
