//! `autoheal status`: how things are.

use std::{fmt::Write as _, time::Duration};

use super::{
    ask::{Admin, Io, with_client},
    exit,
};
use crate::{
    control::order::{
        BudgetStatus, CertificateStatus, DependencyStatus, IncidentsStatus, InstanceStatus,
        LedgerStatus, PoisonStatus, QueueStatus, RuleStatus, Status, WorkerStatus,
    },
    units::{ByteSize, format_duration},
    words::one_line,
};

/// Show how things are; exit 1 when a request now would be turned away
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Show it again every second
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &Args, admin: &Admin, io: &mut Io<'_>) -> i32 {
    with_client(admin, io, |client, io| {
        loop {
            let value = client.get("/api/v1/status")?;
            let ready = value["ready"] == true;
            if args.json {
                writeln!(io.out, "{value}")?;
            } else {
                let status: Status = client.read(value)?;
                let clear = if args.watch { "\x1b[H\x1b[2J" } else { "" };
                write!(io.out, "{clear}{}", page(&status))?;
            }
            io.out.flush()?;
            if !args.watch {
                return Ok(if ready { exit::DONE } else { exit::NO });
            }
            client.pause(Duration::from_secs(1));
        }
    })
}

/// What a person reads at three in the morning: the state first, then what it rests on.
fn page(status: &Status) -> String {
    let mut page = String::new();
    let mut row = |name: &str, text: &str| {
        // Writing to a string has no way to fail.
        writeln!(page, "{name:<9} {}", one_line(text)).ok();
    };
    row("state", &status.state);
    for warning in &status.warnings {
        row("warning", warning);
    }
    let (version, mode, pid) = (&status.version, &status.mode, status.pid);
    let up = age(status.uptime_ms);
    row(
        "autoheal",
        &format!("{version}, mode {mode}, pid {pid}, up {up}"),
    );
    row("listens", &status.listen.join(", "));
    let config = match &status.config[..] {
        [] => "none".to_owned(),
        files => files.join(", "),
    };
    row("config", &config);
    for certificate in &status.certificates {
        row("tls", &certificate_line(certificate));
    }
    for line in worker_lines(status) {
        row("worker", &line);
    }
    for rule in &status.rules {
        row("rule", &rule_line(rule));
    }
    for one in &status.dependencies {
        row("depends", &dependency_line(one));
    }
    for one in &status.poison {
        row("poison", &poison_line(one));
    }
    row("budget", &budget_line(&status.budget));
    let parking = &status.parking;
    let mut parked = format!(
        "{} of {} requests, {} of {}",
        parking.requests,
        parking.requests_max,
        ByteSize(parking.bytes).human(),
        ByteSize(parking.bytes_max).human()
    );
    if let Some(remaining) = parking.hold_remaining_ms {
        parked += &format!("; held by an operator for {} more", age(remaining));
    }
    row("parked", &parked);
    if let Some(line) = queue_line(&status.queue) {
        row("queued", &line);
    }
    row("requests", &ledger_line(&status.ledger));
    for count in &status.ledger.by_code {
        let line = format!("{} x {} {}", count.count, count.code, count.name);
        row("", &line);
    }
    let incidents = incidents_line(&status.incidents).into_iter();
    incidents.for_each(|line| row("incidents", &line));
    let connections: Vec<_> = status
        .threads
        .iter()
        .map(|thread| thread.connections.to_string())
        .collect();
    row(
        "threads",
        &format!("{} connections", connections.join(" + ")),
    );
    page
}

/// Nothing, where there was none.
fn incidents_line(status: &IncidentsStatus) -> Option<String> {
    let over: u64 = status.closed.iter().map(|some| some.count).sum();
    let open = status.open;
    let line = || format!("{open} open, {over} over since the start; see autoheal incidents");
    (open + over > 0).then(line)
}

fn certificate_line(one: &CertificateStatus) -> String {
    let time = match u64::try_from(one.remaining_s) {
        Ok(left) => format!("valid for {}", days(left)),
        Err(_) => format!("expired {} ago", days(one.remaining_s.unsigned_abs())),
    };
    format!("{} for {}, {time}", one.certificate, one.names.join(", "))
}

