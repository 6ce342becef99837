//! Beside a bare proxy before a worker of the same kind, at the same time and under the same load.

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use autoheal::cli::load::{Plan, Report};
use tempfile::TempDir;

use crate::{
    rules::status,
    support::{
        Connection, PATIENCE, Sidecar, command_of_demo_worker, free_port, plan, start, wait_for,
    },
};

/// nginx, and a worker behind it that nobody heals.
struct Bare {
    children: Vec<Child>,
    address: SocketAddr,
    _folder: TempDir,
}

impl Bare {
    fn start(knobs: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = (free_port(), free_port());
        let at = |name: &str| folder.path().join(name).display().to_string();
        let configuration = format!(
            "daemon off;\nworker_processes 1;\npid {pid};\nerror_log {log};\nevents {{}}\nhttp {{\n\
             access_log off;\nclient_body_temp_path {tmp};\nproxy_temp_path {tmp};\n\
             fastcgi_temp_path {tmp};\nuwsgi_temp_path {tmp};\nscgi_temp_path {tmp};\n\
             upstream worker {{ server 127.0.0.1:{worker}; keepalive 16; }}\n\
             server {{ listen 127.0.0.1:{front};\nlocation / {{ proxy_pass http://worker;\n\
             proxy_http_version 1.1;\nproxy_set_header Connection \"\"; }} }} }}\n",
            pid = at("pid"),
            log = at("error.log"),
            tmp = at("tmp"),
            worker = ports.0,
            front = ports.1,
        );
        fs::write(at("nginx.conf"), configuration).unwrap();
        let words = command_of_demo_worker(knobs);
        let mut worker = Command::new(&words[0]);
        worker
            .args(&words[1..])
            .args(["--port", &ports.0.to_string()]);
        worker.env("AUTOHEAL_GENERATION", "1");
        let mut nginx = Command::new("nginx");
        nginx.args([
            "-p",
            &at(""),
            "-e",
            &at("error.log"),
            "-c",
            &at("nginx.conf"),
        ]);
        let quiet = |mut command: Command| {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(Stdio::null()).spawn().unwrap()
        };
        let bare = Self {
            children: vec![quiet(worker), quiet(nginx)],
            address: ([127, 0, 0, 1], ports.1).into(),
            _folder: folder,
        };
        let answers = || {
            std::net::TcpStream::connect(bare.address).ok()?;
            let answer = Connection::open(bare.address).get("/").try_answer()?;
            (answer.status == 200).then_some(())
        };
        wait_for(PATIENCE, answers).expect("nginx serves");
        bare
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            // nginx ends its own worker on SIGTERM.
            let pid = rustix::process::Pid::from_child(child);
            let _told = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            drop(child.wait());
        }
    }
}

/// The same load on both at once.
fn both(sidecar: &Sidecar, bare: &Bare, seconds: u64) -> (Report, Report) {
    let load = |url: &str| {
        start(Plan {
            expect: Some(503),
            ..plan(url, seconds)
        })
    };
    let ours = load(&sidecar.url("/shop"));
    let theirs = load(&format!("http://{}/shop", bare.address));
    (ours.wait().unwrap(), theirs.wait().unwrap())
}

fn assert_not_below(ours: &Report, theirs: &Report, sidecar: &Sidecar) {
    let log = sidecar.log();
    assert_eq!(ours.failed, 0, "{ours}\n{log}");
    let served = (ours.answered, theirs.answered);
    assert!(served.0 >= served.1, "{ours}\n{theirs}\n{log}");
    // Never, not only in the end. What is due in a second may be answered in the next.
    for (own, other) in ours.timeline.iter().zip(&theirs.timeline) {
        assert!(own.answered >= other.answered, "{ours}\n{theirs}\n{log}");
    }
}

#[test]
fn while_a_dependency_is_down_no_fewer_requests_are_served_than_by_a_bare_proxy() {
    let knobs = ["--status-path", "/shop=503"];
    let bare = Bare::start(&knobs);
    let rule = status("codes = \"503\", count = 5");
    let socket = tempfile::tempdir().unwrap().path().join("db");
    let declared = rule.clone()
        + &format!(
            "[[dependency]]\nname = \"db\"\naddress = \"unix:{}\"\ninterval = \"1s\"\n",
            socket.display()
        );
    let sidecar = Sidecar::start(&declared, &knobs);
    let (ours, theirs) = both(&sidecar, &bare, 4);
    assert_not_below(&ours, &theirs, &sidecar);
    assert_eq!(
        sidecar.events("recycle-begun").len(),
        0,
        "{}",
        sidecar.log()
    );
    drop(sidecar);
    // Where nobody says that it depends on something it is recycled in vain, twice at most.
    let sidecar = Sidecar::start(&(rule + "[recycle]\nslow_start = \"0s\"\n"), &knobs);
    let (ours, theirs) = both(&sidecar, &bare, 6);
    assert_not_below(&ours, &theirs, &sidecar);
    let said = sidecar.wait_within("recycling is given up", PATIENCE, || {
        drop(sidecar.get("/shop"));
        let events = sidecar.events("recycling-does-not-help");
        events.first().cloned()
    });
    assert_eq!(said["rule"], "r", "{said}");
    assert_eq!(
        sidecar.events("recycle-begun").len(),
        2,
        "{}",
        sidecar.log()
    );
}
