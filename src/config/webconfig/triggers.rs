//! `<monitoring>`: every trigger becomes a rule, and all of them share the one action.

use std::time::Duration;

use super::{
    super::{
        diagnostic::{Report, Span},
        document::{Node, Table, Value},
        resolve::window,
    },
    Context,
    actions::{action, min_uptime},
    timespan,
    xml::{Attribute, Element, Shape},
};
use crate::{
    decide::trigger::MAX_RULES,
    units::{ByteSize, StatusSet, format_duration},
};

const MONITORING: Shape = Shape {
    attributes: &[],
    children: &["triggers", "actions"],
    wrong: &[
        ("requests", "put it into <triggers>"),
        ("slowRequests", "put it into <triggers>"),
        ("statusCode", "put it into <triggers>"),
        ("memory", "put it into <triggers>"),
        (
            "customAction",
            "put it into <actions value=\"CustomAction\">",
        ),
    ],
};
const TRIGGERS: Shape = Shape {
    attributes: &[],
    children: &["requests", "slowRequests", "statusCode", "memory"],
    wrong: &[
        ("privateBytesInKB", MEMORY_CURE),
        ("privateBytes", MEMORY_CURE),
        ("provideBytesInKB", MEMORY_CURE),
        ("add", "put it into <statusCode>"),
        ("statusCodesRange", RANGE_CURE),
        (
            "slowRequestsWithPath",
            "that is the ARM name; write <slowRequests path=\"...\" timeTaken=... />",
        ),
        ("actions", "put it beside <triggers>, not inside"),
    ],
};
const REQUESTS: Shape = Shape {
    attributes: &["count", "timeInterval"],
    children: &[],
    wrong: &[("interval", "write timeInterval"), ADD],
};
const SLOW: Shape = Shape {
    attributes: &["timeTaken", "count", "timeInterval", "path"],
    children: &[],
    wrong: &[
        ("interval", "write timeInterval"),
        ("time_taken", "write timeTaken"),
        ADD,
    ],
};
const STATUS: Shape = Shape {
    attributes: &[],
    children: &["add", "clear"],
    wrong: &[
        ("statusCode", STATUS_CURE),
        ("status", STATUS_CURE),
        ("count", STATUS_CURE),
        ("timeInterval", STATUS_CURE),
        ("subStatusCode", STATUS_CURE),
        ("win32StatusCode", STATUS_CURE),
    ],
};
const STATUS_ADD: Shape = Shape {
    attributes: &[
        "statusCode",
        "subStatusCode",
        "win32StatusCode",
        "count",
        "timeInterval",
        "path",
    ],
    children: &[],
    wrong: &[
        ("status", "that is the ARM name; write statusCode"),
        ("subStatus", "that is the ARM name; write subStatusCode"),
        ("win32Status", "that is the ARM name; write win32StatusCode"),
        ("statusCodes", RANGE_CURE),
        ("interval", "write timeInterval"),
    ],
};
const MEMORY: Shape = Shape {
    attributes: &["privateBytesInKB"],
    children: &[],
    wrong: &[ADD, ("count", "remove it: memory is no count")],
};
const MEMORY_CURE: &str = "write <memory privateBytesInKB=\"819200\" /> for 800 MiB";
const RANGE_CURE: &str = "that is the ARM name; write <add statusCode=\"500\" .../> for each \
                          status, or a [[rule]] with codes = \"500-599\" in autoheal.toml";
const STATUS_CURE: &str =
    "put it into an <add>: <add statusCode=\"500\" count=\"10\" timeInterval=\"00:00:30\" />";
const ADD: (&str, &str) = ("add", "only <statusCode> has <add>; use attributes here");

