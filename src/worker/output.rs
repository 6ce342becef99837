//! Drains what a worker prints, always and at any speed, into a ring, and passes it on.
//!
//! Invariant: one thread a generation reads both pipes and never waits for anything but them, so
//! that a worker never waits for us. It ends when both pipes are closed or nobody holds the
//! [`Output`] any more.

use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

use super::{
    lines::{Counting, Patterns},
    pass::Pass,
    ring::{Line, Ring, Stream, lines},
};
use crate::{time::wall, words::Generation};

/// What one generation prints.
#[derive(Clone, Debug)]
pub struct Output {
    shared: Arc<Shared>,
    /// Closed with the last handle: then the thread ends.
    wake: Arc<PipeWriter>,
}

/// How a worker's lines are passed on.
#[derive(Clone, Debug)]
pub enum Passing {
    /// As they are.
    Raw(Pass),
    /// After `[worker 3] `.
    Marked(Pass),
    /// Not at all.
    Off,
}

/// The ends that a worker writes to.
#[derive(Debug)]
pub struct Ends {
    pub(super) out: PipeWriter,
    pub(super) err: PipeWriter,
}

#[derive(Debug, Default)]
struct Shared {
    ring: Mutex<Ring>,
    counting: Mutex<Counting>,
    waiting: Mutex<Waiting>,
}

/// Who waits until all that was printed before is in the ring; bounded by the callers of
/// [`Output::caught_up`], one a worker's end.
#[derive(Debug, Default)]
struct Waiting {
    callers: Vec<oneshot::Sender<()>>,
    /// The thread has read everything there will ever be.
    ended: bool,
}

/// So much is read at once. A pipe holds 64 KiB.
const CHUNK_BYTES: usize = 64 * 1024;

impl Output {
    /// Opens the pipes of a generation and starts draining them. Lines with one of the patterns are
    /// counted.
    ///
    /// # Errors
    /// When there is no descriptor or thread left.
    pub fn start(
        generation: Generation,
        passing: Passing,
        patterns: Patterns,
    ) -> io::Result<(Self, Ends)> {
        let (out_reader, out) = io::pipe()?;
        let (err_reader, err) = io::pipe()?;
        let (wake_reader, wake) = io::pipe()?;
        for reader in [&out_reader, &err_reader, &wake_reader] {
            rustix::io::ioctl_fionbio(reader, true)?;
        }
        let shared = Arc::new(Shared {
            counting: Mutex::new(Counting::new(patterns)),
            ..Shared::default()
        });
        let drain = Drain {
            shared: Arc::clone(&shared),
            sources: [
                Source::new(Stream::Out, out_reader),
                Source::new(Stream::Err, err_reader),
            ],
            wake: wake_reader,
            passing,
            mark: format!("[worker {generation}] "),
        };
        thread::Builder::new()
            .name(format!("output {generation}"))
            .spawn(move || drain.run())?;
        let wake = Arc::new(wake);
        Ok((Self { shared, wake }, Ends { out, err }))
    }

    /// The last lines, at most so many, oldest first.
    #[must_use]
    pub fn tail(&self, most: usize) -> Vec<Line> {
        self.shared.ring().tail(most)
    }

    /// Lines from this number on, at most so many, oldest first: to follow, ask again from the
    /// number after the last one.
    #[must_use]
    pub fn since(&self, number: u64, most: usize) -> Vec<Line> {
        self.shared.ring().since(number, most)
    }

    /// How many lines gave way to later ones.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.shared.ring().dropped()
    }

    /// Whether one of the last lines says that the address to listen on is taken.
    #[must_use]
    pub fn says_address_in_use(&self) -> bool {
        self.shared.ring().says_address_in_use()
    }

    /// Counts lines by these patterns from now on, from 0.
    pub fn count(&self, patterns: Patterns) {
        *self.shared.counting() = Counting::new(patterns);
    }

    /// How many lines had each pattern of this configuration, by the place of its condition.
    #[must_use]
    pub fn counts(&self, epoch: u64) -> Vec<(usize, u64)> {
        self.shared.counting().counts(epoch)
    }

    /// Waits until all that was printed before this call can be read here.
    pub async fn caught_up(&self) {
        let (done, wait) = oneshot::channel();
        {
            let mut waiting = self.shared.waiting();
            if waiting.ended {
                return;
            }
            waiting.callers.push(done);
        }
        // It fails only when the thread has ended since, and then nobody is left waiting.
        drop((&*self.wake).write(&[1]));
        drop(wait.await);
    }
}

