//! Causes and cures of workers that end by themselves.

use super::{Code, Cures};

/// `None`: it is of another kind.
pub(super) fn of(code: Code) -> Option<Cures> {
    Some(match code {
        Code::WorkerCrashed => &[
            (
                "an exception or a signal ended it",
                "`autoheal logs --previous` shows its last words; the event says exit code or \
                 signal",
            ),
            (
                "it was killed from outside: by a person, or by the kernel for another \
                 container's memory",
                "look for its pid in `dmesg` and in the shell history",
            ),
        ],
        Code::WorkerOutOfMemory => &[
            (
                "the worker leaks, and reached the limit of its cgroup",
                "add a `memory` rule with `share = \"80%\"`: it recycles before the kernel \
                 kills",
            ),
            (
                "the limit is below what the app needs",
                "raise the container's limit; `autoheal status` shows the private bytes",
            ),
        ],
        _ => return None,
    })
}
