//! The composition root: start order, reload, shutdown order.
//!
//! Nothing is served before everything is bound; a configuration that can't be used starts nothing.

mod access;
mod certificates;
mod data;
mod descriptors;
mod error;
mod plane;
pub mod reload;
mod signals;
mod translate;

pub use self::error::Error;
use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use self::{
    access::Access,
    certificates::Certificates,
    plane::Plane,
    reload::{Begin, FIRST_EPOCH, Load},
    translate::Outlets,
};
use crate::{
    accept::{
        deal::THREADS_MAX,
        listener::{Entry, Listening},
    },
    act::{Hands, OBSERVATIONS},
    admin::{
        probes::{self, Probes},
        socket::{Bound, Folders, Place},
    },
    config::{self, Diagnostic, Loaded, Settings, watch::Stamps},
    control::{
        About, Control, Parts,
        order::{self, Orders},
        reloading::Reloaded,
    },
    journal::{self, Journal},
    os::{cgroup::Cgroup, cpus, procfs::Proc},
    proxy::panics::in_request,
    sense::{
        files::Files,
        maintenance::{self, Page, Watching},
        memory::Sampler,
        strain::{Scales, Watch},
    },
    telemetry::log,
    time::{self, MonoTime},
    tls::back::Back,
    worker::{orphans, pass::Pass},
};

/// How long what was logged and printed may take to be written at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Signals that may wait for the control thread.
const SIGNALS: usize = 16;
/// Memory samples that may wait for the control thread.
const SAMPLES: usize = 64;
/// Maintenance pages that may wait for the control thread.
const PAGES: usize = 2;
/// Changes of files that may wait for the control thread.
const CHANGES: usize = 16;

/// What to start with.
pub struct Start {
    /// The configuration.
    pub loaded: Loaded,
    /// Its files, as they were given.
    pub names: Vec<String>,
    /// The same; absolute.
    pub files: Vec<PathBuf>,
    /// How they looked when they were read.
    pub stamps: Stamps,
    /// Reads it again.
    pub load: Load,
}

/// What is had before anything is served.
struct Ground {
    started: MonoTime,
    bound: Vec<Listening>,
    certificates: Certificates,
    /// TLS with the worker.
    back: Option<Arc<Back>>,
    admin: Option<Bound>,
    probes: Option<Probes>,
    journal: Journal,
    pass: Pass,
    access: Option<Access>,
    /// The soft limit on open files that we were started with, if we raised it.
    open_files: Option<u64>,
}

impl Ground {
    fn take(settings: &Settings) -> Result<Self, Error> {
        log::init(translate::log(&settings.log))?;
        let mut certificates = Certificates::default();
        Ok(Self {
            started: time::now(),
            open_files: descriptors::raise(),
            bound: listen_on_all(settings, &mut certificates)?,
            back: certificates.back(&settings.worker)?,
            certificates,
            admin: admin(settings)?,
            probes: probes(settings)?,
            journal: open_journal(settings)?,
            pass: Pass::to_stdout()?,
            access: Access::start(&settings.access_log)?,
        })
    }

    /// Lets operators ask, and probes, from now on.
    fn take_questions(&self, orders: Orders) -> io::Result<()> {
        if let Some(admin) = &self.admin {
            tokio::task::spawn_local(crate::admin::serve(admin.listener()?, orders.clone()));
        }
        if let Some(probes) = &self.probes {
            tokio::task::spawn_local(probes.serve(orders)?);
        }
        Ok(())
    }

    fn addresses(&self) -> Vec<String> {
        self.bound.iter().map(Listening::address).collect()
    }
}

