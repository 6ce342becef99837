//! The other end of a connection, to be scripted by each test.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

/// A connection as the server has it.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    pub(super) reader: BufReader<TcpStream>,
}

impl Peer {
    /// The next request's head; nothing when the client is gone.
    pub(super) fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        Some(head)
    }

    pub(super) fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn reset(self) {
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&self.stream)
            .set_linger(linger)
            .unwrap();
    }
}

pub(super) const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine";

/// Serves each connection in a thread of its own; gives the URL.
pub(super) fn serve(each: impl Fn(Peer) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let each = Arc::new(each);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, each) = (stream.unwrap(), Arc::clone(&each));
            let reader = BufReader::new(stream.try_clone().unwrap());
            thread::spawn(move || each(Peer { stream, reader }));
        }
    });
    url
}

pub(super) fn always_fine(mut peer: Peer) {
    while peer.head().is_some() {
        peer.say(FINE);
    }
}
