//! Reads `[worker]`: what is started, where it listens, and whether the two fit.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{
    Surroundings,
    affinity::affinity,
    concurrency::concurrency,
    defaults::secs,
    diagnostic::{Diagnostic, Report, Severity},
    document::{Node, Value},
    keys,
    model::{Address, Listen, Output, Port, Settings, StopTo, Worker},
    reader::{Fields, count, duration, one_or_more, text, unwanted, word},
    resolve::{path, target},
    tls,
};
use crate::{
    decide::policy::{GiveUp, RestartWhen},
    tls::spec::Behind,
    words::{Protocol, signal_number},
};

/// Reads the section into the settings.
pub(super) fn read(
    top: &Fields<'_>,
    settings: &mut Settings,
    around: &Surroundings<'_>,
    report: &mut Report,
) {
    // With [attach] there is nothing to start.
    let is_ours = top.get("attach").is_none();
    let Some(fields) = top.section("worker", report) else {
        if is_ours {
            no_command(report);
        }
        return;
    };
    let to = &mut settings.worker;
    // The folder of the file that names the command, unless a folder is named.
    if let Some(node) = fields.get("command") {
        to.dir = report.dir(node.span).to_path_buf();
    }
    fields.read(report, "dir", &mut to.dir, path);
    let dir = to.dir.clone();
    match fields.get("command") {
        Some(_) => fields.read(report, "command", &mut to.command, |report, name, node| {
            command(report, name, node, &dir)
        }),
        None if is_ours => no_command(report),
        None => {}
    }
    fields.read(report, "port", &mut to.port, port);
    fields.read(report, "env", &mut to.env, env);
    let user = fields.find(report, "user", text);
    to.user = user;
    fields.read(report, "stop_signal", &mut to.stop_signal, signal);
    let stop_to = [("group", StopTo::Group), ("leader", StopTo::Leader)];
    fields.read(report, "stop_to", &mut to.stop_to, word(stop_to));
    let outputs = [
        ("auto", Output::Auto),
        ("raw", Output::Raw),
        ("marked", Output::Marked),
    ];
    fields.read(report, "output", &mut to.output, word(outputs));
    spoken(&fields, to, around, report);
    fields.read(report, "warmup", &mut to.warmup, one_or_more(target));
    let most = duration(secs(1)..=secs(3600));
    fields.read(report, "warmup_timeout", &mut to.warmup_timeout, most);
    fields.read(report, "always_on", &mut to.always_on, always_on);
    let keep_alive = duration(Duration::ZERO..=secs(3600));
    fields.read(report, "keep_alive", &mut to.keep_alive, keep_alive);
    let connections = fields.find(report, "connections", count(1..=100_000));
    to.connections = connections;
    fields.read(report, "concurrency", &mut to.concurrency, concurrency);
    fields.read(report, "affinity", &mut to.affinity, affinity);
    let restart = [
        ("always", RestartWhen::Always),
        ("on-failure", RestartWhen::OnFailure),
    ];
    let policy = &mut settings.policy.restart;
    fields.read(report, "restart", &mut policy.when, word(restart));
    let give_up = [("serve-503", GiveUp::Serve503), ("exit", GiveUp::Exit)];
    fields.read(report, "on_give_up", &mut policy.give_up, word(give_up));
}

/// Reads after how long without a request it is asked for `/`. The tenth that it may come sooner is
/// a tick at least.
fn always_on(report: &mut Report, name: &str, node: &Node) -> Option<Option<Duration>> {
    match &node.value {
        Value::Text(text) if text == "off" => Some(None),
        Value::Flag(_) => {
            let cure = "write \"5min\", as App Service has it, or \"off\"";
            unwanted(report, name, node, "a duration or \"off\"", cure)
        }
        _ => duration(secs(1)..=secs(3600))(report, name, node).map(Some),
    }
}

