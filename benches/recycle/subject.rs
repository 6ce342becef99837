//! The proxies at their best settings, each before one worker on one port, and how it is restarted.

use std::{
    fs,
    io::{self, Error},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use autoheal::cli::ask::{Admin, Client};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{
    scenario::Scenario,
    support::{Process, free, installed},
};

/// Who stands before the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Nginx,
    Haproxy,
    Envoy,
    Caddy,
    /// The signal comes from outside, as with the others; its own supervision starts the next one.
    Autoheal,
    /// It is asked to recycle, the port is fixed: one after the other.
    InPlace,
    /// It is asked to recycle and chooses the port: the new one first.
    Overlap,
}

impl Subject {
    pub(crate) const ALL: [Self; 7] = [
        Self::Nginx,
        Self::Haproxy,
        Self::Envoy,
        Self::Caddy,
        Self::Autoheal,
        Self::InPlace,
        Self::Overlap,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Caddy => "caddy",
            Self::Autoheal => "autoheal",
            Self::InPlace => "autoheal recycle, port fixed",
            Self::Overlap => "autoheal recycle, port auto",
        }
    }

    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Autoheal | Self::InPlace | Self::Overlap)
    }

    pub(crate) fn is_installed(self) -> bool {
        self.is_ours() || installed(self.name())
    }

    /// A recycle that is asked for never begins with SIGKILL.
    pub(crate) fn takes_part(self, scenario: &Scenario) -> bool {
        scenario.signal == Signal::TERM || !matches!(self, Self::InPlace | Self::Overlap)
    }
}

/// A proxy and its worker, both running.
pub(crate) struct Pair {
    pub(crate) address: SocketAddr,
    kind: Subject,
    /// Ends before its worker does.
    _proxy: Process,
    /// What we supervise; autoheal supervises its own.
    worker: Option<Process>,
    place: Place,
}

/// Where things are.
struct Place {
    folder: PathBuf,
    front: SocketAddr,
    upstream: SocketAddr,
    scenario: Scenario,
}

impl Pair {
    pub(crate) fn launch(kind: Subject, scenario: Scenario, folder: &Path) -> io::Result<Self> {
        let place = Place {
            folder: folder.to_owned(),
            front: free()?,
            upstream: free()?,
            scenario,
        };
        let worker = match kind.is_ours() {
            true => None,
            false => Some(place.worker()?),
        };
        let mut command = place.proxy(kind)?;
        let log = folder.join("proxy.log");
        let proxy = Process::serving(kind.name(), &mut command, place.front, &log)?;
        Ok(Self {
            address: place.front,
            kind,
            _proxy: proxy,
            worker,
            place,
        })
    }

    /// Ends the worker and sees to it that another one starts. Returns when that is under way, or
    /// done where it was asked for.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        let signal = self.place.scenario.signal;
        if let Some(worker) = &mut self.worker {
            kill_process(Pid::from_child(&worker.0), signal)?;
            worker.0.wait()?;
            *worker = Process::start(&mut self.place.worker_command()?, &self.place.log())?;
            return Ok(());
        }
        let admin = Some(format!("unix:{}", self.place.admin().display()));
        let client = Client::find(&Admin { admin }).map_err(Error::other)?;
        if self.kind == Subject::Autoheal {
            let status = client.get("/api/v1/status").map_err(Error::other)?;
            let workers = status["workers"].as_array();
            let pid = workers.and_then(|all| all.last()?["pid"].as_i64());
            let pid = pid.and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
            let pid = pid.ok_or_else(|| Error::other("autoheal has no worker"))?;
            return kill_process(pid, signal).map_err(Error::from);
        }
        let asked = json!({ "wait": true, "reason": "the bench" });
        client
            .post("/api/v1/recycle", &asked, Some(super::PATIENCE))
            .map_err(Error::other)?;
        Ok(())
    }

    /// The ids of the requests that workers began with.
    pub(crate) fn ids(&self) -> io::Result<Vec<String>> {
        let text = fs::read_to_string(self.place.ids())?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

impl Place {
    fn log(&self) -> PathBuf {
        self.folder.join("worker.log")
    }

    fn ids(&self) -> PathBuf {
        self.folder.join("ids")
    }

    fn admin(&self) -> PathBuf {
        self.folder.join("admin")
    }

    fn worker(&self) -> io::Result<Process> {
        let mut command = self.worker_command()?;
        Process::serving("the worker", &mut command, self.upstream, &self.log())
    }

    /// A worker that lets what is in flight finish when it is asked to end.
    fn worker_words(&self) -> Vec<String> {
        let start = format!("{}ms", self.scenario.start.as_millis());
        let ids = self.ids().display().to_string();
        let words = [
            env!("CARGO_BIN_EXE_autoheal"),
            "demo-worker",
            "--work=5ms",
            "--start-cpu",
            &start,
            "--ids",
            &ids,
        ];
        words.map(str::to_owned).to_vec()
    }

    fn worker_command(&self) -> io::Result<Command> {
        let words = self.worker_words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.env("PORT", self.upstream.port().to_string());
        Ok(command)
    }

    fn proxy(&self, kind: Subject) -> io::Result<Command> {
        let mut command;
        match kind {
            Subject::Nginx => {
                command = Command::new("nginx");
                let file = self.write("nginx.conf", include_str!("nginx.conf"))?;
                command.arg("-p").arg(&self.folder).arg("-c").arg(file);
            }
            Subject::Haproxy => {
                command = Command::new("haproxy");
                let file = self.write("haproxy.cfg", include_str!("haproxy.cfg"))?;
                command.arg("-db").arg("-f").arg(file);
            }
            Subject::Envoy => {
                command = Command::new("envoy");
                let file = self.write("envoy.yaml", include_str!("envoy.yaml"))?;
                command.args(["--concurrency", "1", "--disable-hot-restart"]);
                command.args(["--log-level", "error", "-c"]).arg(file);
            }
            Subject::Caddy => {
                command = Command::new("caddy");
                let file = self.write("Caddyfile", include_str!("Caddyfile"))?;
                command.args(["run", "--config"]).arg(file);
                command.env("GOMAXPROCS", "1").env("HOME", &self.folder);
            }
            Subject::Autoheal | Subject::InPlace | Subject::Overlap => {
                command = Command::new(env!("CARGO_BIN_EXE_autoheal"));
                let port = match kind {
                    Subject::Overlap => "auto".to_owned(),
                    _ => self.upstream.port().to_string(),
                };
                command.args(["run", "--listen", &self.front.to_string()]);
                command.args(["--port", &port, "--set", "threads=1"]);
                command.arg("--admin");
                command.arg(format!("unix:{}", self.admin().display()));
                command.arg("--").args(self.worker_words());
            }
        }
        command.current_dir(&self.folder);
        Ok(command)
    }

    fn write(&self, name: &str, template: &str) -> io::Result<PathBuf> {
        let mut text = template.replace("FOLDER", &self.folder.display().to_string());
        for (word, address) in [("PLAIN", self.front), ("UPSTREAM", self.upstream)] {
            text = text
                .replace(&format!("{word}_PORT"), &address.port().to_string())
                .replace(word, &address.to_string());
        }
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}
