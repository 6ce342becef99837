//! What the keys of `[crashes]` look like.

use super::shapes::{
    Entry, HOUR,
    Shape::{Count, Table, Time},
    WINDOW,
};

/// The section and its keys.
pub(super) const SHAPES: &[Entry] = &[
    (
        "",
        "crashes",
        Table("crashes"),
        "How patient to be with a worker that ends by itself.",
    ),
    ("crashes", "at_once", Count(0, 1000), ""),
    ("crashes", "window", WINDOW, ""),
    ("crashes", "delay", Time(100, HOUR), ""),
    ("crashes", "longest_delay", Time(100, HOUR), ""),
    ("crashes", "service", WINDOW, ""),
    ("crashes", "give_up", Count(0, 10_000), ""),
    ("crashes", "within", WINDOW, ""),
    ("crashes", "retry", WINDOW, ""),
];
