//! Reads `[access_log]`: where each request gets its line, which requests, and what is in it.

use std::path::PathBuf;

use super::{
    condition::percentage,
    diagnostic::Report,
    document::Node,
    reader::{Fields, count, flag, one_or_more, size, text, word},
    resolve::path,
};
use crate::{
    units::{ByteSize, Share},
    words::AccessField,
};

/// One line for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where the lines go; `None`: nowhere.
    pub to: Option<AccessTo>,
    /// How a line looks.
    pub format: AccessFormat,
    /// Of so many requests; failures of the server always have a line.
    pub sample: Share,
    /// What is in a line, in this order.
    pub fields: Vec<AccessField>,
    /// Whether targets are written with their queries.
    pub query: bool,
    /// The size at which a file is closed.
    pub size: ByteSize,
    /// How many files are kept, the one that is written included.
    pub files: u32,
}

/// Where the lines of the access log go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTo {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// This file, and older ones beside it.
    File(PathBuf),
}

/// How a line of the access log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object.
    Json,
    /// The combined log format of Apache httpd.
    Combined,
}

impl Default for AccessLog {
    fn default() -> Self {
        let unasked = [
            AccessField::UserAgent,
            AccessField::Referer,
            AccessField::Subject,
        ];
        let fields = AccessField::ALL.into_iter();
        Self {
            to: None,
            format: AccessFormat::Json,
            sample: Share::ALL,
            fields: fields.filter(|field| !unasked.contains(field)).collect(),
            query: false,
            size: ByteSize::mib(64),
            files: 4,
        }
    }
}

/// Reads the section.
pub(super) fn read(top: &Fields<'_>, to: &mut AccessLog, report: &mut Report) {
    let Some(fields) = top.section("access_log", report) else {
        return;
    };
    to.to = fields.find(report, "path", target);
    let formats = [
        ("json", AccessFormat::Json),
        ("combined", AccessFormat::Combined),
    ];
    fields.read(report, "format", &mut to.format, word(formats));
    fields.read(report, "sample", &mut to.sample, percentage);
    let names = AccessField::ALL.map(|field| (field.name(), field));
    fields.read(report, "fields", &mut to.fields, one_or_more(word(names)));
    fields.read(report, "query", &mut to.query, flag);
    let bytes = ByteSize::kib(64)..=ByteSize::mib(64 * 1024);
    fields.read(report, "size", &mut to.size, size(bytes));
    fields.read(report, "files", &mut to.files, count(1..=1000));
    if fields.get("path").is_none() {
        report.warning(
            fields.span,
            "[access_log] has no path, so nothing is written",
            "add path = \"stdout\" or path = \"access.log\", or remove [access_log]",
        );
    }
}

fn target(report: &mut Report, name: &str, node: &Node) -> Option<AccessTo> {
    match text(report, name, node)?.as_str() {
        "stdout" => Some(AccessTo::Stdout),
        "stderr" => Some(AccessTo::Stderr),
        _ => path(report, name, node).map(AccessTo::File),
    }
}
