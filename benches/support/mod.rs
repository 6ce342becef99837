//! What the benches share: processes that end with them, addresses, and whether something answers.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use autoheal::time;
use rustix::process::{Pid, Signal, kill_process};

/// How often something without an event of its own is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A process that ends with us.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself can't be told to; only its exit is left to collect.
        let _told = kill_process(Pid::from_child(&self.0), Signal::TERM);
        drop(self.0.wait());
    }
}

impl Process {
    /// Starts it; what it says goes to the end of `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let log = fs::File::options().create(true).append(true).open(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        command.spawn().map(Self)
    }

    /// Starts it and waits until it passes a whole answer at `address`.
    pub(crate) fn serving(
        name: &str,
        command: &mut Command,
        address: SocketAddr,
        log: &Path,
    ) -> io::Result<Self> {
        let mut process = Self::start(command, log)?;
        let said = |why: &str| {
            let text = fs::read_to_string(log).unwrap_or_default();
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
            thread::park_timeout(LOOK_AGAIN);
        }
        Ok(process)
    }
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

/// An address of the loopback that nobody listens on.
pub(crate) fn free() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Whether a program can be found.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// What a bench prints, at once.
pub(crate) fn say(text: &str) {
    let mut out = io::stdout().lock();
    // A reader that went away has seen enough.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
