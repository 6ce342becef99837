//! An autoheal.toml as a person would write it: only what is not at its default, in the order of
//! config/autoheal.toml.

use super::{super::model::Settings, Origin, rules::rule, sections::said};
use crate::words::one_line;

/// The whole file.
pub(super) fn file(settings: &Settings, origin: &Origin) -> String {
    let mut text = format!(
        "# From {}, by autoheal convert. Paths are relative to this file: keep it in that \
         folder.\n",
        one_line(&origin.from)
    );
    for section in said(settings, &origin.home) {
        text.push('\n');
        text.push_str(&section.text());
    }
    for own in settings.policy.rules.iter().filter(|rule| !rule.proactive) {
        text.push_str("\n[[rule]]\n");
        for (key, value) in rule(own, &origin.home) {
            text += &format!("{key} = {value}\n");
        }
    }
    text
}
