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
