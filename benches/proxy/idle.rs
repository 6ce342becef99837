//! What a connection costs that asks nothing: memory over many of them.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use super::subject::{Subject, pss_kib};
use super::workload::Front;

/// So long after the last answer the memory is read: what is freed late is freed.
const REST: Duration = Duration::from_secs(12);

/// KiB for each of `count` connections, each of which has had two answers.
pub(crate) fn kib_each(subject: &Subject, count: usize) -> io::Result<f64> {
    let Some(address) = subject.address(Front::Plain) else {
        return Ok(f64::NAN);
    };
    let before = pss_kib(subject.pid())?;
    let mut connections = (0..count)
        .map(|_| TcpStream::connect(address))
        .collect::<io::Result<Vec<_>>>()?;
    for _ in 0..2 {
        for connection in &mut connections {
            ask(connection, address)?;
        }
    }
    thread::park_timeout(REST);
    let after = pss_kib(subject.pid())?;
    Ok((after - before) / count as f64)
}

fn ask(connection: &mut TcpStream, address: SocketAddr) -> io::Result<()> {
    // In one piece: the kernel would wait for an acknowledgement between two.
    let request =
        format!("GET / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: idle\r\nAccept: */*\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    // The body is 64 bytes after an empty line; its last byte is its only newline.
    while !(answer.len() > 64 && answer[..answer.len() - 64].ends_with(b"\r\n\r\n")) {
        let read = connection.read(&mut piece)?;
        if read == 0 {
            return Err(io::Error::other("closed instead of an answer"));
        }
        answer.extend_from_slice(&piece[..read]);
    }
    Ok(())
}
