//! One HTTP request to a worker, to see whether it answers.

use std::{fmt, io, net::SocketAddr, path::PathBuf, pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::{sleep, timeout},
};
use tokio_util::either::Either;

use super::serving::{call, grpc_status, healthy};
use crate::{
    tls::{
        back::{Back, Manner, Secured, Unmade},
        fault::Failed,
    },
    units::{GrpcStatus, StatusSet, format_duration},
    words::{Outcome, Protocol},
};

/// As whom probes ask.
pub(super) const PROBE: &str = "autoheal-probe";

/// Where a worker listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// On a TCP port.
    Tcp(SocketAddr),
    /// On a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What to ask, and what answer is a good one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Under which name it is asked.
    pub host: String,
    /// The path, with its query string if it has one.
    pub path: String,
    /// Good statuses; `None`: any.
    pub status: Option<StatusSet>,
    /// What the beginning of a good answer's body has in it; `None`: anything.
    pub body: Option<String>,
    /// Ask this gRPC service for its health instead; empty: the server as a whole. HTTP/2 alone.
    pub grpc: Option<String>,
    /// As whom.
    pub user_agent: &'static str,
    /// From connecting to the end of the answer.
    pub timeout: Duration,
}

impl Default for Question {
    /// GET / under the name localhost; any complete answer within ten seconds will do.
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            path: "/".to_owned(),
            status: None,
            body: None,
            grpc: None,
            user_agent: PROBE,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Why a probe counts as failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens.
    Refused,
    /// The connection could not be made for another reason.
    Unreachable(io::ErrorKind),
    /// The worker closed the connection before its answer was complete.
    Closed,
    /// TLS could not be agreed on.
    Tls(Failed),
    /// What came is not HTTP.
    NotHttp,
    /// There was no complete answer in time.
    TimedOut(Duration),
    /// The status is none of the good ones.
    Status(u16),
    /// The body has not in it what it should.
    Body,
    /// By gRPC's health protocol it does not serve.
    NotServing,
    /// By gRPC's health protocol there is no such service.
    UnknownService,
    /// It did not answer by gRPC's health protocol; with this status of gRPC, if it gave one.
    NoHealth(Option<GrpcStatus>),
    /// The path can't be asked for.
    BadPath,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("nobody listens"),
            Self::Unreachable(kind) => write!(f, "can't connect: {kind}"),
            Self::Closed => f.write_str("it closed the connection without a complete answer"),
            Self::Tls(failed) => failed.fmt(f),
            Self::NotHttp => f.write_str("its answer is not the HTTP of worker.protocol"),
            Self::TimedOut(after) => {
                write!(f, "no complete answer within {}", format_duration(*after))
            }
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Body => f.write_str("its answer has not in it what health.body wants"),
            Self::NotServing => f.write_str("its gRPC health is NOT_SERVING"),
            Self::UnknownService => f.write_str("its gRPC health does not know the service"),
            Self::NoHealth(None) => f.write_str("it gave no answer of gRPC's health protocol"),
            Self::NoHealth(Some(status)) => {
                write!(f, "gRPC's health protocol answered {}", status.name())
            }
            Self::BadPath => f.write_str("the path to ask for is not a path"),
        }
    }
}

impl std::error::Error for Failure {}

/// Asks once. Gives the status of a good answer, complete with its body; so much of a body as a
/// health page has is read, an endless one counts as no answer.
///
/// # Errors
/// When there is no good answer, with the reason.
pub async fn ask(address: &Address, manner: &Manner, question: &Question) -> Result<u16, Failure> {
    let within = question.timeout;
    let asking = async {
        let (stream, protocol) = (connect(address).await?, manner.protocol);
        match &manner.tls {
            None => exchange(stream, protocol, question).await,
            Some(back) => exchange(secure(stream, back).await?, protocol, question).await,
        }
    };
    // Large with TLS.
    timeout(within, Box::pin(asking))
        .await
        .unwrap_or(Err(Failure::TimedOut(within)))
}

/// Whether a connection can be made, TLS agreed on included; for workers whose readiness is an open
/// port.
///
/// # Errors
/// When it can't, with the reason.
pub async fn knock(address: &Address, manner: &Manner, within: Duration) -> Result<(), Failure> {
    let knocking = async {
        let stream = connect(address).await?;
        if let Some(back) = &manner.tls {
            // Said as it ends, so that the worker takes it for no error.
            secure(stream, back).await?.shutdown().await.ok();
        }
        Ok(())
    };
    timeout(within, Box::pin(knocking))
        .await
        .unwrap_or(Err(Failure::TimedOut(within)))
}

async fn secure(stream: Stream, back: &Back) -> Result<Secured<Stream>, Failure> {
    let shaken = back.handshake(stream).await;
    shaken.map_err(|unmade| match unmade {
        Unmade::Tls(failed) => Failure::Tls(failed),
        Unmade::Lost(_) => Failure::Closed,
    })
}

