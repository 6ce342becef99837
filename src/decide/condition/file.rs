//! Files whose content changed after the worker was started.

use std::path::{Path, PathBuf};

use super::{Born, Reading};
use crate::time::MonoTime;

/// What changed, and since when; each file once, so that there are no more than are watched.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes(Vec<(PathBuf, MonoTime)>);

impl Changes {
    pub(super) fn add(&mut self, path: &Path, since: MonoTime) {
        match self.0.iter_mut().find(|(known, _)| known == path) {
            Some((_, last)) => *last = since.max(*last),
            None => self.0.push((path.to_path_buf(), since)),
        }
    }

    /// A worker that was started after a change has read what is there now.
    pub(super) fn known_to(&mut self, born: Born) {
        self.0.retain(|(_, since)| *since >= born.started);
    }

    pub(super) fn hold(&self) -> bool {
        !self.0.is_empty()
    }

    /// The first that changed.
    pub(super) fn first(&self) -> String {
        let first = self.0.first();
        first.map_or_else(String::new, |(path, _)| path.display().to_string())
    }

    pub(super) fn reading(&self) -> Reading {
        Reading {
            matching: self.0.len() as u64,
            limit: 1,
            ..Reading::default()
        }
    }

    pub(super) fn words(&self, watched: &[PathBuf]) -> String {
        let list = |paths: &mut dyn Iterator<Item = &PathBuf>| {
            let texts: Vec<_> = paths.map(|path| path.display().to_string()).collect();
            texts.join(", ")
        };
        match self.0.is_empty() {
            true => format!("no change of {}", list(&mut watched.iter())),
            false => format!("{} changed", list(&mut self.0.iter().map(|(path, _)| path))),
        }
    }
}
