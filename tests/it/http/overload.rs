//! More requests than the worker may have at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::{
    origin::Origin,
    proxy::{Proxy, pass, start, wait_until},
    wire::Wire,
};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const ONE: &str = "worker.concurrency=1";

/// autoheal whose worker has one request and one place.
fn busy(settings: &[&str]) -> (Proxy, Origin, Wire, Wire) {
    let (proxy, origin) = start(&[settings, &[ONE]].concat());
    let client = proxy.says(GET);
    let mut worker = origin.accept();
    worker.head();
    (proxy, origin, client, worker)
}

fn until_queued(proxy: &Proxy, count: u64) {
    proxy.until("queued", |status| status.queue.requests == count);
}

/// Which requests each generation has at once, and the most that it ever had.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<u32, (usize, usize)>>>);

impl Seen {
    /// A worker that takes its time for each request.
    fn work(&self, wire: &mut Wire, time: Duration) {
        while wire.try_head().is_some() {
            let change = |by: isize| {
                let mut all = self.0.lock().unwrap();
                let (now, most) = all.entry(wire.generation).or_default();
                *now = now.checked_add_signed(by).unwrap();
                *most = (*most).max(*now);
            };
            change(1);
            pass(time);
            change(-1);
            if !wire.try_send(OK) {
                return;
            }
        }
    }

    fn most(&self) -> Vec<usize> {
        let all = self.0.lock().unwrap();
        all.values().map(|(_, most)| *most).collect()
    }
}

/// So many clients that ask one after the other; how often each status was the answer.
fn ask(proxy: &Proxy, clients: usize, times: usize) -> BTreeMap<u16, usize> {
    let mut all = BTreeMap::new();
    thread::scope(|scope| {
        let asking = || {
            let mut client = proxy.client();
            let ask = move |_| {
                client.send(GET);
                client.answer().status
            };
            (0..times).map(ask).collect::<Vec<u16>>()
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(asking)).collect();
        for status in clients.into_iter().flat_map(|one| one.join().unwrap()) {
            *all.entry(status).or_default() += 1;
        }
    });
    all
}

#[test]
fn a_worker_never_has_more_than_its_limit_and_all_are_served() {
    let (proxy, origin) = start(&["worker.concurrency=4"]);
    let seen = Seen::default();
    let works = seen.clone();
    let _folder = origin.serve(move |wire| works.work(wire, Duration::from_millis(5)));
    assert_eq!(ask(&proxy, 24, 10), BTreeMap::from([(200, 240)]));
    assert_eq!(seen.most(), [4]);
    let ledger = proxy.settled();
    assert!(ledger.queued > 0 && ledger.parked == 0, "{ledger:?}");
}

#[test]
fn neither_does_one_through_recycles() {
    for strategy in ["overlap", "in-place"] {
        let strategy = format!("recycle.strategy=\"{strategy}\"");
        let (proxy, origin) = start(&["worker.concurrency=3", &strategy]);
        let seen = Seen::default();
        let works = seen.clone();
        let _folder = origin.serve(move |wire| works.work(wire, Duration::from_millis(5)));
        let answers = thread::scope(|scope| {
            let asking = scope.spawn(|| ask(&proxy, 12, 60));
            for _ in 0..3 {
                proxy.order("recycle", "{\"wait\": true}");
            }
            asking.join().unwrap()
        });
        assert_eq!(answers, BTreeMap::from([(200, 720)]), "{strategy}");
        let most = seen.most();
        assert!(most.iter().all(|most| *most <= 3), "{strategy}: {most:?}");
    }
}

