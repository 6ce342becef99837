//! Reads `[[rule]]`: conditions, actions, and what makes a rule senseless.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    defaults,
    defaults::secs,
    diagnostic::Report,
    document::{Node, Value},
    keys,
    model::{Port, Settings},
    reader::{Fields, count, duration, flag, one_or_more, size, text, unit, unwanted, word},
    resolve::{statuses, window},
    worker,
};
use crate::{
    decide::{
        policy::{Action, Command, Rule, Strategy},
        trigger::{Filter, MAX_RULES, MemoryLimit, Trigger},
    },
    units::{ByteSize, Share, StatusItem, StatusSet, format_duration},
    words::Mode,
};

const COUNTS: RangeInclusive<u32> = 1..=1_000_000_000;

/// Reads every rule, and adds the two that stand there by default.
pub(super) fn read(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let mut rules: Vec<Rule> = Vec::new();
    let list = top.get("rule");
    let nodes = match list.map(|node| &node.value) {
        None => &[],
        Some(Value::List(items)) => items.as_slice(),
        Some(_) => {
            if let Some(node) = list {
                let cure = "write [[rule]] with two brackets: there can be several";
                let _: Option<()> = unwanted(report, "rule", node, "a list of tables", cure);
            }
            &[]
        }
    };
    for node in nodes {
        let Some(rule) = rule(node, settings, report) else {
            continue;
        };
        if rules.iter().any(|earlier| earlier.name == rule.name) {
            report.error(
                name_span(node),
                format!("two rules are called \"{}\"", rule.name),
                "give each rule a name of its own: logs and metrics tell them apart by it",
            );
        }
        rules.push(rule);
    }
    let mut proactive = true;
    top.read(
        &mut Report::default(),
        "proactive",
        &mut proactive,
        |report, name, node| flag(report, name, node),
    );
    if proactive {
        for rule in defaults::proactive_rules() {
            if !rules.iter().any(|own| own.name == rule.name) {
                rules.push(rule);
            }
        }
    }
    if let (Some(node), true) = (list, rules.len() > MAX_RULES) {
        report.error(
            node.span,
            format!(
                "{} rules are more than {MAX_RULES}, proactive ones counted",
                rules.len()
            ),
            "join rules: one rule takes several codes and several paths",
        );
    }
    settings.policy.rules = rules;
}

fn name_span(node: &Node) -> super::diagnostic::Span {
    match &node.value {
        Value::Table(table) => table.get("name").map_or(node.span, |name| name.span),
        _ => node.span,
    }
}

fn rule(node: &Node, settings: &Settings, report: &mut Report) -> Option<Rule> {
    let fields = Fields::of(node, "rule", report)?;
    let name = fields.need(report, "name", "\"what it heals\"", text);
    let when = match fields.get("when") {
        Some(node) => condition(node, settings, report),
        None => {
            report.missing(
                Some(fields.span),
                "rule has no condition",
                "add one, like when.status = { codes = \"500-599\", count = 20, window = \"30s\" }",
            );
            None
        }
    };
    let actions = fields.need(report, "do", "[\"recycle\"]", |report, name, node| {
        actions(report, name, node, settings)
    });
    let mut rule = Rule {
        name: String::new(),
        when: Trigger::Memory {
            limit: MemoryLimit::Share(Share::ALL),
            hold: Duration::ZERO,
        },
        actions: Vec::new(),
        min_uptime: defaults::MIN_UPTIME,
        cooldown: defaults::COOLDOWN,
        mode: Mode::Heal,
        proactive: false,
    };
    let bounds = || duration(Duration::ZERO..=secs(24 * 3600));
    fields.read(report, "min_uptime", &mut rule.min_uptime, bounds());
    fields.read(report, "cooldown", &mut rule.cooldown, bounds());
    let modes = [("heal", Mode::Heal), ("observe", Mode::Observe)];
    fields.read(report, "mode", &mut rule.mode, word(modes));
    (rule.name, rule.when, rule.actions) = (name?, when?, actions?);
    Some(rule)
}

