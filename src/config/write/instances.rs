//! Writes how many workers serve at the same time.

use super::{
    section::Section,
    sections::{duration, number},
    value::Inline,
};
use crate::decide::policy::{Count, Instances};

/// Adds `count` to `[worker]` and `max_unavailable` to `[recycle]`.
pub(super) fn put(worker: &mut Section, recycle: &mut Section, of: &Instances) {
    let Instances {
        count,
        max_unavailable,
    } = of;
    let usual = Instances::ONE;
    worker.put("count", count, &usual.count, how_many);
    let most = &usual.max_unavailable;
    recycle.put("max_unavailable", max_unavailable, most, number);
}

fn how_many(count: &Count) -> String {
    match count {
        Count::Fixed(count) => number(count),
        Count::Follow(follow) => Inline::default()
            .with("min", number(&follow.min))
            .with("max", number(&follow.max))
            .with("in_flight", number(&follow.in_flight))
            .with("grow_after", duration(&follow.grow_after))
            .with("shrink_after", duration(&follow.shrink_after))
            .written(),
    }
}
