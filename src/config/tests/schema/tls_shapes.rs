//! The tables of TLS, with clients and with the worker.

use super::shapes::{
    Entry,
    Shape::{Any, Flag, OneOrMore, Table, Text, Words},
    WORDS,
};

pub(super) const SHAPES: &[Entry] = &[
    (
        "tls",
        "certificate",
        WORDS,
        "The certificate chain, in PEM.",
    ),
    ("tls", "key", WORDS, "The certificate's key, in PEM."),
    (
        "tls",
        "client",
        Table("tls.client"),
        "Clients show certificates of their own.",
    ),
    (
        "tls.client",
        "roots",
        WORDS,
        "What those certificates lead to, in PEM.",
    ),
    (
        "tls.client",
        "required",
        Flag,
        "false: a client may show none.",
    ),
    (
        "tls.client",
        "tell",
        Any(&[
            Words(&["none"]),
            OneOrMore(&Words(&[
                "client-cert",
                "client-cert-chain",
                "x-arr-clientcert",
            ])),
        ]),
        "In which fields the worker is told of a client's certificate.",
    ),
    (
        "worker.tls",
        "roots",
        WORDS,
        "What the worker's certificate leads to, in PEM.",
    ),
    (
        "worker.tls",
        "name",
        Text(
            "^[0-9A-Za-z_.:-]+$",
            &["localhost", "shop.local", "127.0.0.1", "::1"],
            &["", "https://shop.local", "shop.local/"],
        ),
        "The name that it is asked for, and that its certificate is for.",
    ),
    (
        "worker.tls",
        "certificate",
        WORDS,
        "What it is shown if it asks for a certificate, in PEM.",
    ),
    (
        "worker.tls",
        "key",
        WORDS,
        "The key of that certificate, in PEM.",
    ),
    (
        "worker.tls",
        "verify",
        Flag,
        "false: whoever listens there is taken for it.",
    ),
];
