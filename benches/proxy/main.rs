//! What a request costs: CPU on one thread, beside nginx, HAProxy, Envoy, Caddy (those that are
//! installed: install.sh) and a bare TCP relay in the same minutes.
//!
//! `cargo bench --bench proxy [-- --rounds N --seconds N --only get,tls --against nginx,relay
//! --no-idle --no-half --no-profile]`. Subjects take turns in each round, because a machine's speed
//! drifts; what counts is the ratio within a round.

mod backend;
mod half;
mod idle;
mod load;
mod options;
mod profile;
mod relay;
mod series;
mod subject;
#[path = "../support/mod.rs"]
mod support;
mod workload;

use std::{fs, io, net::SocketAddr, path::Path, process::ExitCode};

use options::Options;
use series::{Round, Series, Spread};
use subject::Subject;
use support::say;
use tokio::runtime::LocalOptions;
use workload::{Front, Workload};

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
        _ => compare(&Options::of(&args)?),
    }
}

fn compare(options: &Options) -> io::Result<()> {
    raise_open_files();
    let folder = tempfile::tempdir()?;
    certificate(folder.path())?;
    let (_backend, upstream) = subject::backend(folder.path())?;
    let mut subjects = Vec::new();
    for name in options.subjects() {
        match subject::program(name) {
            Some(program) if !support::installed(program) => {
                say(&format!(
                    "{program} is not installed (benches/proxy/install.sh)\n"
                ));
            }
            _ => subjects.push(Subject::launch(name, upstream, folder.path())?),
        }
    }
    let mut plain_rate = None;
    for workload in workload::ALL.iter().filter(|one| options.wants(one.name)) {
        let all = rounds(&subjects, workload, options, folder.path())?;
        report(workload, &all);
        if workload.name == "get" {
            plain_rate = all.iter().find(|series| series.name == "nginx").map(rate);
        }
    }
    if let (Some(rate), true) = (plain_rate, options.half) {
        half_load(&subjects, (rate / 2.0) as u32, options)?;
    }
    if let Some(autoheal) = subjects
        .iter()
        .find(|one| one.name == "autoheal" && options.profile)
    {
        say(&profile::take(
            autoheal,
            &workload::ALL[0],
            options.seconds.max(3),
            folder.path(),
        )?);
    }
    if options.idle > 0 {
        drop(subjects);
        idle_connections(upstream, folder.path(), options)?;
    }
    Ok(())
}

fn rounds(
    subjects: &[Subject],
    workload: &Workload,
    options: &Options,
    folder: &Path,
) -> io::Result<Vec<Series>> {
    let series = |subject: &Subject| Series {
        name: subject.name,
        rounds: Vec::new(),
    };
    let mut all: Vec<_> = subjects.iter().map(series).collect();
    for round in 0..=options.rounds {
        for (subject, series) in subjects.iter().zip(&mut all) {
            // The first round only warms up.
            let seconds = if round == 0 { 1 } else { options.seconds };
            let done = Round::run(subject, workload, seconds, folder)?;
            series.rounds.extend(done.filter(|_| round > 0));
        }
    }
    all.retain(|series| !series.rounds.is_empty());
    Ok(all)
}

fn rate(series: &Series) -> f64 {
    series
        .middle(|round| round.seen.requests as f64 / round.seen.seconds)
        .median
}

fn report(workload: &Workload, all: &[Series]) {
    say(&format!(
        "\n{}: {}\n{:<10}{:>26}{:>22}{:>12}{:>9}{:>9}{:>9}{:>8}\n",
        workload.name,
        workload.title,
        "",
        "CPU us a request",
        "x nginx",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "PSS MiB",
        "errors"
    ));
    let nginx = all.iter().find(|series| series.name == "nginx");
    for series in all {
        let ratio = nginx.map(|nginx| series.ratio(nginx).to_string());
        say(&format!(
            "{:<10}{:>26}{:>22}{:>12.0}{:>9.2}{:>9.2}{:>9.1}{:>8}\n",
            series.name,
            series.middle(|round| round.cpu_us).to_string(),
            ratio.unwrap_or_default(),
            rate(series),
            series.middle(|round| round.seen.p50_ms).median,
            series.middle(|round| round.seen.p99_ms).median,
            series.middle(|round| round.pss_mib).greatest,
            series.errors(),
        ));
    }
    let autoheal = all.iter().find(|series| series.name == "autoheal");
    if let (Some(nginx), Some(autoheal)) = (nginx, autoheal) {
        let median = autoheal.ratio(nginx).median;
        let verdict = if median <= workload.bar {
            "within"
        } else {
            "MISSED"
        };
        say(&format!("bar {} x nginx: {verdict}\n", workload.bar));
    }
}

fn half_load(subjects: &[Subject], rate: u32, options: &Options) -> io::Result<()> {
    let mut all: Vec<(&str, Vec<half::Latency>)> = Vec::new();
    for _ in 0..options.rounds {
        for subject in subjects {
            let Some(address) = subject.address(Front::Plain) else {
                continue;
            };
            let seen = half::drive(address, rate, options.seconds)?;
            match all.iter_mut().find(|(name, _)| *name == subject.name) {
                Some((_, rounds)) => rounds.push(seen),
                None => all.push((subject.name, vec![seen])),
            }
        }
    }
    say(&format!(
        "\nhalf of nginx's rate, {rate} requests/s, open loop\n{:<10}{:>26}{:>26}\n",
        "", "p50 ms", "p99 ms"
    ));
    for (name, rounds) in all {
        let spread =
            |of: fn(&half::Latency) -> f64| Spread::of(rounds.iter().map(of).collect()).to_string();
        say(&format!(
            "{name:<10}{:>26}{:>26}\n",
            spread(|seen| seen.p50_ms),
            spread(|seen| seen.p99_ms)
        ));
    }
    Ok(())
}

/// In fresh processes: what others left behind would hide what a connection takes.
fn idle_connections(upstream: SocketAddr, folder: &Path, options: &Options) -> io::Result<()> {
    say(&format!("\n{} idle connections, KiB each\n", options.idle));
    for name in options.subjects() {
        if name == "relay" || subject::program(name).is_some_and(|name| !support::installed(name)) {
            continue;
        }
        let subject = Subject::launch(name, upstream, folder)?;
        let each = idle::kib_each(&subject, options.idle)?;
        say(&format!("{name:<10}{each:>10.1}\n"));
    }
    Ok(())
}

/// One certificate for every proxy, in the shapes that they want.
fn certificate(folder: &Path) -> io::Result<()> {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    fs::write(folder.join("both.pem"), format!("{chain}{key}"))?;
    fs::write(folder.join("site.pem"), chain)?;
    fs::write(folder.join("site.key"), key)
}

/// What we start inherits it.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        say(&format!(
            "the limit on open files stays as it is: {error}\n"
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
