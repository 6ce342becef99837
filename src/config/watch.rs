//! Tells when files have changed and been left alone for a while, so that no half-written one is
//! read. Pure: it is told the time and what the system says of each file.
//!
//! Stamps are taken through symlinks, so that a swap of the link is a change like any other.

use std::{fs, path::PathBuf, time::Duration};

use super::defaults::secs;
use crate::{time::MonoTime, units::Stamp};

/// So long nothing may have happened to files that nobody told us to read.
const QUIET: Duration = secs(1);
/// So long nothing may have happened to files that somebody told us to read.
const QUIET_WHEN_ASKED: Duration = Duration::from_millis(200);

/// One state of all files; one that is not there, or can't be looked at, has no stamp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(Vec<Option<Stamp>>);

impl Stamps {
    /// What the system says now of these files.
    #[must_use]
    pub fn of(files: &[PathBuf]) -> Self {
        let stamp = |file: &PathBuf| fs::metadata(file).ok().as_ref().map(Stamp::from);
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
}
