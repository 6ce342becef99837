//! `worker.concurrency`: how many requests a worker has at once.

use super::{
    diagnostic::Report,
    document::{Node, Value},
    reader::{Fields, count, unwanted},
};

/// How many requests a worker has at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// As many as come.
    Unlimited,
    /// At most so many.
    Fixed(u32),
    /// As many as it can do, which is found out.
    Found {
        /// Never fewer, but for moments.
        min: u32,
        /// Never more.
        max: u32,
    },
}

impl Concurrency {
    /// `"auto"`.
    pub(super) const AUTO: Self = Self::Found { min: 4, max: 1000 };
}

/// More need no limit.
pub(super) const MOST: u32 = 100_000;

/// Reads a number, `"auto"` or a table.
pub(super) fn concurrency(report: &mut Report, name: &str, node: &Node) -> Option<Concurrency> {
    match &node.value {
        Value::Integer(_) => count(1..=MOST)(report, name, node).map(Concurrency::Fixed),
        Value::Text(word) if word == "auto" => Some(Concurrency::AUTO),
        Value::Table(_) => between(report, node),
        _ => {
            let cure = "write concurrency = 16, \"auto\", or { min = 4, max = 200 }";
            unwanted(
                report,
                name,
                node,
                "a whole number, \"auto\" or a table",
                cure,
            )
        }
    }
}

fn between(report: &mut Report, node: &Node) -> Option<Concurrency> {
    let fields = Fields::of(node, "worker.concurrency", report)?;
    let Concurrency::Found { mut min, mut max } = Concurrency::AUTO else {
        return None;
    };
    fields.read(report, "min", &mut min, count(1..=MOST));
    fields.read(report, "max", &mut max, count(1..=MOST));
    if max < min {
        let wrong = fields.get("max").or_else(|| fields.get("min"));
        report.error(
            wrong.map_or(node.span, |node| node.span),
            format!("worker.concurrency.max ({max}) is less than its min ({min})"),
            "raise max, or lower min",
        );
        return None;
    }
    Some(Concurrency::Found { min, max })
}
