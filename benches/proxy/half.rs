//! Latency where nobody is at the limit: the same open-loop load for each proxy.

use std::{
    io,
    net::SocketAddr,
    process::{Command, Stdio},
};

/// Latency in milliseconds under `rate` requests a second.
#[derive(Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Asks `address` at a constant rate, latency counted from when each request was due.
pub(crate) fn drive(address: SocketAddr, rate: u32, seconds: u32) -> io::Result<Latency> {
    let output = Command::new(env!("CARGO_BIN_EXE_autoheal"))
        .args(["load", "--json", "--connections", "64"])
        .args(["--rate", &rate.to_string(), "--for", &format!("{seconds}s")])
        .arg(format!("http://{address}/"))
        .stderr(Stdio::inherit())
        .output()?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let at = |name: &str| report["latency"][name].as_f64().unwrap_or(f64::NAN);
    Ok(Latency {
        p50_ms: at("p50_ms"),
        p99_ms: at("p99_ms"),
    })
}
