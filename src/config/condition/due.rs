//! Conditions that come with time or from outside rather than from what the worker does: age,
//! schedule, file.

use std::time::Duration;

use crate::{
    config::{
        defaults,
        defaults::secs,
        diagnostic::Report,
        document::Node,
        reader::{Fields, duration, one_or_more, text, unit},
        resolve::path,
    },
    decide::trigger::Trigger,
    time::WallTime,
    units::{Calendar, Times, Weekdays, Zone},
};

/// So many files are watched for one rule.
const FILES_MOST: usize = 64;
const YEAR: Duration = secs(31_557_600);

pub(super) fn age(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.age", report)?;
    let bounds = duration(secs(1)..=YEAR);
    let limit = fields.need(report, "over", "\"24h\"", bounds)?;
    Some(Trigger::Age { limit })
}

pub(super) fn schedule(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.schedule", report)?;
    let times = times(&fields, report);
    let mut zone = Zone::local();
    fields.read(report, "zone", &mut zone, parsed);
    let mut spread = defaults::SPREAD;
    let bounds = Duration::ZERO..=secs(24 * 3600);
    fields.read(report, "spread", &mut spread, duration(bounds));
    let calendar = Calendar {
        times: times?,
        zone,
    };
    if calendar.next_after(WallTime(0)).is_none() {
        report.error(
            fields.span,
            "this time never comes",
            "write a day that some year has",
        );
        return None;
    }
    Some(Trigger::Schedule { calendar, spread })
}

fn times(fields: &Fields<'_>, report: &mut Report) -> Option<Times> {
    let cron = fields.find(report, "cron", parsed);
    let at = fields.find(report, "at", one_or_more(parsed));
    let mut days = Weekdays::ALL;
    fields.read(report, "days", &mut days, parsed);
    match (fields.get("cron"), fields.get("at")) {
        (Some(_), Some(node)) => {
            report.error(
                node.span,
                "a schedule is cron's line or times of the day, not both",
                "keep one of cron and at; make a second [[rule]] for the other",
            );
            None
        }
        (None, None) => {
            report.missing(
                Some(fields.span),
                "when.schedule has no times",
                "add at = [\"03:00\"], or cron = \"0 3 * * mon-fri\"",
            );
            None
        }
        (Some(_), None) => {
            if let Some(node) = fields.get("days") {
                report.error(
                    node.span,
                    "cron's line has days of its own",
                    "remove days, and write them as the fifth field: \"0 3 * * mon-fri\"",
                );
            }
            cron.map(Times::Cron)
        }
        (None, Some(_)) => Some(Times::At { times: at?, days }),
    }
}

/// Reads a text as its type does.
pub(in crate::config) fn parsed<T>(report: &mut Report, name: &str, node: &Node) -> Option<T>
where
    T: std::str::FromStr<Err = crate::units::UnitError>,
{
    let read = text(report, name, node)?;
    unit(report, node, read.parse())
}

pub(super) fn file(node: &Node, report: &mut Report) -> Option<Trigger> {
    let fields = Fields::of(node, "when.file", report)?;
    let paths = fields.need(report, "path", "\"settings.json\"", one_or_more(path))?;
    if paths.len() > FILES_MOST {
        report.error(
            fields.span,
            format!("{} files are more than {FILES_MOST}", paths.len()),
            "name the ones that a deployment changes last",
        );
        return None;
    }
    Some(Trigger::File { paths })
}