/// A body may be so long and still count as read to its end.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// From one try to be let into the queue of a Unix socket to the next.
const PAUSE: Duration = Duration::from_millis(20);

async fn connect(address: &Address) -> Result<Stream, Failure> {
    let failed = |error: io::Error| match error.kind() {
        // A Unix socket that nobody has bound yet is a file that is not there.
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Failure::Refused,
        kind => Failure::Unreachable(kind),
    };
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await.map_err(failed)?;
            if met_itself(&stream) {
                return Err(Failure::Refused);
            }
            Ok(Either::Left(stream))
        }
        Address::Unix(path) => loop {
            match UnixStream::connect(path).await {
                // Its queue is full, which TCP would wait for (connect(2), EAGAIN).
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(PAUSE).await,
                done => return done.map(Either::Right).map_err(failed),
            }
        },
    }
}

/// A connect to a free ephemeral port can be given that very port as its own.
fn met_itself(stream: &TcpStream) -> bool {
    stream.local_addr().ok() == stream.peer_addr().ok()
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    protocol: Protocol,
    question: &Question,
) -> Result<u16, Failure> {
    let request = match protocol {
        Protocol::Http | Protocol::Https => Request::get(&question.path)
            .header(header::HOST, &question.host)
            .header(header::CONNECTION, "close"),
        Protocol::H2c => Request::get(format!("http://{}{}", question.host, question.path)),
        Protocol::H2 => Request::get(format!("https://{}{}", question.host, question.path)),
    };
    let request = request
        .header(header::USER_AGENT, question.user_agent)
        .header(header::ACCEPT, "*/*")
        .body(Full::<Bytes>::default())
        .map_err(|_| Failure::BadPath)?;
    let request = match &question.grpc {
        Some(service) => call(service)?,
        None => request,
    };
    let stream = TokioIo::new(stream);
    if protocol.is_http2() {
        let shaken = http2::handshake(LocalTasks, stream).await;
        let (mut sender, connection) = shaken.map_err(judge)?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(judge)?;
            complete(response, question).await
        };
        return beside(answer, connection).await;
    }
    let (mut sender, connection) = http1::handshake(stream).await.map_err(judge)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(judge)?;
        complete(response, question).await
    };
    beside(answer, connection).await
}

/// Runs the tasks of an HTTP/2 connection on this thread.
#[derive(Clone)]
struct LocalTasks;

impl<F> hyper::rt::Executor<F> for LocalTasks
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

async fn complete(mut response: Response<Incoming>, question: &Question) -> Result<u16, Failure> {
    let status = response.status();
    let mut ended = grpc_status(response.headers());
    let (mut read, mut body) = (0, Vec::new());
    while let Some(frame) = response.frame().await {
        let frame = frame.map_err(judge)?;
        if let Some(data) = frame.data_ref() {
            read += data.len();
            if question.body.is_some() || question.grpc.is_some() {
                body.extend_from_slice(data);
            }
        }
        if let Some(trailers) = frame.trailers_ref() {
            ended = grpc_status(trailers).or(ended);
        }
        if read > MAX_BODY_BYTES {
            break;
        }
    }
    if question.grpc.is_some() {
        return healthy(status, ended, &body);
    }
    let status = good(status, question.status.as_ref())?;
    match &question.body {
        Some(wanted) if !has(&body, wanted.as_bytes()) => Err(Failure::Body),
        _ => Ok(status),
    }
}

fn has(body: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || body.windows(wanted.len()).any(|part| part == wanted)
}

/// Waits for the answer while its connection is driven.
async fn beside(
    answer: impl Future<Output = Result<u16, Failure>>,
    connection: impl Future,
) -> Result<u16, Failure> {
    let mut answer = pin!(answer);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection is over; what it had read is still handed on.
        _ = &mut connection => answer.await,
    }
}

fn good(status: StatusCode, wanted: Option<&StatusSet>) -> Result<u16, Failure> {
    let status = status.as_u16();
    if wanted.is_none_or(|set| set.contains(Outcome::Status(status))) {
        Ok(status)
    } else {
        Err(Failure::Status(status))
    }
}

fn judge(error: hyper::Error) -> Failure {
    if let Some(failed) = Failed::within(&error) {
        return Failure::Tls(failed);
    }
    let cause = std::error::Error::source(&error).and_then(|e| e.downcast_ref::<h2::Error>());
    if error.is_parse() || cause.is_some_and(h2::Error::is_library) {
        Failure::NotHttp
    } else {
        Failure::Closed
    }
}

/// TCP, or of a Unix path.
type Stream = Either<TcpStream, UnixStream>;

#[cfg(test)]
mod tests;
