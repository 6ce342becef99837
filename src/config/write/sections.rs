//! Everything but the rules, as the keys of an autoheal.toml that are not at their defaults.

use std::path::Path;

use super::{
    super::{
        defaults,
        model::{
            Address, Admin, Health, Journal, Limits, Listen, Log, LogFormat, Ready, Recycle,
            Settings, StrategyChoice, Threads, Timeouts,
        },
        probes::Probes,
    },
    access_log, attach, crashes,
    dependencies::dependency,
    instances,
    routes::route,
    section::Section,
    tls::tls,
    value::{Inline, list, one_or_list, path, quoted},
    waiting, worker,
};
use crate::{
    decide::policy::{self, Budget, Policy, Shutdown, Verdict},
    units::{Networks, format_duration},
};

/// The tables that there are, in the order of config/autoheal.toml. `home` is the folder of
/// the file in which they stand.
pub(super) fn sections(settings: &Settings, home: &Path) -> Vec<Section> {
    let default = defaults::settings(home.to_path_buf());
    let Settings {
        listen: _,
        admin: _,
        probes: _,
        state_dir: _,
        threads: _,
        trust: _,
        forwarded: _,
        half_close: _,
        watch: _,
        maintenance: _,
        worker,
        attach,
        recycle,
        timeouts,
        routes: _,
        limits,
        health,
        parking,
        queue,
        journal,
        log,
        access_log,
        policy,
    } = settings;
    let mut started = worker::section(worker, &policy.restart, &default, home);
    let mut replaced = of_recycle(recycle, &policy.recycle, &default);
    instances::put(&mut started, &mut replaced, &policy.instances);
    let mut all = vec![front(settings, &default, home), started];
    all.extend((attach.as_ref()).map(|attach| attach::section(attach, home)));
    all.extend([
        crashes::section(&policy.restart.patience),
        replaced,
        of_timeouts(timeouts, &default.timeouts),
        of_limits(limits, &default.limits),
    ]);
    all.extend(health.as_ref().map(of_health));
    all.extend([
        waiting::parking(parking, &default.parking),
        waiting::queue(queue, &default.queue),
        of_shutdown(&policy.shutdown, &default.policy.shutdown),
        of_budget(&policy.budget, &default.policy.budget),
        of_verdict(&policy.verdict, &default.policy.verdict),
        of_journal(journal, &default.journal),
        of_log(log, &default.log),
        access_log::section(access_log, &default.access_log, home),
    ]);
    all
}

/// The tables that say something, dependencies and routes included.
pub(super) fn said(settings: &Settings, home: &Path) -> Vec<Section> {
    let mut all = sections(settings, home);
    all.extend(settings.policy.dependencies.iter().map(|one| Section {
        lines: dependency(one, home),
        ..Section::new("[dependency]")
    }));
    all.extend(settings.routes.iter().map(|one| Section {
        lines: route(one),
        ..Section::new("[route]")
    }));
    all.retain(|section| !section.lines.is_empty());
    all
}

pub(super) fn duration(duration: &std::time::Duration) -> String {
    quoted(&format_duration(*duration))
}

pub(super) fn display(value: &impl std::fmt::Display) -> String {
    quoted(&value.to_string())
}

pub(super) fn number(value: &impl std::fmt::Display) -> String {
    value.to_string()
}

fn listen(listen: &Listen, home: &Path) -> String {
    let address = match &listen.address {
        Address::Tcp(address) => display(address),
        Address::Unix(socket) => quoted(&format!("unix:{}", path(socket, home))),
        Address::Systemd => quoted("systemd"),
    };
    if *listen == Listen::at(listen.address.clone()) {
        return address;
    }
    let flag = |flag: bool| flag.then(|| "true".to_owned());
    Inline::default()
        .with("address", address)
        .maybe("proxy_protocol", flag(listen.proxy_protocol))
        .maybe("tls", listen.tls.as_ref().map(|it| tls(it, home)))
        .written()
}

