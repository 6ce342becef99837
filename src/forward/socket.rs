//! A socket to a worker, counted for as long as anything uses it.

use std::{
    cell::Cell,
    error::Error,
    future::poll_fn,
    io,
    path::Path,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{Shutdown, shutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    task::coop::unconstrained,
    time::{sleep, timeout},
};
use tokio_util::either::Either;

use super::failure::Failure;
use crate::{
    admit::roster::{Endpoint, Member},
    explain::code::Code,
    time::{self, MonoTime},
    tls::{
        back::{Back, Secured, Unmade},
        fault::{Failed, Fault},
    },
    units::format_duration,
};

/// Connects to a worker, and agrees on TLS with it if it speaks TLS; each within this time.
///
/// # Errors
/// When it does not accept. No byte of a request has been sent then.
pub(super) async fn connect(member: &Member, within: Duration) -> Result<WorkerIo, Failure> {
    let plain = timeout(within, reach(&member.endpoint)).await;
    let plain = plain.unwrap_or(Err(Failure::ConnectTimeout))?;
    let stream = match &member.manner.tls {
        None => Stream::Plain(plain),
        Some(back) => Stream::Tls(Box::new(secure(member, back, plain, within).await?)),
    };
    Ok(WorkerIo {
        stream,
        written: 0,
        takes_no_more: false,
        heard: None,
    })
}

async fn reach(endpoint: &Endpoint) -> Result<Plain, Failure> {
    let failed = |error: io::Error| {
        let failure = Failure::of_connect(&error);
        if failure == Failure::LocalExhaustion {
            tell_of_want(&error);
        }
        failure
    };
    match endpoint {
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await.map_err(failed)?;
            // A connect to a closed port of the ephemeral range can meet itself.
            if stream.local_addr().map_err(failed)? == stream.peer_addr().map_err(failed)? {
                return Err(Failure::Refused);
            }
            stream.set_nodelay(true).map_err(failed)?;
            Ok(Either::Left(stream))
        }
        Endpoint::Unix(path) => {
            let stream = queue_up(path).await.map_err(failed)?;
            Ok(Either::Right(stream))
        }
    }
}

/// Connects to a Unix socket. If its worker is slow to accept and its queue is full, the system
/// tells so at once (connect(2), EAGAIN), where with TCP it waits: it is tried again until whoever
/// asks gives up.
async fn queue_up(path: &Path) -> io::Result<UnixStream> {
    const PAUSE_MAX: Duration = Duration::from_millis(20);
    let mut pause = Duration::from_millis(1);
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Says what there is no more of, unless that was said just now: each request would say the same.
fn tell_of_want(error: &io::Error) {
    const QUIET: Duration = Duration::from_secs(60);
    static SAID: Mutex<Option<MonoTime>> = Mutex::new(None);
    let now = time::now();
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.is_none_or(|at| now.since(at) >= QUIET) {
        *said = Some(now);
        let code = Code::LocalExhaustion.number();
        tracing::warn!(
            code,
            "can't connect to the worker, for want of our own: {error}"
        );
    }
}

async fn secure(
    member: &Member,
    back: &Back,
    plain: Plain,
    within: Duration,
) -> Result<Secured<Plain>, Failure> {
    let shaken = timeout(within, back.handshake(plain)).await;
    let failed = match shaken {
        Ok(Ok(secured)) => return Ok(secured),
        // It died, or was about to.
        Ok(Err(Unmade::Lost(_))) => return Err(Failure::Closed),
        Ok(Err(Unmade::Tls(failed))) => failed,
        Err(_) => Failed {
            fault: Fault::TimedOut,
            why: format!(
                "it did not finish the handshake within {}",
                format_duration(within)
            ),
        },
    };
    Err(told(member, back, &failed))
}

/// What an error of an exchange comes from, if it is TLS's.
pub(super) fn of_tls(member: &Member, error: &(dyn Error + 'static)) -> Option<Failure> {
    let back = member.manner.tls.as_ref()?;
    Some(told(member, back, &Failed::within(error)?))
}

/// Says why, unless that was said just now: each request would say the same.
fn told(member: &Member, back: &Back, failed: &Failed) -> Failure {
    let (worker, fault) = (member.generation, failed.fault);
    if back.is_news(fault, time::now()) {
        let code = fault.code().number();
        tracing::warn!(%worker, code, "TLS with worker {worker} fails: {failed}");
    }
    Failure::Tls(fault)
}

/// Whether we had no room for what was to be written, so that it is not the worker that failed.
fn is_want_of_room(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::NOBUFS | Errno::NOMEM))
}

/// What was heard of the worker so far.
#[derive(Default)]
pub(super) struct Heard {
    /// Something.
    pub(super) bytes: Cell<bool>,
    /// Who wants to know when there is more.
    pub(super) waker: Cell<Option<Waker>>,
}

/// Counts a connection for as long as a task of it lives.
pub(super) struct Open {
    member: Arc<Member>,
    thread: usize,
}

impl Open {
    pub(super) fn new(member: Arc<Member>, thread: usize) -> Self {
        member.connection_opened(thread);
        Self { member, thread }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.member.connection_closed(self.thread);
    }
}

/// A socket: TCP, or of a Unix path.
type Plain = Either<TcpStream, UnixStream>;

/// What carries the worker's bytes.
enum Stream {
    Plain(Plain),
    Tls(Box<Secured<Plain>>),
}

