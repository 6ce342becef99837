//! What the command line and the environment say, as documents like any other: an error in an
//! option is shown under the option's name.

use std::path::{Path, PathBuf};

use super::{
    defaults,
    diagnostic::{Report, Span},
    document::{Node, Table},
    keys, toml,
};

/// What the command line says. It wins over every file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--set KEY=VALUE`, in order.
    pub set: Vec<String>,
    /// `--listen ADDR`.
    pub listen: Option<String>,
    /// `--admin ADDR`.
    pub admin: Option<String>,
    /// `--state-dir DIR`.
    pub state_dir: Option<PathBuf>,
    /// `--port auto|N|unix`.
    pub port: Option<String>,
    /// `--mode heal|observe|relay`.
    pub mode: Option<String>,
    /// What stands after `--`.
    pub command: Vec<String>,
    /// A missing command is no error: it may be given when autoheal is started.
    pub command_may_follow: bool,
}

/// Where clients connect when no file and no option says it.
pub(super) fn listen_default(
    env: &dyn Fn(&str) -> Option<String>,
    cwd: &Path,
    report: &mut Report,
) -> Option<Table> {
    let port = env("PORT").filter(|port| !port.is_empty())?;
    let source = report.add_source("$PORT", port.clone(), cwd);
    let span = Span::new(source, 0..port.len());
    match port.trim().parse::<u16>() {
        Ok(port) => {
            let mut table = Table::default();
            table.set("listen", Node::text(format!("0.0.0.0:{port}"), span));
            Some(table)
        }
        Err(_) => {
            report.error(
                span,
                "PORT is not a port",
                format!(
                    "set PORT to a number from 1 to 65535, or say --listen :{}",
                    defaults::LISTEN_PORT
                ),
            );
            None
        }
    }
}

/// The document that the environment makes; it wins over files.
pub(super) fn from_environment(
    env: &dyn Fn(&str) -> Option<String>,
    cwd: &Path,
    report: &mut Report,
) -> Table {
    let mut table = Table::default();
    if let Some(listen) = env("AUTOHEAL_LISTEN").filter(|listen| !listen.is_empty()) {
        let node = option("$AUTOHEAL_LISTEN", &listen, cwd, report);
        table.set("listen", node);
    }
    table
}

/// The document that the command line makes.
pub(super) fn from_command_line(over: &Overrides, cwd: &Path, report: &mut Report) -> Table {
    let mut table = Table::default();
    for set in &over.set {
        let source = report.add_source("--set", set.clone(), cwd);
        table.overlay(one_set(set, source, report));
    }
    let here = Span::new(0, 0..0);
    if let Some(listen) = &over.listen {
        table.set("listen", option("--listen", listen, cwd, report));
    }
    if let Some(admin) = &over.admin {
        table.set("admin", option("--admin", admin, cwd, report));
    }
    if let Some(dir) = &over.state_dir {
        let dir = dir.display().to_string();
        table.set("state_dir", option("--state-dir", &dir, cwd, report));
    }
    if let Some(mode) = &over.mode {
        table.set("mode", option("--mode", mode, cwd, report));
    }
    if let Some(port) = &over.port {
        let source = report.add_source("--port", port.clone(), cwd);
        let node = toml::read_value(port, 0, source);
        table.at(&["worker"], here).set("port", node);
    }
    if !over.command.is_empty() {
        let line = over.command.join(" ");
        let source = report.add_source("--", line.clone(), cwd);
        let mut at = 0;
        let words = over.command.iter().map(|word| {
            let span = Span::new(source, at..at + word.len());
            at += word.len() + 1;
            Node::text(word, span)
        });
        let words: Vec<_> = words.collect();
        let span = Span::new(source, 0..line.len());
        let worker = table.at(&["worker"], span);
        worker.set("command", Node::list(words, span));
    }
    table
}

fn option(name: &str, text: &str, cwd: &Path, report: &mut Report) -> Node {
    let source = report.add_source(name, text, cwd);
    Node::text(text, Span::new(source, 0..text.len()))
}

fn one_set(set: &str, source: usize, report: &mut Report) -> Table {
    let mut table = Table::default();
    let whole = Span::new(source, 0..set.len());
    let Some((path, value)) = set.split_once('=') else {
        report.error(
            whole,
            format!("\"{set}\" has no value"),
            format!("write --set {set}=VALUE"),
        );
        return table;
    };
    let parts: Vec<_> = path.split('.').map(str::trim).collect();
    let Some((last, parents)) = parts.split_last() else {
        return table;
    };
    if parts.len() > 8 || parts.iter().any(|part| part.is_empty()) {
        report.error(
            Span::new(source, 0..path.len()),
            "this is not a key",
            "write --set KEY=VALUE with a key like mode or recycle.drain_timeout",
        );
        return table;
    }
    if parents.is_empty() && !keys::of("").contains(last) {
        // Said here because only here the dot that is missing can be shown.
        let place = keys::KEYS
            .iter()
            .find(|(name, keys)| !name.is_empty() && !name.contains('.') && keys.contains(last));
        if let Some((section, _)) = place {
            report.error(
                Span::new(source, 0..path.len()),
                format!("unknown key {last}"),
                format!("write --set {section}.{set}"),
            );
            return table;
        }
    }
    let value = toml::read_value(value.trim(), path.len() + 1, source);
    let key_span = Span::new(source, 0..path.len());
    table.at(parents, key_span).set(last, value);
    for entry in &mut table.at(parents, key_span).0 {
        entry.key_span = key_span;
    }
    table
}
