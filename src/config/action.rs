//! Reads a rule's `do`: what happens when its condition holds.

use super::{
    defaults,
    defaults::secs,
    diagnostic::Report,
    document::{Node, Value},
    keys,
    model::{Port, Settings},
    reader::{Fields, duration, one_or_more, unwanted, word},
    resolve::path,
    worker,
};
use crate::decide::policy::{Action, Command, Strategy};

/// Reads `do`: one action or a list of them.
pub(super) fn actions(
    report: &mut Report,
    name: &str,
    node: &Node,
    settings: &Settings,
) -> Option<Vec<Action>> {
    let one = |report: &mut Report, name: &str, node: &Node| action(report, name, node, settings);
    let read = one_or_more(one)(report, name, node)?;
    let recycles = read
        .iter()
        .filter(|action| matches!(action, Action::Recycle(_)));
    if recycles.count() > 1 {
        report.error(
            node.span,
            "a rule recycles once",
            "keep one of the recycle actions",
        );
    }
    Some(read)
}

fn action(report: &mut Report, name: &str, node: &Node, settings: &Settings) -> Option<Action> {
    let cure = "write \"recycle\", \"log\" or { run = [\"program\", \"argument\"] }";
    match &node.value {
        Value::Text(text) if keys::later("do", text).is_some() => {
            report.error(
                node.span,
                format!("\"{text}\" is not supported by this version of autoheal"),
                keys::later("do", text).unwrap_or(cure),
            );
            None
        }
        Value::Text(_) => {
            let words = [("recycle", Action::Recycle(None)), ("log", Action::Log)];
            let names = words.each_ref().map(|(name, _)| (*name, *name));
            let read = word(names)(report, name, node)?;
            words
                .into_iter()
                .find(|(n, _)| *n == read)
                .map(|(_, action)| action)
        }
        Value::Table(_) => {
            let found_before = report.found();
            let fields = Fields::of(node, "do", report)?;
            match (fields.get("recycle"), fields.get("run")) {
                (Some(node), None) => recycle(report, node, &fields, settings),
                (None, Some(_)) => run(report, &fields),
                (Some(_), Some(node)) => {
                    let cure = "write { recycle = ... }, { run = ... }";
                    report.error(node.span, "this is two actions in one table", cure);
                    None
                }
                (None, None) => {
                    // Unknown keys have been reported, and say more.
                    if report.found() == found_before {
                        report.error(node.span, "this table is no action", cure);
                    }
                    None
                }
            }
        }
        _ => unwanted(report, name, node, "an action", cure),
    }
}

fn recycle(
    report: &mut Report,
    node: &Node,
    fields: &Fields<'_>,
    settings: &Settings,
) -> Option<Action> {
    let strategies = [
        ("overlap", Strategy::Overlap),
        ("in-place", Strategy::InPlace),
    ];
    let strategy = fields.find(report, "recycle", word(strategies))?;
    if let (Strategy::Overlap, Port::Fixed(port)) = (strategy, settings.worker.port) {
        report.error(
            node.span,
            format!("two workers can't overlap on the fixed port {port}"),
            "write \"recycle\", or set worker.port = \"auto\" and let the worker listen on $PORT",
        );
    }
    Some(Action::Recycle(Some(strategy)))
}

fn run(report: &mut Report, fields: &Fields<'_>) -> Option<Action> {
    let mut dir = report.dir(fields.span).to_path_buf();
    fields.read(report, "dir", &mut dir, path);
    let argv = fields.find(report, "run", |report, name, node| {
        worker::command(report, name, node, &dir)
    });
    let mut timeout = defaults::COMMAND_TIMEOUT;
    let bounds = secs(1)..=secs(3600);
    fields.read(report, "timeout", &mut timeout, duration(bounds));
    Some(Action::Run(Command {
        argv: argv?,
        dir,
        timeout,
    }))
}
