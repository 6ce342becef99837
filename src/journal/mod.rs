//! Keeps every event: the last thousand in memory, and all of them on disk where there is one.
//!
//! Invariants: appending never waits, whatever the disk does; a file holds whole lines only; files
//! and memory are bounded. What could not be written is counted and said.

pub mod record;
mod segment;
mod writer;

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    decide::event::{Event, Field, Kind, Level},
    time::{MonoTime, WallTime},
};
use record::Record;
use segment::{Found, Segments};
use writer::Writer;

/// So many records are kept in memory.
pub const RING_LINES: usize = 1_000;

/// So many lines about incidents are read back at a start.
pub const INCIDENT_LINES: usize = 4_000;

/// So many lines may wait for the disk.
const QUEUE_LINES: usize = 1_024;

/// Trouble with the disk is said no more often.
const NOTICE_EVERY: Duration = Duration::from_secs(10);

/// How much of the disk the journal may take: `segments` files of `segment_bytes` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A file is closed before it would be larger.
    pub segment_bytes: u64,
    /// The oldest file beyond this many is removed.
    pub segments: usize,
}

/// The lines about incidents that stand in a journal's folder, the oldest first, at most
/// [`INCIDENT_LINES`]. For whoever looks on: nothing is locked, made or repaired.
///
/// # Errors
/// When the folder can't be read, or holds no journal.
pub fn read_incident_lines(folder: &Path) -> Result<Vec<Arc<str>>, OpenError> {
    segment::incident_lines(folder).map_err(|source| OpenError::io(folder, "read", source))
}

/// The events of this run and, with a folder, of earlier ones.
#[derive(Debug)]
pub struct Journal {
    ring: VecDeque<Entry>,
    seq: u64,
    incident: u64,
    /// Lines of earlier runs about incidents, until they are taken.
    found: Vec<Arc<str>>,
    writer: Option<Writer>,
    /// What has been said about lines that the disk did not take.
    said: Said,
}

/// One record in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// The whole record as one line of JSON.
    pub line: Arc<str>,
}

#[derive(Debug, Default)]
struct Said {
    lost: u64,
    /// Lines on disk when trouble was last said; `None`: all is well.
    written: Option<u64>,
    /// Nothing is said before this.
    not_before: MonoTime,
}

/// Why the journal's folder can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another autoheal writes there.
    #[error(
        "keep the journal in {}: another autoheal does; give each its own state_dir",
        .folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The file system says no.
    #[error(
        "{what} {}: {source}; check its owner and mode, or set another state_dir",
        .folder.display()
    )]
    Io {
        /// What was being done.
        what: &'static str,
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    fn io(folder: &Path, what: &'static str, source: io::Error) -> Self {
        Self::Io {
            what,
            folder: folder.to_owned(),
            source,
        }
    }
}

impl Journal {
    /// A journal that is only in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::with(None, Found::default())
    }

    /// A journal whose files are in `folder`, which is made if it does not exist.
    ///
    /// # Errors
    /// When the folder can't be made, read or written, or another autoheal writes there.
    pub fn open(folder: &Path, limits: Limits) -> Result<Self, OpenError> {
        let (segments, found) = Segments::open(folder, limits)?;
        let writer = Writer::start(segments, QUEUE_LINES)
            .map_err(|source| OpenError::io(folder, "start a thread to write to", source))?;
        Ok(Self::with(Some(writer), found))
    }

    fn with(writer: Option<Writer>, found: Found) -> Self {
        let entries = found.lines.into_iter();
        Self {
            ring: entries.map(|(seq, line)| Entry { seq, line }).collect(),
            seq: found.seq,
            incident: found.incident,
            found: found.incident_lines,
            writer,
            said: Said::default(),
        }
    }

    /// The highest incident number of earlier runs and of this one; zero: there was none.
    #[must_use]
    pub fn last_incident(&self) -> u64 {
        self.incident
    }

    /// The lines of earlier runs that are about incidents, the oldest first; at most
    /// [`INCIDENT_LINES`]. They are given away once.
    pub fn take_incident_lines(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.found)
    }

    /// Adds an event, and gives its line. Never waits.
    pub fn append(&mut self, event: &Event, at: WallTime, mono: MonoTime) -> Arc<str> {
        self.seq += 1;
        self.incident = self.incident.max(event.incident.unwrap_or(0));
        let record = Record {
            seq: self.seq,
            at,
            mono,
            event,
        };
        let line: Arc<str> = record.to_line().into();
        if let Some(writer) = &self.writer {
            writer.append(&line);
        }
        if self.ring.len() == RING_LINES {
            self.ring.pop_front();
        }
        self.ring.push_back(Entry {
            seq: self.seq,
            line: line.clone(),
        });
        line
    }

    /// At most `limit` records after number `since`, the oldest first. Without `since` the last
    /// ones.
    #[must_use]
    pub fn events(&self, since: Option<u64>, limit: usize) -> Vec<Entry> {
        let from = match since {
            Some(since) => self.ring.partition_point(|entry| entry.seq <= since),
            None => self.ring.len().saturating_sub(limit),
        };
        self.ring.iter().skip(from).take(limit).cloned().collect()
    }

    /// Records of this run that are not on disk although they should be.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::lost)
    }

    /// What there is to say about the disk since the last call: that it takes no more, or that it
    /// does again and how many records are missing. To be said and appended like any event.
    pub fn notice(&mut self, now: MonoTime) -> Option<Event> {
        if now < self.said.not_before {
            return None;
        }
        let event = self.disk_event()?;
        self.said.not_before = now + NOTICE_EVERY;
        Some(event)
    }

    fn disk_event(&mut self) -> Option<Event> {
        let writer = self.writer.as_ref()?;
        let (lost, written) = (writer.lost(), writer.written());
        match self.said.written {
            None if lost > self.said.lost => {
                self.said.written = Some(written);
                let why = writer.trouble();
                let why = why.as_deref().unwrap_or("the disk is too slow");
                Some(lost_event(
                    Level::Warn,
                    lost - self.said.lost,
                    format!("the journal can't be written: {why}; events are kept in memory only"),
                ))
            }
            Some(before) if written > before => {
                let missing = lost - self.said.lost;
                self.said.lost = lost;
                self.said.written = None;
                Some(lost_event(
                    Level::Info,
                    missing,
                    format!("the journal is written again; {missing} events are missing from it"),
                ))
            }
            _ => None,
        }
    }

    /// Waits until what was appended is on disk, but no longer than `patience`.
    pub fn close(self, patience: Duration) {
        if let Some(writer) = self.writer {
            writer.close(patience);
        }
    }
}

fn lost_event(level: Level, lost: u64, text: String) -> Event {
    Event {
        kind: Kind::RecordsLost,
        level,
        generation: None,
        incident: None,
        text,
        fields: vec![("lost", Field::Number(lost))],
    }
}

#[cfg(test)]
mod tests;
