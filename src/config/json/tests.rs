//! What is read, and what is said of what people paste. An oracle has the last word on the grammar.

use proptest::prelude::*;

use super::{super::diagnostic::Severity, *};

fn parse(text: &str) -> (Option<Node>, Vec<String>) {
    let mut report = Report::default();
    let source = report.add_source("a.json", text, "/");
    let read = read(text, source, &mut report);
    let found = report.into_found().into_iter();
    let told = found.inspect(|found| {
        assert_eq!(found.severity, Severity::Error);
        let end = found.place.as_ref().map_or(0, |place| place.range.end);
        assert!(end <= text.len(), "{found:?}");
    });
    let told = told.map(|found| {
        let place = found.place.as_ref();
        let (line, column) = place.map_or((0, 0), |place| place.line_column());
        format!("{line}:{column}: {}; {}", found.what, found.cure)
    });
    (read, told.collect())
}

/// The value without its places, as the oracle has it; numbers that no key takes are null.
fn plain(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Flag(flag) => (*flag).into(),
        Value::Integer(number) => (*number).into(),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Null | Value::Other(_) => serde_json::Value::Null,
        Value::Table(table) => {
            let entries = table.0.iter();
            serde_json::Value::Object(entries.map(|e| (e.key.clone(), plain(&e.node))).collect())
        }
        Value::Text(text) => text.as_str().into(),
    }
}

fn without_fractions(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(number) if !number.is_i64() => serde_json::Value::Null,
        serde_json::Value::Array(items) => items.into_iter().map(without_fractions).collect(),
        serde_json::Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, without_fractions(value)))
            .collect(),
        other => other,
    }
}

/// Whether both accept `text` with the same value, or both refuse it.
fn agree(text: &str) {
    let (read, told) = parse(text);
    let ours = read.filter(|_| told.is_empty());
    match (serde_json::from_str(text), ours) {
        (Ok(theirs), Some(ours)) => assert_eq!(plain(&ours), without_fractions(theirs), "{text}"),
        (Err(_), None) => {}
        // It is well written; only nothing takes such a number.
        (Err(error), Some(_)) if error.to_string().starts_with("number out of range") => {}
        (theirs, ours) => panic!("{text:?}: {theirs:?} but {ours:?}, {told:?}"),
    }
}

/// Pieces of JSON, none of which is half of a comment.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\"a\"",
    "\"é\\u00e9\\n\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\x\"",
    "\\",
    "0",
    "-",
    "-0",
    "10",
    "1.5",
    "1e2",
    "1E+02",
    "01",
    "+1",
    ".5",
    "true",
    "false",
    "null",
    "True",
    " ",
    "\n",
    "\t",
    "\r",
    "a",
    "é",
    "\u{a0}",
    "\u{feff}",
    "'",
    "99999999999999999999",
    "9223372036854775807",
    "-9223372036854775808",
    "=",
    "\u{1}",
];

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-1000i32..1000).prop_map(|n| serde_json::Value::from(f64::from(n) / 8.0)),
        "\\PC{0,8}".prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map("\\PC{0,6}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_a_serializer_writes_is_read(value in json(), pretty in any::<bool>()) {
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        let (read, told) = parse(&text);
        prop_assert_eq!(told, Vec::<String>::new());
        prop_assert_eq!(plain(&read.unwrap()), without_fractions(value));
    }

    #[test]
    fn what_is_damaged_is_judged_as_the_oracle_does(
        value in json(),
        at in any::<prop::sample::Index>(),
        put in prop::sample::select(PIECES),
        cut in 0usize..3,
    ) {
        let text = value.to_string();
        let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
        let at = at.index(places.len());
        let end = places.get(at + cut).copied().unwrap_or(text.len());
        let damaged = format!("{}{put}{}", &text[..places[at]], &text[end..]);
        // Comments and lines inside of expressions are read by us alone.
        prop_assume!(!damaged.contains('/') && !damaged.contains("\"["));
        agree(&damaged);
    }

    #[test]
    fn pieces_in_any_order_are_judged_as_the_oracle_does(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12),
    ) {
        let text = pieces.concat();
        prop_assume!(!text.contains("\"["));
        agree(&text);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]{}:,'\"“”`/*#\\\\u0-9a-f\\n \\PC]{0,80}") {
        parse(&text);
    }
}

#[test]
fn values_and_keys_know_where_they_stand() {
    let text = "{ \"a\": [10, \"é\"],\n\"b\": null }";
    let (read, told) = parse(text);
    assert_eq!(told, [""; 0]);
    let Value::Table(table) = read.unwrap().value else {
        panic!("no table");
    };
    let shown = |span: Span| &text[span.start..span.end];
    assert_eq!(shown(table.0[0].key_span), "\"a\"");
    let Value::List(items) = &table.0[0].node.value else {
        panic!("no list");
    };
    assert_eq!(shown(table.0[0].node.span), "[10, \"é\"]");
    assert_eq!(
        (shown(items[0].span), shown(items[1].span)),
        ("10", "\"é\"")
    );
    assert_eq!(shown(table.0[1].node.span), "null");
}

#[test]
fn comments_are_passed_over_as_azure_does() {
    let (read, told) =
        parse("// a\n{ /* b \n * / */ \"x\": 1, // c: \"y\n \"u\": \"//\" } /**/ // d");
    assert_eq!(told, [""; 0]);
    assert_eq!(
        plain(&read.unwrap()),
        serde_json::json!({ "x": 1, "u": "//" })
    );
}

#[test]
fn an_expression_may_run_over_several_lines() {
    let (read, told) = parse("[\"[concat(\n\t'a',\r\n 'b')]\"]");
    assert_eq!(told, [""; 0]);
    let expected = serde_json::json!(["[concat(\n\t'a',\r\n 'b')]"]);
    assert_eq!(plain(&read.unwrap()), expected);
}

