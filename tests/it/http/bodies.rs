//! Bodies in both directions, whole and broken off.

use std::{io::Write, time::Duration};

use super::{
    proxy::{Proxy, start, wait_until},
    wire::{End, fields},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const MIB: usize = 1024 * 1024;
/// Long for a worker to hear that its client left, and short for anything that only times out.
const AT_ONCE: Duration = Duration::from_secs(2);

/// autoheal's resident memory, in bytes.
fn resident(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

#[test]
fn an_answer_that_breaks_off_is_never_made_to_look_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ] {
        let (proxy, origin) = start(&[]);
        let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut worker = origin.accept();
        worker.head();
        worker.send(answer);
        drop(worker);
        let said = client.answer();
        assert!(
            said.status == 200 && !said.whole,
            "{answer:?} became {said:?}"
        );
        assert_eq!(said.body, b"abc");
        let ledger = proxy.settled();
        assert_eq!(
            (ledger.failed, ledger.by_code[0].code),
            (1, 502_106),
            "{answer:?}"
        );
    }
}

#[test]
fn a_client_of_http_1_0_sees_a_broken_answer_as_a_reset() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("GET / HTTP/1.0\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert!(client.head().contains(" 200 OK\r\n"));
    assert_eq!(client.bytes(3).unwrap(), b"abc");
    drop(worker);
    assert_eq!(client.rest(Duration::from_secs(5)).1, End::Reset);
}

#[test]
fn the_last_answer_is_not_destroyed_by_what_a_client_says_after_its_last_request() {
    for more in [0, 300 * 1024] {
        let (proxy, origin) = start(&[]);
        let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let mut worker = origin.accept();
        worker.head();
        client.send(vec![b'x'; more]);
        worker.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
        assert_eq!(client.answer().text(), "abc");
        assert_eq!(client.rest(Duration::from_secs(5)).1, End::Closed, "{more}");
    }
}

#[test]
fn an_answer_without_a_length_ends_with_its_connection() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.0 200 OK\r\n\r\nall of it");
    drop(worker);
    let answer = client.answer();
    assert_eq!((answer.text(), answer.whole), ("all of it", true));
}

#[test]
fn trailers_pass_both_ways() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(
        "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntrailer: x-sum\r\n\
         transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n",
    );
    let mut worker = origin.accept();
    let head = worker.head();
    assert_eq!(fields(&head, "te"), ["trailers"]);
    assert_eq!(fields(&head, "trailer"), ["x-sum"]);
    assert_eq!(
        worker.until("\r\n\r\n"),
        "3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n"
    );
    worker.send(
        "HTTP/1.1 200 OK\r\ntrailer: x-check\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nx-check: 7\r\n\r\n",
    );
    let answer = client.answer();
    assert_eq!(
        (answer.text(), answer.trailers.as_str()),
        ("hi", "x-check: 7\r\n")
    );
}

#[test]
fn a_get_with_a_body_of_unknown_length_keeps_it() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(
        "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    let mut worker = origin.accept();
    assert_eq!(fields(&worker.head(), "transfer-encoding"), ["chunked"]);
    assert_eq!(worker.until("0\r\n\r\n"), "3\r\nabc\r\n0\r\n\r\n");
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_refusal_in_the_middle_of_an_upload_reaches_the_client() {
    for close in [true, false] {
        let (proxy, origin) = start(&[]);
        let mut client =
            proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50000000\r\n\r\n");
        client.send(vec![b'x'; MIB]);
        let mut worker = origin.accept();
        worker.head();
        let connection = if close { "connection: close\r\n" } else { "" };
        worker.send(format!(
            "HTTP/1.1 413 Content Too Large\r\n{connection}content-length: 3\r\n\r\nbig"
        ));
        if close {
            drop(worker);
            // It has not looked yet and goes on.
            while client.try_send(vec![b'x'; 64 * 1024]) && proxy.ledger().in_flight > 0 {}
        }
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.text()),
            (413, "big"),
            "close: {close}"
        );
        drop(client);
        let ledger = proxy.settled();
        assert_eq!((ledger.completed, ledger.failed), (1, 0));
    }
}

