//! Load as fast as it is answered, by clients that others wrote: `wrk`, and `h2load` for HTTP/2.

use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use super::workload::{Front, Workload};

/// What the load saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) seconds: f64,
    /// Not a number where the client does not tell.
    pub(crate) p50_ms: f64,
    /// Not a number where the client does not tell.
    pub(crate) p99_ms: f64,
}

/// Asks `address` for `seconds`, on one thread of a process of its own.
pub(crate) fn drive(
    workload: &Workload,
    address: SocketAddr,
    seconds: u32,
    folder: &Path,
) -> io::Result<Seen> {
    match workload.front {
        Front::Plain | Front::Tls => wrk(workload, address, seconds, folder),
        Front::H2 => h2load(workload, address, seconds),
    }
}

fn wrk(workload: &Workload, address: SocketAddr, seconds: u32, folder: &Path) -> io::Result<Seen> {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "--latency", "--timeout", "10s"])
        .arg(format!("-c{}", workload.connections))
        .arg(format!("-d{seconds}s"));
    if workload.close {
        wrk.args(["-H", "Connection: close"]);
    }
    if workload.body > 0 {
        let script = folder.join("post.lua");
        let text = format!(
            "wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", {})\n",
            workload.body
        );
        fs::write(&script, text)?;
        wrk.arg("-s").arg(script);
    }
    let scheme = match workload.front {
        Front::Tls => "https",
        _ => "http",
    };
    wrk.arg(format!("{scheme}://{address}{}", workload.path));
    let text = output(wrk)?;
    wrk_saw(&text).ok_or_else(|| io::Error::other(format!("wrk said:\n{text}")))
}

fn h2load(workload: &Workload, address: SocketAddr, seconds: u32) -> io::Result<Seen> {
    let mut h2load = Command::new("h2load");
    h2load
        .args(["-t1", "-m10"])
        .arg(format!("-c{}", workload.connections))
        .arg(format!("--duration={seconds}"))
        .arg(format!("http://{address}{}", workload.path));
    let text = output(h2load)?;
    h2load_saw(&text, seconds).ok_or_else(|| io::Error::other(format!("h2load said:\n{text}")))
}

fn output(mut command: Command) -> io::Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn wrk_saw(text: &str) -> Option<Seen> {
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

/// Reads "requests: 9 total, 9 started, 9 done, 8 succeeded, 1 failed, 0 errored, 0 timeout".
fn h2load_saw(text: &str, seconds: u32) -> Option<Seen> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("requests:"))?;
    let count = |word: &str| -> Option<u64> {
        let part = line.split(',').find(|part| part.ends_with(word))?;
        part.split_whitespace().next()?.parse().ok()
    };
    let seen = Seen {
        requests: count("succeeded")?,
        errors: count("failed")? + count("errored")? + count("timeout")?,
        seconds: f64::from(seconds),
        p50_ms: f64::NAN,
        p99_ms: f64::NAN,
    };
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
