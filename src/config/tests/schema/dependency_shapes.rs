//! The values of `[[dependency]]`.

use super::shapes::{
    Entry, HOUR, SEC,
    Shape::{Count, Tables, Text, Time},
    TARGET, WORDS,
};

pub(super) const SHAPES: &[Entry] = &[
    (
        "",
        "dependency",
        Tables("dependency"),
        "What the app can't serve without; while it is down, nobody is recycled for it.",
    ),
    (
        "dependency",
        "name",
        WORDS,
        "What status and events call it.",
    ),
    (
        "dependency",
        "address",
        Text(
            "\\S",
            &["db:5432", "127.0.0.1:80", "[::1]:80", "unix:/run/db.sock"],
            &[""],
        ),
        "Where it listens: \"HOST:PORT\" or \"unix:PATH\".",
    ),
    (
        "dependency",
        "path",
        TARGET,
        "What is asked for in HTTP, 200 to 399 being good. Without it a connection is enough.",
    ),
    (
        "dependency",
        "interval",
        Time(SEC, HOUR),
        "From one probe to the next.",
    ),
    (
        "dependency",
        "timeout",
        Time(100, 60 * SEC),
        "How long a probe may take.",
    ),
    (
        "dependency",
        "failures",
        Count(1, 1000),
        "So many failed probes in a row mean that it is down.",
    ),
    (
        "dependency",
        "successes",
        Count(1, 1000),
        "So many good probes in a row mean that it is up again.",
    ),
];
