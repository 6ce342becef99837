//! A thread that writes lines, behind a bounded queue that never makes its caller wait.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::Duration,
};

/// Where lines go.
pub(super) trait Store: Send + 'static {
    fn append(&mut self, line: &str) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

/// The caller's side.
#[derive(Debug)]
pub(super) struct Writer {
    queue: SyncSender<Arc<str>>,
    shared: Arc<Shared>,
    ended: Receiver<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Lines that are not on disk and never will be.
    lost: AtomicU64,
    /// Lines that are on disk.
    written: AtomicU64,
    /// Why the last line that failed did.
    trouble: Mutex<Option<String>>,
}

impl Writer {
    /// Starts the thread. At most `lines` wait for it.
    pub(super) fn start(store: impl Store, lines: usize) -> io::Result<Self> {
        let (queue, incoming) = sync_channel(lines);
        let (end, ended) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                write_all(&incoming, store, &theirs);
                // Nobody waits for it when the journal was dropped rather than closed.
                end.try_send(()).ok();
            })?;
        Ok(Self {
            queue,
            shared,
            ended,
        })
    }

    /// Hands a line over, or counts it as lost when the queue is full.
    pub(super) fn append(&self, line: &Arc<str>) {
        if self.queue.try_send(Arc::clone(line)).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    pub(super) fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Why the last line that failed did.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.shared.trouble).clone()
    }

    /// Waits until everything handed over is written, but no longer than `patience`.
    pub(super) fn close(self, patience: Duration) {
        drop(self.queue);
        self.ended.recv_timeout(patience).ok();
    }
}

fn write_all(incoming: &Receiver<Arc<str>>, mut store: impl Store, shared: &Shared) {
    while let Ok(first) = incoming.recv() {
        let mut next = Ok(first);
        while let Ok(line) = next {
            note(shared, store.append(&line));
            next = incoming.try_recv();
        }
        if let Err(error) = store.sync() {
            *lock(&shared.trouble) = Some(error.to_string());
        }
        if next == Err(TryRecvError::Disconnected) {
            return;
        }
    }
}

fn note(shared: &Shared, outcome: io::Result<()>) {
    match outcome {
        Ok(()) => {
            shared.written.fetch_add(1, Ordering::Relaxed);
        }
        Err(error) => {
            *lock(&shared.trouble) = Some(error.to_string());
            shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
