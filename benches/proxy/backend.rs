//! The server behind every proxy: so many bytes to whatever is asked, at the least cost.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// No request head of a load is longer.
const HEAD_MAX: usize = 8 * 1024;

/// Answers at `listen`, for ever.
pub(crate) async fn run(listen: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let answers: &'static Answers = Box::leak(Box::new(Answers::new()));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::task::spawn_local(serve(stream, answers));
    }
}

/// Whole answers, ready to be written.
struct Answers {
    small: Vec<u8>,
    medium: Vec<u8>,
    large: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        Self {
            small: answer(64),
            medium: answer(16 * 1024),
            large: answer(1024 * 1024),
        }
    }

    fn of(&self, head: &[u8]) -> &[u8] {
        if head.starts_with(b"GET /16k") {
            &self.medium
        } else if head.starts_with(b"GET /1m") {
            &self.large
        } else {
            &self.small
        }
    }
}

/// The body's only newline is its last byte.
fn answer(bytes: usize) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\ncontent-type: text/plain\r\n\r\n");
    let mut whole = head.into_bytes();
    whole.extend(b"0123456789abcdef".iter().cycle().take(bytes - 1));
    whole.push(b'\n');
    whole
}

async fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let Some(end) = find(&buffer[..filled], b"\r\n\r\n").map(|at| at + 4) else {
            if filled > HEAD_MAX {
                return Err(io::Error::other("a head of more than 8 KiB"));
            }
            continue;
        };
        // Everything of the body that did not come with the head; requests are not pipelined.
        let mut left = length(&buffer[..end]).saturating_sub(filled - end);
        while left > 0 {
            let read = stream.read(&mut buffer[end..]).await?;
            if read == 0 {
                return Ok(());
            }
            left = left.saturating_sub(read);
        }
        stream.write_all(answers.of(&buffer[..end])).await?;
        // A probe's way; a load's connections stay.
        if field(&buffer[..end], b"connection") == Some(b"close") {
            return Ok(());
        }
        filled = 0;
    }
}

fn length(head: &[u8]) -> usize {
    let digits = field(head, b"content-length").unwrap_or(b"0");
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// The value of a field of a head.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
