//! The functions of expressions that need no Azure.

use super::{
    super::{
        diagnostic::Span,
        document::{Node, Value},
    },
    evaluate::{Scope, Unresolved, Work, shown, size},
    parse::Expression,
};

/// The value of a call that stands at `span`.
pub(super) fn call(
    function: &str,
    arguments: &[Expression],
    span: Span,
    scope: &Scope<'_>,
    work: &mut Work<'_>,
) -> Result<Node, Unresolved> {
    let lower = function.to_ascii_lowercase();
    if !KNOWN.contains(&lower.as_str()) {
        let text = shown(work.report.text(span));
        return work.fail(
            span,
            format!("{function}(...) can't be worked out here: {text}"),
            "write the value in its place; parameters, variables, concat, format and if are \
             worked out",
        );
    }
    if let ("if", [condition, yes, no]) = (lower.as_str(), arguments) {
        let condition = work.evaluate(condition, span, scope)?;
        return match condition.value {
            Value::Flag(true) => work.evaluate(yes, span, scope),
            Value::Flag(false) => work.evaluate(no, span, scope),
            _ => unfit(function, span, work),
        };
    }
    let mut values = Vec::with_capacity(arguments.len());
    for argument in arguments {
        values.push(work.evaluate(argument, span, scope)?);
    }
    let Some(value) = apply(&lower, &values) else {
        return unfit(function, span, work);
    };
    let node = Node::new(value, span);
    work.step(&node, size(&node))?;
    Ok(node)
}

const KNOWN: [&str; 14] = [
    "and", "bool", "concat", "equals", "false", "format", "if", "int", "not", "null", "or",
    "string", "tolower", "true",
];

fn unfit<T>(function: &str, span: Span, work: &mut Work<'_>) -> Result<T, Unresolved> {
    let text = shown(work.report.text(span));
    work.fail(
        span,
        format!("{function}(...) can't take what it is given in {text}"),
        "write the value in its place, or look at its parameters and variables",
    )
}

/// `None`: the arguments are not what the function takes.
fn apply(function: &str, values: &[Node]) -> Option<Value> {
    let values: Vec<&Value> = values.iter().map(|node| &node.value).collect();
    Some(match (function, &values[..]) {
        ("true", []) => Value::Flag(true),
        ("false", []) => Value::Flag(false),
        ("null", []) => Value::Null,
        ("not", [Value::Flag(flag)]) => Value::Flag(!flag),
        ("and", flags) => Value::Flag(all_flags(flags)?.into_iter().all(|flag| flag)),
        ("or", flags) => Value::Flag(all_flags(flags)?.into_iter().any(|flag| flag)),
        ("equals", [one, other]) => Value::Flag(same(one, other)),
        ("bool", [Value::Flag(flag)]) => Value::Flag(*flag),
        ("bool", [Value::Text(text)]) => match text.to_ascii_lowercase().as_str() {
            "true" => Value::Flag(true),
            "false" => Value::Flag(false),
            _ => return None,
        },
        ("int", [Value::Integer(number)]) => Value::Integer(*number),
        ("int", [Value::Text(text)]) => Value::Integer(text.trim().parse().ok()?),
        ("string", [value]) => Value::Text(as_text(value)?),
        ("tolower", [Value::Text(text)]) => Value::Text(text.to_lowercase()),
        ("concat", [Value::List(_), ..]) => {
            let mut joined = Vec::new();
            for value in &values {
                let Value::List(items) = value else {
                    return None;
                };
                joined.extend(items.iter().cloned());
            }
            Value::List(joined)
        }
        ("concat", [_, ..]) => {
            let texts: Option<Vec<_>> = values.iter().map(|value| as_text(value)).collect();
            Value::Text(texts?.concat())
        }
        ("format", [Value::Text(pattern), values @ ..]) => Value::Text(format(pattern, values)?),
        _ => return None,
    })
}

fn all_flags(values: &[&Value]) -> Option<Vec<bool>> {
    let flags = values.iter().map(|value| match value {
        Value::Flag(flag) => Some(*flag),
        _ => None,
    });
    flags.collect()
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        // As .NET writes them.
        Value::Flag(true) => Some("True".to_owned()),
        Value::Flag(false) => Some("False".to_owned()),
        _ => None,
    }
}

/// `{0}` and so on; `{{` is a brace. Widths and formats are not read.
fn format(pattern: &str, values: &[&Value]) -> Option<String> {
    let mut read = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        read.push_str(&rest[..at]);
        let doubled = [("{{", '{'), ("}}", '}')];
        let doubled = doubled.iter().find(|(two, _)| rest[at..].starts_with(two));
        if let Some((_, brace)) = doubled {
            read.push(*brace);
            rest = &rest[at + 2..];
            continue;
        }
        let (index, after) = rest[at..].strip_prefix('{')?.split_once('}')?;
        let value = values.get(index.trim().parse::<usize>().ok()?)?;
        read.push_str(&as_text(value)?);
        rest = after;
    }
    Some(read + rest)
}

/// Whether two values are the same, wherever they stand.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Flag(one), Value::Flag(other)) => one == other,
        (Value::Integer(one), Value::Integer(other)) => one == other,
        (Value::Text(one), Value::Text(other)) => one == other,
        (Value::Null, Value::Null) => true,
        (Value::List(one), Value::List(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| same(&one.value, &other.value))
        }
        (Value::Table(one), Value::Table(other)) => {
            let mut pairs = one.0.iter().zip(&other.0);
            one.0.len() == other.0.len()
                && pairs.all(|(one, other)| {
                    one.key.eq_ignore_ascii_case(&other.key)
                        && same(&one.node.value, &other.node.value)
                })
        }
        _ => false,
    }
}