fn condition(node: &Node, settings: &Settings, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when", report)?;
    let present: Vec<_> = keys::of("when")
        .iter()
        .filter_map(|key| fields.get(key).map(|node| (*key, node)))
        .collect();
    let [(key, node)] = present[..] else {
        if let Some((_, second)) = present.get(1) {
            report.error(
                second.span,
                "a rule has one condition",
                "make a second [[rule]] for this one",
            );
        } else if matches!(&node.value, Value::Table(table) if table.0.is_empty()) {
            report.missing(
                Some(node.span),
                "when has no condition",
                "add one of requests, status, slow and memory",
            );
        }
        return None;
    };
    match key {
        "requests" => requests(node, report),
        "status" => status(node, report),
        "slow" => slow(node, settings, report),
        _ => memory(node, report),
    }
}

fn requests(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.requests", report)?;
    let count = fields.need(report, "count", "100000", count(COUNTS));
    let window = match fields.get("window") {
        Some(_) => Some(fields.find(report, "window", duration(window()))?),
        None => None,
    };
    let filter = filter(&fields, report)?;
    Some(Trigger::Requests {
        count: count?,
        window,
        filter,
    })
}

fn status(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.status", report)?;
    let codes = fields.need(report, "codes", "\"500-599\"", statuses);
    let (count, share, window) = rate(&fields, report);
    let filter = filter(&fields, report);
    let codes = codes?;
    if let Some(node) = fields.get("codes") {
        unseen_codes(&codes, node, report);
    }
    Some(Trigger::Status {
        codes,
        count: count?,
        share: share?,
        window: window?,
        filter: filter?,
    })
}

/// IIS alone knows sub-statuses; of them only 502.3 has a likeness here.
fn unseen_codes(codes: &StatusSet, node: &Node, report: &mut Report) {
    for item in codes.items() {
        let StatusItem::Sub(status, sub) = *item else {
            continue;
        };
        if (status, sub) != (502, 3) {
            report.warning(
                node.span,
                format!("{status}.{sub} never happens: sub-statuses exist only inside IIS"),
                format!(
                    "write {status} for every such answer; for a worker that does not answer \
                     502.3, connect, reset and timeout have meanings here"
                ),
            );
        }
    }
}

fn slow(node: &Node, settings: &Settings, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.slow", report)?;
    let bounds = Duration::from_millis(10)..=secs(24 * 3600);
    let time_taken = fields.need(report, "time_taken", "\"30s\"", duration(bounds));
    let (count, share, window) = rate(&fields, report);
    let filter = filter(&fields, report);
    let (time_taken, window) = (time_taken?, window?);
    if let (true, Some(node)) = (window < time_taken, fields.get("window")) {
        report.warning(
            node.span,
            format!(
                "the window is shorter than the {} that a request takes to become slow",
                format_duration(time_taken)
            ),
            "requests that started together still count together; for others make it longer \
             than time_taken",
        );
    }
    let response = settings.timeouts.response;
    if let (true, Some(node)) = (time_taken >= response, fields.get("time_taken")) {
        report.warning(
            node.span,
            format!(
                "no request becomes that slow: each ends with 504 after timeouts.response ({})",
                format_duration(response)
            ),
            "lower time_taken, or raise timeouts.response",
        );
    }
    Some(Trigger::Slow {
        time_taken,
        count: count?,
        share: share?,
        window,
        filter: filter?,
    })
}

/// What `status` and `slow` have in common. The outer options say whether it could be read.
fn rate(
    fields: &Fields<'_>,
    report: &mut Report,
) -> (Option<u32>, Option<Option<Share>>, Option<Duration>) {
    let share = match fields.get("share") {
        Some(_) => fields.find(report, "share", share).map(Some),
        None => Some(None),
    };
    let count = match (fields.get("count"), fields.get("share")) {
        (None, Some(node)) => {
            report.missing(
                Some(node.span),
                "a share needs a count beside it: all of one request is 100%",
                "add count = 5: from so many on the share is looked at",
            );
            None
        }
        _ => fields.need(report, "count", "20", count(COUNTS)),
    };
    let window = fields.need(report, "window", "\"30s\"", duration(window()));
    (count, share, window)
}

