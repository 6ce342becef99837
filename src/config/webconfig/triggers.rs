//! `<monitoring>`: its triggers and actions, in the words of web.config.

use super::{
    super::{
        app_service::{
            Context, Written, actions,
            triggers::{Rules, StatusNames},
        },
        diagnostic::Report,
        document::{Node, Table},
    },
    xml::{Element, Shape},
};
use crate::units::StatusSet;

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
    children: &["add", "clear", "remove"],
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
const REMOVE: Shape = Shape {
    attributes: &["statusCode", "subStatusCode", "win32StatusCode"],
    children: &[],
    wrong: &[],
};
const MEMORY: Shape = Shape {
    attributes: &["privateBytesInKB"],
    children: &[],
    wrong: &[ADD, ("count", "remove it: memory is no count")],
};
const MEMORY_CURE: &str = "it is an attribute: write <memory privateBytesInKB=\"{KB}\" />";
const RANGE_CURE: &str = "that is the ARM name; write <add statusCode=\"500\" .../> for each \
                          status, or a [[rule]] with codes = \"500-599\" in autoheal.toml";
const STATUS_CURE: &str =
    "put it into an <add>: <add statusCode=\"500\" count=\"10\" timeInterval=\"00:00:30\" />";
const ADD: (&str, &str) = ("add", "only <statusCode> has <add>; use attributes here");

const ACTIONS: Shape = Shape {
    attributes: &["value", "minProcessExecutionTime"],
    children: &["customAction"],
    wrong: &[
        ("actionType", "that is the ARM name; write value"),
        ("exe", "put it into <customAction exe=\"...\" />"),
        (
            "parameters",
            "put it into <customAction parameters=\"...\" />",
        ),
    ],
};
const CUSTOM: Shape = Shape {
    attributes: &["exe", "parameters"],
    children: &[],
    wrong: &[
        ("executable", "write exe"),
        ("arguments", "write parameters"),
        ("value", "put it into <actions value=\"CustomAction\">"),
    ],
};
const STATUS_NAMES: StatusNames = StatusNames {
    status: "statusCode",
    sub: Some("subStatusCode"),
    win32: Some("win32StatusCode"),
    example: "500",
};

/// Reads the section into the rules of `table`.
pub(super) fn read(
    monitoring: &Element<'_, '_>,
    table: &mut Table,
    context: &Context<'_>,
    report: &mut Report,
) {
    monitoring.check(&MONITORING, report);
    let mut rules = Rules::new();
    for triggers in monitoring.children_named("triggers") {
        triggers.check(&TRIGGERS, report);
        for trigger in triggers.children() {
            if rules.room() == 0 {
                break;
            }
            read_trigger(&trigger, &mut rules, report);
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
    match (&actions, action, rules.is_empty()) {
        (Some(actions), Some(action), false) => {
            let min_uptime = actions::min_uptime(actions, report);
            let rules = rules.into_node(&action, &min_uptime, monitoring.span());
            table.extend("rule", rules);
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

fn action(actions: &Element<'_, '_>, context: &Context<'_>, report: &mut Report) -> Option<Node> {
    actions.check(&ACTIONS, report);
    let custom = actions.children_named("customAction").next();
    if let Some(custom) = &custom {
        custom.check(&CUSTOM, report);
    }
    actions::action(actions, "value", custom.as_ref(), context, report)
}

fn read_trigger(trigger: &Element<'_, '_>, rules: &mut Rules, report: &mut Report) {
    match trigger.name() {
        "requests" => {
            trigger.check(&REQUESTS, report);
            rules.requests(trigger, report);
        }
        "slowRequests" => {
            trigger.check(&SLOW, report);
            warn_of_path(trigger, report);
            rules.slow(trigger, report);
        }
        "statusCode" => {
            trigger.check(&STATUS, report);
            for add in left(trigger, report).into_iter().take(rules.room()) {
                add.check(&STATUS_ADD, report);
                warn_of_range(&add, report);
                warn_of_path(&add, report);
                rules.status(&add, &STATUS_NAMES, report);
            }
        }
        "memory" => {
            trigger.check(&MEMORY, report);
            rules.memory(trigger, report);
        }
        _ => {}
    }
}

/// The statuses that the list leaves: `<clear />` and `<remove>` take earlier ones.
fn left<'a, 'i>(list: &Element<'a, 'i>, report: &mut Report) -> Vec<Element<'a, 'i>> {
    let mut adds = Vec::new();
    for child in list.entries(report) {
        match child.name() {
            "add" => adds.push(child),
            "clear" => adds.clear(),
            "remove" => {
                child.check(&REMOVE, report);
                let text = |element: &Element<'_, '_>, name: &str| {
                    let written = element.attribute(name);
                    written.map_or("", |written| written.text).trim().to_owned()
                };
                let same = |add: &Element<'_, '_>| {
                    let of = |name| text(add, name) == text(&child, name);
                    of("statusCode") && of("subStatusCode")
                };
                if child.need("statusCode", "500", report).is_some() {
                    adds.retain(|add| !same(add));
                }
            }
            _ => {}
        }
    }
    adds
}

fn warn_of_range(add: &Element<'_, '_>, report: &mut Report) {
    let range = |written: &Written<'_>| written.text.trim().parse::<StatusSet>().is_ok();
    let status = add.attribute("statusCode").filter(range);
    if let Some(status) = status.filter(|status| status.text.contains('-')) {
        report.warning(
            status.span,
            "App Service's web.config has no ranges; autoheal obeys this one",
            "keep it if only autoheal reads the file, else write an <add> for each status",
        );
    }
}

fn warn_of_path(trigger: &Element<'_, '_>, report: &mut Report) {
    let path = trigger.attribute("path");
    if let Some(path) = path.filter(|path| !path.text.trim().is_empty()) {
        report.warning(
            path.span,
            "App Service's web.config has no path; autoheal obeys this one",
            "keep it if only autoheal reads the file, else write a [[rule]] in autoheal.toml",
        );
    }
}
