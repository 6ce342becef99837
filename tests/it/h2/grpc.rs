//! Calls of gRPC, as far as autoheal speaks for itself or looks at how they end.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Request, Response};

use super::{
    client::{Answer, Client, post},
    worker::Worker,
};
use crate::http::proxy::{pass, start};

const H2C: &str = "worker.protocol=\"h2c\"";
const MESSAGE: &[u8] = b"\0\0\0\0\x02hi";

fn call(path: &str) -> Request<()> {
    let mut request = post(path);
    let headers = request.headers_mut();
    let kind = HeaderValue::from_static("application/grpc+proto");
    headers.insert("content-type", kind);
    headers.insert("te", HeaderValue::from_static("trailers"));
    request
}

/// What a caller is told, where that is all of the answer.
fn told(answer: &Answer) -> (&str, u32) {
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.field("content-type"), Some("application/grpc"));
    assert!(answer.body.is_empty() && answer.trailers.is_none());
    let message = answer.field("grpc-message").unwrap();
    assert!(message.starts_with(&answer.code().to_string()), "{message}");
    (answer.field("grpc-status").unwrap(), answer.code())
}

fn ends_with(status: &'static str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-status", HeaderValue::from_static(status));
    fields
}

#[test]
fn a_caller_is_parked_no_longer_than_it_waits() {
    let (proxy, _origin) = start(&[H2C]);
    proxy.order("hold", "{\"for\": \"30s\"}");
    let mut client = Client::of(&proxy);
    let mut request = call("/shop.Cart/Add");
    request
        .headers_mut()
        .insert("grpc-timeout", HeaderValue::from_static("300m"));
    let since = autoheal::time::now();
    let (answer, _body) = client.send(request, false);
    let answer = client.answer(answer);
    assert_eq!(told(&answer), ("14", 503_101));
    let took = autoheal::time::now().since(since);
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_secs(3),
        "{took:?}"
    );
}

#[test]
fn a_worker_of_http_1_1_can_t_be_called() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let (answer, _body) = client.send(call("/shop.Cart/Add"), false);
    assert_eq!(told(&client.answer(answer)), ("12", 502_109));
    let web = HeaderValue::from_static("application/grpc-web+proto");
    let mut request = post("/shop.Cart/Add");
    request.headers_mut().insert("content-type", web);
    let (answer, _) = client.send(request, true);
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer(answer).status(), 200);
}

#[test]
fn a_call_that_the_worker_did_not_begin_with_is_made_again() {
    let (proxy, origin) = start(&[H2C]);
    let mut client = Client::of(&proxy);
    let (answer, mut body) = client.send(call("/shop.Cart/Add"), false);
    body.send_data(Bytes::from_static(MESSAGE), true).unwrap();
    let worker = Worker::on(origin.accept());
    let mut refused = worker.call();
    let message = worker.wait(refused.request.body_mut().data());
    assert_eq!(message.unwrap().unwrap(), MESSAGE);
    refused.respond.send_reset(Reason::REFUSED_STREAM);
    let mut taken = worker.call();
    let message = worker.wait(taken.request.body_mut().data());
    assert_eq!(message.unwrap().unwrap(), MESSAGE);
    let mut stream = taken.head(Response::new(()));
    stream.send_trailers(ends_with("0")).unwrap();
    let answer = client.answer(answer);
    assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
}

#[test]
fn a_call_may_be_silent_for_as_long_as_it_likes() {
    let (proxy, origin) = start(&[H2C, "timeouts.body=1s", "timeouts.write=1s"]);
    let mut client = Client::of(&proxy);
    let (answer, mut body) = client.send(call("/shop.Prices/Watch"), false);
    body.send_data(Bytes::from_static(MESSAGE), false).unwrap();
    let worker = Worker::on(origin.accept());
    let mut taken = worker.call();
    let mut stream = taken.head(Response::new(()));
    stream
        .send_data(Bytes::from_static(MESSAGE), false)
        .unwrap();
    pass(Duration::from_millis(2500));
    body.send_data(Bytes::from_static(MESSAGE), true).unwrap();
    stream.send_trailers(ends_with("0")).unwrap();
    let answer = client.answer(answer);
    assert_eq!((&answer.body[..], answer.broke), (MESSAGE, None));
    assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
}

#[test]
fn a_rule_sees_how_calls_end_wherever_that_stands() {
    let (proxy, origin) = start(&[
        H2C,
        "rule=[{ name = \"calls\", min_uptime = \"0s\", do = [\"log\"], \
         when = { status = { codes = \"grpc:unavailable\", count = 2, window = \"1min\" } } }]",
    ]);
    let mut client = Client::of(&proxy);
    let mut worker = None;
    let mut ended = |status: &'static str, in_trailers: bool| {
        let (answer, _) = client.send(call("/shop.Cart/Add"), true);
        let worker = worker.get_or_insert_with(|| Worker::on(origin.accept()));
        let mut taken = worker.call();
        if in_trailers {
            let mut stream = taken.head(Response::new(()));
            stream
                .send_data(Bytes::from_static(MESSAGE), false)
                .unwrap();
            stream.send_trailers(ends_with(status)).unwrap();
        } else {
            let mut head = Response::new(());
            *head.headers_mut() = ends_with(status);
            taken.respond.send_response(head, true).unwrap();
        }
        let answer = client.answer(answer);
        let fields = answer
            .trailers
            .unwrap_or_else(|| answer.head.headers().clone());
        assert_eq!(fields["grpc-status"], status);
    };
    let fired = || proxy.log().contains("rule \"calls\" fired");
    for status in ["0", "5", "13"] {
        ended(status, true);
        ended(status, false);
    }
    ended("14", true);
    pass(Duration::from_millis(300));
    assert!(!fired(), "{}", proxy.log());
    ended("14", false);
    proxy.until("the rule has fired", |_| fired());
}
