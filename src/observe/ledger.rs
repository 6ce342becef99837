//! The request ledger of one data thread:
//! `accepted = completed + refused + client aborted + failed (by code) + in flight`.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::delay::{DelaySum, Delays};
use crate::explain::code::Code;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The worker's answer was handed on to its end.
    Completed,
    /// autoheal answered by itself, before any worker had the request.
    Refused(Code),
    /// The client left.
    Aborted,
    /// A worker failed it, or its answer broke off.
    Failed(Code),
}

/// One data thread's ledger. That thread writes; the control thread reads.
#[derive(Debug)]
#[repr(align(128))]
pub struct Ledger {
    accepted: AtomicU64,
    completed: AtomicU64,
    aborted: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    parked: AtomicU64,
    queued: AtomicU64,
    replayed: AtomicU64,
    troubled: AtomicU64,
    settled: AtomicU64,
    saved: AtomicU64,
    /// How much later the troubled ones got to the worker that answered.
    delays: Delays,
    tunnels: AtomicU64,
    tunnels_moved: AtomicU64,
    /// Refused and failed, one for each code in the order of [`Code::all`].
    codes: Box<[AtomicU64]>,
}

/// What a ledger shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Requests whose head was read.
    pub accepted: u64,
    /// Ended well.
    pub completed: u64,
    /// The client left.
    pub aborted: u64,
    /// Answered by autoheal before any worker had them.
    pub refused: u64,
    /// Failed by a worker.
    pub failed: u64,
    /// Ever parked.
    pub parked: u64,
    /// Ever queued.
    pub queued: u64,
    /// Sent to a worker once more.
    pub replayed: u64,
    /// Parked, or sent once more, or both.
    pub troubled: u64,
    /// Of these: answered, refused, failed, or left by their client.
    pub settled: u64,
    /// Of these: got a worker's answer below 500.
    pub saved: u64,
    /// Became tunnels.
    pub tunnels: u64,
    /// Of these: ended politely, because their worker was about to go.
    pub tunnels_moved: u64,
    /// Refused and failed, by code.
    pub codes: BTreeMap<Code, u64>,
}

impl Sums {
    /// Not yet ended.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.accepted
            .saturating_sub(self.completed + self.aborted + self.refused + self.failed)
    }
}

/// A worker's answer to a request that was troubled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// From when it was parked, or first given to a worker, until it was given to this one.
    pub delay: Duration,
    /// It is below 500.
    pub good: bool,
}

fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            accepted: AtomicU64::default(),
            completed: AtomicU64::default(),
            aborted: AtomicU64::default(),
            refused: AtomicU64::default(),
            failed: AtomicU64::default(),
            parked: AtomicU64::default(),
            queued: AtomicU64::default(),
            replayed: AtomicU64::default(),
            troubled: AtomicU64::default(),
            settled: AtomicU64::default(),
            saved: AtomicU64::default(),
            delays: Delays::default(),
            tunnels: AtomicU64::default(),
            tunnels_moved: AtomicU64::default(),
            codes: Code::all().iter().map(|_| AtomicU64::default()).collect(),
        }
    }
}

impl Ledger {
    /// A request's head was read.
    pub fn accepted(&self) {
        bump(&self.accepted);
    }

    /// A request had to wait for a worker.
    pub fn parked(&self) {
        bump(&self.parked);
    }

    /// A request had to wait for a place at a worker.
    pub fn queued(&self) {
        bump(&self.queued);
    }

    /// A request was sent to a worker once more.
    pub fn replayed(&self) {
        bump(&self.replayed);
    }

    /// A request was parked or sent once more, for the first time.
    pub fn troubled(&self) {
        bump(&self.troubled);
    }

    /// A troubled request has a worker's answer, which came so much later; or none.
    pub fn settled(&self, answer: Option<Late>) {
        if let Some(late) = answer {
            self.delays.add(late.delay);
            if late.good {
                bump(&self.saved);
            }
        }
        bump(&self.settled);
    }

    /// Adds the delays of this ledger to a sum.
    pub fn add_delays_to(&self, sum: &mut DelaySum) {
        self.delays.add_to(sum);
    }

    /// A request became a tunnel.
    pub fn tunneled(&self) {
        bump(&self.tunnels);
    }

    /// A tunnel ended politely, because its worker was about to go.
    pub fn moved(&self) {
        bump(&self.tunnels_moved);
    }

    /// A request ended.
    pub fn ended(&self, end: End) {
        let code = match end {
            End::Completed => return bump(&self.completed),
            End::Aborted => return bump(&self.aborted),
            End::Refused(code) => {
                bump(&self.refused);
                code
            }
            End::Failed(code) => {
                bump(&self.failed);
                code
            }
        };
        let place = Code::all().iter().position(|other| *other == code);
        if let Some(counter) = place.and_then(|place| self.codes.get(place)) {
            bump(counter);
        }
    }

    /// Adds this ledger to a sum. Ends are read before beginnings, so that none is missing.
    pub fn add_to(&self, sums: &mut Sums) {
        sums.completed += self.completed.load(Relaxed);
        sums.aborted += self.aborted.load(Relaxed);
        sums.refused += self.refused.load(Relaxed);
        sums.failed += self.failed.load(Relaxed);
        sums.parked += self.parked.load(Relaxed);
        sums.queued += self.queued.load(Relaxed);
        sums.replayed += self.replayed.load(Relaxed);
        sums.settled += self.settled.load(Relaxed);
        sums.saved += self.saved.load(Relaxed);
        sums.troubled += self.troubled.load(Relaxed);
        sums.tunnels += self.tunnels.load(Relaxed);
        sums.tunnels_moved += self.tunnels_moved.load(Relaxed);
        sums.accepted += self.accepted.load(Relaxed);
        for (code, counter) in Code::all().iter().zip(&self.codes) {
            let count = counter.load(Relaxed);
            if count > 0 {
                *sums.codes.entry(*code).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_balances() {
        let ledger = Ledger::default();
        for _ in 0..5 {
            ledger.accepted();
        }
        ledger.ended(End::Completed);
        ledger.ended(End::Aborted);
        ledger.ended(End::Refused(Code::ParkingFull));
        ledger.ended(End::Failed(Code::WorkerTimeout));
        let mut sums = Sums::default();
        ledger.add_to(&mut sums);
        assert_eq!(sums.in_flight(), 1);
        assert_eq!(sums.codes.get(&Code::WorkerTimeout), Some(&1));
        assert_eq!(sums.refused + sums.failed, sums.codes.values().sum::<u64>());
    }
}
