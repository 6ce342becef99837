//! Probes on an address of their own: what they say while autoheal and its worker come and go.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::Command,
};

use rustix::process::Signal;

use crate::support::{Answer, Connection, Sidecar};

const PROGRAM: &str = env!("CARGO_BIN_EXE_autoheal");
const PROBES: &str = "probes = \"127.0.0.1:0\"\n";

/// Where it answers probes, as it has said.
pub(crate) fn address(sidecar: &Sidecar) -> SocketAddr {
    let log = sidecar.log();
    let (_, rest) = log.split_once("answering probes on ").expect("it says so");
    let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
    rest[..end.unwrap_or(rest.len())]
        .parse()
        .expect("an address")
}

fn ask(at: SocketAddr, path: &str) -> (u16, String) {
    let Answer { status, body, .. } = Connection::open(at).get(path).answer();
    (status, body)
}

#[test]
fn probes_stay_true_while_the_worker_comes_and_goes_and_until_the_end() {
    let toml = PROBES.to_owned()
        + "recycle.strategy = \"in-place\"\n[shutdown]\ndelay = \"40s\"\ntimeout = \"1min\"";
    let sidecar = Sidecar::start(&toml, &["--start-cpu", "500ms"]);
    let at = address(&sidecar);
    for path in ["/livez", "/readyz", "/workerz"] {
        assert_eq!(ask(at, path).0, 200, "{path}");
    }
    let (none, why) = ask(at, "/metrics");
    assert!(none == 404 && why.contains("no metrics"), "{why}");
    let post = "POST /livez HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n";
    let refused = Connection::open(at).send(post).answer();
    assert_eq!(
        (refused.status, refused.field("allow")),
        (405, Some("GET, HEAD"))
    );
    // In place: nothing serves for at least the time of a start, and requests are parked.
    let client = sidecar.client().unwrap();
    let order = serde_json::json!({ "wait": false });
    client.post("/api/v1/recycle", &order, None).unwrap();
    let starting = sidecar.wait("nothing serves", || {
        let (status, state) = ask(at, "/readyz");
        (!state.starts_with("serving")).then_some((status, state))
    });
    assert_eq!(starting.0, 200, "{}", starting.1);
    sidecar.wait_for_kind("recycle-ended");
    sidecar.order(&["stop"]);
    let stopped = sidecar.wait("it is stopped", || {
        let (status, state) = ask(at, "/readyz");
        (status == 503).then_some(state)
    });
    assert!(stopped.contains("stop"), "{stopped}");
    assert_eq!(ask(at, "/livez").0, 200);
    sidecar.order(&["start"]);
    sidecar.wait("ready again", || {
        (ask(at, "/readyz").0 == 200).then_some(())
    });
    // The load balancer is to take it out while it still serves.
    sidecar.wait_for_kind("worker-ready");
    sidecar.signal(Signal::TERM);
    let ending = sidecar.wait("not ready", || {
        let (status, state) = ask(at, "/readyz");
        (status == 503).then_some(state)
    });
    assert!(ending.ends_with("; shutting down\n"), "{ending}");
    assert_eq!(sidecar.get("/").status, 200);
    assert_eq!((ask(at, "/livez").0, ask(at, "/workerz").0), (200, 200));
    sidecar.signal(Signal::TERM);
    assert!(sidecar.ended().success());
}

#[test]
fn an_address_that_another_has_is_told_and_nothing_starts() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.args([
        "60",
        PROGRAM,
        "run",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "off",
    ]);
    command.args(["--set", &format!("probes={taken}"), "--"]);
    command.args(["touch"]).arg(folder.path().join("started"));
    let output = command.current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(111));
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = format!("error: failed to answer probes on {taken}: Address already in use");
    assert!(
        said.contains(&expected) && said.contains("; stop what listens there"),
        "{said}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn another_address_holds_after_a_restart_as_that_of_clients_does() {
    let sidecar = Sidecar::start(PROBES, &[]);
    let at = address(&sidecar);
    fs::write(sidecar.path("autoheal.toml"), "probes = \"off\"\n").unwrap();
    sidecar.order(&["reload"]);
    let warned = sidecar.wait("the warning", || {
        let warnings = sidecar.status()["warnings"].to_string();
        warnings.contains("probes").then_some(warnings)
    });
    assert!(warned.contains("restart"), "{warned}");
    assert_eq!(ask(at, "/livez").0, 200);
}