fn probes(at: &Probes, home: &Path) -> String {
    match at {
        Probes::Unix(socket) => quoted(&format!("unix:{}", path(socket, home))),
        other => quoted(&other.to_string()),
    }
}

fn front(settings: &Settings, default: &Settings, home: &Path) -> Section {
    let mut to = Section::new("");
    to.put("listen", &settings.listen, &default.listen, |all| {
        one_or_list(all.iter().map(|one| listen(one, home)).collect())
    });
    to.put(
        "admin",
        &settings.admin,
        &default.admin,
        |admin| match admin {
            Admin::Auto => quoted("auto"),
            Admin::Unix(socket) => quoted(&format!("unix:{}", path(socket, home))),
            Admin::Off => quoted("off"),
        },
    );
    let answered = |at: &Probes| probes(at, home);
    to.put("probes", &settings.probes, &default.probes, answered);
    if let Some(dir) = &settings.state_dir {
        to.lines
            .push(("state_dir", quoted(&path_or_dot(dir, home))));
    }
    let Policy {
        mode,
        rules: _,
        recycle: _,
        restart: _,
        health: _,
        parking_wait: _,
        budget: _,
        verdict: _,
        shutdown: _,
        dependencies: _,
        instances: _,
        attached: _,
    } = &settings.policy;
    to.put("mode", mode, &default.policy.mode, display);
    to.put(
        "threads",
        &settings.threads,
        &default.threads,
        |threads| match threads {
            Threads::Auto => quoted("auto"),
            Threads::Count(count) => number(count),
        },
    );
    to.put("trust", &settings.trust, &default.trust, trust);
    to.put("forwarded", &settings.forwarded, &default.forwarded, number);
    to.put(
        "half_close",
        &settings.half_close,
        &default.half_close,
        bool::to_string,
    );
    let proactive = has_proactive_rules(&settings.policy);
    to.put("proactive", &proactive, &true, bool::to_string);
    to.put("watch", &settings.watch, &default.watch, bool::to_string);
    to.put(
        "maintenance",
        &settings.maintenance,
        &default.maintenance,
        |page| match page {
            Some(page) => quoted(&path(page, home)),
            None => quoted("off"),
        },
    );
    to
}

/// Whether the two rules that stand beside the user's do, or may without changing anything.
pub(super) fn has_proactive_rules(policy: &Policy) -> bool {
    let is_there = |name: &str| policy.rules.iter().any(|rule| rule.name == name);
    defaults::proactive_rules()
        .iter()
        .all(|rule| is_there(&rule.name))
}

fn trust(networks: &Networks) -> String {
    let words = networks.to_string();
    match words.contains('/') {
        true => list(words.split(", ").map(quoted)),
        false => quoted(&words),
    }
}

/// A folder, which may be the file's own.
fn path_or_dot(dir: &Path, home: &Path) -> String {
    match dir == home {
        true => ".".to_owned(),
        false => path(dir, home),
    }
}

fn of_recycle(recycle: &Recycle, policy: &policy::Recycle, default: &Settings) -> Section {
    let Recycle {
        strategy,
        ready,
        tunnel_timeout,
    } = recycle;
    let mut to = Section::new("recycle");
    let usual = &default.recycle;
    to.put("strategy", strategy, &usual.strategy, |strategy| {
        quoted(match strategy {
            StrategyChoice::Auto => "auto",
            StrategyChoice::Overlap => "overlap",
            StrategyChoice::InPlace => "in-place",
        })
    });
    to.put("ready", ready, &usual.ready, |ready| match ready {
        Ready::Port => quoted("port"),
        Ready::Http { path, status } => Inline::default()
            .with("path", quoted(path))
            .maybe("status", status.as_ref().map(display))
            .written(),
    });
    let tunnels = &usual.tunnel_timeout;
    to.put("tunnel_timeout", tunnel_timeout, tunnels, duration);
    let policy::Recycle {
        // These two follow from what was asked for and from the port.
        strategy: _,
        needs_room: _,
        start_timeout,
        drain_timeout,
        stop_timeout,
        slow_start,
    } = policy;
    let usual = &default.policy.recycle;
    to.put(
        "start_timeout",
        start_timeout,
        &usual.start_timeout,
        duration,
    );
    to.put(
        "drain_timeout",
        drain_timeout,
        &usual.drain_timeout,
        duration,
    );
    to.put("stop_timeout", stop_timeout, &usual.stop_timeout, duration);
    to.put("slow_start", slow_start, &usual.slow_start, duration);
    to
}

