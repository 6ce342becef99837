//! The body of a request: zeros to a length, announced by Content-Length or sent in chunks.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Pieces of a chunked body are at most this long, so that a body of any size has several.
const PIECE_BYTES_MAX: usize = 8 * 1024;

/// What is left to send.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    rest: Bytes,
    chunked: bool,
    piece_bytes: usize,
}

impl Payload {
    pub(super) fn new(body: Bytes, chunked: bool) -> Self {
        let piece_bytes = body.len().div_ceil(2).clamp(1, PIECE_BYTES_MAX);
        Self {
            rest: body,
            chunked,
            piece_bytes,
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.rest.len() {
            0 => return Poll::Ready(None),
            len if self.chunked => len.min(self.piece_bytes),
            len => len,
        };
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && !self.chunked
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked {
            SizeHint::default()
        } else {
            SizeHint::with_exact(self.rest.len() as u64)
        }
    }
}
