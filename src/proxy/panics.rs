//! A layer: a panic in one request is that request's 500, not its connection's end.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{Download, Thread};
use crate::{explain::code::Code, forward::answer::Answer};

thread_local! {
    static IN_REQUEST: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in a request, where a panic is caught. Elsewhere it is the end.
#[must_use]
pub fn in_request() -> bool {
    IN_REQUEST.get()
}

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
        IN_REQUEST.set(true);
        let caught = catch_unwind(AssertUnwindSafe(|| me.inner.poll(cx)));
        IN_REQUEST.set(false);
        match caught {
            Ok(poll) => poll,
            Err(_) => {
                tracing::error!(
                    thread = me.thread.index,
                    "a request panicked; it gets a 500"
                );
                Poll::Ready(Ok(Answer::bare(Code::Internal)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc, time::Duration};

    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::{
        admit::{
            lot::{Limits, Lot},
            occupancy::Occupancy,
            overload::Cap,
        },
        forward::thread::{PerClient, Settings, View},
        time::MonoTime,
        words::{Door, Mode},
    };

    fn thread() -> Rc<Thread> {
        let settings = Settings {
            mode: Mode::Heal,
            response_timeout: None,
            connect_timeout: Duration::ZERO,
            keep_alive: Duration::ZERO,
            tunnel_idle: Duration::ZERO,
            tunnel_drain: Duration::ZERO,
            idle_connections: 0,
            several: false,
            affinity: None,
            cap: Cap::None,
            waiting: Limits {
                parked: 0,
                queued: 0,
                bytes: 0,
            },
            parking_wait: Duration::ZERO,
            queue_wait: Duration::ZERO,
            per_client: PerClient {
                parked: 0,
                queued: 0,
            },
            parking_probe: None,
            target_max: 0,
            head_max: 0,
            fields_max: 0,
            forwarded: false,
            trusted: Box::new(|_| false),
            via: [
                http::HeaderValue::from_static("1.1 t"),
                http::HeaderValue::from_static("2.0 t"),
            ],
        };
        let door = Door::Park {
            down_since: MonoTime::ZERO,
            next_start: MonoTime::ZERO,
        };
        let view = View::new(Vec::new(), Arc::new(settings), Arc::default(), door);
        let lot = Lot::new(0, Arc::new(Occupancy::new(1)));
        Rc::new(Thread::new(0, Arc::default(), lot, Arc::default(), view))
    }

    #[test]
    fn a_panic_in_a_request_is_that_request_s_500() {
        let panics = service_fn(|_: Request<()>| async {
            assert!(!in_request(), "a defect");
            Ok::<_, Infallible>(Response::new(Download::Own(None)))
        });
        let service = CatchPanicLayer(thread()).layer(panics);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let answer = runtime.block_on(service.oneshot(Request::new(()))).unwrap();
        assert_eq!(answer.status(), 500);
        assert!(!in_request());
    }
}
