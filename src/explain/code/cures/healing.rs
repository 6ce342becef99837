//! Causes and cures of what healing can't mend.

use super::Cures;

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
