//! A table on virtual time.

use std::{sync::Arc, task::Wake};

use super::*;
use crate::decide::trigger::{Filter, Trigger};

const G: Generation = Generation(1);

fn table(limits_ms: &[u64]) -> InFlight {
    let slow = |ms: &u64| Trigger::Slow {
        time_taken: Duration::from_millis(*ms),
        count: 1,
        share: None,
        window: Duration::from_secs(60),
        filter: Filter::default(),
    };
    let triggers: Vec<Trigger> = limits_ms.iter().map(slow).collect();
    let mut table = InFlight::default();
    table.set_limits(
        &Rules::new(1, triggers.iter()),
        Some(Duration::from_secs(10)),
    );
    table
}

fn at(ms: u64) -> MonoTime {
    MonoTime::from_millis(ms)
}

fn enter(table: &mut InFlight, ms: u64) -> Key {
    table.enter(
        at(ms),
        G,
        look(u64::MAX, Some(10_000)),
        &Method::GET,
        &Uri::from_static("/"),
        true,
    )
}

fn slow_at(table: &mut InFlight, ms: u64) -> Vec<usize> {
    let mut rules = Vec::new();
    table.due(at(ms), |slow| rules.push(slow.rule));
    rules
}

#[test]
fn a_request_is_slow_when_it_becomes_slow_and_only_once() {
    let mut table = table(&[100, 300]);
    enter(&mut table, 0);
    assert_eq!(table.next_due(), Some(at(100)));
    assert!(slow_at(&mut table, 99).is_empty());
    assert_eq!(slow_at(&mut table, 100), [0]);
    assert_eq!(table.next_due(), Some(at(300)));
    assert_eq!(slow_at(&mut table, 5000), [1]);
    assert!(slow_at(&mut table, 9000).is_empty());
}

#[test]
fn one_that_left_or_was_answered_never_becomes_slow() {
    let mut table = table(&[100]);
    let (gone, answered) = (enter(&mut table, 0), enter(&mut table, 1));
    table.leave(gone);
    assert_eq!(
        table.answered(answered, at(50)),
        (u64::MAX, 0, Duration::from_millis(49))
    );
    assert!(slow_at(&mut table, 20_000).is_empty());
    assert_eq!(table.next_due(), None);
    assert_eq!(table.entries.len(), 1);
}

#[test]
fn waiting_for_the_clients_body_does_not_count() {
    let mut table = table(&[100]);
    let key = enter(&mut table, 0);
    table.body(key, None);
    assert!(slow_at(&mut table, 1000).is_empty());
    table.body(key, Some(at(1050)));
    assert!(slow_at(&mut table, 1149).is_empty());
    assert_eq!(slow_at(&mut table, 1150), [0]);
}

struct Woken(std::sync::atomic::AtomicBool);
impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn the_response_limit_cuts_and_wakes() {
    let mut table = table(&[]);
    let key = enter(&mut table, 0);
    let woken = Arc::new(Woken(false.into()));
    assert_eq!(table.poll_cut(key, &woken.clone().into()), None);
    table.due(at(10_000), |_| {});
    assert!(woken.0.load(std::sync::atomic::Ordering::Relaxed));
    assert_eq!(table.poll_cut(key, Waker::noop()), Some(Cut::TimedOut));
}

#[test]
fn only_stuck_requests_of_that_worker_are_cut() {
    let mut table = table(&[100]);
    let stuck = enter(&mut table, 0);
    let young = enter(&mut table, 90);
    slow_at(&mut table, 120);
    assert_eq!(table.cut_stuck(Generation(2), 0), 0);
    assert_eq!(table.cut_stuck(G, 0), 1);
    assert_eq!(table.poll_cut(stuck, Waker::noop()), Some(Cut::Stuck));
    assert_eq!(table.poll_cut(young, Waker::noop()), None);
    assert_eq!(table.cut_all(G), 2);
}

#[test]
fn queues_stay_as_short_as_what_is_in_flight() {
    let mut table = table(&[1_000_000]);
    enter(&mut table, 0);
    for ms in 1..10_000 {
        let key = enter(&mut table, ms);
        table.leave(key);
    }
    assert!(table.queues.iter().all(|queue| queue.waiting.len() < 100));
    assert_eq!(table.entries.len(), 1);
}

