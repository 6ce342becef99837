//! Who waits, in which order, until when, and how many.

use std::time::Duration;

use super::*;
use crate::{
    admit::{
        gate::Local,
        overload::Cap,
        roster::{Endpoint, Member, Ramp},
    },
    tls::back::Manner,
    words::Generation,
};

const LIMITS: Limits = Limits {
    parked: 3,
    queued: 2,
    bytes: 100,
};

fn at(seconds: u64) -> MonoTime {
    MonoTime::ZERO + Duration::from_secs(seconds)
}

fn lot() -> Lot {
    Lot::new(0, Arc::new(Occupancy::new(1)))
}

fn parked(bytes: u64, deadline: u64) -> Asking {
    Asking {
        lack: Lack::Worker,
        bytes,
        now: at(0),
        deadline: at(deadline),
        parked_deadline: at(deadline),
        wish: Wish::default(),
    }
}

pub(super) fn queued(since: u64, deadline: u64) -> Asking {
    Asking {
        lack: Lack::Place,
        bytes: 1,
        now: at(since),
        deadline: at(deadline),
        parked_deadline: at(deadline + 50),
        wish: Wish::default(),
    }
}

pub(super) fn member(threads: usize) -> Arc<Member> {
    let ramp = Ramp {
        first: 1,
        since: at(0),
        until: at(0),
    };
    let endpoint = Endpoint::Tcp(([127, 0, 0, 1], 1).into());
    let at = (endpoint, Manner::default());
    let member = Member::new((Generation(1), 0), at, ramp, threads, Arc::default());
    Arc::new(member)
}

fn local(lot: &Lot) -> Rc<Local> {
    Rc::new(Local::new(member(1), 0, lot.occupancy().clone()))
}

fn poll(parked: &mut Parked) -> Poll<Verdict> {
    Pin::new(parked).poll(&mut Context::from_waker(Waker::noop()))
}

fn is_let_in(parked: &mut Parked) -> bool {
    matches!(poll(parked), Poll::Ready(Verdict::Pass(_)))
}

fn is_sent_away(parked: &mut Parked) -> bool {
    matches!(poll(parked), Poll::Ready(Verdict::Refuse { .. }))
}

#[test]
fn the_lot_takes_no_more_than_its_limits_and_gives_places_back() {
    let lot = lot();
    let held: Vec<Parked> = (0..3)
        .map(|_| lot.park(LIMITS, parked(10, 60)).unwrap())
        .collect();
    assert!(lot.park(LIMITS, parked(10, 60)).is_none(), "a fourth");
    let occupancy = lot.occupancy();
    assert_eq!((occupancy.parked(), occupancy.bytes()), (3, 30));
    drop(held);
    assert!(lot.park(LIMITS, parked(101, 60)).is_none(), "too heavy");
    assert!(lot.park(LIMITS, parked(100, 60)).is_some());
    assert!(occupancy.is_empty() && occupancy.bytes() == 0);
    assert!(lot.is_empty());
}

#[test]
fn the_queue_has_a_limit_of_its_own() {
    let lot = lot();
    let held: Vec<Parked> = (0..2)
        .map(|_| lot.park(LIMITS, queued(0, 9)).unwrap())
        .collect();
    assert!(lot.park(LIMITS, queued(0, 9)).is_none(), "a third");
    assert!(lot.park(LIMITS, parked(1, 60)).is_some());
    assert!(!lot.occupancy().has_room(LIMITS, Lack::Place, 1));
    assert!(lot.occupancy().has_room(LIMITS, Lack::Worker, 1));
    assert_eq!(lot.occupancy().queued(), 2);
    drop(held);
    assert!(lot.occupancy().is_empty());
}

#[test]
fn the_limits_hold_over_all_threads() {
    let occupancy = Arc::new(Occupancy::new(2));
    let (one, two) = (Lot::new(0, occupancy.clone()), Lot::new(1, occupancy));
    let _a = one.park(LIMITS, parked(1, 60)).unwrap();
    let _b = two.park(LIMITS, parked(1, 60)).unwrap();
    let _c = two.park(LIMITS, parked(1, 60)).unwrap();
    assert!(one.park(LIMITS, parked(1, 60)).is_none());
}

