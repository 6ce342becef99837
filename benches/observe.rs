//! What observing a request costs its data thread: from its path, looked at by 32 rules, to the
//! counters, as `forward/attempt.rs` does it. Flat in requests seen.
//!
//! `cargo bench --bench observe`. Fails when a bar is missed. The machine's other work makes single
//! batches slow: what counts is the median of many small ones.

use std::{hint::black_box, io::Write, process::ExitCode, time::Duration};

use autoheal::{
    decide::trigger::{Filter, Trigger},
    observe::{
        in_flight::{InFlight, Key},
        tally::{Counters, Registry, Rules},
    },
    time::{self, MonoTime},
    words::{Generation, Outcome},
};
use http::{Method, Uri};

/// From the response head to the counters, in nanoseconds, at most.
const BAR_NS: f64 = 150.0;
/// After a hundred million requests it may cost so much more than after a thousand: a machine's
/// speed drifts by less.
const FLAT: f64 = 1.3;
const RULES: usize = 32;
/// So many are in flight at once.
const CONCURRENT: usize = 64;
const SEEN: [u64; 3] = [1_000, 1_000_000, 100_000_000];
const BATCHES: usize = 400;
const WORKER: Generation = Generation(1);

fn main() -> ExitCode {
    let mut bench = Bench::new();
    let mut out = std::io::stdout().lock();
    let mut say = |text: String| drop(writeln!(out, "{text}"));
    say(format!(
        "observing a request, {RULES} path rules, {CONCURRENT} in flight; median ns of each part\n\
         {:>12}{:>14}{:>12}{:>18}{:>12}",
        "seen", "path to rules", "enter", "head to counters", "leave"
    ));
    let mut heads = Vec::new();
    for seen in SEEN {
        while bench.seen < seen {
            bench.batch();
        }
        let mut parts: [Vec<f64>; 4] = Default::default();
        for _ in 0..BATCHES {
            for (part, nanos) in parts.iter_mut().zip(bench.batch()) {
                part.push(nanos);
            }
        }
        let [look, enter, head, leave] = parts.map(median);
        say(format!(
            "{seen:>12}{look:>14.1}{enter:>12.1}{head:>18.1}{leave:>12.1}"
        ));
        heads.push(head);
    }
    let worst = heads.iter().copied().fold(0.0, f64::max);
    let growth = heads[SEEN.len() - 1] / heads[0];
    let within = worst <= BAR_NS && growth <= FLAT && bench.counted_all();
    say(format!(
        "bar: head to counters at most {BAR_NS} ns, and at most {FLAT} x as much at the end as at \
         first ({growth:.2}): {}",
        if within { "within" } else { "MISSED" }
    ));
    if within {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One data thread's side of observing.
struct Bench {
    rules: Rules,
    counters: std::sync::Arc<Counters>,
    registry: Registry,
    table: InFlight,
    requests: Vec<Uri>,
    seen: u64,
}

impl Bench {
    fn new() -> Self {
        let triggers: Vec<Trigger> = (0..RULES).map(trigger).collect();
        let rules = Rules::new(1, triggers.iter());
        let registry = Registry::default();
        let mut table = InFlight::default();
        table.set_limits(&rules, Some(Duration::from_secs(240)));
        let path = |index: usize| match index % 4 {
            0 => format!("/shop/{}/basket", index % RULES),
            1 => format!("/api/v{}/orders/4711/items", index % RULES),
            2 => format!("/files/{index}/report-{}.pdf", index % RULES),
            _ => format!("/elsewhere/{index}"),
        };
        Self {
            counters: registry.register(WORKER, &rules),
            rules,
            registry,
            table,
            requests: (0..CONCURRENT)
                .map(|index| path(index).parse().expect("a path"))
                .collect(),
            seen: 0,
        }
    }

    /// Observes as many requests as are in flight at once, each part of it by itself. Nanoseconds
    /// for each request: path to rules, enter, head to counters, leave.
    fn batch(&mut self) -> [f64; 4] {
        let start = time::now();
        let usual = Some(Duration::from_secs(240));
        let looks: [_; CONCURRENT] = std::array::from_fn(|at| {
            let request = black_box(&self.requests[at]);
            self.rules.look("GET", request.path(), usual)
        });
        let looked = time::now();
        let keys: [Key; CONCURRENT] = std::array::from_fn(|at| {
            let (look, request) = (looks[at], &self.requests[at]);
            (self.table).enter(looked, WORKER, look, &Method::GET, request, true)
        });
        let entered = time::now();
        for (at, key) in keys.iter().enumerate() {
            // One in eight fails. Each asks for the time, as a request does.
            let outcome = Outcome::Status(if at.is_multiple_of(8) { 503 } else { 200 });
            let (mask, slow, taken) = self.table.answered(*key, time::now());
            (self.counters).finished(&self.rules, mask, slow, black_box(outcome), taken);
        }
        let counted = time::now();
        for key in keys {
            self.table.leave(key);
        }
        self.seen += CONCURRENT as u64;
        let each =
            |from: MonoTime, to: MonoTime| to.since(from).as_nanos() as f64 / CONCURRENT as f64;
        [
            each(start, looked),
            each(looked, entered),
            each(entered, counted),
            each(counted, time::now()),
        ]
    }

    /// Whether what was measured did what it is for.
    fn counted_all(&self) -> bool {
        let totals = self.registry.totals(WORKER, 1);
        let counted = totals.rules.iter().filter(|(_, total)| *total > 0).count();
        totals.answered == self.seen && counted == RULES
    }
}

/// Rules of every kind that looks at requests, with paths of the usual shapes: a prefix, a star in
/// the middle, a suffix; some look at all requests.
fn trigger(index: usize) -> Trigger {
    let path = match index % 4 {
        0 => format!("/shop/{index}/*"),
        1 => format!("/api/v{index}/*/items"),
        2 => format!("*-{index}.pdf"),
        _ => "/*".to_owned(),
    };
    let filter = Filter {
        path: vec![path.parse().expect("a pattern")],
        ..Filter::default()
    };
    let (count, share, window) = (20, None, Duration::from_secs(30));
    if index.is_multiple_of(2) {
        Trigger::Status {
            codes: "500-599".parse().expect("codes"),
            count,
            share,
            window,
            filter,
        }
    } else {
        Trigger::Slow {
            time_taken: Duration::from_secs(1 + index as u64),
            count,
            share,
            window,
            filter,
        }
    }
}
