//! Watches for a maintenance page: a file that is there, or not, and what it says.
//!
//! Invariant: only its own thread touches the file, which may block for long; but for the first
//! look, which is taken before anything is served. A page that is gone for a moment, as editors and
//! deployments do it, has not gone.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::mpsc::{Sender, error::TrySendError};

use super::{files, wish::Wish};

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(250);
/// So many looks in a row must miss a page for it to be gone.
const MISSED: u32 = 2;
/// So much of a page is sent, in bytes.
const PAGE_MOST: u64 = 1 << 20;

/// A maintenance page as it is now; `None`: it is not there.
pub type Page = Option<Bytes>;

/// Watches a file on a thread of its own; dropping it ends the thread.
#[derive(Debug)]
pub struct Watching {
    path: Arc<Wish<Option<PathBuf>>>,
}

impl Watching {
    /// Starts the thread. What it finds other than `first` is sent to `pages`, and each change
    /// after that.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(path: Option<PathBuf>, first: Page, pages: Sender<Page>) -> io::Result<Self> {
        let path = Arc::new(Wish::of(path));
        let own = Arc::clone(&path);
        thread::Builder::new()
            .name("maintenance".into())
            .spawn(move || run(&own, first, &pages))?;
        Ok(Self { path })
    }

    /// Watches this file from now on, or none.
    pub fn watch(&self, path: Option<PathBuf>) {
        self.path.tell(path);
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.path.end();
    }
}

fn run(wanted: &Wish<Option<PathBuf>>, first: Page, pages: &Sender<Page>) {
    let (mut told, mut missed, mut stamp) = (first, 0, None);
    let mut path = wanted.now();
    loop {
        let seen = path.as_deref().and_then(files::stamp);
        missed = if seen.is_some() { 0 } else { missed + 1 };
        let is_gone = path.is_none() || missed >= MISSED;
        let new = match (seen, &path) {
            (Some(now), Some(path)) if stamp != Some(now) => read(path),
            (None, _) if is_gone => None,
            _ => told.clone(),
        };
        if new == told {
            stamp = seen.or(stamp);
        } else {
            match pages.try_send(new.clone()) {
                Ok(()) => (told, stamp) = (new, seen),
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Closed(_)) => return,
            }
        }
        let watching = path.is_some() || told.is_some();
        match wanted.wait(if watching { LOOK } else { Duration::MAX }) {
            Some(other) => path = other,
            None => return,
        }
    }
}

/// The page that is there now. One that can't be read is there all the same, and empty.
#[must_use]
pub fn read(path: &Path) -> Page {
    files::stamp(path)?;
    let mut page = Vec::new();
    let whole = File::open(path).and_then(|file| file.take(PAGE_MOST).read_to_end(&mut page));
    if whole.is_err() {
        page.clear();
    }
    Some(Bytes::from(page))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn a_page_comes_changes_and_goes_and_nothing_is_told_twice() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("app_offline.htm");
        let (sender, mut pages) = mpsc::channel(4);
        let watching = Watching::start(Some(path.clone()), None, sender).unwrap();
        fs::write(&path, "back soon").unwrap();
        let page = loop {
            // It may be seen before it is written.
            let page = pages.blocking_recv().unwrap().unwrap();
            if !page.is_empty() {
                break page;
            }
        };
        assert_eq!(page, "back soon");
        fs::write(home.path().join("new"), "back later").unwrap();
        fs::rename(home.path().join("new"), &path).unwrap();
        assert_eq!(pages.blocking_recv().unwrap().unwrap(), "back later");
        fs::remove_file(&path).unwrap();
        assert_eq!(pages.blocking_recv().unwrap(), None);
        fs::write(&path, "once more").unwrap();
        assert!(pages.blocking_recv().unwrap().is_some());
        watching.watch(None);
        while pages.blocking_recv().unwrap().is_some() {}
        drop(watching);
        assert_eq!(pages.blocking_recv(), None, "the thread ends");
    }

    #[test]
    fn a_page_is_cut_at_its_limit_and_a_folder_is_none() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("page");
        fs::write(&path, vec![b'x'; 2 << 20]).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1 << 20);
        assert_eq!(read(home.path()), None);
    }
}
