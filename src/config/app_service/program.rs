//! Finds the program that a Windows path or name means on Linux.

use std::path::Path;

use super::{
    super::diagnostic::{Report, Span},
    Context,
};

/// The program to run. A relative path starts at the site's root; whatever is guessed is a warning.
pub(in crate::config) fn find(
    text: &str,
    span: Span,
    context: &Context<'_>,
    report: &mut Report,
) -> String {
    let written = text.trim().trim_matches('"');
    let slashed = written.replace('\\', "/");
    let candidates = [slashed.as_str(), without_exe(&slashed)];
    let is_path = slashed.contains('/') || slashed.starts_with('.');
    for candidate in candidates {
        let found = match is_path {
            true => is_file(candidate, context).then(|| candidate.to_owned()),
            false if is_file(candidate, context) => Some(format!("./{candidate}")),
            false => on_path(candidate, context).then(|| candidate.to_owned()),
        };
        let Some(found) = found else {
            continue;
        };
        let found = match found.starts_with('.') && !found.contains('/') {
            true => format!("./{found}"),
            false => found,
        };
        if candidate != written {
            report.warning(
                span,
                format!("{written} is a Windows name: {found} is run"),
                format!("write {candidate}, which IIS understands too, or leave it"),
            );
        }
        return found;
    }
    if !is_path {
        // Perhaps it is there when the worker starts.
        return written.to_owned();
    }
    let name = without_exe(slashed.rsplit('/').next().unwrap_or(&slashed));
    let foreign = slashed.contains('%') || slashed.as_bytes().get(1) == Some(&b':');
    if !foreign || name.is_empty() {
        report.warning(
            span,
            format!("there is no file {}", context.root.join(&slashed).display()),
            "put the program there before autoheal starts, or write another path",
        );
        return slashed;
    }
    let also = match on_path(name, context) {
        true => "",
        false => ", which is not there either",
    };
    report.warning(
        span,
        format!("there is no file {written} here: {name} of the PATH is run{also}"),
        format!("install {name}, or name the program after --: autoheal run -- {name} ..."),
    );
    name.to_owned()
}

/// Program and arguments of a path that has both in it, which IIS would not start either.
pub(in crate::config) fn with_arguments(
    text: &str,
    context: &Context<'_>,
) -> Option<(String, String)> {
    let written = text.trim();
    if written.starts_with('"') || is_file(&written.replace('\\', "/"), context) {
        return None;
    }
    let after_exe = written.to_ascii_lowercase().find(".exe ").map(|at| at + 4);
    let end = after_exe.or_else(|| written.find(' '))?;
    let (program, rest) = (written.get(..end)?, written.get(end..)?);
    // A folder may have a blank in its name: only what is a program by itself is one here.
    let is_program = after_exe.is_some() || on_path(program, context);
    is_program.then(|| (program.to_owned(), rest.trim().to_owned()))
}

/// An argument: a backslash path to a file that exists becomes one with slashes.
pub(in crate::config) fn argument(
    text: String,
    span: Span,
    context: &Context<'_>,
    report: &mut Report,
) -> String {
    let slashed = text.replace('\\', "/");
    if slashed == text || !is_file(&slashed, context) {
        return text;
    }
    report.warning(
        span,
        format!("{text} is a Windows path: {slashed} is passed"),
        format!("write {slashed}, which Windows understands too, or leave it"),
    );
    slashed
}

fn without_exe(name: &str) -> &str {
    let at = name.len().saturating_sub(4);
    match name.get(at..) {
        Some(end) if at > 0 && end.eq_ignore_ascii_case(".exe") => &name[..at],
        _ => name,
    }
}

fn is_file(path: &str, context: &Context<'_>) -> bool {
    !path.is_empty() && (context.around.is_file)(&context.root.join(path))
}

fn on_path(name: &str, context: &Context<'_>) -> bool {
    let path = (context.around.env)("PATH").unwrap_or_default();
    path.split(':')
        .filter(|folder| !folder.is_empty())
        .any(|folder| (context.around.is_file)(&Path::new(folder).join(name)))
}
