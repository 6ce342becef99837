//! The access log: one line for each request, written by a thread of its own.
//!
//! Invariants: a line holds no control character but its line break; of headers it has those alone
//! that were chosen; a stream that takes nothing keeps nobody waiting but that thread.

mod file;
mod line;

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use self::file::Rotating;
pub use self::line::Format;
use crate::{
    observe::access::Record,
    time::{self, MonoTime},
};

/// So many bytes are written at once.
const BATCH_BYTES: usize = 64 * 1024;
/// What was dropped is said at most so often.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// Where lines go.
#[derive(Clone, Debug)]
pub enum Place {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file of at most `bytes`, and as many older ones beside it that there are `files`.
    File {
        /// Where.
        path: PathBuf,
        /// The most bytes of each.
        bytes: u64,
        /// How many there are.
        files: u32,
    },
}

impl Place {
    fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        let duplicate = |stream: &dyn AsFd| stream.as_fd().try_clone_to_owned().map(File::from);
        Ok(match self {
            Self::Stdout => Box::new(duplicate(&io::stdout())?),
            Self::Stderr => Box::new(duplicate(&io::stderr())?),
            Self::File { path, bytes, files } => {
                Box::new(Rotating::open(Path::new(path), *bytes, *files)?)
            }
        })
    }
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer(Receiver<()>);

impl Writer {
    /// Opens the place and starts to write what comes, until nobody can send any more.
    ///
    /// # Errors
    /// When the place can't be opened, or no thread can be started.
    pub fn start(
        place: &Place,
        format: Format,
        records: Receiver<Record>,
        lost: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        Self::to(place.open()?, format, records, lost)
    }

    fn to(
        stream: impl Write + Send + 'static,
        format: Format,
        records: Receiver<Record>,
        lost: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let (done, finished) = sync_channel(1);
        thread::Builder::new()
            .name("access log".to_owned())
            .spawn(move || {
                write_all(stream, &format, &records, &lost);
                done.try_send(()).ok();
            })?;
        Ok(Self(finished))
    }

    /// Waits until all is written, but no longer than `patience`. Whether it is.
    #[must_use]
    pub fn finish(self, patience: Duration) -> bool {
        self.0.recv_timeout(patience).is_ok()
    }
}

fn write_all(
    mut stream: impl Write,
    format: &Format,
    records: &Receiver<Record>,
    lost: &AtomicU64,
) {
    let mut complaints = Complaints::default();
    let mut batch = String::new();
    loop {
        match records.recv_timeout(SAY_EVERY) {
            Ok(record) => format.line(&record, &mut batch),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let mut lines = u64::from(!batch.is_empty());
        while batch.len() < BATCH_BYTES
            && let Ok(record) = records.try_recv()
        {
            format.line(&record, &mut batch);
            lines += 1;
        }
        if let Err(error) = stream.write_all(batch.as_bytes()) {
            lost.fetch_add(lines, Relaxed);
            complaints.error = Some(error);
        }
        batch.clear();
        complaints.say(lost.load(Relaxed), time::now());
    }
    complaints.said_at = None;
    complaints.say(lost.load(Relaxed), time::now());
}

/// What was said of lines that were dropped.
#[derive(Default)]
struct Complaints {
    said: u64,
    said_at: Option<MonoTime>,
    error: Option<io::Error>,
}

impl Complaints {
    fn say(&mut self, lost: u64, now: MonoTime) {
        let lately = self.said_at.is_some_and(|at| now.since(at) < SAY_EVERY);
        if lost == self.said || lately {
            return;
        }
        let new = lost - self.said;
        (self.said, self.said_at) = (lost, Some(now));
        match self.error.take() {
            Some(error) => {
                tracing::warn!(lost, "{new} lines of the access log were dropped: {error}");
            }
            None => tracing::warn!(
                lost,
                "{new} lines of the access log were dropped: they could not be written in time"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc::sync_channel};

    use super::{line::tests::record, *};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A pipe whose reader reads once it is let go.
    struct Pipe {
        may: Receiver<()>,
        held: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.may.recv().ok();
            self.held.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_stream_holds_the_writer_alone_and_whole_lines_come_out_in_order() {
        let (let_go, may) = sync_channel::<()>(0);
        let held = Arc::new(Mutex::new(Vec::new()));
        let pipe = Pipe {
            may,
            held: held.clone(),
        };
        let (queue, records) = sync_channel(8);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer::to(pipe, Format::Combined, records, lost).unwrap();
        let sent = (0..200)
            .filter(|_| queue.try_send(record()).is_ok())
            .count();
        assert!(sent < 200, "the queue is bounded");
        drop((let_go, queue));
        assert!(writer.finish(PATIENCE));
        let held = String::from_utf8(held.lock().unwrap().clone()).unwrap();
        assert_eq!(held.lines().count(), sent);
        assert!(held.lines().all(|line| line.starts_with("192.0.2.7 - - [")));
    }

    #[test]
    fn lines_that_a_disk_refuses_are_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (queue, records) = sync_channel(8);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer::to(Full, Format::Combined, records, lost.clone()).unwrap();
        queue.send(record()).unwrap();
        queue.send(record()).unwrap();
        drop(queue);
        assert!(writer.finish(PATIENCE));
        assert_eq!(lost.load(Relaxed), 2);
    }
}
