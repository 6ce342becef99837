//! What each key's value looks like, with its bounds. The tests beside prove that the readers
//! agree: at every bound, for every word, for every key.

use Shape::{
    Any, Count, Env, Flag, List, Nothing, OneOrMore, Size, Table, Tables, Text, Time, Words,
};

/// What a value looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// One of several.
    Any(&'static [Self]),
    /// A whole number from the first to the last.
    Count(u32, u32),
    /// A table of strings.
    Env,
    /// True or false.
    Flag,
    /// A list that is empty.
    Nothing,
    /// A list that is not empty.
    List(&'static Self),
    /// One, or a list that is not empty.
    OneOrMore(&'static Self),
    /// A percentage over 0.
    Share,
    /// Bytes from the first to the last.
    Size(u64, u64),
    /// A table of this name in the table of keys.
    Table(&'static str),
    /// A list of such tables.
    Tables(&'static str),
    /// A string of this pattern, with some that are one and some that are not.
    Text(
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    ),
    /// Milliseconds from the first to the last.
    Time(u64, u64),
    /// One of these.
    Words(&'static [&'static str]),
}

pub(super) const SEC: u64 = 1000;
pub(super) const HOUR: u64 = 3600 * SEC;
pub(super) const DAY: u64 = 24 * HOUR;
pub(super) const KIB: u64 = 1024;
pub(super) const MIB: u64 = 1024 * KIB;
pub(super) const GIB: u64 = 1024 * MIB;

pub(super) const WORDS: Shape = Text("\\S", &["a", " b\tc"], &["", " "]);
pub(super) const TARGET: Shape = Text(
    "^/[!\"$-~]*$",
    &["/", "/up?deep=1"],
    &["up", "http://a/", "/a b", "/a#b", ""],
);
pub(super) const PATH: Shape = Text(
    "^[/*][^\\s?#]*$",
    &["/", "*", "/a/*"],
    &["a", "/a?b", "/a b", ""],
);
pub(super) const METHOD: Shape = Text(
    "^[A-Za-z0-9_-]+$",
    &["GET", "m-search"],
    &["", "A B", "GET,PUT"],
);
/// One of several statuses.
macro_rules! item {
    () => {
        concat!(
            "(connect|reset|timeout|grpc:\\s*[a-zA-Z_0-9-]+",
            "|[1-5][0-9]{2}(\\s*-\\s*[1-5][0-9]{2}|\\.[0-9]+)?)"
        )
    };
}

pub(super) const STATUSES: Shape = OneOrMore(&Any(&[
    Text(
        concat!("^\\s*", item!(), "(\\s*,\\s*", item!(), ")*\\s*$"),
        &[
            "500",
            "500-599",
            "429, 502.3",
            "connect,reset,timeout",
            "grpc:unavailable, grpc:13",
        ],
        &["", "99", "600", "5xx", "500-", "all"],
    ),
    Count(100, 599),
]));
const ADDRESS: Shape = Text(
    "\\S",
    &["0.0.0.0:8080", ":80", "[::]:80", "unix:/run/a.sock"],
    &[""],
);
const TLS: Shape = Any(&[Words(&["off"]), OneOrMore(&Table("tls"))]);
pub(super) const ARGV: Shape = Any(&[List(&WORDS)]);
pub(super) const WINDOW: Shape = Time(SEC, DAY);
const CLIENT: Shape = Time(SEC, DAY);

/// A table, a key of it, what the key's value looks like, and what it means where
/// config/autoheal.toml has no words for it.
pub(super) type Entry = (&'static str, &'static str, Shape, &'static str);

/// Every key.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    let rest = super::rule_shapes::SHAPES.iter();
    SHAPES
        .iter()
        .chain(rest)
        .chain(super::access_shapes::SHAPES)
        .chain(super::dependency_shapes::SHAPES)
        .chain(super::instance_shapes::SHAPES)
        .chain(super::tls_shapes::SHAPES)
        .chain(super::attach_shapes::SHAPES)
        .chain(super::crash_shapes::SHAPES)
        .chain(super::health_shapes::SHAPES)
}

/// Everything but the rules' tables.
const SHAPES: &[Entry] = &[
    (
        "",
        "listen",
        OneOrMore(&Any(&[ADDRESS, Table("listen")])),
        "",
    ),
    (
        "",
        "admin",
        Any(&[
            Words(&["auto", "off"]),
            Text("^unix:.", &["unix:/a"], &["unix:", ""]),
        ]),
        "",
    ),
    (
        "",
        "probes",
        Any(&[
            Words(&["off"]),
            Text(
                "^(unix:.|.*:[0-9]+$)",
                &["0.0.0.0:9181", ":1", "unix:/a"],
                &["", "9181"],
            ),
        ]),
        "",
    ),
    ("", "state_dir", WORDS, ""),
    ("", "maintenance", WORDS, ""),
    ("", "mode", Words(&["heal", "observe", "relay"]), ""),
    ("", "threads", Any(&[Words(&["auto"]), Count(1, 4)]), ""),
    (
        "",
        "trust",
        Any(&[
            Words(&["private", "none"]),
            Nothing,
            OneOrMore(&Text(
                "^[0-9a-fA-F.:]+(/[0-9]+)?$",
                &["10.0.0.0/8", "::1", "fd00::/8"],
                &["shop", "10.0.0.0/8/8", ""],
            )),
        ]),
        "",
    ),
    ("", "forwarded", Flag, ""),
    ("", "half_close", Flag, ""),
    ("", "watch", Flag, ""),
    ("", "proactive", Flag, ""),
    ("", "tls", TLS, ""),
    ("", "worker", Table("worker"), "What serves the app."),
    ("", "recycle", Table("recycle"), "How a worker is replaced."),
    (
        "",
        "timeouts",
        Table("timeouts"),
        "How long each side may take.",
    ),
    ("", "limits", Table("limits"), "What a client may ask for."),
    (
        "",
        "health",
        Table("health"),
        "The probe of a ready worker.",
    ),
    (
        "",
        "parking",
        Table("parking"),
        "Where requests wait while no worker is ready.",
    ),
    (
        "",
        "queue",
        Table("queue"),
        "Where requests wait while each worker has as many as it may.",
    ),
    (
        "",
        "shutdown",
        Table("shutdown"),
        "How autoheal itself stops.",
    ),
    (
        "",
        "budget",
        Table("budget"),
        "How many recycles rules may cause.",
    ),
    ("", "verdict", Table("verdict"), "Whether recycles help."),
    (
        "",
        "journal",
        Table("journal"),
        "How much of the past is kept.",
    ),
    (
        "",
        "log",
        Table("log"),
        "What is written to standard error.",
    ),
    (
        "",
        "access_log",
        Table("access_log"),
        "One line for each request.",
    ),
    (
        "",
        "route",
        Tables("route"),
        "What holds for some paths alone; the first that matches.",
    ),
    (
        "route",
        "path",
        OneOrMore(&PATH),
        "The paths; * stands for anything.",
    ),
    (
        "route",
        "except",
        OneOrMore(&PATH),
        "But none of these paths.",
    ),
    (
        "route",
        "methods",
        OneOrMore(&METHOD),
        "These methods alone.",
    ),
    (
        "route",
        "response",
        Any(&[Words(&["none"]), Time(100, DAY)]),
        "Instead of timeouts.response: a duration, or none at all.",
    ),
    ("route", "slow", Flag, "false: never counts as slow."),
    (
        "route",
        "websocket",
        Flag,
        "false: may not become a WebSocket.",
    ),
    (
        "",
        "rule",
        Tables("rule"),
        "When something holds, do something.",
    ),
    (
        "listen",
        "address",
        ADDRESS,
        "Where: \"0.0.0.0:8080\", \":8080\" or \"unix:PATH\".",
    ),
    (
        "listen",
        "proxy_protocol",
        Flag,
        "Each connection begins with a PROXY protocol header.",
    ),
    ("listen", "tls", TLS, "TLS of this address; \"off\": none."),
    ("worker", "command", ARGV, ""),
    (
        "worker",
        "port",
        Any(&[Count(1, 65_535), Words(&["auto", "unix"])]),
        "",
    ),
    ("worker", "env", Env, ""),
    (
        "worker",
        "protocol",
        Words(&["http", "h2c", "https", "h2"]),
        "",
    ),
    ("worker", "tls", Table("worker.tls"), ""),
    ("worker", "dir", WORDS, ""),
    ("worker", "user", WORDS, ""),
    (
        "worker",
        "stop_signal",
        Text(
            "^(SIG)?[A-Z0-9a-z]+$",
            &["TERM", "SIGQUIT", "int"],
            &["", "15 "],
        ),
        "",
    ),
    ("worker", "stop_to", Words(&["group", "leader"]), ""),
    ("worker", "restart", Words(&["always", "on-failure"]), ""),
    ("worker", "on_give_up", Words(&["serve-503", "exit"]), ""),
    ("worker", "output", Words(&["auto", "raw", "marked"]), ""),
    ("worker", "warmup", OneOrMore(&TARGET), ""),
    ("worker", "warmup_timeout", Time(SEC, HOUR), ""),
    ("worker", "keep_alive", Time(0, HOUR), ""),
    ("worker", "connections", Count(1, 100_000), ""),
    (
        "worker",
        "count",
        Any(&[Count(1, 64), Table("worker.count")]),
        "",
    ),
    (
        "recycle",
        "strategy",
        Words(&["auto", "overlap", "in-place"]),
        "",
    ),
    (
        "recycle",
        "ready",
        Any(&[Words(&["port"]), Table("recycle.ready")]),
        "",
    ),
    ("recycle", "start_timeout", Time(SEC, HOUR), ""),
    ("recycle", "drain_timeout", Time(0, HOUR), ""),
    ("recycle", "stop_timeout", Time(0, HOUR), ""),
    ("recycle", "slow_start", Time(0, HOUR), ""),
    ("recycle", "tunnel_timeout", Time(0, HOUR), ""),
    ("recycle", "max_unavailable", Count(1, 64), ""),
    (
        "recycle.ready",
        "path",
        TARGET,
        "What is asked for, with its query.",
    ),
    (
        "recycle.ready",
        "status",
        Any(&[Words(&["any"]), STATUSES]),
        "Which answers will do.",
    ),
    ("timeouts", "response", Time(100, DAY), ""),
    ("timeouts", "head", CLIENT, ""),
    ("timeouts", "handshake", CLIENT, ""),
    ("timeouts", "idle", CLIENT, ""),
    ("timeouts", "body", CLIENT, ""),
    ("timeouts", "write", CLIENT, ""),
    ("timeouts", "tunnel", CLIENT, ""),
    ("limits", "target", Size(KIB, MIB), ""),
    ("limits", "head", Size(4 * KIB, MIB), ""),
    ("limits", "fields", Count(10, 1000), ""),
    ("limits", "connections", Count(1, 1_000_000), ""),
    ("limits", "connections_per_client", Count(1, 1_000_000), ""),
    ("parking", "requests", Count(0, 1_000_000), ""),
    ("parking", "bytes", Size(0, 64 * GIB), ""),
    ("parking", "per_client", Count(1, 1_000_000), ""),
    ("parking", "wait", Time(0, HOUR), ""),
    ("parking", "probe", TARGET, ""),
    ("queue", "requests", Count(0, 1_000_000), ""),
    ("queue", "per_client", Count(1, 1_000_000), ""),
    ("queue", "wait", Time(0, HOUR), ""),
    ("shutdown", "delay", Time(0, HOUR), ""),
    ("shutdown", "timeout", Time(0, HOUR), ""),
    ("budget", "recycles", Count(0, 1000), ""),
    ("budget", "window", WINDOW, ""),
    ("budget", "per_day", Count(0, 10_000), ""),
    ("verdict", "back_within", WINDOW, ""),
    ("verdict", "disarm", Time(0, 7 * DAY), ""),
    ("journal", "segment", Size(64 * KIB, GIB), ""),
    ("journal", "segments", Count(2, 1000), ""),
    ("log", "format", Words(&["auto", "text", "json"]), ""),
    (
        "log",
        "level",
        Words(&["error", "warn", "info", "debug", "trace"]),
        "",
    ),
];

/// The keys without which a table means nothing.
pub(super) const REQUIRED: &[(&str, &[&str])] = &[
    ("listen", &["address"]),
    ("attach", &["address", "restart"]),
    ("dependency", &["name", "address"]),
    ("route", &["path"]),
    ("tls", &["certificate", "key"]),
    ("tls.client", &["roots"]),
    ("rule", &["name", "when", "do"]),
    ("when.cpu", &["share", "for"]),
    ("when.threads", &["count"]),
    ("when.connections", &["count"]),
    ("when.pressure", &["of"]),
    ("when.age", &["over"]),
    ("when.file", &["path"]),
    ("when.requests", &["count"]),
    ("when.status", &["codes", "count", "window"]),
    ("when.slow", &["time_taken", "count", "window"]),
    ("when.abandoned", &["count", "window"]),
];

/// The tables that have exactly one of these keys.
pub(super) const ONE_OF: &[(&str, &[&str])] = &[
    (
        "when",
        &[
            "requests",
            "status",
            "slow",
            "abandoned",
            "output",
            "memory",
            "leak",
            "cpu",
            "descriptors",
            "threads",
            "connections",
            "pressure",
            "age",
            "schedule",
            "file",
            "all",
        ],
    ),
    ("attach.restart", &["signal", "exit"]),
    ("when.descriptors", &["count", "share"]),
    ("when.memory", &["private_bytes", "share"]),
    ("when.schedule", &["cron", "at"]),
    ("when.output", &["contains", "regex"]),
    ("do", &["do", "recycle", "run", "notify"]),
];
