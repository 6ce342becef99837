//! The composition root: start order, reload, shutdown order.
//!
//! Nothing is served before everything is bound; a configuration that can't be used starts nothing.

mod data;
mod plane;
mod signals;
mod translate;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::{mpsc, watch};

use self::{plane::Plane, translate::Translated};
use crate::{
    accept::{deal::THREADS_MAX, listener::Listening},
    act::{Hands, OBSERVATIONS},
    admin::socket::{Bound, Folders, Place},
    config::{self, Diagnostic, Loaded, Settings},
    control::{
        About, Control, Parts, Reload,
        order::{self, ParkingStatus},
    },
    journal::{self, Journal},
    os::{cpus, procfs::Proc},
    sense::memory::Sampler,
    telemetry::log,
    time::{self, MonoTime},
    worker::{orphans, pass::Pass},
};

/// How long what was logged and printed may take to be written at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Signals that may wait for the control thread.
const SIGNALS: usize = 16;
/// Memory samples that may wait for the control thread.
const SAMPLES: usize = 64;

/// Reads the configuration again.
pub type Load = Box<dyn FnMut() -> Result<(Vec<String>, Loaded), Vec<Diagnostic>>>;

/// What to start with.
pub struct Start {
    /// The configuration.
    pub loaded: Loaded,
    /// Its files, as they were given.
    pub files: Vec<String>,
    /// Reads it again.
    pub load: Load,
}

