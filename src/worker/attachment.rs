//! What is attached to over all of its generations: how it is found, how it is restarted, and what
//! is left of the one before.

use std::{
    collections::HashSet,
    io,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{process::Command, sync::watch, time::timeout};

use super::find::Wanted;
use crate::{
    os::{listener::Place, procfs::Identity},
    words::Generation,
};

/// What to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How it is found.
    pub wanted: Wanted,
    /// How it is restarted.
    pub restart: Restart,
}

/// How something that we did not start is restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restart {
    /// By a program that ends it and starts the next one; no shell.
    Command {
        /// Program and arguments; `%1%` in an argument is the process's number.
        argv: Vec<String>,
        /// It may take this long.
        timeout: Duration,
    },
    /// By a signal on which it starts its own next one, or begins anew.
    Signal(i32),
    /// It is ended by this signal, or killed; whoever supervises it starts the next one.
    Supervisor(i32),
    /// By someone who hears of it in another way, or not at all: nothing is done to it.
    Elsewhere,
}

/// What is attached to, over all generations.
#[derive(Clone, Debug)]
pub struct Attachment(Arc<Mutex<Past>>);

/// What one generation leaves to know for the next.
#[derive(Debug)]
pub(super) struct Past {
    plan: Arc<Plan>,
    /// What must not be taken for the next one.
    pub(super) left: HashSet<Identity>,
    /// One was looked for before, so that a command may bring the next one.
    pub(super) looked: bool,
    /// The command that is to bring the next one, if it was begun: why it failed, once it has.
    pub(super) asked: Option<Asked>,
}

/// The end of a restart command: `None` while it runs, then whether it did it.
pub(super) type Asked = watch::Receiver<Option<Result<(), String>>>;

impl Attachment {
    /// Nothing has been looked for yet.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self(Arc::new(Mutex::new(Past {
            plan: Arc::new(plan),
            left: HashSet::new(),
            looked: false,
            asked: None,
        })))
    }

    /// What holds from now on.
    pub fn set(&self, plan: Plan) {
        self.past().plan = Arc::new(plan);
    }

    /// Where it listens.
    #[must_use]
    pub fn place(&self) -> Place {
        self.plan().wanted.place.clone()
    }

    pub(super) fn plan(&self) -> Arc<Plan> {
        self.past().plan.clone()
    }

    pub(super) fn past(&self) -> MutexGuard<'_, Past> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the restart command, if there is one and it does not run already.
    pub(super) fn ask(&self, pid: Option<u32>, generation: Generation) -> Option<Asked> {
        let plan = self.plan();
        let Restart::Command { argv, timeout } = &plan.restart else {
            return None;
        };
        let mut past = self.past();
        if let Some(asked) = past.asked.as_ref().filter(|asked| asked.borrow().is_none()) {
            return Some(asked.clone());
        }
        let (tell, asked) = watch::channel(None);
        let shown = format!("`{}`", argv.join(" "));
        let command = command(argv, pid, generation);
        let timeout = *timeout;
        tokio::spawn(async move {
            let result = run(command, timeout).await;
            tell.send_replace(Some(result.map_err(|how| format!("{shown} {how}"))));
        });
        past.asked = Some(asked.clone());
        Some(asked)
    }
}

/// Its output is ours: what it starts may go on printing there when it has ended.
fn command(argv: &[String], pid: Option<u32>, generation: Generation) -> Command {
    let pid = pid.map_or_else(String::new, |pid| pid.to_string());
    let mut argv = argv.iter().map(|arg| arg.replace("%1%", &pid));
    let mut command = Command::new(argv.next().unwrap_or_default());
    command
        .args(argv)
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .stderr(Stdio::inherit())
        .process_group(0);
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("AUTOHEAL_") && shown.contains("TOKEN") {
            command.env_remove(name);
        }
    }
    command
        .env("AUTOHEAL_PID", pid)
        .env("AUTOHEAL_GENERATION", generation.to_string());
    command
}

/// Only the program itself is killed at its timeout: what it started may be the app.
async fn run(mut command: Command, most: Duration) -> Result<(), String> {
    let mut child = command
        .spawn()
        .map_err(|error| format!("could not be run: {error}"))?;
    match timeout(most, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("ended with {status}; what it said is above")),
        Ok(Err(error)) => Err(format!("could not be waited for: {error}")),
        Err(_) => {
            drop(child.kill().await);
            Err("was killed at its timeout".to_owned())
        }
    }
}
