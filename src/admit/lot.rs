//! Where requests wait while no worker is ready, or while each has as many as it may: in order,
//! with a deadline, within limits.
//!
//! Each data thread has its own lot; the limits hold over all of them, and so does the order among
//! those who wait for a place. A waiting request costs its head: no body is read. One that leaves
//! gives its place back at once.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{gate::Permit, occupancy::Occupancy, wish::Wish};
use crate::{explain::code::Code, time::MonoTime};

/// How much may wait, over all data threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests for lack of a worker.
    pub parked: u64,
    /// Requests for lack of a place at one.
    pub queued: u64,
    /// Bytes of the heads of all of them.
    pub bytes: u64,
}

/// For lack of what a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No worker is ready: the request is parked.
    Worker,
    /// Each worker has as many requests as it may: the request is queued.
    Place,
}

/// A request that would wait.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// For lack of this.
    pub lack: Lack,
    /// The size of its head.
    pub bytes: u64,
    /// Since now.
    pub now: MonoTime,
    /// Until then.
    pub deadline: MonoTime,
    /// Until then if there is no worker at all.
    pub parked_deadline: MonoTime,
    /// Which worker it would rather have.
    pub wish: Wish,
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
pub struct Lot(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    thread: usize,
    occupancy: Arc<Occupancy>,
    /// By the order in which they came.
    waiting: RefCell<BTreeMap<u64, Rc<Ticket>>>,
    /// The same by their deadlines.
    due: RefCell<BTreeSet<(MonoTime, u64)>>,
    /// The number of the next that comes.
    next: Cell<u64>,
}

#[derive(Debug)]
struct Ticket {
    asking: Asking,
    deadline: Cell<MonoTime>,
    verdict: RefCell<Option<Verdict>>,
    waker: RefCell<Option<Waker>>,
}

impl Lot {
    /// The empty lot of this thread, which shares its limits with those of the other threads.
    #[must_use]
    pub fn new(thread: usize, occupancy: Arc<Occupancy>) -> Self {
        Self(Rc::new(Inner {
            thread,
            occupancy,
            waiting: RefCell::default(),
            due: RefCell::default(),
            next: Cell::default(),
        }))
    }

    /// How much waits on all threads.
    #[must_use]
    pub fn occupancy(&self) -> &Arc<Occupancy> {
        &self.0.occupancy
    }

    /// Whether nothing waits on this thread.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.waiting.borrow().is_empty()
    }

    /// Lets a request wait. `None`: there is no room.
    #[must_use]
    pub fn park(&self, limits: Limits, asking: Asking) -> Option<Parked> {
        let inner = &self.0;
        let ticket = Rc::new(Ticket {
            asking,
            deadline: Cell::new(asking.deadline),
            verdict: RefCell::default(),
            waker: RefCell::default(),
        });
        let number = inner.next.get();
        inner.next.set(number + 1);
        let fits = inner.occupancy.enter(limits, asking);
        let parked = Parked {
            inner: inner.clone(),
            number,
            ticket: ticket.clone(),
        };
        if !fits {
            // Dropping it gives the place back.
            return None;
        }
        inner.due.borrow_mut().insert((asking.deadline, number));
        inner.waiting.borrow_mut().insert(number, ticket);
        if inner.is_first(number) {
            inner.show();
        }
        Some(parked)
    }

    /// Lets the first in, and the next, for as long as `admit` gives permits. If places are
    /// `shared` with the other threads, whoever has waited longer there comes first.
    pub fn release(&self, shared: bool, mut admit: impl FnMut(Wish) -> Option<Permit>) {
        let (inner, turns) = (&self.0, self.0.occupancy.turns());
        let mut released = false;
        while let Some((number, first)) = inner.first() {
            if shared && turns.is_before(inner.thread, first.asking.now) {
                break;
            }
            let Some(permit) = admit(first.asking.wish) else {
                // Whoever gives the next place back calls who is first then.
                return;
            };
            inner.remove(number);
            inner.show();
            released = true;
            first.end(Verdict::Pass(permit));
        }
        if released {
            turns.call_others(inner.thread);
        }
    }

    /// Sends away those whose deadline is at this time or before.
    pub fn refuse(&self, until: MonoTime, code: Code, retry_at: Option<MonoTime>) {
        let inner = &self.0;
        loop {
            let due = inner.due.borrow().first().copied();
            let Some((_, number)) = due.filter(|(deadline, _)| *deadline <= until) else {
                return;
            };
            if let Some(ticket) = inner.take_out(number) {
                ticket.end(Verdict::Refuse { code, retry_at });
            }
        }
    }

    /// There is no worker any more: whoever waits for a place waits as long as for a worker.
    pub fn extend(&self) {
        let mut due = self.0.due.borrow_mut();
        for (number, ticket) in &*self.0.waiting.borrow() {
            let new = ticket.asking.parked_deadline;
            let old = ticket.deadline.replace(new);
            if old != new {
                due.remove(&(old, *number));
                due.insert((new, *number));
            }
        }
    }

    /// The earliest deadline of those who wait.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoTime> {
        self.0.due.borrow().first().map(|(deadline, _)| *deadline)
    }

    /// Waits until a place may be free for the first on this thread.
    pub async fn called(&self) {
        self.0.occupancy.turns().called(self.0.thread).await;
    }
}

impl Inner {
    fn first(&self) -> Option<(u64, Rc<Ticket>)> {
        let waiting = self.waiting.borrow();
        let (number, ticket) = waiting.first_key_value()?;
        Some((*number, ticket.clone()))
    }

    fn is_first(&self, number: u64) -> bool {
        let waiting = self.waiting.borrow();
        waiting.keys().next() == Some(&number)
    }

    /// Shows the other threads since when the first waits.
    fn show(&self) {
        let first = self.first().map(|(_, ticket)| ticket.asking.now);
        self.occupancy.turns().show(self.thread, first);
    }

    fn remove(&self, number: u64) -> Option<Rc<Ticket>> {
        let ticket = self.waiting.borrow_mut().remove(&number)?;
        self.due
            .borrow_mut()
            .remove(&(ticket.deadline.get(), number));
        Some(ticket)
    }

    /// Takes one out that waits in vain. If it was the first, a place that was for it is for the
    /// next, wherever that waits.
    fn take_out(&self, number: u64) -> Option<Rc<Ticket>> {
        let was_first = self.is_first(number);
        let ticket = self.remove(number);
        if was_first {
            self.show();
            self.occupancy.turns().call();
        }
        ticket
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
    inner: Rc<Inner>,
    number: u64,
    ticket: Rc<Ticket>,
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
        self.inner.take_out(self.number);
        let Asking { lack, bytes, .. } = self.ticket.asking;
        self.inner.occupancy.leave(lack, bytes);
    }
}

#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;
