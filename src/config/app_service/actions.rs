//! The action: the one thing that all triggers do.

use super::{
    super::{
        diagnostic::Report,
        document::{Node, Table, Value},
        keys,
    },
    Context, Part,
    arguments::split,
    expand::{Variables, unknown_variable},
    program,
    triggers::span_of_time,
};

/// How long the worker must have been ready; absent means not at all, as it does in IIS.
pub(in crate::config) fn min_uptime(actions: &impl Part, report: &mut Report) -> Node {
    let name = "minProcessExecutionTime";
    let written = actions.value(name);
    if let Some(written) = written.filter(|written| !written.text.trim().is_empty()) {
        let read = span_of_time(&written, name, report);
        return read.unwrap_or_else(|| Node::text("0s", written.span));
    }
    report.warning(
        actions.span(),
        "without minProcessExecutionTime a rule acts on a worker that has only just started",
        format!(
            "add {}, or longer if the app warms up longer",
            actions.pair(name, "00:01:00")
        ),
    );
    Node::text("0s", actions.span())
}

/// The value of `do`; `None` if there is no action, or it was reported. `key` is what the format
/// calls the action's kind.
pub(in crate::config) fn action<P: Part>(
    actions: &P,
    key: &'static str,
    custom: Option<&P>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Node> {
    let value = actions.value(key)?;
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
        ("CustomAction", Some(custom)) => custom_action(custom, context, report),
        ("CustomAction", None) => {
            let program = actions.nested("customAction", &[("exe", "..."), ("parameters", "...")]);
            report.error(
                actions.span(),
                "CustomAction has no program",
                format!("put {program} into {}", actions.shown()),
            );
            None
        }
        (word, custom) => {
            if let Some(custom) = custom {
                let set = actions.pair(key, "CustomAction");
                report.warning(
                    custom.span(),
                    format!("customAction does not run: the action is {word}"),
                    format!("set {set}, or remove {}", custom.shown()),
                );
            }
            Some(single(if word == "Recycle" { "recycle" } else { "log" }))
        }
    }
}

fn custom_action(custom: &impl Part, context: &Context<'_>, report: &mut Report) -> Option<Node> {
    let exe = custom.need("exe", "/usr/local/bin/notify", report)?;
    let parameters = custom.value("parameters");
    let line = parameters.map_or("", |parameters| parameters.text);
    let lower = exe.text.to_ascii_lowercase();
    let on_linux = ["memorydump", "profiler"].iter().any(|word| {
        let rest = lower.trim().strip_prefix(word);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    });
    if on_linux || lower.contains("daasconsole") || lower.contains("diaglauncher") {
        let only_collects = match on_linux {
            true => !lower.contains("kill"),
            false => ["-collectlogs", "-collect "]
                .iter()
                .any(|word| format!("{} ", line.to_ascii_lowercase()).contains(word)),
        };
        let (words, does): (&[_], _) = match only_collects {
            true => (&["capture"], "what is known of the worker is kept instead"),
            false => (
                &["capture", "recycle"],
                "what is known of the worker is kept before it is recycled",
            ),
        };
        report.warning(
            exe.span,
            format!("App Service's diagnostics take no dump here: {does}"),
            "run a program of your own with exe and parameters if you need a dump",
        );
        let span = exe.span;
        let words = words.iter().map(|word| Node::text(*word, span));
        return Some(Node::list(words.collect(), span));
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
