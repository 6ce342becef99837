//! `<environmentVariables>` of a launcher.

use super::{
    super::{
        app_service::expand::Variables,
        diagnostic::{Report, Span},
        document::{Entry, Node, Table, Value},
    },
    launcher::tell,
    xml::{self, Element, Shape},
};

const VARIABLES: Shape = Shape {
    attributes: &[],
    children: &["environmentVariable", "clear", "remove"],
    wrong: &[(
        "add",
        "write <environmentVariable name=\"NAME\" value=\"VALUE\" />",
    )],
};
const VARIABLE: Shape = Shape {
    attributes: &["name", "value"],
    children: &[],
    wrong: &[("key", "write name")],
};

const REMOVE: Shape = Shape {
    attributes: &["name"],
    children: &[],
    wrong: &[("key", "write name")],
};

/// So many variables are read; each may refer to all others.
const MOST_VARIABLES: usize = 500;

/// A variable as it is written.
pub(super) struct Own {
    pub(super) name: String,
    pub(super) value: String,
    name_span: Span,
    value_span: Span,
}

/// The variables that the launcher's lists leave: `<clear />` and `<remove>` take earlier ones.
pub(super) fn read(launcher: &Element<'_, '_>, report: &mut Report) -> Vec<Own> {
    let mut own: Vec<Own> = Vec::new();
    for list in launcher.children_named("environmentVariables") {
        list.check(&VARIABLES, report);
        for child in list.entries(report) {
            match child.name() {
                "clear" => own.clear(),
                "remove" => {
                    child.check(&REMOVE, report);
                    if let Some(name) = child.need("name", "NAME", report) {
                        let name = name.text.trim();
                        own.retain(|own| !own.name.eq_ignore_ascii_case(name));
                    }
                }
                "environmentVariable" if own.len() == MOST_VARIABLES => {
                    report.error(
                        child.span(),
                        format!("more than {MOST_VARIABLES} variables"),
                        "give the app a file of settings, and its name in a variable",
                    );
                    return own;
                }
                "environmentVariable" => own.extend(variable(&child, report)),
                _ => {}
            }
        }
    }
    own
}

fn variable(element: &Element<'_, '_>, report: &mut Report) -> Option<Own> {
    element.check(&VARIABLE, report);
    let name = element.need("name", "NAME", report)?;
    let value = element.attribute("value");
    Some(Own {
        name: name.text.trim().to_owned(),
        value: value.map_or_else(String::new, |value| value.text.to_owned()),
        name_span: name.span,
        value_span: value.map_or(name.span, |value| value.span),
    })
}

/// Sets them as the worker's, expanded, and what the app's server needs beside them.
pub(super) fn set(
    asp: bool,
    own: &[Own],
    variables: &Variables<'_>,
    span: Span,
    table: &mut Table,
    report: &mut Report,
) {
    for variable in own {
        let expanded = variables.expand_own(&variable.name, &variable.value);
        tell(&expanded, variable.value_span, report);
        fixed_port(variable, table, report);
        windows_path(variable, report);
        let env = table.at(&["worker", "env"], span);
        env.0.retain(|entry| entry.key != variable.name);
        env.0.push(Entry {
            key: variable.name.clone(),
            key_span: variable.name_span,
            node: Node::text(expanded.text, variable.value_span),
        });
    }
    if !asp {
        return;
    }
    for (name, value) in [
        ("ASPNETCORE_URLS", "http://127.0.0.1:{port}"),
        ("ASPNETCORE_FORWARDEDHEADERS_ENABLED", "true"),
    ] {
        if !own.iter().any(|own| own.name.eq_ignore_ascii_case(name)) {
            let env = table.at(&["worker", "env"], span);
            env.set(name, Node::text(value, span));
        }
    }
}

/// On Windows folders are separated by another sign.
fn windows_path(variable: &Own, report: &mut Report) {
    let is_path = variable.name.to_ascii_uppercase().ends_with("PATH");
    if is_path && variable.value.contains(';') {
        report.warning(
            variable.value_span,
            "a semicolon separates no folders here: it is a part of their names",
            format!(
                "write value=\"{}\"",
                xml::escape(&variable.value.replace(';', ":"))
            ),
        );
    }
}

/// The module keeps a port that the file names.
fn fixed_port(variable: &Own, table: &mut Table, report: &mut Report) {
    if !variable.name.eq_ignore_ascii_case("ASPNETCORE_PORT") {
        return;
    }
    let span = variable.value_span;
    match variable.value.trim().parse::<u16>() {
        Ok(port) if port > 0 => {
            let worker = table.at(&["worker"], span);
            worker.set("port", Node::new(Value::Integer(port.into()), span));
        }
        _ => report.error(
            span,
            "ASPNETCORE_PORT is not a port",
            "write a port from 1 to 65535, or remove the variable: a free one is chosen",
        ),
    }
}