#[test]
fn they_leave_in_the_order_in_which_they_came() {
    let lot = lot();
    let mut first = lot.park(LIMITS, parked(1, 60)).unwrap();
    let gone = lot.park(LIMITS, parked(1, 60)).unwrap();
    let mut third = lot.park(LIMITS, parked(1, 60)).unwrap();
    drop(gone);
    let (local, mut left) = (local(&lot), 1);
    lot.release(false, |_| {
        (left > 0)
            .then(|| local.admit(at(1)))
            .flatten()
            .inspect(|_| left -= 1)
    });
    assert!(is_let_in(&mut first));
    assert!(poll(&mut third).is_pending());
    lot.release(false, |_| local.admit(at(1)));
    assert!(is_let_in(&mut third));
}

#[test]
fn a_permit_given_to_one_who_left_is_given_back() {
    let lot = lot();
    let local = local(&lot);
    let parked = lot.park(LIMITS, parked(1, 60)).unwrap();
    lot.release(false, |_| local.admit(at(1)));
    assert_eq!(local.member.in_flight(), 1);
    drop(parked);
    assert_eq!(local.member.in_flight(), 0);
}

#[test]
fn those_past_their_deadline_are_sent_away() {
    let lot = lot();
    let mut late = lot.park(LIMITS, parked(1, 61)).unwrap();
    let mut early = lot.park(LIMITS, parked(1, 60)).unwrap();
    assert_eq!(lot.next_deadline(), Some(at(60)), "whoever came first");
    lot.refuse(at(60), Code::ParkedTooLong, None);
    assert!(is_sent_away(&mut early));
    assert!(poll(&mut late).is_pending());
    assert_eq!(lot.next_deadline(), Some(at(61)));
    drop(late);
    assert_eq!(lot.next_deadline(), None);
}

#[test]
fn who_waits_for_a_place_waits_longer_once_the_worker_is_gone() {
    let lot = lot();
    let mut waits = lot.park(LIMITS, queued(0, 10)).unwrap();
    lot.extend();
    assert_eq!(lot.next_deadline(), Some(at(60)));
    lot.refuse(at(59), Code::QueuedTooLong, None);
    assert!(poll(&mut waits).is_pending());
    lot.refuse(at(60), Code::ParkedTooLong, None);
    assert!(is_sent_away(&mut waits));
}

#[test]
fn a_place_goes_to_the_thread_whose_first_has_waited_longest() {
    let occupancy = Arc::new(Occupancy::new(2));
    let lots = [
        Lot::new(0, occupancy.clone()),
        Lot::new(1, occupancy.clone()),
    ];
    let member = member(2);
    let locals = [0, 1].map(|thread| {
        let local = Local::new(member.clone(), thread, occupancy.clone());
        local.set_cap(Cap::Fixed(1));
        Rc::new(local)
    });
    let busy = locals[0].admit(at(1)).unwrap();
    let mut younger = lots[0].park(LIMITS, queued(3, 10)).unwrap();
    let mut older = lots[1].park(LIMITS, queued(2, 10)).unwrap();
    drop(busy);
    lots[0].release(true, |_| locals[0].admit(at(4)));
    assert!(poll(&mut younger).is_pending(), "it is not its turn");
    assert!(is_called(&lots[1]) && !is_called(&lots[0]));
    lots[1].release(true, |_| locals[1].admit(at(4)));
    let Poll::Ready(Verdict::Pass(permit)) = poll(&mut older) else {
        panic!("it has waited longest");
    };
    drop(permit);
    assert!(is_called(&lots[0]));
    lots[0].release(true, |_| locals[0].admit(at(4)));
    assert!(is_let_in(&mut younger));
}

#[test]
fn a_place_that_was_for_one_who_left_is_for_the_next_on_another_thread() {
    let occupancy = Arc::new(Occupancy::new(2));
    let lots = [
        Lot::new(0, occupancy.clone()),
        Lot::new(1, occupancy.clone()),
    ];
    let leaves = lots[0].park(LIMITS, queued(1, 10)).unwrap();
    let stays = lots[1].park(LIMITS, queued(2, 10)).unwrap();
    drop(leaves);
    assert!(is_called(&lots[1]));
    drop(stays);
}

fn is_called(lot: &Lot) -> bool {
    let called = std::pin::pin!(lot.called());
    called
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}
