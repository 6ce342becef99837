//! Values as a person would write them in TOML.

use std::{path::Path, time::Duration};

use crate::{units::format_duration, words::one_line};

/// A string in double quotes.
pub(super) fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", one_line(&text))
}

/// A key: bare where it can be.
pub(super) fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    match !name.is_empty() && name.bytes().all(bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A list of values on one line.
pub(super) fn list(values: impl IntoIterator<Item = String>) -> String {
    let values: Vec<_> = values.into_iter().collect();
    format!("[{}]", values.join(", "))
}

/// One value by itself, several as a list.
pub(super) fn one_or_list(values: Vec<String>) -> String {
    match <[String; 1]>::try_from(values) {
        Ok([one]) => one,
        Err(values) => list(values),
    }
}

/// A duration in quotes.
pub(super) fn duration(duration: Duration) -> String {
    quoted(&format_duration(duration))
}

/// A table on one line.
#[derive(Default)]
pub(super) struct Inline(Vec<(String, String)>);

impl Inline {
    pub(super) fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.push((key.to_owned(), value.into()));
        self
    }

    pub(super) fn maybe(self, key: &str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub(super) fn written(&self) -> String {
        let parts = self.0.iter().map(|(key, value)| format!("{key} = {value}"));
        match parts.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "{}".to_owned(),
            parts => format!("{{ {parts} }}"),
        }
    }

    /// Its keys and their values as they are written.
    pub(super) fn parts(self) -> Vec<(String, String)> {
        self.0
    }
}

/// A path as it is written in a file of the folder `home`: relative if it lies below.
pub(super) fn path(path: &Path, home: &Path) -> String {
    match below(path, home) {
        Some(rest) => rest,
        None => path.display().to_string(),
    }
}

/// Program and arguments; a program below `home` starts with ./
pub(super) fn command(argv: &[String], home: &Path) -> String {
    let program = |word: &String| match word.contains('/') {
        true => below(Path::new(word), home).map(|rest| format!("./{rest}")),
        false => None,
    };
    let words = argv.iter().enumerate().map(|(i, word)| {
        let program = if i == 0 { program(word) } else { None };
        quoted(program.as_ref().unwrap_or(word))
    });
    list(words)
}

/// The program of a command that runs in `dir`, as a file of the folder `home` names it.
pub(super) fn program(argv: &[String], dir: &Path, home: &Path) -> String {
    let word = argv.first().map_or("", String::as_str);
    let rest = match word.contains('/') && dir == home {
        true => below(Path::new(word), home),
        false => None,
    };
    rest.map_or_else(|| word.to_owned(), |rest| format!("./{rest}"))
}

/// The rest of a path below `home`. Below the root everything is, so nothing counts.
fn below(path: &Path, home: &Path) -> Option<String> {
    let rest = path.strip_prefix(home).ok()?.to_str()?;
    (home.parent().is_some() && !rest.is_empty()).then(|| rest.to_owned())
}
