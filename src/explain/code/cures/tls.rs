//! Causes and cures of what goes wrong with TLS.

use super::Cures;

pub(super) const PLAIN_TO_TLS: Cures = &[(
    "a client or a load balancer says http:// to a port that speaks TLS",
    "say https://, or listen without TLS on one more port: listen = [\":8443\", { address \
     = \":8080\", tls = \"off\" }]",
)];

pub(super) const TLS_TO_PLAIN: Cures = &[(
    "a client or a load balancer says https:// to a port that speaks plain HTTP",
    "say http://, or set tls = { certificate = \"site.pem\", key = \"site.key\" }",
)];

pub(super) const HANDSHAKE_FAILED: Cures = &[
    (
        "the client does not trust the certificate: its authority, its names or its time",
        "look at it as a client does: openssl s_client -connect HOST:PORT -servername HOST",
    ),
    (
        "the client is older than TLS 1.2, or shows no certificate where one is required",
        "update the client; with log.level = \"debug\" each failure is logged with its \
         reason",
    ),
    (
        "a scanner or a load balancer's TCP check talks to the port",
        "nothing is wrong here; let the check speak HTTPS",
    ),
];

pub(super) const HANDSHAKE_TIMEOUT: Cures = &[(
    "the client began a TLS handshake and stalled: a bad network, or an attack",
    "nothing to do for single ones; for bad networks raise timeouts.handshake",
)];
