//! Tells a connection's watch when a request begins and ends.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header::CONNECTION};
use hyper::body::{Body, Frame, SizeHint};
use tower::Service;

use super::io::{Phase, Shared};
use crate::{proxy::Download, time};

/// The stack of one connection, watched.
#[derive(Clone)]
pub(super) struct Phased<S> {
    pub(super) inner: S,
    pub(super) shared: Rc<Shared>,
}

impl<S, B> Service<Request<B>> for Phased<S>
where
    S: Service<Request<B>, Response = Response<Download>>,
    B: Body,
{
    type Response = Response<InPhase>;
    type Error = S::Error;
    type Future = Phasing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.shared.phase.set(Phase::Busy);
        self.shared.old.set(request.version() < Version::HTTP_11);
        self.shared.last.set(is_last(&request));
        Phasing {
            inner: self.inner.call(request),
            shared: Some(self.shared.clone()),
        }
    }
}

/// Whether the client said that it asks for nothing more (RFC 9112 section 9.6), and has sent all
/// of this request.
fn is_last<B: Body>(request: &Request<B>) -> bool {
    // Heads are short: to look at each name costs less than to hash one.
    let says = |wanted: &[u8]| {
        let lines = request.headers().iter();
        let lines = lines.filter(|(name, _)| *name == CONNECTION);
        let mut options = lines.flat_map(|(_, line)| line.as_bytes().split(|b| *b == b','));
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    let last = match request.version() {
        Version::HTTP_11 => says(b"close"),
        _ => !says(b"keep-alive"),
    };
    last && request.body().is_end_stream()
}

pin_project_lite::pin_project! {
    /// The future of [`Phased`].
    pub(super) struct Phasing<F> {
        #[pin]
        inner: F,
        shared: Option<Rc<Shared>>,
    }
}

impl<F, E> Future for Phasing<F>
where
    F: Future<Output = Result<Response<Download>, E>>,
{
    type Output = Result<Response<InPhase>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        me.inner.poll(cx).map_ok(|mut answer| {
            let shared = me.shared.take();
            if let Some(shared) = &shared {
                shared.phase.set(Phase::Answering);
                shared.backlog.begins();
                if let Some(tunnel) = answer.body_mut().take_tunnel() {
                    shared.tunnel.replace(Some(tunnel));
                } else if shared.is_leaving() {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(CONNECTION, close);
                }
            }
            answer.map(|inner| InPhase { inner, shared })
        })
    }
}

/// A response body at whose end its connection is idle.
pub(super) struct InPhase {
    inner: Download,
    shared: Option<Rc<Shared>>,
}

impl Body for InPhase {
    type Data = Bytes;
    type Error = <Download as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let me = &mut *self;
        let backlog = me.shared.as_deref().map(|shared| &shared.backlog);
        if !me.inner.is_at_hand() && backlog.is_some_and(|backlog| !backlog.has_room(cx)) {
            return Poll::Pending;
        }
        let poll = Pin::new(&mut me.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &poll
            && let (Some(backlog), Some(data)) = (backlog, frame.data_ref())
        {
            backlog.given(data.len());
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for InPhase {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.phase.set(Phase::Idle(time::now()));
        }
    }
}
