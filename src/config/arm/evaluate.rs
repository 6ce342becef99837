//! Works out expressions as far as that needs no Azure: names, and how texts are put together.

use std::rc::Rc;

use super::{
    super::{
        diagnostic::{Report, Span},
        document::{Entry, Node, Table, Value},
        keys,
    },
    functions,
    parameters::{Answer, Given, answer},
    parse::{Expression, is_expression, parse},
    view::entry,
};

/// What stands where an expression could not be worked out, which is reported.
pub(super) const UNRESOLVED: &str = "an expression";
/// Values nested deeper, or that refer to each other so often, are refused.
const DEEPEST: usize = 200;
/// So many values and pieces of text are copied for one file; variables can double each other.
const MOST_STEPS: usize = 200_000;

/// Where the names in a template get their values.
pub(super) struct Scope<'a> {
    /// The template's `parameters`.
    pub(super) declared: Option<&'a Table>,
    /// The template's `variables`.
    pub(super) variables: Option<&'a Table>,
    pub(super) values: Values<'a>,
}

/// What a template is deployed with.
pub(super) enum Values<'a> {
    /// The `parameters` of a deployment inside another template.
    Deployment(Option<&'a Table>, Rc<Scope<'a>>),
    Files(&'a Given),
}

/// What is needed to work out expressions.
pub(super) struct Work<'r> {
    pub(super) report: &'r mut Report,
    steps: usize,
    depth: usize,
}

/// It can't be worked out; why is in the report.
pub(super) struct Unresolved;

impl<'r> Work<'r> {
    pub(super) fn new(report: &'r mut Report) -> Self {
        Self {
            report,
            steps: 0,
            depth: 0,
        }
    }

