//! Requests that two readers could cut in different places (RFC 9112 sections 2, 3, 6 and 7), each
//! with another behind it. What counts is what the worker read.

use std::time::Duration;

use super::{
    proxy::{Proxy, start},
    wire::fields,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const BEHIND: &str = "GET /behind HTTP/1.1\r\nhost: a\r\n\r\n";
const QUIET: Duration = Duration::from_millis(50);

/// What is wrong with the answer to a request that must be refused alone. `code`: its beginning.
fn trouble(proxy: &Proxy, request: &str, code: &str) -> Option<String> {
    let bytes: Vec<u8> = format!("{request}{BEHIND}")
        .chars()
        .map(|c| u8::try_from(c).unwrap())
        .collect();
    let mut client = proxy.says(bytes);
    let Some(head) = client.try_head() else {
        return Some(format!("{request:?}: closed without an answer"));
    };
    let said = format!("details=\"{code}");
    let (rest, _) = client.rest(Duration::from_secs(5));
    let rest = String::from_utf8_lossy(&rest).into_owned();
    if head.contains(&said) && !rest.contains("HTTP/1.1 ") {
        return None;
    }
    Some(format!(
        "{request:?}: not {code} alone but {head:?} {rest:?}"
    ))
}

/// Each of these is refused with its code, what stands behind it is never read as a request, and
/// the worker hears of neither.
fn are_refused(requests: impl IntoIterator<Item = (String, &'static str)>) {
    let (proxy, origin) = start(&[]);
    let script = |wire: &mut super::wire::Wire| {
        while let Some(head) = wire.try_head() {
            let said = head.len().to_string();
            let answer = format!("HTTP/1.1 299 Reached\r\nx: {said}\r\ncontent-length: 0\r\n\r\n");
            if !wire.try_send(answer) {
                return;
            }
        }
    };
    let _folder = origin.serve(script);
    let mut count = 0;
    let troubles: Vec<_> = requests
        .into_iter()
        .inspect(|_| count += 1)
        .filter_map(|(request, code)| trouble(&proxy, &request, code))
        .collect();
    assert!(troubles.is_empty(), "{troubles:#?}");
    let ledger = proxy.settled();
    assert_eq!((ledger.refused, ledger.completed), (count, 0));
}

#[test]
fn no_odd_length_or_coding_reaches_the_worker() {
    let lengths = [
        "5, 6",
        "5;q=1",
        "1e1",
        "1_0",
        "5\t5",
        "\u{b2}",
        "18446744073709551616",
        "-0",
        "5\r\nContent-Length: 5,5",
    ];
    let codings = [
        "chunked;x",
        "\"chunked\"",
        "chunked,",
        "chunked identity",
        "chunkedx",
        "",
        "chunked\r\ntransfer-encoding: identity",
        "identity\r\ntransfer-encoding: chunked",
    ];
    let broken = [
        "transfer-encoding: \x0bchunked",
        "transfer-encoding: chunked\x0b",
        "transfer-encoding:\r\n chunked",
        "content-length: \x0b5",
        "content-length: 5\x0b",
        "content-length:\r\n 5",
    ];
    let post = |field: String| format!("POST / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n");
    let lengths = lengths.map(|value| (post(format!("content-length: {value}")), "400103"));
    let codings = codings.map(|value| (post(format!("transfer-encoding: {value}")), "400103"));
    let broken = broken.map(|line| (post(line.to_owned()), "400104"));
    are_refused(lengths.into_iter().chain(codings).chain(broken));
}

#[test]
fn no_odd_line_reaches_the_worker() {
    let lines = [
        "GET / HTTP/1.1\r\nhost: a\r\nx: 1\rtransfer-encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\rhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length\t: 3\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\n host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx(y): 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx\"y: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx@y: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx\0: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx\u{e9}: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx y: 1\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /\tHTTP/1.1\r\nhost: a\r\n\r\n",
        " GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nhost: a\r\n\r\n",
        "GET / http/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.10\r\nhost: a\r\n\r\n",
        "GET / HTTP/01.1\r\nhost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "GET http://u@b/ HTTP/1.1\r\nhost: b\r\n\r\n",
        "GET http:///x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http:/x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http://a:b/ HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET #f HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET ?q HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\tb\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: http://a\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    ];
    // Which of the codes for a bad head is not the point here.
    are_refused(lines.map(|request| (request.to_owned(), "4001")));
}

/// What a worker reads of a request and of the one behind it: the first head, its body, and that
/// the second is whole.
fn arrives(request: &str, length: usize) -> (String, String) {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(format!("{request}{BEHIND}"));
    let mut worker = origin.accept();
    let head = worker.head();
    let body = String::from_utf8(worker.bytes(length).unwrap()).unwrap();
    worker.send(OK);
    let mut worker = origin.accept_or(worker);
    let behind = worker.head();
    assert!(
        behind.starts_with("GET /behind HTTP/1.1\r\n"),
        "{request:?}: {behind:?}"
    );
    worker.send(OK);
    assert_eq!((client.answer().status, client.answer().status), (200, 200));
    origin.hears_nothing(QUIET);
    (head, body)
}

#[test]
fn what_is_legal_but_odd_reaches_the_worker_in_its_plain_form() {
    for value in [" 5", "5 ", "\t5\t", "0000000005", "5\r\ncontent-length: 05"] {
        let (head, body) = arrives(
            &format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length:{value}\r\n\r\nabcde"),
            5,
        );
        assert_eq!(fields(&head, "content-length"), ["5"]);
        assert!(
            head.contains(": 5\r\n") && body == "abcde",
            "{value:?}: {head:?}"
        );
    }
    for value in ["\tchunked", "chunked ", "CHUNKED"] {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:{value}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        );
        let (head, body) = arrives(&request, 13);
        let codings = fields(&head, "transfer-encoding");
        assert!(
            codings.len() == 1 && codings[0].eq_ignore_ascii_case("chunked"),
            "{head:?}"
        );
        assert_eq!(body, "3\r\nabc\r\n0\r\n\r\n", "{value:?}");
    }
    for (target, path, host) in [
        ("HTTP://b/x", "/x", "b"),
        ("https://b", "/", "b"),
        ("http://b?q", "/?q", "b"),
        ("//b/x", "//b/x", "a"),
        ("/x#f", "/x", "a"),
    ] {
        let (head, _) = arrives(&format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"), 0);
        assert!(
            head.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
            "{target}: {head:?}"
        );
        assert_eq!(fields(&head, "host"), [host], "{target}");
    }
}

#[test]
fn chunks_are_framed_anew_for_the_worker() {
    for body in [
        "3;a=b\r\nabc\r\n0\r\n\r\n",
        "3;a=\"b;c\"\r\nabc\r\n0;x\r\n\r\n",
        "003\r\nabc\r\n000\r\n\r\n",
        "3\r\nabc\r\n0\r\ncontent-length: 9\r\n\r\n",
    ] {
        let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let (_, came) = arrives(&format!("{head}{body}"), 13);
        assert_eq!(came, "3\r\nabc\r\n0\r\n\r\n", "{body:?}");
    }
}

#[test]
fn chunks_that_break_the_rules_end_the_request_and_the_connection() {
    for body in [
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "3_0\r\nabc\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3\rabc\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nbad\0: 1\r\n\r\n",
        "3\r\nabc\r\n0\r\nx : 1\r\n\r\n",
    ] {
        let (proxy, origin) = start(&[]);
        let mut client =
            proxy.says("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut worker = origin.accept();
        worker.head();
        client.send(format!("{body}{BEHIND}"));
        let (came, _) = worker.rest(Duration::from_secs(5));
        let came = String::from_utf8_lossy(&came).into_owned();
        assert!(
            !came.ends_with("0\r\n\r\n"),
            "made whole: {body:?} {came:?}"
        );
        assert!(!came.contains("/behind"), "{body:?} {came:?}");
        assert_eq!(client.answer().code(), 400_106, "{body:?}");
        client.is_closed();
        origin.hears_nothing(QUIET);
    }
}
