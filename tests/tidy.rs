//! Style as a test: the import table of the design, file sizes, and what must not be left behind.
//!
//! Each check is a function of text; `bad_input` gives each of them something bad.

#[path = "tidy/bad_input.rs"]
mod bad_input;
#[path = "tidy/faults.rs"]
mod faults;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/reach.rs"]
mod reach;
#[path = "tidy/style.rs"]
mod style;
#[path = "tidy/table.rs"]
mod table;

use std::{fs, path::PathBuf};

/// One file of the package.
struct Source {
    /// From the package's root.
    path: PathBuf,
    text: String,
}

#[test]
fn imports_follow_the_table() {
    let all = sources("src");
    let tests = reach::for_tests(&all);
    let checked = all.iter().filter(|source| !tests.contains(&module(source)));
    report(checked.flat_map(imports::problems).collect());
}

#[test]
fn every_module_has_a_row_in_the_table() {
    let modules = sources("src");
    let unlisted = modules
        .iter()
        .map(module)
        .filter(|m| table::row_of(m).is_none());
    report(
        unlisted
            .map(|m| format!("{m}: no row in the import table"))
            .collect(),
    );
}

#[test]
fn files_are_small_and_narrow_and_leave_nothing_behind() {
    let all = ["src", "tests", "benches"].into_iter().flat_map(sources);
    report(all.flat_map(|source| style::problems(&source)).collect());
}

#[test]
fn every_file_is_reached_from_a_root() {
    let all = sources("src");
    report(reach::unreached(&all));
}

#[test]
fn each_fault_has_tests_that_hold_what_is_promised() {
    let all: Vec<_> = ["src", "tests"].into_iter().flat_map(sources).collect();
    report(faults::unheld(&faults::FAULTS, &all));
}

#[test]
fn unsafe_code_is_forbidden_for_the_whole_package() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    report(style::unsafe_lint(&manifest).into_iter().collect());
}

fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, by its path from the package's root; not what build scripts
/// wrote for the fuzz targets, whose workspace builds into its own folder.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    let built = root().join("tests/fuzz/target");
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path == built {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let path = path
                    .strip_prefix(root())
                    .expect("below the root")
                    .to_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The module that a file below src is: `decide::engine`.
fn module(source: &Source) -> String {
    let path = source
        .path
        .strip_prefix("src")
        .unwrap_or(&source.path)
        .with_extension("");
    let mut parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    if parts.len() > 1 && parts.last() == Some(&"mod") {
        parts.pop();
    }
    parts.join("::")
}