/// The worker's socket; counts what was written to it, which proves what was never sent.
pub(super) struct WorkerIo {
    stream: Stream,
    /// Bytes written to the worker so far.
    pub(super) written: u64,
    /// Whether the worker has refused some.
    pub(super) takes_no_more: bool,
    /// Who waits for the worker's first word.
    pub(super) heard: Option<Rc<Heard>>,
}

impl WorkerIo {
    /// Counts what was written. A worker that takes no more may have answered before: the answer
    /// is read first, and reading tells how the connection ended. Of a want of our own it would
    /// tell nothing, ever, unless we end the connection.
    fn wrote(&mut self, poll: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        poll.map(|result| match result {
            Ok(written) => {
                self.written += written as u64;
                Ok(written)
            }
            Err(error) => {
                if is_want_of_room(&error) {
                    self.shut();
                }
                self.takes_no_more = true;
                Ok(length)
            }
        })
    }

    /// Ends the connection both ways; whoever reads it is told.
    fn shut(&self) {
        let ended = match self.plain() {
            Either::Left(stream) => shutdown(stream, Shutdown::Both),
            Either::Right(stream) => shutdown(stream, Shutdown::Both),
        };
        // It has ended already, then.
        let _ = ended;
    }

    fn plain(&self) -> &Plain {
        match &self.stream {
            Stream::Plain(plain) => plain,
            Stream::Tls(stream) => stream.get_ref(),
        }
    }

    /// Has the system acknowledge at once what has come. A worker that writes the head of its
    /// answer by itself, with Nagle's algorithm on, keeps the body until then (RFC 9293 section
    /// 3.7.4); the system would wait for 40 ms for something to acknowledge it with.
    pub(super) fn acknowledge(&self) {
        if let Either::Left(stream) = self.plain() {
            // Where that is not to be had there is only the wait.
            drop(stream.set_quickack(true));
        }
    }

    /// Whether nothing has come on it that was not read, not even its end.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let read = match &mut self.stream {
            Stream::Plain(Either::Left(stream)) => stream.try_read(&mut byte),
            Stream::Plain(Either::Right(stream)) => stream.try_read(&mut byte),
            // Words of its own may come on it.
            Stream::Tls(stream) => {
                let mut cx = Context::from_waker(Waker::noop());
                let mut byte = ReadBuf::new(&mut byte);
                let read = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut byte));
                return pin!(unconstrained(read)).poll(&mut cx).is_pending();
            }
        };
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsyncRead for WorkerIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if let (Poll::Ready(Ok(())), Some(heard)) = (&poll, &self.heard) {
            heard
                .bytes
                .set(heard.bytes.get() || !buffer.filled().is_empty());
            if let Some(waker) = heard.waker.take() {
                waker.wake();
            }
        }
        poll
    }
}

impl AsyncWrite for WorkerIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.wrote(poll, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        };
        self.wrote(poll, bytes.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Sockets hold nothing back; TLS may. How it fails is told by reading, as with writes.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx).map(|_| Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::UnixListener};

    use super::*;
    use crate::{
        admit::roster::Ramp,
        time::MonoTime,
        tls::{
            back::{Made, Manner},
            spec::Behind,
        },
        words::{Generation, Protocol},
    };

    /// A worker at a socket, to be spoken to in TLS.
    fn member(path: &Path) -> Member {
        let asked = Behind {
            verify: false,
            ..Behind::default()
        };
        let made = Made::new(&asked, None, false).unwrap();
        let manner = Manner {
            protocol: Protocol::Https,
            tls: Some(Arc::new(Back::new(asked, false, made).unwrap())),
        };
        let ramp = Ramp {
            first: 1,
            since: MonoTime::ZERO,
            until: MonoTime::ZERO,
        };
        let at = (Endpoint::Unix(Arc::from(path)), manner);
        Member::new((Generation(1), 0), at, ramp, 1, Arc::default())
    }

    #[tokio::test]
    async fn a_unix_socket_whose_queue_is_full_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker");
        let listener = UnixListener::bind(&path).unwrap();
        // It has a queue of one (listen(2) again).
        rustix::net::listen(&listener, 0).unwrap();
        let endpoint = Endpoint::Unix(Arc::from(path.as_path()));
        let _queued = reach(&endpoint).await.unwrap();
        let waits = timeout(Duration::from_millis(50), reach(&endpoint)).await;
        assert!(waits.is_err(), "{waits:?}");
        let accepts = async {
            drop(timeout(Duration::from_millis(50), poll_fn(|_| Poll::<()>::Pending)).await);
            listener.accept().await.unwrap()
        };
        let (connected, _) = tokio::join!(reach(&endpoint), accepts);
        assert!(connected.is_ok(), "{connected:?}");
    }

    #[tokio::test]
    async fn a_worker_that_never_shakes_hands_and_one_that_leaves_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker");
        let listener = UnixListener::bind(&path).unwrap();
        let member = member(&path);
        let silent = connect(&member, Duration::from_millis(50)).await;
        assert_eq!(silent.err(), Some(Failure::Tls(Fault::TimedOut)));
        let (_silent, _) = listener.accept().await.unwrap();
        let leaves = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Something of the client's hello, so that the end is none of a reset.
            stream.read_exact(&mut [0; 16]).await.unwrap();
        };
        let (left, ()) = tokio::join!(connect(&member, Duration::from_secs(30)), leaves);
        assert_eq!(left.err(), Some(Failure::Closed));
    }
}
