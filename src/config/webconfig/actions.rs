//! `<actions>`: the one thing that all triggers do.

use super::{
    super::{
        diagnostic::Report,
        document::{Node, Table, Value},
        keys,
    },
    Context,
    arguments::split,
    expand::Variables,
    launcher::unknown_variable,
    program,
    triggers::span_of_time,
    xml::{Element, Shape},
};

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
/// How long the worker must have been ready; absent means not at all, as it does in IIS.
pub(super) fn min_uptime(actions: &Element<'_, '_>, report: &mut Report) -> Node {
    let name = "minProcessExecutionTime";
    let written = actions.attribute(name);
    if let Some(written) = written.filter(|written| !written.text.trim().is_empty()) {
        let read = span_of_time(&written, name, report);
        return read.unwrap_or_else(|| Node::text("0s", written.span));
    }
    report.warning(
        actions.span(),
        "without minProcessExecutionTime a rule acts on a worker that has only just started",
        "add minProcessExecutionTime=\"00:01:00\", or longer if the app warms up longer",
    );
    Node::text("0s", actions.span())
}

/// The value of `do`; `None` if there is no action, or it was reported.
pub(super) fn action(
    actions: &Element<'_, '_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Node> {
    actions.check(&ACTIONS, report);
    let custom = actions.children_named("customAction").next();
    if let Some(custom) = &custom {
        custom.check(&CUSTOM, report);
    }
    let value = actions.attribute("value")?;
    let known = ["Recycle", "LogEvent", "CustomAction"];
    let text = value.text.trim();
    if text.is_empty() {
        return None;
    }
    let Some(word) = known.iter().find(|word| word.eq_ignore_ascii_case(text)) else {
        let cure = match keys::nearest(text, &known) {
            Some(near) => format!("did you mean {near}?"),
            None => "write Recycle, LogEvent or CustomAction".to_owned(),
        };
        report.error(value.span, format!("\"{text}\" is not an action"), cure);
        return None;
    };
    let single = |word: &str| Node::list(vec![Node::text(word, value.span)], value.span);
    match (*word, custom) {
        ("CustomAction", Some(custom)) => custom_action(&custom, context, report),
        ("CustomAction", None) => {
            report.error(
                actions.span(),
                "CustomAction has no program",
                "put <customAction exe=\"...\" parameters=\"...\" /> into <actions>",
            );
            None
        }
        (word, custom) => {
            if let Some(custom) = custom {
                report.warning(
                    custom.span(),
                    format!("customAction does not run: the action is {word}"),
                    "set value=\"CustomAction\", or remove <customAction>",
                );
            }
            Some(single(if word == "Recycle" { "recycle" } else { "log" }))
        }
    }
}

fn custom_action(
    custom: &Element<'_, '_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Node> {
    let exe = custom.need("exe", "/usr/local/bin/notify", report)?;
    let parameters = custom.attribute("parameters");
    let line = parameters.map_or("", |parameters| parameters.text);
    let lower = exe.text.to_ascii_lowercase();
    if lower.contains("daasconsole") || lower.contains("diaglauncher") {
        let only_collects = ["-collectlogs", "-collect "]
            .iter()
            .any(|word| format!("{} ", line.to_ascii_lowercase()).contains(word));
        let (word, does) = match only_collects {
            true => ("log", "the rule is logged, and nothing else is done"),
            false => ("recycle", "the worker is recycled without one"),
        };
        report.warning(
            exe.span,
            format!("App Service's diagnostics take no dump here: {does}"),
            "run a program of your own with exe and parameters if you need a dump",
        );
        let span = exe.span;
        return Some(Node::list(vec![Node::text(word, span)], span));
    }
    let variables = Variables {
        own: &[],
        env: context.around.env,
    };
    let expanded = variables.expand(exe.text);
    for name in &expanded.unknown {
        unknown_variable(name, exe.span, report);
    }
    let program = program::find(&expanded.text, exe.span, context, report);
    let mut argv = vec![Node::text(program, exe.span)];
    if let Some(parameters) = parameters {
        let words = split(parameters.text).into_iter();
        argv.extend(words.map(|word| Node::text(word, parameters.span)));
    }
    let mut run = Table::default();
    run.set("run", Node::list(argv, exe.span));
    let run = Node::new(Value::Table(run), exe.span);
    Some(Node::list(vec![run], exe.span))
}
