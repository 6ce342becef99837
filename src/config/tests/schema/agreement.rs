//! The readers accept what the shapes accept, and refuse what they refuse.

use std::collections::BTreeSet;

use super::{
    super::{load_all, source},
    *,
};
use crate::{
    config::Overrides,
    units::{ByteSize, format_duration},
};

/// Values as they stand in a file, and whether they are right.
fn samples(shape: Shape) -> Vec<(String, bool)> {
    match shape {
        Shape::Any(shapes) => {
            let mut all: Vec<_> = shapes.iter().flat_map(|one| samples(*one)).collect();
            // What is wrong for one may be right for another.
            let right = all.iter().filter(|(_, right)| *right);
            let right: BTreeSet<_> = right.map(|(value, _)| value.clone()).collect();
            all.retain(|(value, is_right)| *is_right || !right.contains(value));
            all
        }
        Shape::List(one) => {
            let in_list = |(value, right)| (format!("[{value}]"), right);
            let mut all: Vec<_> = samples(*one).into_iter().map(in_list).collect();
            all.push(("[]".to_owned(), false));
            all
        }
        Shape::Nothing => edges(&["[]"], &["[1]"]),
        Shape::OneOrMore(one) => [samples(Shape::List(one)), samples(*one)].concat(),
        // Their keys have samples of their own.
        Shape::Table(_) | Shape::Tables(_) => Vec::new(),
        Shape::Flag => edges(&["true", "false"], &["\"true\"", "1"]),
        Shape::Env => edges(&["{ A = \"1\", b = \"\" }"], &["{ A = 1 }", "true"]),
        _ => [scalars(shape), edges::<&str>(&[], &["true"])].concat(),
    }
}

fn edges<T: ToString>(right: &[T], wrong: &[T]) -> Vec<(String, bool)> {
    let right = right.iter().map(|value| (value.to_string(), true));
    let wrong = wrong.iter().map(|value| (value.to_string(), false));
    right.chain(wrong).collect()
}

fn scalars(shape: Shape) -> Vec<(String, bool)> {
    let texts = |right: Vec<String>, wrong: Vec<String>| {
        let quoted = |texts: Vec<String>| -> Vec<String> {
            texts.iter().map(|text| format!("{text:?}")).collect()
        };
        edges(&quoted(right), &quoted(wrong))
    };
    let owned = |texts: &[&str]| -> Vec<String> { texts.iter().map(ToString::to_string).collect() };
    match shape {
        Shape::Count(least, most) => {
            let (least, most) = (i64::from(least), i64::from(most));
            edges(&[least, most], &[least - 1, most + 1])
        }
        Shape::Share => texts(owned(&["0.01%", "100%"]), owned(&["0%", "100.01%", "30"])),
        Shape::Size(least, most) => {
            let size = |bytes| ByteSize(bytes).to_string();
            let below = least.checked_sub(1).map(size);
            let wrong = below.into_iter().chain([size(most + 1), "1".to_owned()]);
            texts(vec![size(least), size(most)], wrong.collect())
        }
        Shape::Time(least, most) => {
            let time = |ms| format_duration(std::time::Duration::from_millis(ms));
            let below = least.checked_sub(1).map(time);
            let wrong = below.into_iter().chain([time(most + 1), "soon".to_owned()]);
            texts(vec![time(least), time(most)], wrong.collect())
        }
        Shape::Text(_, right, wrong) => texts(owned(right), owned(wrong)),
        Shape::Words(words) => texts(owned(words), owned(&[NO_WORD])),
        _ => Vec::new(),
    }
}

/// A word that no key knows and that is near to none.
const NO_WORD: &str = "qqqqqqqqqq";

