//! Reads how many workers serve at the same time: `worker.count` and `recycle.max_unavailable`.

use std::time::Duration;

use super::{
    defaults::secs,
    diagnostic::Report,
    document::{Node, Value},
    model::{Port, Settings},
    reader::{Fields, count, duration, unwanted},
};
use crate::decide::policy::{Count, Follow};

/// More on one machine are no help: a worker may have threads and processes of its own.
const MOST: u32 = 64;

/// A number that follows the load, but for its most.
const FOLLOW: Follow = Follow {
    min: 1,
    max: 1,
    in_flight: 20,
    grow_after: secs(1),
    shrink_after: secs(60),
};

/// Reads both into the settings.
pub(super) fn read(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let to = &mut settings.policy.instances;
    if let Some(fields) = top.section_quietly("worker") {
        fields.read(report, "count", &mut to.count, how_many);
    }
    if let Some(fields) = top.section_quietly("recycle") {
        let most = &mut to.max_unavailable;
        fields.read(report, "max_unavailable", most, count(1..=MOST));
    }
}

fn how_many(report: &mut Report, name: &str, node: &Node) -> Option<Count> {
    match &node.value {
        Value::Integer(_) => count(1..=MOST)(report, name, node).map(Count::Fixed),
        Value::Table(_) => following(report, node).map(Count::Follow),
        _ => {
            let cure = "write count = 3, or count = { min = 1, max = 4, in_flight = 20 }";
            unwanted(report, name, node, "a whole number or a table", cure)
        }
    }
}

fn following(report: &mut Report, node: &Node) -> Option<Follow> {
    let fields = Fields::of(node, "worker.count", report)?;
    let mut to = FOLLOW;
    fields.read(report, "min", &mut to.min, count(1..=MOST));
    fields.read(report, "in_flight", &mut to.in_flight, count(1..=100_000));
    let after = || duration(Duration::from_millis(100)..=secs(3600));
    fields.read(report, "grow_after", &mut to.grow_after, after());
    fields.read(report, "shrink_after", &mut to.shrink_after, after());
    if fields.get("max").is_none() {
        report.error(
            node.span,
            "worker.count has no max: how many workers are there room for",
            "add it, like count = { min = 1, max = 4, in_flight = 20 }",
        );
        return None;
    }
    to.max = fields.find(report, "max", count(1..=MOST))?;
    if to.max < to.min {
        report.error(
            fields.get("max").map_or(node.span, |node| node.span),
            format!("worker.count.max is less than its min ({})", to.min),
            "raise max, or lower min",
        );
        return None;
    }
    Some(to)
}

/// Whether several can listen at the same time.
pub(super) fn check(top: &Fields<'_>, settings: &Settings, report: &mut Report) {
    let (_, most) = settings.policy.instances.bounds();
    let (Port::Fixed(port), true) = (settings.worker.port, most > 1) else {
        return;
    };
    let Some(fields) = top.section_quietly("worker") else {
        return;
    };
    report.error(
        fields.get("count").map_or(fields.span, |node| node.span),
        format!("{most} workers can't all listen on port {port}"),
        "set worker.port = \"auto\" and let the worker listen on $PORT, or \"unix\"; or leave \
         count out",
    );
}
