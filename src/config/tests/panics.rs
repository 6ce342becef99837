//! No input makes the readers panic or overflow the stack.

use proptest::prelude::*;

use super::*;

fn swallow(name: &str, text: &str) {
    swallow_bytes(name, text.as_bytes().to_vec());
}

fn swallow_bytes(name: &str, bytes: Vec<u8>) {
    let source = Source {
        bytes,
        ..source(name, "")
    };
    let env = |_: &str| Some("%A%".to_owned());
    let is_file = |path: &Path| path.as_os_str().len().is_multiple_of(2);
    let around = around(&env, &is_file);
    match load(&[source], &Overrides::default(), &around) {
        Ok(loaded) => drop(describe(&loaded.settings)),
        Err(found) => found.iter().for_each(|found| drop(found.render(true))),
    }
}

/// A text that is nearly right: pieces of real files in any order.
fn pieces(all: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(all), 0..30).prop_map(|p| p.concat())
}

const TOML: &[&str] = &[
    "listen",
    "mode",
    "rule",
    "worker",
    "when",
    "status",
    "slow",
    "do",
    "ready",
    "env",
    " = ",
    "=",
    ".",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\n",
    ",",
    "\"",
    "'",
    "\"heal\"",
    "500",
    "-1",
    "\"30s\"",
    "\"10%\"",
    "true",
    "1.5",
    "é",
    "#",
    "\t",
    "count",
    "share",
    "path",
    "command",
    "\\",
    "99999999999999999999",
    "\"{port}\"",
    "{",
    "unix:",
];
const XML: &[&str] = &[
    "<configuration>",
    "</configuration>",
    "<system.webServer>",
    "</system.webServer>",
    "<monitoring>",
    "</monitoring>",
    "<triggers>",
    "</triggers>",
    "<statusCode>",
    "</statusCode>",
    "<add ",
    "<requests ",
    "<memory ",
    "<actions ",
    "/>",
    ">",
    "<",
    "&",
    "é",
    "count=\"5\" ",
    "timeInterval=\"00:00:30\" ",
    "statusCode=\"500\" ",
    "value=\"Recycle\" ",
    "privateBytesInKB=\"819200\" ",
    "<httpPlatform ",
    "processPath=\"a\\b.exe\" ",
    "arguments=\"%A% &quot;\" ",
    "<!-- -->",
    "<!--",
    "<!DOCTYPE a>",
    "<system.applicationHost>",
    "</system.applicationHost>",
    "<applicationPools>",
    "</applicationPools>",
    "<applicationPoolDefaults>",
    "<recycling>",
    "<periodicRestart time='1.05:00:00' requests='5' >",
    "<schedule>",
    "<add value='03:00' />",
    "<remove ",
    "<clear />",
    "<recycleOnFileChange><file path='a' />",
    "<environmentVariables>",
    "<environmentVariable name='A' value='%A%;' />",
    "<location path='.'>",
    "<?xml version='1.0'?>",
    "xmlns:xdt='http://schemas.microsoft.com/XML-Document-Transform' ",
    "xdt:Transform='x' ",
    "//",
    "# a",
    "“",
    "x",
    "=\"",
    "\n",
    "é=\"",
];

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"autoHealRules\": ",
    "\"autoHealEnabled\": true, ",
    "\"siteConfig\": ",
    "\"resources\": ",
    "\"properties\": ",
    "\"template\": ",
    "\"parameters\": ",
    "\"variables\": ",
    "\"type\": \"Microsoft.Web/sites\", ",
    "\"type\": \"Microsoft.Resources/deployments\", ",
    "\"triggers\": ",
    "\"actions\": ",
    "\"requests\": ",
    "\"statusCodes\": ",
    "\"count\": 5, ",
    "\"timeInterval\": \"00:01:00\", ",
    "\"status\": 500, ",
    "\"actionType\": 2, ",
    "\"x\": ",
    "\"[parameters('x')]\"",
    "\"[variables('x').x]\"",
    "\"[concat(variables('x'), 'é')]\"",
    "\"[[\"",
    "null",
    "\"defaultValue\": ",
    "\"value\": ",
    "\"é\"",
    "'",
    "//",
    "\n",
];

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "\\PC{0,200}") {
        swallow("a.toml", &text);
        swallow("web.config", &text);
        swallow("a.json", &text);
    }

    #[test]
    fn no_json_makes_the_reader_panic(text in pieces(JSON)) {
        swallow("a.json", &text);
        swallow("a.json", &format!("{{{text}}}"));
    }

    #[test]
    fn no_toml_makes_the_reader_panic(text in pieces(TOML)) {
        swallow("a.toml", &text);
    }

    #[test]
    fn no_xml_makes_the_reader_panic(text in pieces(XML)) {
        swallow("web.config", &text);
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for name in ["a.toml", "web.config", "a.txt", "a.json"] {
            swallow_bytes(name, bytes.clone());
        }
    }

    #[test]
    fn no_utf_16_makes_the_reader_panic(text in pieces(XML), cut in 0usize..3) {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        let mut bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(units).collect();
        bytes.truncate(bytes.len() - cut);
        swallow_bytes("web.config", bytes);
    }

    #[test]
    fn no_damage_to_a_good_file_makes_the_readers_panic(at in 0usize..1200, put in "\\PC{0,3}") {
        for file in [
            "config/examples/static/web.config",
            "config/examples/flask.toml",
            "tests/fixtures/config/arm-rules.json",
        ] {
            let text = std::fs::read_to_string(file).unwrap();
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            let (head, tail) = text.split_at(at.unwrap_or(0));
            swallow(file, &format!("{head}{put}{tail}"));
            swallow(file, head);
        }
    }

    #[test]
    fn no_option_panics(set in "\\PC{0,30}", listen in "\\PC{0,12}", port in "\\PC{0,6}") {
        let over = Overrides {
            set: vec![set],
            listen: Some(listen.clone()),
            port: Some(port),
            admin: Some(listen),
            ..Overrides::default()
        };
        let env = |_: &str| None;
        if let Err(found) = load(&[], &over, &around(&env, &|_| false)) {
            found.iter().for_each(|found| drop(found.render(false)));
        }
    }
}

