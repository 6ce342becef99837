//! The probes by which intermediaries are told apart, each before the real binary. Prints the table
//! of what must hold and what held; nginx 1.22 and HAProxy 2.6 each fall short of several rows.

use std::time::Duration;

use autoheal::time;

use super::{
    proxy::{pass, start},
    wire::{End, fields},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const QUIET: Duration = Duration::from_millis(50);
/// Nothing that only times out comes so early, and a busy machine is not so late.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What was seen, and whether it is as good as the target.
type Seen = (String, bool);

struct Probe {
    name: &'static str,
    target: &'static str,
    run: fn() -> Seen,
}

const PROBES: [Probe; 17] = [
    Probe {
        name: "worker saw NUL in a value / content-length: 010 unchanged",
        target: "no / no",
        run: nul_and_leading_zero,
    },
    Probe {
        name: "TE: ,chunked; TE twice; missing Host; target !; CL beside TE; bare LF",
        target: "400; 400; 400; 400; 400 or TE alone and close; any",
        run: what_the_http_library_accepts,
    },
    Probe {
        name: "Connection-nominated field removed, request / answer",
        target: "yes / yes",
        run: nominated,
    },
    Probe {
        name: "Keep-Alive / Proxy-Connection leak to the worker",
        target: "no / no",
        run: hop_by_hop,
    },
    Probe {
        name: "missing Host / duplicate Host",
        target: "400 / 400",
        run: hosts,
    },
    Probe {
        name: "GET http://b/x with Host: a arrives as",
        target: "b",
        run: absolute_form,
    },
    Probe {
        name: "CONNECT / TRACE",
        target: "405 / 405",
        run: connect_and_trace,
    },
    Probe {
        name: "Transfer-Encoding: gzip, chunked",
        target: "501",
        run: another_coding,
    },
    Probe {
        name: "103 then 200 from the worker",
        target: "200 at once",
        run: early_hints,
    },
    Probe {
        name: "answer that breaks off, with length / chunked",
        target: "broken / broken",
        run: broken_off,
    },
    Probe {
        name: "413 in the middle of an upload reaches the client",
        target: "yes",
        run: refusal_during_an_upload,
    },
    Probe {
        name: "client leaves: the worker's connection ends",
        target: "< 100 ms",
        run: client_leaves,
    },
    Probe {
        name: "half-closed client answered",
        target: "configurable",
        run: half_closed,
    },
    Probe {
        name: "trailers of an answer (TE: trailers)",
        target: "yes",
        run: trailers,
    },
    Probe {
        name: "bytes behind an Upgrade that was not granted reach the worker",
        target: "no",
        run: upgrade_refused,
    },
    Probe {
        name: "worker says two lengths / garbage",
        target: "502 / 502",
        run: bad_answers,
    },
    Probe {
        name: "HTTP/1.0 request is sent on as",
        target: "1.1",
        run: old_version,
    },
];

#[test]
fn no_row_of_the_baseline_is_worse_than_its_target() {
    println!("| Probe | Target | Ours |\n|---|---|---|");
    let mut short = Vec::new();
    for probe in PROBES {
        let (ours, holds) = (probe.run)();
        println!("| {} | {} | {ours} |", probe.name, probe.target);
        if !holds {
            short.push(probe.name);
        }
    }
    assert!(
        short.is_empty(),
        "of the printed rows, these fall short: {short:?}"
    );
}

/// What must be exactly this.
fn exactly(ours: impl Into<String>, target: &str) -> Seen {
    let ours = ours.into();
    let holds = ours == target;
    (ours, holds)
}

fn yes(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

/// The statuses of requests that no worker may see.
fn refused(requests: &[&str]) -> String {
    let (proxy, origin) = start(&[]);
    let statuses: Vec<_> = requests
        .iter()
        .map(|request| proxy.answers(request).status.to_string())
        .collect();
    origin.hears_nothing(QUIET);
    statuses.join(" / ")
}

/// What a worker reads, and what its client gets when the worker answers this.
fn exchange(request: &str, says: &str) -> (String, super::wire::Answer) {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(request);
    let mut worker = origin.accept();
    let head = worker.head();
    worker.send(says);
    drop(worker);
    (head, client.answer())
}

fn nul_and_leading_zero() -> Seen {
    let statuses = refused(&[
        "GET / HTTP/1.1\r\nhost: a\r\nx: \0b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\0\r\n\r\n",
    ]);
    let request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 010\r\n\r\n0123456789";
    let (head, _) = exchange(request, OK);
    let lengths = fields(&head, "content-length").join(", ");
    let holds = statuses == "400 / 400 / 400" && lengths == "10";
    (format!("no ({statuses}) / no ({lengths})"), holds)
}

fn what_the_http_library_accepts() -> Seen {
    let statuses = refused(&[
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: ,chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\
         transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET ! HTTP/1.1\r\nhost: a\r\n\r\n",
    ]);
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\n\r\n{GET}"
    ));
    let mut worker = origin.accept();
    let head = worker.head();
    worker.send(OK);
    let status = client.answer().status;
    let (more, end) = client.rest(Duration::from_secs(5));
    origin.hears_nothing(QUIET);
    let alone = fields(&head, "content-length").is_empty()
        && fields(&head, "transfer-encoding") == ["chunked"];
    let closes = more.is_empty() && end != End::Open;
    let (bare, _) = exchange("GET / HTTP/1.1\nhost: a\n\n", OK);
    let whole = !bare.replace("\r\n", "").contains(['\r', '\n']);
    let ours = format!(
        "{statuses}; CL beside TE: {status}, TE alone {}, closes {}; bare LF made whole {}",
        yes(alone),
        yes(closes),
        yes(whole)
    );
    let holds = statuses == "400 / 400 / 400 / 400" && alone && closes && whole;
    (ours, holds)
}

