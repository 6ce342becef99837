//! What becomes of an HTTP/2 head on its way to a worker that speaks HTTP/1.1, and back.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};

use super::{
    client::{Client, get, post},
    frames::{END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, RST_STREAM, STATUS_400},
};
use crate::http::{
    proxy::start,
    wire::{fields, names},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
const PROTOCOL_ERROR: u32 = 1;

#[test]
fn a_request_becomes_one_of_http_1_1_and_its_answer_one_of_http_2() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let mut request = get("/a?b=c");
    let headers = request.headers_mut();
    for crumb in ["a=1", "b=2; c=3", "d=4"] {
        headers.append("cookie", HeaderValue::from_static(crumb));
    }
    headers.insert("te", HeaderValue::from_static("trailers"));
    headers.insert("priority", HeaderValue::from_static("u=1"));
    let (answer, _) = client.send(request, true);
    let mut worker = origin.accept();
    let head = worker.head();
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    assert_eq!(fields(&head, "host"), ["shop.example"]);
    assert_eq!(fields(&head, "cookie"), ["a=1; b=2; c=3; d=4"]);
    assert_eq!(fields(&head, "te"), ["trailers"]);
    assert_eq!(fields(&head, "priority"), ["u=1"]);
    assert_eq!(fields(&head, "x-forwarded-proto"), ["http"]);
    assert!(fields(&head, "via")[0].starts_with("2.0 autoheal-"));
    assert!(!names(&head).contains(&"transfer-encoding"), "{head}");
    worker.send(
        "HTTP/1.1 200 OK\r\nconnection: x-hop, keep-alive\r\nkeep-alive: timeout=5\r\nx-hop: 1\r\n\
         upgrade: h2c\r\ncontent-length: 2\r\nset-cookie: a\r\nset-cookie: b\r\n\r\nhi",
    );
    let answer = client.answer(answer);
    assert_eq!((answer.status(), &answer.body[..]), (200, &b"hi"[..]));
    let mut names: Vec<_> = answer.head.headers().keys().map(|n| n.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "set-cookie"]);
    assert_eq!(
        answer.head.headers().get_all("set-cookie").iter().count(),
        2
    );
}

#[test]
fn a_body_of_unknown_length_is_sent_in_chunks_whatever_the_method() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    for method in ["POST", "GET"] {
        let mut request = post("/");
        *request.method_mut() = method.parse().unwrap();
        let (answer, mut body) = client.send(request, false);
        body.send_data(Bytes::from_static(b"one"), false).unwrap();
        let mut worker = origin.accept();
        let head = worker.head();
        assert!(head.starts_with(method), "{head}");
        assert_eq!(fields(&head, "transfer-encoding"), ["chunked"]);
        body.send_data(Bytes::from_static(b"two"), true).unwrap();
        assert_eq!(worker.chunked_body(), b"onetwo");
        worker.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(client.answer(answer).status(), 200);
    }
    let mut request = post("/");
    request
        .headers_mut()
        .insert("content-length", HeaderValue::from_static("3"));
    let (answer, mut body) = client.send(request, false);
    body.send_data(Bytes::from_static(b"abc"), true).unwrap();
    let mut worker = origin.accept();
    let head = worker.head();
    assert_eq!(fields(&head, "content-length"), ["3"]);
    assert!(!names(&head).contains(&"transfer-encoding"), "{head}");
    assert_eq!(worker.bytes(3).unwrap(), b"abc");
    worker.send(OK);
    assert_eq!(client.answer(answer).status(), 200);
}

#[test]
fn trailers_go_both_ways() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let mut request = post("/");
    let headers = request.headers_mut();
    headers.insert("te", HeaderValue::from_static("trailers"));
    headers.insert("trailer", HeaderValue::from_static("x-sum, host"));
    let (answer, mut body) = client.send(request, false);
    body.send_data(Bytes::from_static(b"x"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("120"));
    trailers.insert("host", HeaderValue::from_static("b"));
    body.send_trailers(trailers).unwrap();
    let mut worker = origin.accept();
    assert_eq!(fields(&worker.head(), "trailer"), ["x-sum, host"]);
    assert_eq!(
        worker.until("\r\n\r\n"),
        "1\r\nx\r\n0\r\nx-sum: 120\r\n\r\n"
    );
    worker.send(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-took: 7\r\n\
         connection: close\r\ncontent-length: 9\r\n\r\n",
    );
    let answer = client.answer(answer);
    assert_eq!(answer.body, b"hi");
    let trailers = answer.trailers.unwrap();
    // A client takes the whole answer for malformed over the others.
    assert_eq!(
        (trailers.len(), &trailers["x-took"]),
        (1, &HeaderValue::from_static("7"))
    );
}

#[test]
fn an_answer_whose_only_trailers_may_not_stand_there_has_none() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    for _ in 0..2 {
        let (answer, _) = client.send(get("/"), true);
        let mut worker = origin.accept();
        worker.head();
        worker.send(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n\
             0\r\nconnection: close\r\n\r\n",
        );
        let answer = client.answer(answer);
        assert_eq!(answer.body, b"hi");
        assert!(answer.trailers.is_none_or(|trailers| trailers.is_empty()));
    }
    assert_eq!(proxy.settled().completed, 2);
}