fn of_timeouts(timeouts: &Timeouts, usual: &Timeouts) -> Section {
    let Timeouts {
        response,
        head,
        handshake,
        idle,
        body,
        write,
        tunnel,
    } = timeouts;
    let mut to = Section::new("timeouts");
    to.put("response", response, &usual.response, duration);
    to.put("head", head, &usual.head, duration);
    to.put("handshake", handshake, &usual.handshake, duration);
    to.put("idle", idle, &usual.idle, duration);
    to.put("body", body, &usual.body, duration);
    to.put("write", write, &usual.write, duration);
    to.put("tunnel", tunnel, &usual.tunnel, duration);
    to
}

fn of_limits(limits: &Limits, usual: &Limits) -> Section {
    let Limits {
        target,
        head,
        fields,
        connections,
        connections_per_client: one,
    } = limits;
    let mut to = Section::new("limits");
    to.put("target", target, &usual.target, display);
    to.put("head", head, &usual.head, display);
    to.put("fields", fields, &usual.fields, number);
    to.put("connections", connections, &usual.connections, number);
    let usual_one = &usual.connections_per_client;
    to.put("connections_per_client", one, usual_one, number);
    to
}

fn of_health(health: &Health) -> Section {
    let Health {
        path,
        grpc,
        statuses,
        body,
        interval,
        timeout,
        failures,
        successes,
    } = health;
    let (usual, mut to) = (defaults::health(), Section::new("health"));
    to.put("path", path, &usual.path, |path| quoted(path));
    if let Some(service) = grpc {
        to.lines.push(("grpc", quoted(service)));
    }
    to.put("statuses", statuses, &usual.statuses, display);
    if let Some(body) = body {
        to.lines.push(("body", quoted(body)));
    }
    to.put("interval", interval, &usual.interval, duration);
    to.put("timeout", timeout, &usual.timeout, duration);
    to.put("failures", failures, &usual.failures, number);
    to.put("successes", successes, &usual.successes, number);
    to
}

fn of_shutdown(shutdown: &Shutdown, usual: &Shutdown) -> Section {
    let Shutdown { delay, timeout } = shutdown;
    let mut to = Section::new("shutdown");
    to.put("delay", delay, &usual.delay, duration);
    to.put("timeout", timeout, &usual.timeout, duration);
    to
}

fn of_budget(budget: &Budget, usual: &Budget) -> Section {
    let Budget {
        recycles,
        window,
        per_day,
    } = budget;
    let mut to = Section::new("budget");
    to.put("recycles", recycles, &usual.recycles, number);
    to.put("window", window, &usual.window, duration);
    to.put("per_day", per_day, &usual.per_day, number);
    to
}

fn of_verdict(verdict: &Verdict, usual: &Verdict) -> Section {
    let Verdict {
        back_within,
        disarm,
    } = verdict;
    let mut to = Section::new("verdict");
    to.put("back_within", back_within, &usual.back_within, duration);
    to.put("disarm", disarm, &usual.disarm, duration);
    to
}

fn of_journal(journal: &Journal, usual: &Journal) -> Section {
    let Journal { segment, segments } = journal;
    let mut to = Section::new("journal");
    to.put("segment", segment, &usual.segment, display);
    to.put("segments", segments, &usual.segments, number);
    to
}

fn of_log(log: &Log, usual: &Log) -> Section {
    let Log { format, level } = log;
    let mut to = Section::new("log");
    to.put("format", format, &usual.format, |format| {
        quoted(match format {
            LogFormat::Auto => "auto",
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    });
    to.put("level", level, &usual.level, |level| quoted(level.name()));
    to
}