fn nominated() -> Seen {
    let (head, answer) = exchange(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\nconnection: x-hop\r\n\
         x-hop: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-back\r\nx-back: 1\r\n\
         content-length: 0\r\n\r\n",
    );
    let (sent, handed) = (fields(&head, "x-hop"), answer.fields("x-back"));
    let ours = format!("{} / {}", yes(sent.is_empty()), yes(handed.is_empty()));
    exactly(ours, "yes / yes")
}

fn hop_by_hop() -> Seen {
    let (head, _) = exchange(
        "GET / HTTP/1.1\r\nhost: a\r\nkeep-alive: timeout=5\r\n\
         proxy-connection: keep-alive\r\n\r\n",
        OK,
    );
    let leaks = |name| yes(!fields(&head, name).is_empty());
    let ours = format!("{} / {}", leaks("keep-alive"), leaks("proxy-connection"));
    exactly(ours, "no / no")
}

fn hosts() -> Seen {
    let ours = refused(&[
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    ]);
    exactly(ours, "400 / 400")
}

fn absolute_form() -> Seen {
    let (head, _) = exchange("GET http://b/x HTTP/1.1\r\nhost: a\r\n\r\n", OK);
    exactly(fields(&head, "host").join(", "), "b")
}

fn connect_and_trace() -> Seen {
    let ours = refused(&[
        "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n",
        "TRACE / HTTP/1.1\r\nhost: a\r\n\r\n",
    ]);
    exactly(ours, "405 / 405")
}

fn another_coding() -> Seen {
    let ours = refused(&[
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ]);
    exactly(ours, "501")
}

fn early_hints() -> Seen {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    worker.send(format!(
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n{OK}"
    ));
    let said = time::now();
    let status = client.answer().status;
    let after = time::now().since(said);
    let holds = status == 200 && after < AT_ONCE;
    (format!("{status} after {} ms", after.as_millis()), holds)
}

fn broken_off() -> Seen {
    let broken = |says| {
        let (_, answer) = exchange(GET, says);
        if answer.whole { "made whole" } else { "broken" }
    };
    let length = broken("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
    let chunked = broken("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    exactly(format!("{length} / {chunked}"), "broken / broken")
}

fn refusal_during_an_upload() -> Seen {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50000000\r\n\r\n");
    client.send(vec![b'x'; 1024 * 1024]);
    let mut worker = origin.accept();
    worker.head();
    worker.send("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    drop(worker);
    while client.try_send(vec![b'x'; 64 * 1024]) && proxy.ledger().in_flight > 0 {}
    exactly(yes(client.answer().status == 413), "yes")
}

fn client_leaves() -> Seen {
    let (proxy, origin) = start(&[]);
    let leaves = || {
        let client = proxy.says(GET);
        let mut worker = origin.accept();
        worker.head();
        let left = time::now();
        drop(client);
        let (_, end) = worker.rest(Duration::from_secs(5));
        (end != End::Open).then(|| time::now().since(left))
    };
    // A machine that is busy with other tests is late now and then.
    let mut times = (0..10).map_while(|_| leaves());
    let first = times.next();
    let after = times.fold(first, |least, next| least.min(Some(next)));
    match after {
        Some(after) => (
            format!("after {} ms", after.as_millis()),
            after < Duration::from_millis(100),
        ),
        None => ("not".to_owned(), false),
    }
}

fn half_closed() -> Seen {
    let answered = |settings: &[&str]| {
        let (proxy, origin) = start(settings);
        let mut client = proxy.says(GET);
        let mut worker = origin.accept();
        worker.head();
        client.finish_sending();
        let (_, at_worker) = worker.rest(Duration::from_millis(500));
        worker.try_send(OK);
        let (said, _) = client.rest(Duration::from_secs(5));
        assert_eq!(at_worker == End::Open, said.starts_with(b"HTTP/1.1 200 "));
        yes(at_worker == End::Open)
    };
    let (usual, told) = (answered(&[]), answered(&["half_close=true"]));
    let ours = format!("{usual}; with half_close {told}");
    let holds = (usual, told) == ("no", "yes");
    (ours, holds)
}

fn trailers() -> Seen {
    let (_, answer) = exchange(
        "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
    );
    exactly(yes(answer.trailers == "x-sum: 7\r\n"), "yes")
}

fn upgrade_refused() -> Seen {
    let (proxy, origin) = start(&[]);
    let mut client = proxy.says(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\nhidden",
    );
    let mut worker = origin.accept();
    worker.head();
    worker.send(OK);
    client.answer();
    pass(QUIET);
    let (came, _) = worker.rest(QUIET);
    exactly(yes(!came.is_empty()), "no")
}

fn bad_answers() -> Seen {
    let status = |says| exchange(GET, says).1.status;
    let lengths = status("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!");
    let garbage = status("garbage\r\n\r\n");
    exactly(format!("{lengths} / {garbage}"), "502 / 502")
}

fn old_version() -> Seen {
    let (head, _) = exchange("GET / HTTP/1.0\r\nhost: a\r\n\r\n", OK);
    let line = head.lines().next().unwrap_or_default();
    exactly(line.rsplit('/').next().unwrap_or_default(), "1.1")
}
