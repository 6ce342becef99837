//! A record of the past that grows coarser with age: what is recent is kept finely, what is old in
//! pieces twice, four times, ... as long.
//!
//! Invariant: there are at most [`OF_ONE_SIZE`] + 1 pieces of each size, so a day takes a few
//! hundred.

use std::{collections::VecDeque, time::Duration};

use crate::time::MonoTime;

/// So many pieces of a size are kept before the two oldest of them become one.
const OF_ONE_SIZE: usize = 48;

/// What can be joined with what came after it.
pub(super) trait Join {
    fn join(&mut self, later: Self);
}

/// The past, the oldest piece first.
#[derive(Clone, Debug)]
pub(super) struct Thinned<T> {
    /// How long the newest pieces are.
    finest: Duration,
    /// How far back it reaches.
    keep: Duration,
    pieces: VecDeque<Piece<T>>,
}

/// A piece of the past.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<T> {
    pub(super) from: MonoTime,
    pub(super) to: MonoTime,
    /// How often it was joined with its like.
    size: u32,
    pub(super) what: T,
}

impl<T> Piece<T> {
    pub(super) fn length(&self) -> Duration {
        self.to.since(self.from)
    }
}

impl<T: Join> Thinned<T> {
    pub(super) fn new(finest: Duration, keep: Duration) -> Self {
        Self {
            finest,
            keep,
            pieces: VecDeque::new(),
        }
    }

    /// Adds what was from then to now. Whether a new piece began with it.
    pub(super) fn add(&mut self, from: MonoTime, to: MonoTime, what: T) -> bool {
        if let Some(last) = self.pieces.back_mut()
            && last.size == 0
            && from <= last.from + self.finest
            && to.since(last.from) <= self.finest
        {
            last.to = last.to.max(to);
            last.what.join(what);
            return false;
        }
        self.pieces.push_back(Piece {
            from,
            to,
            size: 0,
            what,
        });
        while let Some(first) = self.pieces.front()
            && to.since(first.to) > self.keep
        {
            self.pieces.pop_front();
        }
        self.thin();
        true
    }

    fn thin(&mut self) {
        let mut end = self.pieces.len();
        for size in 0.. {
            // Older pieces are never smaller.
            let mut first = end;
            while first > 0 && self.pieces[first - 1].size == size {
                first -= 1;
            }
            if end - first <= OF_ONE_SIZE {
                return;
            }
            if let Some(later) = self.pieces.remove(first + 1) {
                let piece = &mut self.pieces[first];
                piece.to = later.to;
                piece.size += 1;
                piece.what.join(later.what);
            }
            end = first + 1;
        }
    }

    pub(super) fn pieces(&self) -> impl DoubleEndedIterator<Item = &Piece<T>> {
        self.pieces.iter()
    }

    pub(super) fn last(&self) -> Option<&Piece<T>> {
        self.pieces.back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    struct Sum(u64);

    impl Join for Sum {
        fn join(&mut self, later: Self) {
            self.0 += later.0;
        }
    }

    #[test]
    fn a_day_of_samples_takes_a_few_hundred_pieces_and_loses_none() {
        let day = 86_400;
        let mut thinned = Thinned::new(Duration::from_secs(1), Duration::from_secs(2 * day));
        let at = |second: u64| MonoTime::from_millis(second * 1_000);
        for second in 0..day {
            thinned.add(at(second), at(second + 1), Sum(1));
        }
        assert!(
            thinned.pieces().count() < 650,
            "{}",
            thinned.pieces().count()
        );
        assert_eq!(thinned.pieces().map(|piece| piece.what.0).sum::<u64>(), day);
        let mut end = MonoTime::ZERO;
        for piece in thinned.pieces() {
            assert_eq!(piece.from, end, "no piece is missing or doubled");
            assert_eq!(piece.length(), Duration::from_secs(piece.what.0));
            end = piece.to;
        }
        let lengths: Vec<_> = thinned.pieces().map(Piece::length).collect();
        assert!(lengths.is_sorted_by(|older, newer| older >= newer));
        assert_eq!(lengths.last(), Some(&Duration::from_secs(1)));
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let mut thinned = Thinned::new(Duration::from_secs(1), Duration::from_secs(100));
        for second in 0..1_000 {
            let at = MonoTime::from_millis(second * 1_000);
            thinned.add(at, at, Sum(1));
        }
        let oldest = thinned.pieces().next().unwrap();
        assert!(oldest.to >= MonoTime::from_millis(899_000), "{oldest:?}");
    }
}
