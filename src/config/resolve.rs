//! From the document tree to [`Settings`]: every section, its bounds, and what must fit together.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{
    Surroundings, access_log, address, attach, crashes, defaults,
    defaults::secs,
    dependencies,
    diagnostic::Report,
    document::{Node, Table, Value},
    health, instances,
    judge::judge,
    model::{Listen, LogFormat, LogLevel, Port, Ready, Settings, StrategyChoice, Threads},
    probes,
    reader::{Fields, count, duration, flag, one_or_more, size, text, unit, unwanted, word},
    routes, rules, tls, worker,
};
use crate::{
    decide::policy::Strategy,
    units::{ByteSize, StatusSet},
    words::Mode,
};

const DAY: Duration = secs(24 * 3600);
/// So many addresses to listen at are more than a machine has interfaces.
const MOST_LISTENERS: usize = 64;
const HOUR: Duration = secs(3600);

/// Reads the merged document. What can't be read keeps its default and is reported.
pub(super) fn settings(table: &Table, around: &Surroundings<'_>, report: &mut Report) -> Settings {
    let mut settings = defaults::settings(around.cwd.clone());
    let top = Fields::top(table, report);
    front(&top, &mut settings, around, report);
    worker::read(&top, &mut settings, around, report);
    attach::read(&top, &mut settings, report);
    crashes::read(&top, &mut settings, report);
    recycle(&top, &mut settings, report);
    clients(&top, &mut settings, report);
    health::read(&top, &mut settings, report);
    waiting(&top, &mut settings, report);
    guards(&top, &mut settings, report);
    records(&top, &mut settings, report);
    dependencies::read(&top, &mut settings, report);
    routes::read(&top, &mut settings, report);
    rules::read(&top, &mut settings, report);
    instances::read(&top, &mut settings, report);
    worker::check(&top, &settings, report);
    attach::check(&top, &settings, report);
    probes::check(&top, &settings, report);
    instances::check(&top, &settings, report);
    judge(&top, &settings, &around.machine, report);
    settings
}

/// What stands before the first section.
fn front(
    top: &Fields<'_>,
    settings: &mut Settings,
    around: &Surroundings<'_>,
    report: &mut Report,
) {
    let usual = top.find(report, "tls", tls::tls(around)).flatten();
    for listen in &mut settings.listen {
        listen.tls.clone_from(&usual);
    }
    let one = |report: &mut Report, name: &str, node: &Node| {
        address::listen(report, name, node, usual.as_ref(), around)
    };
    top.read(report, "listen", &mut settings.listen, one_or_more(one));
    let listen = &mut settings.listen;
    if let (Some(node), true) = (top.get("listen"), listen.len() > MOST_LISTENERS) {
        report.error(
            node.span,
            format!("listen has more than {MOST_LISTENERS} addresses"),
            "listen on 0.0.0.0 or [::], which are every interface",
        );
        listen.truncate(MOST_LISTENERS);
    }
    if let (Some(node), true) = (
        top.get("listen"),
        (1..listen.len()).any(|at| {
            let same = |other: &Listen| other.address == listen[at].address;
            listen[..at].iter().any(same)
        }),
    ) {
        report.error(
            node.span,
            "listen has the same address twice",
            "keep one of them",
        );
    }
    top.read(report, "admin", &mut settings.admin, address::admin);
    top.read(report, "probes", &mut settings.probes, probes::probes);
    let state_dir = top.find(report, "state_dir", path);
    settings.state_dir = state_dir;
    let modes = [
        ("heal", Mode::Heal),
        ("observe", Mode::Observe),
        ("relay", Mode::Relay),
    ];
    top.read(report, "mode", &mut settings.policy.mode, word(modes));
    top.read(report, "threads", &mut settings.threads, threads);
    top.read(report, "trust", &mut settings.trust, address::trust);
    top.read(report, "forwarded", &mut settings.forwarded, flag);
    top.read(report, "half_close", &mut settings.half_close, flag);
    top.read(report, "watch", &mut settings.watch, flag);
    let page = |report: &mut Report, name: &str, node: &Node| match node.as_text() {
        Some("off") => Some(None),
        _ => path(report, name, node).map(Some),
    };
    top.read(report, "maintenance", &mut settings.maintenance, page);
}

fn threads(report: &mut Report, name: &str, node: &Node) -> Option<Threads> {
    match &node.value {
        Value::Integer(_) => {
            let read = count(1..=4)(report, name, node)?;
            u8::try_from(read).ok().map(Threads::Count)
        }
        _ => word([("auto", Threads::Auto)])(report, name, node),
    }
}

/// Reads a path; a relative one starts at its file's folder.
pub(super) fn path(report: &mut Report, name: &str, node: &Node) -> Option<PathBuf> {
    let read = text(report, name, node)?;
    let joined = report.dir(node.span).join(read);
    // "." and ".." at the front would be shown to people in every message.
    Some(joined.components().collect())
}

