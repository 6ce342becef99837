//! The one step: a request gets a worker, a place to wait, or an answer.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use super::{occupancy::Occupancy, overload::Cap, roster::Member};
use crate::{
    explain::code::Code,
    time::{self, MonoTime},
    words::Door,
};

/// What a request gets.
#[derive(Debug)]
pub enum Admission {
    /// A worker. The permit counts the request until it is dropped.
    Pass(Permit),
    /// A place to wait until a worker is ready.
    Park,
    /// A place to wait until a worker has fewer requests than it may.
    Queue,
    /// An answer.
    Refuse {
        /// With this code.
        code: Code,
        /// When trying again may help.
        retry_at: Option<MonoTime>,
    },
}

/// One worker as one data thread sees it.
#[derive(Debug)]
pub struct Local {
    /// The worker.
    pub member: Arc<Member>,
    thread: usize,
    /// How many this thread may have in flight on it while the ramp lasts.
    allowance: Cell<u64>,
    /// How many all threads may have in flight on it.
    cap: Cell<Cap>,
    /// Who waits for a place.
    occupancy: Arc<Occupancy>,
}

impl Local {
    /// The worker as data thread number `thread` sees it.
    #[must_use]
    pub fn new(member: Arc<Member>, thread: usize, occupancy: Arc<Occupancy>) -> Self {
        let threads = member.threads() as u64;
        let allowance = Cell::new(member.ramp.first.div_ceil(threads).max(1));
        Self {
            member,
            thread,
            allowance,
            cap: Cell::default(),
            occupancy,
        }
    }

    /// How many all threads may have in flight on it, from now on. What was let in while there was
    /// no cap is not counted.
    pub fn set_cap(&self, cap: Cap) {
        self.cap.set(cap);
    }

    /// The data thread's number.
    #[must_use]
    pub fn thread(&self) -> usize {
        self.thread
    }

    /// The one step: counts a request in if the ramp, the cap and the worker let it.
    #[must_use]
    pub fn admit(self: &Rc<Self>, now: MonoTime) -> Option<Permit> {
        let ramp = &self.member.ramp;
        let in_flight = self.member.in_flight_on(self.thread);
        let share = || ramp.most(now).div_ceil(self.member.threads() as u64);
        let ramped = now >= ramp.until || (in_flight < self.allowance.get() && in_flight < share());
        if !ramped {
            return None;
        }
        let places = &self.member.places;
        let (capped, full) = match self.cap.get() {
            Cap::None => (false, false),
            Cap::Fixed(cap) => (true, !places.take(cap)),
            Cap::Found(range) => (true, !self.member.found.take(places, range)),
        };
        if full {
            return None;
        }
        if self.member.enter(self.thread) {
            let local = self.clone();
            return Some(Permit { local, capped });
        }
        if capped {
            // Its worker is closed: nobody waits for a place at it.
            self.member.places.give_back();
        }
        None
    }

    /// An answer says how much the worker has to do: so long it took, from `start` on.
    pub fn took(&self, start: MonoTime, taken: Duration) {
        if let Cap::Found(_) = self.cap.get() {
            self.member.found.answered(start, taken);
        }
    }

    /// A client left before its answer, after so long.
    pub fn gave_up(&self, start: MonoTime, taken: Duration) {
        if let Cap::Found(_) = self.cap.get() {
            self.member.found.gave_up(start, taken);
        }
    }

    /// An answer came: it makes room for two.
    pub fn answered(&self) {
        self.allowance.set(self.allowance.get() + 1);
    }
}

/// Counts one request on one worker until it is dropped.
#[derive(Debug)]
pub struct Permit {
    local: Rc<Local>,
    /// It has one of the worker's places.
    capped: bool,
}

impl Permit {
    /// The worker that lets the request in.
    #[must_use]
    pub fn local(&self) -> &Rc<Local> {
        &self.local
    }

    /// It lasts, with little to do for the worker: where the cap is found out, its place is for
    /// others.
    pub fn lasts(&mut self) {
        if let Cap::Found(_) = self.local.cap.get() {
            self.give_place_back();
        }
    }

