//! Causes and cures of requests that found no place at a worker.

use super::{Code, Cures};

const TOO_FEW_PLACES: (&str, &str) = (
    "`[worker] concurrency` is lower than what the worker can do at once",
    "raise it to the worker's own workers times threads; watch whether answers get slower",
);

const TOO_SLOW: (&str, &str) = (
    "each request takes the worker longer than usual",
    "`autoheal requests` shows what it is at; a `slow` rule recycles one that hangs",
);

const BEHIND_ONE_ADDRESS: (&str, &str) = (
    "many clients come by one address: a proxy that is not in `trust`, or a large network's NAT",
    "name the proxy in `trust` and let it send X-Forwarded-For or the PROXY protocol; else raise \
     the limit",
);

pub(super) fn of(code: Code) -> Cures {
    match code {
        Code::QueueFull => &[
            (
                "more requests come at once than the worker can take",
                "give it more workers, threads or CPUs, or raise `[queue] requests` if the wait is \
                 worth it",
            ),
            TOO_FEW_PLACES,
            TOO_SLOW,
        ],
        Code::QueuedTooLong => &[
            (
                "the worker hangs: hardly anything that it has is answered",
                "`autoheal requests` shows what it is at; a `slow` rule recycles one that hangs",
            ),
            TOO_FEW_PLACES,
            (
                "a call of gRPC waits no longer than its own `grpc-timeout`",
                "give the call more time, or the worker more places",
            ),
        ],
        Code::ClientHasTooManyConnections => &[
            (
                "a client opens many connections: a crawler, a load test, a broken pool, an attack",
                "let it use fewer; if it is one of yours, raise `[limits] connections_per_client`",
            ),
            BEHIND_ONE_ADDRESS,
        ],
        Code::ClientHasTooManyWaiting => &[
            (
                "a client sends many requests at once while they have to wait",
                "let it send fewer at once; if it is one of yours, raise `per_client` of \
                 `[parking]` or `[queue]`",
            ),
            BEHIND_ONE_ADDRESS,
        ],
        _ => &[
            (
                "more requests come, for a while, than the worker can serve: its queue would only \
                 grow",
                "give it more workers, threads or CPUs; Retry-After says when the queue would be \
                 through",
            ),
            TOO_SLOW,
            TOO_FEW_PLACES,
        ],
    }
}
