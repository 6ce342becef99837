//! Configuration: files, options and environment in, [`Settings`] out, or every error at once.
//!
//! Formats are read into one document tree whose values know where they stand, later sources are
//! laid over earlier ones, and one reader turns the result into plain data. Nothing here reads a
//! clock or starts anything; the environment and the file system are asked through
//! [`Surroundings`].

mod access_log;
mod action;
mod address;
mod affinity;
mod app_service;
mod arm;
mod attach;
mod change;
mod concurrency;
mod condition;
mod crashes;
mod defaults;
mod dependencies;
mod diagnostic;
mod document;
mod encoding;
mod foreign;
mod health;
mod instances;
mod json;
mod judge;
mod keys;
mod listing;
mod model;
mod options;
mod probes;
mod reader;
mod resolve;
mod routes;
mod rules;
mod sentence;
mod source;
#[cfg(test)]
mod tests;
mod tls;
mod toml;
pub mod watch;
mod webconfig;
mod worker;
mod write;

use std::path::{Path, PathBuf};

pub use self::{
    access_log::{AccessFormat, AccessLog, AccessTo},
    attach::{Attach, Reach, RestartBy},
    change::{Change, changes, in_words, needs_restart, why_recycle},
    concurrency::Concurrency,
    diagnostic::{Diagnostic, Place, Severity, SourceText},
    listing::{Said, Setting},
    model::{
        Address, Admin, Health, Journal, Limits, Listen, Log, LogFormat, LogLevel, Output, Parking,
        Port, Ready, Recycle, Route, RouteLimit, Settings, StopTo, StrategyChoice, Threads,
        Timeouts, Worker,
    },
    options::Overrides,
    probes::Probes,
    sentence::{describe, rule_sentence},
    source::Source,
    tls::Tls,
    write::{Origin, Target, Written, write},
};
use self::{
    diagnostic::{Report, Span},
    document::Table,
    source::Format,
};
use crate::{
    tls::spec::{Asked, Flaw},
    units::ByteSize,
};

/// What configuration may ask the world.
#[derive(Clone)]
pub struct Surroundings<'a> {
    /// A variable of the environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Whether there is a file at this absolute path.
    pub is_file: &'a dyn Fn(&Path) -> bool,
    /// What is wrong with certificates and keys.
    pub flaws: &'a dyn Fn(Asked<'_>) -> Vec<Flaw>,
    /// The current folder; absolute.
    pub cwd: PathBuf,
    /// What it runs on.
    pub machine: Machine,
}

/// What a worker may have here, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The memory of the machine.
    pub memory: Option<ByteSize>,
    /// The tightest limit on the memory of our control group; `None`: there is none, or it can't
    /// be read.
    pub memory_limit: Option<ByteSize>,
}

/// A configuration that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// The same as a flat list: every setting, and where it was said.
    pub list: Vec<Setting>,
    /// What in it is probably not as meant.
    pub warnings: Vec<Diagnostic>,
}

impl Loaded {
    /// The settings of a rule, or those of none.
    pub fn of<'a>(&'a self, rule: Option<&'a str>) -> impl Iterator<Item = &'a Setting> {
        let all = self.list.iter();
        all.filter(move |one| one.rule.as_deref() == rule)
    }
}

/// Reads files, environment and command line into settings.
///
/// Later files win over earlier ones, the environment over files, the command line over all: key
/// by key, rules by their names.
///
/// # Errors
/// Everything that is wrong, warnings included, in the order of the sources; at least one of them
/// is an error.
pub fn load(
    sources: &[Source],
    overrides: &Overrides,
    around: &Surroundings<'_>,
) -> Result<Loaded, Vec<Diagnostic>> {
    let mut report = Report::default();
    report.command_may_follow = overrides.command_may_follow;
    let mut merged = Table::default();
    if let Some(port) = options::listen_default(around.env, &around.cwd, &mut report) {
        merged.overlay(port);
    }
    let mut given = arm::Given::default();
    let read = |source| document(source, around, &mut given, &mut report);
    let documents: Vec<_> = sources.iter().map(read).collect();
    if !documents.iter().any(|one| matches!(one, Document::Arm(_))) {
        given.warn_without_template(&mut report);
    }
    for document in documents {
        merged.overlay(match document {
            Document::Arm(root) => arm::read(&root, &given, around, &mut report),
            Document::Ours(table) => table,
        });
    }
    merged.overlay(options::from_environment(
        around.env,
        &around.cwd,
        &mut report,
    ));
    merged.overlay(options::from_command_line(
        overrides,
        &around.cwd,
        &mut report,
    ));
    let settings = resolve::settings(&merged, around, &mut report);
    if report.has_errors() {
        return Err(report.into_found());
    }
    Ok(Loaded {
        list: listing::list(&settings, &merged, &report),
        settings,
        warnings: report.into_found(),
    })
}

/// Which files to read: the given ones, else those of `AUTOHEAL_CONFIG` (separated by colons),
/// else ./autoheal.toml or, where there is none, ./web.config.
#[must_use]
pub fn discover(given: &[PathBuf], around: &Surroundings<'_>) -> Vec<PathBuf> {
    if !given.is_empty() {
        return given.to_vec();
    }
    if let Some(files) = (around.env)("AUTOHEAL_CONFIG").filter(|files| !files.is_empty()) {
        let files = files.split(':').filter(|file| !file.is_empty());
        return files.map(PathBuf::from).collect();
    }
    ["autoheal.toml", "web.config"]
        .into_iter()
        .map(PathBuf::from)
        .find(|file| (around.is_file)(&around.cwd.join(file)))
        .into_iter()
        .collect()
}

/// A file as it was read.
enum Document {
    /// What it means depends on the parameters files beside it.
    Arm(document::Node),
    Ours(Table),
}

fn document(
    source: &Source,
    around: &Surroundings<'_>,
    given: &mut arm::Given,
    report: &mut Report,
) -> Document {
    let text = match encoding::decode(&source.bytes) {
        Ok(text) => text,
        Err(bad) => {
            let id = report.add_source(&source.name, bad.text, &source.dir);
            return refuse(report, Span::new(id, bad.range), bad.what, bad.cure);
        }
    };
    let text = text.as_ref();
    let id = report.add_source(&source.name, text, &source.dir);
    if let Some(foreign) = foreign::recognise(&source.name, text) {
        let span = Span::new(id, foreign.range);
        return refuse(report, span, foreign.what, foreign.cure);
    }
    match Format::of(&source.name, text) {
        Format::Json => match json::read(text, id, report) {
            Some(root) if !given.take(&root, report) => Document::Arm(root),
            _ => Document::Ours(Table::default()),
        },
        Format::WebConfig => Document::Ours(webconfig::read(text, id, around, report)),
        Format::Toml => Document::Ours(toml::read(text, id, report)),
    }
}

/// A file of which nothing is read.
fn refuse(report: &mut Report, span: Span, what: impl Into<String>, cure: &str) -> Document {
    report.partial = true;
    report.error(span, what, cure);
    Document::Ours(Table::default())
}
