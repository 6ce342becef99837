//! An answer's body that the access log hears of: counts its bytes and closes its record.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use hyper::body::{Body, Frame};

use super::body::{Download, Truncated};
use crate::{
    explain::code::Code,
    observe::{access::Note, ledger::End},
};

/// A body beside its record.
#[derive(Debug)]
pub struct Noted {
    /// The body.
    pub inner: Download,
    note: Option<Box<Note>>,
    /// How it ended; `None`: if dropped now, its client left.
    end: Option<End>,
}

impl Noted {
    /// Has the record of an answer closed when its body ends. `end`: what is known of it before.
    #[must_use]
    pub fn watch(
        answer: Response<Download>,
        mut note: Box<Note>,
        end: Option<End>,
    ) -> Response<Download> {
        note.answered(answer.status().as_u16());
        answer.map(|mut inner| {
            if let Download::Tunnel(Some(tunnel)) = &mut inner {
                tunnel.stay.note = Some(note);
                return inner;
            }
            let end = end.or_else(|| inner.is_end_stream().then_some(End::Completed));
            let note = Some(note);
            Download::Noted(Box::new(Self { inner, note, end }))
        })
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Truncated>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(note), Some(data)) = (&mut self.note, frame.data_ref()) {
                    note.sent(data.len());
                }
                if self.inner.is_end_stream() {
                    self.end.get_or_insert(End::Completed);
                }
            }
            Some(Err(_)) => self.end = Some(End::Failed(Code::AnswerTruncated)),
            None => {
                self.end.get_or_insert(End::Completed);
            }
        }
        Poll::Ready(frame)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if let Some(note) = self.note.take() {
            note.close(self.end.unwrap_or(End::Aborted));
        }
    }
}
