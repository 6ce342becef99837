//! An autoheal.toml as a person would write it: only what is not at its default, in the order of
//! config/autoheal.toml.

use std::fmt::Write as _;

use super::{super::model::Settings, Origin, routes::route, rules::rule, sections::sections};
use crate::words::one_line;

/// The whole file.
pub(super) fn file(settings: &Settings, origin: &Origin) -> String {
    let mut text = format!(
        "# From {}, by autoheal convert. Paths are relative to this file: keep it in that \
         folder.\n",
        one_line(&origin.from)
    );
    let sections = sections(settings, &origin.home).into_iter();
    for section in sections.filter(|section| !section.lines.is_empty()) {
        text.push('\n');
        if !section.name.is_empty() {
            line(&mut text, format_args!("[{}]", section.name));
        }
        for (key, value) in section.lines {
            line(&mut text, format_args!("{key} = {value}"));
        }
    }
    for own in &settings.routes {
        text.push_str("\n[[route]]\n");
        for (key, value) in route(own) {
            line(&mut text, format_args!("{key} = {value}"));
        }
    }
    for own in settings.policy.rules.iter().filter(|rule| !rule.proactive) {
        text.push_str("\n[[rule]]\n");
        for (key, value) in rule(own, &origin.home) {
            line(&mut text, format_args!("{key} = {value}"));
        }
    }
    text
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string has no way to fail.
    writeln!(text, "{words}").ok();
}
