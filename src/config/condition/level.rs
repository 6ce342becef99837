//! Conditions that are measured once a second: cpu, descriptors, threads, connections, pressure.

use std::time::Duration;

use super::share;
use crate::{
    config::{
        defaults::secs,
        diagnostic::Report,
        document::Node,
        keys,
        reader::{Fields, count, duration, word},
    },
    decide::{
        observation::{Measure, Resource, Waiting},
        trigger::{LevelLimit, Trigger},
    },
};

const DAY: Duration = secs(24 * 3600);

pub(super) fn cpu(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.cpu", report)?;
    let limit = fields.need(report, "share", "\"90%\"", share);
    let mut measure = Measure::Cpu;
    let of = [("quota", Measure::Cpu), ("core", Measure::Core)];
    fields.read(report, "of", &mut measure, word(of));
    // A moment of full CPU is no illness.
    let hold = fields.need(report, "for", "\"1min\"", duration(secs(1)..=DAY));
    Some(Trigger::Level {
        measure,
        limit: LevelLimit::Share(limit?),
        hold: hold?,
    })
}

/// What has a number, and for descriptors a share of their limit.
pub(super) fn number(
    at: &'static str,
    measure: Measure,
    node: &Node,
    report: &mut Report,
) -> Option<Trigger> {
    let fields = Fields::of(node, at, report)?;
    let has_share = keys::of(at).contains(&"share");
    let part = has_share.then(|| fields.get("share")).flatten();
    let limit = match (fields.get("count"), part) {
        (Some(_), Some(node)) => {
            report.error(
                node.span,
                "this rule has one limit",
                "keep count or share; make a second [[rule]] for the other",
            );
            None
        }
        (None, Some(_)) => fields.find(report, "share", share).map(LevelLimit::Share),
        _ => fields
            .need(report, "count", "1000", count(1..=1_000_000_000))
            .map(LevelLimit::Count),
    };
    let hold = hold(&fields, report);
    Some(Trigger::Level {
        measure,
        limit: limit?,
        hold,
    })
}

pub(super) fn pressure(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.pressure", report)?;
    let of = [
        ("cpu", Some(Resource::Cpu)),
        ("io", Some(Resource::Io)),
        ("memory", Some(Resource::Memory)),
        ("memory.high", None),
    ];
    let of = fields.need(report, "of", "\"memory\"", word(of));
    let hold = hold(&fields, report);
    let Some(resource) = of? else {
        for key in ["share", "waiting"] {
            if let Some(node) = fields.get(key) {
                let cure = "remove it, and write count = 10: so often a second";
                report.error(node.span, format!("memory.high has no {key}"), cure);
            }
        }
        let limit = fields.need(report, "count", "10", count(1..=1_000_000))?;
        return Some(Trigger::Level {
            measure: Measure::MemoryHigh,
            limit: LevelLimit::Count(limit),
            hold,
        });
    };
    if let Some(node) = fields.get("count") {
        let cure = "write share = \"20%\": tasks waited so much of the last ten seconds";
        report.error(node.span, "pressure is a share of time", cure);
    }
    let limit = fields.need(report, "share", "\"20%\"", share);
    let mut waiting = Waiting::Some;
    let all = [("some", Waiting::Some), ("full", Waiting::Full)];
    fields.read(report, "waiting", &mut waiting, word(all));
    Some(Trigger::Level {
        measure: Measure::Pressure(resource, waiting),
        limit: LevelLimit::Share(limit?),
        hold,
    })
}

fn hold(fields: &Fields<'_>, report: &mut Report) -> Duration {
    let mut hold = Duration::ZERO;
    fields.read(report, "for", &mut hold, duration(Duration::ZERO..=DAY));
    hold
}
