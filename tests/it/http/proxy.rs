//! The real binary before a scripted worker. At its end its ledger must balance.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use autoheal::control::order::{LedgerStatus, Status};
use tempfile::TempDir;

use super::{
    origin::{Origin, SOCKET},
    wire::{Answer, PATIENCE, Wire},
};

pub(crate) struct Proxy {
    process: Child,
    folder: TempDir,
    pub(crate) address: SocketAddr,
}

/// autoheal with these settings, its worker ready.
pub(crate) fn start(settings: &[&str]) -> (Proxy, Origin) {
    let origin = Origin::new();
    (Proxy::before(&origin, settings), origin)
}

impl Proxy {
    pub(crate) fn before(origin: &Origin, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let admin = folder.path().join("admin");
        let mut command = Command::new(env!("CARGO_BIN_EXE_autoheal"));
        command
            .args([
                "run",
                "--set",
                "listen=\"127.0.0.1:0\"",
                "--set",
                "recycle.ready=\"port\"",
            ])
            .args(["--set", "log.format=\"text\"", "--set", "parking.wait=10s"])
            .arg("--admin")
            .arg(format!("unix:{}", admin.display()));
        for setting in settings {
            command.arg("--set").arg(setting);
        }
        let this = std::env::current_exe().unwrap();
        command.arg("--").arg(this);
        command.args(["--exact", "http::origin::is_a_worker", "--nocapture"]);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        command
            .current_dir(folder.path())
            .env_remove("PORT")
            .env(SOCKET, origin.socket())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut proxy = Self {
            process: command.spawn().unwrap(),
            folder,
            address: ([127, 0, 0, 1], 0).into(),
        };
        let mut listen = String::new();
        wait_until("ready", || match proxy.try_status() {
            Some(status) => {
                listen.clone_from(&status.listen[0]);
                status.workers.iter().any(|worker| worker.state == "ready")
            }
            None => {
                let ended = proxy.process.try_wait().unwrap();
                assert!(ended.is_none(), "autoheal ended: {}", proxy.log());
                false
            }
        });
        proxy.address = listen.parse().unwrap();
        proxy
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// A new client.
    pub(crate) fn client(&self) -> Wire {
        Wire::new(TcpStream::connect(self.address).unwrap(), 0)
    }

    /// A new client that has said this.
    pub(crate) fn says(&self, bytes: impl AsRef<[u8]>) -> Wire {
        let mut client = self.client();
        client.send(bytes);
        client
    }

    /// What a client that says this is answered.
    pub(crate) fn answers(&self, bytes: impl AsRef<[u8]>) -> Answer {
        self.says(bytes).answer()
    }

    /// Gives an order over the admin socket.
    pub(crate) fn order(&self, verb: &str, body: &str) {
        let order = format!(
            "POST /api/v1/{verb} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.admin(&order).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{verb}: {answer}");
    }

    fn admin(&self, request: &str) -> Option<String> {
        let mut admin = UnixStream::connect(self.folder.path().join("admin")).ok()?;
        admin.set_read_timeout(Some(PATIENCE)).unwrap();
        admin.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        admin.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn try_status(&self) -> Option<Status> {
        let request = "GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let answer = self.admin(request)?;
        let json = answer.split_once("\r\n\r\n")?.1;
        Some(serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {answer}")))
    }

    pub(crate) fn status(&self) -> Status {
        self.try_status().unwrap()
    }

    pub(crate) fn ledger(&self) -> LedgerStatus {
        self.status().ledger
    }

    /// Waits until the status is like this.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&Status) -> bool) {
        wait_until(what, || holds(&self.status()));
    }

    /// Waits until so many requests wait for a worker.
    pub(crate) fn until_parked(&self, count: u64) {
        self.until("parked", |status| status.parking.requests == count);
    }

    /// Waits until no request is in flight: then each that came has ended in one way.
    pub(crate) fn settled(&self) -> LedgerStatus {
        self.until("no request is in flight", |status| {
            status.ledger.in_flight == 0
        });
        let ledger = self.ledger();
        let ended = ledger.completed + ledger.refused + ledger.client_aborted + ledger.failed;
        assert_eq!(ledger.accepted, ended, "{ledger:?}");
        let coded: u64 = ledger.by_code.iter().map(|code| code.count).sum();
        assert_eq!(ledger.refused + ledger.failed, coded, "{ledger:?}");
        let parked = self.status().parking;
        assert_eq!((parked.requests, parked.bytes), (0, 0));
        ledger
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.process.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The exit code, once it has ended.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("ended", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let runs = self.process.try_wait().unwrap().is_none();
        if thread::panicking() {
            eprintln!("autoheal's log:\n{}", self.log());
        } else if runs {
            self.settled();
        }
        // Its keepers end the workers.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Waits until something holds that gives no event of its own.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 5 {
        if holds() {
            return;
        }
        pass(Duration::from_millis(5));
    }
    panic!("waited in vain until {what}");
}

/// Lets time pass, where the passing of time is what is tested.
pub(crate) fn pass(time: Duration) {
    let (_never, nothing) = mpsc::channel::<()>();
    assert!(nothing.recv_timeout(time).is_err());
}
