//! What the keys of a rule's tables look like.

use super::shapes::{
    ARGV, DAY, Entry, GIB, HOUR, METHOD, MIB, PATH, SEC, STATUSES,
    Shape::{self, Any, Count, OneOrMore, Share, Size, Table, Tables, Text, Time, Words},
    WINDOW, WORDS,
};

const COUNTS: Shape = Count(1, 1_000_000_000);
const RECYCLE: Shape = Words(&["auto", "overlap", "in-place"]);
const DEEDS: Shape = Words(&["log", "capture", "recycle", "unready"]);

/// The tables of a rule.
pub(super) const SHAPES: &[Entry] = &[
    (
        "rule",
        "name",
        WORDS,
        "What it heals; no other rule has this name.",
    ),
    ("rule", "when", Table("when"), "One condition."),
    (
        "rule",
        "do",
        OneOrMore(&Any(&[DEEDS, Table("do")])),
        "What is done when the condition holds, in order.",
    ),
    (
        "rule",
        "min_uptime",
        Time(0, DAY),
        "The rule is held until the worker has been ready for this long; 1min without it.",
    ),
    (
        "rule",
        "cooldown",
        Time(0, DAY),
        "The rule rests this long after it fired; 5min without it.",
    ),
    (
        "rule",
        "mode",
        Words(&["heal", "observe"]),
        "\"observe\": this rule only reports.",
    ),
    (
        "rule",
        "not_between",
        OneOrMore(&Text(
            "[0-9]\\s*$",
            &["08:00-18:00", "mon-fri 22:00-06:00"],
            &["", "08:00", "8-18"],
        )),
        "Hours in which the rule is held.",
    ),
    (
        "rule",
        "zone",
        Text("\\S", &["UTC", "local"], &["", "Nowhere/City"]),
        "Whose clock not_between goes by; this machine's without it.",
    ),
    (
        "when",
        "abandoned",
        Table("when.abandoned"),
        "So many clients left before the worker's answer.",
    ),
    (
        "when",
        "output",
        Table("when.output"),
        "The worker printed so many such lines.",
    ),
    (
        "when.abandoned",
        "after",
        Time(10, DAY),
        "Only clients that had waited so long; 1s without it.",
    ),
    ("when.abandoned", "count", COUNTS, COUNT),
    ("when.abandoned", "share", Share, SHARE),
    ("when.abandoned", "window", WINDOW, BACK),
    ("when.abandoned", "path", OneOrMore(&PATH), ONLY_PATH),
    ("when.abandoned", "except", OneOrMore(&PATH), EXCEPT),
    ("when.abandoned", "methods", OneOrMore(&METHOD), METHODS),
    ("when.output", "contains", WORDS, "Lines with this text."),
    (
        "when.output",
        "regex",
        Text("\\S", &["^FATAL", "a\\d+"], &["", "(", "(a)\\1"]),
        "Or lines that match this regular expression.",
    ),
    (
        "when.output",
        "count",
        COUNTS,
        "Fires at this many; 1 without it.",
    ),
    (
        "when.output",
        "window",
        WINDOW,
        "How far back to look; 1min without it.",
    ),
    (
        "when",
        "requests",
        Table("when.requests"),
        "So many requests were served.",
    ),
    (
        "when",
        "status",
        Table("when.status"),
        "So many answers were of these kinds.",
    ),
    (
        "when",
        "slow",
        Table("when.slow"),
        "So many requests had no answer after this long.",
    ),
    (
        "when",
        "memory",
        Table("when.memory"),
        "The worker's private memory is over a limit.",
    ),
    (
        "when",
        "leak",
        Table("when.leak"),
        "The worker's private memory grows steadily towards a limit.",
    ),
    (
        "when.leak",
        "limit",
        Size(MIB, 16 * 1024 * GIB),
        "The limit of its private bytes; 90% of its cgroup's memory limit without it.",
    ),
    (
        "when.leak",
        "horizon",
        Time(60 * SEC, 7 * DAY),
        "Only if it gets there within this time; 1h without it.",
    ),
    (
        "when",
        "age",
        Table("when.age"),
        "The worker has been ready for so long, give or take 10%.",
    ),
    (
        "when",
        "schedule",
        Table("when.schedule"),
        "The wall clock shows one of these times.",
    ),
    (
        "when",
        "file",
        Table("when.file"),
        "The content of a file is not what it was when the worker was started.",
    ),
    (
        "when",
        "cpu",
        Table("when.cpu"),
        "The worker's CPU is at a limit.",
    ),
    (
        "when",
        "descriptors",
        Table("when.descriptors"),
        "So many descriptors are open.",
    ),
    (
        "when",
        "threads",
        Table("when.threads"),
        "It has so many threads.",
    ),
    (
        "when",
        "connections",
        Table("when.connections"),
        "It has so many connections.",
    ),
    (
        "when",
        "pressure",
        Table("when.pressure"),
        "Its tasks wait for a resource.",
    ),
    (
        "when",
        "all",
        Tables("when"),
        "All of these conditions hold at the same moment.",
    ),
    ("when.cpu", "share", Share, "The limit."),
    (
        "when.cpu",
        "of",
        Words(&["quota", "core"]),
        "The share of what.",
    ),
    ("when.cpu", "for", Time(SEC, DAY), FOR),
    ("when.descriptors", "count", COUNTS, COUNT),
    (
        "when.descriptors",
        "share",
        Share,
        "Or at this share of what it may open.",
    ),
    ("when.descriptors", "for", Time(0, DAY), FOR),
    ("when.threads", "count", COUNTS, COUNT),
    ("when.threads", "for", Time(0, DAY), FOR),
    ("when.connections", "count", COUNTS, COUNT),
    ("when.connections", "for", Time(0, DAY), FOR),
    (
        "when.pressure",
        "of",
        Words(&["cpu", "io", "memory", "memory.high"]),
        "What they wait for.",
    ),
    (
        "when.pressure",
        "share",
        Share,
        "They waited so much of the last ten seconds.",
    ),
    (
        "when.pressure",
        "waiting",
        Words(&["some", "full"]),
        "Some of them, or all.",
    ),
    (
        "when.pressure",
        "count",
        Count(1, 1_000_000),
        "Of memory.high: so often a second.",
    ),
    ("when.pressure", "for", Time(0, DAY), FOR),
    (
        "when.age",
        "over",
        Time(SEC, 31_557_600 * SEC),
        "Fires at this age.",
    ),
    (
        "when.schedule",
        "cron",
        Text(
            "^\\s*\\S+(\\s+\\S+){4}\\s*$",
            &["0 3 * * mon-fri"],
            &["", "0 3 * *", "60 3 * * *"],
        ),
        "Cron's five fields.",
    ),
    (
        "when.schedule",
        "at",
        OneOrMore(&Text(
            "^[0-9]{1,2}:[0-9]{2}$",
            &["03:00", "23:59"],
            &["", "3", "24:01"],
        )),
        "Times of the day.",
    ),
    (
        "when.schedule",
        "days",
        Text("\\S", &["mon-fri", "sat,sun"], &["", "someday"]),
        "The days of at: \"mon-fri\", \"sat,sun\"; every day without it.",
    ),
    (
        "when.schedule",
        "zone",
        Text("\\S", &["UTC", "local"], &["", "Nowhere/City"]),
        "Whose clock: \"Europe/Berlin\", \"UTC\"; this machine's without it.",
    ),
    (
        "when.schedule",
        "spread",
        Time(0, DAY),
        "The firing comes at a random moment within this time after it.",
    ),
    (
        "when.file",
        "path",
        OneOrMore(&WORDS),
        "The files; relative ones start at this file's folder.",
    ),
    ("when.requests", "count", COUNTS, COUNT),
    (
        "when.requests",
        "share",
        Share,
        "And only if they are at least this share of all requests in the window, which it needs \
         then, beside a path, except or methods.",
    ),
    (
        "when.requests",
        "window",
        WINDOW,
        "How far back to look; without it since the worker started.",
    ),
    ("when.requests", "path", OneOrMore(&PATH), ONLY_PATH),
    ("when.requests", "except", OneOrMore(&PATH), EXCEPT),
    ("when.requests", "methods", OneOrMore(&METHOD), METHODS),
    (
        "when.status",
        "codes",
        STATUSES,
        "Which answers: \"500-599\", 503, \"connect,reset,timeout\".",
    ),
    ("when.status", "count", COUNTS, COUNT),
    ("when.status", "share", Share, SHARE),
    ("when.status", "window", WINDOW, BACK),
    ("when.status", "path", OneOrMore(&PATH), ONLY_PATH),
    ("when.status", "except", OneOrMore(&PATH), EXCEPT),
    ("when.status", "methods", OneOrMore(&METHOD), METHODS),
    (
        "when.slow",
        "time_taken",
        Time(10, DAY),
        "How long the worker may take to its response head.",
    ),
    ("when.slow", "count", COUNTS, COUNT),
    ("when.slow", "share", Share, SHARE),
    ("when.slow", "window", WINDOW, BACK),
    ("when.slow", "path", OneOrMore(&PATH), ONLY_PATH),
    ("when.slow", "except", OneOrMore(&PATH), EXCEPT),
    ("when.slow", "methods", OneOrMore(&METHOD), METHODS),
    (
        "when.memory",
        "private_bytes",
        Size(MIB, 16 * 1024 * GIB),
        "The limit.",
    ),
    (
        "when.memory",
        "share",
        Share,
        "The limit, as a share of the worker's cgroup limit.",
    ),
    (
        "when.memory",
        "for",
        Time(0, DAY),
        "For how long without a sample below it.",
    ),
    (
        "do",
        "recycle",
        RECYCLE,
        "Replace the worker in this order.",
    ),
    (
        "do",
        "run",
        ARGV,
        "Run a program: no shell; %1% is the worker's pid.",
    ),
    (
        "do",
        "dir",
        WORDS,
        "Where it runs; without it in the file's folder.",
    ),
    (
        "do",
        "timeout",
        Time(SEC, HOUR),
        "It is killed, or tried no more, after this long; 60s without it.",
    ),
    (
        "do",
        "do",
        DEEDS,
        "An action that needs no more than its name, with an after.",
    ),
    (
        "do",
        "notify",
        Text(
            "^http://[!-~]+$",
            &["http://alerts.internal:8080/autoheal"],
            &["", "ftp://a", "http://", "alerts.internal"],
        ),
        "Tell someone: a POST of JSON, tried again with growing pauses.",
    ),
    (
        "do",
        "after",
        Count(1, 1000),
        "From this firing in a row on; at each without it.",
    ),
];

const FOR: &str = "For how long without a reading below it.";
const COUNT: &str = "Fires at this many.";
const SHARE: &str = "And only if they are at least this share of all in the window.";
const BACK: &str = "How far back to look.";
const ONLY_PATH: &str = "Only paths that match one of these; * stands for anything.";
const EXCEPT: &str = "But none of these paths.";
const METHODS: &str = "Only these methods.";
