//! Counts the lines of a worker that rules look at, on the thread that reads them. A worker never
//! waits for that: what comes too fast to be looked at passes unlooked, and that is said.

use std::time::Duration;

use regex::bytes::Regex;

use crate::{
    time::{MonoTime, now, spent},
    units::LinePattern,
};

/// So much of a line is looked at, in bytes.
const LOOKED_AT: usize = 4 * 1024;
/// Looking may take so much of each [`PERIOD`].
const SHARE: Duration = Duration::from_millis(200);
const PERIOD: Duration = Duration::from_secs(1);

/// The patterns of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    epoch: u64,
    /// Each with the place of its condition among those of all rules.
    all: Vec<(usize, Regex)>,
}

impl Patterns {
    /// Compiles the patterns of a configuration, each of which its reader has compiled before;
    /// `epoch` must differ from any before it.
    #[must_use]
    pub fn new<'a>(epoch: u64, patterns: impl Iterator<Item = (usize, &'a LinePattern)>) -> Self {
        let all = patterns.filter_map(|(at, pattern)| Some((at, pattern.compiled().ok()?)));
        Self {
            epoch,
            all: all.collect(),
        }
    }
}

/// The patterns in force for one worker's lines, and how many lines had them.
#[derive(Debug, Default)]
pub(super) struct Counting {
    patterns: Patterns,
    counts: Vec<u64>,
    period: MonoTime,
    spent: Duration,
    /// Lines that passed unlooked.
    pub(super) unlooked: u64,
}

impl Counting {
    pub(super) fn new(patterns: Patterns) -> Self {
        Self {
            counts: vec![0; patterns.all.len()],
            patterns,
            period: MonoTime::ZERO,
            spent: Duration::ZERO,
            unlooked: 0,
        }
    }

    /// Looks at lines, each with or without its end; whether some of them are the first that pass
    /// unlooked.
    pub(super) fn look<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>) -> bool {
        if self.patterns.all.is_empty() {
            return false;
        }
        let mut before = now();
        if before.since(self.period) >= PERIOD {
            (self.period, self.spent) = (before, Duration::ZERO);
        }
        let (unlooked, begun, earlier) = (self.unlooked, spent(), self.spent);
        for line in lines {
            if self.spent >= SHARE {
                self.unlooked += 1;
                continue;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = &line[..line.len().min(LOOKED_AT)];
            for ((_, pattern), count) in self.patterns.all.iter().zip(&mut self.counts) {
                *count += u64::from(pattern.is_match(line));
            }
            let after = now();
            self.spent += after.since(before);
            before = after;
            if self.spent >= SHARE {
                // Not while others had the CPU, which is asked less often since that takes longer.
                self.spent = earlier + spent().saturating_sub(begun);
            }
        }
        unlooked == 0 && self.unlooked > 0
    }

    /// For each condition that looks at lines, its place and how many had its pattern; nothing
    /// when these are another configuration's.
    pub(super) fn counts(&self, epoch: u64) -> Vec<(usize, u64)> {
        if self.patterns.epoch != epoch {
            return Vec::new();
        }
        let places = self.patterns.all.iter().map(|(at, _)| *at);
        places.zip(self.counts.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(pattern: &LinePattern) -> Counting {
        Counting::new(Patterns::new(7, [(3, pattern)].into_iter()))
    }

    #[test]
    fn lines_with_the_pattern_are_counted_for_their_condition_and_configuration() {
        let mut counting = counting(&LinePattern::contains("OutOfMemory").unwrap());
        let lines: [&[u8]; 3] = [
            b"java.lang.OutOfMemoryError\n",
            b"fine\n",
            b"\xffOutOfMemory",
        ];
        counting.look(lines.into_iter());
        assert_eq!(counting.counts(7), [(3, 2)]);
        assert_eq!(counting.counts(8), []);
    }

    #[test]
    fn the_end_of_a_long_line_is_not_looked_at() {
        let mut counting = counting(&LinePattern::contains("end").unwrap());
        let mut line = vec![b'x'; LOOKED_AT];
        line.extend_from_slice(b"end\n");
        counting.look([line.as_slice()].into_iter());
        assert_eq!(counting.counts(7), [(3, 0)]);
    }

    #[test]
    fn lines_that_come_slowly_are_all_looked_at() {
        let mut counting = counting(&LinePattern::contains("a").unwrap());
        counting.period = MonoTime::NEVER;
        let wait = |_: &&[u8]| std::thread::park_timeout(SHARE);
        let slowly = std::iter::repeat_n(&b"a\n"[..], 4).inspect(wait);
        assert!(!counting.look(slowly));
        assert_eq!(counting.counts(7), [(3, 4)]);
    }

    #[test]
    fn what_takes_too_long_passes_unlooked_and_that_is_said_once() {
        let mut counting = counting(&LinePattern::regex("(a?){20}b$").unwrap());
        counting.period = now();
        counting.spent = SHARE;
        let line: &[u8] = b"aaaab\n";
        // The rest of this second is a moment ahead, unless the machine stands still for it.
        let first = counting.look([line].into_iter());
        assert_eq!((first, counting.unlooked), (true, 1));
        counting.period = MonoTime::ZERO;
        assert!(!counting.look([line].into_iter()));
        assert_eq!(counting.counts(7), [(3, 1)]);
    }
}
