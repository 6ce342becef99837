//! Any patience with a worker that ends by itself.

use proptest::{prelude::*, sample::select};

use super::any::{DAY, HOUR, time};
use crate::decide::policy::{Enough, GiveUp, Patience, Restart, RestartWhen};

pub(super) fn restart() -> BoxedStrategy<Restart> {
    let when = select(vec![RestartWhen::Always, RestartWhen::OnFailure]);
    let enough = prop_oneof![
        Just(Enough::Never),
        (1u32..=10_000).prop_map(Enough::InARow),
        (1u32..=10_000, time(1000, DAY)).prop_map(|(ends, window)| Enough::Within(ends, window)),
    ];
    let (window, delay) = (|| time(1000, DAY), || time(100, HOUR));
    let parts = (
        0u32..=1000,
        window(),
        (delay(), delay()),
        window(),
        enough,
        window(),
    );
    let patience =
        parts.prop_map(
            |(at_once, window, (one, other), service, enough, retry)| Patience {
                at_once,
                window,
                delay: one.min(other),
                longest_delay: one.max(other),
                service,
                enough,
                retry,
            },
        );
    let patience = prop_oneof![Just(Patience::default()), patience];
    (when, select(vec![GiveUp::Serve503, GiveUp::Exit]), patience)
        .prop_map(|(when, give_up, patience)| Restart {
            when,
            give_up,
            patience,
        })
        .boxed()
}
