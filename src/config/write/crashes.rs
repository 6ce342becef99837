//! `[crashes]` as it is written.

use super::{
    section::Section,
    value::{duration, quoted},
};
use crate::{
    decide::policy::{Enough, Patience},
    units::format_duration,
};

/// The section, with the keys that are not at their defaults.
pub(super) fn section(patience: &Patience) -> Section {
    let Patience {
        at_once,
        window,
        delay,
        longest_delay,
        service,
        enough,
        retry,
    } = patience;
    let (usual, mut to) = (Patience::default(), Section::new("crashes"));
    to.put("at_once", at_once, &usual.at_once, u32::to_string);
    let time = |time: &_| duration(*time);
    to.put("window", window, &usual.window, time);
    to.put("delay", delay, &usual.delay, time);
    to.put("longest_delay", longest_delay, &usual.longest_delay, time);
    to.put("service", service, &usual.service, time);
    let ends = |enough: Enough| match enough {
        Enough::Never => 0,
        Enough::InARow(ends) | Enough::Within(ends, _) => ends,
    };
    to.put(
        "give_up",
        &ends(*enough),
        &ends(usual.enough),
        u32::to_string,
    );
    if let Enough::Within(_, within) = enough {
        to.lines.push(("within", quoted(&format_duration(*within))));
    }
    to.put("retry", retry, &usual.retry, time);
    to
}
