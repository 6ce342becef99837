//! Watches the content of files: says which changed, once it stays as it is.
//!
//! Invariant: only its own thread touches the files, which may block for long. What can't be read
//! is no content: a file that is gone for a moment, as deployments do it, has not changed until it
//! is there again. A file that is only touched has not changed either. Symbolic links are followed
//! at each look, so that what is swapped by a link is seen.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    hash::{DefaultHasher, Hasher},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::mpsc::{Sender, error::TrySendError};

use super::wish::Wish;
use crate::{
    time::{MonoTime, now},
    units::Stamp,
};

/// From one look to the next. A change is told when two looks in a row saw the same.
const LOOK: Duration = Duration::from_millis(500);
/// So much of a file is compared; beyond it only its size.
const COMPARED_BYTES: u64 = 64 << 20;

/// A file has other content than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// As it was named.
    pub path: PathBuf,
    /// When that was first seen.
    pub since: MonoTime,
}

/// Watches files on a thread of its own; dropping it ends the thread.
#[derive(Debug)]
pub struct Files {
    paths: Arc<Wish<Vec<PathBuf>>>,
}

impl Files {
    /// Starts the thread. Changes are sent to `changes`; one that finds no room is sent later.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(changes: Sender<Changed>) -> io::Result<Self> {
        let paths: Arc<Wish<Vec<PathBuf>>> = Arc::default();
        let own = Arc::clone(&paths);
        thread::Builder::new()
            .name("file watch".into())
            .spawn(move || run(&own, &changes))?;
        Ok(Self { paths })
    }

    /// Watches these files from now on and no others. What one of them holds now, or when it was
    /// first named here, is what it is compared with.
    pub fn watch(&self, paths: Vec<PathBuf>) {
        self.paths.tell(paths);
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.paths.end();
    }
}

fn run(wanted: &Wish<Vec<PathBuf>>, changes: &Sender<Changed>) {
    let mut watched: BTreeMap<PathBuf, Known> = BTreeMap::new();
    let pause = |watched: &BTreeMap<_, _>| match watched.is_empty() {
        true => Duration::MAX,
        false => LOOK,
    };
    while let Some(paths) = wanted.wait(pause(&watched)) {
        keep(&mut watched, paths);
        for (path, known) in &mut watched {
            let Some(since) = known.look(path, now()) else {
                continue;
            };
            let path = path.clone();
            match changes.try_send(Changed { path, since }) {
                Ok(()) => known.told(),
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Closed(_)) => return,
            }
        }
    }
}

fn keep(watched: &mut BTreeMap<PathBuf, Known>, paths: Vec<PathBuf>) {
    watched.retain(|path, _| paths.contains(path));
    for path in paths {
        watched
            .entry(path)
            .or_insert_with_key(|path| Known::at_first(path));
    }
}

/// What is known of one file.
#[derive(Debug)]
struct Known {
    stamp: Option<Stamp>,
    /// What was last told, or there at first. `None`: there was nothing.
    content: Option<u64>,
    /// Other content, and since when.
    other: Option<(u64, MonoTime)>,
}

impl Known {
    fn at_first(path: &Path) -> Self {
        let stamp = stamp(path);
        Self {
            stamp,
            content: stamp.and_then(|stamp| content(path, stamp.size)),
            other: None,
        }
    }

    /// Since when the content is another, once it stays the same.
    fn look(&mut self, path: &Path, now: MonoTime) -> Option<MonoTime> {
        let before = self.stamp;
        let seen = stamp(path)?;
        self.stamp = Some(seen);
        if before == Some(seen) {
            return self.other.map(|(_, since)| since);
        }
        let content = content(path, seen.size)?;
        self.other = match self.other {
            _ if self.content == Some(content) => None,
            Some((_, since)) => Some((content, since)),
            None => Some((content, now)),
        };
        None
    }

    fn told(&mut self) {
        if let Some((content, _)) = self.other.take() {
            self.content = Some(content);
        }
    }
}

/// How the file looks; `None`: it is not there, or no plain file.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let seen = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Stamp::from(&seen))
}

