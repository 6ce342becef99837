//! The looks of a file, and what must not be left behind.

use super::Source;

/// No line is wider.
pub(crate) const WIDTH_MAX: usize = 100;

/// No file is longer.
pub(crate) const LINES_MAX: usize = 450;

/// What is wrong with the looks of one file.
pub(crate) fn problems(source: &Source) -> Vec<String> {
    let path = source.path.display();
    let mut problems = Vec::new();
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        problems.push(format!(
            "{path}: {lines} lines, at most {LINES_MAX}: split it by noun"
        ));
    }
    if !source.text.starts_with("//! ") {
        problems.push(format!("{path}: does not begin with its promise (//!)"));
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        for problem in of_line(line, source.path.starts_with("tests/tidy")) {
            problems.push(format!("{path}:{number}: {problem}"));
        }
    }
    problems
}

pub(crate) fn of_line(line: &str, names_them: bool) -> Vec<String> {
    const LEFT: [&str; 6] = [
        "TODO",
        "FIXME",
        "XXX",
        "todo!(",
        "unimplemented!(",
        "#[ignore",
    ];
    let mut problems = Vec::new();
    let width = line.chars().count();
    if width > WIDTH_MAX {
        problems.push(format!("{width} columns, at most {WIDTH_MAX}"));
    }
    if !names_them {
        let left = LEFT.iter().filter(|left| line.contains(**left));
        problems.extend(left.map(|left| format!("{left} was left behind")));
        if line.contains("#[allow(") || line.contains("#![allow(") {
            problems.push("allow: use #[expect(.., reason = \"..\")]".to_owned());
        }
    }
    let text = line.trim();
    let doc = text
        .strip_prefix("///")
        .or_else(|| text.strip_prefix("//!"));
    if doc.is_some_and(|doc| doc.trim_end().ends_with('?')) {
        problems.push("a doc comment asks instead of telling".to_owned());
    }
    if doc.is_none() && text.strip_prefix("//").is_some_and(is_code) {
        problems.push("code in a comment".to_owned());
    }
    problems
}

/// Whether a comment's text is a line of Rust rather than of prose.
fn is_code(comment: &str) -> bool {
    const BEGINNINGS: [&str; 11] = [
        "let ", "use ", "fn ", "pub ", "impl ", "struct ", "match ", "return ", "#[", "}",
        "if let ",
    ];
    let text = comment.trim();
    let begins = BEGINNINGS
        .iter()
        .any(|beginning| text.starts_with(beginning));
    let ends = text.ends_with([';', '{']) || text.ends_with("},") || text == "}";
    (begins && ends) || text.ends_with(");") || text == "}"
}

/// That the manifest forbids unsafe code, for every target of the package.
pub(crate) fn unsafe_lint(manifest: &str) -> Option<String> {
    let lints = manifest.split("[lints.rust]").nth(1).unwrap_or("");
    let lints = lints.split("\n[").next().unwrap_or("");
    let forbids = lints
        .lines()
        .any(|line| line.replace(' ', "") == "unsafe_code=\"forbid\"");
    (!forbids).then(|| "Cargo.toml: [lints.rust] lacks unsafe_code = \"forbid\"".to_owned())
}
