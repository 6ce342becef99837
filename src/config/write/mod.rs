//! Writes settings down again: as a file that autoheal reads to the same, or nearly so, and with a
//! warning for each thing that the format can't say.
//!
//! Whoever adds a field to the settings, a trigger or an action is stopped by the compiler here
//! until it can be written: everything is taken apart without a rest.

mod access_log;
mod app_service;
mod arm;
mod attach;
mod condition;
mod crashes;
mod deed;
mod dependencies;
mod instances;
mod launcher;
mod losses;
mod routes;
mod rules;
mod section;
mod sections;
#[cfg(test)]
mod tests;
mod tls;
mod toml;
mod value;
mod waiting;
mod webconfig;
mod worker;
mod xml;

use std::path::{Path, PathBuf};

use super::{
    diagnostic::Diagnostic,
    model::{Route, Settings},
};
use crate::decide::policy::{Dependency, Rule};

/// In which format settings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An autoheal.toml, which can say everything.
    Toml,
    /// A `siteConfig` as ARM templates and the Azure CLI take it.
    Arm,
    /// A web.config: a launcher of IIS and `<monitoring>`.
    WebConfig,
}

/// Where a written file comes from and belongs.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The names of what was read, as the user gave them.
    pub from: String,
    /// The folder in which the written file is to stand; absolute. Paths below it are relative.
    pub home: PathBuf,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What it holds.
    pub text: String,
    /// What it does not say, each with what is nearest to it.
    pub warnings: Vec<Diagnostic>,
}

/// Writes settings in a format.
#[must_use]
pub fn write(settings: &Settings, target: Target, origin: &Origin) -> Written {
    match target {
        Target::Toml => Written {
            text: toml::file(settings, origin),
            warnings: Vec::new(),
        },
        Target::Arm => arm::file(settings, origin),
        Target::WebConfig => webconfig::file(settings, origin),
    }
}

/// The folder below which nothing is written as a relative path.
const NO_HOME: &str = "/";

/// Every key that has a value, as in `parking.wait`, and the value as it is written in TOML;
/// paths are absolute.
pub(super) fn everything(settings: &Settings) -> Vec<(String, String)> {
    let sections = sections::sections(settings, Path::new(NO_HOME)).into_iter();
    let lines = sections.flat_map(|section| {
        let lines = section.lines.into_iter().chain(section.usual);
        lines.map(move |(key, value)| match section.name {
            "" => (key.to_owned(), value),
            name => (format!("{name}.{key}"), value),
        })
    });
    lines.collect()
}

/// Every key of a rule but its name, those of its condition by themselves, and their values.
pub(super) fn rule_parts(rule: &Rule) -> Vec<(String, String)> {
    rules::parts(rule, Path::new(NO_HOME))
}

/// The certificates that stand at the top of a file, as one value.
pub(super) fn tls_written(written: &super::tls::Tls) -> String {
    tls::tls(written, Path::new(NO_HOME))
}

/// A dependency as one inline table.
pub(super) fn dependency_written(one: &Dependency) -> String {
    inline(dependencies::dependency(one, Path::new(NO_HOME)))
}

/// A route as one inline table.
pub(super) fn route_written(route: &Route) -> String {
    inline(routes::route(route))
}

fn inline(pairs: Vec<(&'static str, String)>) -> String {
    let pairs = pairs.into_iter();
    pairs
        .fold(value::Inline::default(), |inline, (key, value)| {
            inline.with(key, value)
        })
        .written()
}
