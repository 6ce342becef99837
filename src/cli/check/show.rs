//! What a check found, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Checked;
use crate::config::{Diagnostic, Loaded, Setting, Severity, describe, rule_sentence};

/// A value that is longer pushes what follows it out of its column.
const COLUMN_MOST: usize = 40;

/// Everything: every setting in force, what is wrong, and what will be done. What matters most
/// comes last, where a terminal shows it.
pub(super) fn text(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    if let Some(loaded) = &checked.loaded {
        table(loaded, out)?;
        writeln!(out)?;
    }
    sentences(checked, out)
}

/// What is wrong, and what will be done.
pub(super) fn sentences(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    for diagnostic in &checked.found {
        writeln!(out, "{}", diagnostic.render(false))?;
    }
    if let Some(loaded) = &checked.loaded {
        for line in describe(&loaded.settings) {
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    let errors = checked
        .found
        .iter()
        .filter(|found| found.is_error())
        .count();
    let noun = if errors == 1 { "error" } else { "errors" };
    writeln!(out, "{errors} {noun}: this configuration would not be used")
}

/// Every setting in force, but those of the rules that stand there by default.
fn table(loaded: &Loaded, out: &mut dyn Write) -> io::Result<()> {
    let rules = &loaded.settings.policy.rules;
    let own: Vec<_> = rules
        .iter()
        .filter(|rule| !rule.proactive)
        .map(|rule| rule.name.as_str())
        .collect();
    let mut rows: Vec<[String; 3]> = loaded.of(None).map(row).collect();
    for rule in own {
        rows.push([format!("rule \"{rule}\""), String::new(), String::new()]);
        rows.extend(loaded.of(Some(rule)).map(|one| {
            let [key, value, said] = row(one);
            [format!("  {key}"), value, said]
        }));
    }
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths
            .filter(|width| *width <= COLUMN_MOST)
            .max()
            .unwrap_or(0)
    };
    let (keys, values) = (width(0), width(1));
    for [key, value, said] in &rows {
        let line = format!("{key:keys$}  {value:values$}  {said}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn row(one: &Setting) -> [String; 3] {
    [
        one.key.clone(),
        one.shown().to_owned(),
        one.said.to_string(),
    ]
}

/// One object. Its names and what they mean are an interface; README describes it.
pub(super) fn json(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    let diagnostics: Vec<_> = checked.found.iter().map(diagnostic).collect();
    let (mut rules, mut settings) = (Vec::new(), Vec::new());
    if let Some(loaded) = &checked.loaded {
        let policy = &loaded.settings.policy;
        rules.extend(policy.rules.iter().map(|rule| {
            let own = loaded.of(Some(&rule.name)).map(setting);
            json!({
                "name": rule.name,
                "sentence": rule_sentence(rule, policy),
                "proactive": rule.proactive,
                "settings": own.collect::<Vec<_>>(),
            })
        }));
        settings.extend(loaded.of(None).map(setting));
    }
    let whole = json!({
        "ok": checked.loaded.is_some(),
        "diagnostics": diagnostics,
        "rules": rules,
        "settings": settings,
    });
    writeln!(out, "{whole}")
}

fn diagnostic(found: &Diagnostic) -> Value {
    let place = found.place.as_ref();
    let at = place.map(|place| place.line_column());
    json!({
        "severity": match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "what": found.what,
        "file": place.map(|place| &place.source.name),
        "line": at.map(|(line, _)| line),
        "column": at.map(|(_, column)| column),
        "excerpt": place.map(|place| place.lines()),
        "cure": found.cure,
    })
}

fn setting(one: &Setting) -> Value {
    json!({
        "key": one.key,
        "value": one.value.as_ref().filter(|_| !one.secret),
        "source": one.said.to_string(),
    })
}
