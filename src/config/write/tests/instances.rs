//! Any number of workers that a port can be found for, and of requests that each has.

use proptest::prelude::*;

use super::any::{HOUR, time};
use crate::{
    config::{concurrency::Concurrency, model::Port},
    decide::policy::{Count, Follow, Instances},
};

pub(super) fn concurrency() -> impl Strategy<Value = Concurrency> {
    let fixed = (1u32..=100_000).prop_map(Concurrency::Fixed);
    let found = (1u32..=100, 100u32..=100_000);
    let found = found.prop_map(|(min, max)| Concurrency::Found { min, max });
    let unlimited = Just(Concurrency::Unlimited);
    prop_oneof![unlimited, Just(Concurrency::AUTO), fixed, found]
}

pub(super) fn affinity() -> impl Strategy<Value = Option<String>> {
    let usual = Just(Some("autoheal-affinity".to_owned()));
    let named = "[A-Za-z0-9.-][A-Za-z0-9!#$%&'*+.^_`|~-]{0,20}".prop_map(Some);
    prop_oneof![Just(None), usual, named]
}

pub(super) fn instances(port: Port) -> BoxedStrategy<Instances> {
    let after = || time(100, HOUR);
    let follow = (1u32..=8, 8u32..=64, 1u32..=100_000, after(), after());
    let follow = follow.prop_map(|(min, max, in_flight, grow_after, shrink_after)| {
        Count::Follow(Follow {
            min,
            max,
            in_flight,
            grow_after,
            shrink_after,
        })
    });
    let one = Just(Count::Fixed(1)).boxed();
    let count = match port {
        Port::Fixed(_) => one,
        Port::Auto | Port::Unix => {
            let fixed = (1u32..=64).prop_map(Count::Fixed);
            prop_oneof![fixed, follow].boxed()
        }
    };
    (count, 1u32..=64)
        .prop_map(|(count, max_unavailable)| Instances {
            count,
            max_unavailable,
        })
        .boxed()
}
