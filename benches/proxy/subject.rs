//! What is measured: the proxies, each a process that is ended by its id.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use autoheal::time;

/// A proxy that runs and what its process is.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    process: Process,
}

/// A process that ends with us.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        // One that has ended by itself can't be told to; only its exit is left to collect.
        let _told = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        drop(self.0.wait());
    }
}

impl Process {
    fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let log = fs::File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        command.spawn().map(Self)
    }
}

impl Subject {
    /// The bare relay before `upstream`.
    pub(crate) fn relay(upstream: SocketAddr, folder: &Path) -> io::Result<Self> {
        let address = free()?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("relay")
            .args([address, upstream].map(|at| at.to_string()));
        Self::start("relay", address, &mut command, folder)
    }

    /// nginx with one process, setting the headers that autoheal sets.
    pub(crate) fn nginx(upstream: SocketAddr, folder: &Path) -> io::Result<Self> {
        let address = free()?;
        let file = folder.join("nginx.conf");
        let place = folder.display().to_string();
        let text = include_str!("nginx.conf")
            .replace("FOLDER", &place)
            .replace("LISTEN", &address.to_string())
            .replace("UPSTREAM", &upstream.to_string());
        fs::write(&file, text)?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(&file);
        Self::start("nginx", address, &mut command, folder)
    }

    /// autoheal with one data thread and every default on, its worker the same backend.
    pub(crate) fn autoheal(folder: &Path) -> io::Result<Self> {
        let address = free()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_autoheal"));
        command.args([
            "run",
            "--set",
            "threads=1",
            "--listen",
            &address.to_string(),
        ]);
        command
            .arg("--admin")
            .arg(format!("unix:{}", folder.join("admin.sock").display()));
        command
            .arg("--")
            .arg(std::env::current_exe()?)
            .arg("backend");
        Self::start("autoheal", address, &mut command, folder)
    }

    fn start(
        name: &'static str,
        address: SocketAddr,
        command: &mut Command,
        folder: &Path,
    ) -> io::Result<Self> {
        let log: PathBuf = folder.join(format!("{name}.log"));
        let mut process = Process::start(command, &log)?;
        let said = |why: &str| {
            let text = fs::read_to_string(&log).unwrap_or_default();
            io::Error::other(format!("{name} {why}: {}", text.trim()))
        };
        let until = time::now() + Duration::from_secs(10);
        while !answers(address) {
            if process.0.try_wait()?.is_some() {
                return Err(said("ended"));
            }
            if time::now() > until {
                return Err(said("did not answer"));
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        Ok(Self {
            name,
            address,
            process,
        })
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

    /// Its proportional set size in MiB.
    pub(crate) fn pss_mib(&self) -> io::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.unwrap_or_default() / 1024.0)
    }
}

/// The backend that the relay and nginx share.
pub(crate) fn backend(folder: &Path) -> io::Result<(Process, SocketAddr)> {
    let address = free()?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("backend")
        .env("PORT", address.port().to_string());
    let backend = Subject::start("backend", address, &mut command, folder)?;
    Ok((backend.process, address))
}

/// Whether it passes a whole answer: a proxy listens before its worker is ready.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn free() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