impl Shared {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counting(&self) -> MutexGuard<'_, Counting> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Drain {
    shared: Arc<Shared>,
    sources: [Source; 2],
    wake: PipeReader,
    passing: Passing,
    mark: String,
}

impl Drain {
    fn run(mut self) {
        let mut abandoned = false;
        while !abandoned && self.sources.iter().any(|source| source.pipe.is_some()) {
            self.wait();
            let mut bytes = [0; 64];
            abandoned = matches!((&self.wake).read(&mut bytes), Ok(0));
            // Taken before reading: what these wait for is in the pipes already, and one pass
            // over a pipe's capacity meets it, however fast the worker goes on printing.
            let waiting = std::mem::take(&mut self.shared.waiting().callers);
            for source in &mut self.sources {
                source.read(&self.shared, &self.passing, &self.mark);
                if !waiting.is_empty() {
                    source.finish_line(&self.shared, &self.passing, &self.mark);
                }
            }
            for done in waiting {
                let _ = done.send(());
            }
        }
        *self.shared.waiting() = Waiting {
            callers: Vec::new(),
            ended: true,
        };
    }

    fn wait(&self) {
        let mut fds = vec![PollFd::new(&self.wake, PollFlags::IN)];
        let pipes = self
            .sources
            .iter()
            .filter_map(|source| source.pipe.as_ref());
        fds.extend(pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        // A failed poll (no memory, a signal) is one more look at pipes that don't block.
        let _ = poll(&mut fds, None);
    }
}

/// One pipe and the part of a line that it has not ended yet.
struct Source {
    stream: Stream,
    pipe: Option<PipeReader>,
    buffer: Vec<u8>,
    /// How much of the buffer is the unfinished line.
    kept: usize,
    /// The unfinished line was too long and its beginning has gone on already.
    continues: bool,
}

impl Source {
    fn new(stream: Stream, pipe: PipeReader) -> Self {
        Self {
            stream,
            pipe: Some(pipe),
            buffer: vec![0; 2 * CHUNK_BYTES],
            kept: 0,
            continues: false,
        }
    }

    /// Reads at most what the pipe can hold, so that the other one gets its turn.
    fn read(&mut self, shared: &Shared, passing: &Passing, mark: &str) {
        let mut left = CHUNK_BYTES;
        while let Some(pipe) = &mut self.pipe
            && left > 0
        {
            let room = self.kept + left.min(CHUNK_BYTES);
            let read = match pipe.read(&mut self.buffer[self.kept..room]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(read) if read > 0 => read,
                Ok(_) | Err(_) => {
                    self.pipe = None;
                    self.finish_line(shared, passing, mark);
                    return;
                }
            };
            left -= read;
            let end = self.kept + read;
            let printed = &self.buffer[..end];
            let whole = end - unfinished(printed);
            if whole > 0 {
                let block = &printed[..whole];
                take(block, self.stream, self.continues, shared, passing, mark);
                self.continues = false;
                self.buffer.copy_within(whole..end, 0);
            }
            self.kept = end - whole;
            if self.kept >= CHUNK_BYTES {
                self.pass_unfinished(shared, passing, mark);
            }
        }
    }

    /// Lets a line that is too long to wait for its end go on in parts.
    fn pass_unfinished(&mut self, shared: &Shared, passing: &Passing, mark: &str) {
        let block = &self.buffer[..self.kept];
        take(block, self.stream, self.continues, shared, passing, mark);
        (self.kept, self.continues) = (0, true);
    }

