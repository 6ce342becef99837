//! What a request meets while no worker takes it.

use crate::{explain::code::Code, time::MonoTime};

/// What a new request meets while no worker lets it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// It is parked, unless that would be in vain.
    Park {
        /// Since when nothing serves.
        down_since: MonoTime,
        /// When the next start is due; now or earlier: one is under way, or waits only for an old
        /// worker to drain and be gone.
        next_start: MonoTime,
    },
    /// It is refused at once.
    Refuse {
        /// With this code.
        code: Code,
        /// When trying again may help; in the past: a try is under way.
        retry_at: Option<MonoTime>,
    },
}