/// A file with a table in which a key has a value, and with what the table can't be without. An
/// empty value leaves the key out.
fn whole(table: &str, key: &str, value: &str) -> String {
    let mut all: Vec<(&str, &str)> = match table {
        "listen" => vec![("address", "\":80\"")],
        "attach" => vec![("address", "\"[::1]:9\""), ("restart", "\"supervisor\"")],
        "attach.restart" => Vec::new(),
        "dependency" => vec![("name", "\"d\""), ("address", "\"db:1\"")],
        "route" => vec![("path", "\"/\"")],
        "tls" => vec![("certificate", "\"a\""), ("key", "\"b\"")],
        "tls.client" => vec![("roots", "\"c\"")],
        "worker" if key == "tls" => {
            vec![("command", "[\"serve\"]"), ("protocol", "\"https\"")]
        }
        "worker.tls" if key == "certificate" => vec![("key", "\"b\"")],
        "worker.tls" if key == "key" => vec![("certificate", "\"a\"")],
        "worker" => vec![("command", "[\"serve\"]")],
        "worker.count" => vec![("max", "64")],
        "worker.concurrency" if key == "min" => vec![("max", "100000")],
        "worker.concurrency" => vec![("min", "1")],
        "crashes" => vec![("delay", "\"100ms\""), ("longest_delay", "\"1h\"")],
        "limits" => vec![("target", "\"1KiB\""), ("head", "\"1MiB\"")],
        "health" if key == "grpc" => Vec::new(),
        "health" => vec![("path", "\"/up\"")],
        "shutdown" => vec![("delay", "\"0s\""), ("timeout", "\"1h\"")],
        "rule" if key == "zone" => vec![
            ("name", "\"r\""),
            ("when", "{ requests = { count = 1 } }"),
            ("do", "\"log\""),
            ("not_between", "\"08:00-18:00\""),
        ],
        "rule" => vec![
            ("name", "\"r\""),
            ("when", "{ requests = { count = 1 } }"),
            ("do", "\"log\""),
        ],
        "when.abandoned" => vec![("count", "1"), ("window", "\"1s\"")],
        "when.output" if key != "regex" => vec![("contains", "\"a\"")],
        "when.requests" if key == "share" => {
            vec![("count", "1"), ("window", "\"1s\""), ("path", "\"/\"")]
        }
        "when.requests" => vec![("count", "1")],
        "when.status" => vec![("codes", "500"), ("count", "1"), ("window", "\"1s\"")],
        "when.slow" => vec![
            ("time_taken", "\"1s\""),
            ("count", "1"),
            ("window", "\"1s\""),
        ],
        "when.memory" if key == "for" => vec![("share", "\"1%\"")],
        "when.cpu" => vec![("share", "\"90%\""), ("for", "\"1min\"")],
        "when.descriptors" if key == "for" => vec![("share", "\"1%\"")],
        "when.threads" | "when.connections" => vec![("count", "1")],
        "when.pressure" if key == "count" || value == "\"memory.high\"" => {
            vec![("of", "\"memory.high\""), ("count", "1")]
        }
        "when.pressure" => vec![("of", "\"memory\""), ("share", "\"1%\"")],
        "when.age" => vec![("over", "\"1h\"")],
        "when.schedule" if !["cron", "at"].contains(&key) => vec![("at", "\"03:00\"")],
        "when.file" => vec![("path", "\"a\"")],
        "do" if ["after", "dir", "timeout"].contains(&key) => vec![("run", "[\"a\"]")],
        "do" if key.is_empty() => vec![("run", "[\"a\"]")],
        _ => Vec::new(),
    };
    all.retain(|(name, _)| *name != key);
    if !value.is_empty() {
        all.push((key, value));
    }
    if value == "\"unix\"" {
        all.push(("env", "{ S = \"{socket}\" }"));
    }
    pairs(table, &all)
}

