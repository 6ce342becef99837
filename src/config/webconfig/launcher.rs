//! `<httpPlatform>` and `<aspNetCore>`: how IIS starts the app becomes `[worker]`.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    super::{
        app_service::{
            Context, Written,
            arguments::{self, split},
            expand::{Expanded, Variables, unknown_variable},
            program, timespan,
        },
        defaults::OFFLINE,
        diagnostic::{Report, Span},
        document::{Node, Table, Value},
        resolve::window,
    },
    file_change, iis_only, variables,
    xml::{self, Element, Shape},
};
use crate::units::format_duration;

const CHILDREN: &[&str] = &[
    "environmentVariables",
    "recycleOnFileChange",
    "handlerSettings",
];
const WRONG: &[(&str, &str)] = &[
    (
        "environmentVariable",
        "put it into <environmentVariables> ... </environmentVariables>",
    ),
    ("path", "write processPath"),
    ("command", "write processPath, and arguments beside it"),
];
const HTTP_PLATFORM: Shape = Shape {
    attributes: &[
        "processPath",
        "arguments",
        "startupTimeLimit",
        "startupRetryCount",
        "rapidFailsPerMinute",
        "requestTimeout",
        "stdoutLogEnabled",
        "stdoutLogFile",
        "processesPerApplication",
        "forwardWindowsAuthToken",
    ],
    children: CHILDREN,
    wrong: WRONG,
};
const ASP_NET_CORE: Shape = Shape {
    attributes: &[
        "processPath",
        "arguments",
        "startupTimeLimit",
        "shutdownTimeLimit",
        "rapidFailsPerMinute",
        "requestTimeout",
        "stdoutLogEnabled",
        "stdoutLogFile",
        "processesPerApplication",
        "forwardWindowsAuthToken",
        "disableStartUpErrorPage",
        "hostingModel",
    ],
    children: CHILDREN,
    wrong: WRONG,
};
/// Reads the section into the worker of `table`.
pub(super) fn read(
    launcher: &Element<'_, '_>,
    table: &mut Table,
    context: &Context<'_>,
    report: &mut Report,
) {
    let asp = launcher.name() == "aspNetCore";
    launcher.check(if asp { &ASP_NET_CORE } else { &HTTP_PLATFORM }, report);
    let own = variables::read(launcher, report);
    let pairs: Vec<_> = own
        .iter()
        .map(|own| (own.name.clone(), own.value.clone()))
        .collect();
    let variables = Variables {
        own: &pairs,
        env: context.around.env,
    };
    let span = launcher.span();
    let offline = context.root.join(OFFLINE);
    if (context.around.is_file)(&offline) {
        report.warning(
            span,
            "app_offline.htm stands beside this file: every request is answered 503 with it, and \
             the app does not run",
            "remove it when the app may run",
        );
    }
    let page = Node::text(OFFLINE, span);
    table.set("maintenance", page);
    match command(launcher, &variables, context, report) {
        Some(command) => table.at(&["worker"], span).set("command", command),
        None => report.partial = true,
    }
    variables::set(asp, &own, &variables, span, table, report);
    limits(launcher, table, report);
    if let Some(many) = processes(launcher, report) {
        table.at(&["worker"], span).set("count", many);
    }
    file_change::read(launcher, &variables, table, report);
    iis_only::check_words(launcher, report);
    iis_only::warn(launcher, report);
}