#[test]
fn what_is_nested_without_end_is_refused_with_a_sentence() {
    let deep = 100_000;
    for (name, text) in [
        ("a.toml", format!("a = {}", "[".repeat(deep))),
        ("a.toml", format!("a = {}", "{a=".repeat(deep))),
        ("a.toml", "a.".repeat(deep) + "a = 1"),
        ("a.toml", format!("[{}a]", "a.".repeat(deep))),
        ("a.toml", format!("x = {{ {}a = 1 }}", "a.".repeat(deep))),
        ("a.json", "[".repeat(deep)),
        ("a.json", "{\"a\":".repeat(deep)),
        ("a.json", "[".repeat(deep) + &"]".repeat(deep)),
        ("web.config", "<a>".repeat(deep)),
        ("web.config", "<a>".repeat(deep) + &"</a>".repeat(deep)),
        (
            "web.config",
            format!("<configuration><b {}", "<a ".repeat(deep)),
        ),
    ] {
        let shown = load_all(&[source(name, &text)], &Overrides::default(), &[]).unwrap_err();
        assert!(shown.starts_with("error: "), "{name}");
    }
}

#[test]
fn what_would_take_minutes_to_read_is_refused_with_a_sentence() {
    let many = |count: usize, piece: &dyn Fn(usize) -> String| -> String {
        (0..count).map(piece).collect()
    };
    let attributes = many(60_000, &|i| format!("a{i}=\"\" "));
    let variables = many(600, &|i| {
        let next = i + 1;
        format!("<environmentVariable name='K{i}' value='%K{next}%'/>")
    });
    let listen = many(60_000, &|i| format!("\":{i}\","));
    for (name, text, expected) in [
        (
            "web.config",
            format!("<configuration {attributes}/>"),
            "more than 500 attributes",
        ),
        (
            "web.config",
            format!(
                "<configuration><system.webServer><httpPlatform processPath='a'>\
                 <environmentVariables>{variables}</environmentVariables></httpPlatform>\
                 </system.webServer></configuration>"
            ),
            "more than 500 variables",
        ),
        (
            "a.toml",
            format!("listen = [{listen}]"),
            "more than 64 addresses",
        ),
        ("a.toml", "x y\n".repeat(2000), "more than 200 things"),
    ] {
        let shown = load_all(&[source(name, &text)], &Overrides::default(), &[]).unwrap_err();
        assert!(shown.contains(expected), "{expected}");
    }
}
