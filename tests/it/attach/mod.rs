//! In front of something that autoheal did not start: found by its port or its pid file, its end
//! noticed, restarted by command, by signal and by its supervisor, and left running.

mod exiting;
mod watched;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use autoheal::os::procfs::Proc;
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::support::{
    PATIENCE, Setup, Sidecar, assert_whole, command_of_demo_worker, plan, start, wait_for,
};

/// An app with a supervisor of its own: this test, which starts it again whenever it has ended.
struct App {
    folder: TempDir,
    child: Arc<Mutex<Child>>,
    ends: Arc<AtomicBool>,
    supervisor: Option<JoinHandle<()>>,
}

/// Holds a port without listening on it, so that no one else is given it while the app is down.
struct Port {
    number: u16,
    _held: Socket,
}

fn port() -> Port {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    let any: std::net::SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    socket.bind(&any.into()).unwrap();
    let number = socket.local_addr().unwrap().as_socket().unwrap().port();
    Port {
        number,
        _held: socket,
    }
}

impl App {
    /// Runs this over and over, with its number in the file `pid` of a folder of its own.
    fn supervised(command: impl Fn(&Path) -> Command + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let run = move || {
            let mut command = command(&path);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let child = command.spawn().unwrap();
            fs::write(path.join("pid"), format!("{}\n", child.id())).unwrap();
            child
        };
        let child = Arc::new(Mutex::new(run()));
        let ends = Arc::new(AtomicBool::new(false));
        let (shared, told) = (child.clone(), ends.clone());
        let supervisor = thread::spawn(move || {
            while !told.load(Ordering::Acquire) {
                let mut child = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if child.try_wait().unwrap().is_some() {
                    *child = run();
                }
                drop(child);
                thread::park_timeout(Duration::from_millis(20));
            }
        });
        Self {
            folder,
            child,
            ends,
            supervisor: Some(supervisor),
        }
    }

    fn on_port(port: u16, knobs: &'static [&str]) -> Self {
        Self::supervised(move |_| {
            let port = port.to_string();
            demo(&[&["--port", &port], knobs].concat())
        })
    }

    fn on_socket(knobs: &'static [&str]) -> Self {
        Self::supervised(move |folder| {
            let socket = folder.join("app.sock");
            // A server that was killed could not take its file away.
            let _gone = fs::remove_file(&socket);
            demo(&[&["--unix", socket.to_str().unwrap()], knobs].concat())
        })
    }

    /// By a script whose `$0` is the program that serves and whose `$1` is the socket.
    fn in_shell(script: &'static str) -> Self {
        let program = command_of_demo_worker(&[]).remove(0);
        Self::supervised(move |folder| {
            let mut command = Command::new("sh");
            command
                .args(["-c", script, &program])
                .arg(folder.join("app.sock"));
            command
        })
    }

    fn pid(&self) -> u32 {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.id()
    }