/// Reads the section into the rules of `table`.
pub(super) fn read(
    monitoring: &Element<'_, '_>,
    table: &mut Table,
    context: &Context<'_>,
    report: &mut Report,
) {
    monitoring.check(&MONITORING, report);
    let mut rules = Rules {
        list: Vec::new(),
        names: Vec::new(),
    };
    for triggers in monitoring.children_named("triggers") {
        triggers.check(&TRIGGERS, report);
        for trigger in triggers.children() {
            if rules.list.len() > MAX_RULES {
                break;
            }
            rules.trigger(&trigger, report);
        }
    }
    let mut all = monitoring.children_named("actions");
    let actions = all.next();
    if let Some(second) = all.next() {
        report.error(
            second.span(),
            "a second <actions>",
            "keep one: all triggers share it; a [[rule]] in autoheal.toml has its own action",
        );
    }
    let action = actions.as_ref().and_then(|a| action(a, context, report));
    // After an error the rules are read only for what else is wrong in them.
    let stand_in = Node::text("log", monitoring.span());
    let action = action.or_else(|| report.has_errors().then_some(stand_in));
    match (&actions, action, rules.list.is_empty()) {
        (Some(actions), Some(action), false) => {
            let min_uptime = min_uptime(actions, report);
            for rule in &mut rules.list {
                rule.set("do", action.clone());
                rule.set("min_uptime", min_uptime.clone());
            }
            let span = monitoring.span();
            let nodes = rules.list.into_iter().map(|rule| {
                let span = rule.get("name").map_or(span, |name| name.span);
                Node::new(Value::Table(rule), span)
            });
            table.set("rule", Node::list(nodes.collect(), span));
        }
        (_, None, false) if !report.has_errors() => report.warning(
            actions.map_or_else(|| monitoring.span(), |actions| actions.span()),
            "without an action the triggers are off",
            "add <actions value=\"Recycle\" /> beside <triggers>",
        ),
        (Some(actions), _, true) if !report.has_errors() => report.warning(
            actions.span(),
            "without triggers this action never runs",
            "add <triggers> beside <actions>, with what should set it off",
        ),
        _ => {}
    }
}

struct Rules {
    list: Vec<Table>,
    names: Vec<String>,
}

impl Rules {
    fn trigger(&mut self, trigger: &Element<'_, '_>, report: &mut Report) {
        match trigger.name() {
            "requests" => {
                trigger.check(&REQUESTS, report);
                if let Some(when) = counted(trigger, report) {
                    self.push("requests", "requests".to_owned(), when, trigger.span());
                }
            }
            "slowRequests" => {
                trigger.check(&SLOW, report);
                let taken = time(trigger, "timeTaken", "00:00:30", report);
                let when = counted(trigger, report);
                if let (Some(taken), Some(mut when)) = (taken, when) {
                    when.set("time_taken", taken);
                    set_path(trigger, &mut when, report);
                    self.push("slow", "slow requests".to_owned(), when, trigger.span());
                }
            }
            "statusCode" => {
                trigger.check(&STATUS, report);
                // One more than can be kept is enough to be told.
                let room = (MAX_RULES + 1).saturating_sub(self.list.len());
                for add in trigger.children_named("add").take(room) {
                    self.status(&add, report);
                }
            }
            "memory" => {
                trigger.check(&MEMORY, report);
                if let Some(when) = memory(trigger, report) {
                    self.push("memory", "private memory".to_owned(), when, trigger.span());
                }
            }
            _ => {}
        }
    }

    fn status(&mut self, add: &Element<'_, '_>, report: &mut Report) {
        add.check(&STATUS_ADD, report);
        let status = add.need("statusCode", "500", report);
        let sub = number(add, "subStatusCode", 0..=999, report);
        win32(add, report);
        let when = counted(add, report);
        let (Some(status), Ok(sub)) = (status, sub) else {
            return;
        };
        let written = status.text.trim();
        if let Err(error) = written.parse::<StatusSet>() {
            report.error(status.span, error.what, "write a status like 500");
            return;
        }
        let codes = match sub {
            Some(sub) if sub > 0 && !written.contains('.') => format!("{written}.{sub}"),
            _ => written.to_owned(),
        };
        if written.contains('-') {
            report.warning(
                status.span,
                "App Service's web.config has no ranges; autoheal obeys this one",
                "keep it if only autoheal reads the file, else write an <add> for each status",
            );
        }
        let Some(mut when) = when else {
            return;
        };
        when.set("codes", Node::text(codes.clone(), status.span));
        set_path(add, &mut when, report);
        self.push("status", format!("status {codes}"), when, status.span);
    }

    fn push(&mut self, condition: &str, name: String, when: Table, span: Span) {
        let same = self.names.iter().filter(|other| **other == name).count();
        let shown = match same {
            0 => name.clone(),
            same => format!("{name} ({})", same + 1),
        };
        self.names.push(name);
        let mut rule = Table::default();
        rule.set("name", Node::text(shown, span));
        rule.at(&["when"], span)
            .set(condition, Node::new(Value::Table(when), span));
        self.list.push(rule);
    }
}

