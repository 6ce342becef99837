//! As many requests as the worker can do, which is found out.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use super::proxy::{pass, start};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// A worker that has one place.
const ONE: &str = "worker.concurrency={ min = 1, max = 1 }";

/// Ends the clients, also when the test fails.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_worker_that_does_one_thing_after_the_other_gets_few_at_once_and_all_are_served() {
    let (proxy, origin) = start(&["worker.concurrency=\"auto\"", "queue.wait=\"5min\""]);
    let turn: &'static Mutex<()> = Box::leak(Box::default());
    let _folder = origin.serve(move |wire| {
        while wire.try_head().is_some() {
            let mine = turn.lock().unwrap();
            pass(Duration::from_millis(5));
            drop(mine);
            if !wire.try_send(OK) {
                return;
            }
        }
    });
    assert_eq!(proxy.status().queue.places, None);
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let mut client = proxy.client();
                while !enough.load(Relaxed) {
                    client.send(GET);
                    assert_eq!(client.answer().status, 200);
                }
            });
        }
        let _enough = Enough(&enough);
        proxy.until("few at once", |status| {
            let limit = status.workers.first().and_then(|worker| worker.limit);
            limit.is_some_and(|limit| limit <= 20) && status.queue.requests > 0
        });
        let why = proxy.status().workers[0].limit_why.clone();
        assert!(why.is_some_and(|why| why.contains("answers t")));
    });
    let ledger = proxy.settled();
    assert_eq!((ledger.refused, ledger.failed), (0, 0), "{ledger:?}");
    assert!(ledger.queued > 0, "{ledger:?}");
}

#[test]
fn what_lasts_holds_no_place() {
    let routes = "route=[{ path = \"/poll\", response = \"none\" }]";
    let upgrade = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let switched =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n";
    for (request, answer) in [
        ("GET /poll HTTP/1.1\r\nhost: a\r\n\r\n", None),
        (upgrade, Some(switched)),
        (GET, Some(events)),
    ] {
        let (proxy, origin) = start(&[ONE, routes]);
        let mut lasts = proxy.says(request);
        let mut stream = origin.accept();
        stream.head();
        if let Some(answer) = answer {
            stream.send(answer);
            lasts.until("\r\n\r\n");
        }
        let mut other = proxy.says(GET);
        let mut worker = origin.accept();
        worker.head();
        let waits = proxy.says(GET);
        proxy.until("queued", |status| status.queue.requests == 1);
        worker.send(OK);
        assert_eq!(other.answer().status, 200, "{request}");
        drop((lasts, waits));
    }
}