#[test]
fn an_upload_goes_on_after_its_answer_while_the_worker_reads() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc");
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly");
    assert_eq!(client.answer().text(), "early");
    client.send("def");
    assert_eq!(worker.bytes(6).unwrap(), b"abcdef");
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn the_worker_sees_at_once_that_a_client_left() {
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let (proxy, origin) = start(&[]);
        let client = proxy.says(request);
        let mut worker = origin.accept();
        worker.head();
        worker.until_quiet();
        let left = autoheal::time::now();
        drop(client);
        let (_, end) = worker.rest(Duration::from_secs(5));
        let after = autoheal::time::now().since(left);
        assert_ne!(end, End::Open, "{request:?}");
        assert!(after < AT_ONCE, "{after:?} after {request:?}");
        let ledger = proxy.settled();
        assert_eq!(
            (ledger.client_aborted, ledger.failed),
            (1, 0),
            "{request:?}"
        );
    }
}

#[test]
fn the_worker_sees_at_once_that_a_client_left_in_the_middle_of_an_answer() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
    client.head();
    assert_eq!(client.bytes(3).unwrap(), b"abc");
    let left = autoheal::time::now();
    drop(client);
    assert_ne!(worker.rest(Duration::from_secs(5)).1, End::Open);
    let after = autoheal::time::now().since(left);
    assert!(after < AT_ONCE, "{after:?}");
    assert_eq!(proxy.settled().client_aborted, 1);
}

#[test]
fn a_client_that_closes_its_side_is_taken_for_gone() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    client.finish_sending();
    worker.is_closed();
    client.is_closed();
    assert_eq!(proxy.settled().client_aborted, 1);
}

#[test]
fn clients_that_leave_never_make_a_rule_fire() {
    let rule = "rule=[{name = \"r\", when.status = { codes = \"400-599\", count = 1, \
                window = \"1min\" }, do = [\"log\"]}]";
    let (proxy, origin) = start(&[rule]);
    for _ in 0..3 {
        let client = proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
        let mut worker = origin.accept();
        worker.head();
        drop(client);
        worker.rest(Duration::from_secs(5));
    }
    proxy.settled();
    let rules = proxy.status().rules;
    let rule = rules.iter().find(|rule| rule.name == "r").unwrap();
    assert_eq!(rule.fired, 0);
    assert!(rule.now.starts_with('0'), "{}", rule.now);
}

#[test]
fn a_hundred_mebibytes_pass_each_way_in_little_memory() {
    const PIECES: usize = 100;
    let (proxy, origin) = start(&[]);
    let mut client = proxy.client();
    let before = resident(&proxy);
    let piece = vec![b'u'; MIB];
    std::thread::scope(|scope| {
        let (address, piece) = (client.stream().try_clone().unwrap(), &piece);
        scope.spawn(move || {
            let mut client = address;
            let length = PIECES * MIB;
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
            client.write_all(head.as_bytes()).unwrap();
            for _ in 0..PIECES {
                client.write_all(piece).unwrap();
            }
        });
        let mut worker = origin.accept();
        worker.head();
        for _ in 0..PIECES {
            assert_eq!(&worker.bytes(MIB).unwrap(), piece);
        }
        scope.spawn(move || {
            let length = PIECES * MIB;
            worker.send(format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"
            ));
            for _ in 0..PIECES {
                worker.send(piece);
            }
        });
        assert!(client.head().starts_with("HTTP/1.1 200"));
        for _ in 0..PIECES {
            assert_eq!(&client.bytes(MIB).unwrap(), piece);
        }
    });
    let grown = resident(&proxy).saturating_sub(before);
    assert!(grown <= 8 * MIB as u64, "grew by {grown} bytes");
}

#[test]
fn a_slow_reader_is_not_read_ahead_for() {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    let before = resident(&proxy);
    worker.send(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        64 * MIB
    ));
    worker.stream().set_nonblocking(true).unwrap();
    let (mut sent, mut idle, piece) = (0, 0, vec![b'x'; 64 * 1024]);
    wait_until("the worker is held up", || {
        match worker
            .stream()
            .write(&piece[..piece.len().min(64 * MIB - sent)])
        {
            Ok(count) => (sent, idle) = (sent + count, 0),
            Err(_) => idle += 1,
        }
        idle == 20 || sent == 64 * MIB
    });
    assert!(sent < 40 * MIB, "{sent} bytes went ahead of the client");
    let grown = resident(&proxy).saturating_sub(before);
    assert!(grown <= 8 * MIB as u64, "grew by {grown} bytes");
    worker.stream().set_nonblocking(false).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || worker.send(vec![b'x'; 64 * MIB - sent]));
        let answer = client.answer();
        assert!(answer.whole && answer.body.len() == 64 * MIB);
    });
}
