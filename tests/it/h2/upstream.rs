//! A worker that is spoken to in HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Response};

use super::{
    client::{Client, get, post},
    frames::{Frames, GOAWAY, HEADERS},
    worker::Worker,
};
use crate::http::{
    origin::Origin,
    proxy::{Proxy, pass, start},
    wire::PATIENCE,
};

const H2C: &str = "worker.protocol=\"h2c\"";
const GET: &str = "GET /x HTTP/1.1\r\nhost: a\r\n\r\n";

fn with_worker(settings: &[&str]) -> (Proxy, Origin) {
    let mut all = vec![H2C, "threads=1"];
    all.extend(settings);
    start(&all)
}

#[test]
fn a_request_of_http_1_1_becomes_one_of_http_2_and_back() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = proxy.says(
        "POST /a?b HTTP/1.1\r\nhost: shop.example\r\nte: trailers\r\nconnection: te, x-hop\r\n\
         x-hop: 1\r\nkeep-alive: timeout=5\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\n\r\n",
    );
    let worker = Worker::on(origin.accept());
    let mut call = worker.call();
    let head = &call.request;
    assert_eq!(head.uri(), "http://shop.example/a?b");
    let mut names: Vec<_> = head.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "te",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-request-id"
        ]
    );
    let body = worker
        .wait(call.request.body_mut().data())
        .unwrap()
        .unwrap();
    assert_eq!(&body[..], b"abc");
    let mut head = Response::new(());
    head.headers_mut()
        .insert("trailer", HeaderValue::from_static("x-sum"));
    let mut answer = call.head(head);
    answer.send_data(Bytes::from_static(b"hi"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    answer.send_trailers(trailers).unwrap();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (200, "hi"));
    assert_eq!(answer.trailers, "x-sum: 7\r\n");
    // The connection goes on, and so does the worker's.
    client.send(GET);
    worker.call().answer("again");
    assert_eq!(client.answer().text(), "again");
}

#[test]
fn requests_share_a_connection_as_far_as_the_worker_lets_them() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = Client::of(&proxy);
    let answers: Vec<_> = (0..5).map(|_| client.get("/")).collect();
    let mut few = h2::server::Builder::new();
    few.max_concurrent_streams(2);
    let mut calls = Vec::new();
    let mut workers = Vec::new();
    for count in [2, 2, 1] {
        let worker = Worker::with(origin.accept(), few.clone());
        calls.extend((0..count).map(|_| worker.call()));
        assert!(worker.has_no_call());
        workers.push(worker);
    }
    for call in calls {
        call.answer("hi");
    }
    for answer in answers {
        assert_eq!(client.answer(answer).body, b"hi");
    }
    origin.hears_nothing(Duration::from_millis(30));
    assert_eq!(proxy.settled().completed, 5);
}

#[test]
fn what_the_worker_did_not_begin_with_is_sent_again_whatever_the_method() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = Client::of(&proxy);
    let mut request = post("/");
    let length = HeaderValue::from_static("3");
    request.headers_mut().insert("content-length", length);
    let (answer, mut body) = client.send(request, false);
    body.send_data(Bytes::from_static(b"abc"), true).unwrap();
    // One whose connection ends before it came to the request.
    let mut away = Frames::worker(origin.accept());
    let first = away.next().unwrap();
    assert_eq!(first.kind, HEADERS);
    away.send(GOAWAY, 0, 0, &[0; 8]);
    let worker = Worker::on(origin.accept());
    // One that refuses it once.
    worker.call().respond.send_reset(Reason::REFUSED_STREAM);
    let mut call = worker.call();
    let data = worker
        .wait(call.request.body_mut().data())
        .unwrap()
        .unwrap();
    assert_eq!(&data[..], b"abc");
    call.answer("hi");
    assert_eq!(client.answer(answer).body, b"hi");
}

#[test]
fn a_worker_that_refuses_for_good_is_named() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = Client::of(&proxy);
    let answer = client.get("/");
    let worker = Worker::on(origin.accept());
    for _ in 0..4 {
        worker.call().respond.send_reset(Reason::REFUSED_STREAM);
    }
    assert_eq!(client.answer(answer).code(), 502_108);
}

#[test]
fn a_post_that_the_worker_had_is_never_sent_twice() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = Client::of(&proxy);
    let (posted, _) = client.send(post("/"), true);
    let worker = Worker::on(origin.accept());
    worker.call().respond.send_reset(Reason::INTERNAL_ERROR);
    assert_eq!(client.answer(posted).code(), 502_102);
    let got = client.get("/");
    worker.call().respond.send_reset(Reason::INTERNAL_ERROR);
    worker.call().answer("hi");
    assert_eq!(client.answer(got).body, b"hi");
    assert_eq!(proxy.settled().replayed, 1);
}

