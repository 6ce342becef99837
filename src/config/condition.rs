//! Reads a rule's `when`: one condition, with its bounds and what makes it senseless.

mod due;
mod leak;
mod level;
mod output;

pub(super) use self::{
    due::parsed, leak::HORIZON as LEAK_HORIZON, output::WINDOW as OUTPUT_WINDOW,
};
use std::{ops::RangeInclusive, time::Duration};

use super::{
    defaults,
    defaults::secs,
    diagnostic::Report,
    document::{Node, Value},
    keys,
    reader::{Fields, count, duration, one_or_more, size, text, unit, unwanted},
    resolve::{statuses, window},
};
use crate::{
    decide::{
        observation::Measure,
        trigger::{Filter, MemoryLimit, Trigger},
    },
    units::{ByteSize, Share, StatusItem, StatusSet},
};

const COUNTS: RangeInclusive<u32> = 1..=1_000_000_000;

/// Reads `when`.
pub(super) fn condition(node: &Node, report: &mut Report) -> Option<Trigger> {
    one(node, true, report)
}

/// Reads `when.all`: a list of conditions, each like a `when` of its own.
fn all(node: &Node, outermost: bool, report: &mut Report) -> Option<Trigger> {
    let cure = "write all = [{ status = { ... } }, { cpu = { ... } }]";
    let Value::List(parts) = &node.value else {
        return unwanted(report, "when.all", node, "a list of conditions", cure);
    };
    if !outermost {
        report.error(
            node.span,
            "all stands in an all",
            "put its conditions beside the others",
        );
        return None;
    }
    if parts.len() < 2 {
        report.error(node.span, "all has fewer than two conditions", cure);
        return None;
    }
    let read: Vec<_> = parts.iter().map(|part| one(part, false, report)).collect();
    read.into_iter().collect::<Option<_>>().map(Trigger::All)
}

fn one(node: &Node, outermost: bool, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when", report)?;
    let present: Vec<_> = keys::of("when")
        .iter()
        .filter_map(|key| fields.get(key).map(|node| (*key, node)))
        .collect();
    if let Some((_, second)) = present.get(1) {
        report.error(
            second.span,
            "a rule has one condition",
            "make a second [[rule]] for this one, or write when.all = [{ ... }, { ... }] if both \
             must hold at the same time",
        );
    }
    if matches!(&node.value, Value::Table(table) if table.0.is_empty()) {
        report.missing(
            Some(node.span),
            "when has no condition",
            format!("add one of {}", keys::of("when").join(", ")),
        );
    }
    // Every one is read, so that all that is wrong is said.
    let read = present.into_iter().map(|(key, node)| match key {
        "requests" => requests(node, report),
        "status" => status(node, report),
        "slow" => slow(node, report),
        "abandoned" => abandoned(node, report),
        "output" => output::output(node, report),
        "memory" => memory(node, report),
        "leak" => leak::leak(node, report),
        "cpu" => level::cpu(node, report),
        "descriptors" => level::number("when.descriptors", Measure::Descriptors, node, report),
        "threads" => level::number("when.threads", Measure::Threads, node, report),
        "connections" => level::number("when.connections", Measure::Connections, node, report),
        "pressure" => level::pressure(node, report),
        "age" => due::age(node, report),
        "schedule" => due::schedule(node, report),
        "file" => due::file(node, report),
        _ => all(node, outermost, report),
    });
    let read: Vec<_> = read.collect();
    read.into_iter().next().flatten()
}

fn requests(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.requests", report)?;
    if let Some(share) = fields.get("share") {
        return part_of_all(&fields, share, report);
    }
    let count = fields.need(report, "count", "100000", count(COUNTS));
    let window = match fields.get("window") {
        Some(_) => Some(fields.find(report, "window", duration(window()))?),
        None => None,
    };
    let filter = filter(&fields, report)?;
    Some(Trigger::Requests {
        count: count?,
        share: None,
        window,
        filter,
    })
}

/// Requests that are a share of all: it needs a window, and must leave some out.
fn part_of_all(fields: &Fields<'_>, node: &Node, report: &mut Report) -> Option<Trigger> {
    let (count, share, window) = rate(fields, report);
    let filter = filter(fields, report)?;
    let which = ["path", "except", "methods"];
    if which.iter().all(|key| fields.get(key).is_none()) {
        report.error(
            node.span,
            "every request counts, and their share of all requests is always 100%",
            "add path, except or methods to say which of them, or remove share",
        );
        return None;
    }
    Some(Trigger::Requests {
        count: count?,
        share: share?,
        window: Some(window?),
        filter,
    })
}

fn status(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.status", report)?;
    let codes = fields.need(report, "codes", "\"500-599\"", statuses);
    let (count, share, window) = rate(&fields, report);
    let filter = filter(&fields, report);
    let codes = codes?;
    if let Some(node) = fields.get("codes") {
        unseen_codes(&codes, node, report);
    }
    Some(Trigger::Status {
        codes,
        count: count?,
        share: share?,
        window: window?,
        filter: filter?,
    })
}

