//! Passes workers' lines on to our own standard output, which may be a stalled pipe.
//!
//! Invariant: only this thread ever waits for standard output. The queue is bounded; the oldest
//! lines give way and are counted.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, poll};

use super::ring::lines;

/// Where lines are passed on to.
#[derive(Clone, Debug)]
pub struct Pass {
    shared: Arc<Shared>,
}

/// The most bytes that wait for standard output.
pub const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// Whole lines each.
    blocks: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped_lines: u64,
    /// A block is on its way.
    writing: bool,
    /// Nobody reads any more.
    broken: bool,
}

impl Pass {
    /// Passes on to our standard output.
    ///
    /// # Errors
    /// When it can't be duplicated, or no thread can be started.
    pub fn to_stdout() -> io::Result<Self> {
        Self::to(io::stdout().as_fd().try_clone_to_owned()?)
    }

    /// Passes on to this file, pipe or terminal.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn to(target: OwnedFd) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("worker output".into())
            .spawn(move || for_thread.write_all(&mut File::from(target)))?;
        Ok(Self { shared })
    }

    /// Queues whole lines. Never waits.
    pub fn push(&self, lines: Vec<u8>) {
        let mut queue = self.shared.lock();
        if queue.broken {
            queue.dropped_lines += count_lines(&lines);
            return;
        }
        queue.bytes += lines.len();
        queue.blocks.push_back(lines);
        while queue.bytes > MAX_WAITING_BYTES {
            let Some(oldest) = queue.blocks.pop_front() else {
                break;
            };
            queue.bytes -= oldest.len();
            queue.dropped_lines += count_lines(&oldest);
        }
        self.shared.changed.notify_all();
    }

    /// How many lines gave way since the start.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.shared.lock().dropped_lines
    }

    /// Waits until all that was queued is written, at most this long. Whether it is. For the end
    /// of the process: it blocks the thread that calls it.
    #[must_use]
    pub fn flush(&self, within: Duration) -> bool {
        let queue = self.shared.lock();
        let (queue, _) = self
            .shared
            .changed
            .wait_timeout_while(queue, within, |queue| !queue.is_idle())
            .unwrap_or_else(PoisonError::into_inner);
        queue.is_idle()
    }
}

impl Queue {
    fn is_idle(&self) -> bool {
        self.blocks.is_empty() && !self.writing
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, target: &mut File) {
        loop {
            let mut queue = self.lock();
            queue.writing = false;
            self.changed.notify_all();
            let mut queue = self
                .changed
                .wait_while(queue, |queue| queue.blocks.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let Some(block) = queue.blocks.pop_front() else {
                continue;
            };
            queue.bytes -= block.len();
            queue.writing = true;
            drop(queue);
            if write_block(target, &block).is_err() {
                self.give_up();
                return;
            }
        }
    }

    fn give_up(&self) {
        let mut queue = self.lock();
        let waiting = queue
            .blocks
            .iter()
            .map(|block| count_lines(block))
            .sum::<u64>();
        queue.dropped_lines += waiting;
        queue.blocks.clear();
        (queue.bytes, queue.writing, queue.broken) = (0, false, true);
        self.changed.notify_all();
    }
}

fn write_block(target: &mut File, mut block: &[u8]) -> io::Result<()> {
    while !block.is_empty() {
        match target.write(block) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => block = &block[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever shares our standard output may have made it non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(target, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn count_lines(block: &[u8]) -> u64 {
    lines(block).count() as u64
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn lines_arrive_whole_and_in_order() {
        let (mut reader, writer) = io::pipe().unwrap();
        let pass = Pass::to(writer.into()).unwrap();
        pass.push(b"one\n".to_vec());
        pass.push(b"two\nthree\n".to_vec());
        assert!(pass.flush(Duration::from_secs(10)));
        let mut bytes = [0; 14];
        reader.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_reader_that_stalls_costs_the_oldest_lines_and_nothing_else() {
        let (mut reader, writer) = io::pipe().unwrap();
        let pass = Pass::to(writer.into()).unwrap();
        let block = b"0123456789abcde\n".repeat(4096);
        let blocks = 2 * MAX_WAITING_BYTES / block.len();
        for _ in 0..blocks {
            pass.push(block.clone());
        }
        assert!(!pass.flush(Duration::ZERO));
        let dropped = pass.dropped_lines();
        let whole = MAX_WAITING_BYTES as u64 / 16;
        // The pipe holds one block, and one may be on its way into it.
        assert!((whole - 2 * 4096..=whole).contains(&dropped), "{dropped}");
        pass.push(b"last\n".to_vec());
        let mut seen = Vec::new();
        while !seen.ends_with(b"last\n") {
            let mut bytes = [0; 65536];
            let read = reader.read(&mut bytes).unwrap();
            seen.extend_from_slice(&bytes[..read]);
        }
        assert!(seen.len() <= MAX_WAITING_BYTES + 3 * block.len());
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error() {
        let (reader, writer) = io::pipe().unwrap();
        let pass = Pass::to(writer.into()).unwrap();
        drop(reader);
        pass.push(b"a\nb\n".to_vec());
        assert!(pass.flush(Duration::from_secs(10)));
        pass.push(b"c\n".to_vec());
        assert!(pass.flush(Duration::from_secs(10)));
        assert!(pass.dropped_lines() >= 1);
    }
}
