//! Many requests on one connection: each parked, timed and ended by itself.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderValue, Request, header::CONTENT_LENGTH};

use super::client::{Client, post};
use crate::http::{
    origin::Origin,
    proxy::{pass, start, wait_until},
    wire::Wire,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

fn serve_one(worker: &mut Wire) -> String {
    let head = worker.head();
    worker.send(OK);
    head
}

#[test]
fn a_parked_stream_leaves_when_its_client_takes_it_back() {
    let (proxy, origin) = start(&[]);
    proxy.order("hold", "{\"for\": \"30s\"}");
    let mut client = Client::of(&proxy);
    let stays = client.get("/stays");
    let leaves = client.get("/leaves");
    let (uploads, mut upload) = client.send(post("/uploads"), false);
    upload.send_data(Bytes::from_static(b"x"), false).unwrap();
    proxy.until_parked(3);
    drop(leaves);
    upload.send_reset(Reason::CANCEL);
    drop(uploads);
    proxy.until_parked(1);
    proxy.order("release", "{}");
    assert!(serve_one(&mut origin.accept()).starts_with("GET /stays"));
    assert_eq!(client.answer(stays).status(), 200);
    let ledger = proxy.settled();
    assert_eq!((ledger.completed, ledger.client_aborted), (1, 2));
}

#[test]
fn a_client_that_leaves_takes_all_its_streams_with_it() {
    let (proxy, _origin) = start(&[]);
    proxy.order("hold", "{\"for\": \"30s\"}");
    let mut client = Client::of(&proxy);
    let parked: Vec<_> = (0..20).map(|_| client.get("/")).collect();
    proxy.until_parked(20);
    drop((parked, client));
    proxy.until_parked(0);
    assert_eq!(proxy.settled().client_aborted, 20);
}

#[test]
fn a_parked_upload_holds_one_window_and_then_goes_on() {
    let (proxy, origin) = start(&["parking.bytes=\"100KiB\""]);
    proxy.order("hold", "{\"for\": \"30s\"}");
    let mut client = Client::of(&proxy);
    let (answer, mut upload) = client.send(post("/"), false);
    upload
        .send_data(Bytes::from(vec![7; 200_000]), true)
        .unwrap();
    proxy.until_parked(1);
    let parked = proxy.status().parking.bytes;
    assert!((65_536..70_000).contains(&parked), "{parked}");
    // There is room for one window, not for two.
    let (second, _body) = client.send(post("/"), false);
    assert_eq!(client.answer(second).code(), 503_102);
    proxy.order("release", "{}");
    let mut worker = origin.accept();
    worker.head();
    assert_eq!(worker.chunked_body().len(), 200_000);
    worker.send(OK);
    assert_eq!(client.answer(answer).status(), 200);
}

#[test]
fn many_streams_are_served_at_once() {
    let (proxy, origin) = start(&[]);
    let _folder = origin.serve(|wire| while wire.try_head().is_some_and(|_| wire.try_send(OK)) {});
    let mut client = Client::of(&proxy);
    for _ in 0..10 {
        let answers: Vec<_> = (0..100).map(|_| client.get("/")).collect();
        for answer in answers {
            assert_eq!(client.answer(answer).body, b"hi");
        }
    }
    assert_eq!(proxy.settled().completed, 1000);
}

#[test]
fn an_upload_that_stalls_is_told_so_and_the_others_go_on() {
    let (proxy, origin) = start(&["timeouts.body=1s"]);
    let mut client = Client::of(&proxy);
    let (stalls, mut upload) = client.send(post("/stalls"), false);
    upload.send_data(Bytes::from_static(b"x"), false).unwrap();
    let mut stalled = origin.accept();
    stalled.head();
    let waits = client.get("/waits");
    let mut worker = origin.accept();
    worker.head();
    let answer = client.answer(stalls);
    assert_eq!(answer.code(), 408_102);
    // The worker never takes half of it for the whole.
    assert!(stalled.bytes(100).is_err());
    worker.send(OK);
    assert_eq!(client.answer(waits).status(), 200);
}

#[test]
fn a_client_that_takes_nothing_of_one_answer_loses_only_that_one() {
    let (proxy, origin) = start(&["timeouts.write=1s"]);
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(10_000);
    let mut client = Client::with(&proxy, &builder);
    let big = client.get("/big");
    let mut worker = origin.accept();
    worker.head();
    worker.send(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{}",
        "x".repeat(50_000)
    ));
    let (head, mut body) = client.wait(big).unwrap().into_parts();
    assert_eq!(head.status, 200);
    // It takes what fits into its window and no more.
    for _ in 0..40 {
        let small = client.get("/small");
        let mut other = origin.accept();
        other.head();
        other.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi");
        assert_eq!(client.answer(small).status(), 200);
        pass(Duration::from_millis(50));
    }
    let mut got = 0;
    let broke = client.wait(async {
        loop {
            match body.data().await {
                Some(Ok(piece)) => got += piece.len(),
                Some(Err(error)) => break error.reason(),
                None => break None,
            }
        }
    });
    assert!(broke.is_some(), "came to its end after {got}");
    assert_eq!(proxy.settled().client_aborted, 1);
}

