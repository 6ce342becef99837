//! A client stays at the one of several workers that answered it first.

use std::collections::BTreeSet;

use super::{
    origin::Origin,
    proxy::{Proxy, pass, start},
    wire::{Answer, Wire, fields},
};

const THREE: &str = "worker.count=3";
const KEPT: &str = "worker.affinity={ cookie = \"at\" }";

/// A worker that says which it is and which cookies it sees. What holds is answered at the end.
fn tell(wire: &mut Wire) {
    while let Some(head) = wire.try_head() {
        if head.starts_with("GET /hold ") {
            return pass(std::time::Duration::from_secs(600));
        }
        let cookies = fields(&head, "cookie").join("|");
        let text = format!("{} [{cookies}]", wire.generation);
        let size = text.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\ncache-control: public\r\n\r\n{text}"
        );
        if !wire.try_send(answer) {
            return;
        }
    }
}

fn three(settings: &[&str]) -> (Proxy, tempfile::TempDir) {
    let (proxy, origin): (Proxy, Origin) = start(&[&[THREE, KEPT], settings].concat());
    let folder = origin.serve(tell);
    proxy.until("three are ready", |status| {
        let ready = status.workers.iter().filter(|one| one.state == "ready");
        ready.count() == 3
    });
    (proxy, folder)
}

fn ask(proxy: &Proxy, path: &str, cookie: &str) -> Answer {
    let cookie = match cookie {
        "" => String::new(),
        cookie => format!("cookie: {cookie}\r\n"),
    };
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{cookie}\r\n");
    let answer = proxy.answers(request);
    assert_eq!(answer.status, 200);
    answer
}

/// The cookie that an answer sets, by name and value alone.
fn set(answer: &Answer) -> Option<String> {
    let all = answer.field("set-cookie")?;
    let (pair, rest) = all.split_once(';').unwrap();
    assert_eq!(rest, " Path=/; HttpOnly; SameSite=Lax");
    Some(pair.to_owned())
}

#[test]
fn a_client_with_the_cookie_stays_and_one_without_is_sent_anywhere() {
    let (proxy, _folder) = three(&[]);
    let mut cookies = BTreeSet::new();
    for _ in 0..9 {
        let first = ask(&proxy, "/", "");
        assert_eq!(first.field("cache-control"), Some("private"));
        let cookie = set(&first).unwrap();
        let who = first.text().to_owned();
        for _ in 0..5 {
            let again = ask(&proxy, "/", &cookie);
            assert_eq!((again.text(), set(&again)), (who.as_str(), None));
            assert_eq!(again.field("cache-control"), Some("public"));
        }
        let among = ask(&proxy, "/", &format!("a=b; {cookie}; c=d"));
        assert_eq!(among.text(), who.replace("[]", "[a=b; c=d]"));
        cookies.insert(cookie);
    }
    assert_eq!(cookies.len(), 3, "one for each worker");
    let unknown = ask(&proxy, "/", "at=0123456789abcdef");
    assert!(set(&unknown).is_some_and(|cookie| cookies.contains(&cookie)));
    assert!(unknown.text().ends_with(" []"));
}

#[test]
fn a_session_follows_its_instance_through_a_recycle() {
    let (proxy, _folder) = three(&[]);
    let first = ask(&proxy, "/", "");
    let cookie = set(&first).unwrap();
    proxy.order("recycle", "{\"wait\": true}");
    let after = ask(&proxy, "/", &cookie);
    assert_eq!(set(&after), None, "it is at home there");
    let generation: u32 = after.text().split(' ').next().unwrap().parse().unwrap();
    assert!(generation > 3, "{generation}");
}

#[test]
fn who_finds_its_worker_full_gets_another_and_a_new_cookie() {
    let (proxy, _folder) = three(&["worker.concurrency=1"]);
    let cookie = set(&ask(&proxy, "/", "")).unwrap();
    let held = proxy.says(format!(
        "GET /hold HTTP/1.1\r\nhost: a\r\ncookie: {cookie}\r\n\r\n"
    ));
    proxy.until("it is held", |status| status.ledger.in_flight == 1);
    let other = ask(&proxy, "/", &cookie);
    let new = set(&other).unwrap();
    assert_ne!(new, cookie);
    assert_eq!(set(&ask(&proxy, "/", &new)), None);
    drop(held);
}

#[test]
fn without_the_option_cookies_pass_and_none_is_set() {
    let (proxy, origin) = start(&[THREE]);
    let _folder = origin.serve(tell);
    let answer = ask(&proxy, "/", "at=1; a=b");
    assert_eq!(answer.field("set-cookie"), None);
    assert!(answer.text().ends_with(" [at=1; a=b]"));
    assert_eq!(answer.field("cache-control"), Some("public"));
}