/// A file with a table of these keys.
fn pairs(table: &str, all: &[(&str, &str)]) -> String {
    let lines: Vec<_> = all
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    let inline = format!("{{ {} }}", lines.join(", "));
    let lines = lines.join("\n");
    let rule = "[[rule]]\nname = \"r\"\n";
    let worker = "[worker]\ncommand = [\"serve\"]\n";
    match table.split_once('.') {
        None => match table {
            "" => format!("{lines}\n{worker}"),
            "tls" => format!("tls = {inline}\n{worker}"),
            "attach" => format!("[attach]\n{lines}"),
            "listen" => format!("listen = {inline}\n{worker}"),
            "health" => {
                format!("[worker]\ncommand = [\"serve\"]\nprotocol = \"h2c\"\n[health]\n{lines}")
            }
            "worker" => format!("[worker]\n{lines}"),
            "dependency" | "route" | "rule" => format!("{worker}[[{table}]]\n{lines}"),
            "do" => format!("{worker}{rule}when.requests.count = 1\ndo = [{inline}]"),
            _ => format!("{worker}[{table}]\n{lines}"),
        },
        Some(("worker", "count")) => format!("{worker}count = {inline}"),
        Some(("when", condition)) => {
            format!("{worker}{rule}do = \"log\"\nwhen = {{ {condition} = {inline} }}")
        }
        Some(("tls", client)) => {
            let pair = "certificate = \"a\", key = \"b\"";
            format!("tls = {{ {pair}, {client} = {inline} }}\n{worker}")
        }
        Some(("attach", key)) => format!("[attach]\naddress = \"[::1]:9\"\n{key} = {inline}"),
        Some(("worker", key)) => format!("{worker}protocol = \"https\"\n{key} = {inline}"),
        Some((section, key)) => format!("{worker}[{section}]\n{key} = {inline}"),
    }
}

fn said(text: &str) -> Result<(), String> {
    load_all(&[source("a.toml", text)], &Overrides::default(), &[]).map(drop)
}

#[test]
fn readers_and_schema_have_the_same_bounds() {
    let mut tried = 0;
    for (table, key, shape, _) in shapes::all() {
        for (value, is_right) in samples(*shape) {
            let text = whole(table, key, &value);
            let said = said(&text);
            assert_eq!(
                said.is_ok(),
                is_right,
                "{table}.{key} = {value}: {said:?}\n{text}"
            );
            tried += 1;
        }
    }
    assert!(tried > 400, "{tried}");
}

#[test]
fn readers_and_schema_know_the_same_words() {
    let mut compared = 0;
    for (table, key, shape, _) in shapes::all() {
        let words = match shape {
            Shape::Words(words) => words,
            Shape::Any([Shape::Count(..), Shape::Words(words)])
            | Shape::Any([Shape::Words(words), Shape::Count(..)]) => words,
            _ => continue,
        };
        let said = said(&whole(table, key, &format!("\"{NO_WORD}\""))).unwrap_err();
        let (_, cure) = said.split_once("help: write ").unwrap_or_default();
        let cure = cure.lines().next().unwrap_or_default();
        let known: BTreeSet<_> = cure.split('"').skip(1).step_by(2).collect();
        assert_eq!(
            known,
            words.iter().copied().collect(),
            "{table}.{key}: {said}"
        );
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn readers_and_schema_need_the_same_keys() {
    let right = |table: &str, key: &str| {
        let (shape, _) = shape(table, key).unwrap();
        let right = samples(shape).into_iter().find(|(_, is_right)| *is_right);
        right.map_or_else(|| "{ }".to_owned(), |(value, _)| value)
    };
    for (table, required) in REQUIRED {
        assert_eq!(said(&whole(table, "", "")), Ok(()), "{table}");
        for key in *required {
            assert!(said(&whole(table, key, "")).is_err(), "{table}.{key}");
        }
    }
    for (table, keys) in ONE_OF.iter().filter(|(table, _)| *table != "when") {
        assert!(said(&pairs(table, &[])).is_err(), "{table}");
        for key in *keys {
            let value = right(table, key);
            assert_eq!(
                said(&pairs(table, &[(key, &value)])),
                Ok(()),
                "{table}.{key}"
            );
        }
        let (one, two) = (right(table, keys[0]), right(table, keys[1]));
        let both = [(keys[0], one.as_str()), (keys[1], two.as_str())];
        assert!(said(&pairs(table, &both)).is_err(), "{table}");
    }
    // Conditions are tables, and each of them is tried above.
    let (_, conditions) = ONE_OF.iter().find(|(table, _)| *table == "when").unwrap();
    assert_eq!(*conditions, keys::of("when"));
    let two = "{ memory = { share = \"1%\" }, requests = { count = 1 } }";
    assert!(said(&whole("rule", "when", two)).is_err());
    assert!(said(&whole("rule", "when", "{ }")).is_err());
}
