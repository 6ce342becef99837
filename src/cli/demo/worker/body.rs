//! Bodies of answers: a few bytes at once, or many that dribble.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::cli::load::crc::Crc;

/// The body of an answer.
pub(super) enum AnswerBody {
    Whole(Bytes),
    Dribble(Box<Dribble>),
}

/// Pieces that come at a steady pace.
pub(super) struct Dribble {
    pieces: Pieces,
    sent: u64,
    count: u64,
    pace: Duration,
    chunked: bool,
    timer: Pin<Box<Sleep>>,
}

/// What the pieces are made of.
enum Pieces {
    /// Bytes of the pattern; all of them are so many.
    Pattern { bytes: u64 },
    /// Events of an event stream.
    Events,
}

/// The period of the pattern is a prime, so that a lost or doubled block of any size shows.
const PERIOD: u64 = 251;

impl AnswerBody {
    /// A download of `bytes` bytes over `time`, in at most 100 pieces a second.
    pub(super) fn download(bytes: u64, time: Duration, chunked: bool) -> Self {
        let ticks = u64::try_from(time.as_millis() / 10).unwrap_or(u64::MAX);
        let count = ticks.clamp(1, bytes.max(1));
        let pace = time / u32::try_from(count).unwrap_or(u32::MAX);
        Self::dribble(Pieces::Pattern { bytes }, count, pace, chunked)
    }

    /// An event each `pace`.
    pub(super) fn events(count: u64, pace: Duration) -> Self {
        Self::dribble(Pieces::Events, count, pace, true)
    }

    fn dribble(pieces: Pieces, count: u64, pace: Duration, chunked: bool) -> Self {
        Self::Dribble(Box::new(Dribble {
            pieces,
            sent: 0,
            count,
            pace,
            chunked,
            timer: Box::pin(sleep(pace)),
        }))
    }
}

impl Dribble {
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.sent == self.count {
            return Poll::Ready(None);
        }
        ready!(self.timer.as_mut().poll(cx));
        let next = self.timer.deadline() + self.pace;
        self.timer.as_mut().reset(next);
        let piece = self.pieces.piece(self.sent, self.count);
        self.sent += 1;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

/// The checksum of a download of `bytes` bytes.
pub(super) fn pattern_crc(bytes: u64) -> Crc {
    let mut crc = Crc::new();
    let mut from = 0;
    while from < bytes {
        let to = bytes.min(from + 64 * 1024);
        crc.add(&pattern(from, to));
        from = to;
    }
    crc
}

fn pattern(from: u64, to: u64) -> Vec<u8> {
    (from..to).map(|offset| (offset % PERIOD) as u8).collect()
}

impl Pieces {
    fn piece(&self, number: u64, count: u64) -> Bytes {
        match self {
            Self::Pattern { bytes } => {
                let at = |number: u64| u128::from(*bytes) * u128::from(number) / u128::from(count);
                let at = |number| u64::try_from(at(number)).unwrap_or(u64::MAX);
                pattern(at(number), at(number + 1)).into()
            }
            Self::Events => format!("id: {number}\ndata: tick\n\n").into(),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Dribble(dribble) => dribble.poll_piece(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Dribble(dribble) => match dribble.pieces {
                Pieces::Pattern { bytes } if !dribble.chunked => SizeHint::with_exact(bytes),
                _ => SizeHint::default(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::time;

    #[tokio::test]
    async fn a_download_comes_whole_and_takes_its_time() {
        for (bytes, millis) in [(0, 0), (7, 30), (100_003, 50)] {
            let from = time::now();
            let body = AnswerBody::download(bytes, Duration::from_millis(millis), true);
            let whole = body.collect().await.unwrap().to_bytes();
            assert_eq!(whole.len() as u64, bytes);
            assert_eq!(Crc::of(&whole), pattern_crc(bytes));
            let took = time::now().since(from);
            assert!(took >= Duration::from_millis(millis), "{took:?}");
        }
    }
}
