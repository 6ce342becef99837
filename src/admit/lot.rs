//! Where requests wait while no worker is ready: in order, with a deadline, within limits.
//!
//! Each data thread has its own lot; the limits hold over all of them. A parked request costs its
//! head: no body is read. One that leaves gives its place back at once.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use super::gate::Permit;
use crate::{explain::code::Code, time::MonoTime};

/// How much may wait, over all data threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests.
    pub requests: u64,
    /// Bytes of their heads.
    pub bytes: u64,
}

/// How much waits now, over all data threads.
#[derive(Debug, Default)]
pub struct Occupancy {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Occupancy {
    /// Requests waiting now.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Bytes of their heads.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Whether one more of this size would fit.
    #[must_use]
    pub fn has_room(&self, limits: Limits, bytes: u64) -> bool {
        self.requests() < limits.requests && self.bytes().saturating_add(bytes) <= limits.bytes
    }
}

/// What ends a wait.
#[derive(Debug)]
pub enum Verdict {
    /// A worker lets the request in.
    Pass(Permit),
    /// It waited in vain.
    Refuse {
        /// With this code.
        code: Code,
        /// When trying again may help.
        retry_at: Option<MonoTime>,
    },
}

/// One data thread's lot.
#[derive(Debug)]
pub struct Lot {
    occupancy: Arc<Occupancy>,
    waiting: RefCell<VecDeque<Rc<Ticket>>>,
    live: Rc<Cell<usize>>,
}

#[derive(Debug)]
struct Ticket {
    deadline: MonoTime,
    gone: Cell<bool>,
    verdict: RefCell<Option<Verdict>>,
    waker: RefCell<Option<Waker>>,
}

impl Lot {
    /// An empty lot that shares its limits with those of the other threads.
    #[must_use]
    pub fn new(occupancy: Arc<Occupancy>) -> Self {
        Self {
            occupancy,
            waiting: RefCell::default(),
            live: Rc::default(),
        }
    }

    /// How much waits on all threads.
    #[must_use]
    pub fn occupancy(&self) -> &Occupancy {
        &self.occupancy
    }

    /// Whether nothing waits on this thread.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.get() == 0
    }

    /// Parks a request with a head of so many bytes until `deadline` at most. `None`: no room.
    #[must_use]
    pub fn park(&self, limits: Limits, bytes: u64, deadline: MonoTime) -> Option<Parked> {
        let shared = &*self.occupancy;
        let full = shared.requests.fetch_add(1, Relaxed) >= limits.requests;
        let heavy = shared.bytes.fetch_add(bytes, Relaxed).saturating_add(bytes) > limits.bytes;
        self.live.set(self.live.get() + 1);
        let ticket = Rc::new(Ticket {
            deadline,
            gone: Cell::new(false),
            verdict: RefCell::default(),
            waker: RefCell::default(),
        });
        let parked = Parked {
            ticket: ticket.clone(),
            bytes,
            occupancy: self.occupancy.clone(),
            live: self.live.clone(),
        };
        if full || heavy {
            // Dropping it gives the place back.
            return None;
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() > 64 + 2 * self.live.get() {
            waiting.retain(|ticket| !ticket.gone.get());
        }
        waiting.push_back(ticket);
        Some(parked)
    }

    /// Lets the first in, and the next, for as long as `admit` gives permits.
    pub fn release(&self, mut admit: impl FnMut() -> Option<Permit>) {
        loop {
            let Some(first) = self.first() else { return };
            let Some(permit) = admit() else { return };
            self.waiting.borrow_mut().pop_front();
            first.end(Verdict::Pass(permit));
        }
    }

    /// Sends away those for whom `refuse` gives a code and a time to come back.
    pub fn refuse(&self, refuse: impl Fn(MonoTime) -> Option<(Code, Option<MonoTime>)>) {
        self.waiting.borrow_mut().retain(|ticket| {
            if ticket.gone.get() {
                return false;
            }
            let Some((code, retry_at)) = refuse(ticket.deadline) else {
                return true;
            };
            ticket.end(Verdict::Refuse { code, retry_at });
            false
        });
    }

    /// The earliest deadline of those who wait. They wait equally long, so it is the first's.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoTime> {
        self.first().map(|ticket| ticket.deadline)
    }

    fn first(&self) -> Option<Rc<Ticket>> {
        let mut waiting = self.waiting.borrow_mut();
        while waiting.front().is_some_and(|ticket| ticket.gone.get()) {
            waiting.pop_front();
        }
        waiting.front().cloned()
    }
}

