//! The server behind every proxy: 64 bytes to whatever is asked, at the least cost.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 64\r\ncontent-type: text/plain\r\n\r\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";

/// Answers at `listen`, for ever. Requests have no body.
pub(crate) async fn run(listen: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::task::spawn_local(serve(stream));
    }
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 8 * 1024];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            stream.write_all(ANSWER).await?;
            // A probe's way; a load's connections stay.
            if wants_close(&buffer[..filled]) {
                return Ok(());
            }
            filled = 0;
        } else if filled == buffer.len() {
            return Err(io::Error::other("a head of more than 8 KiB"));
        }
    }
}

fn wants_close(head: &[u8]) -> bool {
    const CLOSE: &[u8] = b"\r\nconnection: close\r\n";
    head.windows(CLOSE.len())
        .any(|part| part.eq_ignore_ascii_case(CLOSE))
}
