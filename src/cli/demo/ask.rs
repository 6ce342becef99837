//! One request by itself, to see which worker answers.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Longer than any healing of the demo takes.
const PATIENCE: Duration = Duration::from_secs(15);

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) pid: Option<i32>,
    pub(super) generation: Option<String>,
}

/// Asks for `path` and waits for the whole answer.
pub(super) fn ask(address: SocketAddr, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, _) = text.split_once("\r\n\r\n")?;
    let (first, fields) = head.split_once("\r\n").unwrap_or((head, ""));
    let field = |wanted: &str| {
        let mut pairs = fields.lines().filter_map(|line| line.split_once(':'));
        let found = pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim().to_owned())
    };
    Some(Answer {
        status: first.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?,
        pid: field("x-pid").and_then(|pid| pid.parse().ok()),
        generation: field("x-generation").filter(|generation| !generation.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_pid_and_generation_are_read_from_the_head() {
        let answer = parse("HTTP/1.1 200 OK\r\nX-Pid: 17\r\nx-generation: g3\r\n\r\nx-pid: 4");
        let (pid, generation) = (Some(17), Some("g3".to_owned()));
        assert_eq!(
            answer,
            Some(Answer {
                status: 200,
                pid,
                generation
            })
        );
        let answer = parse("HTTP/1.0 503 No\r\n\r\n").unwrap();
        assert_eq!((answer.status, answer.pid), (503, None));
        assert_eq!(parse("garbage\r\n\r\n"), None);
    }
}