/// Serves until told to stop. Returns the exit code.
///
/// # Errors
/// When something that is needed can't be had; nothing has been started then.
pub fn run(start: Start) -> Result<i32, Error> {
    end_on_panic();
    let settings = start.loaded.settings.clone();
    let mut ground = Ground::take(&settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    let (pass, open_files) = (&ground.pass, ground.open_files);
    let made = translate::all(
        &settings,
        FIRST_EPOCH,
        pass,
        open_files,
        ground.back.clone(),
    );
    let (fitting, few) = descriptors::within(&settings, descriptors::open_files());
    let (threads, connections) = (threads(&settings), u64::from(fitting.limits.connections));
    let sink = ground.access.as_ref().map(|access| &access.sink);
    let clients = made.clients;
    let mut plane = Plane::spawn(
        &ground.bound,
        threads,
        connections,
        made.data,
        clients,
        sink,
    )?;
    announce(&ground, threads, &start);
    if let Some(few) = few {
        tracing::warn!("{few}");
    }
    let running = std::mem::take(&mut plane.running);
    let code = runtime.block_on(heal(start, &mut ground, plane, made.control))?;
    // The control thread's senders are gone: the data threads finish what they write, and end.
    let ended: Vec<bool> = running
        .into_iter()
        .map(|thread| thread.join().is_ok())
        .collect();
    ground.bound.iter().for_each(Listening::remove_file);
    if !ground.pass.flush(LAST_WORDS) {
        tracing::warn!("not all of the worker's last lines could be passed on");
    }
    if let Some(access) = ground.access.take() {
        access.finish(LAST_WORDS);
    }
    log::flush(LAST_WORDS);
    Ok(if ended.contains(&false) {
        crate::cli::exit::DEFECT
    } else {
        code
    })
}

/// The control thread, from its first order to the end of the last worker.
async fn heal(
    start: Start,
    ground: &mut Ground,
    plane: Plane,
    mut first: Reloaded,
) -> io::Result<i32> {
    let (observe, observations) = mpsc::channel(OBSERVATIONS);
    let (sample, samples) = mpsc::channel(SAMPLES);
    let (level, levels) = mpsc::channel(SAMPLES);
    let (change, changes) = mpsc::channel(CHANGES);
    let (orders, order_queue) = order::channel();
    let (to_control, signals) = mpsc::channel(SIGNALS);
    let (tell, notices) = mpsc::channel(certificates::NEWS_MAX);
    let _watch = ground.certificates.watch(tell)?;
    let certificates = ground.certificates.clone();
    tokio::task::spawn_local(signals::listen(to_control)?);
    ground.take_questions(orders)?;
    orphans::adopt()?;
    let (maintenance, page, pages) = watch_page(first.maintenance.clone())?;
    first.warnings = lines(&start.loaded.warnings);
    let (occupancy, dealer) = (plane.occupancy, plane.dealer);
    let outlets = Outlets {
        config: plane.config,
        clients: plane.clients,
    };
    let (ask_reload, news) = reload::start(Begin {
        load: start.load,
        files: start.files,
        stamps: start.stamps,
        loaded: start.loaded,
        outlets,
        certificates: ground.certificates.clone(),
        pass: ground.pass.clone(),
        open_files: ground.open_files,
    })?;
    let parts = Parts {
        hands: Hands::new(
            first.hands.clone(),
            plane.ledgers.len(),
            plane.roster,
            plane.mailboxes,
            occupancy.clone(),
            observe,
        ),
        log: log::say,
        journal: std::mem::replace(&mut ground.journal, Journal::in_memory()),
        sampler: Sampler::start(Proc::default(), sample, level)?,
        files: Files::start(change)?,
        maintenance,
        page,
        pages,
        registry: plane.registry,
        suspects: plane.suspects,
        ledgers: plane.ledgers,
        waiting: Box::new(move || [occupancy.parked(), occupancy.queued(), occupancy.bytes()]),
        connections: Box::new(move || dealer.counts()),
        access: ground.access.as_ref().map(|access| access.sink.clone()),
        access_log_lost: access::lost(ground.access.as_ref()),
        bell: plane.bell,
        observations,
        samples,
        levels,
        cpu: Watch::start(Scales::new(Proc::default()))?,
        changes,
        notices,
        certificates: Box::new(move || certificates.status()),
        orders: order_queue,
        signals,
        about: about(ground, start.names, &first),
        news,
        ask_reload,
    };
    Ok(Control::new(parts, first, fastrand::u64(..)).run().await)
}

/// The maintenance page that is there now, and what becomes of it.
fn watch_page(path: Option<PathBuf>) -> io::Result<(Watching, Page, mpsc::Receiver<Page>)> {
    let (sender, pages) = mpsc::channel(PAGES);
    let page = path.as_deref().and_then(maintenance::read);
    let watching = Watching::start(path, page.clone(), sender)?;
    Ok((watching, page, pages))
}

fn listen_on_all(
    settings: &Settings,
    certificates: &mut Certificates,
) -> Result<Vec<Listening>, Error> {
    let mut bound = Vec::new();
    for listen in &settings.listen {
        bound.extend(listen_on(listen, certificates)?);
    }
    Ok(bound)
}

fn listen_on(
    listen: &config::Listen,
    certificates: &mut Certificates,
) -> Result<Vec<Listening>, Error> {
    let entry = Entry {
        proxy_protocol: listen.proxy_protocol,
        tls: certificates.front(listen)?,
    };
    let bound = match &listen.address {
        config::Address::Tcp(address) => Listening::tcp(*address, entry).map(|one| vec![one]),
        config::Address::Unix(path) => Listening::unix(path, entry).map(|one| vec![one]),
        config::Address::Systemd => Listening::inherited(entry),
    };
    bound.map_err(|source| Error::Listen {
        address: listen.to_string(),
        source,
    })
}

fn admin(settings: &Settings) -> Result<Option<Bound>, Error> {
    let folders = Folders::of_this_process();
    match &settings.admin {
        config::Admin::Off => Ok(None),
        config::Admin::Unix(path) => Ok(Some(Bound::new(&Place::At(path.clone()), &folders)?)),
        // Nobody asked for it in words: the app is served without it.
        config::Admin::Auto => Ok(Bound::new(&Place::Auto, &folders)
            .inspect_err(|error| tracing::warn!("no admin socket: failed to {error}"))
            .ok()),
    }
}

fn probes(settings: &Settings) -> Result<Option<Probes>, Error> {
    let place = match &settings.probes {
        config::Probes::Off => return Ok(None),
        config::Probes::Tcp(address) => probes::Place::Tcp(*address),
        config::Probes::Unix(path) => probes::Place::Unix(path.clone()),
    };
    Ok(Some(Probes::bind(&place)?))
}

/// A disk that takes nothing does not keep the app from being served.
fn open_journal(settings: &Settings) -> Result<Journal, Error> {
    let Some(folder) = &settings.state_dir else {
        return Ok(Journal::in_memory());
    };
    let limits = journal::Limits {
        segment_bytes: settings.journal.segment.0,
        segments: settings.journal.segments as usize,
    };
    match Journal::open(&folder.join("journal"), limits) {
        Err(error @ journal::OpenError::Io { .. }) => {
            tracing::error!("events are kept in memory only: failed to {error}");
            Ok(Journal::in_memory())
        }
        opened => Ok(opened?),
    }
}

/// A panic is caught where it is one request's; anywhere else something would be missing from then
/// on, so we end, loudly, and whoever started us starts us again. Keepers clean up.
fn end_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        if !in_request() {
            log::flush(LAST_WORDS);
            std::process::exit(crate::cli::exit::DEFECT);
        }
    }));
}