#[test]
fn the_answers_to_head_and_without_a_body_are_whole() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let mut request = get("/");
    *request.method_mut() = http::Method::HEAD;
    let (answer, _) = client.send(request, true);
    let mut worker = origin.accept();
    worker.head();
    // Which is no length, and nothing to lose the answer over.
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n");
    assert_eq!(client.answer(answer).status(), 200);
    let mut request = get("/");
    *request.method_mut() = http::Method::HEAD;
    let (answer, _) = client.send(request, true);
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    let answer = client.answer(answer);
    assert_eq!((answer.status(), answer.body.len()), (200, 0));
    assert_eq!(answer.field("content-length"), Some("5"));
    let answer = client.get("/");
    let mut worker = origin.accept_or(worker);
    worker.head();
    worker.send("HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n");
    assert_eq!(client.answer(answer).status(), 304);
}

#[test]
fn one_authority_is_wanted() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    let mut agrees = get("/");
    let host = HeaderValue::from_static("SHOP.example");
    agrees.headers_mut().insert("host", host);
    let (answer, _) = client.send(agrees, true);
    let mut worker = origin.accept();
    assert_eq!(fields(&worker.head(), "host").len(), 1);
    worker.send(OK);
    assert_eq!(client.answer(answer).status(), 200);
    let mut differs = get("/");
    let host = HeaderValue::from_static("other.example");
    differs.headers_mut().insert("host", host);
    let (answer, _) = client.send(differs, true);
    assert_eq!(client.answer(answer).code(), 400_101);
    let mut neither = Frames::to(&proxy);
    neither.request(
        1,
        &[(":method", "GET"), (":scheme", "http"), (":path", "/")],
    );
    let answer = neither.next().unwrap();
    assert_eq!((answer.kind, answer.payload[0]), (HEADERS, STATUS_400));
}

#[test]
fn what_may_not_be_sent_on_is_refused_and_its_connection_goes_on() {
    let (proxy, origin) = start(&[]);
    let mut client = Client::of(&proxy);
    for edge in [" a", "a ", "\ta"] {
        let mut request = get("/");
        request
            .headers_mut()
            .insert("x", HeaderValue::from_str(edge).unwrap());
        let (answer, _) = client.send(request, true);
        assert_eq!(client.answer(answer).code(), 400_104, "{edge:?}");
    }
    for method in ["TRACE", "CONNECT"] {
        let mut request = get("/");
        *request.method_mut() = method.parse().unwrap();
        if method == "CONNECT" {
            *request.uri_mut() = "shop.example:80".parse().unwrap();
        }
        let (answer, _) = client.send(request, true);
        assert_eq!(client.answer(answer).code(), 405_101);
    }
    let mut request = get("/");
    for number in 0..101 {
        let name: http::HeaderName = format!("x-{number}").parse().unwrap();
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static("y"));
    }
    let (answer, _) = client.send(request, true);
    assert_eq!(client.answer(answer).code(), 431_101);
    let long = format!("http://shop.example/{}", "x".repeat(16384));
    let (answer, _) = client.send(Request::get(long).body(()).unwrap(), true);
    assert_eq!(client.answer(answer).code(), 414_101);
    let answer = client.get("/");
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer(answer).status(), 200);
}

#[test]
fn a_malformed_request_reaches_no_worker() {
    let (proxy, origin) = start(&[]);
    let usual = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ];
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        (":status", "200"),
        (":path", "/again"),
    ] {
        let mut client = Frames::to(&proxy);
        let mut fields = usual.to_vec();
        fields.push((name, value));
        client.request(1, &fields);
        let frame = client.next().unwrap();
        assert_eq!(frame.kind, RST_STREAM, "{name}: {frame:?}");
        assert_eq!(
            (frame.stream, frame.reason()),
            (1, PROTOCOL_ERROR),
            "{name}"
        );
    }
    for path in ["x", "", "*"] {
        let mut client = Frames::to(&proxy);
        let mut fields = usual;
        fields[2] = (":path", path);
        client.request(1, &fields);
        let frame = client.next().unwrap();
        let refused = match frame.kind {
            HEADERS => frame.payload[0] == STATUS_400,
            kind => kind == RST_STREAM && frame.reason() == PROTOCOL_ERROR,
        };
        assert!(refused, "{path:?}: {frame:?}");
    }
    for (name, value) in [
        ("X", "y"),
        ("x", "a\r\nb: c"),
        ("x", "a\0"),
        ("", "x"),
        ("a b", "c"),
    ] {
        let mut client = Frames::to(&proxy);
        let mut fields = usual.to_vec();
        fields.push((name, value));
        client.request(1, &fields);
        let frame = client.next().unwrap();
        assert!(
            [GOAWAY, RST_STREAM].contains(&frame.kind),
            "{name:?}: {frame:?}"
        );
    }
    origin.hears_nothing(std::time::Duration::from_millis(30));
}

#[test]
fn a_body_that_is_not_as_long_as_was_said_is_no_body() {
    let (proxy, origin) = start(&[]);
    let mut client = Frames::to(&proxy);
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
        ("content-length", "5"),
    ];
    client.send(HEADERS, END_HEADERS, 1, &super::frames::literals(&fields));
    let mut worker = origin.accept();
    worker.head();
    client.send(0, END_STREAM, 1, b"abc");
    let frame = client.next().unwrap();
    assert_eq!((frame.kind, frame.reason()), (RST_STREAM, PROTOCOL_ERROR));
    // Never as if it were whole.
    assert!(worker.bytes(5).is_err());
}
