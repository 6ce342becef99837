//! Tells when files have changed and been left alone for a while, so that no half-written one is
//! read. Pure: it is told the time and what the system says of each file.
//!
//! Stamps are taken through symlinks, so that a swap of the link is a change like any other.

use std::{fs::Metadata, os::unix::fs::MetadataExt, path::PathBuf, time::Duration};

use super::defaults::secs;
use crate::time::MonoTime;

/// So long nothing may have happened to files that nobody told us to read.
const QUIET: Duration = secs(1);
/// So long nothing may have happened to files that somebody told us to read.
const QUIET_WHEN_ASKED: Duration = Duration::from_millis(200);

/// What tells one state of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Says of a file that was moved here with its old times that it is another.
    changed: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// One state of all files; one that is not there, or can't be looked at, has no stamp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(Vec<Option<Stamp>>);

impl Stamps {
    /// What the system says now of these files.
    #[must_use]
    pub fn of(files: &[PathBuf]) -> Self {
        let stamp = |file: &PathBuf| std::fs::metadata(file).ok().as_ref().map(Stamp::from);
        Self(files.iter().map(stamp).collect())
    }
}

/// What is known of the files.
#[derive(Clone, Debug)]
pub struct Watch {
    /// When they were read.
    read: Stamps,
    /// At the last look.
    seen: Stamps,
    /// Since when they have looked like that.
    since: MonoTime,
}

impl Watch {
    /// Files that looked like this when they were read.
    #[must_use]
    pub fn new(now: MonoTime, read: Stamps) -> Self {
        Self {
            seen: read.clone(),
            read,
            since: now,
        }
    }

    /// Takes in how they look now.
    pub fn look(&mut self, now: MonoTime, seen: Stamps) {
        if self.seen != seen {
            self.seen = seen;
            self.since = now;
        }
    }

    /// Whether they differ from what was read.
    #[must_use]
    pub fn is_news(&self) -> bool {
        self.seen != self.read
    }

    /// Whether they have been left alone for long enough to be read.
    #[must_use]
    pub fn rests(&self, now: MonoTime, asked: bool) -> bool {
        let quiet = if asked { QUIET_WHEN_ASKED } else { QUIET };
        !self.is_news() || now.since(self.since) >= quiet
    }

    /// They have been read as they looked at the last look.
    pub fn was_read(&mut self) {
        self.read = self.seen.clone();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn at(ms: u64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    fn stamps(size: u64) -> Stamps {
        Stamps(vec![Some(Stamp {
            device: 1,
            inode: 2,
            size,
            modified: (3, 4),
            changed: (5, 6),
        })])
    }

    #[test]
    fn files_that_go_on_changing_are_not_read_until_they_rest() {
        let mut watch = Watch::new(at(0), stamps(100));
        assert!(!watch.is_news());
        for step in 1..20 {
            watch.look(at(step * 900), stamps(step));
            assert!(watch.is_news() && !watch.rests(at(step * 900 + 899), false));
        }
        let last = 19 * 900;
        assert!(!watch.rests(at(last + 199), true) && watch.rests(at(last + 200), true));
        assert!(watch.rests(at(last + 1_000), false));
        watch.was_read();
        assert!(!watch.is_news());
    }

    #[test]
    fn a_file_that_is_put_back_as_it_was_is_no_news() {
        let mut watch = Watch::new(at(0), stamps(100));
        watch.look(at(1), Stamps(vec![None]));
        assert!(watch.is_news());
        watch.look(at(2), stamps(100));
        assert!(!watch.is_news() && watch.rests(at(2), false));
    }

    #[test]
    fn every_way_to_change_a_file_changes_its_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("one"), "a = 1").unwrap();
        fs::write(at("two"), "a = 2").unwrap();
        std::os::unix::fs::symlink("one", at("link")).unwrap();
        let look = || Stamps::of(&[at("link")]);
        let mut before = look();
        let mut changed = || {
            let now = look();
            std::mem::replace(&mut before, now) != before
        };
        assert!(!changed());
        fs::write(at("one"), "a = 11").unwrap();
        assert!(changed(), "written");
        std::os::unix::fs::symlink("two", at("next")).unwrap();
        fs::rename(at("next"), at("link")).unwrap();
        assert!(changed(), "the link was swapped");
        let times = fs::metadata(at("two")).unwrap().modified().unwrap();
        fs::write(at("three"), "a = 3").unwrap();
        let three = fs::File::options().write(true).open(at("three")).unwrap();
        three.set_modified(times).unwrap();
        fs::rename(at("three"), at("two")).unwrap();
        assert!(changed(), "renamed, with the old time and size");
        fs::remove_file(at("two")).unwrap();
        assert!(changed(), "removed");
    }
}
