//! What several workers and the rest of the configuration make of each other.

use super::{Said, said_at};
use crate::{
    config::{
        concurrency::Concurrency,
        diagnostic::{Report, Span},
        document::{Node, Value},
        model::Settings,
        reader::Fields,
    },
    decide::{
        policy::{Count, Rule, Strategy},
        trigger::Trigger,
    },
    units::format_duration,
    words::Mode,
};

/// How many there may be at the same time.
pub(super) fn most(settings: &Settings) -> u32 {
    settings.policy.instances.bounds().1
}

/// So many, in words.
pub(super) fn workers(settings: &Settings) -> String {
    match settings.policy.instances.count {
        Count::Fixed(count) => format!("{count} workers"),
        Count::Follow(follow) => format!("up to {} workers", follow.max),
    }
}

/// Says where their number would not be what it seems.
pub(super) fn judge(top: &Fields<'_>, settings: &Settings, report: &mut Report) {
    if most(settings) > 1 {
        never_grows(top, settings, report);
        all_at_once(top, settings, report);
    }
}

/// One more comes when each has more than so many requests, which a cap can rule out.
fn never_grows(top: &Fields<'_>, settings: &Settings, report: &mut Report) {
    let (Count::Follow(follow), Concurrency::Fixed(places)) =
        (settings.policy.instances.count, settings.worker.concurrency)
    else {
        return;
    };
    let caps = settings.policy.mode != Mode::Relay;
    if let (true, Some(blame)) = (caps, in_flight(top))
        && places <= follow.in_flight
        && follow.min < follow.max
    {
        report.warning(
            blame,
            format!(
                "there will never be more than {} running, as each has at most {places} requests \
                 at once (worker.concurrency) and never more than {}",
                follow.min, follow.in_flight
            ),
            "set in_flight to less than worker.concurrency",
        );
    }
}

/// Where it was said when one more comes.
fn in_flight(top: &Fields<'_>) -> Option<Span> {
    let table = |node: &'_ Node| match &node.value {
        Value::Table(table) => Some(table.clone()),
        _ => None,
    };
    let worker = table(top.get("worker")?)?;
    let count = worker.get("count")?;
    let own = table(count).and_then(|count| Some(count.get("in_flight")?.span));
    Some(own.unwrap_or(count.span))
}

/// In place one that is replaced serves nothing until its successor is ready.
fn all_at_once(top: &Fields<'_>, settings: &Settings, report: &mut Report) {
    let out = settings.policy.instances.max_unavailable;
    let in_place = settings.policy.recycle.strategy == Strategy::InPlace;
    if let (true, Some(blame)) = (in_place, said_at(top, "recycle", "max_unavailable"))
        && out >= most(settings)
    {
        report.warning(
            blame,
            format!(
                "in place, all of {} may be out at the same time: requests wait meanwhile",
                workers(settings)
            ),
            format!("set it to {} at most", most(settings) - 1),
        );
    }
}

/// What comes for all of them at the same time takes a recycle of the budget for each.
pub(super) fn due_for_all(rule: &Rule, said: &Said<'_>, settings: &Settings, report: &mut Report) {
    let (most, budget) = (most(settings), settings.policy.budget);
    let for_all = match &rule.when {
        Trigger::File { .. } => true,
        Trigger::Schedule { spread, .. } => *spread <= budget.window,
        _ => false,
    };
    let enough = budget.recycles.min(budget.per_day);
    let Some((_, span)) = said.condition.filter(|_| for_all && most > enough) else {
        return;
    };
    let (key, within) = match budget.recycles <= budget.per_day {
        true => ("recycles", format_duration(budget.window)),
        false => ("per_day", "a day".to_owned()),
    };
    report.warning(
        span,
        format!(
            "{} are due at the same time, and rules may recycle {enough} in {within}: the others \
             are not recycled before the next time",
            workers(settings)
        ),
        format!("raise budget.{key} to {most} or more"),
    );
}
