//! The floor: a bare TCP relay that reads nothing of what it passes. Frozen: the ratios in README
//! and CHANGELOG are against this source, so a change here makes them incomparable.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpStream};

const BUFFER_BYTES: usize = 8 * 1024;

/// Passes every connection at `listen` on to one of its own at `upstream`, for ever.
pub(crate) async fn run(listen: SocketAddr, upstream: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (mut client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        tokio::task::spawn_local(async move {
            let mut server = TcpStream::connect(upstream).await?;
            server.set_nodelay(true)?;
            tokio::io::copy_bidirectional_with_sizes(
                &mut client,
                &mut server,
                BUFFER_BYTES,
                BUFFER_BYTES,
            )
            .await
        });
    }
}