    fn give_place_back(&mut self) {
        if std::mem::replace(&mut self.capped, false) {
            self.local.member.places.give_back();
            self.local.occupancy.freed(time::now());
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.local.member.leave(self.local.thread);
        self.give_place_back();
    }
}

/// What the door says to a request that would wait until `deadline`.
#[must_use]
pub fn at_the_door(door: Door, now: MonoTime, deadline: MonoTime) -> Admission {
    match door {
        Door::Refuse { code, retry_at } => Admission::Refuse { code, retry_at },
        // Nobody is parked in vain.
        Door::Park {
            down_since,
            next_start,
        } if next_start > deadline || now.since(down_since) > deadline.since(now) => {
            Admission::Refuse {
                code: Code::WorkerDown,
                retry_at: Some(next_start),
            }
        }
        Door::Park { .. } => Admission::Park,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        admit::roster::{Endpoint, Ramp},
        tls::back::Manner,
        words::Generation,
    };

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(seconds)
    }

    fn local(first: u64) -> Rc<Local> {
        let ramp = Ramp {
            first,
            since: at(0),
            until: at(10),
        };
        let at = (Endpoint::Tcp(([127, 0, 0, 1], 1).into()), Manner::default());
        let member = Member::new((Generation(1), 0), at, ramp, 1, Arc::default());
        Rc::new(Local::new(Arc::new(member), 0, Arc::new(Occupancy::new(1))))
    }

    #[test]
    fn a_fresh_worker_gets_two_for_each_answer() {
        let local = local(2);
        let permits: Vec<Permit> = (0..9).map_while(|_| local.admit(at(0))).collect();
        assert_eq!(permits.len(), 2);
        local.answered();
        local.answered();
        drop(permits);
        assert_eq!(
            (0..9)
                .map_while(|_| local.admit(at(0)))
                .collect::<Vec<_>>()
                .len(),
            4
        );
    }

    #[test]
    fn a_fast_worker_is_not_flooded() {
        let local = local(2);
        for _ in 0..1000 {
            local.answered();
        }
        let at_once = |now| {
            let permits: Vec<Permit> = (0..999).map_while(|_| local.admit(now)).collect();
            permits.len()
        };
        assert_eq!(at_once(at(0)), 32);
        assert_eq!(at_once(at(0) + Ramp::DOUBLES * 3), 256);
        assert_eq!(at_once(at(10)), 999);
    }

    #[test]
    fn the_ramp_ends() {
        let local = local(1);
        let permits: Vec<Permit> = (0..9).map_while(|_| local.admit(at(10))).collect();
        assert_eq!(permits.len(), 9);
    }

    #[test]
    fn a_worker_never_has_more_than_its_cap() {
        let local = local(100);
        local.set_cap(Cap::Fixed(4));
        let mut permits: Vec<Permit> = (0..9).map_while(|_| local.admit(at(10))).collect();
        assert_eq!(permits.len(), 4);
        permits.pop();
        assert!(local.admit(at(10)).is_some());
        local.member.close();
        assert!(local.admit(at(10)).is_none());
        drop(permits);
        assert_eq!(local.member.in_flight(), 0);
        assert!((0..4).all(|_| local.member.places.take(4)), "all are back");
    }

    #[test]
    fn a_cap_that_goes_or_comes_keeps_the_count_right() {
        let local = local(100);
        let before = local.admit(at(10)).unwrap();
        local.set_cap(Cap::Fixed(1));
        let within = local.admit(at(10)).unwrap();
        assert!(local.admit(at(10)).is_none());
        local.set_cap(Cap::None);
        let after = local.admit(at(10)).unwrap();
        drop((before, within, after));
        local.set_cap(Cap::Fixed(1));
        assert!(local.admit(at(10)).is_some());
        assert_eq!(local.member.in_flight(), 0);
    }

    #[test]
    fn nobody_is_parked_in_vain() {
        let door = |down, next| Door::Park {
            down_since: at(down),
            next_start: at(next),
        };
        let says = |door| matches!(at_the_door(door, at(100), at(160)), Admission::Park);
        assert!(says(door(99, 101)));
        assert!(says(door(40, 101)));
        assert!(!says(door(39, 101)), "down for longer than the wait");
        assert!(
            !says(door(99, 161)),
            "the next start is due after the deadline"
        );
    }
}
