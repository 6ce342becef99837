//! Something bad for each check: a check that can't fail holds nothing.

use std::path::Path;

use super::{
    Source,
    imports::problems as imports,
    reach::{for_tests, unreached},
    style::{LINES_MAX, WIDTH_MAX, of_line, problems as style, unsafe_lint},
    table::row_of,
};

fn file(path: &str, text: &str) -> Source {
    Source {
        path: Path::new(path).to_owned(),
        text: text.to_owned(),
    }
}

fn refused(path: &str, text: &str) -> bool {
    !imports(&file(path, text)).is_empty()
}

#[test]
fn an_import_beside_the_table_is_found_however_it_is_written() {
    for text in [
        "use crate::worker::Child;",
        "use crate::{words::Mode, worker};",
        "use super::super::worker::Child;",
        "fn f() { crate::worker::kill(); }",
        "fn f(x: crate::worker::Child) {}",
        "fn f() { assert!(crate::worker::alive()); }",
        "use tokio::time;",
        "fn f() { tokio::spawn(async {}); }",
        "use std::{fmt, fs};",
        "use crate::time::{MonoTime, now};",
        "mod inner { use super::super::super::worker::Child; }",
    ] {
        assert!(refused("src/decide/engine.rs", text), "{text}");
    }
}

#[test]
fn what_the_table_allows_passes() {
    for (path, text) in [
        (
            "src/decide/engine.rs",
            "use crate::{decide::step::Step, time::MonoTime};",
        ),
        (
            "src/decide/engine.rs",
            "use super::step::Step; use std::fmt;",
        ),
        (
            "src/decide/engine.rs",
            "#[cfg(test)] mod tests { use tokio::time; }",
        ),
        (
            "src/worker/mod.rs",
            "use crate::{os::procfs, sense::probe::Probe}; use tokio::net;",
        ),
        (
            "src/worker/child.rs",
            "use super::keeper; use self::inner::X;",
        ),
        ("src/act/mod.rs", "use crate::explain::code::Code;"),
        ("src/cli/run.rs", "use crate::{app, proxy};"),
    ] {
        assert_eq!(imports(&file(path, text)), [""; 0], "{text}");
    }
}

#[test]
fn a_part_that_is_allowed_does_not_allow_the_whole() {
    assert!(refused(
        "src/worker/mod.rs",
        "use crate::sense::sampler::Sampler;"
    ));
    assert!(refused(
        "src/observe/mod.rs",
        "use crate::decide::engine::Engine;"
    ));
    assert!(refused(
        "src/explain/code.rs",
        "use crate::explain::incident::Incident;"
    ));
    assert!(refused("src/control/order.rs", "use crate::worker::Child;"));
    assert!(refused("src/admin/api.rs", "use crate::control::Control;"));
}

#[test]
fn only_cli_and_main_import_app() {
    assert!(refused("src/control/mod.rs", "use crate::app::App;"));
    assert!(!refused("src/main.rs", "use autoheal::app;"));
    assert!(refused("src/main.rs", "use autoheal::worker;"));
}

#[test]
fn a_module_without_a_row_is_found() {
    assert!(row_of("utils").is_none());
    assert!(row_of("words_of_mine").is_none());
    assert!(row_of("control::order").is_some_and(|row| row.module == "control::order"));
}

#[test]
fn ugly_lines_are_found() {
    let long = "x".repeat(WIDTH_MAX + 1);
    for line in [
        long.as_str(),
        "// TODO: later",
        "    todo!()",
        "#[allow(dead_code)]",
        "/// Does this work?",
        "// let x = 5;",
        "    // self.run(now);",
        "// }",
    ] {
        assert!(!of_line(line, false).is_empty(), "{line}");
    }
    for line in [
        "/// Whether a rule fires.",
        "// Why: the socket is the buffer.",
        "// if this waits, nobody answers.",
        "let url = \"http://a?\";",
    ] {
        assert_eq!(of_line(line, false), [""; 0], "{line}");
    }
}

#[test]
fn a_file_without_a_promise_or_with_too_many_lines_is_found() {
    assert!(!style(&file("src/a.rs", "fn f() {}")).is_empty());
    let long = "//! A.\n".to_owned() + &"\n".repeat(LINES_MAX);
    assert!(!style(&file("src/a.rs", &long)).is_empty());
}

#[test]
fn a_file_that_nothing_leads_to_is_found() {
    let sources = [
        file("src/lib.rs", "pub mod a;"),
        file("src/a/mod.rs", "mod b;"),
        file("src/a/b.rs", ""),
        file("src/a/c.rs", ""),
    ];
    let missed = unreached(&sources);
    assert_eq!(missed.len(), 1, "{missed:?}");
    assert!(missed[0].contains("c.rs"));
}

#[test]
fn a_manifest_that_allows_unsafe_code_is_found() {
    assert!(unsafe_lint("[lints.rust]\nunsafe_code = \"warn\"\n").is_some());
    assert!(unsafe_lint("[lints.rust]\n\n[x]\nunsafe_code = \"forbid\"\n").is_some());
    assert!(unsafe_lint("[lints.rust]\nunsafe_code = \"forbid\"\n").is_none());
}

#[test]
fn a_file_of_tests_is_told_from_the_rest() {
    let text = "mod a; #[cfg(test)] mod tests; #[cfg(unix)] mod b;";
    let tests = for_tests(&[file("src/decide/mod.rs", text)]);
    assert_eq!(tests.into_iter().collect::<Vec<_>>(), ["decide::tests"]);
}

#[test]
fn a_fault_without_a_test_that_exists_is_found() {
    let sources = [file("tests/it/a.rs", "#[test]\nfn one_is_there() {}\n")];
    let faults: [(&str, &[&str]); 3] = [
        ("held", &["one_is_there"]),
        ("half", &["one_is_there", "another_is_not"]),
        ("open", &[]),
    ];
    let found = super::faults::unheld(&faults, &sources);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("half: there is no test another"));
    assert!(found[1].starts_with("open: no test"));
}
