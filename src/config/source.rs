//! Where configuration comes from: files, options and variables, each with a name to show.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::diagnostic::Diagnostic;

/// The most that is read of one file. Rules are a few kilobytes; more is a mistake.
const MOST_BYTES: usize = 1 << 20;
/// The most of a template: Azure takes none that is larger.
const MOST_BYTES_OF_JSON: usize = 4 << 20;

/// One configuration file as it was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// As it is shown in diagnostics: the path that the user gave.
    pub name: String,
    /// The folder that its relative paths start from; absolute.
    pub dir: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Source {
    /// Reads a file; `cwd` makes its folder absolute.
    ///
    /// # Errors
    /// When it can't be read or is larger than 1 MiB (JSON: 4 MiB), as a diagnostic without a
    /// place.
    pub fn read(path: &Path, cwd: &Path) -> Result<Self, Diagnostic> {
        let name = path.display().to_string();
        let refuse = |what: String, cure: &str| Err(Diagnostic::error(what, cure));
        let full = cwd.join(path);
        match fs::metadata(&full) {
            Ok(meta) if meta.is_dir() => {
                return refuse(
                    format!("{name} is a folder"),
                    "give the file inside it, like autoheal.toml or web.config",
                );
            }
            _ => {}
        }
        let most = match name.to_ascii_lowercase().ends_with(".json") {
            true => MOST_BYTES_OF_JSON,
            false => MOST_BYTES,
        };
        match read_most(&full, most) {
            Ok(bytes) if bytes.len() > most => refuse(
                format!("{name} is larger than {} MiB", most >> 20),
                "give a configuration file; rules and settings take a few KiB",
            ),
            Ok(bytes) => {
                let dir = full.parent().unwrap_or(cwd).components().collect();
                Ok(Self { name, dir, bytes })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => refuse(
                format!("there is no file {name}"),
                "give the path of an autoheal.toml or web.config; a relative one starts at the \
                 current folder",
            ),
            Err(error) => refuse(
                format!("cannot read {name}: {error}"),
                "make the file readable for the user that autoheal runs as",
            ),
        }
    }
}

/// Reads one byte more than is allowed, so that a pipe or a device can't fill the memory.
fn read_most(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    fs::File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Source {
    /// Whether there is nothing in it but blanks and comments of TOML: as in a file that somebody
    /// has begun to write.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        let lines = self.bytes.split(|byte| *byte == b'\n');
        let mut lines = lines.map(<[u8]>::trim_ascii);
        lines.all(|line| line.is_empty() || line.starts_with(b"#"))
    }
}

/// What a text seems to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Toml,
    WebConfig,
}

impl Format {
    /// By the name of the file and its first character.
    pub(super) fn of(name: &str, text: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let ends = |suffix: &str| name.ends_with(suffix);
        let first = text.chars().find(|c| !c.is_whitespace());
        if ends(".json") || (first == Some('{') && !ends(".toml")) {
            Self::Json
        } else if first == Some('<') || ends(".config") || ends(".xml") {
            Self::WebConfig
        } else {
            Self::Toml
        }
    }
}
