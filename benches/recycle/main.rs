//! What a restart of the worker costs clients: requests lost, delay, gap; behind autoheal and
//! behind nginx, HAProxy, Envoy and Caddy at their best settings (those that are installed:
//! benches/proxy/install.sh).
//!
//! `cargo bench --bench recycle [-- --seconds N --restarts N --only term-get-0,kill-post-500
//! --against nginx,caddy]`. Each line is a run of 1,000 requests a second over 64 connections with
//! three restarts of the same worker by the same signal; the others have this bench as supervisor,
//! which starts the next worker at once. Fails when autoheal loses what could be saved.

mod outcome;
mod scenario;
mod subject;
#[path = "../support/mod.rs"]
mod support;

use std::{io, process::ExitCode, time::Duration};

use outcome::Outcome;
use scenario::Scenario;
use subject::{Pair, Subject};
use support::say;

/// No recycle takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

struct Options {
    seconds: u32,
    restarts: u32,
    only: Option<Vec<String>>,
    against: Option<Vec<String>>,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("\nfailed: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Whether autoheal lost nothing that could be saved.
fn run() -> io::Result<bool> {
    let options = Options::of(std::env::args().skip(1))?;
    let mut kept = true;
    for subject in Subject::ALL.iter().filter(|one| !one.is_installed()) {
        say(&format!(
            "{} is not installed (benches/proxy/install.sh)\n",
            subject.name()
        ));
    }
    for scenario in Scenario::all().filter(|one| options.wants(&one.name())) {
        say(&format!(
            "\n{}\n{:<30}{:>10}{:>8}{:>14}{:>10}{:>8}\n",
            scenario.title(),
            "",
            "requests",
            "lost",
            "delay, ms",
            "gap, ms",
            "twice"
        ));
        for subject in options.subjects(&scenario) {
            let outcome = measure(subject, &scenario, &options)?;
            show(subject, &outcome);
            kept &= !subject.is_ours() || keeps(&scenario, &outcome);
        }
    }
    let verdict = if kept { "yes" } else { "NO" };
    say(&format!(
        "\nautoheal lost nothing that could be saved: {verdict}\n"
    ));
    Ok(kept)
}

fn measure(subject: Subject, scenario: &Scenario, options: &Options) -> io::Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let mut pair = Pair::launch(subject, *scenario, folder.path())?;
    Outcome::of(&mut pair, scenario, options.seconds, options.restarts)
}

fn show(subject: Subject, outcome: &Outcome) {
    say(&format!(
        "{:<30}{:>10}{:>8}{:>14.1}{:>10}{:>8}\n",
        subject.name(),
        outcome.requests,
        outcome.lost,
        outcome.delay_ms,
        outcome.gap.as_millis(),
        outcome.twice
    ));
    for (kind, count) in outcome.kinds.iter().take(3) {
        say(&format!("{:<30}{count} x {kind}\n", ""));
    }
}

/// Every failure is a POST that the worker died with, and nothing that must not is sent twice.
fn keeps(scenario: &Scenario, outcome: &Outcome) -> bool {
    let cut = |(kind, _): &(String, u64)| kind.contains("502102");
    let lost = outcome.lost == 0 || (scenario.loses() && outcome.kinds.iter().all(cut));
    lost && !(scenario.post && outcome.twice > 0)
}

impl Options {
    /// Reads the command line. Cargo adds `--bench` of its own.
    fn of(mut args: impl Iterator<Item = String>) -> io::Result<Self> {
        let mut options = Self {
            seconds: 8,
            restarts: 3,
            only: None,
            against: None,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_default();
            match arg.as_str() {
                "--bench" => {}
                "--seconds" => options.seconds = number(&value())?,
                "--restarts" => options.restarts = number(&value())?,
                "--only" => {
                    let known: Vec<_> = Scenario::all().map(|one| one.name()).collect();
                    options.only = Some(words(&value(), &known)?);
                }
                "--against" => {
                    let known = Subject::ALL.map(|one| one.name().to_owned());
                    options.against = Some(words(&value(), &known)?);
                }
                other => return Err(io::Error::other(format!("what is {other}? see main.rs"))),
            }
        }
        Ok(options)
    }

    fn wants(&self, scenario: &str) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|only| only.iter().any(|one| one == scenario))
    }

    /// Those to compare with, and autoheal.
    fn subjects(&self, scenario: &Scenario) -> impl Iterator<Item = Subject> {
        Subject::ALL.into_iter().filter(move |subject| {
            let wanted = |against: &Vec<String>| against.iter().any(|one| one == subject.name());
            let compared = subject.is_ours() || self.against.as_ref().is_none_or(wanted);
            compared && subject.is_installed() && subject.takes_part(scenario)
        })
    }
}

fn number(text: &str) -> io::Result<u32> {
    text.parse()
        .map_err(|_| io::Error::other(format!("\"{text}\" is not a number")))
}

fn words(text: &str, known: &[String]) -> io::Result<Vec<String>> {
    let words: Vec<_> = text.split(',').map(str::to_owned).collect();
    match words.iter().find(|word| !known.contains(word)) {
        Some(word) => Err(io::Error::other(format!(
            "\"{word}\" is none of {}",
            known.join(", ")
        ))),
        None => Ok(words),
    }
}
