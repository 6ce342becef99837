//! `autoheal demo`: a worker that leaks, hangs, crashes and fails, load on it, and the story of its
//! healing, ending with how many requests failed.

mod act;
mod ask;
mod sidecar;
pub mod worker;

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

use self::{
    act::{Act, Played},
    sidecar::Sidecar,
};
use crate::{
    cli::load::{Plan, Report, Running},
    time::{self, MonoTime},
};

/// Options of `autoheal demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Requests each second while it runs
    #[arg(long, default_value_t = 200)]
    rate: u32,
}

/// Of undisturbed load before and after each act.
const CALM: Duration = Duration::from_millis(1_500);
/// No act lasts so long; the load is stopped when the last is over.
const LOAD_TIME_MAX: Duration = Duration::from_secs(600);

/// The verb: 0 when everything was healed and no request failed, else 1.
#[must_use]
pub fn run(args: &DemoArgs) -> i32 {
    match play(args) {
        Ok(good) => i32::from(!good),
        Err(error) => {
            drop(writeln!(
                io::stderr().lock(),
                "failed to play the demo: {error}"
            ));
            1
        }
    }
}

fn play(args: &DemoArgs) -> io::Result<bool> {
    say("Starting autoheal before a worker that will misbehave. Lines with a bar are autoheal's.");
    let sidecar = Sidecar::start()?;
    say(&format!(
        "It answers at http://{}. From here on {} requests a second, each one counted.",
        sidecar.address, args.rate
    ));
    let began = time::now();
    let load = load(&sidecar, args.rate)?;
    let acts = Act::ALL.iter().map(|act| {
        thread::park_timeout(CALM);
        say(&format!("\n{}: {}", act.name(), act.story()));
        let played = act.play(sidecar.address)?;
        say(&told(&played));
        Ok(played)
    });
    let played = acts.collect::<io::Result<Vec<Played>>>();
    thread::park_timeout(CALM);
    load.stop();
    let report = load.wait().map_err(io::Error::other)?;
    let played = played?;
    drop(sidecar);
    say(&table(&played, &report, began));
    let failed = report.failed + played.iter().map(|act| act.failed).sum::<u64>();
    if failed > 0 {
        say(&report.to_string());
    }
    say(&format!("{failed} failed of {} requests", report.requests));
    Ok(failed == 0 && played.iter().all(|act| act.healed_by.is_some()))
}

fn load(sidecar: &Sidecar, rate_per_s: u32) -> io::Result<Running> {
    let plan = Plan::to(&format!("http://{}/", sidecar.address)).map_err(io::Error::other)?;
    let plan = Plan {
        rate_per_s,
        duration: LOAD_TIME_MAX,
        ..plan
    };
    Running::start(plan).map_err(io::Error::other)
}

fn told(played: &Played) -> String {
    let seconds = played.to.since(played.from).as_secs_f64();
    match &played.healed_by {
        None => format!("  NOT healed within {seconds:.1} s"),
        Some(answer) => {
            let generation = answer.generation.as_deref().unwrap_or("?");
            format!("  healed: generation {generation} answers after {seconds:.1} s")
        }
    }
}

/// One line for each act, with what clients saw in its seconds.
fn table(played: &[Played], report: &Report, began: MonoTime) -> String {
    let mut text = format!(
        "\n{:<12}{:<18}{:>14}{:>16}{:>10}{:>10}\n",
        "", "healed by", "another after", "slowest answer", "answered", "failed"
    );
    for act in played {
        let second =
            |at: MonoTime| usize::try_from(at.since(began).as_secs()).unwrap_or(usize::MAX);
        let (from, to) = (second(act.from), second(act.to));
        let seconds = report.timeline.iter().take(to.saturating_add(1)).skip(from);
        let slowest_ms = seconds
            .clone()
            .map(|second| second.max_ms)
            .fold(0.0, f64::max);
        let after = match act.healed_by {
            Some(_) => format!("{:.1} s", act.to.since(act.from).as_secs_f64()),
            None => "never".to_owned(),
        };
        text += &format!(
            "{:<12}{:<18}{after:>14}{:>16}{:>10}{:>10}\n",
            act.act.name(),
            act.act.cure(),
            format!("{slowest_ms:.0} ms"),
            seconds.clone().map(|second| second.answered).sum::<u64>(),
            seconds.map(|second| second.failed).sum::<u64>() + act.failed,
        );
    }
    text
}

fn say(line: &str) {
    // A reader that went away has seen enough; the demo ends by itself.
    drop(writeln!(io::stdout().lock(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::{act::Played, ask::Answer, *};
    use crate::cli::load::Second;

    #[test]
    fn the_table_has_what_clients_saw_in_the_seconds_of_each_act() {
        let second = |max_ms| Second {
            answered: 10,
            failed: 1,
            max_ms,
            ..Second::default()
        };
        let timeline = [5.0, 700.0, 80.0, 900.0].map(second).to_vec();
        let report = Report {
            timeline,
            ..Report::default()
        };
        let answer = Answer {
            status: 200,
            pid: Some(2),
            generation: Some("2".to_owned()),
        };
        let [from, to] = [11_500, 12_700].map(MonoTime::from_millis);
        let leak = Played {
            act: Act::Leak,
            from,
            to,
            healed_by: Some(answer),
            failed: 0,
        };
        let crash = Played {
            act: Act::Crash,
            from: to,
            to: MonoTime::from_millis(13_100),
            healed_by: None,
            failed: 3,
        };
        let text = table(&[leak, crash], &report, MonoTime::from_millis(10_000));
        let line = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(line("leak"), "leak rule \"too big\" 1.2 s 700 ms 20 2");
        assert_eq!(line("crash"), "crash restart never 900 ms 20 5");
    }
}
