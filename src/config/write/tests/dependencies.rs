//! Any dependencies, each with a name of its own.

use proptest::{option, prelude::*};

use super::any::{HOUR, absolute, target, time};
use crate::decide::policy::{Dependency, DependencyAddress};

pub(super) fn dependencies() -> BoxedStrategy<Vec<Dependency>> {
    let host = ("[a-z][a-z0-9.-]{0,8}", 1u16..)
        .prop_map(|(host, port)| DependencyAddress::Host(host, port));
    let six = (any::<std::net::Ipv6Addr>(), 1u16..)
        .prop_map(|(six, port)| DependencyAddress::Host(six.to_string(), port));
    let places = prop_oneof![host, six, absolute().prop_map(DependencyAddress::Unix)];
    let numbers = (1u32..=1000, 1u32..=1000);
    let times = (time(1000, HOUR), time(100, 60_000));
    let one = (places, option::of(target()), times, numbers);
    let all = proptest::collection::vec(one, 0..3);
    let named = all.prop_map(|all| {
        let one = |(at, (address, path, (interval, timeout), (failures, successes)))| Dependency {
            name: format!("number {at}"),
            address,
            path,
            interval,
            timeout,
            failures,
            successes,
        };
        all.into_iter().enumerate().map(one).collect()
    });
    named.boxed()
}