/// What is said of each text, and that it is read as it was meant.
fn assert_meant(cases: &[(&str, &str, &str)]) {
    for (text, meant, said) in cases {
        let (read, told) = parse(text);
        let shown = told.join("\n");
        assert!(shown.contains(said), "{text}: {shown}");
        let read = read.unwrap_or_else(|| panic!("{text}: {shown}"));
        assert_eq!(plain(&read).to_string(), *meant, "{text}");
    }
}

#[test]
fn punctuation_that_people_get_wrong_is_read_as_it_was_meant_and_said() {
    assert_meant(&[
        (
            "{\"a\": 1,}",
            "{\"a\":1}",
            "1:8: a comma before } is not allowed in JSON; remove the comma",
        ),
        ("[1,2,]", "[1,2]", "1:5: a comma before ]"),
        ("[1,,2]", "[1,2]", "1:4: a comma too many"),
        ("[1 2]", "[1,2]", "1:2: a comma is missing after this"),
        (
            "{\"a\": 1\n \"b\": 2}",
            "{\"a\":1,\"b\":2}",
            "1:7: a comma is missing after this",
        ),
        (
            "{\"a\" = 1}",
            "{\"a\":1}",
            "1:6: JSON has no =; write a colon",
        ),
        ("{\"a\": }", "{\"a\":null}", "1:7: a value is missing here"),
        (
            "{\"a\", \"b\": 1}",
            "{\"a\":null,\"b\":1}",
            "1:2: \"a\" has no value",
        ),
    ]);
}

#[test]
fn quotes_and_words_that_people_paste_are_read_as_they_were_meant_and_said() {
    assert_meant(&[
        (
            "{'a': 'b'}",
            "{\"a\":\"b\"}",
            "1:2: strings stand in double quotes in JSON",
        ),
        (
            "{“a”: “b”}",
            "{\"a\":\"b\"}",
            "1:2: these are typographic quotes",
        ),
        (
            "{a: 1, b: 2}",
            "{\"a\":1,\"b\":2}",
            "1:2: keys stand in double quotes",
        ),
        (
            "[True, None]",
            "[true,null]",
            "1:2: True is not a value in JSON; write true",
        ),
        (
            "[00:05:00]",
            "[\"00:05:00\"]",
            "put it in double quotes: \"00:05:00\"",
        ),
        (
            "[Recycle]",
            "[\"Recycle\"]",
            "put it in double quotes: \"Recycle\"",
        ),
        ("[007]", "[7]", "1:2: 007 is not a value in JSON; write 7"),
        ("[+1, 1_000]", "[1,1000]", "write 1000"),
        (
            "# c\n[1]",
            "[1]",
            "1:1: JSON has no comments that begin with #",
        ),
        (
            "[\"D:\\home\"]",
            "[\"D:\\\\home\"]",
            "1:5: \\h means nothing in JSON; write \\\\ for",
        ),
        (
            "[\"a\tb\"]",
            "[\"ab\"]",
            "1:4: a string can't contain this control character; write \\t",
        ),
        (
            "[\u{a0}1]",
            "[1]",
            "1:2: this blank is none that JSON knows",
        ),
    ]);
}

#[test]
fn what_can_t_be_read_says_where_it_breaks() {
    for (text, said) in [
        ("", "1:1: this file is empty"),
        (" // nothing", "this file is empty"),
        (
            "{\"a\": [1,\n2",
            "2:1: the file ends before the [ of line 1 is closed",
        ),
        (
            "{\"a\": {\"b\": 1}",
            "the file ends before the { of line 1 is closed; paste the whole",
        ),
        ("{\"a\":", "1:5: the file ends where a value is wanted"),
        (
            "{\"a\": [1}",
            "1:9: } can't close the [ of line 1; write ] here",
        ),
        ("{\"a\": 1}}", "1:9: this closes what was never opened"),
        ("{} {}", "1:4: the JSON ended before this; keep one { ... }"),
        ("\"autoHealRules\": {}", "1:1: this is a piece of an object"),
        ("{\"a\": \"b\n}", "1:7: this string never ends: \"b"),
        (
            "{\"a\": 'b\n}",
            "1:7: this string never ends, and does not begin with",
        ),
        ("{\"a\": 1 /* b }", "1:9: this comment never ends"),
        ("[/]", "1:2: / is not expected here"),
    ] {
        let (read, told) = parse(text);
        assert!(read.is_none(), "{text}");
        let shown = told.join("\n");
        assert!(shown.contains(said), "{text}: {shown}");
    }
}

#[test]
fn a_mistake_made_throughout_is_told_once() {
    let text = "{a: 'b', c: 'd', e: “f”, g: “h”}";
    assert_eq!(parse(text).1.len(), 3);
}

#[test]
fn depth_has_a_limit_and_length_costs_what_it_should() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = open.repeat(10_000) + "1" + &close.repeat(10_000);
        let (read, told) = parse(&deep);
        assert!(read.is_none());
        assert!(told[0].contains("nested more than 128 deep"), "{}", told[0]);
        let right = open.repeat(100) + "1" + &close.repeat(100);
        assert_eq!(parse(&right).1, [""; 0]);
    }
    // A reader that looked back for each value would take minutes.
    let long = format!("[{}1]", "{\"key\": \"value\"},".repeat(200_000));
    assert_eq!(parse(&long).1, [""; 0]);
    let wrong = format!("[{}1]", "'a' b ".repeat(200_000));
    assert_eq!(parse(&wrong).1.len(), 201);
}