    /// Does something whose mistakes are not told.
    pub(super) fn quietly<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let found = self.report.found();
        let done = act(self);
        self.report.forget_since(found);
        done
    }

    /// The value without any expression in it; what can't be worked out is reported.
    pub(super) fn resolve(&mut self, node: &Node, scope: &Scope<'_>) -> Node {
        let unresolved = Node::new(Value::Other(UNRESOLVED), node.span);
        self.deeper(node.span, |work| work.replace(node, scope))
            .unwrap_or(unresolved)
    }

    fn replace(&mut self, node: &Node, scope: &Scope<'_>) -> Result<Node, Unresolved> {
        self.step(node, 1)?;
        let value = match &node.value {
            Value::Text(text) if is_expression(text) => return self.expression(text, node, scope),
            Value::Text(text) => {
                self.step(node, text.len() / 64)?;
                match text.strip_prefix("[[") {
                    Some(rest) => Value::Text(format!("[{rest}")),
                    None => node.value.clone(),
                }
            }
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.resolve(item, scope)).collect())
            }
            Value::Table(table) => {
                let entries = table.0.iter().map(|entry| Entry {
                    key: entry.key.clone(),
                    key_span: entry.key_span,
                    node: self.resolve(&entry.node, scope),
                });
                Value::Table(Table(entries.collect()))
            }
            other => other.clone(),
        };
        Ok(Node::new(value, node.span))
    }

    fn expression(
        &mut self,
        text: &str,
        node: &Node,
        scope: &Scope<'_>,
    ) -> Result<Node, Unresolved> {
        let Some(parsed) = parse(text) else {
            return self.fail(
                node.span,
                format!("{} is not an expression that Azure reads", shown(text)),
                "write it like [parameters('name')]; a text that begins with [ has [[ there",
            );
        };
        self.evaluate(&parsed, node.span, scope)
    }

    /// The value of a parsed expression that stands at `span`.
    pub(super) fn evaluate(
        &mut self,
        expression: &Expression,
        span: Span,
        scope: &Scope<'_>,
    ) -> Result<Node, Unresolved> {
        self.deeper(span, |work| match expression {
            Expression::Number(number) => Ok(Node::new(Value::Integer(*number), span)),
            Expression::Text(text) => Ok(Node::text(text.as_str(), span)),
            Expression::Call {
                function,
                arguments,
                path,
            } => {
                let (value, rest) = match (function.to_ascii_lowercase().as_str(), &arguments[..]) {
                    ("parameters", [name]) => (work.parameter(name, span, scope)?, &path[..]),
                    ("variables", [name]) => work.variable(name, path, span, scope)?,
                    _ => {
                        let value = functions::call(function, arguments, span, scope, work)?;
                        (value, &path[..])
                    }
                };
                work.follow(value, rest, span, scope)
            }
        })
    }

    fn parameter(
        &mut self,
        name: &Expression,
        span: Span,
        scope: &Scope<'_>,
    ) -> Result<Node, Unresolved> {
        let name = self.name(name, span, scope)?;
        let declared = scope.declared.and_then(|table| entry(table, &name));
        let given = match &scope.values {
            Values::Files(given) => given.get(&name).cloned(),
            Values::Deployment(values, _) => values
                .and_then(|table| entry(table, &name))
                .and_then(|entry| answer(&entry.node)),
        };
        match (given, &scope.values) {
            (Some(Answer::Value(value)), Values::Deployment(_, outer)) => {
                return whole(self.resolve(&value, outer));
            }
            (Some(Answer::Value(value)), Values::Files(_)) => return self.copy(value),
            (Some(Answer::Secret(at)), _) => {
                return self.fail(
                    at,
                    format!("the parameter {name} is in a key vault, which only Azure can open"),
                    format!(
                        "give its value in one more parameters file: {{ \"parameters\": {{ \
                         \"{name}\": {{ \"value\": ... }} }} }}"
                    ),
                );
            }
            (None, _) => {}
        }
        let default = match declared.map(|entry| &entry.node.value) {
            Some(Value::Table(table)) => entry(table, "defaultValue"),
            _ => None,
        };
        match (default, declared) {
            (Some(default), _) => whole(self.resolve(&default.node, scope)),
            (None, None) if scope.declared.is_some_and(|table| !table.0.is_empty()) => {
                let names = scope.declared.map_or(Vec::new(), names);
                self.unknown("parameter", "parameters", &name, &names, span)
            }
            (None, _) => self.fail(
                span,
                format!("the parameter {name} has no value"),
                format!(
                    "give it in a parameters file: autoheal check TEMPLATE FILE, with {{ \
                     \"parameters\": {{ \"{name}\": {{ \"value\": ... }} }} }} in FILE; or write \
                     the value here"
                ),
            ),
        }
    }

    /// A variable, and what of `path` is still to be followed.
    fn variable<'p>(
        &mut self,
        name: &Expression,
        path: &'p [Expression],
        span: Span,
        scope: &Scope<'_>,
    ) -> Result<(Node, &'p [Expression]), Unresolved> {
        let name = self.name(name, span, scope)?;
        let Some(found) = scope.variables.and_then(|table| entry(table, &name)) else {
            let names = scope.variables.map_or(Vec::new(), names);
            return self.unknown("variable", "variables", &name, &names, span);
        };
        // What beside the path can't be worked out is no concern here.
        let (mut node, mut rest) = (&found.node, path);
        while let (Value::Table(table), [Expression::Text(key), more @ ..]) = (&node.value, rest) {
            let Some(next) = entry(table, key) else {
                break;
            };
            (node, rest) = (&next.node, more);
        }
        Ok((whole(self.resolve(node, scope))?, rest))
    }

    fn follow(
        &mut self,
        mut value: Node,
        path: &[Expression],
        span: Span,
        scope: &Scope<'_>,
    ) -> Result<Node, Unresolved> {
        for part in path {
            let key = self.evaluate(part, span, scope)?;
            let found = match (&value.value, &key.value) {
                (Value::Table(table), Value::Text(key)) => {
                    entry(table, key).map(|entry| entry.node.clone())
                }
                (Value::List(items), Value::Integer(at)) => usize::try_from(*at)
                    .ok()
                    .and_then(|at| items.get(at))
                    .cloned(),
                _ => None,
            };
            let Some(found) = found else {
                let what = match &key.value {
                    Value::Text(key) => format!("there is no \"{key}\" in this value"),
                    Value::Integer(at) => format!("there is no item {at} in this value"),
                    _ => "this value has nothing of that name".to_owned(),
                };
                let cure = "write the name of one of its properties, or the value itself";
                return self.fail(span, what, cure);
            };
            value = found;
        }
        whole(value)
    }

    fn name(
        &mut self,
        name: &Expression,
        span: Span,
        scope: &Scope<'_>,
    ) -> Result<String, Unresolved> {
        match self.evaluate(name, span, scope)?.value {
            Value::Text(name) => Ok(name),
            _ => self.fail(
                span,
                "a name in an expression is a text in single quotes",
                "write it like [parameters('name')]",
            ),
        }
    }

    fn unknown<T>(
        &mut self,
        noun: &str,
        section: &str,
        name: &str,
        known: &[&str],
        span: Span,
    ) -> Result<T, Unresolved> {
        let cure = match keys::nearest(name, known) {
            Some(near) => format!("did you mean '{near}'?"),
            None => {
                format!("add \"{name}\" to the template's \"{section}\", or write the value here")
            }
        };
        let what = format!("the template has no {noun} {name}");
        self.fail(span, what, cure)
    }

    fn copy(&mut self, node: Node) -> Result<Node, Unresolved> {
        self.step(&node, size(&node))?;
        Ok(node)
    }

    pub(super) fn step(&mut self, node: &Node, weight: usize) -> Result<(), Unresolved> {
        self.steps += weight;
        if self.steps > MOST_STEPS {
            return self.fail(
                node.span,
                "the values of this template are too large to work out",
                "write the auto-heal rules out, or give the siteConfig alone",
            );
        }
        Ok(())
    }

    fn deeper<T>(
        &mut self,
        span: Span,
        act: impl FnOnce(&mut Self) -> Result<T, Unresolved>,
    ) -> Result<T, Unresolved> {
        if self.depth > DEEPEST {
            return self.fail(
                span,
                "expressions refer to each other without end",
                "write the value out in one of them",
            );
        }
        self.depth += 1;
        let done = act(self);
        self.depth -= 1;
        done
    }

    pub(super) fn fail<T>(
        &mut self,
        span: Span,
        what: impl Into<String>,
        cure: impl Into<String>,
    ) -> Result<T, Unresolved> {
        self.report.error(span, what, cure);
        Err(Unresolved)
    }
}

/// A value, unless it is what stands for one that could not be worked out.
fn whole(node: Node) -> Result<Node, Unresolved> {
    match node.value {
        Value::Other(UNRESOLVED) => Err(Unresolved),
        _ => Ok(node),
    }
}

fn names(table: &Table) -> Vec<&str> {
    table.0.iter().map(|entry| entry.key.as_str()).collect()
}

/// How much copying it takes.
pub(super) fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Table(table) => table.0.iter().map(|entry| size(&entry.node)).sum(),
        Value::Text(text) => text.len() / 64,
        _ => 0,
    }
}

/// An expression, short enough for a sentence.
pub(super) fn shown(text: &str) -> String {
    const MOST_CHARS: usize = 60;
    let plain: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match plain.char_indices().nth(MOST_CHARS) {
        Some((at, _)) => format!("{}...", &plain[..at]),
        None => plain,
    }
}
