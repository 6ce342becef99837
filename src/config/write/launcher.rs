//! The worker as `<httpPlatform>` or `<aspNetCore>`. What the launcher's reader would not read as
//! the same stays among what is left for an autoheal.toml.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{
    deed::is_odd,
    section::{Section, keep, take},
    value::{Inline, key, program, quoted},
    xml::{Xml, can_hold},
};
use crate::{
    config::{
        app_service::{
            arguments::{join, split},
            expand::Variables,
        },
        defaults::OFFLINE,
        model::{Settings, Worker},
        reader::hms,
    },
    decide::policy::{Count, Patience},
};

/// What the reader of `<aspNetCore>` gives every worker.
const ASP: [(&str, &str); 2] = [
    ("ASPNETCORE_URLS", "http://127.0.0.1:{port}"),
    ("ASPNETCORE_FORWARDEDHEADERS_ENABLED", "true"),
];

/// The reader refuses more.
const MOST_VARIABLES: usize = 500;

/// Writes the launcher, and takes what it says from what is left.
pub(super) fn write(settings: &Settings, home: &Path, left: &mut Vec<Section>, xml: &mut Xml) {
    let worker = &settings.worker;
    let env = |name: &str| worker.env.get(name).map(String::as_str);
    let asp = ASP.iter().all(|(name, value)| env(name) == Some(*value));
    let variable = if asp {
        "%ASPNETCORE_PORT%"
    } else {
        "%HTTP_PLATFORM_PORT%"
    };
    let mut plain = plain_variables(&worker.env, variable);
    if asp {
        plain.retain(|(name, _)| ASP.iter().all(|(asp, _)| name != asp));
    }
    let Some((path, arguments)) = command(worker, home, &plain, variable) else {
        return;
    };
    take(left, "worker", "command");
    match &settings.maintenance {
        Some(page) if *page == home.join(OFFLINE) => {
            take(left, "", "maintenance");
        }
        Some(_) => {}
        // The reader of a launcher obeys IIS's page.
        None => keep(left, "", "maintenance", quoted("off")),
    }
    let is_said = |name: &String| {
        let in_asp = asp && ASP.iter().any(|(asp, _)| name == asp);
        in_asp || plain.iter().any(|(plain, _)| plain == name)
    };
    let mut rest = worker
        .env
        .iter()
        .filter(|(name, _)| !is_said(name))
        .peekable();
    take(left, "worker", "env");
    if rest.peek().is_some() {
        let inline = rest.fold(Inline::default(), |inline, (name, value)| {
            inline.with(&key(name), quoted(value))
        });
        keep(left, "worker", "env", inline.written());
    }
    let limits = limits(settings, asp, left);
    let mut attributes = vec![("processPath", path.as_str())];
    if !arguments.is_empty() {
        attributes.push(("arguments", &arguments));
    }
    if asp {
        attributes.push(("hostingModel", "OutOfProcess"));
    }
    attributes.extend(limits.iter().map(|(name, value)| (*name, value.as_str())));
    let name = if asp { "aspNetCore" } else { "httpPlatform" };
    if plain.is_empty() {
        xml.empty(name, &attributes);
        return;
    }
    xml.open(name, &attributes);
    xml.open("environmentVariables", &[]);
    for (name, value) in &plain {
        let pair = [("name", name.as_str()), ("value", value.as_str())];
        xml.empty("environmentVariable", &pair);
    }
    xml.close("environmentVariables");
    xml.close(name);
}

/// Limits that are whole seconds within IIS's bounds.
fn limits(settings: &Settings, asp: bool, left: &mut Vec<Section>) -> Vec<(&'static str, String)> {
    let whole = |time: Duration, least: u64, most: u64| {
        let secs = time.as_secs();
        (time.subsec_nanos() == 0 && (least..=most).contains(&secs)).then_some(secs)
    };
    let mut limits = Vec::new();
    let recycle = &settings.policy.recycle;
    if let Some(secs) = whole(recycle.start_timeout, 1, 3600)
        && take(left, "recycle", "start_timeout")
    {
        limits.push(("startupTimeLimit", secs.to_string()));
    }
    if let Some(secs) = whole(recycle.stop_timeout, 0, 600).filter(|_| asp)
        && take(left, "recycle", "stop_timeout")
    {
        limits.push(("shutdownTimeLimit", secs.to_string()));
    }
    let patience = &settings.policy.restart.patience;
    if patience.at_once <= 100
        && patience.window == Patience::default().window
        && take(left, "crashes", "at_once")
    {
        limits.push(("rapidFailsPerMinute", patience.at_once.to_string()));
    }
    if let Count::Fixed(count) = settings.policy.instances.count
        && take(left, "worker", "count")
    {
        limits.push(("processesPerApplication", count.to_string()));
    }
    // IIS has another default here, so ours is always said.
    let response = settings.timeouts.response;
    if whole(response, 1, 24 * 3600).is_some() {
        take(left, "timeouts", "response");
        limits.push(("requestTimeout", hms(response)));
    }
    limits
}

/// The variables that are read back as they are, as they are written.
fn plain_variables(env: &BTreeMap<String, String>, port: &str) -> Vec<(String, String)> {
    let written: Vec<_> = env
        .iter()
        .map(|(name, value)| (name.clone(), value.replace("{port}", port)))
        .collect();
    let is_special = |name: &str| {
        let ports = ["ASPNETCORE_PORT", "HTTP_PLATFORM_PORT", "PORT"];
        ports.iter().any(|port| port.eq_ignore_ascii_case(name))
    };
    let once = |name: &str| {
        let same = |other: &&String| other.eq_ignore_ascii_case(name);
        env.keys().filter(same).count() == 1
    };
    let plain = |(name, value): &&(String, String)| {
        let read = Variables {
            own: &[],
            env: &|_| None,
        }
        .expand(value);
        !is_special(name)
            && once(name)
            && name.trim() == name
            && can_hold(name)
            && can_hold(value)
            && read.unknown.is_empty()
            && !read.endless
            && env.get(name) == Some(&read.text)
    };
    written
        .iter()
        .filter(plain)
        .take(MOST_VARIABLES)
        .cloned()
        .collect()
}

/// Program and arguments, if they are read back as they are.
fn command(
    worker: &Worker,
    home: &Path,
    plain: &[(String, String)],
    port: &str,
) -> Option<(String, String)> {
    let (first, rest) = worker.command.split_first()?;
    let path = program(&worker.command, &worker.dir, home);
    let line = join(rest.iter().map(String::as_str));
    let written = line.replace("{port}", port);
    let variables = Variables {
        own: plain,
        env: &|_| None,
    };
    let read = variables.expand(&written);
    let is_same = read.unknown.is_empty() && !read.endless && split(&read.text) == rest;
    let fits = can_hold(&path) && can_hold(&written);
    (is_same && fits && !is_odd(first)).then_some((path, written))
}
