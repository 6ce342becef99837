//! What the keys of `[health]` look like.

use super::shapes::{
    Entry, HOUR, SEC, STATUSES,
    Shape::{Count, Text, Time},
    TARGET, WORDS,
};

/// The section's keys.
pub(super) const SHAPES: &[Entry] = &[
    ("health", "path", TARGET, ""),
    (
        "health",
        "grpc",
        Text("^[!-~]*$", &["", "shop.Cart"], &["shop cart"]),
        "",
    ),
    ("health", "statuses", STATUSES, ""),
    ("health", "body", WORDS, ""),
    ("health", "successes", Count(1, 1000), ""),
    (
        "health",
        "interval",
        Time(SEC, HOUR),
        "From one probe to the next.",
    ),
    (
        "health",
        "timeout",
        Time(100, 60 * SEC),
        "How long an answer may take.",
    ),
    ("health", "failures", Count(1, 1000), ""),
];