/// What could not be done at the start, as a fragment that fits "failed to ...".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address can't be listened on.
    #[error("listen on {address}: {source}; stop what listens there, or choose another --listen")]
    Listen {
        /// Which.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The admin socket.
    #[error("{0}")]
    Admin(#[from] crate::admin::socket::BindError),
    /// The journal.
    #[error("{0}")]
    Journal(#[from] journal::OpenError),
    /// The log.
    #[error("{0}")]
    Log(#[from] log::InitError),
    /// A thread, a runtime or a descriptor.
    #[error("start: {0}; raise the limits on processes and open files")]
    System(#[from] io::Error),
}

/// Serves until told to stop. Returns the exit code.
///
/// # Errors
/// When something that is needed can't be had; nothing has been started then.
pub fn run(start: Start) -> Result<i32, Error> {
    let started = time::now();
    let settings = start.loaded.settings.clone();
    log::init(translate::log(&settings.log))?;
    let open_files = raise_open_files();
    let bound = settings
        .listen
        .iter()
        .map(listen_on)
        .collect::<Result<Vec<_>, _>>()?;
    let admin = admin(&settings)?;
    let journal = open_journal(&settings)?;
    let pass = Pass::to_stdout()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    let mut made = translate::all(&settings, 1, &pass, open_files);
    made.control.warnings = sentences(&start.loaded.warnings);
    let threads = threads(&settings);
    let connections = u64::from(settings.limits.connections);
    let plane = Plane::spawn(&bound, threads, connections, made.data, made.clients)?;
    let addresses: Vec<String> = bound.iter().map(Listening::address).collect();
    announce(&addresses, admin.as_ref(), threads, &start);
    let Plane {
        roster,
        mailboxes,
        config,
        clients,
        running,
        ..
    } = plane;
    let code = runtime.block_on(async {
        let (observe, observations) = mpsc::channel(OBSERVATIONS);
        let (sample, samples) = mpsc::channel(SAMPLES);
        let (orders, order_queue) = order::channel();
        let (signals, signal_queue) = mpsc::channel(SIGNALS);
        tokio::task::spawn_local(signals::listen(signals)?);
        if let Some(admin) = &admin {
            tokio::task::spawn_local(crate::admin::serve(admin.listener()?, orders));
        }
        orphans::adopt()?;
        let (occupancy, dealer) = (plane.occupancy, plane.dealer);
        let parts = Parts {
            hands: Hands::new(
                made.control.hands.clone(),
                threads,
                roster,
                mailboxes,
                observe,
            ),
            journal,
            sampler: Sampler::start(Proc::default(), sample)?,
            registry: plane.registry,
            ledgers: plane.ledgers,
            parked: Box::new(move || (occupancy.requests(), occupancy.bytes())),
            connections: Box::new(move || dealer.counts()),
            bell: plane.bell,
            observations,
            samples,
            orders: order_queue,
            signals: signal_queue,
            about: about(&settings, addresses, &start, started),
            reload: reloading(start, settings, config, clients, pass.clone(), open_files),
        };
        Ok::<_, io::Error>(
            Control::new(parts, made.control, fastrand::u64(..))
                .run()
                .await,
        )
    })?;
    // The control thread's senders are gone: the data threads finish what they write, and end.
    let ended: Vec<bool> = running
        .into_iter()
        .map(|thread| thread.join().is_ok())
        .collect();
    remove_sockets(&bound);
    if !pass.flush(LAST_WORDS) {
        tracing::warn!("not all of the worker's last lines could be passed on");
    }
    log::flush(LAST_WORDS);
    Ok(if ended.contains(&false) {
        crate::cli::exit::DEFECT
    } else {
        code
    })
}

fn listen_on(listen: &config::Listen) -> Result<Listening, Error> {
    let bound = match listen {
        config::Listen::Tcp(address) => Listening::tcp(*address),
        config::Listen::Unix(path) => Listening::unix(path),
    };
    bound.map_err(|source| Error::Listen {
        address: listen.to_string(),
        source,
    })
}

fn remove_sockets(bound: &[Listening]) {
    for listening in bound {
        if let Listening::Unix(_, path) = listening {
            // Somebody may have removed it before us.
            drop(std::fs::remove_file(path));
        }
    }
}

fn admin(settings: &Settings) -> Result<Option<Bound>, Error> {
    let place = match &settings.admin {
        config::Admin::Auto => Place::Auto,
        config::Admin::Unix(path) => Place::At(path.clone()),
        config::Admin::Off => return Ok(None),
    };
    Ok(Some(Bound::new(&place, &Folders::of_this_process())?))
}

fn open_journal(settings: &Settings) -> Result<Journal, Error> {
    let Some(folder) = &settings.state_dir else {
        return Ok(Journal::in_memory());
    };
    let limits = journal::Limits {
        segment_bytes: settings.journal.segment.0,
        segments: settings.journal.segments as usize,
    };
    Ok(Journal::open(&folder.join("journal"), limits)?)
}

fn threads(settings: &Settings) -> usize {
    match settings.threads {
        config::Threads::Auto => {
            cpus::usable(&Proc::default(), std::process::id()).clamp(1, THREADS_MAX)
        }
        config::Threads::Count(count) => usize::from(count).clamp(1, THREADS_MAX),
    }
}

/// Takes as many descriptors as the system lets us. Returns how many we had, for the worker.
fn raise_open_files() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_ok() {
        return limit.current;
    }
    None
}

fn announce(addresses: &[String], admin: Option<&Bound>, threads: usize, start: &Start) {
    let settings = &start.loaded.settings;
    let admin_at = admin.map_or_else(
        || "off".to_owned(),
        |b| format!("unix:{}", b.path().display()),
    );
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        mode = %settings.policy.mode,
        threads,
        admin = admin_at,
        config = if start.files.is_empty() { "none".to_owned() } else { start.files.join(", ") },
        "listening on {}",
        addresses.join(", "),
    );
    if let Some(other) = admin.and_then(Bound::other) {
        tracing::warn!(
            "another autoheal has the default admin socket {}; ask this one with --admin {admin_at}",
            other.display(),
        );
    }
    for rule in &settings.policy.rules {
        tracing::info!(
            "rule \"{}\": {}",
            rule.name,
            config::rule_sentence(rule, settings.policy.recycle.strategy)
        );
    }
}

fn about(settings: &Settings, listen: Vec<String>, start: &Start, started: MonoTime) -> About {
    About {
        listen,
        config: start.files.clone(),
        parking: ParkingStatus {
            requests_max: u64::from(settings.parking.requests),
            bytes_max: settings.parking.bytes.0,
            ..ParkingStatus::default()
        },
        started,
    }
}

/// Puts a new configuration in force on the data threads and gives the control thread its part:
/// whole or not at all.
fn reloading(
    start: Start,
    first: Settings,
    config: watch::Sender<crate::proxy::steward::Config>,
    clients: watch::Sender<data::ClientRules>,
    pass: Pass,
    open_files: Option<u64>,
) -> Reload {
    let Start { mut load, .. } = start;
    let mut current = first;
    let mut epoch = 1;
    Box::new(move || {
        let (_, loaded) = load().map_err(|found| sentences(&found).join("\n"))?;
        let new = loaded.settings;
        epoch += 1;
        let Translated {
            data,
            clients: rules,
            mut control,
        } = translate::all(&new, epoch, &pass, open_files);
        control.recycle = current.why_recycle(&new);
        control.warnings = sentences(&loaded.warnings);
        let later = current.needs_restart(&new);
        if !later.is_empty() {
            control.warnings.push(format!(
                "{later}: changed, in force after a restart of autoheal"
            ));
        }
        config.send_replace(data);
        clients.send_replace(rules);
        current = new;
        Ok(control)
    })
}

fn sentences(found: &[Diagnostic]) -> Vec<String> {
    found
        .iter()
        .map(|diagnostic| diagnostic.render(false))
        .collect()
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
