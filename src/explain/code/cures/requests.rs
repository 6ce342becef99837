//! Causes and cures of what lies with the client: codes of status 400 to 499.

use super::{Code, Cures, tls};

#[expect(
    clippy::too_many_lines,
    reason = "one match: the table reads best in one piece"
)]
pub(super) fn of(code: Code) -> Cures {
    match code {
        Code::BadHost => &[
            (
                "a script or a load balancer's probe speaks HTTP/1.1 without a Host field",
                "give the probe a Host, as in `curl -H 'Host: shop.example'`",
            ),
            (
                "something that is not HTTP, a scanner for example, talks to the port",
                "nothing is wrong here; keep the port behind a firewall",
            ),
        ],
        Code::BadTarget => &[
            (
                "the client sent an absolute or malformed target, or one with spaces or \
                 control bytes",
                "let the client percent-encode the path",
            ),
            (
                "a forward-proxy request was sent to a reverse proxy",
                "point the client's proxy setting elsewhere: autoheal serves one app",
            ),
        ],
        Code::AmbiguousFraming => &[
            (
                "a proxy in front adds Content-Length to a chunked request, or sends two that \
                 differ",
                "mend or update the proxy in front; such a request could be read as two \
                 (request smuggling)",
            ),
            (
                "someone tries request smuggling",
                "nothing is wrong here: it was not passed on",
            ),
        ],
        Code::BadField => &[(
            "a client library puts line breaks or NUL into a field, often from unescaped \
                 user text",
            "encode the value at the client, for example with base64 or RFC 8187",
        )],
        Code::NotHttp => &[(
            "the client speaks TLS or HTTP/2 to a port that serves plain HTTP/1.1",
            "say http:// at the client, or let what stands before autoheal end TLS",
        )],
        Code::BadBody => &[(
            "a client that writes its chunks by hand counts characters instead of bytes",
            "let an HTTP library frame the body, or send a Content-Length",
        )],
        Code::BadProxyHeader => &[
            (
                "a client connects directly to an address that is configured with \
                 proxy_protocol = true",
                "let it go through the load balancer, or listen at another address without \
                 proxy_protocol",
            ),
            (
                "the load balancer does not send the header",
                "turn it on there (send-proxy-v2 in HAProxy, proxy_protocol on in nginx, the \
                 target group's attribute in AWS), or remove proxy_protocol here",
            ),
            (
                "the load balancer's address is not among those in trust",
                "add it: trust = [\"203.0.113.0/24\"]",
            ),
        ],
        Code::PlainToTls => tls::PLAIN_TO_TLS,
        Code::TlsToPlain => tls::TLS_TO_PLAIN,
        Code::HandshakeFailed => tls::HANDSHAKE_FAILED,
        Code::MethodNotForwarded => &[
            (
                "the client takes autoheal for a forward proxy (CONNECT)",
                "point the client's proxy setting elsewhere: autoheal serves one app",
            ),
            (
                "a scanner tries TRACE",
                "nothing is wrong here: TRACE would show the client fields that are meant for \
                 the worker",
            ),
        ],
        Code::HeadTimeout => &[
            (
                "the client opened a request and stalled: a bad network or a slowloris attack",
                "nothing to do for single ones; for many of one address, limit it at the \
                 firewall",
            ),
            (
                "a load balancer opens connections ahead and sends a few bytes too early",
                "let it open them idle, or raise its own head timeout",
            ),
        ],
        Code::BodyTimeout => &[(
            "the client's network broke off, or it makes its body slowly as it sends it",
            "for slow makers, raise timeouts.body above their longest pause",
        )],
        Code::HandshakeTimeout => tls::HANDSHAKE_TIMEOUT,
        Code::TargetTooLong => &[(
            "a query string of more than 16 KiB, often of a form that should be a POST",
            "send the data as a request body",
        )],
        Code::ExpectationFailed => &[(
            "the client sent an Expect that no one implements",
            "remove the field, or send `Expect: 100-continue`",
        )],
        Code::HeadTooLarge => &[
            (
                "cookies have grown without bound: the app sets new ones and never clears old \
                 ones",
                "clear the cookies of one browser to confirm; then let the app expire them",
            ),
            (
                "a token with very many claims or groups travels in Authorization",
                "shorten the token, or keep the claims at the server",
            ),
        ],
        Code::ClientClosed => &[
            (
                "the user or the load balancer did not want to wait any longer",
                "see what was slow: `autoheal requests` now, `autoheal events` for the past",
            ),
            (
                "the timeout of the load balancer is shorter than the app's slowest answer",
                "raise it above `[timeouts] response`, or make the answer faster",
            ),
        ],
        _ => &[],
    }
}
