//! `[access_log]` as it is written.

use std::path::Path;

use super::{
    super::access_log::{AccessFormat, AccessLog, AccessTo},
    section::Section,
    value::{list, path, quoted},
};

/// The section, with the keys that are not at their defaults.
pub(super) fn section(log: &AccessLog, usual: &AccessLog, home: &Path) -> Section {
    let AccessLog {
        to: place,
        format,
        sample,
        fields,
        query,
        size,
        files,
    } = log;
    let mut to = Section::new("access_log");
    if let Some(place) = place {
        let place = match place {
            AccessTo::Stdout => quoted("stdout"),
            AccessTo::Stderr => quoted("stderr"),
            AccessTo::File(file) => quoted(&path(file, home)),
        };
        to.lines.push(("path", place));
    }
    to.put("format", format, &usual.format, |format| {
        quoted(match format {
            AccessFormat::Json => "json",
            AccessFormat::Combined => "combined",
        })
    });
    let display = |value: &dyn std::fmt::Display| quoted(&value.to_string());
    to.put("sample", sample, &usual.sample, |it| display(it));
    to.put("fields", fields, &usual.fields, |fields| {
        list(fields.iter().map(|field| quoted(field.name())))
    });
    to.put("query", query, &usual.query, bool::to_string);
    to.put("size", size, &usual.size, |it| display(it));
    to.put("files", files, &usual.files, u32::to_string);
    to
}
