//! `autoHealRules`: triggers and actions, in the words of ARM.

use super::{
    super::{
        app_service::{
            Context, Part, actions,
            triggers::{Rules, StatusNames},
        },
        diagnostic::Report,
        document::{Entry, Node, Value},
    },
    object::{Object, Shape, kind},
};

const RULES: Shape = Shape {
    scalars: &[],
    parts: &["triggers", "actions"],
    wrong: &[
        ("requests", IN_TRIGGERS),
        ("privateBytesInKB", IN_TRIGGERS),
        ("statusCodes", IN_TRIGGERS),
        ("statusCodesRange", IN_TRIGGERS),
        ("slowRequests", IN_TRIGGERS),
        ("slowRequestsWithPath", IN_TRIGGERS),
        ("actionType", IN_ACTIONS),
        ("customAction", IN_ACTIONS),
        ("minProcessExecutionTime", IN_ACTIONS),
        ("autoHealEnabled", "put it beside autoHealRules, not inside"),
    ],
};
const IN_TRIGGERS: &str = "put it into \"triggers\": { ... }";
const IN_ACTIONS: &str = "put it into \"actions\": { ... }";
const TRIGGERS: Shape = Shape {
    scalars: &["privateBytesInKB"],
    parts: &[
        "requests",
        "statusCodes",
        "statusCodesRange",
        "slowRequests",
        "slowRequestsWithPath",
    ],
    wrong: &[
        ("memory", MEMORY_CURE),
        ("privateBytes", MEMORY_CURE),
        ("privateMemoryKB", MEMORY_CURE),
        (
            "statusCode",
            "that is the name in web.config; write \"statusCodes\": [ { \"status\": 500, ... } ]",
        ),
        ("actions", "put it beside triggers, not inside"),
        ("count", COUNT_CURE),
        ("timeInterval", COUNT_CURE),
        ("timeTaken", "put it into \"slowRequests\": { ... }"),
    ],
};
const MEMORY_CURE: &str = "write \"privateBytesInKB\": 819200 for 800 MiB";
const COUNT_CURE: &str =
    "put it into the trigger: \"requests\": { \"count\": 1000, \"timeInterval\": \"00:10:00\" }";
const REQUESTS: Shape = Shape {
    scalars: &["count", "timeInterval"],
    parts: &[],
    wrong: &[
        INTERVAL,
        (
            "path",
            "remove it: App Service counts requests of every path; a [[rule]] in autoheal.toml \
             can have one",
        ),
    ],
};
const INTERVAL: (&str, &str) = ("interval", "write timeInterval");
const SLOW: Shape = Shape {
    scalars: &["timeTaken", "path", "count", "timeInterval"],
    parts: &[],
    wrong: &[INTERVAL, ("time_taken", "write timeTaken")],
};
const STATUS: Shape = Shape {
    scalars: &[
        "status",
        "subStatus",
        "win32Status",
        "count",
        "timeInterval",
        "path",
    ],
    parts: &[],
    wrong: &[
        INTERVAL,
        ("statusCode", "that is the name in web.config; write status"),
        (
            "subStatusCode",
            "that is the name in web.config; write subStatus",
        ),
        (
            "win32StatusCode",
            "that is the name in web.config; write win32Status",
        ),
        (
            "statusCodes",
            "write status for one; a range belongs into statusCodesRange, beside statusCodes",
        ),
    ],
};
const RANGE: Shape = Shape {
    scalars: &["statusCodes", "path", "count", "timeInterval"],
    parts: &[],
    wrong: &[
        INTERVAL,
        ("status", "write \"statusCodes\": \"500-599\""),
        ("statusCode", "write \"statusCodes\": \"500-599\""),
        ("subStatus", NO_PART),
        ("win32Status", NO_PART),
    ],
};
const NO_PART: &str = "remove it: a range has none; a single status in statusCodes can";
const ACTIONS: Shape = Shape {
    scalars: &["actionType", "minProcessExecutionTime"],
    parts: &["customAction"],
    wrong: &[
        ("value", "that is the name in web.config; write actionType"),
        ("action", "write actionType"),
        ("type", "write actionType"),
        ("exe", IN_CUSTOM),
        ("parameters", IN_CUSTOM),
    ],
};
const IN_CUSTOM: &str = "put it into \"customAction\": { \"exe\": ..., \"parameters\": ... }";
const CUSTOM: Shape = Shape {
    scalars: &["exe", "parameters"],
    parts: &[],
    wrong: &[
        ("executable", "write exe"),
        ("arguments", "write parameters"),
    ],
};
const STATUS_NAMES: StatusNames = StatusNames {
    status: "status",
    sub: Some("subStatus"),
    win32: Some("win32Status"),
    example: "500",
};
const RANGE_NAMES: StatusNames = StatusNames {
    status: "statusCodes",
    sub: None,
    win32: None,
    example: "500-599",
};

