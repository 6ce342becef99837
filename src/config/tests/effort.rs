//! No file takes long to be read and told about: at most 100 ms of CPU for each MB.

use std::time::Duration;

use super::*;
use crate::time::spent;

const MB: usize = 1 << 20;
/// An unoptimized build takes so many times as long; it reads half as much.
const SLOWER: u32 = if cfg!(debug_assertions) { 20 } else { 1 };
const SIZE: usize = if cfg!(debug_assertions) { MB / 2 } else { MB };

/// Reads a file and says all that is wrong with it.
fn effort(name: &str, bytes: Vec<u8>) -> Duration {
    let source = Source {
        name: name.to_owned(),
        dir: PathBuf::from("/app"),
        bytes,
    };
    let env = |_: &str| None;
    let around = around(&env, &|_| false);
    let from = spent();
    match load(&[source], &Overrides::default(), &around) {
        Ok(loaded) => drop(describe(&loaded.settings)),
        Err(found) => found.iter().for_each(|found| drop(found.render(false))),
    }
    spent() - from
}

fn repeat(piece: &str) -> String {
    piece.repeat(SIZE / piece.len())
}

fn numbered(piece: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(SIZE + 100);
    let pieces = (0..).map(piece);
    for piece in pieces {
        if text.len() + piece.len() > SIZE {
            break;
        }
        text += &piece;
    }
    text
}

fn assert_quick(name: &str, shapes: impl IntoIterator<Item = (&'static str, String)>) {
    for (shape, text) in shapes {
        let taken = effort(name, text.into_bytes());
        let most = Duration::from_millis(100) * SLOWER;
        assert!(taken < most, "{name}, {shape}: {taken:?}");
    }
}

fn server(inner: &str) -> String {
    format!("<configuration><system.webServer>{inner}</system.webServer></configuration>")
}

fn triggers(inner: &str) -> String {
    let inner = format!("<monitoring><triggers>{inner}</triggers>");
    server(&format!("{inner}<actions value='Recycle' /></monitoring>"))
}

fn pools(inner: &str) -> String {
    format!(
        "<configuration><system.applicationHost><applicationPools>{inner}\
         </applicationPools></system.applicationHost></configuration>"
    )
}

fn variables(inner: &str) -> String {
    let list = format!("<environmentVariables>{inner}</environmentVariables>");
    server(&format!(
        "<httpPlatform processPath='sh'>{list}</httpPlatform>"
    ))
}

#[test]
fn no_shape_of_web_config_takes_long() {
    let site = "<location path='a'><system.webServer><monitoring/></system.webServer></location>";
    let nine_hundred: String = (0..900)
        .map(|i| format!("<a xmlns:n{i}='u{i}'/>"))
        .collect();
    let value = format!("<httpPlatform processPath='{}'/>", repeat("%a"));
    let arguments = repeat("a\\\\b ");
    let arguments = format!("<httpPlatform processPath='sh' arguments='{arguments}'/>");
    assert_quick(
        "web.config",
        [
            ("foreign sections", server(&repeat("<a b='c'/>"))),
            ("foreign triggers", triggers(&repeat("<a b='c'/>"))),
            ("triggers on lines", triggers(&repeat("<a b='c'/>\n"))),
            (
                "wrong attributes",
                triggers(&repeat("<requests a='' count='x'/>\n")),
            ),
            ("text", triggers(&repeat("words "))),
            ("entities", triggers(&repeat("&amp;"))),
            ("comments", server(&repeat("<!-- <monitoring> <a> -->"))),
            (
                "one comment",
                server(&format!("<!--{}-->", repeat("<httpPlatform"))),
            ),
            (
                "namespaces",
                server(&format!("{nine_hundred}<b>{}</b>", repeat("<c/>"))),
            ),
            (
                "locations",
                format!("<configuration>{}</configuration>", repeat(site)),
            ),
            ("sections", server(&repeat("<monitoring/>"))),
            ("a long value", server(&value)),
            ("long arguments", server(&arguments)),
        ],
    );
}

#[test]
fn no_list_of_web_config_takes_long() {
    let status = |inner: String| triggers(&format!("<statusCode>{inner}</statusCode>"));
    let variable = |i| format!("<environmentVariable name='{i}' value='%{i}%'/>");
    assert_quick(
        "web.config",
        [
            ("statuses", status(repeat("<add/>"))),
            (
                "statuses taken away",
                status(numbered(|i| {
                    format!("<add statusCode='{i}'/><remove statusCode='x{i}'/>")
                })),
            ),
            ("pools", pools(&numbered(|i| format!("<add name='{i}'/>")))),
            (
                "pools taken away",
                pools(&numbered(|i| {
                    format!("<add name='{i}'/><remove name='x{i}'/>")
                })),
            ),
            ("variables", variables(&numbered(variable))),
            (
                "variables taken away",
                variables(&numbered(|i| {
                    variable(i) + &format!("<remove name='x{i}'/>")
                })),
            ),
        ],
    );
}

#[test]
fn nothing_malformed_takes_long() {
    let attributes = numbered(|i| format!("a{i}='' "));
    let declared = |i| format!("<a xmlns:n{i}='u{i}' n{i}:b=''/>");
    assert_quick(
        "web.config",
        [
            ("an open comment", server(&format!("<!--{}", repeat("- ")))),
            ("open elements", repeat("<configuration>")),
            ("an open tag", format!("<configuration {}", repeat("a "))),
            (
                "an open quote",
                format!("<configuration a=\"{}", repeat("b\n")),
            ),
            ("signs", repeat("<")),
            (
                "ampersands",
                format!("<configuration a='{}'/>", repeat("&")),
            ),
            ("attributes", server(&format!("<a {attributes}/>"))),
            (
                "attributes after a sign",
                server(&format!("<a b='>' {attributes}/>")),
            ),
            ("namespaces", server(&numbered(declared))),
            (
                "nested namespaces",
                numbered(|i| format!("<a xmlns:n{i}='u{i}'>")),
            ),
        ],
    );
}

#[test]
fn no_shape_of_toml_takes_long() {
    let rule = |i| format!("[[rule]]\nname = '{i}'\nwhen.requests.count = 1\ndo = 'log'\n");
    assert_quick(
        "autoheal.toml",
        [
            ("unknown keys", numbered(|i| format!("a{i} = 1\n"))),
            ("rules", numbered(rule)),
            ("nothing", repeat("x y\n")),
            ("a long line", format!("listen = [{}]", repeat("':1',"))),
            ("one word", repeat("a")),
            ("dots", repeat("a.")),
            ("brackets", repeat("[")),
            ("a long text", format!("listen = '{}'", repeat("a"))),
            (
                "variables",
                numbered(|i| format!("worker.env.A{i} = '{{port}}'\n")),
            ),
            ("comments", repeat("# a\n")),
        ],
    );
}

#[test]
fn no_bytes_take_long() {
    let utf16 = |text: &str| -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    };
    for bytes in [
        utf16(&triggers(&repeat("<a/>")[..SIZE / 2])),
        utf16(&repeat("x y\n")[..SIZE / 2]),
        vec![0xff; SIZE],
        vec![b'a'; SIZE],
        vec![0; SIZE],
        repeat("\u{e9}").into_bytes(),
        repeat("{ ").into_bytes(),
        repeat("\n").into_bytes(),
    ] {
        for name in ["a.toml", "web.config", "a.txt"] {
            let first = bytes[..4].to_vec();
            let taken = effort(name, bytes.clone());
            let most = Duration::from_millis(100) * SLOWER;
            assert!(taken < most, "{name}, {first:?}: {taken:?}");
        }
    }
}

