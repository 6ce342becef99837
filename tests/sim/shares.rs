//! Rules that ask for a share: they fire when the raw list of events says so, and never before.

use autoheal::{
    decide::{
        event::Kind,
        policy::{Action, Rule},
        trigger::{Filter, Trigger},
    },
    units::Share,
};
use proptest::prelude::*;

use crate::rig::{Rig, rule, secs, with};

const WINDOW_MS: u64 = 10_000;

fn requests(count: u32, percent: u8) -> Trigger {
    Trigger::Requests {
        count,
        share: Some(Share::percent(percent.into())),
        window: Some(secs(WINDOW_MS / 1000)),
        filter: Filter {
            path: vec!["/a/*".parse().unwrap()],
            ..Filter::default()
        },
    }
}

fn abandoned(count: u32, percent: u8) -> Trigger {
    Trigger::Abandoned {
        after: secs(2),
        count,
        share: Some(Share::percent(percent.into())),
        window: secs(WINDOW_MS / 1000),
        filter: Filter::default(),
    }
}

fn logs(when: Trigger) -> Rig {
    let log = Rule {
        actions: vec![Action::Log.into()],
        ..rule("share", when)
    };
    Rig::ready(with([log]))
}

#[test]
fn a_share_below_its_limit_never_fires() {
    for when in [requests(5, 30), abandoned(5, 30)] {
        let mut rig = logs(when);
        for _ in 0..600 {
            rig.pass(100);
            rig.tally(1, 29, 100);
        }
        assert_eq!(rig.said(Kind::RuleFired).len(), 0);
        rig.pass(WINDOW_MS);
        rig.tally(1, 4, 4);
        assert_eq!(rig.said(Kind::RuleFired).len(), 0, "too few for any share");
        rig.tally(1, 1, 1);
        assert_eq!(rig.said(Kind::RuleFired).len(), 1);
    }
}

/// Every event ever, dated by the first of its tick, counted anew.
fn naive(all: &[(u64, u64, u64)], now: u64, count: u32, percent: u8) -> bool {
    let date = |at: u64| all.iter().find(|one| one.0 / 100 == at / 100).unwrap().0;
    let live = all.iter().filter(|one| now - date(one.0) < WINDOW_MS);
    let (matching, total) = live.fold((0, 0), |(m, t), one| (m + one.1, t + one.2));
    matching >= u64::from(count) && matching * 100 >= u64::from(percent) * total
}

proptest! {
    #[test]
    fn a_share_fires_exactly_when_the_raw_events_say_so(
        events in prop::collection::vec((0u64..2_000, 0u64..4, 0u64..4), 1..80),
        count in 1u32..12,
        percent in 1u8..=100,
        of_requests in any::<bool>(),
    ) {
        let make = if of_requests { requests } else { abandoned };
        let mut rig = logs(make(count, percent));
        // The rig's clock stands at half a second.
        let (mut now, mut all) = (500, Vec::new());
        for (gap, matching, others) in events {
            rig.pass(gap);
            now += gap;
            if matching + others > 0 {
                all.push((now, matching, matching + others));
            }
            rig.tally(1, matching, matching + others);
            let fires = naive(&all, now, count, percent);
            prop_assert_eq!(rig.said(Kind::RuleFired).len(), usize::from(fires));
            if fires {
                break;
            }
        }
    }
}
