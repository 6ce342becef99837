//! What tells one state of a file from the next, without reading it.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

/// What the system changes with each change of a file, whatever its writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The file system it is on.
    pub device: u64,
    /// Which file it is there.
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// When its content was last changed, as its writer says: seconds and nanoseconds.
    pub modified: (i64, i64),
    /// When anything of it was last changed, as the system says. It tells of a file that was moved
    /// here with its old times that it is another.
    pub changed: (i64, i64),
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_way_to_change_a_file_changes_its_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("one"), "a = 1").unwrap();
        fs::write(at("two"), "a = 2").unwrap();
        std::os::unix::fs::symlink("one", at("link")).unwrap();
        let look = || fs::metadata(at("link")).ok().as_ref().map(Stamp::from);
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