impl Ticket {
    fn end(&self, verdict: Verdict) {
        *self.verdict.borrow_mut() = Some(verdict);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// A request that waits. Dropping it gives its place back.
#[derive(Debug)]
pub struct Parked {
    ticket: Rc<Ticket>,
    bytes: u64,
    occupancy: Arc<Occupancy>,
    live: Rc<Cell<usize>>,
}

impl Future for Parked {
    type Output = Verdict;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        if let Some(verdict) = self.ticket.verdict.borrow_mut().take() {
            return Poll::Ready(verdict);
        }
        *self.ticket.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.ticket.gone.set(true);
        self.live.set(self.live.get() - 1);
        self.occupancy.requests.fetch_sub(1, Relaxed);
        self.occupancy.bytes.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        admit::{
            gate::Local,
            roster::{Endpoint, Member, Ramp},
        },
        words::{Generation, Protocol},
    };

    const LIMITS: Limits = Limits {
        requests: 3,
        bytes: 100,
    };

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(seconds)
    }

    fn local() -> Rc<Local> {
        let ramp = Ramp {
            first: 1,
            since: at(0),
            until: at(0),
        };
        let endpoint = Endpoint::Tcp(([127, 0, 0, 1], 1).into());
        let member = Member::new(
            Generation(1),
            (endpoint, Protocol::Http),
            ramp,
            1,
            Arc::default(),
        );
        Rc::new(Local::new(Arc::new(member), 0))
    }

    fn poll(parked: &mut Parked) -> Poll<Verdict> {
        Pin::new(parked).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_lot_takes_no_more_than_its_limits_and_gives_places_back() {
        let lot = Lot::new(Arc::default());
        let held: Vec<Parked> = (0..3)
            .map(|_| lot.park(LIMITS, 10, at(60)).unwrap())
            .collect();
        assert!(lot.park(LIMITS, 10, at(60)).is_none(), "a fourth");
        assert_eq!(
            (lot.occupancy().requests(), lot.occupancy().bytes()),
            (3, 30)
        );
        drop(held);
        assert!(lot.park(LIMITS, 101, at(60)).is_none(), "too heavy");
        assert!(lot.park(LIMITS, 100, at(60)).is_some());
        assert_eq!(
            (lot.occupancy().requests(), lot.occupancy().bytes()),
            (0, 0)
        );
        assert!(lot.is_empty());
    }

    #[test]
    fn the_limits_hold_over_all_threads() {
        let occupancy = Arc::new(Occupancy::default());
        let (one, two) = (Lot::new(occupancy.clone()), Lot::new(occupancy));
        let _a = one.park(LIMITS, 1, at(60)).unwrap();
        let _b = two.park(LIMITS, 1, at(60)).unwrap();
        let _c = two.park(LIMITS, 1, at(60)).unwrap();
        assert!(one.park(LIMITS, 1, at(60)).is_none());
    }

    #[test]
    fn they_leave_in_the_order_in_which_they_came() {
        let lot = Lot::new(Arc::default());
        let mut first = lot.park(LIMITS, 1, at(60)).unwrap();
        let gone = lot.park(LIMITS, 1, at(60)).unwrap();
        let mut third = lot.park(LIMITS, 1, at(60)).unwrap();
        drop(gone);
        let (local, mut left) = (local(), 1);
        lot.release(|| {
            (left > 0)
                .then(|| local.admit(at(1)))
                .flatten()
                .inspect(|_| left -= 1)
        });
        assert!(matches!(poll(&mut first), Poll::Ready(Verdict::Pass(_))));
        assert!(poll(&mut third).is_pending());
        lot.release(|| local.admit(at(1)));
        assert!(matches!(poll(&mut third), Poll::Ready(Verdict::Pass(_))));
    }

    #[test]
    fn a_permit_given_to_one_who_left_is_given_back() {
        let (lot, local) = (Lot::new(Arc::default()), local());
        let parked = lot.park(LIMITS, 1, at(60)).unwrap();
        lot.release(|| local.admit(at(1)));
        assert_eq!(local.member.in_flight(), 1);
        drop(parked);
        assert_eq!(local.member.in_flight(), 0);
    }

    #[test]
    fn those_past_their_deadline_are_sent_away() {
        let lot = Lot::new(Arc::default());
        let mut early = lot.park(LIMITS, 1, at(60)).unwrap();
        let mut late = lot.park(LIMITS, 1, at(61)).unwrap();
        assert_eq!(lot.next_deadline(), Some(at(60)));
        lot.refuse(|deadline| (deadline <= at(60)).then_some((Code::ParkedTooLong, None)));
        assert!(matches!(
            poll(&mut early),
            Poll::Ready(Verdict::Refuse { .. })
        ));
        assert!(poll(&mut late).is_pending());
    }
}
