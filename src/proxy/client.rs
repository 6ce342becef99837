//! What the data path must know of the client connection or stream that a request came on.

use std::{io, net::TcpStream, rc::Rc, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;

use super::{Peer, Progress};

/// The kernel of a client that has closed its connection forgets it after a minute, as a rule, and
/// then answers these with a reset. It answers nothing that way to half a connection.
const PROBES: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(15))
    .with_interval(Duration::from_secs(5));

/// One client connection, or one stream of one that carries many.
pub struct Client {
    /// Who it is.
    pub peer: Peer,
    /// Whether a request's body is being waited for.
    pub progress: Rc<Progress>,
    /// Makes a second descriptor of the client's socket, where it has one that can be watched.
    duplicate: Option<Box<dyn Fn() -> io::Result<TcpStream>>>,
    /// It may have said that it sends no more, and wait for its answer.
    half_close: bool,
}

impl Client {
    /// A client whose socket can be watched through `duplicate`. `half_close`: the end of what it
    /// sends is not the end of it.
    #[must_use]
    pub fn new(
        peer: Peer,
        progress: Rc<Progress>,
        duplicate: Box<dyn Fn() -> io::Result<TcpStream>>,
        half_close: bool,
    ) -> Self {
        Self {
            peer,
            progress,
            duplicate: Some(duplicate),
            half_close,
        }
    }

    /// A client's stream, one of many on its connection: that it was reset shows by itself.
    #[must_use]
    pub fn stream(peer: Peer, progress: Rc<Progress>) -> Self {
        Self {
            peer,
            progress,
            duplicate: None,
            half_close: false,
        }
    }

    /// Resolves when the client has closed or reset its connection; where it may close half of it,
    /// when it has reset it. Takes no byte of it. A client
    /// with so much unread that its FIN waits behind a full window is seen only when that is read.
    pub async fn gone(&self) {
        if self.watch().await.is_err() {
            // It can't be watched: the deadline of the wait stands.
            std::future::pending::<()>().await;
        }
    }

    async fn watch(&self) -> io::Result<()> {
        let Some(duplicate) = &self.duplicate else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        // A registration of its own: hyper's readiness is untouched.
        let socket = duplicate()?;
        if self.half_close {
            SockRef::from(&socket).set_tcp_keepalive(&PROBES)?;
        }
        let socket = tokio::net::TcpStream::from_std(socket)?;
        if self.half_close {
            return socket.ready(Interest::ERROR).await.map(|_| ());
        }
        loop {
            let ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
            if ready.is_read_closed() || ready.is_error() {
                return Ok(());
            }
            // Forget this edge; the next one is news.
            drop(socket.try_io(Interest::READABLE, || {
                Err::<(), _>(io::ErrorKind::WouldBlock.into())
            }));
        }
    }
}
