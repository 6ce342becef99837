//! What an incident cost and saved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Verdict;

/// What became of requests while an incident was dealt with: all of them, whoever was to blame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Ended in that time, however.
    pub ended: u64,
    /// Had to wait for a worker.
    pub parked: u64,
    /// Were sent to a worker once more.
    pub replayed: u64,
    /// Answered by autoheal before any worker had them.
    pub refused: u64,
    /// Failed by a worker.
    pub failed: u64,
    /// Left by their clients.
    pub client_aborted: u64,
    /// Refused and failed, by code: `502102 WorkerClosedConnection`.
    pub by_code: BTreeMap<String, u64>,
    /// Parked, sent once more, or made to wait for a fresh worker's share, and then answered by a
    /// worker.
    pub late: u64,
    /// Half of these were late by no more than this.
    pub delay_median_ms: Option<u64>,
    /// None of these was later.
    pub delay_worst_ms: Option<u64>,
    /// Parked or sent once more, and then answered with a status below 500; a call of gRPC: that
    /// ended with status 0.
    pub saved: u64,
    /// Parked or sent once more, and not answered when the counting ended.
    pub unsettled: u64,
    /// These incidents were dealt with at the same time: what was counted then is in the cost of
    /// each of them.
    pub shared_with: Vec<u64>,
}

/// Errors that clients did not get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Averted {
    /// So many.
    pub errors: u64,
    /// How that was found.
    pub method: String,
}

impl Cost {
    /// Whether no client noticed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.parked + self.replayed + self.refused + self.failed == 0
    }
}

impl Averted {
    /// Those that follow from what was counted; `None`: there is nothing to count.
    #[must_use]
    pub fn of(cost: &Cost, verdict: Option<&Verdict>) -> Option<Self> {
        let mut methods = Vec::new();
        if cost.saved > 0 {
            methods.push(format!(
                "{} had no worker to answer them, were parked or sent once more, and then \
                 answered with a status below 500 (counted)",
                requests(cost.saved)
            ));
        }
        let fewer = verdict.and_then(Fewer::of);
        if let Some(Fewer {
            expected,
            before,
            after,
            ..
        }) = &fewer
        {
            methods.push(format!(
                "of the {} that the verdict looked at after the recycle, {expected} would have \
                 failed at the rate before it ({} of {}), and {} did (estimated)",
                requests(after.1),
                before.0,
                before.1,
                after.0,
            ));
        }
        let errors = cost.saved + fewer.map_or(0, |fewer| fewer.errors());
        (!methods.is_empty()).then(|| Self {
            errors,
            method: methods.join("; "),
        })
    }
}

/// What a recycle that helped against failing answers spared those after it.
struct Fewer {
    expected: u64,
    before: (u64, u64),
    after: (u64, u64),
}

impl Fewer {
    fn of(verdict: &Verdict) -> Option<Self> {
        let failing = verdict.compared.as_deref() == Some("status");
        if verdict.verdict != "helped" || !failing {
            return None;
        }
        let (before, after) = (verdict.before?, verdict.after?);
        // A request may match in another tick than the one in which it finished.
        let matching = u128::from(before.0.min(before.1));
        let expected = matching * u128::from(after.1) / u128::from(before.1.max(1));
        Some(Self {
            expected: u64::try_from(expected).unwrap_or(u64::MAX),
            before,
            after,
        })
    }

    fn errors(&self) -> u64 {
        self.expected.saturating_sub(self.after.0)
    }
}

/// `1 request`, `12 requests`.
pub(super) fn requests(count: u64) -> String {
    match count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    }
}