#[test]
fn a_file_of_twenty_megabytes_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.config");
    std::fs::write(&path, vec![b' '; 20 * MB]).unwrap();
    let refused = Source::read(&path, folder.path()).unwrap_err();
    assert!(
        refused.what.ends_with("web.config is larger than 1 MiB"),
        "{refused:?}"
    );
}

#[test]
fn a_file_of_very_many_lines_is_refused_with_a_sentence() {
    let env = |_: &str| None;
    let around = around(&env, &|_| false);
    let read = |lines: usize| {
        let text = "[worker]\ncommand = ['serve']\n".to_owned() + &"# more\n".repeat(lines - 2);
        load(
            &[source("autoheal.toml", &text)],
            &Overrides::default(),
            &around,
        )
    };
    assert!(read(10_000).is_ok());
    let found = read(10_001).unwrap_err();
    assert_eq!(found.len(), 1);
    let said = found[0].render(false);
    assert!(
        said.contains("more than 10000 lines") && said.contains(":10001:"),
        "{said}"
    );
}

#[test]
fn a_file_of_very_many_tags_is_refused_with_a_sentence() {
    let env = |_: &str| None;
    let around = around(&env, &|_| false);
    let read = |tags: usize| {
        let text = server(&"<a/>".repeat(tags - 4));
        load(
            &[source("web.config", &text)],
            &Overrides::default(),
            &around,
        )
        .unwrap_err()
    };
    let found = read(50_001);
    assert_eq!(found.len(), 1);
    let said = found[0].render(false);
    assert!(said.contains("more than 50000 tags"), "{said}");
    let said = read(50_000)[0].render(false);
    assert!(!said.contains("tags are in this file"), "{said}");
}
