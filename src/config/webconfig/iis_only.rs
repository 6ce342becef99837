//! What a launcher says that has no meaning outside of IIS, or not yet: a warning each.

use super::{
    super::{diagnostic::Report, keys},
    xml::Element,
};

/// An attribute that is one of a few words, in any case.
fn one_of(launcher: &Element<'_, '_>, name: &str, known: &[&str], report: &mut Report) {
    let Some(written) = launcher.attribute(name) else {
        return;
    };
    let text = written.text.trim();
    if text.is_empty() || known.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return;
    }
    let cure = match keys::nearest(text, known) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("write {}", known.join(" or ")),
    };
    report.error(written.span, format!("{name} can't be \"{text}\""), cure);
}

/// What has no meaning outside of IIS, or not yet.
pub(super) fn warn(launcher: &Element<'_, '_>, report: &mut Report) {
    let is = |name: &str, word: &str| {
        let written = launcher.attribute(name)?;
        let same = written.text.trim().eq_ignore_ascii_case(word);
        same.then_some(written.span)
    };
    let remove = |name: &str| format!("remove {name}, or leave it for IIS");
    let present = |name: &str| launcher.attribute(name).map(|written| written.span);
    if let Some(span) = present("startupRetryCount") {
        report.warning(
            span,
            "startupRetryCount has no meaning here: a worker that does not start is tried again \
             after 1 s doubling to 60 s; after ten in a row 503, and a try every 5 min",
            "remove startupRetryCount, or add [crashes] give_up = 3 to an autoheal.toml beside",
        );
    }
    if let Some(span) = is("hostingModel", "inprocess") {
        report.warning(
            span,
            "the app runs in a process of its own here, not inside the server",
            "write hostingModel=\"OutOfProcess\", or leave it for IIS",
        );
    }
    if let Some(span) = is("stdoutLogEnabled", "true") {
        report.warning(
            span,
            "no log file is written: the worker's output goes to standard output",
            "set stdoutLogEnabled=\"false\", or leave it for IIS; autoheal logs shows the output",
        );
    }
    if let Some(span) = is("forwardWindowsAuthToken", "true") {
        report.warning(
            span,
            "there is no Windows user to forward here",
            remove("forwardWindowsAuthToken"),
        );
    }
    children(launcher, report);
}

fn children(launcher: &Element<'_, '_>, report: &mut Report) {
    for child in launcher.children_named("handlerSettings") {
        report.warning(
            child.span(),
            "handler settings mean nothing outside of IIS",
            "remove <handlerSettings>, or leave it for IIS",
        );
    }
}

/// Reports attributes of few words that have another one.
pub(super) fn check_words(launcher: &Element<'_, '_>, report: &mut Report) {
    one_of(
        launcher,
        "hostingModel",
        &["InProcess", "OutOfProcess"],
        report,
    );
    for name in [
        "stdoutLogEnabled",
        "forwardWindowsAuthToken",
        "disableStartUpErrorPage",
    ] {
        one_of(launcher, name, &["true", "false"], report);
    }
}
