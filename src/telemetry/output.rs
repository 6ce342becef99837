//! A thread that writes lines to a stream which may stall, behind a bounded queue.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::Duration,
};

/// The callers' side: any thread may send.
#[derive(Clone, Debug)]
pub(super) struct Output {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

impl Output {
    /// Starts the thread. At most `lines` wait for it. `lost` makes the line that tells how many
    /// did not find a place.
    pub(super) fn start(
        stream: impl Write + Send + 'static,
        lines: usize,
        lost_line: fn(u64) -> String,
    ) -> io::Result<Self> {
        let (queue, incoming) = sync_channel(lines);
        let lost = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&lost);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&incoming, stream, &theirs, lost_line))?;
        Ok(Self { queue, lost })
    }

    /// Hands a line over, its line break included, or counts it as lost. Never waits.
    pub(super) fn send(&self, line: String) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all that was sent is written, but no longer than `patience`. Whether it is.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let (done, finished) = sync_channel(1);
        // A full queue means that the stream is stalled: waiting would be in vain.
        self.queue.try_send(Message::Flush(done)).is_ok() && finished.recv_timeout(patience).is_ok()
    }
}

fn write_all(
    incoming: &Receiver<Message>,
    mut stream: impl Write,
    lost: &AtomicU64,
    lost_line: fn(u64) -> String,
) {
    while let Ok(first) = incoming.recv() {
        let mut next = Ok(first);
        while let Ok(message) = next {
            match message {
                // A stream that is gone takes nothing, and there is no one left to tell.
                Message::Line(line) => drop(stream.write_all(line.as_bytes())),
                Message::Flush(done) => {
                    drop(stream.flush());
                    done.try_send(()).ok();
                }
            }
            next = incoming.try_recv();
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            drop(stream.write_all(lost_line(lost).as_bytes()));
        }
        drop(stream.flush());
        if let Err(TryRecvError::Disconnected) = next {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A pipe that takes a line only when told to.
    struct Pipe {
        asks: SyncSender<()>,
        may: Receiver<()>,
        held: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asks.send(()).ok();
            self.may.recv().ok();
            self.held.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_stderr_never_makes_the_caller_wait_and_the_lost_are_said() {
        let (asks, asked) = sync_channel(100);
        let (let_go, may) = sync_channel::<()>(0);
        let held = Arc::new(Mutex::new(Vec::new()));
        let pipe = Pipe {
            asks,
            may,
            held: Arc::clone(&held),
        };
        let output = Output::start(pipe, 2, |n| format!("{n} lost\n")).unwrap();
        output.send("first\n".to_owned());
        asked.recv_timeout(PATIENCE).unwrap();
        for n in 0..5 {
            output.send(format!("line {n}\n"));
        }
        assert!(!output.flush(PATIENCE), "the queue is full");
        drop(let_go);
        // First, two that waited, and the line about the rest.
        for _ in 0..3 {
            asked.recv_timeout(PATIENCE).unwrap();
        }
        assert!(output.flush(PATIENCE));
        let held = String::from_utf8(held.lock().unwrap().clone()).unwrap();
        assert_eq!(held, "first\nline 0\nline 1\n3 lost\n");
    }
}
