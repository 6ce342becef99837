//! What the control thread asks of a data thread's steward.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::{time::MonoTime, units::RequestShape, words::Generation};

/// How many letters may wait at one steward. It reads them as they come: only a data thread that
/// does not run at all lets them pile up.
pub const CAPACITY: usize = 256;

/// One letter.
#[derive(Debug)]
pub enum Letter {
    /// Attempts on this worker must leave it.
    Cut {
        /// The worker.
        generation: Generation,
        /// Which of them.
        which: Which,
        /// How many were cut.
        reply: oneshot::Sender<usize>,
    },
    /// Tell since when the oldest attempt on this worker is in flight.
    Oldest {
        /// The worker.
        generation: Generation,
        /// The answer.
        reply: oneshot::Sender<Option<MonoTime>>,
    },
    /// Tell what kinds of requests this worker has, or had when its connections broke, each once.
    Lost {
        /// The worker.
        generation: Generation,
        /// The answer.
        reply: oneshot::Sender<Vec<RequestShape>>,
    },
    /// List what is in flight, the oldest first.
    List {
        /// At most so many.
        limit: usize,
        /// The answer.
        reply: oneshot::Sender<Vec<Request>>,
    },
}

/// Which attempts are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that this slow rule found slow, unanswered and replayable.
    Stuck(usize),
    /// All.
    All,
}

/// One request in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// On which worker.
    pub generation: Generation,
    /// Its method.
    pub method: String,
    /// Its path, without the query string.
    pub path: String,
    /// For how long the worker has had it.
    pub age: Duration,
    /// Whether its response head was seen.
    pub answered: bool,
    /// Whether its connection switched protocols.
    pub tunnel: bool,
}

/// The mailboxes of all stewards.
#[derive(Clone, Debug)]
pub struct Mailboxes(Vec<mpsc::Sender<Letter>>);

impl Mailboxes {
    /// One mailbox for each data thread, and the receiving ends in the same order.
    #[must_use]
    pub fn new(threads: usize) -> (Self, Vec<mpsc::Receiver<Letter>>) {
        let (senders, receivers) = (0..threads).map(|_| mpsc::channel(CAPACITY)).unzip();
        (Self(senders), receivers)
    }

    /// Cuts attempts on a worker, on every data thread. Returns how many.
    pub async fn cut(&self, generation: Generation, which: Which) -> usize {
        self.ask(|reply| Letter::Cut {
            generation,
            which,
            reply,
        })
        .await
        .into_iter()
        .sum()
    }

    /// Since when the oldest attempt on a worker is in flight.
    pub async fn oldest(&self, generation: Generation) -> Option<MonoTime> {
        let answers = self.ask(|reply| Letter::Oldest { generation, reply }).await;
        answers.into_iter().flatten().min()
    }

    /// What kinds of requests a worker had when it ended, each once. To be asked once.
    pub async fn lost(&self, generation: Generation) -> Vec<RequestShape> {
        let answers = self.ask(|reply| Letter::Lost { generation, reply }).await;
        let mut all = Vec::new();
        for shape in answers.into_iter().flatten() {
            if !all.contains(&shape) {
                all.push(shape);
            }
        }
        all
    }

    /// The oldest requests in flight, at most `limit`.
    pub async fn list(&self, limit: usize) -> Vec<Request> {
        let answers = self.ask(|reply| Letter::List { limit, reply }).await;
        let mut all: Vec<Request> = answers.into_iter().flatten().collect();
        all.sort_by_key(|request| std::cmp::Reverse(request.age));
        all.truncate(limit);
        all
    }

    async fn ask<T>(&self, letter: impl Fn(oneshot::Sender<T>) -> Letter) -> Vec<T> {
        let mut answers = Vec::with_capacity(self.0.len());
        for mailbox in &self.0 {
            let (reply, answer) = oneshot::channel();
            if mailbox.send(letter(reply)).await.is_ok()
                && let Ok(answer) = answer.await
            {
                answers.push(answer);
            }
        }
        answers
    }
}
