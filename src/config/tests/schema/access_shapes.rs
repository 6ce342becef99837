//! The values of `[access_log]`.

use super::shapes::{
    Entry, GIB, KIB,
    Shape::{Count, Flag, OneOrMore, Size, Text, Words},
    WORDS,
};

const ACCESS_FIELDS: &[&str] = &[
    "at",
    "client",
    "method",
    "path",
    "protocol",
    "status",
    "code",
    "end",
    "bytes",
    "duration_ms",
    "head_ms",
    "worker",
    "instance",
    "parked",
    "replayed",
    "id",
    "host",
    "user_agent",
    "referer",
    "client_subject",
];

pub(super) const SHAPES: &[Entry] = &[
    ("access_log", "path", WORDS, ""),
    ("access_log", "format", Words(&["json", "combined"]), ""),
    (
        "access_log",
        "sample",
        Text(
            "^\\s*[0-9]+(\\.[0-9]{0,2})?\\s*%\\s*$",
            &["0%", "0.5%", "100%"],
            &["30", ""],
        ),
        "",
    ),
    ("access_log", "fields", OneOrMore(&Words(ACCESS_FIELDS)), ""),
    ("access_log", "query", Flag, ""),
    ("access_log", "size", Size(64 * KIB, 64 * GIB), ""),
    ("access_log", "files", Count(1, 1000), ""),
];
