//! One HTTP request to a worker, to see whether it answers.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    units::{StatusSet, format_duration},
    words::{Outcome, Protocol},
};

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
    /// From connecting to the end of the answer.
    pub timeout: Duration,
    /// What the worker speaks.
    pub protocol: Protocol,
}

/// Why a probe counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens.
    Refused,
    /// The connection could not be made for another reason.
    Unreachable(io::ErrorKind),
    /// The worker closed the connection before its answer was complete.
    Closed,
    /// What came is not HTTP.
    NotHttp,
    /// There was no complete answer in time.
    TimedOut(Duration),
    /// The status is none of the good ones.
    Status(u16),
    /// The path can't be asked for.
    BadPath,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("nobody listens"),
            Self::Unreachable(kind) => write!(f, "can't connect: {kind}"),
            Self::Closed => f.write_str("it closed the connection without a complete answer"),
            Self::NotHttp => f.write_str("its answer is not the HTTP of worker.protocol"),
            Self::TimedOut(after) => {
                write!(f, "no complete answer within {}", format_duration(*after))
            }
            Self::Status(status) => write!(f, "it answered {status}"),
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
pub async fn ask(address: &Address, question: &Question) -> Result<u16, Failure> {
    let within = question.timeout;
    timeout(within, async {
        exchange(connect(address).await?, question).await
    })
    .await
    .unwrap_or(Err(Failure::TimedOut(within)))
}

/// Whether a connection can be made; for workers whose readiness is an open port.
///
/// # Errors
/// When it can't, with the reason.
pub async fn knock(address: &Address, within: Duration) -> Result<(), Failure> {
    timeout(within, connect(address))
        .await
        .unwrap_or(Err(Failure::TimedOut(within)))
        .map(drop)
}

/// A body may be so long and still count as read to its end.
const MAX_BODY_BYTES: usize = 64 * 1024;

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
            Ok(Stream::Tcp(stream))
        }
        Address::Unix(path) => Ok(Stream::Unix(
            UnixStream::connect(path).await.map_err(failed)?,
        )),
    }
}

/// A connect to a free ephemeral port can be given that very port as its own.
fn met_itself(stream: &TcpStream) -> bool {
    stream.local_addr().ok() == stream.peer_addr().ok()
}

async fn exchange(stream: Stream, question: &Question) -> Result<u16, Failure> {
    let request = match question.protocol {
        Protocol::Http => Request::get(&question.path)
            .header(header::HOST, &question.host)
            .header(header::CONNECTION, "close"),
        Protocol::H2c => Request::get(format!("http://{}{}", question.host, question.path)),
    };
    let request = request
        .header(header::USER_AGENT, "autoheal-probe")
        .header(header::ACCEPT, "*/*")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Failure::BadPath)?;
    let stream = TokioIo::new(stream);
    if question.protocol == Protocol::H2c {
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
    let mut read = 0;
    while let Some(frame) = response.frame().await {
        let frame = frame.map_err(judge)?;
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MAX_BODY_BYTES {
            break;
        }
    }
    good(status, question.status.as_ref())
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
    let cause = std::error::Error::source(&error).and_then(|e| e.downcast_ref::<h2::Error>());
    if error.is_parse() || cause.is_some_and(h2::Error::is_library) {
        Failure::NotHttp
    } else {
        Failure::Closed
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, from),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, from),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, UnixListener},
    };

    use super::*;

    fn question(status: Option<&str>) -> Question {
        Question {
            host: "localhost".into(),
            path: "/healthz?deep=1".into(),
            status: status.map(|text| text.parse().unwrap()),
            timeout: Duration::from_secs(5),
            protocol: Protocol::Http,
        }
    }

    /// Answers one connection with these bytes, then closes it.
    async fn asked(answer: &'static [u8], question: &Question) -> (Result<u16, Failure>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            String::from_utf8(request[..read].to_vec()).unwrap()
        };
        tokio::join!(ask(&address, question), served)
    }

    #[tokio::test]
    async fn the_request_says_who_asks() {
        let (result, request) = asked(b"HTTP/1.1 204 No Content\r\n\r\n", &question(None)).await;
        assert_eq!(result, Ok(204));
        let request = request.to_lowercase();
        assert!(
            request.starts_with("get /healthz?deep=1 http/1.1\r\n"),
            "{request}"
        );
        assert!(request.contains("host: localhost\r\n"), "{request}");
        assert!(
            request.contains("user-agent: autoheal-probe\r\n"),
            "{request}"
        );
    }

    #[tokio::test]
    async fn any_complete_answer_is_one_and_a_status_may_be_asked_for() {
        let answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno";
        assert_eq!(asked(answer, &question(None)).await.0, Ok(503));
        let wanted = question(Some("200-299"));
        assert_eq!(asked(answer, &wanted).await.0, Err(Failure::Status(503)));
    }

    #[tokio::test]
    async fn half_an_answer_is_none() {
        for half in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        ] {
            assert_eq!(asked(half, &question(None)).await.0, Err(Failure::Closed));
        }
        let result = asked(b"SSH-2.0-OpenSSH_9.2\r\n", &question(None)).await.0;
        assert_eq!(result, Err(Failure::NotHttp));
    }

    #[tokio::test]
    async fn a_worker_that_accepts_and_says_nothing_times_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let brief = Question {
            timeout: Duration::from_millis(50),
            ..question(None)
        };
        let failure = ask(&address, &brief).await.unwrap_err();
        assert_eq!(failure, Failure::TimedOut(brief.timeout));
        assert_eq!(failure.to_string(), "no complete answer within 50ms");
        assert_eq!(knock(&address, brief.timeout).await, Ok(()));
        drop(listener);
        assert_eq!(ask(&address, &question(None)).await, Err(Failure::Refused));
        assert_eq!(knock(&address, brief.timeout).await, Err(Failure::Refused));
    }

    #[tokio::test]
    async fn a_worker_is_asked_in_what_it_speaks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let served = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let (request, mut answer) = connection.accept().await.unwrap().unwrap();
            assert_eq!(request.uri(), "http://localhost/healthz?deep=1");
            let response = Response::builder().status(204).body(()).unwrap();
            let mut body = answer.send_response(response, false).unwrap();
            body.send_data(Bytes::new(), true).unwrap();
            while connection.accept().await.is_some() {}
            // The next one speaks HTTP/1.1.
            let (mut stream, _) = listener.accept().await.unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                .await
                .unwrap();
            stream
        };
        let question = Question {
            protocol: Protocol::H2c,
            ..question(None)
        };
        let asked = async {
            assert_eq!(ask(&address, &question).await, Ok(204));
            assert_eq!(ask(&address, &question).await, Err(Failure::NotHttp));
        };
        let local = tokio::task::LocalSet::new();
        let both = Box::pin(async { tokio::join!(asked, served) });
        local.run_until(both).await;
    }

    #[tokio::test]
    async fn a_connection_to_itself_is_no_worker() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        let stream = socket.connect(own).await.unwrap();
        assert!(met_itself(&stream));
    }

    #[tokio::test]
    async fn a_socket_that_is_not_there_yet_refuses_and_one_that_is_answers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let address = Address::Unix(path.clone());
        assert_eq!(ask(&address, &question(None)).await, Err(Failure::Refused));
        let listener = UnixListener::bind(&path).unwrap();
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .await
                .unwrap();
            stream
        };
        let question = question(None);
        let (result, _stream) = tokio::join!(ask(&address, &question), served);
        assert_eq!(result, Ok(200));
    }
}
