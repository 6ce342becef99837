//! What the control thread is made of.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, mpsc, watch};

use super::{
    Signal,
    order::{self, Order},
    reloading::News,
};
use crate::{
    act::Hands,
    decide::{
        event::Event,
        observation::{Levels, MemorySample, Observation},
    },
    journal::Journal,
    observe::{access::Sink, ledger::Ledger, suspects::Suspects, tally::Registry},
    sense::{
        files::{Changed, Files},
        maintenance::{Page, Watching},
        memory::Sampler,
        probe::Question,
        strain::Watch,
    },
    time::{MonoTime, WallTime},
};

/// How health is probed.
#[derive(Clone, Debug)]
pub struct Health {
    /// What is asked, and which answers are good.
    pub question: Question,
    /// From one probe to the next.
    pub interval: Duration,
}

/// Tells the thread that reads the configuration to do so; the number comes back with the news.
pub type AskReload = Box<dyn Fn(u64)>;

/// What is known at the start and does not change.
#[derive(Clone, Debug)]
pub struct About {
    /// Where autoheal listens.
    pub listen: Vec<String>,
    /// The configuration's files.
    pub config: Vec<String>,
    /// The parking limits in force, requests and bytes.
    pub parking: order::ParkingStatus,
    /// The queue's limits in force, and how many places there are.
    pub queue: order::QueueStatus,
    /// When the process started.
    pub started: MonoTime,
}

/// What the control thread is made of.
pub struct Parts {
    /// Performs steps.
    pub hands: Hands,
    /// Logs events.
    pub log: fn(&Event, WallTime),
    /// Keeps events.
    pub journal: Journal,
    /// Watches memory.
    pub sampler: Sampler,
    /// Watches files.
    pub files: Files,
    /// Watches for a maintenance page.
    pub maintenance: Watching,
    /// The page that is there at the start.
    pub page: Page,
    /// What the data threads count.
    pub registry: Arc<Registry>,
    /// Tells them what was in flight when a worker crashed.
    pub suspects: watch::Sender<Arc<Suspects>>,
    /// The ledgers of the data threads.
    pub ledgers: Vec<Arc<Ledger>>,
    /// Requests parked, requests queued, and the bytes that they hold, now.
    pub waiting: Box<dyn Fn() -> [u64; 3]>,
    /// Connections of each data thread, now.
    pub connections: Box<dyn Fn() -> Vec<u64>>,
    /// Where what is asked of workers to keep them warm is recorded.
    pub access: Option<Sink>,
    /// Lines of the access log that could not be written.
    pub access_log_lost: Box<dyn Fn() -> u64>,
    /// Rings when a request became slow.
    pub bell: Arc<Notify>,
    /// What hands report.
    pub observations: mpsc::Receiver<Observation>,
    /// What the sampler measures.
    pub samples: mpsc::Receiver<MemorySample>,
    /// What else it measures.
    pub levels: mpsc::Receiver<Levels>,
    /// Watches how much CPU is left.
    pub cpu: Watch,
    /// Files that changed.
    pub changes: mpsc::Receiver<Changed>,
    /// The maintenance page, when it changed.
    pub pages: mpsc::Receiver<Page>,
    /// What others have to tell operators.
    pub notices: mpsc::Receiver<Event>,
    /// The certificates in force, now.
    pub certificates: Box<dyn Fn() -> Vec<order::CertificateStatus>>,
    /// What operators ask.
    pub orders: mpsc::Receiver<Order>,
    /// What signals ask.
    pub signals: mpsc::Receiver<Signal>,
    /// Has the configuration read again.
    pub ask_reload: AskReload,
    /// What came of it, or of a change of its files.
    pub news: mpsc::Receiver<News>,
    /// For `status`.
    pub about: About,
}
