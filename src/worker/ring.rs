//! The last lines that a worker printed. Bounded by lines and bytes; the oldest give way.

use std::{collections::VecDeque, io::BufRead, iter};

use crate::time::WallTime;

/// Where a line was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The worker's standard output.
    Out,
    /// Its standard error.
    Err,
}

/// One line that a worker printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its place among all lines of this generation, from 0. A gap: lines were dropped between.
    pub number: u64,
    /// When it was read.
    pub at: WallTime,
    /// Where it was printed.
    pub stream: Stream,
    /// Without its end; what is not UTF-8 is replaced.
    pub text: String,
    /// It was longer than [`MAX_LINE_BYTES`]; the rest is not kept.
    pub cut: bool,
}

/// The most lines kept of one generation.
pub const MAX_LINES: usize = 1000;
/// The most bytes kept of one generation.
pub const MAX_BYTES: usize = 256 * 1024;
/// The most bytes kept of one line.
pub const MAX_LINE_BYTES: usize = 8 * 1024;

#[derive(Debug, Default)]
pub(super) struct Ring {
    lines: VecDeque<Kept>,
    bytes: usize,
    /// The number of the next line: so many were ever printed.
    next: u64,
}

#[derive(Debug)]
struct Kept {
    at: WallTime,
    stream: Stream,
    text: Box<[u8]>,
    cut: bool,
}

impl Ring {
    /// Adds a line, given without its end.
    pub(super) fn push(&mut self, at: WallTime, stream: Stream, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let cut = line.len() > MAX_LINE_BYTES;
        let text = &line[..line.len().min(MAX_LINE_BYTES)];
        while self.lines.len() >= MAX_LINES || self.bytes + text.len() > MAX_BYTES {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.text.len();
        }
        self.bytes += text.len();
        self.next += 1;
        self.lines.push_back(Kept {
            at,
            stream,
            text: text.into(),
            cut,
        });
    }

    /// How many lines gave way.
    pub(super) fn dropped(&self) -> u64 {
        self.first()
    }

    /// The last lines, at most so many, oldest first.
    pub(super) fn tail(&self, most: usize) -> Vec<Line> {
        let skip = self.lines.len().saturating_sub(most);
        self.numbered().skip(skip).collect()
    }

    /// Lines from this number on, at most so many, oldest first.
    pub(super) fn since(&self, number: u64, most: usize) -> Vec<Line> {
        let skip = usize::try_from(number.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.numbered().skip(skip).take(most).collect()
    }

    /// Whether a line says that the address to listen on is taken, in the words of the system or
    /// of a runtime.
    pub(super) fn says_address_in_use(&self) -> bool {
        self.lines.iter().rev().take(LAST_LINES).any(|line| {
            IN_USE
                .iter()
                .any(|words| contains(&line.text, words.as_bytes()))
        })
    }

    fn first(&self) -> u64 {
        self.next - self.lines.len() as u64
    }

    fn numbered(&self) -> impl Iterator<Item = Line> {
        self.lines
            .iter()
            .zip(self.first()..)
            .map(|(kept, number)| Line {
                number,
                at: kept.at,
                stream: kept.stream,
                text: String::from_utf8_lossy(&kept.text).into_owned(),
                cut: kept.cut,
            })
    }
}

/// Last words are looked for in so many lines.
const LAST_LINES: usize = 100;

/// What programs say when the address is taken, in lower case: C and Python, Node, Go, .NET.
const IN_USE: [&str; 4] = [
    "address already in use",
    "eaddrinuse",
    "address in use",
    "only one usage of each socket address",
];

/// The lines of a block, each with its end; the last may have none. By the standard library's
/// search for a byte, which is several times as fast as a loop: this runs at the speed at which a
/// worker prints.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    iter::from_fn(move || {
        let mut probe = rest;
        let length = probe.skip_until(b'\n').ok().filter(|length| *length > 0)?;
        let (line, after) = rest.split_at(length);
        rest = after;
        Some(line)
    })
}

/// Whether the text holds these lower-case words, in any case.
fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len())
        .any(|w| w.eq_ignore_ascii_case(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn the_oldest_line_gives_way_and_is_counted() {
        let mut ring = Ring::default();
        for n in 0..MAX_LINES + 5 {
            ring.push(WallTime(0), Stream::Out, n.to_string().as_bytes());
        }
        assert_eq!(ring.dropped(), 5);
        assert_eq!(ring.lines.len(), MAX_LINES);
        assert_eq!(texts(&ring.tail(2)), ["1003", "1004"]);
        assert_eq!(texts(&ring.since(1003, 10)), ["1003", "1004"]);
        assert_eq!(ring.since(0, 1)[0].number, 5);
        assert!(ring.since(5000, 10).is_empty());
    }

    #[test]
    fn long_lines_are_cut_and_bytes_are_bounded() {
        let mut ring = Ring::default();
        let long = vec![b'x'; MAX_LINE_BYTES * 2];
        for _ in 0..100 {
            ring.push(WallTime(0), Stream::Err, &long);
        }
        assert!(ring.bytes <= MAX_BYTES);
        assert_eq!(ring.lines.len(), MAX_BYTES / MAX_LINE_BYTES);
        let last = &ring.tail(1)[0];
        assert!(last.cut && last.text.len() == MAX_LINE_BYTES);
    }

    #[test]
    fn a_block_falls_into_its_lines() {
        let split = |block| lines(block).collect::<Vec<_>>();
        assert_eq!(split(b"a\n\nb"), [&b"a\n"[..], b"\n", b"b"]);
        assert_eq!(split(b"a\n"), [b"a\n"]);
        assert!(split(b"").is_empty());
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        let mut ring = Ring::default();
        ring.push(WallTime(0), Stream::Out, b"a\xffb\r");
        assert_eq!(texts(&ring.tail(1)), ["a\u{fffd}b"]);
    }

    #[test]
    fn each_way_of_saying_that_the_address_is_taken_is_understood() {
        for text in [
            "OSError: [Errno 98] Address already in use",
            "Error: listen EADDRINUSE: address already in use :::3000",
            "[ERROR] Connection in use; bind: address in use",
            "Only one usage of each socket address (protocol/network address/port) is permitted",
        ] {
            let mut ring = Ring::default();
            ring.push(WallTime(0), Stream::Err, b"starting");
            assert!(!ring.says_address_in_use());
            ring.push(WallTime(0), Stream::Err, text.as_bytes());
            assert!(ring.says_address_in_use(), "{text}");
        }
    }
}
