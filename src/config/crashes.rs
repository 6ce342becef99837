//! Reads `[crashes]`: how patient to be with a worker that ends by itself.

use std::time::Duration;

use super::{
    defaults::secs,
    diagnostic::Report,
    model::Settings,
    reader::{Fields, count, duration},
    resolve::window,
};
use crate::decide::policy::Enough;

pub(super) fn read(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let Some(fields) = top.section("crashes", report) else {
        return;
    };
    let to = &mut settings.policy.restart.patience;
    fields.read(report, "at_once", &mut to.at_once, count(0..=1000));
    fields.read(report, "window", &mut to.window, duration(window()));
    let delay = || duration(Duration::from_millis(100)..=secs(3600));
    fields.read(report, "delay", &mut to.delay, delay());
    fields.read(report, "longest_delay", &mut to.longest_delay, delay());
    fields.read(report, "service", &mut to.service, duration(window()));
    fields.read(report, "retry", &mut to.retry, duration(window()));
    if to.delay > to.longest_delay {
        let node = fields.get("delay").or_else(|| fields.get("longest_delay"));
        report.error(
            node.map_or(fields.span, |node| node.span),
            "crashes.delay is longer than crashes.longest_delay, to which it doubles",
            "raise longest_delay, or lower delay",
        );
    }
    let ends = fields.find(report, "give_up", count(0..=10_000));
    let within = fields.find(report, "within", duration(window()));
    let usual = match to.enough {
        Enough::InARow(ends) | Enough::Within(ends, _) => ends,
        Enough::Never => 0,
    };
    to.enough = match (ends.unwrap_or(usual), within) {
        (0, None) => Enough::Never,
        (0, Some(_)) => {
            let node = fields.get("within");
            report.error(
                node.map_or(fields.span, |node| node.span),
                "a give_up of 0 means never, so that within counts nothing",
                "remove within, or set give_up = 5",
            );
            Enough::Never
        }
        (ends, None) => Enough::InARow(ends),
        (ends, Some(window)) => Enough::Within(ends, window),
    };
}
