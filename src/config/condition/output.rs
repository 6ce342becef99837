//! The condition that looks at what the worker prints.

use std::time::Duration;

use super::COUNTS;
use crate::{
    config::{
        defaults::secs,
        diagnostic::Report,
        document::Node,
        reader::{Fields, count, duration, text, unit},
        resolve::window,
    },
    decide::trigger::Trigger,
    units::{LinePattern, UnitError},
};

/// How far back to look where nothing is said: with one line, the time to act on it.
pub(in crate::config) const WINDOW: Duration = secs(60);

/// Reads `when.output`.
pub(super) fn output(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.output", report)?;
    let contains = fields.find(report, "contains", pattern(LinePattern::contains));
    let regex = fields.find(report, "regex", pattern(LinePattern::regex));
    let (mut least, mut back) = (1, WINDOW);
    fields.read(report, "count", &mut least, count(COUNTS));
    fields.read(report, "window", &mut back, duration(window()));
    let line = match (fields.get("contains"), fields.get("regex")) {
        (Some(_), Some(node)) => {
            report.error(
                node.span,
                "a line is looked at in one way",
                "keep contains or regex; make a second [[rule]] for the other",
            );
            None
        }
        (None, None) => {
            report.missing(
                Some(fields.span),
                "when.output does not say which lines",
                "add contains = \"OutOfMemoryError\", or regex = \"...\"",
            );
            None
        }
        _ => contains.or(regex),
    };
    Some(Trigger::Output {
        line: line?,
        count: least,
        window: back,
    })
}

fn pattern(
    make: impl Fn(&str) -> Result<LinePattern, UnitError>,
) -> impl Fn(&mut Report, &str, &Node) -> Option<LinePattern> {
    move |report, name, node| {
        let read = text(report, name, node)?;
        unit(report, node, make(&read))
    }
}