#[test]
fn who_came_first_is_served_first_whatever_thread_it_is_on() {
    let (proxy, origin, mut client, mut worker) = busy(&["threads=2"]);
    let mut clients: Vec<Wire> = (1..=6)
        .map(|number| {
            let client = proxy.says(format!("GET /{number} HTTP/1.1\r\nhost: a\r\n\r\n"));
            until_queued(&proxy, number);
            client
        })
        .collect();
    origin.hears_nothing(Duration::from_millis(30));
    worker.send(OK);
    assert_eq!(client.answer().status, 200);
    for (number, client) in clients.iter_mut().enumerate() {
        // Each data thread has a connection of its own to the worker.
        worker = origin.accept_or(worker);
        assert!(worker.head().starts_with(&format!("GET /{} ", number + 1)));
        worker.send(OK);
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(proxy.settled().queued, 6);
}

#[test]
fn one_more_than_may_be_queued_is_told_so() {
    let (proxy, _origin, _client, _worker) = busy(&["queue.requests=2"]);
    let clients = [proxy.says(GET), proxy.says(GET)];
    until_queued(&proxy, 2);
    let answer = proxy.answers(GET);
    assert_eq!((answer.status, answer.code()), (503, 503_111));
    assert!(answer.field("retry-after").is_some());
    drop(clients);
    until_queued(&proxy, 0);
    let _client = proxy.says(GET);
    until_queued(&proxy, 1);
}

#[test]
fn who_was_queued_in_vain_is_told_so() {
    let (proxy, _origin, _client, _worker) = busy(&["queue.wait=1s"]);
    let since = autoheal::time::now();
    let answer = proxy.answers(GET);
    let took = autoheal::time::now().since(since);
    assert!(took >= Duration::from_millis(950), "{took:?}");
    assert_eq!((answer.status, answer.code()), (503, 503_112));
}

#[test]
fn who_could_not_be_served_in_time_is_told_so_at_once() {
    let (proxy, origin) = start(&[ONE, "queue.wait=20s"]);
    let seen = Seen::default();
    let _folder = origin.serve(move |wire| seen.work(wire, Duration::from_millis(300)));
    // 45 s of work, of which 20 s can be waited for.
    let clients: Vec<Wire> = (0..150).map(|_| proxy.says(GET)).collect();
    proxy.until("a rate is known", |status| status.ledger.completed >= 9);
    let answer = proxy.answers(GET);
    assert_eq!((answer.status, answer.code()), (503, 503_113));
    let seconds: u64 = answer.field("retry-after").unwrap().parse().unwrap();
    assert!(seconds > 20, "{seconds}");
    drop(clients);
    until_queued(&proxy, 0);
}

#[test]
fn a_client_that_leaves_the_queue_gives_its_place_back() {
    for request in [
        GET,
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab",
    ] {
        let (proxy, origin, mut client, mut worker) = busy(&[]);
        let leaves = proxy.says(request);
        until_queued(&proxy, 1);
        let mut stays = proxy.says("GET /stays HTTP/1.1\r\nhost: a\r\n\r\n");
        until_queued(&proxy, 2);
        drop(leaves);
        until_queued(&proxy, 1);
        worker.send(OK);
        assert_eq!(client.answer().status, 200);
        let mut worker = origin.accept_or(worker);
        assert!(worker.head().starts_with("GET /stays "));
        worker.send(OK);
        assert_eq!(stays.answer().status, 200);
        assert_eq!(proxy.settled().client_aborted, 1);
    }
}

#[test]
fn the_worker_s_own_requests_do_not_wait_for_a_place_that_they_hold() {
    let (proxy, origin) = start(&[ONE]);
    let _client = proxy.says(GET);
    let mut worker = origin.accept();
    let head = worker.head();
    let via = super::wire::fields(&head, "via")[0].to_owned();
    let back = format!("GET / HTTP/1.1\r\nhost: a\r\nvia: {via}\r\n\r\n");
    assert_eq!(proxy.answers(back).code(), 503_108);
}

#[test]
fn what_is_shed_feeds_no_rule() {
    let rule = "rule=[{ name = \"failing\", when.status = { codes = \"500-599\", count = 1, \
                window = \"5min\" }, do = [\"log\"], min_uptime = \"0s\" }]";
    let (proxy, origin, mut client, mut worker) = busy(&["queue.requests=0", rule]);
    let fired = |proxy: &Proxy| {
        let status = proxy.status();
        let rule = status.rules.iter().find(|rule| rule.name == "failing");
        rule.unwrap().fired
    };
    for _ in 0..20 {
        assert_eq!(proxy.answers(GET).code(), 503_111);
    }
    // Some ticks, each of which reads what was counted.
    pass(Duration::from_millis(500));
    assert_eq!(fired(&proxy), 0);
    worker.send("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 503);
    wait_until("the worker's own 503 fires it", || fired(&proxy) == 1);
    drop(origin);
}
