//! The keys that mean something, and what to say of one that does not.

/// Every key, by the table it stands in. The empty name is the file's top level.
pub(super) const KEYS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "listen",
            "admin",
            "probes",
            "state_dir",
            "mode",
            "threads",
            "trust",
            "tls",
            "forwarded",
            "half_close",
            "proactive",
            "watch",
            "maintenance",
            "worker",
            "attach",
            "crashes",
            "recycle",
            "timeouts",
            "limits",
            "health",
            "parking",
            "queue",
            "shutdown",
            "budget",
            "verdict",
            "journal",
            "log",
            "access_log",
            "dependency",
            "route",
            "rule",
        ],
    ),
    ("listen", &["address", "proxy_protocol", "tls"]),
    ("tls", &["certificate", "key", "client"]),
    ("tls.client", &["roots", "required", "tell"]),
    (
        "worker",
        &[
            "command",
            "port",
            "env",
            "dir",
            "user",
            "stop_signal",
            "stop_to",
            "restart",
            "on_give_up",
            "output",
            "protocol",
            "tls",
            "warmup",
            "warmup_timeout",
            "always_on",
            "keep_alive",
            "connections",
            "concurrency",
            "count",
            "affinity",
        ],
    ),
    (
        "worker.tls",
        &["roots", "name", "certificate", "key", "verify"],
    ),
    ("worker.concurrency", &["min", "max"]),
    ("worker.affinity", &["cookie"]),
    (
        "worker.count",
        &["min", "max", "in_flight", "grow_after", "shrink_after"],
    ),
    ("attach", &["address", "pid_file", "restart"]),
    ("attach.restart", &["signal", "exit"]),
    (
        "crashes",
        &[
            "at_once",
            "window",
            "delay",
            "longest_delay",
            "service",
            "give_up",
            "within",
            "retry",
        ],
    ),
    (
        "recycle",
        &[
            "strategy",
            "ready",
            "start_timeout",
            "drain_timeout",
            "stop_timeout",
            "slow_start",
            "tunnel_timeout",
            "max_unavailable",
        ],
    ),
    ("recycle.ready", &["path", "status"]),
    (
        "timeouts",
        &[
            "response",
            "head",
            "handshake",
            "idle",
            "body",
            "write",
            "tunnel",
        ],
    ),
    (
        "limits",
        &[
            "target",
            "head",
            "fields",
            "connections",
            "connections_per_client",
        ],
    ),
    (
        "health",
        &[
            "path",
            "grpc",
            "statuses",
            "body",
            "interval",
            "timeout",
            "failures",
            "successes",
        ],
    ),
    (
        "parking",
        &["requests", "bytes", "per_client", "wait", "probe"],
    ),
    ("queue", &["requests", "per_client", "wait"]),
    ("shutdown", &["delay", "timeout"]),
    ("budget", &["recycles", "window", "per_day"]),
    ("verdict", &["back_within", "disarm"]),
    ("journal", &["segment", "segments"]),
    ("log", &["format", "level"]),
    (
        "access_log",
        &[
            "path", "format", "sample", "fields", "query", "size", "files",
        ],
    ),
    (
        "dependency",
        &[
            "name",
            "address",
            "path",
            "interval",
            "timeout",
            "failures",
            "successes",
        ],
    ),
    (
        "route",
        &["path", "except", "methods", "response", "slow", "websocket"],
    ),
    (
        "rule",
        &[
            "name",
            "when",
            "do",
            "min_uptime",
            "cooldown",
            "mode",
            "not_between",
            "zone",
        ],
    ),
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
    (
        "when.requests",
        &["count", "share", "window", "path", "except", "methods"],
    ),
    (
        "when.status",
        &[
            "codes", "count", "share", "window", "path", "except", "methods",
        ],
    ),
    (
        "when.slow",
        &[
            "time_taken",
            "count",
            "share",
            "window",
            "path",
            "except",
            "methods",
        ],
    ),
    ("when.pressure", &["of", "share", "waiting", "count", "for"]),
    ("when.schedule", &["cron", "at", "days", "zone", "spread"]),
];

/// The tables of a rule whose keys others have too, or that are too short a word to be guessed.
pub(super) const RULE_KEYS: [(&str, &[&str]); 11] = [
    (
        "when.abandoned",
        &[
            "after", "count", "share", "window", "path", "except", "methods",
        ],
    ),
    ("when.output", &["contains", "regex", "count", "window"]),
    ("when.memory", &["private_bytes", "share", "for"]),
    ("when.leak", &["limit", "horizon"]),
    ("when.cpu", &["share", "of", "for"]),
    ("when.descriptors", &["count", "share", "for"]),
    ("when.threads", &["count", "for"]),
    ("when.connections", &["count", "for"]),
    ("when.age", &["over"]),
    ("when.file", &["path"]),
    (
        "do",
        &["do", "recycle", "run", "notify", "after", "dir", "timeout"],
    ),
];

