//! Makes requests when they are due, all on one thread.
//!
//! The queue of due requests is a count: a connection that becomes free takes the next number, and
//! connections take turns. A number that waits longer than the timeout fails unsent.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::LocalOptions,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{
    LoadError,
    connection::{Answer, Connection, Template},
    failure::{Failed, Failure},
    ledger::{Ledger, Times},
    machine::{Timer, allow_descriptors},
    plan::Plan,
    report::Report,
};
use crate::time::{self, MonoTime};

/// Opened at the same time, so that a server's accept queue does not overflow.
const OPENING_MAX: usize = 64;
const OPENING_TIME_MAX: Duration = Duration::from_secs(10);
/// From when all connections stand to the first request.
const HEAD_START: Duration = Duration::from_millis(5);
/// At a high rate several requests become due at one wake-up rather than each with its own.
const WAIT_MIN: Duration = Duration::from_micros(100);
/// How soon a stop is noticed.
const WAIT_MAX: Duration = Duration::from_millis(50);
/// A server may answer before it has read the body; such a connection is let go after this.
const SETTLE_MAX: Duration = Duration::from_secs(1);
const DOWNLOAD_TIME_MAX: Duration = Duration::from_secs(600);
/// A download that fails at once must not become a busy loop.
const DOWNLOAD_RETRY: Duration = Duration::from_millis(100);

/// A run that goes on in threads of its own.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    client: JoinHandle<Result<Report, LoadError>>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many requests were due and taken up by a connection.
    pub due: u64,
    /// How many had a right answer.
    pub answered: u64,
    /// How many failed.
    pub failed: u64,
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    address: SocketAddr,
    dealt: AtomicU64,
    /// How many there are in all; fewer than planned after a stop.
    total: AtomicU64,
    stopped: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Running {
    /// Begins: opens all connections, then requests are due.
    ///
    /// # Errors
    /// When the plan can't be carried out: nothing to send, an unknown host, no threads.
    pub fn start(plan: Plan) -> Result<Self, LoadError> {
        plan.check()?;
        let address = plan.resolve()?;
        let templates = Templates::new(&plan)?;
        let descriptors = plan.connections as u64 + 100;
        allow_descriptors(descriptors).map_err(|source| LoadError::Descriptors {
            needed: descriptors,
            source,
        })?;
        let shared = Arc::new(Shared {
            address,
            dealt: AtomicU64::new(0),
            total: AtomicU64::new(u64::MAX),
            stopped: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            plan,
        });
        let ours = Arc::clone(&shared);
        let client = thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || client(&ours, templates))
            .map_err(LoadError::Thread)?;
        Ok(Self { shared, client })
    }

    /// No more requests become due; those in flight go on.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Relaxed);
    }

    /// Whether every request is over.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.client.is_finished()
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            due: self
                .shared
                .dealt
                .load(Relaxed)
                .min(self.shared.total.load(Relaxed)),
            answered: self.shared.answered.load(Relaxed),
            failed: self.shared.failed.load(Relaxed),
        }
    }

    /// Waits until every request is over.
    ///
    /// # Errors
    /// When the client's thread could not begin.
    ///
    /// # Panics
    /// When the client did.
    pub fn wait(self) -> Result<Report, LoadError> {
        self.client
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn client(shared: &Arc<Shared>, templates: Templates) -> Result<Report, LoadError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(LoadError::Thread)?
        .block_on(run(Arc::clone(shared), templates))
}

async fn run(shared: Arc<Shared>, templates: Templates) -> Result<Report, LoadError> {
    let connections = open(&shared).await;
    let start = time::now() + HEAD_START;
    let cpu_before = time::spent();
    let run = Rc::new(Run {
        start,
        ledger: RefCell::new(Ledger::new(start)),
        opened: Cell::new(0),
        over: Cell::new(false),
        due: Semaphore::new(0),
        templates,
        shared,
    });
    let download = tokio::task::spawn_local(Rc::clone(&run).download());
    let mut lanes = JoinSet::new();
    for connection in connections {
        lanes.spawn_local(Rc::clone(&run).lane(connection));
    }
    run.pace().await.map_err(LoadError::Thread)?;
    while let Some(ended) = lanes.join_next().await {
        resume(ended);
    }
    run.over.set(true);
    resume(download.await);
    let cpu = time::spent().saturating_sub(cpu_before);
    let Ok(run) = Rc::try_unwrap(run).map_err(drop) else {
        unreachable!("every task that shared the run has ended");
    };
    Ok(run.report(cpu))
}

/// Opens every connection before the first request is due. One that can't be opened is tried again
/// by its first request, whose failure counts.
async fn open(shared: &Arc<Shared>) -> Vec<Connection> {
    let permits = Rc::new(Semaphore::new(OPENING_MAX));
    let mut opening = JoinSet::new();
    for _ in 0..shared.plan.connections {
        let (permits, within) = (
            Rc::clone(&permits),
            shared.plan.timeout.min(OPENING_TIME_MAX),
        );
        let mut connection = Connection::new(shared.address);
        opening.spawn_local(async move {
            let _permit = permits.acquire().await;
            if timeout(within, connection.open()).await.is_err() {
                connection.cut();
            }
            connection
        });
    }
    let mut open = Vec::with_capacity(shared.plan.connections);
    while let Some(opened) = opening.join_next().await {
        open.push(resume(opened));
    }
    open
}