/// What stands for a file's content: nobody here tries to make two files look alike.
fn content(path: &Path, size: u64) -> Option<u64> {
    let mut file = File::open(path).ok()?.take(COMPARED_BYTES);
    let mut hasher = DefaultHasher::new();
    let mut bytes = vec![0; 64 * 1024];
    hasher.write_u64(size);
    loop {
        match file.read(&mut bytes) {
            Ok(0) => return Some(hasher.finish()),
            Ok(read) => hasher.write(&bytes[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn at(ms: u64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    fn folder() -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        (dir, path)
    }

    #[test]
    fn a_change_is_told_once_and_only_when_it_stays() {
        let (_dir, path) = folder();
        fs::write(&path, "one").unwrap();
        let mut known = Known::at_first(&path);
        assert_eq!(known.look(&path, at(0)), None);
        fs::write(&path, "on").unwrap();
        assert_eq!(known.look(&path, at(1)), None, "just seen");
        fs::write(&path, "only").unwrap();
        assert_eq!(known.look(&path, at(2)), None, "still being written");
        assert_eq!(known.look(&path, at(3)), Some(at(1)));
        assert_eq!(known.look(&path, at(4)), Some(at(1)), "not told yet");
        known.told();
        assert_eq!(known.look(&path, at(5)), None);
    }

    #[test]
    fn a_touch_or_a_change_that_is_taken_back_is_none() {
        let (_dir, path) = folder();
        fs::write(&path, "one").unwrap();
        let mut known = Known::at_first(&path);
        fs::write(&path, "two").unwrap();
        assert_eq!(known.look(&path, at(1)), None);
        fs::write(&path, "one").unwrap();
        assert_eq!(known.look(&path, at(2)), None);
        assert_eq!(known.look(&path, at(3)), None);
    }

    #[test]
    fn a_file_that_is_gone_is_a_change_only_when_something_else_comes() {
        let (_dir, path) = folder();
        fs::write(&path, "one").unwrap();
        let mut known = Known::at_first(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!(
            (known.look(&path, at(1)), known.look(&path, at(2))),
            (None, None)
        );
        fs::write(&path, "one").unwrap();
        assert_eq!(
            (known.look(&path, at(3)), known.look(&path, at(4))),
            (None, None)
        );
        fs::remove_file(&path).unwrap();
        fs::write(&path, "two").unwrap();
        assert_eq!(
            (known.look(&path, at(5)), known.look(&path, at(6))),
            (None, Some(at(5)))
        );
    }

    #[test]
    fn a_file_that_was_not_there_at_first_changes_when_it_comes() {
        let (dir, path) = folder();
        let mut known = Known::at_first(&path);
        assert_eq!(known.look(&path, at(0)), None);
        fs::write(&path, "").unwrap();
        assert_eq!(
            (known.look(&path, at(1)), known.look(&path, at(2))),
            (None, Some(at(1)))
        );
        let mut folder = Known::at_first(dir.path());
        assert_eq!(
            (
                folder.look(dir.path(), at(1)),
                folder.look(dir.path(), at(2))
            ),
            (None, None)
        );
    }

    #[test]
    fn what_is_swapped_by_a_link_is_seen_and_a_link_to_the_same_is_no_change() {
        let (dir, path) = folder();
        let version = |name: &str, text: &str| {
            let folder = dir.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("file"), text).unwrap();
            let new = dir.path().join("new");
            symlink(folder.join("file"), &new).unwrap();
            fs::rename(new, &path).unwrap();
        };
        version("v1", "one");
        let mut known = Known::at_first(&path);
        version("v2", "one");
        assert_eq!(
            (known.look(&path, at(1)), known.look(&path, at(2))),
            (None, None)
        );
        version("v3", "two");
        assert_eq!(
            (known.look(&path, at(3)), known.look(&path, at(4))),
            (None, Some(at(3)))
        );
    }

    #[tokio::test]
    async fn the_thread_tells_changes_until_nobody_wants_to_know() {
        let (dir, path) = folder();
        let (sender, mut changes) = tokio::sync::mpsc::channel(1);
        let files = Files::start(sender).unwrap();
        files.watch(vec![path.clone(), dir.path().join("other")]);
        // The first look may come before or after a write; two in a row see each of them.
        let patience = LOOK * 3;
        let mut told = None;
        for text in ["one", "two", "three"] {
            fs::write(&path, text).unwrap();
            told = told.or(tokio::time::timeout(patience, changes.recv()).await.ok());
        }
        assert_eq!(told.flatten().unwrap().path, path);
        drop(files);
        while changes.recv().await.is_some() {}
    }

    #[test]
    fn a_file_that_stays_watched_is_compared_with_what_it_was_when_it_was_first_named() {
        let (dir, path) = folder();
        let mut watched = BTreeMap::new();
        keep(&mut watched, vec![path.clone()]);
        fs::write(&path, "new").unwrap();
        keep(&mut watched, vec![dir.path().join("other"), path.clone()]);
        let known = watched.get_mut(&path).unwrap();
        assert_eq!(
            (known.look(&path, at(1)), known.look(&path, at(2))),
            (None, Some(at(1)))
        );
        keep(&mut watched, Vec::new());
        assert!(watched.is_empty());
    }
}