/// What autoheal is to have, but not in this version: table, key, and what to do instead.
const LATER: [(&str, &str, &str); 3] = [
    ("", "fleet", "remove it; each replica heals itself"),
    (
        "",
        "proxy_protocol",
        "write listen = { address = \"0.0.0.0:8080\", proxy_protocol = true }",
    ),
    (
        "do",
        "signal",
        "write { run = [\"kill\", \"-USR1\", \"%1%\"] }: %1% is the worker's pid",
    ),
];

/// The keys of a table.
pub(super) fn of(table: &str) -> &'static [&'static str] {
    let mut tables = KEYS.iter().chain(&RULE_KEYS);
    tables
        .find(|(name, _)| *name == table)
        .map_or(&[], |(_, keys)| keys)
}

/// What to do about a key that only a later version is to know.
pub(super) fn later(table: &str, key: &str) -> Option<&'static str> {
    LATER
        .iter()
        .find(|(at, later, _)| *at == table && *later == key)
        .map(|(_, _, cure)| *cure)
}

/// Names of web.config and ARM, and what autoheal.toml calls the same.
const FOREIGN: [(&str, &str); 15] = [
    ("timeInterval", "write window = \"2min\""),
    ("timeTaken", "write time_taken = \"30s\""),
    ("statusCode", STATUS),
    ("statusCodes", STATUS),
    ("statusCodesRange", STATUS),
    ("slowRequests", SLOW),
    ("slowRequestsWithPath", SLOW),
    (
        "privateBytesInKB",
        "write when.memory = { private_bytes = \"800MiB\" }",
    ),
    (
        "triggers",
        "write a [[rule]] for each trigger, with when.status, when.slow, ...",
    ),
    ("actions", DO),
    ("actionType", DO),
    (
        "customAction",
        "write do = [{ run = [\"PROGRAM\", \"ARG\"] }]",
    ),
    ("minProcessExecutionTime", "write min_uptime = \"1min\""),
    ("processPath", "write command = [\"PROGRAM\", \"ARG\"]"),
    (
        "autoHealRules",
        "write a [[rule]] for each trigger, with when.status, when.slow, ...",
    ),
];
const STATUS: &str = "write when.status = { codes = \"500-599\", count = 10, window = \"30s\" }";
const SLOW: &str = "write when.slow = { time_taken = \"30s\", count = 5, window = \"2min\" }";
const DO: &str = "write do = [\"recycle\"]";

/// What to do about an unknown key of a table.
pub(super) fn cure(table: &str, key: &str) -> String {
    let known = of(table);
    let mut foreign = FOREIGN.iter();
    if let Some((_, cure)) = foreign.find(|(name, _)| name.eq_ignore_ascii_case(key)) {
        return (*cure).to_owned();
    }
    if let Some(near) = nearest(key, known) {
        return format!("did you mean {near}?");
    }
    if of("").contains(&key) {
        return format!("{key} belongs at the top of the file, before the first [section]");
    }
    // A rule's keys are looked for in its condition alone.
    let strange = |name: &str| name.contains("ready") || (table == "rule" && name == "worker");
    let homes: Vec<_> = KEYS
        .iter()
        .filter(|(name, keys)| !strange(name) && keys.contains(&key))
        .map(|(name, _)| *name)
        .collect();
    match homes[..] {
        [] => format!("remove it, or use one of: {}", known.join(", ")),
        ["rule"] => format!("{key} belongs to a [[rule]]"),
        ["when"] => format!("it is a condition: write when.{key} = {{ ... }} in a [[rule]]"),
        [first, ..] if homes.iter().all(|home| home.starts_with("when.")) => {
            format!("it belongs into the condition: {first} = {{ {key} = ... }}")
        }
        _ => format!("{key} belongs to {}", homes.join(" or ")),
    }
}

/// The word among `known` that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let meant = plain(word);
    let distance = |known: &&&str| strsim::damerau_levenshtein(&meant, &plain(known));
    let near = known.iter().min_by_key(distance)?;
    (distance(&near) <= (near.len() / 3).max(1)).then_some(*near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_guessed_and_a_stranger_is_not() {
        let keys = of("recycle");
        assert_eq!(nearest("drain_timout", keys), Some("drain_timeout"));
        assert_eq!(nearest("drainTimeout", keys), Some("drain_timeout"));
        assert_eq!(nearest("drain-timeout", keys), Some("drain_timeout"));
        assert_eq!(nearest("colour", keys), None);
    }

    #[test]
    fn a_key_in_the_wrong_place_is_told_its_place() {
        assert_eq!(
            cure("", "drain_timeout"),
            "drain_timeout belongs to recycle"
        );
        assert_eq!(
            cure("rule", "status"),
            "it is a condition: write when.status = { ... } in a [[rule]]"
        );
        assert_eq!(
            cure("worker", "trust"),
            "trust belongs at the top of the file, before the first [section]"
        );
        assert_eq!(
            cure("budget", "timeout"),
            "timeout belongs to health or shutdown or dependency"
        );
        assert!(cure("rule", "codes").contains("when.status = { codes"));
    }

    #[test]
    fn what_comes_later_is_no_key_yet() {
        for (table, key, _) in LATER {
            assert!(!of(table).contains(&key), "{table}.{key}");
        }
    }
}
