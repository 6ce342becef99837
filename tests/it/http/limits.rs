//! What a client may ask for, and how long it may take.

use std::{io::Write, time::Duration};

use super::{
    proxy::{Proxy, start, wait_until},
    wire::{End, PATIENCE, Wire},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// How long it took until the connection ended, and what came.
fn ended(client: &mut Wire) -> (Duration, String) {
    let since = autoheal::time::now();
    let (came, end) = client.rest(PATIENCE);
    assert_ne!(end, End::Open);
    let came = String::from_utf8(came).unwrap();
    (autoheal::time::now().since(since), came)
}

fn is_within(took: Duration, from_ms: u64, to_ms: u64) {
    let (from, to) = (Duration::from_millis(from_ms), Duration::from_millis(to_ms));
    assert!(took >= from && took < to, "took {took:?}");
}

#[test]
fn a_target_may_be_as_long_as_its_limit_and_no_longer() {
    let (proxy, origin) = start(&[]);
    let target = |length: usize| format!("/{}", "x".repeat(length - 1));
    let mut client = proxy.says(format!("GET {} HTTP/1.1\r\nhost: a\r\n\r\n", target(16384)));
    let mut worker = origin.accept();
    assert!(worker.head().len() > 16384);
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    for length in [16385, 60_000] {
        let request = format!("GET {} HTTP/1.1\r\nhost: a\r\n\r\n", target(length));
        assert_eq!(proxy.answers(request).code(), 414_101);
    }
}

#[test]
fn a_head_may_be_as_long_as_its_limit_and_no_longer() {
    let (proxy, origin) = start(&["limits.head=\"20KiB\""]);
    let mut client = proxy.says(format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "y".repeat(19_000)
    ));
    let mut worker = origin.accept();
    assert!(worker.head().contains(&"y".repeat(19_000)));
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    for length in [21_000, 1_000_000] {
        let mut client = proxy.client();
        // Refused in the middle of it.
        client.try_send(format!(
            "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
            "y".repeat(length)
        ));
        assert_eq!(client.answer().code(), 431_101, "{length} bytes");
    }
}

#[test]
fn a_head_may_have_as_many_fields_as_its_limit_and_no_more() {
    let (proxy, origin) = start(&[]);
    let request = |fields: usize| {
        format!(
            "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
            "x: y\r\n".repeat(fields - 1)
        )
    };
    let mut client = proxy.says(request(100));
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    assert_eq!(proxy.answers(request(101)).code(), 431_101);
}

#[test]
fn a_slow_head_gets_a_408() {
    let (proxy, _origin) = start(&["timeouts.head=\"1s\""]);
    let mut client = proxy.says("GET / HTTP/1.1\r\nho");
    let (took, came) = ended(&mut client);
    is_within(took, 900, 3000);
    assert!(
        came.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{came}"
    );
    assert!(came.contains("details=\"408101\"") && came.contains("connection: close"));
    let mut client = proxy.says("");
    let (took, came) = ended(&mut client);
    is_within(took, 900, 3000);
    assert_eq!(came, "", "it never began a request");
}

#[test]
fn a_second_head_that_is_slow_gets_a_408_too() {
    let (proxy, origin) = start(&["timeouts.head=\"1s\""]);
    let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    client.answer();
    client.send("GET / HT");
    let (took, came) = ended(&mut client);
    is_within(took, 900, 3000);
    assert!(came.contains("details=\"408101\""), "{came:?}");
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let (proxy, origin) = start(&["timeouts.idle=\"1s\""]);
    let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    client.answer();
    let (took, came) = ended(&mut client);
    is_within(took, 900, 3000);
    assert_eq!(came, "");
}

#[test]
fn a_body_that_stalls_gets_a_408_and_frees_the_worker() {
    let (proxy, origin) = start(&["timeouts.body=\"1s\""]);
    let mut client = proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc");
    let mut worker = origin.accept();
    worker.head();
    let (took, came) = ended(&mut client);
    is_within(took, 800, 3000);
    assert!(came.contains("details=\"408102\""), "{came:?}");
    assert_eq!(worker.bytes(9).unwrap_err(), b"abc");
    drop(client);
    assert_eq!(proxy.settled().client_aborted, 1);
}

#[test]
fn a_body_that_stalls_after_its_answer_began_is_cut_without_a_word() {
    let (proxy, origin) = start(&["timeouts.body=\"1s\""]);
    let mut client = proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc");
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc");
    client.head();
    assert_eq!(client.bytes(9).unwrap_err(), b"abc");
    worker.rest(PATIENCE);
    assert_eq!(proxy.settled().client_aborted, 1);
}

#[test]
fn a_slow_body_may_take_its_time_while_it_comes() {
    let (proxy, origin) = start(&["timeouts.body=\"1s\"", "timeouts.head=\"1s\""]);
    let mut client = proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\n");
    let mut worker = None;
    for _ in 0..8 {
        super::proxy::pass(Duration::from_millis(200));
        client.send("x");
        worker.get_or_insert_with(|| origin.accept());
    }
    let mut worker = worker.unwrap();
    worker.head();
    assert_eq!(worker.bytes(8).unwrap(), b"xxxxxxxx");
    super::proxy::pass(Duration::from_millis(1200));
    worker.send(OK);
    assert_eq!(
        client.answer().status,
        200,
        "the worker's time is not the client's"
    );
}