/// Seconds, in days where that is enough.
fn days(seconds: u64) -> String {
    match seconds / (24 * 3600) {
        0 => age(seconds * 1000),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// Each instance's together, its oldest first; then the instances that have none.
fn worker_lines(status: &Status) -> Vec<String> {
    let mut workers: Vec<_> = status.workers.iter().collect();
    workers.sort_by_key(|worker| worker.instance);
    let workers = workers.into_iter().map(worker_line);
    let absent = status.instances.iter();
    let absent = absent.filter_map(|one| absent_line(one, &status.workers));
    workers.chain(absent).collect()
}

/// Of an instance that has no worker now.
fn absent_line(one: &InstanceStatus, workers: &[WorkerStatus]) -> Option<String> {
    let number = one.instance;
    if workers.iter().any(|worker| worker.instance == Some(number)) {
        return None;
    }
    let next = one.next_start_ms.map(|left| match left {
        0 => "; it starts next".to_owned(),
        left => format!("; its next start is in {}", age(left)),
    });
    let (state, next) = (&one.state, next.unwrap_or_default());
    Some(format!("instance {number} has no worker: {state}{next}"))
}

fn worker_line(worker: &WorkerStatus) -> String {
    let of = worker.instance.map(|number| format!("instance {number}, "));
    let mut line = of.unwrap_or_default();
    line += &format!(
        "generation {} {} at {}, up {}, {} in flight",
        worker.generation,
        worker.state,
        worker.address,
        age(worker.uptime_ms),
        worker.in_flight
    );
    if let Some(pid) = worker.pid {
        line += &format!(", pid {pid}");
    }
    if let Some(bytes) = worker.private_bytes {
        line += &format!(", {} private", ByteSize(bytes).human());
    }
    if let (Some(limit), Some(why)) = (worker.limit, &worker.limit_why) {
        line += &format!("; at most {limit} at once: {why}");
    }
    line
}

fn rule_line(rule: &RuleStatus) -> String {
    let mut line = format!("\"{}\" {}", rule.name, rule.state);
    if let Some(remaining) = rule.remaining_ms {
        line += &format!(" for {} more", age(remaining));
    }
    if let Some(instance) = rule.instance {
        line += &format!(" (instance {instance})");
    }
    line += &format!(": {}", rule.now);
    if let Some(held) = &rule.held {
        line += &format!("; held: {held}");
    }
    if rule.fired > 0 {
        line += &match rule.fired {
            1 => "; fired once".to_owned(),
            times => format!("; fired {times} times"),
        };
    }
    if let Some(verdict) = &rule.verdict {
        let last = match verdict.as_str() {
            "helped" => "helped",
            "did-not-help" => "did not help",
            _ => "is unclear",
        };
        line += &format!("; its last recycle {last}");
    }
    line
}

fn dependency_line(one: &DependencyStatus) -> String {
    let mut line = format!("\"{}\" at {} {}", one.name, one.address, one.state);
    if let Some(failing) = one.failing_ms {
        line += &format!(" for {}", age(failing));
    }
    if let Some(why) = &one.why {
        line += &format!(": {why}");
    }
    line
}

fn poison_line(one: &PoisonStatus) -> String {
    let rest = age(one.remaining_ms);
    let PoisonStatus {
        request, because, ..
    } = one;
    format!("{request} ends its workers: {because}; not sent twice for {rest} more")
}

fn budget_line(budget: &BudgetStatus) -> String {
    format!(
        "{} of {} recycles in {}, {} of {} today",
        budget.used,
        budget.recycles,
        age(budget.window_ms),
        budget.used_today,
        budget.per_day
    )
}

fn ledger_line(ledger: &LedgerStatus) -> String {
    let tunnels = match (ledger.tunnels, ledger.tunnels_moved) {
        (0, _) => String::new(),
        (tunnels, moved) => format!("; {tunnels} became WebSockets, {moved} of them were moved"),
    };
    let queued = match ledger.queued {
        0 => String::new(),
        queued => format!("{queued} queued, "),
    };
    format!(
        "{} accepted: {} completed, {} refused, {} left by clients, {} failed, {} in flight; {} \
         were parked, {}{} replayed{tunnels}",
        ledger.accepted,
        ledger.completed,
        ledger.refused,
        ledger.client_aborted,
        ledger.failed,
        ledger.in_flight,
        ledger.parked,
        queued,
        ledger.replayed
    )
}

/// `None`: requests never wait for a place.
fn queue_line(queue: &QueueStatus) -> Option<String> {
    let places = match (queue.places, queue.found) {
        (Some(places), _) => places.to_string(),
        (None, true) => "as many as it can do".to_owned(),
        (None, false) => return None,
    };
    Some(format!(
        "{} of {} requests; each worker has {places} at once",
        queue.requests, queue.requests_max
    ))
}

/// A time span as coarse as its length allows.
pub(super) fn age(ms: u64) -> String {
    let step = match ms {
        0..1_000 => 1,
        1_000..60_000 => 100,
        60_000..3_600_000 => 1_000,
        _ => 60_000,
    };
    format_duration(Duration::from_millis(ms - ms % step))
}

#[cfg(test)]
mod tests;
