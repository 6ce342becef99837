//! Parameters files: the values that a template is deployed with.

use super::{
    super::{
        diagnostic::{Report, Span},
        document::{Node, Table, Value},
        keys,
    },
    view::entry,
};

/// What all parameters files give, later ones winning.
#[derive(Default)]
pub(in crate::config) struct Given(Vec<Parameter>);

struct Parameter {
    name: String,
    name_span: Span,
    value: Answer,
}

/// What is known of a parameter.
#[derive(Clone)]
pub(super) enum Answer {
    /// It is in a key vault, which only Azure can open.
    Secret(Span),
    Value(Node),
}

impl Given {
    /// Takes the values of a parameters file; `false`: it is none.
    pub(in crate::config) fn take(&mut self, root: &Node, report: &mut Report) -> bool {
        let Some(values) = values(root) else {
            return false;
        };
        for one in &values.0 {
            if let Some(value) = answer(&one.node) {
                self.0.push(Parameter {
                    name: one.key.clone(),
                    name_span: one.key_span,
                    value,
                });
            } else {
                report.error(
                    one.key_span,
                    format!("the parameter {} has no value", one.key),
                    format!("write \"{}\": {{ \"value\": ... }}", one.key),
                );
            }
        }
        true
    }

    /// Warns that nothing takes the values.
    pub(in crate::config) fn warn_without_template(&self, report: &mut Report) {
        if let Some(first) = self.0.first() {
            report.warning(
                first.name_span,
                "these are parameters, and the template that takes them is not given",
                "give both files: autoheal check template.json template.parameters.json",
            );
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Answer> {
        let mut last_first = self.0.iter().rev();
        last_first
            .find(|one| one.name.eq_ignore_ascii_case(name))
            .map(|one| &one.value)
    }

    /// Warns of values that the template has no parameter for, as Azure refuses them.
    pub(super) fn warn_of_undeclared(&self, declared: &Table, report: &mut Report) {
        let known: Vec<_> = declared.0.iter().map(|one| one.key.as_str()).collect();
        for one in &self.0 {
            if entry(declared, &one.name).is_some() {
                continue;
            }
            let cure = match keys::nearest(&one.name, &known) {
                Some(near) => format!("did you mean {near}?"),
                None => "remove it, or add it to the template's \"parameters\"".to_owned(),
            };
            let what = format!("the template has no parameter {}", one.name);
            report.warning(one.name_span, what, cure);
        }
    }
}

/// The value of one entry of `parameters`; `None`: it has none.
pub(super) fn answer(node: &Node) -> Option<Answer> {
    let Value::Table(table) = &node.value else {
        return None;
    };
    match (entry(table, "value"), entry(table, "reference")) {
        (Some(value), _) => Some(Answer::Value(value.node.clone())),
        (None, Some(reference)) => Some(Answer::Secret(reference.key_span)),
        (None, None) => None,
    }
}

/// The entries of a parameters file, known by its `$schema` or by its shape.
fn values(root: &Node) -> Option<&Table> {
    let Value::Table(top) = &root.value else {
        return None;
    };
    let schema = entry(top, "$schema").and_then(|entry| entry.node.as_text());
    let says_so = schema.is_some_and(|text| text.to_ascii_lowercase().contains("parameters.json"));
    let inner = match entry(top, "parameters").map(|entry| &entry.node.value) {
        Some(Value::Table(inner)) => Some(inner),
        _ => None,
    };
    if says_so {
        return inner;
    }
    let is_template = ["resources", "properties", "type"]
        .iter()
        .any(|key| entry(top, key).is_some());
    let candidate = inner.unwrap_or(top);
    let all_given = candidate.0.iter().all(|one| answer(&one.node).is_some());
    (all_given && !candidate.0.is_empty() && !is_template).then_some(candidate)
}
