//! What a head is on each side: what is removed, added and kept.

use super::{
    origin::Origin,
    proxy::{Proxy, start},
    wire::{Answer, Wire, fields, names},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The head that a worker reads when a client says these lines.
fn sent_on(lines: &str, settings: &[&str]) -> String {
    let (proxy, origin) = start(settings);
    let mut client = proxy.says(format!("GET / HTTP/1.1\r\nhost: a.example\r\n{lines}\r\n"));
    let mut worker = origin.accept();
    let head = worker.head();
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    head
}

/// What a client gets when the worker answers this.
fn handed_on(answer: &str) -> (Answer, Wire, Wire, Proxy, Origin) {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send(answer);
    let answer = client.answer();
    (answer, client, worker, proxy, origin)
}

#[test]
fn what_a_client_says_for_one_hop_is_not_sent_on() {
    let head = sent_on(
        "connection: x-one, keep-alive\r\nconnection: x-two\r\nx-one: 1\r\nx-two: 2\r\n\
         keep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nproxy-authorization: x\r\n\
         upgrade: h2c\r\nhttp2-settings: x\r\nte: gzip\r\nx-kept: 3\r\n",
        &[],
    );
    let ours = [
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    let mut left = names(&head);
    left.retain(|name| !ours.contains(name) && *name != "x-request-id");
    assert_eq!(left, ["host", "x-kept"]);
}

#[test]
fn a_client_may_not_nominate_what_others_rely_on() {
    let head = sent_on(
        "connection: host, cookie, authorization, x-forwarded-for, content-type, via\r\n\
         cookie: c=1\r\nauthorization: Basic x\r\ncontent-type: text/plain\r\n",
        &[],
    );
    for name in [
        "host",
        "cookie",
        "authorization",
        "content-type",
        "via",
        "x-forwarded-for",
    ] {
        assert_eq!(fields(&head, name).len(), 1, "{name} in {head}");
    }
}

#[test]
fn what_a_worker_says_for_one_hop_is_not_handed_on() {
    let (answer, mut client, mut worker, _proxy, _origin) = handed_on(
        "HTTP/1.1 200 OK\r\nconnection: x-internal\r\nconnection: x-more\r\nx-internal: 1\r\n\
         x-more: 2\r\nkeep-alive: timeout=5\r\nproxy-connection: keep-alive\r\n\
         proxy-authenticate: Basic\r\nupgrade: h2c\r\nx-kept: 3\r\ncontent-length: 2\r\n\r\nhi",
    );
    let mut left = names(&answer.head);
    left.retain(|name| *name != "date");
    assert_eq!(left, ["x-kept", "content-length"]);
    assert_eq!(answer.text(), "hi");
    client.send("GET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(
        worker.head().starts_with("GET /2"),
        "both connections go on"
    );
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn order_and_repetition_of_fields_are_kept_both_ways() {
    let head = sent_on(
        "x-b: 1\r\nx-a: 2\r\nx-b: 3\r\naccept: */*\r\ncookie: a=1\r\n",
        &[],
    );
    assert_eq!(fields(&head, "x-b"), ["1", "3"]);
    let sent: Vec<_> = names(&head).into_iter().take(5).collect();
    assert_eq!(sent, ["host", "x-b", "x-b", "x-a", "accept"]);
    let (answer, ..) = handed_on(
        "HTTP/1.1 200 OK\r\nset-cookie: a=1; path=/, x\r\nx-z: 1\r\nset-cookie: b=2\r\n\
         date: Thu, 01 Jan 1970 00:00:00 GMT\r\nserver: theirs\r\ncontent-length: 0\r\n\r\n",
    );
    assert_eq!(answer.fields("set-cookie"), ["a=1; path=/, x", "b=2"]);
    assert_eq!(answer.field("date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    assert_eq!(answer.field("server"), Some("theirs"));
}

#[test]
fn an_answer_without_a_date_gets_one() {
    let (answer, ..) = handed_on(OK);
    assert!(answer.field("date").unwrap().ends_with(" GMT"));
}

#[test]
fn a_trusted_clients_word_on_who_asked_is_appended_to() {
    let said = "x-forwarded-for: 1.1.1.1\r\nx-forwarded-proto: https\r\n\
                x-forwarded-host: b.example\r\nforwarded: for=1.1.1.1\r\nx-request-id: theirs\r\n\
                via: 1.0 front\r\n";
    let head = sent_on(said, &[]);
    assert_eq!(fields(&head, "x-forwarded-for"), ["1.1.1.1, 127.0.0.1"]);
    assert_eq!(fields(&head, "x-forwarded-proto"), ["https"]);
    assert_eq!(fields(&head, "x-forwarded-host"), ["b.example"]);
    assert_eq!(fields(&head, "forwarded"), ["for=1.1.1.1"]);
    assert_eq!(fields(&head, "x-request-id"), ["theirs"]);
    let via = fields(&head, "via");
    assert_eq!(via.len(), 2);
    assert_eq!(via[0], "1.0 front");
    assert!(via[1].starts_with("1.1 autoheal-"));
}

#[test]
fn a_strangers_word_on_who_asked_is_replaced() {
    let said = "x-forwarded-for: 1.1.1.1\r\nx-forwarded-proto: https\r\n\
                x-forwarded-host: b.example\r\nforwarded: for=1.1.1.1\r\nx-request-id: theirs\r\n";
    let head = sent_on(said, &["trust=\"none\""]);
    assert_eq!(fields(&head, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(fields(&head, "x-forwarded-proto"), ["http"]);
    assert_eq!(fields(&head, "x-forwarded-host"), ["a.example"]);
    assert!(fields(&head, "forwarded").is_empty());
    let id = fields(&head, "x-request-id");
    assert!(id[0].len() == 16 && id[0] != "theirs", "{id:?}");
}

#[test]
fn each_request_has_an_id_of_its_own() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.client();
    let mut ids = Vec::new();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    for round in 0..3 {
        if round > 0 {
            client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        }
        ids.push(fields(&worker.head(), "x-request-id")[0].to_owned());
        worker.send(OK);
        client.answer();
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn an_expectation_is_met_by_us_and_not_sent_on() {
    let (proxy, origin) = start(&[]);
    let request = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-Continue\r\ncontent-length: 3\r\n\r\n";
    let mut client = proxy.says(request);
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    let mut worker = origin.accept();
    assert!(fields(&worker.head(), "expect").is_empty());
    assert_eq!(worker.bytes(3).unwrap(), b"abc");
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    let other = "POST / HTTP/1.1\r\nhost: a\r\nexpect: miracles\r\ncontent-length: 3\r\n\r\nabc";
    assert_eq!(proxy.answers(other).code(), 417_101);
}

#[test]
fn a_body_is_not_asked_for_when_nobody_will_read_it() {
    let (proxy, _origin) = start(&[]);
    proxy.order("stop", "{}");
    proxy.until("stopped", |status| status.workers.is_empty());
    let mut client = proxy
        .says("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n");
    assert_eq!(client.answer().code(), 503_105);
    client.is_closed();
}

#[test]
fn an_early_hint_is_swallowed_and_the_answer_comes_at_once() {
    let (answer, ..) = handed_on(
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    );
    assert_eq!((answer.status, answer.text()), (200, "hi"));
    assert!(answer.field("link").is_none());
}

#[test]
fn answers_without_a_body_are_framed_right_and_the_connections_go_on() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    let rounds = [
        ("HEAD", "200 OK\r\ncontent-length: 42", Some("42")),
        ("HEAD", "200 OK\r\ntransfer-encoding: chunked", None),
        ("GET", "304 Not Modified\r\ncontent-length: 42", None),
        ("GET", "204 No Content", None),
    ];
    for (round, (method, says, length)) in rounds.into_iter().enumerate() {
        if round > 0 {
            client.send(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n"));
        }
        worker.head();
        worker.send(format!("HTTP/1.1 {says}\r\n\r\n"));
        let answer = client.answer_to(method);
        assert_eq!(answer.status, says[..3].parse::<u16>().unwrap());
        assert_eq!(answer.field("content-length"), length, "{says}");
    }
}

#[test]
fn a_client_of_http_1_0_is_served_and_its_connection_ends_unless_it_asks() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n");
    let mut worker = origin.accept();
    assert!(worker.head().starts_with("GET / HTTP/1.1\r\n"));
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    let answer = client.answer();
    assert_eq!(answer.field("connection"), Some("keep-alive"));
    client.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
    let answer = client.answer();
    assert!(answer.field("transfer-encoding").is_none());
    assert_eq!(answer.text(), "hi");
    client.is_closed();
}

#[test]
fn a_worker_of_http_1_0_is_understood() {
    let (answer, mut client, _worker, _proxy, origin) =
        handed_on("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!((answer.text(), answer.field("connection")), ("hi", None));
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn our_own_answers_follow_accept_and_name_code_and_request() {
    let (proxy, _origin) = start(&[]);
    proxy.order("stop", "{}");
    proxy.until("stopped", |status| status.workers.is_empty());
    let mut client = proxy.client();
    for (accept, kind) in [
        (
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/html; charset=utf-8",
        ),
        ("application/json", "application/problem+json"),
        ("*/*", "text/plain; charset=utf-8"),
    ] {
        client.send(format!(
            "GET / HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n\r\n"
        ));
        let answer = client.answer();
        assert_eq!(answer.code(), 503_105);
        assert_eq!(answer.field("content-type"), Some(kind));
        assert!(answer.field("retry-after").is_some());
        let id = answer.field("x-request-id").unwrap();
        assert!(
            answer.text().contains("503105") && answer.text().contains(id),
            "{answer:?}"
        );
    }
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer_to("HEAD").code(), 503_105);
}

#[test]
fn the_worker_is_told_who_asked_in_standard_words_where_that_is_wanted() {
    let (proxy, origin) = start(&["forwarded=true"]);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut client = proxy.says(format!(
        "GET / HTTP/1.1\r\nhost: a:80\r\ntraceparent: {trace}\r\ntracestate: b=2\r\n\r\n"
    ));
    let mut worker = origin.accept();
    let head = worker.head();
    let said = "for=127.0.0.1;host=\"a:80\";proto=http";
    assert_eq!(fields(&head, "forwarded"), [said]);
    assert_eq!(fields(&head, "traceparent"), [trace]);
    assert_eq!(fields(&head, "tracestate"), ["b=2"]);
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}
