//! How many workers there are, how many requests each has at once, and how an idle one stays warm.

use super::shapes::{
    Entry, HOUR, SEC,
    Shape::{Any, Count, Flag, Table, Text, Time, Words},
};

/// A token of up to 64 characters that does not begin with two underscores.
const COOKIE: &str = concat!(
    "^(_|_?[A-Za-z0-9!#$%&'*+.^`|~-]",
    "[A-Za-z0-9!#$%&'*+.^_`|~-]{0,62}|",
    "[A-Za-z0-9!#$%&'*+.^`|~-][A-Za-z0-9!#$%&'*+.^_`|~-]{63})$"
);

pub(super) const SHAPES: &[Entry] = &[
    (
        "worker",
        "always_on",
        Any(&[Words(&["off"]), Time(SEC, HOUR)]),
        "",
    ),
    (
        "worker",
        "concurrency",
        Any(&[
            Count(1, 100_000),
            Words(&["auto"]),
            Table("worker.concurrency"),
        ]),
        "",
    ),
    (
        "worker",
        "affinity",
        Any(&[Flag, Table("worker.affinity")]),
        "",
    ),
    (
        "worker.affinity",
        "cookie",
        Text(
            COOKIE,
            &["shop-worker", "_a", "ARRAffinity"],
            &["", "__Host-a", "a b", "a=b"],
        ),
        "Its name; the default is autoheal-affinity.",
    ),
    (
        "worker.concurrency",
        "min",
        Count(1, 100_000),
        "Never fewer, but while it is looked how long an answer takes then; the default is 4.",
    ),
    (
        "worker.concurrency",
        "max",
        Count(1, 100_000),
        "Never more; the default is 1000.",
    ),
    (
        "worker.count",
        "min",
        Count(1, 64),
        "Never fewer; the default is 1.",
    ),
    ("worker.count", "max", Count(1, 64), "Never more."),
    (
        "worker.count",
        "in_flight",
        Count(1, 100_000),
        "One more is started when each has more than so many in flight; the default is 20.",
    ),
    (
        "worker.count",
        "grow_after",
        Time(100, HOUR),
        "...for so long; the default is 1s.",
    ),
    (
        "worker.count",
        "shrink_after",
        Time(100, HOUR),
        "One is stopped when the others could do its work for so long; the default is 1min.",
    ),
];