#[test]
fn a_client_that_reads_nothing_is_cut() {
    let (proxy, origin) = start(&["timeouts.write=\"1s\""]);
    let _client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
    let since = autoheal::time::now();
    while worker.try_send(vec![b'x'; 1024 * 1024]) {}
    is_within(autoheal::time::now().since(since), 900, 8000);
    assert_eq!(proxy.settled().client_aborted, 1);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let (proxy, _origin) = start(&["limits.connections=2"]);
    let held = [proxy.client(), proxy.client()];
    proxy.until("both are held", |s| {
        s.threads.iter().map(|t| t.connections).sum::<u64>() == 2
    });
    let answer = proxy.client().answer();
    assert_eq!((answer.status, answer.code()), (503, 503_109));
    assert!(answer.field("retry-after").is_some());
    drop(held);
    proxy.until("both left", |s| {
        s.threads.iter().all(|t| t.connections == 0)
    });
    let mut client = proxy.says("GET nothing HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer().code(), 400_102, "there is room again");
}

#[test]
fn four_long_lived_connections_on_two_threads_are_two_and_two() {
    let (proxy, _origin) = start(&["threads=2"]);
    let _held = [
        proxy.client(),
        proxy.client(),
        proxy.client(),
        proxy.client(),
    ];
    proxy.until("they are dealt", |status| {
        let held: Vec<u64> = status.threads.iter().map(|t| t.connections).collect();
        assert!(held.iter().all(|count| *count <= 2), "{held:?}");
        held == [2, 2]
    });
}

/// Sets autoheal's limit of open files.
fn limit_open_files(proxy: &Proxy, limit: u64) {
    let pid = i32::try_from(proxy.pid()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid);
    let new = rustix::process::Rlimit {
        current: Some(limit),
        maximum: None,
    };
    let before = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let new = rustix::process::Rlimit {
        maximum: before.maximum,
        ..new
    };
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, new).unwrap();
}

fn open_files(proxy: &Proxy) -> u64 {
    std::fs::read_dir(format!("/proc/{}/fd", proxy.pid()))
        .unwrap()
        .count() as u64
}

#[test]
fn it_survives_having_no_descriptor_left() {
    // There is none for another connection to the worker.
    let (proxy, origin) = start(&["worker.keep_alive=1min"]);
    let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    client.answer();
    let free = 4;
    limit_open_files(&proxy, open_files(&proxy) + free);
    let crowd: Vec<Wire> = (0..20).map(|_| proxy.client()).collect();
    wait_until("none is left", || {
        proxy.log().contains("cannot accept connections")
    });
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().status, 200, "who is in is served");
    drop(crowd);
    let mut late = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept_or(worker);
    worker.head();
    worker.send(OK);
    assert_eq!(late.answer().status, 200, "who waited is let in");
    drop(late);
}

#[test]
fn two_thousand_connections_are_served() {
    let (proxy, origin) = start(&["limits.connections=3000"]);
    let _folder = origin.serve(|wire| {
        while wire.try_head().is_some() {
            wire.stream()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
                .unwrap_or(());
        }
    });
    let mut clients: Vec<Wire> = (0..2000).map(|_| proxy.client()).collect();
    for round in 0..2 {
        for batch in clients.chunks_mut(100) {
            for client in batch.iter_mut() {
                client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
            }
            for client in batch.iter_mut() {
                assert_eq!(client.answer().text(), "hi", "round {round}");
            }
        }
    }
    let ledger = proxy.settled();
    assert_eq!((ledger.accepted, ledger.completed), (4000, 4000));
}

#[test]
fn without_a_descriptor_left_some_are_told_and_service_goes_on() {
    let (proxy, origin) = start(&["limits.connections=100"]);
    let used = std::fs::read_dir(format!("/proc/{}/fd", proxy.pid()))
        .unwrap()
        .count() as u64;
    let limit = rustix::process::Rlimit {
        current: Some(used + 6),
        maximum: Some(used + 6),
    };
    let pid = rustix::process::Pid::from_raw(i32::try_from(proxy.pid()).unwrap());
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limit).unwrap();
    let mut crowd: Vec<Wire> = (0..20).map(|_| proxy.client()).collect();
    let told = |client: &mut Wire| {
        let (said, _) = client.rest(Duration::from_millis(20));
        String::from_utf8_lossy(&said).contains("details=\"503109\"")
    };
    wait_until("one is told", || crowd.iter_mut().any(told));
    drop(crowd);
    let mut client = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    assert!(proxy.log().contains("cannot accept connections"));
}

#[test]
fn a_connection_that_rested_goes_on_where_it_was() {
    let (proxy, origin) = start(&["timeouts.idle=\"8s\""]);
    let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut client = proxy.says(request);
    let mut worker = origin.accept();
    worker.head();
    // One more has begun its second request, as one piece with its first.
    let mut eager = proxy.says("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /second HTTP/1.1\r\nho");
    let mut its_worker = origin.accept();
    its_worker.head();
    for (client, worker) in [(&mut client, &mut worker), (&mut eager, &mut its_worker)] {
        worker.send(OK);
        client.answer();
    }
    let (came, end) = client.rest(Duration::from_secs(6));
    assert_eq!(
        (came.len(), end),
        (0, End::Open),
        "it is taken down, and kept"
    );
    for (client, rest, target) in [
        (client, request, "/ "),
        (eager, "st: a\r\n\r\n", "/second "),
    ] {
        let mut client = client;
        client.send(rest);
        let mut worker = origin.accept();
        assert!(worker.head().starts_with(&format!("GET {target}")));
        worker.send(OK);
        assert_eq!(client.answer().status, 200);
        let (took, came) = ended(&mut client);
        is_within(took, 7900, 10_500);
        assert_eq!(came, "");
    }
}
