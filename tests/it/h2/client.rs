//! A client that speaks HTTP/2 on one connection, driven on a thread of its own.

use std::{net::TcpStream, sync::mpsc, thread, time::Duration};

use bytes::Bytes;
use h2::{
    Reason,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, Response};
use tokio::runtime::Handle;

use crate::http::{proxy::Proxy, wire::PATIENCE};

pub(super) struct Client {
    runtime: Handle,
    sender: SendRequest<Bytes>,
    ended: mpsc::Receiver<Option<h2::Error>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Response<()>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
    /// Why its stream was reset before its end.
    pub(super) broke: Option<Reason>,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        Some(self.head.headers().get(name)?.to_str().unwrap())
    }

    /// The code of an answer that autoheal made.
    pub(super) fn code(&self) -> u32 {
        let status = self.field("proxy-status").unwrap_or_default();
        let digits = status.split("details=\"").nth(1).unwrap_or_default();
        digits.trim_end_matches('"').parse().unwrap()
    }
}

impl Client {
    pub(super) fn of(proxy: &Proxy) -> Self {
        Self::with(proxy, &h2::client::Builder::new())
    }

    pub(super) fn with(proxy: &Proxy, builder: &h2::client::Builder) -> Self {
        let stream = TcpStream::connect(proxy.address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        let (begun, begins) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let builder = builder.clone();
        // Ends with its connection.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let stream = tokio::net::TcpStream::from_std(stream).unwrap();
                let (sender, connection) = builder.handshake(stream).await.unwrap();
                begun.send((Handle::current(), sender)).unwrap();
                let end = connection.await.err();
                // A test may not care how it ends.
                drop(ends.send(end));
            });
        });
        let (runtime, sender) = begins.recv_timeout(PATIENCE).unwrap();
        Self {
            runtime,
            sender,
            ended,
        }
    }

    pub(super) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        let within = async { tokio::time::timeout(PATIENCE, what).await };
        self.runtime.block_on(within).expect("in time")
    }

    /// Sends a request's head; its body follows unless this is all.
    pub(super) fn send(
        &mut self,
        request: Request<()>,
        all: bool,
    ) -> (ResponseFuture, h2::SendStream<Bytes>) {
        let ready = self.wait(self.sender.clone().ready()).unwrap();
        self.sender = ready;
        self.sender.send_request(request, all).unwrap()
    }

    /// Whether the other end offers RFC 8441.
    pub(super) fn may_connect(&self) -> bool {
        self.sender.is_extended_connect_protocol_enabled()
    }

    pub(super) fn get(&mut self, path: &str) -> ResponseFuture {
        self.send(get(path), true).0
    }

    /// The answer, which begins.
    pub(super) fn answer(&self, answer: ResponseFuture) -> Answer {
        self.try_answer(answer).unwrap()
    }

    pub(super) fn try_answer(&self, answer: ResponseFuture) -> Result<Answer, h2::Error> {
        self.wait(async {
            let (head, mut stream) = answer.await?.into_parts();
            let mut answer = Answer {
                head: Response::from_parts(head, ()),
                body: Vec::new(),
                trailers: None,
                broke: None,
            };
            while let Some(piece) = stream.data().await {
                match piece {
                    Ok(piece) => {
                        answer.body.extend_from_slice(&piece);
                        stream.flow_control().release_capacity(piece.len()).unwrap();
                    }
                    Err(error) => {
                        answer.broke = Some(error.reason().expect("a reset"));
                        return Ok(answer);
                    }
                }
            }
            answer.trailers = stream.trailers().await?;
            Ok(answer)
        })
    }

    /// How the connection ended.
    pub(super) fn end(&self) -> Option<h2::Error> {
        self.ended.recv_timeout(PATIENCE).unwrap()
    }

    pub(super) fn is_open_after(&self, time: Duration) -> bool {
        self.ended.recv_timeout(time).is_err()
    }
}

pub(super) fn get(path: &str) -> Request<()> {
    Request::get(format!("http://shop.example{path}"))
        .body(())
        .unwrap()
}

pub(super) fn post(path: &str) -> Request<()> {
    Request::post(format!("http://shop.example{path}"))
        .body(())
        .unwrap()
}