    /// Ends an unfinished line: last words often have no line end.
    fn finish_line(&mut self, shared: &Shared, passing: &Passing, mark: &str) {
        if self.kept > 0 {
            self.pass_unfinished(shared, passing, mark);
            self.continues = false;
        }
    }
}

/// How many bytes at the end belong to a line that has not ended.
fn unfinished(printed: &[u8]) -> usize {
    let last = lines(printed).last().unwrap_or_default();
    if last.ends_with(b"\n") { 0 } else { last.len() }
}

/// Puts lines into the ring and passes them on. `continues`: the first is the rest of a line
/// whose beginning the ring has.
fn take(
    block: &[u8],
    stream: Stream,
    continues: bool,
    shared: &Shared,
    passing: &Passing,
    mark: &str,
) {
    {
        let (mut ring, at) = (shared.ring(), wall());
        for line in lines(block).skip(usize::from(continues)) {
            ring.push(at, stream, line.strip_suffix(b"\n").unwrap_or(line));
        }
    }
    let whole = lines(block).skip(usize::from(continues));
    if shared.counting().look(whole) {
        tracing::warn!(
            "the worker prints faster than its lines can be looked at: rules with when.output do \
             not see all of them"
        );
    }
    match passing {
        Passing::Raw(pass) => pass.push(block.to_vec()),
        Passing::Marked(pass) => {
            let mut marked = Vec::with_capacity(block.len() * 2);
            for line in lines(block) {
                marked.extend_from_slice(mark.as_bytes());
                marked.extend_from_slice(line);
                if !line.ends_with(b"\n") {
                    marked.push(b'\n');
                }
            }
            pass.push(marked);
        }
        Passing::Off => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn last_words_without_a_line_end_are_read_once_caught_up() {
        let (output, mut ends) =
            Output::start(Generation(3), Passing::Off, Patterns::default()).unwrap();
        ends.err.write_all(b"first\nlisten EADDRINUSE").unwrap();
        output.caught_up().await;
        let lines = output.tail(10);
        assert_eq!(lines[1].text, "listen EADDRINUSE");
        assert_eq!(lines[1].stream, Stream::Err);
        assert!(output.says_address_in_use());
        drop(ends);
        output.caught_up().await;
        assert_eq!(output.since(2, 10), []);
    }

    #[tokio::test]
    async fn marked_lines_say_whose_they_are_and_raw_ones_are_untouched() {
        let cases: [(bool, &[u8]); 2] = [
            (true, b"[worker 3] a\xff\n[worker 3] b\n"),
            (false, b"a\xff\nb"),
        ];
        for (marked, expected) in cases {
            let (mut reader, writer) = io::pipe().unwrap();
            let pass = Pass::to(writer.into()).unwrap();
            let passing = if marked {
                Passing::Marked(pass.clone())
            } else {
                Passing::Raw(pass.clone())
            };
            let (output, mut ends) =
                Output::start(Generation(3), passing, Patterns::default()).unwrap();
            ends.out.write_all(b"a\xff\nb").unwrap();
            output.caught_up().await;
            assert!(pass.flush(Duration::from_secs(10)));
            let mut seen = vec![0; expected.len()];
            reader.read_exact(&mut seen).unwrap();
            assert_eq!(seen, expected);
        }
    }

    #[tokio::test]
    async fn a_line_of_megabytes_passes_in_parts_and_is_kept_once() {
        let (reader, writer) = io::pipe().unwrap();
        let pass = Pass::to(writer.into()).unwrap();
        let (output, mut ends) =
            Output::start(Generation(1), Passing::Raw(pass), Patterns::default()).unwrap();
        let long = vec![b'x'; 3 * 1024 * 1024];
        let sent = long.len() + 7;
        let printing = thread::spawn(move || {
            ends.out.write_all(&long).unwrap();
            ends.out.write_all(b"\nafter\n").unwrap();
            drop(ends);
        });
        let mut reader = reader.take(sent as u64);
        let mut seen = Vec::new();
        reader.read_to_end(&mut seen).unwrap();
        assert_eq!(seen.len(), sent);
        assert!(seen.ends_with(b"x\nafter\n"));
        printing.join().unwrap();
        output.caught_up().await;
        let lines = output.tail(10);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].cut && lines[1].text == "after");
    }

    #[test]
    fn the_thread_ends_when_nobody_listens_any_more() {
        let (output, ends) =
            Output::start(Generation(1), Passing::Off, Patterns::default()).unwrap();
        let Ends { mut out, err } = ends;
        drop(err);
        drop(output);
        // The thread closes the pipe, so that printing fails rather than fills it and waits.
        while out.write_all(b"anybody?\n").is_ok() {}
    }
}
