//! A layer: a panic in one request is that request's 500, not its connection's end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{Download, Thread};
use crate::{
    explain::code::Code,
    forward::answer::{Answer, Form},
};

/// Adds [`CatchPanic`].
#[derive(Clone, Debug)]
pub struct CatchPanicLayer(pub Rc<Thread>);

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic {
            inner,
            thread: self.0.clone(),
        }
    }
}

/// Answers 500 when the service inside panics, and says so.
#[derive(Clone, Debug)]
pub struct CatchPanic<S> {
    inner: S,
    thread: Rc<Thread>,
}

impl<S, B> Service<Request<B>> for CatchPanic<S>
where
    S: Service<Request<B>, Response = Response<Download>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Caught<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Caught {
            inner: self.inner.call(request),
            thread: self.thread.clone(),
        }
    }
}

pin_project! {
    /// The future of [`CatchPanic`].
    pub struct Caught<F> {
        #[pin]
        inner: F,
        thread: Rc<Thread>,
    }
}

impl<F, E> Future for Caught<F>
where
    F: Future<Output = Result<Response<Download>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let me = self.project();
        match catch_unwind(AssertUnwindSafe(|| me.inner.poll(cx))) {
            Ok(poll) => poll,
            Err(_) => {
                tracing::error!(
                    thread = me.thread.index,
                    "a request panicked; it gets a 500"
                );
                let answer = Answer {
                    code: Code::Internal,
                    form: Form::Text,
                    id: None,
                    retry_after: None,
                    close: true,
                };
                Poll::Ready(Ok(answer.response()))
            }
        }
    }
}