/// `count` and `timeInterval`, which three triggers have.
fn counted(trigger: &Element<'_, '_>, report: &mut Report) -> Option<Table> {
    let count = match trigger.need("count", "10", report) {
        Some(_) => number(trigger, "count", 1..=1_000_000_000, report)
            .ok()
            .flatten(),
        None => None,
    };
    let window = time(trigger, "timeInterval", "00:02:00", report);
    let span = trigger.attribute("count")?.span;
    let mut when = Table::default();
    when.set(
        "count",
        Node::new(Value::Integer(count?), span).named("count"),
    );
    when.set("window", window?);
    Some(when)
}

fn set_path(trigger: &Element<'_, '_>, when: &mut Table, report: &mut Report) {
    let Some(path) = trigger.attribute("path") else {
        return;
    };
    if path.text.trim().is_empty() {
        return;
    }
    report.warning(
        path.span,
        "App Service's web.config has no path; autoheal obeys this one",
        "keep it if only autoheal reads the file, else write a [[rule]] in autoheal.toml",
    );
    when.set(
        "path",
        Node::text(path.text.trim(), path.span).named("path"),
    );
}

/// Outside of IIS a Win32 status is never known.
fn win32(add: &Element<'_, '_>, report: &mut Report) {
    let read = number(add, "win32StatusCode", 0..=i64::from(u32::MAX), report);
    if let (Ok(Some(1..)), Some(written)) = (read, add.attribute("win32StatusCode")) {
        report.warning(
            written.span,
            "Win32 statuses exist only inside IIS: every such answer counts here",
            "remove win32StatusCode, or set it to 0, which means any",
        );
    }
}

fn memory(trigger: &Element<'_, '_>, report: &mut Report) -> Option<Table> {
    let written = trigger.need("privateBytesInKB", "819200", report)?;
    let most = 16 * 1024 * 1024 * 1024;
    let kib = number(trigger, "privateBytesInKB", 0..=most, report).ok()??;
    // The least that App Service's portal takes; less is a worker that restarts for ever.
    if kib < 1024 {
        let meant = if kib == 0 { 819_200 } else { kib * 1024 };
        let human = ByteSize::kib(u64::try_from(meant).unwrap_or(0)).human();
        report.error(
            written.span,
            format!("privateBytesInKB is in KB: {kib} KB is less than any worker needs"),
            format!("did you mean {meant} ({human})?"),
        );
        return None;
    }
    let mut when = Table::default();
    let bytes = Node::text(format!("{kib}KiB"), written.span);
    when.set("private_bytes", bytes.named("privateBytesInKB"));
    Some(when)
}

/// A whole number; `Ok(None)` if the attribute is absent or blank, `Err` if it was reported.
fn number(
    element: &Element<'_, '_>,
    name: &'static str,
    bounds: std::ops::RangeInclusive<i64>,
    report: &mut Report,
) -> Result<Option<i64>, Reported> {
    let Some(written) = element.attribute(name) else {
        return Ok(None);
    };
    let text = written.text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<i64>() {
        Ok(number) if bounds.contains(&number) => Ok(Some(number)),
        _ => {
            let (least, most) = (bounds.start(), bounds.end());
            report.error(
                written.span,
                format!("{name} wants a whole number from {least} to {most}, not \"{text}\""),
                format!("write {name}=\"NUMBER\", digits only"),
            );
            Err(Reported)
        }
    }
}

/// What was wrong is in the report.
struct Reported;

/// A required `hh:mm:ss`.
fn time(
    element: &Element<'_, '_>,
    name: &'static str,
    example: &str,
    report: &mut Report,
) -> Option<Node> {
    let written = element.need(name, example, report)?;
    let read = span_of_time(&written, name, report)?;
    let most = *window().end();
    if name == "timeInterval" && timespan::parse(name, written.text).is_ok_and(|t| t > most) {
        report.warning(
            written.span,
            "autoheal looks back at most 24:00:00, and does so here",
            "write timeInterval=\"24:00:00\" with a smaller count",
        );
        return Some(Node::text(format_duration(most), written.span).named(name));
    }
    Some(read)
}

/// Reads an attribute of the form `hh:mm:ss`.
pub(super) fn span_of_time(
    written: &Attribute<'_>,
    name: &'static str,
    report: &mut Report,
) -> Option<Node> {
    match timespan::parse(name, written.text) {
        Ok(Duration::ZERO) if name != "minProcessExecutionTime" => {
            report.error(
                written.span,
                format!("{name} is no time at all"),
                "write hours:minutes:seconds, like 00:02:00",
            );
            None
        }
        Ok(time) => Some(Node::text(format_duration(time), written.span).named(name)),
        Err((what, cure)) => {
            report.error(written.span, what, cure);
            None
        }
    }
}
