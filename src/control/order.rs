//! What an operator may ask of the control thread, and what it answers: plain data both ways.
//!
//! Orders travel through a bounded channel; each carries the place for its answer. An order whose
//! asker has gone is still carried out.

mod status;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

pub use self::status::{
    BudgetStatus, CertificateStatus, CodeCount, DependencyStatus, IncidentCount, IncidentsStatus,
    InstanceStatus, LedgerStatus, ParkingStatus, PoisonStatus, QueueStatus, RuleStatus, Status,
    ThreadStatus, WorkerStatus,
};

/// So many orders may wait for the control thread.
const ORDERS_MAX: usize = 64;

/// One order, with the place for its answer.
#[derive(Debug)]
pub enum Order {
    /// How are things.
    Status(oneshot::Sender<Status>),
    /// Replace the worker; of several all, one after another.
    Recycle {
        /// Only this one of several.
        instance: Option<u32>,
        /// Why, for the record.
        reason: String,
        /// Even while it starts, or after giving up; and without waiting for a drain.
        force: bool,
        /// Answer when it has ended rather than when it has begun.
        wait: bool,
        /// For the answer.
        reply: oneshot::Sender<Answer>,
    },
    /// Start the worker.
    Start(oneshot::Sender<Answer>),
    /// Drain and stop the worker and leave it stopped.
    Stop(oneshot::Sender<Answer>),
    /// Read the configuration again.
    Reload(oneshot::Sender<Answer>),
    /// Park every new request for at most this long.
    Hold(Duration, oneshot::Sender<Answer>),
    /// End a hold.
    Release(oneshot::Sender<Answer>),
    /// These rules (none: all) only report, for this long.
    Disarm {
        /// By name.
        rules: Vec<String>,
        /// For how long.
        time: Duration,
        /// For the answer.
        reply: oneshot::Sender<Answer>,
    },
    /// These rules (none: all) act again.
    Arm {
        /// By name.
        rules: Vec<String>,
        /// For the answer.
        reply: oneshot::Sender<Answer>,
    },
    /// Records of the journal, the oldest first.
    Events {
        /// Only after this number; `None`: the last ones.
        since: Option<u64>,
        /// At most so many.
        limit: usize,
        /// For the answer.
        reply: oneshot::Sender<Events>,
    },
    /// Lines that the worker printed, the oldest first.
    Logs {
        /// Of the generation before rather than of the newest.
        previous: bool,
        /// Of this instance; `None`: of the one that was started last.
        instance: Option<u32>,
        /// Only after this number; `None`: the last ones.
        since: Option<u64>,
        /// At most so many.
        limit: usize,
        /// For the answer.
        reply: oneshot::Sender<Result<Logs, Refusal>>,
    },
    /// The latest incidents, the latest first, each as one object of JSON.
    Incidents {
        /// At most so many.
        limit: usize,
        /// For the answer.
        reply: oneshot::Sender<Vec<String>>,
    },
    /// One incident, as one object of JSON.
    Incident {
        /// Its number; `None`: the latest.
        id: Option<u64>,
        /// For the answer.
        reply: oneshot::Sender<Answer>,
    },
    /// The requests that workers have, the oldest first.
    Requests(oneshot::Sender<Vec<Request>>),
}

/// The answer to an order that changes something.
pub type Answer = Result<String, Refusal>;

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {cure}")]
pub struct Refusal {
    /// What is in the way, as a fragment without a full stop.
    pub what: String,
    /// What to do instead.
    pub cure: String,
}

/// The control thread does not answer: it has ended, or the queue of orders is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the control thread takes no orders: it is stopping or stuck")]
pub struct Unanswered;

/// The asking side of the channel.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Order>);

/// A channel for orders: the side that asks, and the side of the control thread.
#[must_use]
pub fn channel() -> (Orders, mpsc::Receiver<Order>) {
    let (sender, receiver) = mpsc::channel(ORDERS_MAX);
    (Orders(sender), receiver)
}

impl Orders {
    /// Sends the order that `order` makes of the place for the answer, and waits for the answer.
    ///
    /// # Errors
    /// When the control thread has ended, or has more orders waiting than it may.
    pub async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, Unanswered> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(order(reply)).map_err(|_| Unanswered)?;
        answer.await.map_err(|_| Unanswered)
    }
}

/// Records of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Number and whole JSON line of each, the oldest first.
    pub lines: Vec<(u64, std::sync::Arc<str>)>,
    /// Records that the disk did not take.
    pub lost: u64,
}

/// Lines that a worker printed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Logs {
    /// The oldest first.
    pub lines: Vec<LogLine>,
    /// Lines that no one read in time and that are gone.
    pub lost: u64,
}

/// One line that a worker printed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number.
    pub seq: u64,
    /// Whose.
    pub generation: u32,
    /// The instance that this is a generation of; null: there is only one.
    #[serde(default)]
    pub instance: Option<u32>,
    /// When it was read, RFC 3339.
    pub at: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Without its line break; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// One request that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Since its head was read.
    pub age_ms: u64,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The worker that has it.
    pub generation: u32,
    /// The instance that this is a generation of; null: there is only one.
    #[serde(default)]
    pub instance: Option<u32>,
    /// `sent`, `answering`.
    pub state: String,
}