fn ask(table: &mut InFlight, ms: u64, path: &'static str) -> Key {
    let look = look(0, None);
    let uri = Uri::from_static(path);
    table.enter(at(ms), G, look, &Method::GET, &uri, true)
}

#[test]
fn suspects_are_counted_while_in_flight_and_their_list_may_change_meanwhile() {
    let suspects = |poison| {
        let kinds = [("/report/1", poison), ("/", false)];
        let all = kinds.map(|(path, poison)| (RequestShape::of("GET", path), poison));
        Arc::new(Suspects::new(all))
    };
    let mut table = table(&[]);
    let before = ask(&mut table, 0, "/report/1");
    let first = suspects(false);
    table.suspect(&first);
    assert!(first.present().eq([true, false]), "it was there already");
    let home = ask(&mut table, 0, "/");
    ask(&mut table, 0, "/other");
    assert!(first.present().eq([true, true]));
    assert_eq!(first.take(), (2, vec![0, 1]));
    table.leave(home);
    assert!(first.present().eq([true, false]));
    let report = Uri::from_static("/report/7");
    assert!(!table.is_poison(&Method::GET, &report));

    let next = suspects(true);
    table.suspect(&next);
    assert!(table.is_poison(&Method::GET, &report));
    assert!(!table.is_poison(&Method::POST, &report));
    assert!(next.present().eq([true, false]));
    table.leave(before);
    assert!(next.present().eq([false, false]));
    table.suspect(&Arc::default());
    ask(&mut table, 0, "/report/2");
    assert!(!table.is_poison(&Method::GET, &report));
    assert_eq!(next.take(), (0, vec![0, 0]), "nobody is suspected any more");
}

#[test]
fn poison_is_not_cut_to_be_sent_elsewhere() {
    let mut table = table(&[100]);
    let all = [(RequestShape::of("GET", "/"), true)];
    table.suspect(&Arc::new(Suspects::new(all)));
    enter(&mut table, 0);
    assert_eq!(slow_at(&mut table, 100), [0]);
    assert_eq!(table.cut_stuck(G, 0), 0);
}

#[test]
fn a_worker_lost_what_it_has_and_what_its_connections_broke_under() {
    let mut table = table(&[]);
    let broken = ask(&mut table, 0, "/report/1");
    let done = ask(&mut table, 0, "/done");
    ask(&mut table, 0, "/");
    ask(&mut table, 0, "/");
    table.lost(broken, at(10));
    table.leave(broken);
    table.leave(done);
    table.lost(done, at(10));
    let lost = table.lost_by(G, at(20));
    let expected = ["/report/2", "/"].map(|path| RequestShape::of("GET", path));
    assert_eq!(lost, expected);
    assert!(table.lost_by(Generation(2), at(20)).is_empty());
}

fn look(rules: u64, response_ms: Option<u64>) -> Look {
    Look {
        rules,
        response: response_ms.map(Duration::from_millis),
    }
}

#[test]
fn nothing_is_over_its_time_before_what_came_while_nobody_was_there_is_heard() {
    let mut table = table(&[2_000]);
    let (first, answered) = (enter(&mut table, 0), enter(&mut table, 100));
    let second = enter(&mut table, 2_900);
    table.answered(answered, at(1_000));
    // Awake a second late: it stood still for longer than that.
    table.stood_still(at(3_000), Duration::from_secs(1));
    assert!(slow_at(&mut table, 3_000).is_empty());
    assert_eq!(table.next_due(), Some(at(4_000)));
    assert!(slow_at(&mut table, 3_999).is_empty());
    assert_eq!(
        slow_at(&mut table, 4_000),
        [0],
        "it is over its time all the same"
    );
    // One that came while the thread had begun to be late has no more than its own time from now.
    assert!(slow_at(&mut table, 4_999).is_empty());
    assert_eq!(slow_at(&mut table, 5_000), [0]);
    assert_eq!(
        table.abandoned(first, at(6_000)).unwrap().1,
        Duration::from_secs(4)
    );
    assert_eq!(
        table.abandoned(second, at(6_000)).unwrap().1,
        Duration::from_secs(3)
    );
}
