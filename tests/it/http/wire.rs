//! One end of a TCP connection that says and reads exact bytes.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

/// Longer than anything takes here; reached only when something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A connection, and what was read of it but not yet asked for.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
    /// The worker's generation, at the worker's end.
    pub(crate) generation: u32,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
    /// It has not ended in the time given.
    Open,
}

/// A response as its client reads it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and fields, as they came.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Trailer lines of a chunked body, as they came.
    pub(crate) trailers: String,
    /// Whether the body came to the end that its framing promised.
    pub(crate) whole: bool,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, generation: u32) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            read: Vec::new(),
            generation,
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Says bytes to someone who may have left.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub(crate) fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads on. False: the connection has ended, or nothing came in time.
    fn more(&mut self) -> Result<(), End> {
        let mut piece = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(End::Closed),
                Ok(count) => {
                    self.read.extend_from_slice(&piece[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Err(End::Open);
                }
                Err(_) => return Err(End::Reset),
            }
        }
    }

    /// A message's head: up to and with its empty line. `None`: the connection ended before.
    pub(crate) fn try_head(&mut self) -> Option<String> {
        loop {
            let end = self.read.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(end) = end {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                return Some(head.iter().map(|byte| char::from(*byte)).collect());
            }
            match self.more() {
                Ok(()) => {}
                Err(End::Open) => panic!("no head in time; so far {:?}", self.so_far()),
                Err(_) => return None,
            }
        }
    }

    pub(crate) fn head(&mut self) -> String {
        let head = self.try_head();
        head.unwrap_or_else(|| panic!("ended before a head; so far {:?}", self.so_far()))
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.read[..self.read.len().min(500)]).into_owned()
    }

    /// Exactly so many bytes. `Err`: how the connection ended, with what came.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Vec<u8>> {
        while self.read.len() < count {
            if self.more().is_err() {
                return Err(std::mem::take(&mut self.read));
            }
        }
        Ok(self.read.drain(..count).collect())
    }

    /// What stands up to and with `end`.
    pub(crate) fn until(&mut self, end: &str) -> String {
        loop {
            let at = self
                .read
                .windows(end.len())
                .position(|w| w == end.as_bytes());
            if let Some(at) = at {
                let bytes: Vec<u8> = self.read.drain(..at + end.len()).collect();
                return String::from_utf8(bytes).unwrap();
            }
            if let Err(how) = self.more() {
                panic!("{how:?} before {end:?}; so far {:?}", self.so_far());
            }
        }
    }

    /// Takes what comes until nothing has come for a moment.
    pub(crate) fn until_quiet(&mut self) {
        self.rest(Duration::from_millis(30));
    }

    /// Everything that comes until the connection ends, but no longer than this.
    pub(crate) fn rest(&mut self, within: Duration) -> (Vec<u8>, End) {
        self.stream.set_read_timeout(Some(within)).unwrap();
        let end = loop {
            if let Err(end) = self.more() {
                break end;
            }
        };
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        (std::mem::take(&mut self.read), end)
    }

    /// That nothing more comes and the connection ends.
    pub(crate) fn is_closed(&mut self) {
        let (rest, end) = self.rest(PATIENCE);
        let rest = String::from_utf8_lossy(&rest);
        assert_ne!(end, End::Open, "still open; came {rest:?}");
        assert_eq!(rest, "");
    }

    /// The response to a request with this method.
    pub(crate) fn answer_to(&mut self, method: &str) -> Answer {
        let head = self.head();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
            trailers: String::new(),
            whole: true,
        };
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return answer;
        }
        if answer.field("transfer-encoding") == Some("chunked") {
            (answer.body, answer.trailers, answer.whole) = self.chunks();
        } else if let Some(length) = answer.field("content-length") {
            let length = length.parse().unwrap();
            match self.bytes(length) {
                Ok(body) => answer.body = body,
                Err(body) => (answer.body, answer.whole) = (body, false),
            }
        } else {
            answer.body = self.rest(PATIENCE).0;
        }
        answer
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// A chunked body that comes whole.
    pub(crate) fn chunked_body(&mut self) -> Vec<u8> {
        let (body, _, whole) = self.chunks();
        assert!(whole, "broke off after {} bytes", body.len());
        body
    }

    /// A chunked body, its trailer lines, and whether it came to its end.
    fn chunks(&mut self) -> (Vec<u8>, String, bool) {
        let (mut body, mut trailers) = (Vec::new(), String::new());
        while let Some(line) = self.line() {
            // What can't be a size ends a body that broke.
            let Ok(size) = usize::from_str_radix(line.trim(), 16) else {
                return (body, trailers, false);
            };
            if size == 0 {
                while let Some(line) = self.line() {
                    if line == "\r\n" {
                        return (body, trailers, true);
                    }
                    trailers.push_str(&line);
                }
                break;
            }
            match self.bytes(size + 2) {
                Ok(chunk) => body.extend_from_slice(&chunk[..size]),
                Err(piece) => {
                    body.extend_from_slice(&piece);
                    break;
                }
            }
        }
        (body, trailers, false)
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.read.windows(2).position(|w| w == b"\r\n") {
                let bytes: Vec<u8> = self.read.drain(..at + 2).collect();
                return Some(String::from_utf8(bytes).unwrap());
            }
            self.more().ok()?;
        }
    }
}

impl Answer {
    /// A field's only value.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let values = self.fields(name);
        assert!(values.len() <= 1, "{name} more than once: {values:?}");
        values.first().copied()
    }

    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        fields(&self.head, name)
    }

    /// The code of an answer that autoheal made.
    pub(crate) fn code(&self) -> u32 {
        let status = self.field("proxy-status").unwrap_or_default();
        let digits = status.split("details=\"").nth(1).unwrap_or_default();
        let digits = digits.trim_end_matches('"');
        digits
            .parse()
            .unwrap_or_else(|_| panic!("no code: {}", self.head))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// The values of a field of a head, in order.
pub(crate) fn fields<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.split("\r\n").skip(1);
    let pairs = lines.filter_map(|line| line.split_once(':'));
    pairs
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

/// The names of a head's fields, in order.
pub(crate) fn names(head: &str) -> Vec<&str> {
    let lines = head.split("\r\n").skip(1);
    lines
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect()
}
