//! Says in plain sentences what a configuration does.

mod attached;
mod condition;

use self::{
    attached::attached,
    condition::{condition, scope},
};
use super::{
    model::{Admin, Listen, Port, Ready, Route, RouteLimit, Settings},
    probes::Probes,
    tls::Tls,
};
use crate::{
    decide::policy::{Action, Comes, Count, Dependency, Policy, Rule, Rung, Strategy},
    tls::spec::Behind,
    units::format_duration,
    words::{Mode, Protocol},
};

/// What autoheal will do, a line each: where it listens, what it starts, every rule in force.
#[must_use]
pub fn describe(settings: &Settings) -> Vec<String> {
    let listen: Vec<_> = settings.listen.iter().map(listen).collect();
    let admin = match &settings.admin {
        Admin::Auto => "operators use the default socket".to_owned(),
        Admin::Unix(path) => format!("operators use {}", path.display()),
        Admin::Off => "operators can't connect".to_owned(),
    };
    let probes = match &settings.probes {
        Probes::Off => String::new(),
        probes => format!("; probes are answered on {probes}"),
    };
    let mode = match settings.policy.mode {
        Mode::Heal => "Rules act.",
        Mode::Observe => "Rules only report (mode = \"observe\").",
        Mode::Relay => "A bare proxy: nothing is restarted, parked or replayed (mode = \"relay\").",
    };
    let mut lines = vec![
        format!(
            "autoheal listens on {}; {admin}{probes}. {mode}",
            listen.join(", ")
        ),
        worker(settings),
    ];
    if settings.worker.protocol.is_tls() {
        let tls = settings.worker.tls.clone().unwrap_or_default();
        lines.push(behind(settings.worker.protocol, &tls));
    }
    let recycles = settings.policy.attached != Some(Comes::Unasked);
    let ends = matches!(settings.policy.attached, Some(Comes::ByOurExit(_)));
    if recycles && !ends {
        lines.push(recycle(settings));
    }
    if let Some(health) = &settings.health {
        lines.push(format!(
            "Its health is asked of {} every {}; {} failures in a row {} it.",
            match &health.grpc {
                None => health.path.clone(),
                Some(service) => format!("gRPC's health protocol ({service:?})"),
            },
            format_duration(health.interval),
            health.failures,
            if recycles { "recycle" } else { "tell of" }
        ));
    }
    lines.extend(always_on(settings));
    lines.extend(settings.policy.dependencies.iter().map(dependency));
    lines.extend(settings.routes.iter().map(route));
    let policy = &settings.policy;
    if recycles {
        lines.push(format!(
            "Rules recycle at most {} times in {} and {} times a day.",
            policy.budget.recycles,
            format_duration(policy.budget.window),
            policy.budget.per_day
        ));
    }
    let rules = policy.rules.iter();
    lines.extend(rules.map(|rule| format!("{}: {}", rule.name, rule_sentence(rule, policy))));
    lines
}

fn always_on(settings: &Settings) -> Option<String> {
    let interval = settings.worker.always_on?;
    Some(format!(
        "When no request came to it for {} it is asked for /, so that it stays warm; no rule \
         counts that.",
        format_duration(interval)
    ))
}

fn listen(listen: &Listen) -> String {
    let tls = match &listen.tls {
        None => "",
        Some(Tls { client: None, .. }) => "TLS",
        Some(_) => "TLS with client certificates",
    };
    let proxy = match listen.proxy_protocol {
        true => "behind the PROXY protocol",
        false => "",
    };
    match (tls, proxy) {
        ("", "") => listen.to_string(),
        ("", what) | (what, "") => format!("{listen} ({what})"),
        (tls, proxy) => format!("{listen} ({tls}, {proxy})"),
    }
}

fn dependency(one: &Dependency) -> String {
    let path = one.path.as_ref();
    let what = path.map_or_else(
        || "whether it takes a connection".to_owned(),
        |path| format!("for {path}"),
    );
    format!(
        "Dependency \"{}\" at {} is asked {what} every {}; while it is down ({} failures in a \
         row), status, slow and health do not recycle.",
        one.name,
        one.address,
        format_duration(one.interval),
        one.failures
    )
}

fn route(route: &Route) -> String {
    let response = match route.response {
        RouteLimit::Usual => None,
        RouteLimit::None => Some("may take any time to their answer's head".to_owned()),
        RouteLimit::After(limit) => {
            let limit = format_duration(limit);
            Some(format!("may take {limit} to their answer's head"))
        }
    };
    let slow = (!route.slow).then(|| "never count as slow".to_owned());
    let plain = (!route.websocket).then(|| "become no WebSockets".to_owned());
    let all: Vec<_> = [response, slow, plain].into_iter().flatten().collect();
    format!("Requests{} {}.", scope(&route.filter), all.join(", "))
}