/// What the worker speaks, and how TLS is agreed on with it.
fn spoken(fields: &Fields<'_>, to: &mut Worker, around: &Surroundings<'_>, report: &mut Report) {
    let protocols = [
        ("http", Protocol::Http),
        ("h2c", Protocol::H2c),
        ("https", Protocol::Https),
        ("h2", Protocol::H2),
    ];
    fields.read(report, "protocol", &mut to.protocol, word(protocols));
    let said = fields.find(report, "tls", tls::behind(around));
    match fields.get("tls") {
        Some(node) if !to.protocol.is_tls() => report.error(
            node.span,
            format!(
                "worker.tls, but worker.protocol = \"{}\" is spoken without TLS",
                to.protocol
            ),
            "set worker.protocol = \"https\" (or \"h2\" for HTTP/2), or remove tls",
        ),
        // What is wrong with it has been said.
        Some(_) if said.is_none() => {}
        _ if to.protocol.is_tls() => {
            let usual = Behind::default();
            let tls = said.as_ref().unwrap_or(&usual);
            if tls.verify && tls.roots.is_none() {
                tls::need_machine_roots(report, fields, around);
            }
        }
        _ => {}
    }
    to.tls = said;
}

fn no_command(report: &mut Report) {
    if report.command_may_follow && report.has_errors() {
        // Perhaps it is in what could not be read.
        return;
    }
    if report.command_may_follow {
        report.add(Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(
                "no command here: autoheal run needs one after --",
                "add [worker] with command = [...] to check it too",
            )
        });
        return;
    }
    report.missing(
        None,
        "no command: there is nothing to start",
        "say autoheal run -- COMMAND ARG..., or add to autoheal.toml:\n\n    [worker]\n    \
         command = [\"gunicorn\", \"--bind\", \"127.0.0.1:{port}\", \"shop:app\"]",
    );
}

/// Reads a program and its arguments; a program with a slash starts at `dir`.
pub(super) fn command(
    report: &mut Report,
    name: &str,
    node: &Node,
    dir: &Path,
) -> Option<Vec<String>> {
    let items = match &node.value {
        Value::List(items) if !items.is_empty() => items,
        Value::Text(line) if !line.trim().is_empty() => {
            let words: Vec<_> = line
                .split_whitespace()
                .map(|word| format!("\"{}\"", word.escape_debug()))
                .collect();
            let cure = format!(
                "write [{}]; for a shell's syntax [\"sh\", \"-c\", \"exec ...\"]",
                words.join(", ")
            );
            return unwanted(report, name, node, "a list of strings", cure);
        }
        Value::List(_) => {
            report.error(
                node.span,
                format!("{name} is an empty list"),
                "write the program and its arguments, like [\"node\", \"server.js\"]",
            );
            return None;
        }
        _ => {
            let cure = "write it like [\"node\", \"server.js\"]";
            return unwanted(report, name, node, "a list of strings", cure);
        }
    };
    let mut words = Vec::with_capacity(items.len());
    for item in items {
        // An argument may be empty; the program may not.
        match item.as_text() {
            Some("") if !words.is_empty() => words.push(String::new()),
            _ => words.push(text(report, name, item)?),
        }
    }
    if words[0].contains('/') {
        let program = dir.join(&words[0]);
        words[0] = program
            .components()
            .collect::<std::path::PathBuf>()
            .display()
            .to_string();
    }
    Some(words)
}

fn port(report: &mut Report, name: &str, node: &Node) -> Option<Port> {
    match &node.value {
        Value::Integer(_) => {
            let read = count(1..=65_535)(report, name, node)?;
            u16::try_from(read).ok().map(Port::Fixed)
        }
        Value::Text(text) if text.parse::<u16>().is_ok() => {
            let cure = format!("write it without quotes: {text}");
            unwanted(report, name, node, "a number, \"auto\" or \"unix\"", cure)
        }
        _ => word([("auto", Port::Auto), ("unix", Port::Unix)])(report, name, node),
    }
}