/// Reads a request target: a path, with its query.
pub(super) fn target(report: &mut Report, name: &str, node: &Node) -> Option<String> {
    let read = text(report, name, node)?;
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if read.starts_with('/') && read.bytes().all(plain) {
        return Some(read);
    }
    let cure = match read.split_once("://") {
        Some((_, rest)) => format!(
            "leave scheme and host out: \"/{}\"",
            rest.split_once('/').map_or("", |(_, path)| path)
        ),
        None if read.starts_with('/') => "percent-encode what is not plain ASCII".to_owned(),
        None => format!("write \"/{read}\""),
    };
    report.error(node.span, format!("{name} is not a path"), cure);
    None
}

fn recycle(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let port = settings.worker.port;
    let mut asked = None;
    if let Some(fields) = top.section("recycle", report) {
        let strategies = [
            ("auto", StrategyChoice::Auto),
            ("overlap", StrategyChoice::Overlap),
            ("in-place", StrategyChoice::InPlace),
        ];
        let choice = &mut settings.recycle.strategy;
        fields.read(report, "strategy", choice, word(strategies));
        asked = fields.get("strategy").map(|node| node.span);
        fields.read(report, "ready", &mut settings.recycle.ready, ready);
        let to = &mut settings.policy.recycle;
        let most_hour = || duration(Duration::ZERO..=HOUR);
        fields.read(
            report,
            "start_timeout",
            &mut to.start_timeout,
            duration(secs(1)..=HOUR),
        );
        fields.read(report, "drain_timeout", &mut to.drain_timeout, most_hour());
        fields.read(report, "stop_timeout", &mut to.stop_timeout, most_hour());
        fields.read(report, "slow_start", &mut to.slow_start, most_hour());
        let tunnels = &mut settings.recycle.tunnel_timeout;
        fields.read(report, "tunnel_timeout", tunnels, most_hour());
    }
    let fixed = matches!(port, Port::Fixed(_)) || settings.attach.is_some();
    settings.policy.recycle.strategy = match settings.recycle.strategy {
        StrategyChoice::Auto if fixed => Strategy::InPlace,
        StrategyChoice::InPlace => Strategy::InPlace,
        StrategyChoice::Auto | StrategyChoice::Overlap => Strategy::Overlap,
    };
    settings.policy.recycle.needs_room = settings.recycle.strategy == StrategyChoice::Auto;
    if let (StrategyChoice::Overlap, Port::Fixed(port), Some(span)) =
        (settings.recycle.strategy, port, asked)
    {
        report.error(
            span,
            format!("two workers can't overlap on the fixed port {port}"),
            "set worker.port = \"auto\" and let the worker listen on $PORT, or set \
             recycle.strategy = \"in-place\"",
        );
    }
}

fn ready(report: &mut Report, name: &str, node: &Node) -> Option<Ready> {
    let cure = "write ready = { path = \"/\", status = \"any\" }, or ready = \"port\"";
    match &node.value {
        Value::Table(_) => {
            let fields = Fields::of(node, "recycle.ready", report)?;
            let mut path = "/".to_owned();
            fields.read(report, "path", &mut path, target);
            let mut status = None;
            fields.read(report, "status", &mut status, ready_status);
            Some(Ready::Http { path, status })
        }
        Value::Text(word) if word == "port" => Some(Ready::Port),
        Value::Text(path) if path.starts_with('/') => {
            let cure = format!("write ready = {{ path = \"{path}\" }}");
            report.error(node.span, format!("{name} wants a table or \"port\""), cure);
            None
        }
        _ => unwanted(report, name, node, "a table or \"port\"", cure),
    }
}

fn ready_status(report: &mut Report, name: &str, node: &Node) -> Option<Option<StatusSet>> {
    match node.as_text() {
        Some("any") => Some(None),
        _ => statuses(report, name, node).map(Some),
    }
}

/// Reads statuses: `"500-599"`, `500`, or a list of such.
pub(super) fn statuses(report: &mut Report, name: &str, node: &Node) -> Option<StatusSet> {
    let one = |report: &mut Report, name: &str, node: &Node| match &node.value {
        Value::Text(text) => unit::<StatusSet>(report, node, text.parse()),
        Value::Integer(number) => unit(report, node, number.to_string().parse()),
        _ => unwanted(
            report,
            name,
            node,
            "statuses",
            "write \"500-599\" or [500, 502]",
        ),
    };
    let sets = one_or_more(one)(report, name, node)?;
    let items = sets.iter().flat_map(StatusSet::items).copied().collect();
    Some(StatusSet::new(items))
}

