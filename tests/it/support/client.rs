//! A client that says exactly what a test wants said, byte by byte.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::PATIENCE;

/// One connection.
pub(crate) struct Connection(pub(crate) TcpStream);

/// An answer, read to the end of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// The last request of this connection.
    pub(crate) fn get(self, path: &str) -> Self {
        self.send(format!(
            "GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"
        ))
    }

    /// What comes until the connection ends; `None` when it ends without a head.
    pub(crate) fn try_answer(mut self) -> Option<Answer> {
        let mut bytes = Vec::new();
        // A reset after some bytes is the end of those bytes.
        drop(self.0.read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some(Answer {
            status: head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?,
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }

    pub(crate) fn answer(self) -> Answer {
        self.try_answer().expect("an answer")
    }
}

impl Answer {
    /// A field of the head.
    pub(crate) fn field(&self, wanted: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        Some(value.trim())
    }

    /// The code of an answer that is autoheal's own.
    pub(crate) fn code(&self) -> Option<&str> {
        let status = self.field("proxy-status")?;
        status.split_once("details=\"")?.1.split('"').next()
    }

    /// Which worker answered.
    pub(crate) fn generation(&self) -> Option<u32> {
        self.field("x-generation")?.parse().ok()
    }
}