#[test]
fn an_answer_that_is_reset_is_never_taken_for_whole() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = Client::of(&proxy);
    let mut old = proxy.says(GET);
    let worker = Worker::on(origin.accept());
    let mut halves = vec![(worker.call(), Reason::NO_ERROR)];
    let answer = client.get("/");
    halves.push((worker.call(), Reason::CANCEL));
    for (call, reason) in &mut halves {
        let mut answer = call.head(Response::new(()));
        answer
            .send_data(Bytes::from_static(b"half"), false)
            .unwrap();
        // So that it has been passed on before.
        pass(Duration::from_millis(50));
        answer.send_reset(*reason);
    }
    assert!(!old.answer().whole);
    let answer = client.answer(answer);
    assert_eq!(
        (&answer.body[..], answer.broke),
        (&b"half"[..], Some(Reason::INTERNAL_ERROR))
    );
    assert_eq!(proxy.settled().failed, 2);
}

#[test]
fn a_client_that_leaves_is_told_to_the_worker_and_costs_nobody_else() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = Client::of(&proxy);
    let leaves = client.get("/leaves");
    let worker = Worker::on(origin.accept());
    let mut left = worker.call();
    let stays = client.get("/stays");
    let stayed = worker.call();
    assert_eq!((left.path(), stayed.path()), ("/leaves", "/stays"));
    drop(leaves);
    let reason = worker.wait(std::future::poll_fn(|cx| left.respond.poll_reset(cx)));
    assert_eq!(reason.unwrap(), Reason::CANCEL);
    stayed.answer("hi");
    assert_eq!(client.answer(stays).body, b"hi");
    let ledger = proxy.settled();
    assert_eq!((ledger.completed, ledger.client_aborted), (1, 1));
}

#[test]
fn a_generation_s_connection_dies_with_it_when_its_streams_have_ended() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = Client::of(&proxy);
    let slow = client.get("/slow");
    let old = Worker::on(origin.accept());
    let call = old.call();
    proxy.order("recycle", "{}");
    proxy.until("it drains", |status| {
        status
            .workers
            .iter()
            .any(|worker| worker.state == "draining")
    });
    let fast = client.get("/fast");
    let new = Worker::on(origin.accept());
    assert_eq!(new.generation, old.generation + 1);
    new.call().answer("new");
    assert_eq!(client.answer(fast).body, b"new");
    call.answer("old");
    assert_eq!(client.answer(slow).body, b"old");
    old.is_closed();
    proxy.until("the old one is gone", |status| status.workers.len() == 1);
}

#[test]
fn a_connection_that_goes_away_is_replaced_before_a_request_is_lost() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = Client::of(&proxy);
    let slow = client.get("/slow");
    let first = Worker::on(origin.accept());
    let call = first.call();
    first.goes_away();
    // So that it has been heard.
    pass(Duration::from_millis(100));
    let (posted, _) = client.send(post("/"), true);
    let second = Worker::on(origin.accept());
    second.call().answer("second");
    assert_eq!(client.answer(posted).body, b"second");
    call.answer("first");
    assert_eq!(client.answer(slow).body, b"first");
    assert_eq!(proxy.settled().failed, 0);
}

#[test]
fn a_worker_that_speaks_http_1_1_is_named() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.until("SM\r\n\r\n");
    worker.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_eq!(client.answer().code(), 502_103);
}

#[test]
fn options_of_the_server_and_http_1_0_reach_the_worker() {
    let (proxy, origin) = with_worker(&[]);
    let mut client = proxy.says("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
    let worker = Worker::on(origin.accept());
    let call = worker.call();
    assert_eq!(
        (call.request.method().as_str(), call.path()),
        ("OPTIONS", "*")
    );
    call.answer("hi");
    assert_eq!(client.answer().text(), "hi");
    let mut old = proxy.says("GET / HTTP/1.0\r\n\r\n");
    let call = worker.call();
    assert_eq!(call.path(), "/");
    call.answer("hi");
    assert_eq!(old.answer().text(), "hi");
}

#[test]
fn a_slow_client_stops_no_other() {
    let (proxy, origin) = with_worker(&[]);
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let slow_clients: Vec<_> = (0..40)
        .map(|_| {
            let mut client = Client::with(&proxy, &builder);
            let answer = client.send(get("/big"), true).0;
            (client, answer)
        })
        .collect();
    let worker = Worker::on(origin.accept());
    for _ in &slow_clients {
        let mut stream = worker.call().head(Response::new(()));
        // More than all windows of a usual connection.
        stream
            .send_data(Bytes::from(vec![0; 400_000]), true)
            .unwrap();
    }
    let mut client = Client::of(&proxy);
    let answer = client.get("/small");
    worker.call().answer("hi");
    let since = autoheal::time::now();
    assert_eq!(client.answer(answer).body, b"hi");
    assert!(autoheal::time::now().since(since) < PATIENCE / 4);
    drop(slow_clients);
    proxy.settled();
}
