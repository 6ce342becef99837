//! Causes and cures of what rules and the health probe found.

use super::{Code, Cures};

/// `None`: it is of another kind.
pub(super) fn of(code: Code) -> Option<Cures> {
    Some(match code {
        Code::RuleStatus => &[
            (
                "a bad deploy, or state in the worker that has gone wrong",
                "`autoheal logs --previous` shows the exceptions; if a recycle helps only for \
                 a while, mend the app",
            ),
            (
                "something the app depends on is down, and a recycle can't help",
                "`autoheal disarm --for 30min`, and mend that first",
            ),
        ],
        Code::RuleSlow => &[
            (
                "threads are stuck behind a lock or a call without a timeout",
                "give every outgoing call of the app a timeout; `autoheal requests` shows \
                 what waits",
            ),
            (
                "the load is more than the worker can serve",
                "raise its workers or threads; raise the rule's count or share",
            ),
        ],
        Code::RuleRequests => &[(
            "the worker served as many requests as the rule allows",
            "nothing is wrong: the rule asks for this; raise its count if it is too often",
        )],
        Code::RuleMemory => &[
            (
                "the worker leaks",
                "the growth between recycles is in `autoheal events`; take a heap profile",
            ),
            (
                "the limit is below what the app needs",
                "raise the limit above where it settles; `autoheal status` shows the private \
                 bytes",
            ),
        ],
        Code::Unhealthy => &[
            (
                "the probe's path fails because the app is sick",
                "`autoheal logs --previous` shows why",
            ),
            (
                "the path needs a login, or checks a database that is down",
                "point `[health] path` at one that tells only of the app itself",
            ),
            (
                "`[health] timeout` is shorter than a busy app needs",
                "raise `[health] timeout` or `failures`",
            ),
        ],
        _ => return None,
    })
}
