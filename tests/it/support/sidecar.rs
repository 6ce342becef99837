//! autoheal as anybody would run it, in a folder of its own, killed with all that it started.

use std::{
    cell::{Cell, RefCell},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use autoheal::cli::ask::{Admin, Client};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Answer, Connection, PATIENCE, Process,
    processes::{MARK, processes_marked, zombies_of},
    wait_for,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_autoheal");

/// What to start.
#[derive(Default)]
pub(crate) struct Setup {
    /// The configuration, less `listen`, `admin` and `state_dir`.
    pub(crate) toml: String,
    /// More configuration files, which `toml` is laid over.
    pub(crate) files: Vec<PathBuf>,
    /// The worker's command; empty: the configuration has it.
    pub(crate) command: Vec<String>,
    /// Where the journal goes, if not into the test's own folder.
    pub(crate) state: Option<PathBuf>,
    /// It listens on this Unix socket too, in its folder.
    pub(crate) socket: Option<&'static str>,
    /// Added to its environment.
    pub(crate) env: Vec<(&'static str, PathBuf)>,
    /// Where its standard output goes, if anywhere.
    pub(crate) stdout: Option<Stdio>,
    /// A command that becomes it: the words before its own.
    pub(crate) under: Vec<String>,
}

/// A running autoheal.
pub(crate) struct Sidecar {
    child: RefCell<Child>,
    folder: TempDir,
    pub(crate) address: SocketAddr,
    /// The number of the last event that was waited for.
    seen: Cell<u64>,
}

/// The demo's worker with these knobs turned.
pub(crate) fn command_of_demo_worker(knobs: &[&str]) -> Vec<String> {
    let words = [PROGRAM, "demo-worker"].iter().chain(knobs);
    words.map(|word| (*word).to_owned()).collect()
}

impl Setup {
    /// Starts it and waits until it takes orders; the worker may not be ready yet.
    pub(crate) fn launch(self) -> Sidecar {
        Sidecar::launch(self, tempfile::tempdir().unwrap())
    }
}

impl Sidecar {
    /// With this configuration and a demo worker with these knobs; waits until it is ready.
    pub(crate) fn start(toml: &str, knobs: &[&str]) -> Self {
        let sidecar = Self::launched(toml, knobs);
        sidecar.wait_for_kind("worker-ready");
        sidecar
    }

    /// The same; the worker may not be ready yet.
    pub(crate) fn launched(toml: &str, knobs: &[&str]) -> Self {
        let setup = Setup {
            toml: toml.to_owned(),
            command: command_of_demo_worker(knobs),
            ..Setup::default()
        };
        setup.launch()
    }

    fn launch(setup: Setup, folder: TempDir) -> Self {
        let at = |name: &str| folder.path().join(name);
        fs::write(at("autoheal.toml"), &setup.toml).unwrap();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(at("log"))
            .unwrap();
        let listen = match setup.socket {
            None => "--listen=127.0.0.1:0".to_owned(),
            Some(name) => {
                let path = at(name);
                format!("--set=listen=['127.0.0.1:0', 'unix:{}']", path.display())
            }
        };
        let mut words = setup.under.iter().map(String::as_str).chain([PROGRAM]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["run", &listen])
            .args(
                setup
                    .files
                    .iter()
                    .map(|file| format!("--config={}", file.display())),
            )
            .arg("--config")
            .arg(at("autoheal.toml"))
            .arg("--state-dir")
            .arg(setup.state.unwrap_or_else(|| at("state")))
            .arg("--admin")
            .arg(format!("unix:{}", at("admin").display()))
            .envs(setup.env)
            .env(MARK, folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(setup.stdout.unwrap_or_else(Stdio::null))
            .stderr(log);
        if !setup.command.is_empty() {
            command.arg("--").args(setup.command);
        }
        let mut sidecar = Self {
            child: RefCell::new(command.spawn().unwrap()),
            folder,
            address: ([127, 0, 0, 1], 0).into(),
            seen: Cell::new(0),
        };
        let listens = sidecar.wait("the admin socket answers", || {
            let status = sidecar.client()?.get("/api/v1/status").ok()?;
            status["listen"][0].as_str()?.parse().ok()
        });
        sidecar.address = listens;
        sidecar
    }

    /// Nobody reads its standard output from now on.
    pub(crate) fn close_stdout(&self) {
        drop(self.child.borrow_mut().stdout.take());
    }

    /// Ends as by `kill -9`, and starts another in the same folder.
    pub(crate) fn again(self, setup: Setup) -> Self {
        self.kill();
        let path = self.folder.path().to_owned();
        let kept = tempfile::tempdir().unwrap();
        for name in ["state", "log"] {
            fs::rename(path.join(name), kept.path().join(name)).unwrap();
        }
        Self::launch(setup, kept)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One request on a connection of its own, not waited for.
    pub(crate) fn ask(&self, path: &str) -> Connection {
        Connection::open(self.address).get(path)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(path).answer()
    }

    pub(crate) fn client(&self) -> Option<Client> {
        let admin = Some(format!("unix:{}", self.path("admin").display()));
        Client::find(&Admin { admin }).ok()
    }

    pub(crate) fn status(&self) -> Value {
        self.client().unwrap().get("/api/v1/status").unwrap()
    }

    /// The events after this number.
    pub(crate) fn events_since(&self, number: u64) -> Vec<Value> {
        let path = format!("/api/v1/events?since={number}&limit=1000");
        let answer = self.client().and_then(|client| client.get(&path).ok());
        let events = answer
            .as_ref()
            .and_then(|answer| answer["events"].as_array());
        events.cloned().unwrap_or_default()
    }

    /// All events of this kind.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let all = self.events_since(0).into_iter();
        all.filter(|event| event["kind"] == kind).collect()
    }

    /// Waits for an event after the last one that was waited for.
    pub(crate) fn wait_for_event(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let event = self.wait(what, || {
            let events = self.events_since(self.seen.get());
            events.into_iter().find(|event| wanted(event))
        });
        self.seen.set(event["seq"].as_u64().unwrap());
        event
    }

    /// Waits for an event of this kind after the last one that was waited for.
    pub(crate) fn wait_for_kind(&self, kind: &str) -> Value {
        self.wait_for_event(kind, |event| event["kind"] == kind)
    }

    /// Waits until there is something to see, and fails with the log when it does not come.
    pub(crate) fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.wait_within(what, PATIENCE, look)
    }

    pub(crate) fn wait_within<T>(
        &self,
        what: &str,
        patience: Duration,
        look: impl FnMut() -> Option<T>,
    ) -> T {
        wait_for(patience, look).unwrap_or_else(|| {
            panic!("waited in vain: {what}\n{}", self.log());
        })
    }

    /// Runs one of its verbs as a person would.
    pub(crate) fn verb(&self, words: &[&str]) -> Output {
        let admin = format!("unix:{}", self.path("admin").display());
        // No verb of a test takes a minute; one that hangs must not hang the tests.
        let mut command = Command::new("timeout");
        command.args(["60", PROGRAM, "--admin", &admin]).args(words);
        command.output().unwrap()
    }

    /// Runs a verb that succeeds; what it printed.
    pub(crate) fn order(&self, words: &[&str]) -> String {
        let output = self.verb(words);
        assert!(
            output.status.success(),
            "{words:?}: {output:?}\n{}",
            self.log()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Replaces the worker and waits for the end of it.
    pub(crate) fn recycle(&self) {
        let client = self.client().unwrap();
        let wait = json!({ "wait": true, "reason": "a test" });
        let answer = client.post("/api/v1/recycle", &wait, Some(PATIENCE));
        answer.unwrap_or_else(|error| panic!("recycle: {error}\n{}", self.log()));
    }

    /// The main process of the worker that is ready.
    pub(crate) fn worker(&self) -> Process {
        let pid = self.wait("a ready worker", || {
            let status = self.status();
            let workers = status["workers"].as_array()?;
            workers.iter().rfind(|worker| worker["state"] == "ready")?["pid"].as_u64()
        });
        let all = self.processes();
        let worker = all
            .into_iter()
            .find(|process| u64::from(process.who.pid) == pid);
        worker.unwrap_or_else(|| panic!("worker {pid} is gone\n{}", self.log()))
    }

    /// autoheal, its keepers, and every process of its workers.
    pub(crate) fn processes(&self) -> Vec<Process> {
        processes_marked(&self.folder.path().display().to_string())
    }

    /// What has ended and was not collected.
    pub(crate) fn zombies(&self) -> Vec<u32> {
        zombies_of(&self.processes())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child.borrow());
        // One that has ended already can't be told.
        let _told = kill_process(pid, signal);
    }

    /// Kills autoheal itself, as `kill -9` does.
    pub(crate) fn kill(&self) {
        let mut child = self.child.borrow_mut();
        drop(child.kill());
        drop(child.wait());
    }

    /// How it ended, as soon as it has.
    pub(crate) fn ended(&self) -> ExitStatus {
        self.wait("autoheal ends", || {
            self.child.borrow_mut().try_wait().unwrap()
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.borrow().id()
    }

    /// What it said, whole.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The journal's lines as they stand on the disk.
    pub(crate) fn journal(&self) -> Vec<String> {
        lines_below(&self.path("state"))
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.kill();
        let left = || self.processes().is_empty().then_some(());
        if wait_for(Duration::from_secs(5), left).is_none() {
            for process in self.processes() {
                process.signal(Signal::KILL);
            }
        }
    }
}

fn lines_below(folder: &Path) -> Vec<String> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    let lines = |path: &PathBuf| match path.is_dir() {
        true => lines_below(path),
        false => fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect(),
    };
    paths.iter().flat_map(lines).collect()
}
