//! A client's TLS connection over TCP.

use std::io::{self, Write};

use rustls::ServerConnection;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{front::Protocol, pass::Pass};

/// So many bytes may wait in a connection for its client to take them.
pub(super) const BUFFER_MAX: usize = 32 * 1024;

/// A client's TLS connection.
pub type Stream = Pass<TlsStream<TcpStream>>;

impl Stream {
    /// The TCP connection under it.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        self.0.get_ref().0
    }

    /// What is spoken on it, as was agreed in the handshake.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol::agreed(self.0.get_ref().1.alpn_protocol())
    }

    /// Writes what fits at once, and that it is the last.
    ///
    /// # Errors
    /// When the client has left.
    pub fn last_words(&mut self, words: &[u8]) -> io::Result<()> {
        let (tcp, session) = self.0.get_mut();
        session.writer().write_all(words)?;
        session.send_close_notify();
        flush_now(session, tcp)
    }
}

fn flush_now(session: &mut ServerConnection, tcp: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(&mut Now(tcp))?;
    }
    Ok(())
}

/// Writes what the socket takes without waiting.
struct Now<'a>(&'a TcpStream);

impl Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