/// The requests of a run and of its downloads.
pub(super) struct Templates {
    requests: Template,
    download: Option<(Plan, Template)>,
}

impl Templates {
    fn new(plan: &Plan) -> Result<Self, LoadError> {
        let run = fastrand::u32(..);
        let download = match &plan.download {
            None => None,
            Some(path) => {
                let plan = Plan {
                    method: http::Method::GET,
                    body_bytes: 0,
                    chunked: false,
                    expect: None,
                    ..plan.clone()
                };
                let template = Template::new(&plan, path, run)?;
                Some((plan, template))
            }
        };
        Ok(Self {
            requests: Template::new(plan, plan.target(), run)?,
            download,
        })
    }
}

struct Run {
    shared: Arc<Shared>,
    templates: Templates,
    start: MonoTime,
    ledger: RefCell<Ledger>,
    opened: Cell<u64>,
    over: Cell<bool>,
    /// One permit for each request that is due and that no connection has taken.
    due: Semaphore,
}

impl Run {
    /// Adds a permit whenever a request becomes due; at the end one for each connection, to end it.
    async fn pace(&self) -> io::Result<()> {
        let (shared, mut timer) = (&self.shared, Timer::new()?);
        let mut dealt = 0;
        while dealt < shared.plan.requests() && !shared.stopped.load(Relaxed) {
            let now = time::now();
            let due = shared.plan.due_by(self.start, now);
            if due > dealt {
                let more = usize::try_from(due - dealt).unwrap_or(usize::MAX);
                self.due.add_permits(more);
                dealt = due;
            }
            let wait = shared.plan.due(self.start, dealt).since(now);
            timer.wait(wait.clamp(WAIT_MIN, WAIT_MAX)).await?;
        }
        shared.total.store(dealt, Relaxed);
        self.due.add_permits(shared.plan.connections);
        Ok(())
    }

    /// One connection's life: take the next number, make the request, record what became of it.
    async fn lane(self: Rc<Self>, mut connection: Connection) {
        loop {
            if timeout(SETTLE_MAX, connection.settle()).await.is_err() {
                connection.cut();
            }
            let free = time::now();
            let Ok(permit) = self.due.acquire().await else {
                break;
            };
            permit.forget();
            let number = self.shared.dealt.fetch_add(1, Relaxed);
            if number >= self.shared.total.load(Relaxed) {
                break;
            }
            let due = self.shared.plan.due(self.start, number);
            let taken = time::now();
            self.ledger.borrow_mut().late(taken.since(due.max(free)));
            let result = self.request(&mut connection, number, due, taken).await;
            let counter = if result.is_ok() {
                &self.shared.answered
            } else {
                &self.shared.failed
            };
            counter.fetch_add(1, Relaxed);
            let times = Times {
                number,
                due,
                over: time::now(),
            };
            self.ledger.borrow_mut().record(times, result);
        }
        self.opened.set(self.opened.get() + connection.opened());
    }

    async fn request(
        &self,
        connection: &mut Connection,
        number: u64,
        due: MonoTime,
        taken: MonoTime,
    ) -> Result<Answer, Failed> {
        let plan = &self.shared.plan;
        let deadline = due + plan.timeout;
        if taken >= deadline {
            return Err(Failed::new(
                Failure::Unsent,
                "no connection was free in time",
            ));
        }
        let template = &self.templates.requests;
        let request = template.request(number, plan.ids);
        let exchange = connection.exchange(plan, request, template.body_crc());
        let result = timeout_at(Instant::from_std(deadline.to_instant()), exchange).await;
        result.unwrap_or_else(|_| {
            connection.cut();
            Err(Failed::new(
                Failure::Timeout,
                format!("sent {:?} after it was due", taken.since(due)),
            ))
        })
    }

    /// Keeps one download in flight, each on a connection of its own.
    async fn download(self: Rc<Self>) {
        let Some((plan, template)) = &self.templates.download else {
            return;
        };
        let mut number = 0;
        while !self.over.get() {
            let due = time::now();
            let mut connection = Connection::new(self.shared.address);
            let exchange =
                connection.exchange(plan, template.request(number, false), template.body_crc());
            let result = timeout(DOWNLOAD_TIME_MAX, exchange)
                .await
                .unwrap_or_else(|_| {
                    Err(Failed::new(Failure::Timeout, "the download took too long"))
                });
            let failed = result.is_err();
            let times = Times {
                number,
                due,
                over: time::now(),
            };
            self.ledger.borrow_mut().download(times, result);
            self.opened.set(self.opened.get() + connection.opened());
            number += 1;
            if failed {
                self.shared.failed.fetch_add(1, Relaxed);
                tokio::time::sleep(DOWNLOAD_RETRY).await;
            }
        }
    }

    fn report(self, cpu: Duration) -> Report {
        let mut report = self.ledger.into_inner().report();
        let plan = &self.shared.plan;
        report.url = plan.url.to_string();
        report.method = plan.method.to_string();
        report.rate_per_s = plan.rate_per_s;
        report.connections = plan.connections;
        report.requests = self.shared.total.load(Relaxed);
        report.opened = self.opened.get();
        if report.seconds > 0.0 {
            report.client.cpu_percent = cpu.as_secs_f64() / report.seconds * 100.0;
        }
        report
    }
}

fn resume<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
