//! What a request costs: CPU on one thread, beside nginx and a bare TCP relay in the same minutes.
//!
//! `cargo bench --bench proxy [-- --rounds N --seconds N --no-profile]`. Subjects take turns in
//! each round, because a machine's speed drifts; what counts is the ratio within a round.

mod backend;
mod closed_loop;
mod profile;
mod relay;
mod subject;

use std::{io, net::SocketAddr, process::ExitCode};

use closed_loop::Seen;
use subject::Subject;
use tokio::runtime::LocalOptions;

const CONNECTIONS: u32 = 64;
/// CPU per request of nginx times this is the bar.
const BAR: f64 = 1.2;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("\nfailed: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["backend", ..] => {
            let port = std::env::var("PORT").unwrap_or_default();
            block_on(backend::run(address(&format!("127.0.0.1:{port}"))?))
        }
        ["relay", listen, upstream] => block_on(relay::run(address(listen)?, address(upstream)?)),
        ["closed-loop", at, connections, seconds] => {
            let [connections, seconds] = [connections, seconds].map(|n| n.parse().unwrap_or(1));
            let text = block_on(closed_loop::run(address(at)?, connections, seconds))?;
            say(&text);
            Ok(())
        }
        _ => {
            let option = |name: &str| {
                let at = args.iter().position(|arg| *arg == name)?;
                args.get(at + 1)?.parse().ok()
            };
            let (rounds, seconds) = (
                option("--rounds").unwrap_or(5),
                option("--seconds").unwrap_or(3),
            );
            compare(rounds, seconds, !args.contains(&"--no-profile"))
        }
    }
}

/// What one subject did in each round.
struct Series {
    subject: Subject,
    rounds: Vec<Round>,
}

struct Round {
    cpu_us: f64,
    seen: Seen,
    pss_mib: f64,
}

fn compare(rounds: u32, seconds: u32, profile: bool) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let (_backend, upstream) = subject::backend(folder.path())?;
    let mut all = vec![series(Subject::relay(upstream, folder.path())?)];
    if closed_loop::installed("nginx") {
        all.push(series(Subject::nginx(upstream, folder.path())?));
    } else {
        say("nginx is not installed (apt-get install nginx): no ratio to it\n");
    }
    if !closed_loop::installed("wrk") {
        say("wrk is not installed (apt-get install wrk): our own closed loop drives\n");
    }
    let autoheal = Subject::autoheal(folder.path()).map(series);
    let missing = autoheal.map(|autoheal| all.push(autoheal)).err();
    for series in &all {
        closed_loop::drive(series.subject.address, CONNECTIONS, 1)?;
    }
    for round in 1..=rounds {
        for series in &mut all {
            series.round(seconds)?;
        }
        say(&format!("round {round} of {rounds}\n"));
    }
    report(&all);
    // The others' numbers are worth having all the same.
    if let Some(error) = missing {
        return Err(error);
    }
    if let Some(autoheal) = all.last().filter(|_| profile) {
        say(&profile::take(
            &autoheal.subject,
            CONNECTIONS,
            seconds.max(3),
        )?);
    }
    Ok(())
}

fn series(subject: Subject) -> Series {
    Series {
        subject,
        rounds: Vec::new(),
    }
}

impl Series {
    fn round(&mut self, seconds: u32) -> io::Result<()> {
        let before = self.subject.cpu_s()?;
        let seen = closed_loop::drive(self.subject.address, CONNECTIONS, seconds)?;
        let cpu_s = self.subject.cpu_s()? - before;
        self.rounds.push(Round {
            cpu_us: cpu_s * 1e6 / seen.requests as f64,
            seen,
            pss_mib: self.subject.pss_mib()?,
        });
        Ok(())
    }

    fn middle(&self, of: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(of).collect())
    }
}

/// The median, and the least and greatest.
struct Spread {
    least: f64,
    median: f64,
    greatest: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self {
            least: at(0),
            median: at(values.len() / 2),
            greatest: at(values.len().saturating_sub(1)),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.2} ({:.2} to {:.2})",
            self.median, self.least, self.greatest
        )
    }
}

fn report(all: &[Series]) {
    say(&format!(
        "\n{:<10}{:>26}{:>12}{:>10}{:>10}{:>10}{:>8}\n",
        "", "CPU us a request", "requests/s", "p50 ms", "p99 ms", "PSS MiB", "errors"
    ));
    for series in all {
        say(&format!(
            "{:<10}{:>26}{:>12.0}{:>10.2}{:>10.2}{:>10.1}{:>8}\n",
            series.subject.name,
            series.middle(|round| round.cpu_us).to_string(),
            series
                .middle(|round| round.seen.requests as f64 / round.seen.seconds)
                .median,
            series.middle(|round| round.seen.p50_ms).median,
            series.middle(|round| round.seen.p99_ms).median,
            series.middle(|round| round.pss_mib).greatest,
            series
                .rounds
                .iter()
                .map(|round| round.seen.errors)
                .sum::<u64>(),
        ));
    }
    let Some((autoheal, others)) = all.split_last() else {
        return;
    };
    if autoheal.subject.name != "autoheal" {
        return;
    }
    say("\n");
    for other in others {
        let pairs = autoheal.rounds.iter().zip(&other.rounds);
        let ratio = Spread::of(
            pairs
                .map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us)
                .collect(),
        );
        let verdict = match (other.subject.name, ratio.median <= BAR) {
            ("nginx", true) => format!(": within the bar of {BAR}"),
            ("nginx", false) => format!(": above the bar of {BAR}"),
            _ => String::new(),
        };
        say(&format!(
            "autoheal / {}: {ratio}{verdict}\n",
            other.subject.name
        ));
    }
}

fn address(text: &str) -> io::Result<SocketAddr> {
    text.parse()
        .map_err(|_| io::Error::other(format!("\"{text}\" is not an address")))
}

fn block_on<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?
        .block_on(future)
}

fn say(text: &str) {
    use io::Write as _;
    // A reader that went away has seen enough.
    drop(io::stdout().lock().write_all(text.as_bytes()));
}
