//! What holds for some paths alone.

use std::time::Duration;

use super::{
    proxy::{pass, start, wait_until},
    wire::fields,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

#[test]
fn a_route_has_its_own_limit_to_the_response_head_or_none() {
    let routes = "route=[{path=\"/report\", response=\"300ms\"}, {path=[\"/poll\", \"/events/*\"], \
                  methods=\"GET\", response=\"none\"}]";
    let (proxy, origin) = start(&[routes, "timeouts.response=1s"]);
    let mut poll = proxy.says(get("/Events/1?x=/report"));
    let mut slow = origin.accept();
    assert_eq!(proxy.answers(get("/report")).code(), 504_101);
    let ledger = proxy.ledger();
    assert_eq!((ledger.failed, ledger.in_flight), (1, 1));
    assert_eq!(proxy.answers(get("/other")).code(), 504_101);
    let posted = proxy.answers("POST /poll HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(posted.code(), 504_101);
    slow.head();
    slow.send(OK);
    assert_eq!(poll.answer().text(), "ok");
}

#[test]
fn a_route_that_is_not_slow_feeds_no_slow_rule() {
    let rule = "rule=[{name=\"slow\", when={slow={time_taken=\"50ms\", count=1, window=\"1min\"}}, \
                do=[\"log\"], min_uptime=\"0s\", cooldown=\"0s\"}]";
    let route = "route=[{path=\"/events\", slow=false}]";
    let (proxy, origin) = start(&[rule, route]);
    let fired = || proxy.status().rules[0].fired;
    let mut events = proxy.says(get("/events"));
    let mut worker = origin.accept();
    pass(Duration::from_millis(400));
    worker.head();
    worker.send(OK);
    assert_eq!(events.answer().status, 200);
    assert_eq!(fired(), 0);
    let mut other = proxy.says(get("/other"));
    let mut worker = origin.accept_or(worker);
    wait_until("the rule fires", || fired() == 1);
    worker.head();
    worker.send(OK);
    assert_eq!(other.answer().status, 200);
}

#[test]
fn a_route_may_keep_to_plain_http() {
    let (proxy, origin) = start(&["route=[{path=\"/plain\", websocket=false}]"]);
    let mut client = proxy.says(
        "GET /plain HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    let mut worker = origin.accept();
    let head = worker.head();
    assert!(fields(&head, "upgrade").is_empty(), "{head}");
    assert!(fields(&head, "connection").is_empty(), "{head}");
    worker.send(OK);
    assert_eq!(client.answer().text(), "ok");
}
