//! TLS with clients, as curl, openssl and Python's ssl see it, and with workers of Python's ssl.

pub(crate) mod authority;
mod certificates;
mod clients;
mod front;
mod notify;
mod worker;

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use authority::Authority;

use crate::support::{Setup, Sidecar};

/// autoheal with a worker that answers with what it was sent.
fn start(toml: &str) -> Sidecar {
    let sidecar = launched(toml, &["{port}"]);
    sidecar.wait_for_kind("worker-ready");
    sidecar
}

/// The same with these arguments of the worker, which may not be ready yet.
fn launched(toml: &str, arguments: &[&str]) -> Sidecar {
    let echo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls/echo.py");
    let command = [&["python3", echo.to_str().unwrap()], arguments].concat();
    let setup = Setup {
        toml: toml.to_owned(),
        command: command.into_iter().map(str::to_owned).collect(),
        ..Setup::default()
    };
    setup.launch()
}

/// One request by curl for a name that is this machine's; what it says on both outputs.
fn curl(sidecar: &Sidecar, authority: &Authority, name: &str, more: &[&str]) -> Output {
    let port = sidecar.address.port();
    Command::new("curl")
        .args(["-sS", "-i", "--max-time", "30", "--cacert"])
        .arg(authority.path("ca.pem"))
        .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
        .arg(format!("https://{name}:{port}/"))
        .args(more)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What openssl's client gets after it has said this.
fn s_client(sidecar: &Sidecar, more: &[&str], said: &str) -> Output {
    let mut child = Command::new("timeout")
        .args(["30", "openssl", "s_client", "-connect"])
        .arg(sidecar.address.to_string())
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(said.as_bytes()).unwrap();
    // Kept open: its end would be the connection's.
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    output
}

/// Waits until a code was an answer so often. A connection ends a moment before it is counted.
fn wait_counted(sidecar: &Sidecar, code: u64, times: u64) {
    sidecar.wait(&format!("{code} is counted"), || {
        let status = sidecar.status();
        let mut codes = status["ledger"]["by_code"].as_array()?.iter();
        let count = codes.find(|one| one["code"] == code)?["count"].as_u64()?;
        assert!(count <= times, "{status}");
        (count == times).then_some(())
    });
}
