//! What usually causes each code, the likeliest first, and what to do about it.

mod ends;
mod healing;
mod overload;
mod requests;
mod rules;
mod starts;
mod tls;
mod worker_tls;

use super::Code;

type Cures = &'static [(&'static str, &'static str)];

/// Pairs of cause and cure.
#[expect(
    clippy::too_many_lines,
    reason = "one match: the table reads best in one piece"
)]
pub(super) fn of(code: Code) -> Cures {
    match code {
        Code::Internal => &[(
            "a defect in autoheal",
            "`autoheal events` names the place; report it with that line",
        )],
        Code::UnknownTransferCoding => &[(
            "the client sent a coding other than chunked, such as `Transfer-Encoding: \
                 gzip`",
            "let the client send Content-Encoding instead, or plain chunked",
        )],
        Code::ProtocolNotSpoken => &[(
            "a client asked for WebTransport, connect-udp or another use of extended CONNECT",
            "let it use a WebSocket, or serve it beside autoheal",
        )],
        Code::WebSocketNotGranted => &[
            (
                "what the app has at this path is no WebSocket: the client's URL is wrong",
                "compare the path in the access log with the app's routes",
            ),
            (
                "the worker is spoken to in HTTP/2 (worker.protocol), where autoheal asks for no \
                 WebSocket",
                "let the worker serve HTTP/1.1: worker.protocol = \"http\" or \"https\"",
            ),
        ],
        Code::WorkerRefusedConnection => &[
            (
                "the worker accepted nothing on its port: it crashed a moment ago",
                "`autoheal logs --previous` shows its last words, `autoheal events` how it \
                 ended",
            ),
            (
                "the worker listens elsewhere than it was told to",
                "let its command use `{port}` or the PORT variable, or set `[worker] port` to \
                 the one it uses",
            ),
            (
                "its accept queue is full: it is overloaded",
                "`autoheal requests` shows what it is at; raise its own workers or threads",
            ),
        ],
        Code::WorkerClosedConnection => &[
            (
                "the worker died while it had the request",
                "`autoheal logs --previous` shows its last words, `autoheal events` how it \
                 ended",
            ),
            (
                "the worker closes idle connections earlier than `keep_alive` says",
                "set `[worker] keep_alive` below the server's own keep-alive timeout \
                 (gunicorn 2s, Node 5s)",
            ),
            (
                "the app closes the connection on purpose, on a body that is too large for \
                 example",
                "look for the limit in the app's log: `autoheal logs`",
            ),
        ],
        Code::WorkerBadResponse => &[
            (
                "what listens there does not speak HTTP/1.1: it wants TLS, FastCGI, or is \
                 another program",
                "try `curl -v http://127.0.0.1:PORT/` with the address that `autoheal status` \
                 shows; if it wants TLS, set worker.protocol = \"https\"",
            ),
            (
                "the app writes fields with line breaks or two lengths that differ",
                "mend the field that `autoheal events` names",
            ),
        ],
        Code::WorkerStopped => &[
            (
                "a recycle cut the request at the end of the drain, and a POST may not be \
                 sent twice",
                "raise `[recycle] drain_timeout` above the slowest answer",
            ),
            (
                "a rule found the worker hung and did not wait for it",
                "see why: `autoheal events`; mend what hangs",
            ),
        ],
        Code::WorkerUnreachable => &[
            (
                "the socket file of the worker is missing or not readable by autoheal",
                "check the path and the user in `autoheal status`, and the folder's \
                 permissions",
            ),
            (
                "a firewall rule or a network namespace stands between us and the worker",
                "try `curl -v` from the same container at the address that `autoheal status` \
                 shows",
            ),
        ],
        Code::AnswerTruncated => &[
            (
                "the worker died, or hit an exception, while it streamed its answer",
                "`autoheal logs --previous` shows its last words",
            ),
            (
                "a recycle cut a long download at the end of the drain",
                "raise `[recycle] drain_timeout` above the longest download",
            ),
            (
                "the app declares a longer Content-Length than it sends",
                "mend the app; `curl -v` shows both numbers",
            ),
        ],
        Code::TunnelCut => &[
            (
                "`recycle.drain_timeout` is shorter than `recycle.tunnel_timeout`",
                "raise `recycle.drain_timeout`, or lower `recycle.tunnel_timeout`",
            ),
            (
                "the worker sends one frame that takes longer than the drain, such as a large \
                 file",
                "let the app send large messages in fragments",
            ),
        ],
        Code::WorkerDeclined => &[
            (
                "the worker's server ends its connections by age or count and takes up no more \
                 requests on them, faster than they can be made anew",
                "raise its limits, for example gRPC's max_connection_age",
            ),
            (
                "the worker is overloaded and refuses streams",
                "look at its log; lower what comes, or give it more threads",
            ),
        ],
        Code::GrpcNeedsHttp2 => &[(
            "the worker serves gRPC, and autoheal was not told so",
            "set worker.protocol = \"h2c\", or \"h2\" if it speaks TLS",
        )],
        Code::RecyclingDoesNotHelp => healing::RECYCLING_DOES_NOT_HELP,
        Code::PoisonRequest => healing::POISON_REQUEST,
        Code::ParkedTooLong => &[
            (
                "the worker takes longer to start than `[parking] wait`",
                "raise `[parking] wait`, or make the start faster; `autoheal events` shows \
                 how long it took",
            ),
            (
                "the worker does not get ready at all",
                "`autoheal logs` shows what it says while it starts",
            ),
            (
                "an operator's hold lasted longer than the wait",
                "`autoheal release` ends it",
            ),
        ],
        Code::ParkingFull => &[
            (
                "the restart takes so long that more requests wait than may",
                "raise `[parking] requests` or `bytes`, or make the start faster",
            ),
            ("a flood of requests", "limit it in front of autoheal"),
        ],
        Code::WorkerDown => &[
            (
                "the worker crashed again and again, and the next start is later than this \
                 request may wait",
                "`autoheal logs --previous` shows why it ends; Retry-After says when the next \
                 start is",
            ),
            (
                "`restart = \"on-failure\"` and the worker ended with exit code 0",
                "`autoheal start`, or set `[worker] restart = \"always\"`",
            ),
        ],
        Code::WorkerGaveUp => &[
            (
                "the worker can't start as it is configured: a missing module, file or \
                 variable",
                "`autoheal logs --previous` shows its last words; mend it, then `autoheal \
                 start`",
            ),
            (
                "what the worker needs at its start is down",
                "bring it up, then `autoheal start`; otherwise the next try is within 5 \
                 minutes",
            ),
        ],
        Code::WorkerStoppedByOperator => &[(
            "someone ran `autoheal stop`",
            "`autoheal start`; `autoheal events` says when it was stopped",
        )],
        Code::ShuttingDown => &[(
            "autoheal got SIGTERM, from a deploy or a scale-in",
            "nothing to do; set `[shutdown] delay` so that the load balancer looks \
                 elsewhere first",
        )],
        Code::TooManyConnections => &[
            (
                "more clients are connected than limits.connections allows",
                "raise limits.connections, and the limit on open files with it; autoheal status \
                 shows how many there are",
            ),
            (
                "one client opens connections and leaves them open",
                "lower timeouts.idle, or limit it before autoheal",
            ),
        ],
        Code::Unready => &[(
            "a rule with the action unready has fired, and has held since",
            "`autoheal status` names the rule and its numbers; it ends when the rule has not held \
             for as long as it looks back, or when another worker serves",
        )],
        Code::Maintenance => &[(
            "the file that `maintenance` names is there: app_offline.htm beside a web.config",
            "remove it, and the worker starts; a deployment may have left it behind",
        )],
        Code::LocalExhaustion => &[
            (
                "too many connections to the worker are open or in TIME_WAIT",
                "let the worker keep connections alive, or set `[worker] port = \"unix\"`",
            ),
            (
                "the limit on open files is too low",
                "raise it: `ulimit -n`, or LimitNOFILE= in the unit",
            ),
        ],
        Code::WaitsForItself => &[(
            "the app calls its own public address while it starts, is being replaced, or has as \
             many requests as it may",
            "let the app call itself at 127.0.0.1 and its PORT, or later than its start",
        )],
        Code::WorkerTimeout => &[
            (
                "the app waits for something else: a database, a lock, another service",
                "`autoheal requests` shows what waits and for how long",
            ),
            (
                "this path is slow by nature: a report, an export",
                "raise `[timeouts] response`",
            ),
            (
                "every thread of the app is taken",
                "add a `slow` rule with `do = [\"recycle\"]`, and raise the app's own threads",
            ),
        ],
        Code::ConnectTimeout => &[
            (
                "the worker's accept queue is full: its event loop is blocked, or it was \
                 stopped by SIGSTOP",
                "`autoheal requests` shows what it is at; `autoheal recycle` replaces it",
            ),
            (
                "a firewall drops packets between us and the worker",
                "try `curl -v` at the address that `autoheal status` shows",
            ),
        ],
        Code::VersionNotSpoken => &[(
            "a script writes `HTTP/2.0` or `HTTP/3` into its request line; those versions have no \
                 such line",
            "write `HTTP/1.1`, or let an HTTP library speak to autoheal",
        )],
        Code::Loop => &[
            (
                "the worker sends its own requests to the public address, and they come back \
                 through autoheal",
                "let the app call itself at 127.0.0.1 and its PORT, or another app at its own \
                 address",
            ),
            (
                "`[worker] port` or a DNS name leads back to `listen`",
                "set `[worker] port = \"auto\"`, or a port other than that of `listen`",
            ),
        ],
        Code::QueueFull
        | Code::QueuedTooLong
        | Code::Overloaded
        | Code::ClientHasTooManyConnections
        | Code::ClientHasTooManyWaiting => overload::of(code),
        // A test sees that none is forgotten.
        _ => starts::of(code)
            .or_else(|| ends::of(code))
            .or_else(|| rules::of(code))
            .or_else(|| worker_tls::of(code))
            .unwrap_or_else(|| requests::of(code)),
    }
}
