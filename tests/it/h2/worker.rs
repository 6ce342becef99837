//! The worker's end of a connection of HTTP/2, scripted by the test.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use bytes::Bytes;
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{Request, Response};
use tokio::{runtime::Handle, sync::Notify};

use crate::http::wire::{PATIENCE, Wire};

pub(super) struct Worker {
    runtime: Handle,
    calls: mpsc::Receiver<Call>,
    leaves: Arc<Notify>,
    pub(super) generation: u32,
    ended: mpsc::Receiver<()>,
}

/// One request as the worker has it.
pub(super) struct Call {
    pub(super) request: Request<RecvStream>,
    pub(super) respond: SendResponse<Bytes>,
}

impl Worker {
    pub(super) fn on(wire: Wire) -> Self {
        Self::with(wire, h2::server::Builder::new())
    }

    pub(super) fn with(wire: Wire, builder: h2::server::Builder) -> Self {
        let generation = wire.generation;
        let stream = wire.stream().try_clone().unwrap();
        stream.set_nonblocking(true).unwrap();
        let (begun, begins) = mpsc::channel();
        let (sender, calls) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let leaves = Arc::new(Notify::new());
        let told = leaves.clone();
        // Ends with its connection.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let stream = tokio::net::TcpStream::from_std(stream).unwrap();
                let mut connection = builder.handshake::<_, Bytes>(stream).await.unwrap();
                begun.send(Handle::current()).unwrap();
                loop {
                    tokio::select! {
                        call = connection.accept() => match call {
                            Some(Ok((request, respond))) => {
                                drop(sender.send(Call { request, respond }));
                            }
                            _ => break,
                        },
                        () = told.notified() => connection.graceful_shutdown(),
                    }
                }
                ends.send(()).ok();
            });
            drop(wire);
        });
        Self {
            runtime: begins.recv_timeout(PATIENCE).unwrap(),
            calls,
            leaves,
            generation,
            ended,
        }
    }

    pub(super) fn call(&self) -> Call {
        self.calls.recv_timeout(PATIENCE).expect("a request")
    }

    pub(super) fn has_no_call(&self) -> bool {
        self.calls.try_recv().is_err()
    }

    /// Says that it takes no further request on this connection.
    pub(super) fn goes_away(&self) {
        self.leaves.notify_one();
    }

    pub(super) fn is_closed(&self) {
        self.ended.recv_timeout(PATIENCE).expect("an end");
    }

    pub(super) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        let within = async { tokio::time::timeout(PATIENCE, what).await };
        self.runtime.block_on(within).expect("in time")
    }
}

impl Call {
    pub(super) fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// The head of an answer.
    pub(super) fn head(&mut self, head: Response<()>) -> SendStream<Bytes> {
        self.respond.send_response(head, false).unwrap()
    }

    /// 200 with this body.
    pub(super) fn answer(mut self, body: &'static str) {
        let mut stream = self.head(Response::new(()));
        stream
            .send_data(Bytes::from_static(body.as_bytes()), true)
            .unwrap();
    }
}
