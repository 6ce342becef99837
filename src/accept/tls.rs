//! The handshake that makes a client's connection a TLS one.

use std::{rc::Rc, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::{
    io::{HANDSHAKE, Shared, Socket},
    refusal::last_words,
};
use crate::{
    explain::code::Code,
    proxy::Thread,
    time,
    tls::{front::Front, shown::Shown},
};

/// Shakes hands on a connection: so long is waited for the first byte, and then for the last.
/// `None`: it came to nothing, which is counted and, where the client can read it, said.
pub(super) async fn shake_hands(
    shared: Rc<Shared>,
    front: &Front,
    within: Duration,
    thread: &Thread,
) -> Option<(Rc<Shared>, Option<Shown>)> {
    let Socket::Tcp(stream) = Rc::into_inner(shared)?.into_socket() else {
        return None;
    };
    // Who says nothing at all is closed without a word.
    match timeout(within, first_byte(&stream)).await.ok()?? {
        HANDSHAKE => {}
        b'A'..=b'Z' => {
            thread.refused(Code::PlainToTls);
            let shared = Shared::new(Socket::Tcp(stream), time::now());
            shared.last_words(&last_words(Code::PlainToTls));
            shared.linger().await;
            return None;
        }
        _ => {
            thread.refused(Code::HandshakeFailed);
            return None;
        }
    }
    let code = match timeout(within, front.handshake(stream)).await {
        Ok(Ok(stream)) => {
            let shown = front.shown(&stream);
            let shared = Shared::new(Socket::Tls(Box::new(stream)), time::now());
            return Some((shared, shown));
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            Code::HandshakeFailed
        }
        Err(_) => Code::HandshakeTimeout,
    };
    thread.refused(code);
    None
}

/// What a client said first, left where it is. `None`: it left.
async fn first_byte(stream: &TcpStream) -> Option<u8> {
    let mut byte = [0];
    let count = stream.peek(&mut byte).await.ok()?;
    (count == 1).then_some(byte[0])
}
