//! What earlier runs of autoheal did that still counts in this one.

use std::time::Duration;

/// One thing that an earlier run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// So long ago, by the wall clock.
    pub ago: Duration,
    /// The name of the rule that had it done, if one did.
    pub rule: Option<String>,
    /// What it was.
    pub deed: Deed,
}

/// What an earlier run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It ended, so that the app was restarted with it, at the cost of the budget.
    Ended {
        /// The incident that it ended for.
        incident: u64,
        /// How long the worker had been ready.
        served: Duration,
    },
    /// It told whether that, or a recycle, had helped.
    Judged {
        /// `None`: unclear.
        helped: Option<bool>,
    },
}
