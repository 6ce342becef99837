//! The design's import table.

/// What every module may import.
pub(crate) const LEAVES: [&str; 4] = ["words", "time", "units", "explain::code"];

/// May never be touched by what has no runtime.
pub(crate) const RUNTIME: &[&str] = &["tokio", "hyper", "hyper_util"];

/// One row of the table: a module, what it may import from us besides the leaves and itself, and
/// which crates it may never touch.
pub(crate) struct Row {
    pub(crate) module: &'static str,
    pub(crate) may: May,
    pub(crate) never: &'static [&'static str],
}

pub(crate) enum May {
    Only(&'static [&'static str]),
    Everything,
}

const fn row(
    module: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
) -> Row {
    Row {
        module,
        may: May::Only(may),
        never,
    }
}

/// The design's table. The longest matching module counts.
pub(crate) const TABLE: &[Row] = &[
    row("words", &[], RUNTIME),
    row("time", &[], RUNTIME),
    row("units", &[], RUNTIME),
    row("explain::code", &[], RUNTIME),
    row("os", &[], RUNTIME),
    row(
        "decide",
        &[],
        &[
            "tokio",
            "hyper",
            "hyper_util",
            "http",
            "tracing",
            "serde",
            "serde_json",
            "std::fs",
            "std::io",
            "std::net",
            "std::os",
            "std::process",
            "std::thread",
            "rustix",
            "socket2",
            "crate::time::now",
            "crate::time::spent",
            "crate::time::wall",
            // A clock that jumps must fire nothing, nor put off what is due.
            "crate::time::WallTime",
            "std::time::Instant",
            "std::time::SystemTime",
        ],
    ),
    row("observe", &["decide::trigger"], &[]),
    // A worker that is asked may speak TLS; how it is spoken to stands on the roster.
    row("sense", &["os", "decide::observation", "tls"], &[]),
    row("admit", &["tls::back"], &[]),
    row("forward", &["admit", "observe", "tls"], &[]),
    row("proxy", &["admit", "forward", "observe"], &[]),
    // What TLS is told is plain data; its files are looked at through the surroundings.
    row("tls::spec", &[], &["tokio", "rustls"]),
    row("tls", &[], &["hyper", "hyper_util"]),
    row("accept", &["proxy", "tls"], &[]),
    row("worker", &["os", "sense::probe", "tls::back"], &[]),
    // What hands are given and what they report; where a worker is probed is part of both.
    row(
        "act",
        &[
            "worker",
            "admit",
            "os",
            "decide::step",
            "decide::observation",
            "decide::policy",
            "sense::probe",
            // A webhook is spoken to as a worker is.
            "tls::back",
            "tls::fault",
            "tls::spec",
        ],
        &[],
    ),
    row("control::order", &[], &["hyper", "hyper_util"]),
    // An incident is plain data, and its story is words: who follows it may use both.
    row(
        "control",
        &[
            "decide",
            "act",
            "sense",
            "worker",
            "observe",
            "journal",
            "explain::incident",
            "tls::back",
        ],
        &[],
    ),
    row(
        "config",
        &[
            "decide::policy",
            "decide::trigger",
            "decide::observation",
            "tls::spec",
        ],
        &["tokio", "crate::time::now", "crate::time::wall"],
    ),
    row("journal", &["decide", "config"], RUNTIME),
    row("rehearse", &["decide", "config"], &[]),
    row("explain::incident", &["os", "sense", "journal"], &[]),
    row("explain", &[], &[]),
    row("doctor", &["os", "sense", "journal"], &[]),
    // An event and an order are plain data: what is shown, and the control channel.
    row("admin", &["control::order", "decide::event"], &[]),
    row("fleet", &["control::order", "decide::event"], &[]),
    row(
        "telemetry",
        &["control::order", "decide::event", "observe::access"],
        &[],
    ),
    Row {
        module: "cli",
        may: May::Everything,
        never: &[],
    },
    Row {
        module: "app",
        may: May::Everything,
        never: &[],
    },
    // The root declares the modules; main is the keeper too, before it is anything else.
    row("lib", &[], &[]),
    row("main", &["cli", "app", "worker::keeper"], &[]),
];

/// Only these may import the composition root.
pub(crate) const MAY_IMPORT_APP: [&str; 2] = ["cli", "main"];

pub(crate) fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

pub(crate) fn row_of(module: &str) -> Option<&'static Row> {
    let fitting = TABLE.iter().filter(|row| is_within(module, row.module));
    fitting.max_by_key(|row| row.module.len())
}