#[test]
fn an_answer_that_breaks_off_is_never_taken_for_whole() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let broken = client.get("/");
        let mut worker = origin.accept();
        worker.head();
        worker.send(answer);
        drop(worker);
        let answer = client.answer(broken);
        assert_eq!((answer.status(), &answer.body[..]), (200, &b"half"[..]));
        assert_eq!(answer.broke, Some(Reason::INTERNAL_ERROR));
    }
    assert_eq!(proxy.settled().failed, 2);
}

#[test]
fn an_answer_before_the_end_of_its_request_is_passed_on() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let (answer, mut upload) = client.send(post("/"), false);
    upload.send_data(Bytes::from_static(b"x"), false).unwrap();
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno");
    let answer = client.answer(answer);
    assert_eq!((answer.status(), &answer.body[..]), (413, &b"no"[..]));
}

/// A POST of one byte whose stream has not ended although its answer has; its worker's connection.
fn answered_before_its_stream_ends(
    client: &mut Client,
    origin: &Origin,
) -> (h2::SendStream<Bytes>, Wire) {
    let mut request = post("/");
    let length = HeaderValue::from_static("1");
    request.headers_mut().insert(CONTENT_LENGTH, length);
    let (answer, mut upload) = client.send(request, false);
    upload.send_data(Bytes::from_static(b"x"), false).unwrap();
    let mut worker = origin.accept();
    worker.head();
    assert_eq!(worker.bytes(1).unwrap(), b"x");
    worker.send(OK);
    assert_eq!(client.answer(answer).status(), 200);
    (upload, worker)
}

#[test]
fn a_stream_whose_body_is_whole_may_end_after_its_answer() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let (mut upload, mut worker) = answered_before_its_stream_ends(&mut client, &origin);
    // On the same connection to the worker. A reset would have come before this answer.
    let next = client.get("/next");
    assert!(serve_one(&mut worker).starts_with("GET /next"));
    assert_eq!(client.answer(next).status(), 200);
    let ended = upload.send_data(Bytes::new(), true);
    ended.expect("a stream that was not reset");
}

#[test]
fn a_body_whose_end_is_still_to_be_said_is_whole_enough_to_be_sent_again() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let request = Request::put("http://shop.example/x").header(CONTENT_LENGTH, "3");
    let (answer, mut upload) = client.send(request.body(()).unwrap(), false);
    upload.send_data(Bytes::from_static(b"abc"), false).unwrap();
    let mut lost = origin.accept();
    lost.head();
    assert_eq!(lost.bytes(3).unwrap(), b"abc");
    drop(lost);
    let mut worker = origin.accept();
    assert!(worker.head().starts_with("PUT /x"));
    assert_eq!(worker.bytes(3).unwrap(), b"abc");
    worker.send(OK);
    assert_eq!(client.answer(answer).status(), 200);
    let ended = upload.send_data(Bytes::new(), true);
    ended.expect("a stream that was not reset");
    let ledger = proxy.settled();
    assert_eq!((ledger.completed, ledger.replayed), (1, 1));
}

#[test]
fn a_stream_that_never_ends_after_its_answer_is_reset_without_an_error() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let (mut upload, _worker) = answered_before_its_stream_ends(&mut client, &origin);
    let reset = client.wait(poll_fn(|cx| upload.poll_reset(cx)));
    assert_eq!(reset.unwrap(), Reason::NO_ERROR);
}

#[test]
fn a_flood_of_requests_that_are_taken_back_ends_its_connection() {
    let (proxy, origin) = start(&[]);
    let _folder = origin.serve(|wire| while wire.try_head().is_some() {});
    let mut client = Client::of(&proxy);
    let mut sent = 0;
    wait_until("its connection is closed", || {
        if client.is_open_after(Duration::ZERO) && sent < 2000 {
            let before = proxy.ledger().accepted;
            let many: Vec<_> = (0..50).map(|_| client.get("/")).collect();
            sent += 50;
            wait_until("accepted", || proxy.ledger().accepted >= before + 50);
            drop(many);
            return false;
        }
        true
    });
    assert!((150..=400).contains(&sent), "{sent}");
}
