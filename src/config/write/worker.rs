//! `[worker]` as it is written.

use std::path::Path;

use super::{
    super::{
        affinity::COOKIE,
        concurrency::Concurrency,
        model::{Output, Port, Settings, StopTo, Worker},
    },
    section::Section,
    sections::{display, duration, number},
    tls::behind,
    value::{Inline, command, key, one_or_list, path, quoted},
};
use crate::{
    decide::policy::{GiveUp, Restart, RestartWhen},
    words::signal_name,
};

fn put_warmup(worker: &Worker, usual: &Worker, to: &mut Section) {
    to.put("warmup", &worker.warmup, &usual.warmup, |paths| {
        one_or_list(paths.iter().map(|path| quoted(path)).collect())
    });
    let (time, usual) = (&worker.warmup_timeout, &usual.warmup_timeout);
    to.put("warmup_timeout", time, usual, duration);
    let (always, usual) = (&worker.always_on, &None);
    to.put("always_on", always, usual, |interval| match interval {
        Some(interval) => duration(interval),
        None => quoted("off"),
    });
}

/// `None`: without a limit there is nothing to write.
fn how_many(concurrency: Concurrency) -> Option<String> {
    match concurrency {
        Concurrency::Unlimited => None,
        Concurrency::AUTO => Some(quoted("auto")),
        Concurrency::Fixed(most) => Some(number(&most)),
        Concurrency::Found { min, max } => {
            let between = Inline::default().with("min", number(&min));
            Some(between.with("max", number(&max)).written())
        }
    }
}

fn kept(cookie: &Option<String>) -> String {
    match cookie.as_deref() {
        None => "false".to_owned(),
        Some(COOKIE) => "true".to_owned(),
        Some(named) => Inline::default().with("cookie", quoted(named)).written(),
    }
}

/// The section, with the keys that are not at their defaults.
pub(super) fn section(
    worker: &Worker,
    restart: &Restart,
    default: &Settings,
    home: &Path,
) -> Section {
    let Worker {
        command: argv,
        port,
        env,
        dir,
        user,
        stop_signal,
        stop_to,
        output,
        protocol,
        tls,
        warmup: _,
        warmup_timeout: _,
        always_on: _,
        keep_alive,
        connections,
        concurrency,
        affinity,
    } = worker;
    let (usual, mut to) = (&default.worker, Section::new("worker"));
    to.put("command", argv, &usual.command, |argv| command(argv, dir));
    to.put("port", port, &usual.port, |port| match port {
        Port::Auto | Port::Unix => display(port),
        Port::Fixed(port) => number(port),
    });
    to.put("env", env, &usual.env, |env| {
        let inline = env.iter().fold(Inline::default(), |inline, (name, value)| {
            inline.with(&key(name), quoted(value))
        });
        inline.written()
    });
    to.put("dir", dir, &usual.dir, |dir| quoted(&path(dir, home)));
    if let Some(user) = user {
        to.lines.push(("user", quoted(user)));
    }
    to.put("stop_signal", stop_signal, &usual.stop_signal, |signal| {
        quoted(signal_name(*signal).unwrap_or("TERM"))
    });
    to.put("stop_to", stop_to, &usual.stop_to, |stop_to| {
        quoted(match stop_to {
            StopTo::Group => "group",
            StopTo::Leader => "leader",
        })
    });
    put_restart(restart, default, &mut to);
    to.put("output", output, &usual.output, |output| {
        quoted(match output {
            Output::Auto => "auto",
            Output::Raw => "raw",
            Output::Marked => "marked",
        })
    });
    to.put("protocol", protocol, &usual.protocol, display);
    to.maybe("tls", tls.as_ref().map(|tls| behind(tls, home)));
    put_warmup(worker, usual, &mut to);
    to.put("keep_alive", keep_alive, &usual.keep_alive, duration);
    if let Some(connections) = connections {
        to.lines.push(("connections", number(connections)));
    }
    to.maybe("concurrency", how_many(*concurrency));
    to.put("affinity", affinity, &usual.affinity, kept);
    to
}

fn put_restart(restart: &Restart, default: &Settings, to: &mut Section) {
    let Restart {
        when,
        give_up,
        patience: _,
    } = restart;
    to.put("restart", when, &default.policy.restart.when, |when| {
        quoted(match when {
            RestartWhen::Always => "always",
            RestartWhen::OnFailure => "on-failure",
        })
    });
    let usual_end = &default.policy.restart.give_up;
    to.put("on_give_up", give_up, usual_end, |give_up| {
        quoted(match give_up {
            GiveUp::Serve503 => "serve-503",
            GiveUp::Exit => "exit",
        })
    });
}
