//! Causes and cures of what goes wrong with TLS to the worker.

use super::{Code, Cures};

pub(super) fn of(code: Code) -> Option<Cures> {
    let cures = match code {
        Code::WorkerCertificateExpired => EXPIRED,
        Code::WorkerCertificateNotYetValid => NOT_YET_VALID,
        Code::WorkerCertificateUnknownIssuer => UNKNOWN_ISSUER,
        Code::WorkerCertificateWrongName => WRONG_NAME,
        Code::WorkerCertificateUnsuitable => UNSUITABLE,
        Code::WorkerTlsAlert => REFUSED,
        Code::WorkerTlsNothingInCommon => NOTHING_IN_COMMON,
        Code::WorkerNotTls => NOT_TLS,
        Code::WorkerTlsOtherHttp => OTHER_HTTP,
        Code::WorkerTlsBroken => BROKEN,
        Code::WorkerTlsTimeout => TIMEOUT,
        _ => return None,
    };
    Some(cures)
}

const EXPIRED: Cures = &[
    (
        "the certificate was not renewed: the log says since when it is over",
        "renew it, then `autoheal recycle`",
    ),
    (
        "it was renewed, and the worker reads certificates only at its start",
        "`autoheal recycle`; a rule with `when.file = { path = \"site.pem\" }` does it by itself",
    ),
    (
        "this machine's clock is wrong",
        "look at `date -u`, and let the clock be set over the network",
    ),
];

const NOT_YET_VALID: Cures = &[
    (
        "this machine's clock is behind that of the authority",
        "look at `date -u`, and let the clock be set over the network",
    ),
    (
        "the certificate was put in place before its time",
        "let the worker use the one before until then",
    ),
];

const UNKNOWN_ISSUER: Cures = &[
    (
        "the worker has a certificate of its own making, or of a private authority",
        "set worker.tls.roots to the PEM file of that certificate or authority",
    ),
    (
        "the worker sends its own certificate alone, without those between it and the authority",
        "let it send the whole chain: `openssl s_client -connect 127.0.0.1:PORT -showcerts` shows \
         what it sends",
    ),
    (
        "worker.tls.roots names an authority that was replaced",
        "get its present certificate; the log names the issuer that was seen",
    ),
];

const WRONG_NAME: Cures = &[
    (
        "the certificate is for the app's public name, and the worker is asked for as localhost",
        "set worker.tls.name to a name that it is for; the log says which there are",
    ),
    (
        "the worker serves several certificates and chose another",
        "set worker.tls.name to the name whose certificate is wanted",
    ),
    (
        "the certificate has a common name and no subjectAltName",
        "issue it again with one: `openssl req -addext subjectAltName=DNS:localhost ...`",
    ),
];

const UNSUITABLE: Cures = &[
    (
        "the certificate is for clients alone (extendedKeyUsage)",
        "issue it again with serverAuth",
    ),
    (
        "it is the certificate of an authority itself, or its key or signature is of a kind that \
         is no longer safe",
        "issue one for the worker: RSA of at least 2048 bits, ECDSA on P-256 or P-384, or Ed25519, \
         signed with SHA-256 or better",
    ),
];

const REFUSED: Cures = &[
    (
        "the worker wants to see a certificate of ours and was shown none",
        "set certificate and key in worker.tls",
    ),
    (
        "it was shown one that has expired or that it does not trust",
        "`autoheal status` shows until when it is valid; let the worker trust its authority",
    ),
    (
        "the worker serves no certificate for the name that it is asked for",
        "set worker.tls.name to one that it serves",
    ),
];

const NOTHING_IN_COMMON: Cures = &[
    (
        "the worker speaks only TLS 1.0 or 1.1",
        "let it speak 1.2 or 1.3: update its server or its library",
    ),
    (
        "its ciphers are only of a kind that is no longer safe (RSA key exchange, CBC, 3DES)",
        "let it offer ECDHE with AES-GCM or ChaCha20-Poly1305",
    ),
    (
        "the worker has no certificate that fits: none at all, or of DSA",
        "look at its log, and give it one of RSA, ECDSA or Ed25519",
    ),
];

const NOT_TLS: Cures = &[
    (
        "the worker serves plain HTTP on this port",
        "set worker.protocol = \"http\" (or \"h2c\"), or turn TLS on in its configuration",
    ),
    (
        "another program listens there",
        "see what it says: `curl -v http://127.0.0.1:PORT/` at the address that `autoheal \
         status` shows",
    ),
];

const OTHER_HTTP: Cures = &[
    (
        "worker.protocol = \"h2\", and the worker speaks HTTP/1.1 in TLS",
        "set worker.protocol = \"https\", or turn HTTP/2 on in the worker",
    ),
    (
        "worker.protocol = \"https\", and the worker speaks HTTP/2 alone, as servers of gRPC do",
        "set worker.protocol = \"h2\"",
    ),
];

const BROKEN: Cures = &[(
    "a defect of the worker's TLS library, or something between us and it that changes bytes",
    "look at the worker's log, and try `openssl s_client -connect` at the address that `autoheal \
     status` shows",
)];

const TIMEOUT: Cures = &[
    (
        "what listens there takes connections and does not speak TLS: it waits for the client",
        "set worker.protocol to what it speaks",
    ),
    (
        "the worker's event loop is blocked, or it was stopped by SIGSTOP",
        "`autoheal requests` shows what it is at; `autoheal recycle` replaces it",
    ),
];
