//! Reads a rule's `do`: what happens when its condition holds, and from which firing in a row on.

use super::{
    defaults,
    defaults::secs,
    diagnostic::Report,
    document::{Node, Value},
    keys,
    model::{Port, Settings},
    reader::{Fields, count, duration, one_or_more, text, unit, unwanted, word},
    resolve::path,
    worker,
};
use crate::{
    decide::policy::{Action, Command, Notice, Rung, Strategy},
    units::WebUrl,
};

/// The actions that need no more than their name.
const WORDS: [(&str, Action); 4] = [
    ("log", Action::Log),
    ("capture", Action::Capture),
    ("recycle", Action::Recycle(None)),
    ("unready", Action::Unready),
];
/// The keys of an action's table of which it has one.
const KINDS: [&str; 4] = ["do", "recycle", "run", "notify"];

/// Reads `do`: one action or a list of them.
pub(super) fn actions(
    report: &mut Report,
    name: &str,
    node: &Node,
    settings: &Settings,
) -> Option<Vec<Rung>> {
    let one = |report: &mut Report, name: &str, node: &Node| rung(report, name, node, settings);
    let read = one_or_more(one)(report, name, node)?;
    let recycles = read
        .iter()
        .filter(|rung| matches!(rung.action, Action::Recycle(_)));
    let mut afters: Vec<_> = recycles.map(|rung| rung.after).collect();
    afters.sort_unstable();
    if afters.windows(2).any(|pair| pair[0] == pair[1]) {
        report.error(
            node.span,
            "a rule recycles once",
            "keep one of the recycle actions, or give one of them an after = 2",
        );
    }
    Some(read)
}

fn rung(report: &mut Report, name: &str, node: &Node, settings: &Settings) -> Option<Rung> {
    let cure = "write \"recycle\", \"log\", \"capture\", \"unready\", { run = [\"program\", \
                \"argument\"] } or { notify = \"http://...\" }";
    match &node.value {
        Value::Text(text) if keys::later("do", text).is_some() => {
            report.error(
                node.span,
                format!("\"{text}\" is not supported by this version of autoheal"),
                keys::later("do", text).unwrap_or(cure),
            );
            None
        }
        Value::Text(_) => by_name(report, name, node).map(Rung::from),
        Value::Table(_) => {
            let found_before = report.found();
            let fields = Fields::of(node, "do", report)?;
            let mut after = 1;
            fields.read(report, "after", &mut after, count(1..=1000));
            let kinds = KINDS.iter().filter_map(|kind| fields.get(kind));
            let kinds: Vec<_> = kinds.collect();
            if let [_, second, ..] = kinds[..] {
                let cure = "write { recycle = ... }, { run = ... }";
                report.error(second.span, "this is two actions in one table", cure);
                return None;
            }
            if kinds.is_empty() {
                // Unknown keys have been reported, and say more.
                if report.found() == found_before {
                    report.error(node.span, "this table is no action", cure);
                }
                return None;
            }
            let action = action(report, &fields, settings)?;
            Some(Rung { after, action })
        }
        _ => unwanted(report, name, node, "an action", cure),
    }
}

fn by_name(report: &mut Report, name: &str, node: &Node) -> Option<Action> {
    let names = WORDS.each_ref().map(|(name, _)| (*name, *name));
    let read = word(names)(report, name, node)?;
    let mut words = WORDS.into_iter();
    words.find(|(n, _)| *n == read).map(|(_, action)| action)
}

fn action(report: &mut Report, fields: &Fields<'_>, settings: &Settings) -> Option<Action> {
    if let Some(node) = fields.get("recycle") {
        return recycle(report, node, fields, settings);
    }
    if fields.get("run").is_some() {
        return run(report, fields);
    }
    if fields.get("notify").is_some() {
        return notify(report, fields);
    }
    fields.find(report, "do", by_name)
}

fn recycle(
    report: &mut Report,
    node: &Node,
    fields: &Fields<'_>,
    settings: &Settings,
) -> Option<Action> {
    let strategies = [
        ("auto", None),
        ("overlap", Some(Strategy::Overlap)),
        ("in-place", Some(Strategy::InPlace)),
    ];
    let strategy = fields.find(report, "recycle", word(strategies))?;
    if let (Some(Strategy::Overlap), Port::Fixed(port)) = (strategy, settings.worker.port) {
        report.error(
            node.span,
            format!("two workers can't overlap on the fixed port {port}"),
            "write \"recycle\", or set worker.port = \"auto\" and let the worker listen on $PORT",
        );
    }
    Some(Action::Recycle(strategy))
}

fn run(report: &mut Report, fields: &Fields<'_>) -> Option<Action> {
    let mut dir = report.dir(fields.span).to_path_buf();
    fields.read(report, "dir", &mut dir, path);
    let argv = fields.find(report, "run", |report, name, node| {
        worker::command(report, name, node, &dir)
    });
    Some(Action::Run(Command {
        timeout: timeout(report, fields),
        argv: argv?,
        dir,
    }))
}

fn notify(report: &mut Report, fields: &Fields<'_>) -> Option<Action> {
    let url = fields.find(report, "notify", |report, name, node| {
        let text = text(report, name, node)?;
        let url: WebUrl = unit(report, node, text.parse())?;
        Some(url)
    });
    Some(Action::Notify(Notice {
        timeout: timeout(report, fields),
        url: url?,
    }))
}

fn timeout(report: &mut Report, fields: &Fields<'_>) -> std::time::Duration {
    let mut timeout = defaults::COMMAND_TIMEOUT;
    let bounds = secs(1)..=secs(3600);
    fields.read(report, "timeout", &mut timeout, duration(bounds));
    timeout
}