/// What clients may take and ask for.
fn clients(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    if let Some(fields) = top.section("timeouts", report) {
        let to = &mut settings.timeouts;
        let usual = || duration(secs(1)..=DAY);
        let response = duration(Duration::from_millis(100)..=DAY);
        fields.read(report, "response", &mut to.response, response);
        fields.read(report, "head", &mut to.head, usual());
        fields.read(report, "handshake", &mut to.handshake, usual());
        fields.read(report, "idle", &mut to.idle, usual());
        fields.read(report, "body", &mut to.body, usual());
        fields.read(report, "write", &mut to.write, usual());
        fields.read(report, "tunnel", &mut to.tunnel, usual());
    }
    if let Some(fields) = top.section("limits", report) {
        let to = &mut settings.limits;
        let sizes = |least| size(ByteSize::kib(least)..=ByteSize::mib(1));
        fields.read(report, "target", &mut to.target, sizes(1));
        fields.read(report, "head", &mut to.head, sizes(4));
        fields.read(report, "fields", &mut to.fields, count(10..=1000));
        fields.read(
            report,
            "connections",
            &mut to.connections,
            count(1..=1_000_000),
        );
        fields.read(
            report,
            "connections_per_client",
            &mut to.connections_per_client,
            count(1..=1_000_000),
        );
        if to.target > to.head {
            let span = fields.get("target").map_or(fields.span, |node| node.span);
            report.error(
                span,
                format!(
                    "limits.target ({}) is larger than limits.head ({}), of which it is a part",
                    to.target.human(),
                    to.head.human()
                ),
                "raise limits.head, or lower limits.target",
            );
        }
    }
}

/// Where requests wait.
fn waiting(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    if let Some(fields) = top.section("queue", report) {
        let to = &mut settings.queue;
        fields.read(report, "requests", &mut to.requests, count(0..=1_000_000));
        let one = count(1..=1_000_000);
        fields.read(report, "per_client", &mut to.per_client, one);
        fields.read(
            report,
            "wait",
            &mut to.wait,
            duration(Duration::ZERO..=HOUR),
        );
    }
    let Some(fields) = top.section("parking", report) else {
        return;
    };
    let to = &mut settings.parking;
    let bytes = ByteSize(0)..=ByteSize::mib(64 * 1024);
    fields.read(report, "requests", &mut to.requests, count(0..=1_000_000));
    fields.read(report, "bytes", &mut to.bytes, size(bytes));
    let one = count(1..=1_000_000);
    fields.read(report, "per_client", &mut to.per_client, one);
    fields.read(
        report,
        "wait",
        &mut to.wait,
        duration(Duration::ZERO..=HOUR),
    );
    let probe = fields.find(report, "probe", target);
    to.probe = probe.or_else(|| to.probe.take());
    settings.policy.parking_wait = settings.parking.wait;
}

/// What keeps healing from hurting, and how it all ends.
fn guards(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let to = &mut settings.policy;
    if let Some(fields) = top.section("budget", report) {
        fields.read(report, "recycles", &mut to.budget.recycles, count(0..=1000));
        fields.read(report, "window", &mut to.budget.window, duration(window()));
        fields.read(report, "per_day", &mut to.budget.per_day, count(0..=10_000));
    }
    if let Some(fields) = top.section("verdict", report) {
        let to = &mut to.verdict;
        fields.read(
            report,
            "back_within",
            &mut to.back_within,
            duration(window()),
        );
        let bounds = duration(Duration::ZERO..=7 * DAY);
        fields.read(report, "disarm", &mut to.disarm, bounds);
    }
    if let Some(fields) = top.section("shutdown", report) {
        let bounds = || duration(Duration::ZERO..=HOUR);
        fields.read(report, "delay", &mut to.shutdown.delay, bounds());
        fields.read(report, "timeout", &mut to.shutdown.timeout, bounds());
        if to.shutdown.delay > to.shutdown.timeout {
            let span = fields.get("delay").map_or(fields.span, |node| node.span);
            report.error(
                span,
                "shutdown.delay is longer than shutdown.timeout, of which it is a part",
                "raise shutdown.timeout, or lower shutdown.delay",
            );
        }
    }
}

/// How far back anything may look.
pub(super) fn window() -> RangeInclusive<Duration> {
    secs(1)..=DAY
}

fn records(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    if let Some(fields) = top.section("journal", report) {
        let to = &mut settings.journal;
        let segment = size(ByteSize::kib(64)..=ByteSize::mib(1024));
        fields.read(report, "segment", &mut to.segment, segment);
        fields.read(report, "segments", &mut to.segments, count(2..=1000));
    }
    if let Some(fields) = top.section("log", report) {
        let to = &mut settings.log;
        let formats = [
            ("auto", LogFormat::Auto),
            ("text", LogFormat::Text),
            ("json", LogFormat::Json),
        ];
        fields.read(report, "format", &mut to.format, word(formats));
        let levels = [
            LogLevel::Error,
            LogLevel::Warn,
            LogLevel::Info,
            LogLevel::Debug,
            LogLevel::Trace,
        ];
        let levels = levels.map(|level| (level.name(), level));
        fields.read(report, "level", &mut to.level, word(levels));
    }
    access_log::read(top, &mut settings.access_log, report);
    // Read here so that it is checked even when there is no rule.
    let _: Option<bool> = top.find(report, "proactive", flag);
}