/// The value of `rule` in a document; `None` if there are no rules, or they are off. `rules` is
/// free of expressions.
pub(super) fn read(rules: &Node, context: &Context<'_>, report: &mut Report) -> Option<Node> {
    let object = Object::read("autoHealRules", rules, &RULES, report)?;
    let span = object.span();
    let mut read = Rules::new();
    let triggers = object.part("triggers");
    if let Some(triggers) = triggers {
        read_triggers(triggers, &mut read, report);
    }
    let mut actions = object
        .part("actions")
        .and_then(|entry| Object::read("actions", &entry.node, &ACTIONS, report));
    if let Some(actions) = &mut actions {
        actions.translate("actionType", |text| match text {
            "0" => Some("Recycle"),
            "1" => Some("LogEvent"),
            "2" => Some("CustomAction"),
            _ => None,
        });
    }
    let custom = actions
        .as_ref()
        .and_then(|actions| actions.part("customAction"))
        .and_then(|entry| Object::read("customAction", &entry.node, &CUSTOM, report))
        .filter(|custom| !custom.is_blank());
    let action = actions.as_ref().and_then(|actions| {
        actions::action(actions, "actionType", custom.as_ref(), context, report)
    });
    // After an error the rules are read only for what else is wrong in them.
    let stand_in = Node::text("log", span);
    let action = action.or_else(|| report.has_errors().then_some(stand_in));
    match (&actions, action, read.is_empty()) {
        (Some(actions), Some(action), false) => {
            let min_uptime = actions::min_uptime(actions, report);
            return Some(read.into_node(&action, &min_uptime, span));
        }
        (_, None, false) if !report.has_errors() => report.warning(
            actions.as_ref().map_or(span, Part::span),
            "without an action the triggers are off",
            "add \"actions\": { \"actionType\": \"Recycle\" } beside \"triggers\"",
        ),
        (Some(actions), Some(_), true) if !report.has_errors() => report.warning(
            actions.span(),
            "without triggers this action never runs",
            "add \"triggers\" beside \"actions\", with what should set it off",
        ),
        _ => {}
    }
    None
}

fn read_triggers(entry: &Entry, rules: &mut Rules, report: &mut Report) {
    let Some(triggers) = Object::read("triggers", &entry.node, &TRIGGERS, report) else {
        return;
    };
    if let Some(memory) = triggers.at("privateBytesInKB") {
        rules.memory(&memory, report);
    }
    for (name, entry) in triggers.parts() {
        if rules.room() == 0 {
            break;
        }
        match name {
            "requests" => {
                if let Some(trigger) = one(name, &entry.node, &REQUESTS, report) {
                    rules.requests(&trigger, report);
                }
            }
            "slowRequests" => {
                if let Some(trigger) = one(name, &entry.node, &SLOW, report) {
                    warn_of_path(&trigger, report);
                    rules.slow(&trigger, report);
                }
            }
            "slowRequestsWithPath" => {
                for trigger in each(name, entry, &SLOW, rules.room(), report) {
                    rules.slow(&trigger, report);
                }
            }
            "statusCodes" => {
                for trigger in each(name, entry, &STATUS, rules.room(), report) {
                    if is_single(&trigger, report) {
                        rules.status(&trigger, &STATUS_NAMES, report);
                    }
                }
            }
            _ => {
                for trigger in each(name, entry, &RANGE, rules.room(), report) {
                    rules.status(&trigger, &RANGE_NAMES, report);
                }
            }
        }
    }
}

/// A trigger that says something.
fn one<'a>(
    name: impl Into<String>,
    node: &'a Node,
    shape: &Shape,
    report: &mut Report,
) -> Option<Object<'a>> {
    Object::read(name, node, shape, report).filter(|trigger| !trigger.is_blank())
}

fn each<'a>(
    name: &str,
    entry: &'a Entry,
    shape: &Shape,
    most: usize,
    report: &mut Report,
) -> Vec<Object<'a>> {
    let items = match &entry.node.value {
        Value::List(items) => items.as_slice(),
        _ => {
            report.error(
                // The key says better than a whole object what is meant.
                match entry.node.value {
                    Value::Table(_) => entry.key_span,
                    _ => entry.node.span,
                },
                format!("{name} wants an array, not {}", kind(&entry.node)),
                format!("put [ ] around it: \"{name}\": [ {{ ... }} ]"),
            );
            return Vec::new();
        }
    };
    let items = items.iter().take(most).enumerate();
    let read = items.map(|(index, node)| one(format!("{name}[{index}]"), node, shape, report));
    read.collect::<Vec<_>>().into_iter().flatten().collect()
}

/// `status` is one; ranges have a trigger of their own.
fn is_single(trigger: &Object<'_>, report: &mut Report) -> bool {
    let range = trigger.value("status");
    let Some(range) = range.filter(|range| range.text.contains(['-', ','])) else {
        return true;
    };
    let text = range.text.trim();
    report.error(
        range.span,
        format!("status is a single one, not \"{text}\""),
        format!("put it into \"statusCodesRange\": [ {{ \"statusCodes\": \"{text}\", ... }} ]"),
    );
    false
}

fn warn_of_path(trigger: &Object<'_>, report: &mut Report) {
    if let Some(path) = trigger.value("path") {
        report.warning(
            path.span,
            "App Service refuses a path in slowRequests; autoheal obeys this one",
            "move the trigger into \"slowRequestsWithPath\": [ { ... } ]",
        );
    }
}
