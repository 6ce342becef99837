//! Load as fast as it is answered: `wrk` where it is installed, else a plain loop of our own.

use std::{
    io,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use autoheal::time;
use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// What the load saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) seconds: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// 64 connections to `address` for `seconds`, in a process of its own.
pub(crate) fn drive(address: SocketAddr, connections: u32, seconds: u32) -> io::Result<Seen> {
    let mut command = if installed("wrk") {
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", "--latency", "--timeout", "10s"])
            .arg(format!("-c{connections}"))
            .arg(format!("-d{seconds}s"))
            .arg(format!("http://{address}/"));
        wrk
    } else {
        let mut own = Command::new(std::env::current_exe()?);
        own.arg("closed-loop").arg(address.to_string());
        own.args([connections, seconds].map(|number| number.to_string()));
        own
    };
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| io::Error::other(format!("the load client said:\n{text}")))
}

/// Whether a program can be found.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Reads what wrk prints; our own loop prints the same lines.
fn parse(text: &str) -> Option<Seen> {
    let mut seen = Seen::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["50%", value] => seen.p50_ms = millis(value)?,
            ["99%", value] => seen.p99_ms = millis(value)?,
            [count, "requests", "in", time, ..] => {
                seen.requests = count.parse().ok()?;
                seen.seconds = millis(time.trim_end_matches(','))? / 1e3;
            }
            ["Socket", "errors:", ..] => {
                let digits = |word: &&str| word.trim_end_matches(',').parse::<u64>().ok();
                seen.errors += words.iter().filter_map(digits).sum::<u64>();
            }
            ["Non-2xx", .., count] => seen.errors += count.parse::<u64>().ok()?,
            _ => {}
        }
    }
    (seen.requests > 0).then_some(seen)
}

fn millis(text: &str) -> Option<f64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..split].parse().ok()?;
    let scale = match &text[split..] {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        _ => return None,
    };
    Some(number * scale)
}

/// The loop itself; prints as wrk does.
pub(crate) async fn run(address: SocketAddr, connections: u32, seconds: u32) -> io::Result<String> {
    let start = time::now();
    let end = start + Duration::from_secs(seconds.into());
    let mut lanes = JoinSet::new();
    for _ in 0..connections {
        lanes.spawn_local(lane(address, end));
    }
    let mut latency_us = histogram();
    while let Some(lane) = lanes.join_next().await {
        let lane = lane.map_err(io::Error::other)??;
        latency_us.add(lane).map_err(io::Error::other)?;
    }
    let took = time::now().since(start).as_secs_f64();
    let at = |quantile| latency_us.value_at_quantile(quantile);
    Ok(format!(
        "50% {}us\n99% {}us\n{} requests in {took:.2}s\n",
        at(0.5),
        at(0.99),
        latency_us.len()
    ))
}

async fn lane(address: SocketAddr, end: time::MonoTime) -> io::Result<Histogram<u64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut latency_us = histogram();
    let mut answer = vec![0; 8 * 1024];
    loop {
        let sent = time::now();
        if sent >= end {
            return Ok(latency_us);
        }
        stream.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        // Every answer's body is 64 bytes that end with the only newline outside of the head.
        while !(filled > 64 && answer[..filled - 64].ends_with(b"\r\n\r\n")) {
            let read = stream.read(&mut answer[filled..]).await?;
            if read == 0 {
                return Err(io::Error::other("closed instead of an answer"));
            }
            filled += read;
        }
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other("an answer that is not 200"));
        }
        let micros = u64::try_from(time::now().since(sent).as_micros()).unwrap_or(u64::MAX);
        latency_us.saturating_record(micros.max(1));
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are valid")
}
