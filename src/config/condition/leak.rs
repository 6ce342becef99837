//! Memory that grows towards a limit.

use std::time::Duration;

use crate::{
    config::{
        defaults::secs,
        diagnostic::Report,
        document::Node,
        reader::{Fields, duration, size},
    },
    decide::trigger::Trigger,
    units::ByteSize,
};

/// How far ahead a rule looks that does not say.
pub(in crate::config) const HORIZON: Duration = secs(3600);

pub(super) fn leak(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.leak", report)?;
    let bounds = ByteSize::mib(1)..=ByteSize::mib(16 * 1024 * 1024);
    let limit = match fields.get("limit") {
        Some(_) => fields.find(report, "limit", size(bounds)).map(Some),
        None => Some(None),
    };
    let mut horizon = HORIZON;
    // A minute is what it takes to be sure of anything.
    let bounds = secs(60)..=secs(7 * 24 * 3600);
    fields.read(report, "horizon", &mut horizon, duration(bounds));
    Some(Trigger::Leak {
        limit: limit?,
        horizon,
    })
}
