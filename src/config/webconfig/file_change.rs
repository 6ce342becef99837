//! `<recycleOnFileChange>` of a launcher: a rule that watches the files it names.

use super::{
    super::{
        app_service::expand::Variables,
        diagnostic::{Report, Span},
        document::{Node, Table, Value},
    },
    launcher::tell,
    xml::{Element, Shape},
};

const FILES: Shape = Shape {
    attributes: &[],
    children: &["file", "clear", "remove"],
    wrong: &[
        ("add", "write <file path=\"appsettings.json\" />"),
        ("path", "put it into <file path=\"...\" />"),
    ],
};
const FILE: Shape = Shape {
    attributes: &["path"],
    children: &[],
    wrong: &[("name", "write path")],
};

/// Adds the rule to those of `table`.
pub(super) fn read(
    launcher: &Element<'_, '_>,
    variables: &Variables<'_>,
    table: &mut Table,
    report: &mut Report,
) {
    for list in launcher.children_named("recycleOnFileChange") {
        list.check(&FILES, report);
        let mut files: Vec<(String, Span)> = Vec::new();
        for child in list.entries(report) {
            match child.name() {
                "clear" => files.clear(),
                "file" => {
                    child.check(&FILE, report);
                    files.extend(path(&child, variables, report));
                }
                "remove" => {
                    child.check(&FILE, report);
                    let gone = path(&child, variables, report);
                    files.retain(|(file, _)| gone.as_ref().is_none_or(|(gone, _)| gone != file));
                }
                _ => {}
            }
        }
        if !files.is_empty() {
            table.append("rule", rule(files, list.span()));
        }
    }
}

fn path(
    file: &Element<'_, '_>,
    variables: &Variables<'_>,
    report: &mut Report,
) -> Option<(String, Span)> {
    let written = file.need("path", "appsettings.json", report)?;
    let expanded = variables.expand(written.text.trim());
    tell(&expanded, written.span, report);
    Some((expanded.text.replace('\\', "/"), written.span))
}

fn rule(files: Vec<(String, Span)>, span: Span) -> Node {
    let paths = files.into_iter().map(|(path, span)| Node::text(path, span));
    let paths = Node::list(paths.collect(), span).named("recycleOnFileChange");
    let mut rule = Table::default();
    rule.set("name", Node::text("recycleOnFileChange", span));
    rule.at(&["when", "file"], span).set("path", paths);
    rule.set("do", Node::list(vec![Node::text("recycle", span)], span));
    Node::new(Value::Table(rule), span)
}