fn worker(settings: &Settings) -> String {
    let worker = &settings.worker;
    let port = match worker.port {
        Port::Auto => "a free port each time".to_owned(),
        Port::Fixed(port) => format!("port {port}"),
        Port::Unix => "a Unix socket".to_owned(),
    };
    let ready = match &settings.recycle.ready {
        Ready::Http { path, status: None } => format!("it answers GET {path}"),
        Ready::Http {
            path,
            status: Some(status),
        } => format!("it answers GET {path} with {status}"),
        Ready::Port => "its port accepts connections".to_owned(),
    };
    if let Some(attach) = &settings.attach {
        return attached(attach, &ready, &settings.policy);
    }
    let command = if worker.command.is_empty() {
        "COMMAND given after --".to_owned()
    } else {
        command_line(&worker.command)
    };
    let many = match settings.policy.instances.count {
        Count::Fixed(1) => String::new(),
        Count::Fixed(count) => format!(" {count} of it serve at the same time."),
        Count::Follow(follow) => format!(
            " {} to {} of it serve at the same time: one more when each has more than {} requests \
             in flight for {}.",
            follow.min,
            follow.max,
            follow.in_flight,
            format_duration(follow.grow_after),
        ),
    };
    format!(
        "The worker is `{command}`, run in {}, on {port}; it is ready when {ready}.{many}",
        worker.dir.display()
    )
}

fn behind(protocol: Protocol, tls: &Behind) -> String {
    let http = match protocol.is_http2() {
        true => "HTTP/2",
        false => "HTTP/1.1",
    };
    let name = &tls.name;
    let verified = match (&tls.roots, tls.verify) {
        (_, false) => "and its certificate is NOT verified (verify = false)".to_owned(),
        (Some(roots), _) => {
            let roots = roots.display();
            format!("and its certificate must be for {name} and lead to {roots}")
        }
        (None, _) => {
            format!("and its certificate must be for {name} and lead to what this machine trusts")
        }
    };
    let own = match &tls.own {
        Some(own) => format!("; it may ask for {}", own.certificate.display()),
        None => String::new(),
    };
    format!("It speaks {http} in TLS, {verified}{own}.")
}

/// A command as a shell would take it, near enough for people.
fn command_line(argv: &[String]) -> String {
    let words = argv.iter().map(|word| {
        if word.is_empty() || word.contains(|c: char| c.is_whitespace() || "\"'$".contains(c)) {
            format!("'{}'", word.replace('\'', "'\\''"))
        } else {
            word.clone()
        }
    });
    let words: Vec<_> = words.collect();
    words.join(" ")
}

fn recycle(settings: &Settings) -> String {
    let recycle = &settings.policy.recycle;
    let order = match recycle.strategy {
        Strategy::Overlap => "by overlap (the new one starts first; clients see nothing)",
        Strategy::InPlace => "in place (requests wait while it stops and starts)",
    };
    format!(
        "It is recycled {order}, with {} to get ready, {} to drain and {} to stop.",
        format_duration(recycle.start_timeout),
        format_duration(recycle.drain_timeout),
        format_duration(recycle.stop_timeout)
    )
}

/// What a rule does under a policy, as one sentence.
#[must_use]
pub fn rule_sentence(rule: &Rule, policy: &Policy) -> String {
    let ready = format!(
        "a worker that has been ready for {}",
        format_duration(rule.min_uptime)
    );
    let when = condition(&rule.when, &ready);
    let never = rule.not_between.as_ref();
    let never = never.map_or_else(String::new, |hours| format!(", but not in {hours}"));
    // Every firing is logged: it is worth saying only when nothing else is done.
    let alone = rule.actions.len() == 1;
    let done = rule.actions.iter();
    let done = done.filter(|rung| alone || rung.action != Action::Log);
    let done: Vec<_> = done.map(|rung| self::rung(rung, policy)).collect();
    let then = match rule.mode {
        Mode::Heal => done.join(" and "),
        Mode::Observe | Mode::Relay => "the rule only reports it (mode = \"observe\")".to_owned(),
    };
    let rest = format_duration(rule.cooldown);
    format!("When {when}{never}, {then}; then the rule rests for {rest}.")
}

fn rung(rung: &Rung, policy: &Policy) -> String {
    let action = action(&rung.action, policy);
    match rung.after {
        1 => action,
        after => format!("{action} (from firing {after} in a row on)"),
    }
}

fn action(action: &Action, policy: &Policy) -> String {
    match action {
        Action::Log => "it is said in the log".to_owned(),
        Action::Capture => "what is known of it is kept".to_owned(),
        Action::Unready => "load balancers are told to send requests elsewhere".to_owned(),
        Action::Notify(notice) => format!("{} is told", notice.url.place()),
        Action::Recycle(_) if policy.attached == Some(Comes::Unasked) => {
            "it is said that it should be restarted".to_owned()
        }
        Action::Recycle(_) if matches!(policy.attached, Some(Comes::ByOurExit(_))) => {
            "autoheal ends for it to be restarted".to_owned()
        }
        Action::Recycle(own) => match own.unwrap_or(policy.recycle.strategy) {
            Strategy::Overlap => "it is recycled (overlap)".to_owned(),
            Strategy::InPlace => "it is recycled (in place)".to_owned(),
        },
        Action::Run(command) => format!("`{}` is run", command_line(&command.argv)),
    }
}
