//! Causes and cures of what healing can't mend.

use super::Cures;

pub(super) const RECYCLING_DOES_NOT_HELP: Cures = &[
    (
        "what the app depends on is down or slow: the same answers come from every new worker",
        "look at its database, cache or upstream; name it as a [[dependency]], and while it is \
         down rules only report",
    ),
    (
        "the rule's limit is below what this app needs: a new worker is over it as soon as it is \
         warm",
        "raise it above where the worker was when it was said (`autoheal explain` with the \
         incident's number has the figure)",
    ),
    (
        "the app's last change is to blame: every worker runs the same code and configuration",
        "roll it back; `autoheal logs` shows what the new worker printed",
    ),
    (
        "there is more to do than the app can, and a fresh worker is as slow under it",
        "let it do less at once (worker.concurrency), or give it more workers (worker.count)",
    ),
    (
        "it is one instance alone: something of its own outlives its workers, a port, a file, a \
         client that always comes back to it",
        "compare it with the others (`autoheal status`); they are healed as ever meanwhile",
    ),
];

pub(super) const POISON_REQUEST: Cures = &[
    (
        "a defect in the app, or in native code that it uses, which this kind of request meets: \
         it ended at least three workers",
        "`autoheal events` names the request and the crashes; send it to the app on a machine of \
         your own, `autoheal logs --previous` shows the last words",
    ),
    (
        "what is asked for needs more memory than there is, so that the kernel kills the worker",
        "bound what one request may ask for, or give the worker more memory",
    ),
    (
        "it was mended, and autoheal does not know that yet",
        "`autoheal reload` with a changed configuration forgets it at once, an hour without a \
         crash does too",
    ),
];
