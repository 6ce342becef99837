//! What is measured: the proxies, each a process of one working thread that is ended by its id.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    support::{Process, free},
    workload::Front,
};

/// A proxy that runs and what its process is.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    fronts: Fronts,
    process: Process,
}

/// Where a proxy listens.
#[derive(Clone, Copy)]
struct Fronts {
    plain: SocketAddr,
    tls: Option<SocketAddr>,
    h2: Option<SocketAddr>,
}

/// The proxies that can be measured, the floor first and autoheal last.
pub(crate) const NAMES: [&str; 6] = ["relay", "nginx", "haproxy", "envoy", "caddy", "autoheal"];

/// The program that must be installed; `None`: it comes with the bench.
pub(crate) fn program(name: &str) -> Option<&str> {
    (!matches!(name, "relay" | "autoheal")).then_some(name)
}

impl Subject {
    /// Starts the proxy of this name before `upstream`; autoheal starts a worker of its own, the
    /// same program.
    pub(crate) fn launch(
        name: &'static str,
        upstream: SocketAddr,
        folder: &Path,
    ) -> io::Result<Self> {
        let all = Fronts {
            plain: free()?,
            tls: Some(free()?),
            h2: Some(free()?),
        };
        let place = Place {
            folder,
            fronts: all,
            upstream,
        };
        let (fronts, mut command) = match name {
            "relay" => {
                let fronts = Fronts {
                    tls: None,
                    h2: None,
                    ..all
                };
                let mut command = Command::new(std::env::current_exe()?);
                command.args([
                    "relay".to_owned(),
                    all.plain.to_string(),
                    upstream.to_string(),
                ]);
                (fronts, command)
            }
            "nginx" => {
                let file = place.write("nginx.conf", include_str!("nginx.conf"))?;
                let mut command = Command::new("nginx");
                command.arg("-p").arg(folder).arg("-c").arg(file);
                (all, command)
            }
            "haproxy" => {
                let file = place.write("haproxy.cfg", include_str!("haproxy.cfg"))?;
                let mut command = Command::new("haproxy");
                command.arg("-db").arg("-f").arg(file);
                (all, command)
            }
            "envoy" => {
                let file = place.write("envoy.yaml", include_str!("envoy.yaml"))?;
                let mut command = Command::new("envoy");
                command.args(["--concurrency", "1", "--disable-hot-restart"]);
                command.args(["--log-level", "warn", "-c"]).arg(file);
                (all, command)
            }
            "caddy" => {
                let file = place.write("Caddyfile", include_str!("Caddyfile"))?;
                let mut command = Command::new("caddy");
                command.args(["run", "--config"]).arg(file);
                command.env("GOMAXPROCS", "1").env("HOME", folder);
                (all, command)
            }
            _ => {
                let file = place.write("autoheal.toml", include_str!("autoheal.toml"))?;
                let mut command = Command::new(env!("CARGO_BIN_EXE_autoheal"));
                command.args(["run", "--config"]).arg(file).arg("--");
                command.arg(std::env::current_exe()?).arg("backend");
                (all, command)
            }
        };
        Self::start(name, fronts, &mut command, folder)
    }

    fn start(
        name: &'static str,
        fronts: Fronts,
        command: &mut Command,
        folder: &Path,
    ) -> io::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let process = Process::serving(name, command, fronts.plain, &log)?;
        Ok(Self {
            name,
            fronts,
            process,
        })
    }

    /// Where this kind of client connects; `None`: it does not speak that.
    pub(crate) fn address(&self, front: Front) -> Option<SocketAddr> {
        match front {
            Front::Plain => Some(self.fronts.plain),
            Front::Tls => self.fronts.tls,
            Front::H2 => self.fronts.h2,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// CPU time of all its threads so far, in seconds. Its children are not part of it.
    pub(crate) fn cpu_s(&self) -> io::Result<f64> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            // A thread may end between the listing and the reading.
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanos += text
                .split(' ')
                .next()
                .and_then(|first| first.parse().ok())
                .unwrap_or(0u64);
        }
        Ok(nanos as f64 / 1e9)
    }
}

/// The proportional set size of a process in KiB.
pub(crate) fn pss_kib(pid: u32) -> io::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.ok_or_else(|| io::Error::other("smaps_rollup has no Pss"))
}

/// What a proxy's configuration is told.
struct Place<'a> {
    folder: &'a Path,
    fronts: Fronts,
    upstream: SocketAddr,
}

impl Place<'_> {
    fn write(&self, name: &str, template: &str) -> io::Result<PathBuf> {
        let fronts = [
            ("PLAIN", Some(self.fronts.plain)),
            ("TLS", self.fronts.tls),
            ("H2", self.fronts.h2),
            ("UPSTREAM", Some(self.upstream)),
        ];
        let mut text = template.replace("FOLDER", &self.folder.display().to_string());
        for (word, address) in fronts {
            let Some(address) = address else { continue };
            text = text
                .replace(&format!("{word}_PORT"), &address.port().to_string())
                .replace(word, &address.to_string());
        }
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// The backend that all but autoheal share.
pub(crate) fn backend(folder: &Path) -> io::Result<(Process, SocketAddr)> {
    let address = free()?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("backend")
        .env("PORT", address.port().to_string());
    let fronts = Fronts {
        plain: address,
        tls: None,
        h2: None,
    };
    let backend = Subject::start("backend", fronts, &mut command, folder)?;
    Ok((backend.process, address))
}