/// IIS alone knows sub-statuses; of them only 502.3 has a likeness here.
fn unseen_codes(codes: &StatusSet, node: &Node, report: &mut Report) {
    for item in codes.items() {
        let StatusItem::Sub(status, sub) = *item else {
            continue;
        };
        if (status, sub) != (502, 3) {
            report.warning(
                node.span,
                format!("{status}.{sub} never happens: sub-statuses exist only inside IIS"),
                format!(
                    "write {status} for any of them; a worker that does not answer is connect, \
                     reset, timeout or 502.3"
                ),
            );
        }
    }
}

fn slow(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.slow", report)?;
    let bounds = Duration::from_millis(10)..=secs(24 * 3600);
    let time_taken = fields.need(report, "time_taken", "\"30s\"", duration(bounds));
    let (count, share, window) = rate(&fields, report);
    let filter = filter(&fields, report);
    Some(Trigger::Slow {
        time_taken: time_taken?,
        count: count?,
        share: share?,
        window: window?,
        filter: filter?,
    })
}

fn abandoned(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.abandoned", report)?;
    let mut after = defaults::PATIENCE;
    let bounds = Duration::from_millis(10)..=secs(24 * 3600);
    fields.read(report, "after", &mut after, duration(bounds));
    let (count, share, window) = rate(&fields, report);
    let filter = filter(&fields, report);
    Some(Trigger::Abandoned {
        after,
        count: count?,
        share: share?,
        window: window?,
        filter: filter?,
    })
}

/// What `status`, `slow`, `abandoned` and the `requests` of a share have in common. The outer
/// options say whether it could be read.
fn rate(
    fields: &Fields<'_>,
    report: &mut Report,
) -> (Option<u32>, Option<Option<Share>>, Option<Duration>) {
    let share = match fields.get("share") {
        Some(_) => fields.find(report, "share", share).map(Some),
        None => Some(None),
    };
    let count = match (fields.get("count"), fields.get("share")) {
        (None, Some(node)) => {
            report.missing(
                Some(node.span),
                "a share needs a count beside it: all of one request is 100%",
                "add count = 5: from so many on the share is looked at",
            );
            None
        }
        _ => fields.need(report, "count", "20", count(COUNTS)),
    };
    let window = fields.need(report, "window", "\"30s\"", duration(window()));
    (count, share, window)
}

/// Reads a percentage, which may be none at all.
pub(super) fn percentage(report: &mut Report, name: &str, node: &Node) -> Option<Share> {
    match &node.value {
        Value::Text(text) => unit(report, node, text.parse()),
        Value::Integer(number) => {
            let cure = format!("write \"{number}%\"");
            unwanted(report, name, node, "a percentage", cure)
        }
        _ => unwanted(report, name, node, "a percentage", "write it like \"30%\""),
    }
}

fn share(report: &mut Report, name: &str, node: &Node) -> Option<Share> {
    let share = percentage(report, name, node)?;
    if share.basis_points() == 0 {
        report.error(
            node.span,
            format!("{name} is 0%, which always holds"),
            "remove share, or write a percentage like \"30%\"",
        );
        return None;
    }
    Some(share)
}

fn memory(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.memory", report)?;
    let bounds = ByteSize::mib(1)..=ByteSize::mib(16 * 1024 * 1024);
    let bytes = fields.find(report, "private_bytes", size(bounds));
    let share = fields.find(report, "share", share);
    let mut hold = Duration::ZERO;
    let bounds = Duration::ZERO..=secs(24 * 3600);
    fields.read(report, "for", &mut hold, duration(bounds));
    let limit = match (fields.get("private_bytes"), fields.get("share")) {
        (Some(_), Some(node)) => {
            report.error(
                node.span,
                "a memory rule has one limit",
                "keep private_bytes or share; make a second [[rule]] for the other",
            );
            None
        }
        (None, None) => {
            report.missing(
                Some(fields.span),
                "when.memory has no limit",
                "add private_bytes = \"800MiB\", or share = \"90%\" of the worker's cgroup limit",
            );
            None
        }
        (Some(_), None) => bytes.map(MemoryLimit::PrivateBytes),
        (None, Some(_)) => share.map(MemoryLimit::Share),
    };
    Some(Trigger::Memory {
        limit: limit?,
        hold,
    })
}

/// Reads which requests: `path`, `except`, `methods`.
pub(super) fn filter(fields: &Fields<'_>, report: &mut Report) -> Option<Filter> {
    let pattern = |report: &mut Report, name: &str, node: &Node| match node.as_text() {
        Some(text) => unit(report, node, text.parse()),
        None => unwanted(
            report,
            name,
            node,
            "a path",
            "write it like \"/checkout/*\"",
        ),
    };
    let method = |report: &mut Report, name: &str, node: &Node| {
        let read = text(report, name, node)?;
        let good = read
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !good {
            report.error(
                node.span,
                format!("\"{read}\" is not a method"),
                "write methods as a list, like [\"GET\", \"POST\"]",
            );
        }
        good.then(|| read.to_ascii_uppercase())
    };
    let mut filter = Filter::default();
    fields.read(report, "path", &mut filter.path, one_or_more(pattern));
    fields.read(report, "except", &mut filter.except, one_or_more(pattern));
    fields.read(report, "methods", &mut filter.methods, one_or_more(method));
    Some(filter)
}
