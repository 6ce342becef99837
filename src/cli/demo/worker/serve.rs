//! Accepts and serves until SIGTERM, then lets what is in flight finish.

use std::{io, rc::Rc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use super::{
    DemoWorkerArgs,
    answer::{Fate, Worker},
    start,
};

/// Where the worker listens.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How long accepting rests after it failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Serves until told to end; gives the exit code.
pub(super) async fn run(args: DemoWorkerArgs, listener: Listener) -> io::Result<i32> {
    let mut term = signal(SignalKind::terminate())?;
    if let Some(bytes) = args.print {
        std::thread::Builder::new().spawn(move || start::print(bytes.0))?;
    }
    let ignore_term = args.ignore_term;
    let worker = Rc::new(Worker::new(args)?);
    let (ending, ended) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (worker, ended) = (Rc::clone(&worker), ended.clone());
                match accepted {
                    Ok(Accepted::Tcp(stream)) => {
                        stream.set_nodelay(true)?;
                        connections.spawn_local(serve(stream, worker, ended, reset));
                    }
                    Ok(Accepted::Unix(stream)) => {
                        connections.spawn_local(serve(stream, worker, ended, drop));
                    }
                    // The client is gone already, or descriptors are short for a while.
                    Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
                }
            }
            Some(_) = connections.join_next() => {}
            _ = term.recv(), if !ignore_term => break,
        }
    }
    drop(listener);
    ending.send_replace(true);
    while connections.join_next().await.is_some() {}
    Ok(0)
}

impl Listener {
    pub(super) async fn bind(args: &DemoWorkerArgs) -> io::Result<Self> {
        if let Some(path) = &args.unix {
            return Ok(Self::Unix(UnixListener::bind(path)?));
        }
        let told = || {
            std::env::var("PORT")
                .ok()
                .and_then(|port| port.parse().ok())
        };
        let port = args.listen_elsewhere.or(args.port).or_else(told);
        let port = port.ok_or_else(|| io::Error::other("no port: give --port, --unix or PORT"))?;
        Ok(Self::Tcp(TcpListener::bind(("127.0.0.1", port)).await?))
    }

    /// The port, if it is one.
    #[cfg(test)]
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(listener) => Some(listener.local_addr().ok()?.port()),
            Self::Unix(_) => None,
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => Ok(Accepted::Tcp(listener.accept().await?.0)),
            Self::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

/// One connection. `reset` ends it with an RST where the transport has one.
async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    stream: S,
    worker: Rc<Worker>,
    mut ended: watch::Receiver<bool>,
    reset: fn(S),
) {
    let fate = Rc::new(Fate::default());
    let service = service_fn(|request| {
        let (worker, fate) = (Rc::clone(&worker), Rc::clone(&fate));
        async move { worker.answer(request, &fate).await }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        result = &mut connection => drop(result),
        _ = ended.wait_for(|ended| *ended) => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            drop((&mut connection).await);
        }
    }
    let mut stream = connection.into_parts().io.into_inner();
    match fate.take() {
        None => {}
        Some(Ending::Reset) => reset(stream),
        // Who reads it may be gone: nothing is owed to a connection that is cut.
        Some(Ending::Raw(bytes)) => drop(stream.write_all(bytes).await),
    }
}

/// How a connection ends when its last request gets no answer of ours.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    Reset,
    Raw(&'static [u8]),
}

fn reset(stream: TcpStream) {
    drop(stream.set_zero_linger());
}