fn command(
    launcher: &Element<'_, '_>,
    variables: &Variables<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Node> {
    let path = launcher.need("processPath", "dotnet", report)?;
    let arguments = launcher.attribute("arguments");
    for written in [Some(path), arguments].into_iter().flatten() {
        if written.text.to_ascii_uppercase().contains("%LAUNCHER_") {
            report.error(
                written.span,
                "this is Visual Studio's placeholder, which publishing replaces",
                "write what starts the app: processPath=\"dotnet\" arguments=\"App.dll\"",
            );
            return None;
        }
    }
    if let Some((program, rest)) = program::with_arguments(path.text, context) {
        let more = arguments.map_or_else(Vec::new, |arguments| split(arguments.text));
        let line = split(&rest).into_iter().chain(more);
        let line = arguments::join(line.collect::<Vec<_>>().iter().map(String::as_str));
        let (program, line) = (xml::escape(&program), xml::escape(&line));
        report.error(
            path.span,
            "processPath names the program alone, without its arguments",
            format!("write processPath=\"{program}\" arguments=\"{line}\""),
        );
        return None;
    }
    let expanded = expand(variables, &path, report);
    let found = program::find(&expanded, path.span, context, report);
    let mut words = vec![Node::text(found, path.span)];
    if let Some(arguments) = arguments {
        for word in split(&expand(variables, &arguments, report)) {
            let word = program::argument(word, arguments.span, context, report);
            words.push(Node::text(word, arguments.span));
        }
    }
    Some(Node::list(words, path.span))
}

fn expand(variables: &Variables<'_>, written: &Written<'_>, report: &mut Report) -> String {
    let expanded = variables.expand(written.text);
    tell(&expanded, written.span, report);
    expanded.text
}

/// Says what could not be expanded.
pub(super) fn tell(expanded: &Expanded, span: Span, report: &mut Report) {
    if expanded.endless {
        report.error(
            span,
            "these variables refer to each other without end, or are longer than 32767 characters",
            "write the value out",
        );
        return;
    }
    for name in &expanded.unknown {
        unknown_variable(name, span, report);
    }
}

/// The limits that mean the same here.
fn limits(launcher: &Element<'_, '_>, table: &mut Table, report: &mut Report) {
    let span = launcher.span();
    let mut set = |section: &str, key: &str, node: Option<Node>| {
        if let Some(node) = node {
            table.at(&[section], span).set(key, node);
        }
    };
    let start = seconds(launcher, "startupTimeLimit", 1..=3600, report);
    set("recycle", "start_timeout", start);
    let stop = seconds(launcher, "shutdownTimeLimit", 0..=600, report);
    set("recycle", "stop_timeout", stop);
    set("crashes", "at_once", rapid_fails(launcher, report));
    let Some(written) = launcher.attribute("requestTimeout") else {
        return;
    };
    match timespan::parse("requestTimeout", written.text) {
        Ok(Duration::ZERO) => report.warning(
            written.span,
            "requestTimeout of no time at all is passed over",
            "write hours:minutes:seconds, like 00:04:00",
        ),
        Ok(time) => {
            let time = time.min(*window().end());
            let node = Node::text(format_duration(time), written.span);
            set("timeouts", "response", Some(node.named("requestTimeout")));
        }
        Err((what, cure)) => report.error(written.span, what, cure),
    }
}

/// How many workers serve at the same time.
fn processes(launcher: &Element<'_, '_>, report: &mut Report) -> Option<Node> {
    whole(launcher, "processesPerApplication", 1..=100, report)
}

/// Restarts in a minute, after which IIS waits for the next one.
fn rapid_fails(launcher: &Element<'_, '_>, report: &mut Report) -> Option<Node> {
    whole(launcher, "rapidFailsPerMinute", 0..=100, report)
}

fn whole(
    launcher: &Element<'_, '_>,
    name: &'static str,
    bounds: RangeInclusive<u8>,
    report: &mut Report,
) -> Option<Node> {
    let written = launcher.attribute(name)?;
    let text = written.text.trim();
    let number = text.parse::<u8>().ok();
    let Some(number) = number.filter(|number| bounds.contains(number)) else {
        let (least, most) = (bounds.start(), bounds.end());
        report.error(
            written.span,
            format!("{name} wants a number from {least} to {most}, not \"{text}\""),
            format!("write {name}=\"10\""),
        );
        return None;
    };
    let node = Node::new(Value::Integer(number.into()), written.span);
    Some(node.named(name))
}

fn seconds(
    launcher: &Element<'_, '_>,
    name: &'static str,
    bounds: RangeInclusive<u64>,
    report: &mut Report,
) -> Option<Node> {
    let written = launcher.attribute(name)?;
    let text = written.text.trim();
    let meant = timespan::parse(name, text).ok().map(|time| time.as_secs());
    let (least, most) = (bounds.start(), bounds.end());
    match text.parse::<u64>() {
        Ok(secs) if bounds.contains(&secs) => {
            Some(Node::text(format!("{secs}s"), written.span).named(name))
        }
        _ => {
            let cure = match meant {
                Some(secs) => format!("did you mean {secs}?"),
                None => format!("write {name}=\"120\", from {least} to {most}"),
            };
            report.error(
                written.span,
                format!("{name} wants seconds from {least} to {most}, not \"{text}\""),
                cure,
            );
            None
        }
    }
}