fn threads(settings: &Settings) -> usize {
    match settings.threads {
        config::Threads::Auto => {
            cpus::usable(&Proc::default(), std::process::id()).clamp(1, THREADS_MAX)
        }
        config::Threads::Count(count) => usize::from(count).clamp(1, THREADS_MAX),
    }
}

fn announce(ground: &Ground, threads: usize, start: &Start) {
    let settings = &start.loaded.settings;
    let admin = ground.admin.as_ref();
    let admin_at = admin.map_or_else(
        || "off".to_owned(),
        |bound| format!("unix:{}", bound.path().display()),
    );
    let config = if start.names.is_empty() {
        "none".to_owned()
    } else {
        start.names.join(", ")
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        mode = %settings.policy.mode,
        threads,
        admin = admin_at,
        config,
        "listening on {}",
        ground.addresses().join(", "),
    );
    if let Some(probes) = &ground.probes {
        tracing::info!("answering probes on {}", probes.address());
    }
    if let Some(other) = admin.and_then(Bound::other) {
        tracing::warn!(
            "another autoheal has the default admin socket {}; ask this one with --admin \
             {admin_at}",
            other.display(),
        );
    }
    if Cgroup::of(&Proc::default(), std::process::id()).oom_kills_all() {
        tracing::warn!(
            "an OOM kill in this container ends autoheal with the worker (memory.oom.group is 1): \
             set singleProcessOOMKill, or run autoheal as a sidecar",
        );
    }
    if settings.worker.tls.as_ref().is_some_and(|tls| !tls.verify) {
        tracing::warn!(
            "worker.tls.verify is false: whoever can listen at the worker's address is taken for it"
        );
    }
    for rule in &settings.policy.rules {
        let sentence = config::rule_sentence(rule, &settings.policy);
        tracing::info!("rule \"{}\": {sentence}", rule.name);
    }
}

fn about(ground: &Ground, config: Vec<String>, first: &Reloaded) -> About {
    About {
        listen: ground.addresses(),
        config,
        parking: first.parking.clone(),
        queue: first.queue.clone(),
        started: ground.started,
    }
}

/// What was found, a line each.
fn lines(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(Diagnostic::line).collect()
}

/// Where workers' sockets are.
fn socket_folder(settings: &Settings) -> PathBuf {
    let name = format!(
        "autoheal-{}-{}",
        rustix::process::geteuid().as_raw(),
        std::process::id()
    );
    let private = std::env::temp_dir().join(name);
    settings
        .state_dir
        .as_ref()
        .map_or(private, |state| state.join("sockets"))
}
