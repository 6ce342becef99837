//! The files of a configuration: found once, read as often as they change.

use std::path::PathBuf;

use super::here;
use crate::{
    app::reload::Reading,
    config::{self, Diagnostic, Loaded, Overrides, Source, Surroundings, watch::Stamps},
};

/// Where the configuration is.
pub(super) struct Files {
    given: Vec<PathBuf>,
    overrides: Overrides,
    /// What was found; none before there was any. One that is removed is not forgotten: it may be
    /// on its way back.
    found: Vec<PathBuf>,
    /// Those that said nothing from the first. Any other that says nothing is being written.
    blank: Option<Vec<PathBuf>>,
}

impl Files {
    pub(super) fn new(given: Vec<PathBuf>, overrides: Overrides) -> Self {
        Self {
            given,
            overrides,
            found: Vec::new(),
            blank: None,
        }
    }

    /// Reads the files, the environment and the options.
    pub(super) fn read(&mut self) -> Reading {
        let around = match here::surroundings() {
            Ok(around) => around,
            Err(error) => {
                let what = format!("the current folder can't be read: {error}");
                let cure = "start autoheal in a folder that exists";
                return Reading {
                    names: Vec::new(),
                    files: Vec::new(),
                    stamps: Stamps::default(),
                    found: Err(vec![Diagnostic::error(what, cure)]),
                };
            }
        };
        if self.found.is_empty() {
            self.found = config::discover(&self.given, &around);
        }
        let files: Vec<_> = self
            .found
            .iter()
            .map(|file| around.cwd.join(file))
            .collect();
        Reading {
            names: self
                .found
                .iter()
                .map(|file| file.display().to_string())
                .collect(),
            stamps: Stamps::of(&files),
            files,
            found: self.load(&around),
        }
    }

    fn load(&mut self, around: &Surroundings<'_>) -> Result<Loaded, Vec<Diagnostic>> {
        let (mut sources, mut wrong, mut blank) = (Vec::new(), Vec::new(), Vec::new());
        for file in &self.found {
            match Source::read(file, &around.cwd) {
                Ok(source) if source.says_nothing() => {
                    let known = self.blank.as_ref().is_none_or(|known| known.contains(file));
                    if !known {
                        wrong.push(emptied(&source));
                    }
                    blank.push(file.clone());
                    sources.push(source);
                }
                Ok(source) => sources.push(source),
                Err(diagnostic) => wrong.push(diagnostic),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        self.blank.get_or_insert(blank);
        config::load(&sources, &self.overrides, around)
    }
}

fn emptied(source: &Source) -> Diagnostic {
    Diagnostic::error(
        format!("{} says nothing any more", source.name),
        "write a new file and rename it over this one; to have nothing but defaults, restart \
         autoheal",
    )
}
