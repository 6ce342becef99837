//! Causes and cures of workers that do not get ready.

use super::{Code, Cures};

/// `None`: it is of another kind.
pub(super) fn of(code: Code) -> Option<Cures> {
    Some(match code {
        Code::StartCommandFailed => &[
            (
                "the program does not exist at that path, or is not executable",
                "check `[worker] command` and `dir`; `autoheal check FILE` names the place",
            ),
            (
                "`[worker] user` can't be taken on, or `dir` can't be entered",
                "run autoheal as root or as that user; check the folder's permissions",
            ),
        ],
        Code::StartPortInUse => &[
            (
                "an earlier copy of the app was started by hand or by systemd and still \
                 listens",
                "stop it: `autoheal events` names the process and its pid",
            ),
            (
                "another program uses this port",
                "set `[worker] port = \"auto\"` if the app can listen anywhere, or free the \
                 port",
            ),
        ],
        Code::StartExited => &[
            (
                "an error at import or in the app's configuration",
                "`autoheal logs --previous` shows its last words",
            ),
            (
                "the command forks into the background and its first process ends",
                "start it in the foreground: `daemon off;`, `--no-daemon`, `--nodaemonize`",
            ),
        ],
        Code::StartTimedOut => &[
            (
                "the app needs longer than `[recycle] start_timeout` to be ready",
                "raise it, or do less before the first answer",
            ),
            (
                "it waits for something that is down, such as its database",
                "`autoheal logs` shows what it says while it starts",
            ),
            (
                "its answers on `[recycle] ready` path do not come, or not with that status",
                "try it: `curl -v` at the address that `autoheal status` shows",
            ),
        ],
        Code::StartListensElsewhere => &[(
            "the app has its port in its own configuration and ignores PORT",
            "use `{port}` in `[worker] command`, or set `[worker] port` to the number \
                 that the event names",
        )],
        _ => return None,
    })
}