    fn kill(&self) -> u32 {
        let pid = self.pid();
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
        pid
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// autoheal in front of it.
    fn attached(&self, attach: &str, more: &str) -> Sidecar {
        let sidecar = launched(attach, more);
        sidecar.wait_for_kind("worker-ready");
        sidecar
    }

    /// The table that finds it by its pid file.
    fn by_file(&self, restart: &str) -> String {
        let (socket, pid) = (self.path("app.sock"), self.path("pid"));
        format!(
            "address = \"unix:{}\"\npid_file = \"{}\"\nrestart = {restart}",
            socket.display(),
            pid.display()
        )
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        if let Some(supervisor) = self.supervisor.take() {
            drop(supervisor.join());
        }
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        drop(child.kill());
        drop(child.wait());
    }
}

fn demo(knobs: &[&str]) -> Command {
    let words = command_of_demo_worker(knobs);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

fn launched(attach: &str, more: &str) -> Sidecar {
    let setup = Setup {
        toml: format!("{more}\n[attach]\n{attach}\n"),
        ..Setup::default()
    };
    setup.launch()
}

fn worker_of(sidecar: &Sidecar) -> u64 {
    sidecar.wait("a ready worker", || {
        let status = sidecar.status();
        let workers = status["workers"].as_array()?;
        workers.iter().rfind(|worker| worker["state"] == "ready")?["pid"].as_u64()
    })
}

fn rule(when: &str) -> String {
    format!(
        "[[rule]]\nname = \"r\"\nwhen.{when}\ndo = [\"recycle\"]\nmin_uptime = \"0s\"\n\
         [verdict]\ndisarm = \"0s\"\n[budget]\nrecycles = 100\n"
    )
}

/// The first recycle that a rule asked for, to its end.
fn assert_recycled(sidecar: &Sidecar) {
    let ended = sidecar.wait_for_kind("recycle-ended");
    assert_eq!(ended["outcome"], "replaced", "{ended}\n{}", sidecar.log());
}

#[test]
fn no_get_fails_when_an_app_found_by_its_port_is_killed_and_started_by_its_supervisor() {
    let held = port();
    let app = App::on_port(held.number, &["--work", "20ms"]);
    let attach = format!(
        "address = \"127.0.0.1:{}\"\nrestart = \"supervisor\"",
        held.number
    );
    let sidecar = app.attached(&attach, "");
    assert_eq!(worker_of(&sidecar), u64::from(app.pid()));
    let load = start(plan(&sidecar.url("/"), 5));
    for answered in [200, 500] {
        sidecar.wait("answers", || {
            (load.progress().answered >= answered || load.is_finished()).then_some(())
        });
        let killed = app.kill();
        let exited = sidecar.wait_for_kind("worker-exited");
        let text = exited["text"].as_str().unwrap();
        assert!(
            text.contains(&format!("(pid {killed}) ended after")),
            "{text}"
        );
        assert!(
            text.contains("its exit status belongs to its parent"),
            "{text}"
        );
        sidecar.wait_for_kind("worker-ready");
    }
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_eq!(worker_of(&sidecar), u64::from(app.pid()));
}

#[test]
fn a_rule_of_memory_has_an_app_found_by_its_pid_file_restarted_by_its_supervisor() {
    let app = App::on_socket(&["--leak", "512KiB"]);
    let toml = rule("memory = { private_bytes = \"64MiB\" }");
    let sidecar = app.attached(&app.by_file("\"supervisor\""), &toml);
    let before = app.pid();
    let load = start(plan(&sidecar.url("/"), 4));
    assert_recycled(&sidecar);
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_ne!(before, app.pid());
    assert_eq!(worker_of(&sidecar), u64::from(app.pid()));
}

#[test]
fn a_rule_of_requests_has_it_restarted_by_a_command_that_knows_its_pid() {
    let app = App::on_socket(&[]);
    let toml = rule("requests = { count = 100 }");
    let attach = app.by_file("[\"sh\", \"-c\", \"kill -9 $0\", \"%1%\"]");
    let sidecar = app.attached(&attach, &toml);
    let before = app.pid();
    let load = start(plan(&sidecar.url("/"), 2));
    assert_recycled(&sidecar);
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_ne!(before, app.pid());
}

#[test]
fn by_a_signal_its_main_process_goes_on_with_a_new_one_that_serves() {
    // A master as of gunicorn or nginx: HUP replaces what serves, the master stays.
    let script = "trap 'kill $child' HUP; while :; do rm -f \"$1\"; \"$0\" demo-worker --unix \
                  \"$1\" & child=$!; wait $child; wait $child; done";
    let app = App::in_shell(script);
    let sidecar = app.attached(&app.by_file("{ signal = \"HUP\" }"), "");
    let serving = || {
        let answer = sidecar.get("/");
        answer
            .field("x-pid")
            .and_then(|pid| pid.parse::<u32>().ok())
    };
    let (master, before) = (app.pid(), serving());
    let load = start(plan(&sidecar.url("/"), 2));
    sidecar.recycle();
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_eq!(app.pid(), master, "the master went on");
    assert_ne!(serving(), before, "{}", sidecar.log());
    let said = sidecar.events("worker-stopped");
    let text = said[0]["text"].as_str().unwrap();
    assert!(
        text.ends_with(&format!("(pid {master}) goes on as worker 2")),
        "{text}"
    );
    // The master's end takes what serves with it, or the next test of its file would meet it.
    let left = serving().unwrap();
    drop(sidecar);
    drop(app);
    let gone = kill_process(Pid::from_raw(left.cast_signed()).unwrap(), Signal::KILL);
    assert_eq!(gone, Ok(()));
}

#[test]
fn one_process_that_hangs_and_is_deaf_to_its_signal_is_killed() {
    let script =
        "trap '' HUP; rm -f \"$1\"; exec \"$0\" demo-worker --unix \"$1\" --hang-path /hang";
    let app = App::in_shell(script);
    let toml = rule("slow = { time_taken = \"1s\", count = 1, window = \"30s\" }");
    let sidecar = app.attached(&app.by_file("{ signal = \"HUP\" }"), &toml);
    let before = app.pid();
    let hangs = sidecar.ask("/hang");
    assert_recycled(&sidecar);
    drop(hangs);
    assert_ne!(before, app.pid(), "{}", sidecar.log());
    assert_eq!(sidecar.get("/").status, 200);
}

#[test]
fn a_command_that_fails_leaves_it_as_it_was_and_serving() {
    let app = App::on_socket(&[]);
    let sidecar = app.attached(&app.by_file("[\"sh\", \"-c\", \"exit 7\"]"), "");
    let before = app.pid();
    let load = start(plan(&sidecar.url("/"), 2));
    let answer = sidecar.verb(&["recycle", "--wait"]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert_whole(&load.wait().unwrap(), &sidecar);
    let said = sidecar.events("not-restarted");
    let text = said[0]["text"].as_str().unwrap();
    assert!(
        text.contains("`sh -c exit 7` ended with exit status: 7"),
        "{text}"
    );
    assert_eq!(app.pid(), before);
}

#[test]
fn it_outlives_autoheal_and_what_is_not_there_is_named() {
    let app = App::on_socket(&[]);
    let sidecar = app.attached(&app.by_file("\"supervisor\""), "");
    let before = app.pid();
    sidecar.signal(Signal::TERM);
    assert!(sidecar.ended().success(), "{}", sidecar.log());
    assert!(
        sidecar.log().contains("is let go and runs on"),
        "{}",
        sidecar.log()
    );
    assert_eq!(app.pid(), before);
    assert!(
        Proc::default()
            .stat(before)
            .is_ok_and(|stat| !stat.is_zombie())
    );
    // Held, so that nobody else listens there either.
    let held = port();
    let attach = format!(
        "address = \"127.0.0.1:{}\"\nrestart = \"supervisor\"",
        held.number
    );
    let lonely = launched(&attach, "");
    let absent = lonely.wait_for_kind("worker-absent");
    let expected = format!(
        "worker 1 is not there: nobody on this machine listens on 127.0.0.1:{}",
        held.number
    );
    assert_eq!(absent["text"], expected);
    let waits = wait_for(PATIENCE, || {
        (lonely.status()["workers"][0]["state"] == "starting").then_some(())
    });
    assert!(waits.is_some());
}

#[test]
fn what_autoheal_never_restarts_is_only_told_of_and_still_parked_for() {
    let app = App::on_socket(&[]);
    let toml = rule("requests = { count = 50 }");
    let sidecar = app.attached(&app.by_file("\"none\""), &toml);
    let before = app.pid();
    let load = start(plan(&sidecar.url("/"), 3));
    let fired = sidecar.wait_for_kind("rule-fired");
    let text = fired["text"].as_str().unwrap();
    let who = "attach.restart is \"none\": whoever runs the app has to restart it";
    assert!(text.ends_with(who), "{text}");
    let answer = sidecar.verb(&["recycle", "--wait"]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert_eq!(app.pid(), before, "{}", sidecar.log());
    // Whoever runs it does so.
    app.kill();
    sidecar.wait_for_kind("worker-exited");
    assert_whole(&load.wait().unwrap(), &sidecar);
    assert_ne!(app.pid(), before);
    let id = fired["incident"].as_u64().unwrap().to_string();
    let told = sidecar.verb(&["explain", &id]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let to_do = "Attach.restart is \"none\": whoever runs the app has to restart it.";
    assert!(told.contains(to_do), "{told}");
}
