//! What the keys of `[attach]` look like.

use super::shapes::{
    ARGV, Entry,
    Shape::{Any, Count, Table, Text, Words},
    WORDS,
};

/// The section and its keys.
pub(super) const SHAPES: &[Entry] = &[
    (
        "",
        "attach",
        Table("attach"),
        "What serves the app when something else starts it.",
    ),
    (
        "attach",
        "address",
        Text(
            "^(unix:.|[0-9.]+:[0-9]+$|\\[[0-9a-fA-F:.]+\\]:[0-9]+$)",
            &["127.0.0.1:5000", "[::1]:80", "unix:/run/a.sock"],
            &["", "5000", "shop:80", "unix:"],
        ),
        "Where it listens, on this machine.",
    ),
    (
        "attach",
        "pid_file",
        WORDS,
        "The file that its main process writes its number to.",
    ),
    (
        "attach",
        "restart",
        Any(&[
            ARGV,
            Words(&["supervisor", "probe", "none"]),
            Table("attach.restart"),
        ]),
        "",
    ),
    (
        "attach.restart",
        "signal",
        Text("^[A-Z0-9]+$", &["HUP", "USR2"], &["", "-1"]),
        "What its main process is told.",
    ),
    (
        "attach.restart",
        "exit",
        Count(2, 255),
        "What autoheal ends with; not 64, 69, 78, 101 or 111, which it has another use for.",
    ),
];
