//! gRPC with its own servers and clients at both ends.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::Signal;

use crate::{
    apps::has,
    incidents::closed,
    support::{Setup, Sidecar},
    tls::authority::Authority,
};

fn script(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/it/grpc").join(name)
}

fn has_grpc() -> bool {
    has("python3", &["-c", "import grpc"])
}

/// The server by itself; killed when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// A server that listens: it says so by printing its port.
    fn start() -> Self {
        let mut command = Command::new("python3");
        command.arg(script("server.py")).arg("0");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        printed.read_line(&mut line).unwrap();
        let address = format!("127.0.0.1:{}", line.trim());
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// autoheal before gRPC's server, ready.
fn start() -> Sidecar {
    before("protocol = \"h2c\"", &[])
}

/// The same with a worker that is spoken to like this and that has more arguments.
fn before(protocol: &str, more: &[&str]) -> Sidecar {
    let server = script("server.py").display().to_string();
    let command = [&["python3", &server, "{port}"], more].concat();
    let sidecar = Setup {
        toml: format!("recycle.ready = \"port\"\n[worker]\n{protocol}\ncommand = {command:?}\n"),
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    sidecar
}

/// What a caller sees of these cases, or of all.
fn seen(address: &str, cases: &[&str]) -> Vec<String> {
    // No case takes a minute; one that hangs must not hang the tests.
    let mut command = Command::new("timeout");
    command.args(["60", "python3"]).arg(script("client.py"));
    let output = command.arg(address).args(cases).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_interop_cases_are_the_same_direct_and_through_autoheal() {
    if !has_grpc() {
        return;
    }
    let direct = seen(&Server::start().address, &[]);
    assert_eq!(direct.len(), 14, "{direct:#?}");
    assert!(!direct.join("").contains("failed"), "{direct:#?}");
    let sidecar = start();
    let through = seen(&sidecar.address.to_string(), &[]);
    assert_eq!(through, direct, "{}", sidecar.log());
}

#[test]
fn calls_go_on_through_a_recycle() {
    if has_grpc() {
        go_on_through_a_recycle(&start());
    }
}

#[test]
fn calls_go_on_through_a_recycle_of_a_worker_that_speaks_tls() {
    if !has_grpc() {
        return;
    }
    let authority = Authority::new();
    authority.issue("localhost");
    let path = |file: &str| authority.path(file).display().to_string();
    let protocol = format!("protocol = \"h2\"\ntls.roots = \"{}\"", path("ca.pem"));
    let pair = [path("localhost.pem"), path("localhost.key")];
    go_on_through_a_recycle(&before(&protocol, &[&pair[0], &pair[1]]));
}

fn go_on_through_a_recycle(sidecar: &Sidecar) {
    let address = sidecar.address.to_string();
    let cases = ["large_unary", "client_streaming", "ping_pong"];
    let before = seen(&address, &cases);
    let calling = std::thread::spawn(move || {
        let rounds = (0..4).map(|_| seen(&address, &cases));
        rounds.collect::<Vec<_>>()
    });
    while !calling.is_finished() {
        sidecar.recycle();
    }
    for round in calling.join().unwrap() {
        assert_eq!(round, before, "{}", sidecar.log());
    }
}

#[test]
fn a_call_that_waited_for_a_worker_was_saved_only_if_it_ended_well() {
    if !has_grpc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let wait = format!("while [ -e {} ]; do sleep 0.05; done", gate.display());
    let server = script("server.py").display().to_string();
    let command = [
        "sh",
        "-c",
        &format!("{wait}; exec python3 {server} {{port}}"),
    ];
    let sidecar = Setup {
        toml: format!(
            "recycle.ready = \"port\"\n[worker]\nprotocol = \"h2c\"\ncommand = {command:?}\n"
        ),
        ..Setup::default()
    }
    .launch();
    sidecar.wait_for_kind("worker-ready");
    std::fs::write(&gate, "").unwrap();
    sidecar.worker().signal(Signal::KILL);
    sidecar.wait_for_kind("worker-exited");
    let address = sidecar.address.to_string();
    std::thread::scope(|scope| {
        let cases = ["empty_unary", "special_status_message"];
        let calls = cases.map(|case| scope.spawn(|| seen(&address, &[case])));
        sidecar.wait("both wait", || {
            (sidecar.status()["parking"]["requests"] == 2).then_some(())
        });
        std::fs::remove_file(&gate).unwrap();
        let [well, ill] = calls.map(|call| call.join().unwrap().join("\n"));
        assert!(well.contains("\"size\": 0"), "{well}");
        assert!(ill.contains("UNKNOWN"), "{ill}");
    });
    let cost = closed(&sidecar, 1)["cost"].clone();
    let counted = ["parked", "late", "saved", "unsettled"].map(|name| cost[name].as_u64().unwrap());
    assert_eq!(counted, [2, 2, 1, 0], "{cost}");
}

#[test]
fn a_server_that_says_by_its_own_protocol_that_it_does_not_serve_is_unhealthy() {
    if !has_grpc() {
        return;
    }
    for (service, why) in [
        ("sick", "its gRPC health is NOT_SERVING"),
        ("nobody", "its gRPC health does not know the service"),
    ] {
        let server = script("server.py").display().to_string();
        let command = ["python3", &server, "{port}"];
        let sidecar = Setup {
            toml: format!(
                "recycle.ready = \"port\"\n[health]\ngrpc = \"{service}\"\ninterval = \
                 \"1s\"\nfailures = 2\n[worker]\nprotocol = \"h2c\"\ncommand = {command:?}\n"
            ),
            ..Setup::default()
        }
        .launch();
        let event = sidecar.wait_for_kind("unhealthy");
        let text = event["text"].as_str().unwrap();
        assert!(text.contains(why), "{text}");
    }
}