fn env(report: &mut Report, name: &str, node: &Node) -> Option<BTreeMap<String, String>> {
    let Value::Table(table) = &node.value else {
        let cure = "write env = { NAME = \"value\" }";
        return unwanted(report, name, node, "a table", cure);
    };
    let mut env = BTreeMap::new();
    for entry in &table.0 {
        if entry.key.is_empty() || entry.key.contains(['=', '\0']) {
            report.error(
                entry.key_span,
                format!(
                    "\"{}\" can't be a variable's name",
                    entry.key.escape_debug()
                ),
                "use letters, digits and _",
            );
            continue;
        }
        let name = format!("{name}.{}", entry.key);
        let value = match entry.node.as_text() {
            Some("") => Some(String::new()),
            _ => text(report, &name, &entry.node),
        };
        if let Some(value) = value {
            env.insert(entry.key.clone(), value);
        }
    }
    Some(env)
}

pub(super) fn signal(report: &mut Report, name: &str, node: &Node) -> Option<i32> {
    const USUAL: [&str; 8] = [
        "TERM", "QUIT", "INT", "HUP", "USR1", "USR2", "WINCH", "KILL",
    ];
    let read = text(report, name, node)?;
    let number = signal_number(&read);
    if number.is_none() {
        let bare = read.strip_prefix("SIG").unwrap_or(&read);
        let cure = match keys::nearest(bare, &USUAL) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write a signal's name, like \"TERM\", \"QUIT\" or \"INT\"".to_owned(),
        };
        report.error(node.span, format!("\"{read}\" is not a signal"), cure);
    }
    number
}

/// Whether port, placeholders and listeners fit together, once all of them are read.
pub(super) fn check(top: &Fields<'_>, settings: &Settings, report: &mut Report) {
    let Some(fields) = top.section_quietly("worker") else {
        return;
    };
    let worker = &settings.worker;
    let mut texts = worker.command.iter().chain(worker.env.values());
    let mentions = |text: &String, word: &str| text.contains(word);
    let at = |key: &str| fields.get(key).map_or(fields.span, |node| node.span);
    match worker.port {
        Port::Unix if texts.clone().any(|text| mentions(text, "{port}")) => report.error(
            at("port"),
            "a worker with port = \"unix\" has no {port}",
            "write {socket}, the path of its Unix socket, or set worker.port = \"auto\"",
        ),
        Port::Unix if !worker.command.is_empty() && !texts.any(|t| mentions(t, "{socket}")) => {
            report.error(
                at("port"),
                "port = \"unix\", but neither command nor env tells the worker its {socket}",
                "add it, like command = [\"gunicorn\", \"--bind\", \"unix:{socket}\", \
                 \"shop:app\"]",
            );
        }
        Port::Auto | Port::Fixed(_) if texts.any(|text| mentions(text, "{socket}")) => report
            .error(
                at("command"),
                "{socket} has a value only with worker.port = \"unix\"",
                "set worker.port = \"unix\", or write {port}",
            ),
        _ => {}
    }
    if let Port::Fixed(port) = worker.port {
        let same =
            |listen: &Listen| matches!(listen.address, Address::Tcp(at) if at.port() == port);
        if settings.listen.iter().any(same) {
            report.error(
                at("port"),
                format!("autoheal listens on port {port} itself"),
                "give the worker another port and let clients keep this one, or change listen",
            );
        }
    }
    misspelt_placeholders(&fields, report);
}

fn misspelt_placeholders(fields: &Fields<'_>, report: &mut Report) {
    let mut nodes = Vec::new();
    if let Some(Value::List(items)) = fields.get("command").map(|node| &node.value) {
        nodes.extend(items);
    }
    if let Some(Value::Table(table)) = fields.get("env").map(|node| &node.value) {
        nodes.extend(table.0.iter().map(|entry| &entry.node));
    }
    for node in nodes {
        let text = node.as_text().unwrap_or_default();
        for word in text
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
        {
            let known = ["port", "socket"];
            match keys::nearest(word, &known) {
                Some(near) if near != word => report.warning(
                    node.span,
                    format!("{{{word}}} is passed on as it is"),
                    format!("did you mean {{{near}}}?"),
                ),
                _ => {}
            }
        }
    }
}