fn share(report: &mut Report, name: &str, node: &Node) -> Option<Share> {
    let share: Share = match &node.value {
        Value::Text(text) => unit(report, node, text.parse())?,
        Value::Integer(number) => {
            let cure = format!("write \"{number}%\"");
            return unwanted(report, name, node, "a percentage", cure);
        }
        _ => return unwanted(report, name, node, "a percentage", "write it like \"30%\""),
    };
    if share.basis_points() == 0 {
        report.error(
            node.span,
            format!("{name} is 0%, which always holds"),
            "remove share, or write a percentage like \"30%\"",
        );
        return None;
    }
    Some(share)
}

fn memory(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.memory", report)?;
    let bounds = ByteSize::mib(1)..=ByteSize::mib(16 * 1024 * 1024);
    let bytes = fields.find(report, "private_bytes", size(bounds));
    let share = fields.find(report, "share", share);
    let mut hold = Duration::ZERO;
    let bounds = Duration::ZERO..=secs(24 * 3600);
    fields.read(report, "for", &mut hold, duration(bounds));
    let limit = match (fields.get("private_bytes"), fields.get("share")) {
        (Some(_), Some(node)) => {
            report.error(
                node.span,
                "a memory rule has one limit",
                "keep private_bytes or share; make a second [[rule]] for the other",
            );
            None
        }
        (None, None) => {
            report.missing(
                Some(fields.span),
                "when.memory has no limit",
                "add private_bytes = \"800MiB\", or share = \"90%\" of the worker's cgroup limit",
            );
            None
        }
        (Some(_), None) => bytes.map(MemoryLimit::PrivateBytes),
        (None, Some(_)) => share.map(MemoryLimit::Share),
    };
    Some(Trigger::Memory {
        limit: limit?,
        hold,
    })
}

fn filter(fields: &Fields<'_>, report: &mut Report) -> Option<Filter> {
    let pattern = |report: &mut Report, name: &str, node: &Node| match node.as_text() {
        Some(text) => unit(report, node, text.parse()),
        None => unwanted(
            report,
            name,
            node,
            "a path",
            "write it like \"/checkout/*\"",
        ),
    };
    let method = |report: &mut Report, name: &str, node: &Node| {
        let read = text(report, name, node)?;
        let good = read
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !good {
            report.error(
                node.span,
                format!("\"{read}\" is not a method"),
                "write methods as a list, like [\"GET\", \"POST\"]",
            );
        }
        good.then(|| read.to_ascii_uppercase())
    };
    let mut filter = Filter::default();
    fields.read(report, "path", &mut filter.path, one_or_more(pattern));
    fields.read(report, "except", &mut filter.except, one_or_more(pattern));
    fields.read(report, "methods", &mut filter.methods, one_or_more(method));
    Some(filter)
}

fn actions(
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
        Value::Text(text) if keys::is_later("do", text) => {
            report.error(
                node.span,
                format!("\"{text}\" is not supported by this version of autoheal"),
                format!("remove \"{text}\"; \"log\", \"recycle\" and {{ run = [...] }} work"),
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
            let fields = Fields::of(node, "do", report)?;
            match (fields.get("recycle"), fields.get("run")) {
                (Some(node), None) => recycle(report, node, &fields, settings),
                (None, Some(_)) => run(report, &fields),
                (Some(_), Some(node)) => {
                    let cure = "write { recycle = ... }, { run = ... }";
                    report.error(node.span, "this is two actions in one table", cure);
                    None
                }
                // Its unknown keys have been reported.
                (None, None) => None,
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
    let dir = report.dir(fields.span).to_path_buf();
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
