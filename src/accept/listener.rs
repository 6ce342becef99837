//! Listening sockets: every data thread accepts from all of them and deals what it gets.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdTcpListener, TcpStream as StdTcpStream},
    os::{
        fd::OwnedFd,
        unix::{
            fs::FileTypeExt,
            net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Socket as RawSocket, Type};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::mpsc,
};

use super::{
    deal::{Dealer, Place},
    io::Socket,
};
use crate::tls::front::Front;

/// How many connections may wait in the kernel for us to accept them.
const BACKLOG: i32 = 4096;

/// How many accepted sockets may be on their way to another data thread.
const DEALT_MAX: usize = 1024;

/// Makes an inherited socket ours alone: no worker may have it too.
fn take_over(socket: OwnedFd) -> io::Result<Bound> {
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    let raw = RawSocket::from(socket);
    if !raw.is_listener()? || raw.r#type()? != Type::STREAM {
        let what = "one of the sockets that systemd passed is not a listening stream";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    raw.set_nonblocking(true)?;
    Ok(match raw.domain()? {
        Domain::UNIX => Bound::Unix(OwnedFd::from(raw).into(), None),
        _ => {
            raw.set_tcp_nodelay(true)?;
            Bound::Tcp(raw.into())
        }
    })
}

/// What holds for the connections of one entry of `listen`.
#[derive(Debug, Default)]
pub struct Entry {
    /// Each begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Each speaks TLS.
    pub tls: Option<Arc<Front>>,
}

/// A listening socket, bound before anything is served.
#[derive(Debug)]
pub struct Listening {
    bound: Bound,
    entry: Arc<Entry>,
}

#[derive(Debug)]
enum Bound {
    Tcp(StdTcpListener),
    /// With the file that is removed at the end.
    Unix(StdUnixListener, Option<PathBuf>),
}

impl Listening {
    /// Binds a TCP address.
    ///
    /// # Errors
    /// When the address is taken or may not be bound.
    pub fn tcp(address: SocketAddr, entry: Entry) -> io::Result<Self> {
        let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // [::] takes IPv4 too, as users expect of "every address".
            socket.set_only_v6(false)?;
        }
        socket.set_nonblocking(true)?;
        // What is accepted has it from here: one call less for each connection.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self::new(Bound::Tcp(socket.into()), entry))
    }

    /// Binds a unix socket. A socket file that nobody answers is replaced.
    ///
    /// # Errors
    /// When somebody answers there, or the file can't be made.
    pub fn unix(path: &Path, entry: Entry) -> io::Result<Self> {
        let is_socket = std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
        if is_socket {
            if StdUnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(path)?;
        }
        let listener = StdUnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        let file = Some(path.to_owned());
        Ok(Self::new(Bound::Unix(listener, file), entry))
    }

    /// Takes over the sockets that systemd listens on for us.
    ///
    /// # Errors
    /// When there is none, or one of them is not a listening stream socket.
    pub fn inherited(entry: Entry) -> io::Result<Vec<Self>> {
        let plain = Arc::new(Entry { tls: None, ..entry });
        let entry = Arc::new(entry);
        let passed = sd_listen_fds::get().map_err(io::Error::other)?;
        if passed.is_empty() {
            let what = "systemd passed no socket (LISTEN_FDS); start it by a .socket unit";
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        let sockets = passed.into_iter().map(|(_, socket)| {
            let bound = take_over(socket.into_std())?;
            let entry = match bound {
                Bound::Tcp(_) => entry.clone(),
                // A Unix socket does not speak TLS.
                Bound::Unix(..) => plain.clone(),
            };
            Ok(Self { bound, entry })
        });
        sockets.collect()
    }

    fn new(bound: Bound, entry: Entry) -> Self {
        Self {
            bound,
            entry: Arc::new(entry),
        }
    }

    /// The address it is bound to, as one would write it.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.bound {
            Bound::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|e| e.to_string(), |a| a.to_string()),
            Bound::Unix(listener, _) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(
                    || "a unix socket without a name".to_owned(),
                    |path| format!("unix:{}", path.display()),
                )
            }
        }
    }

    /// Removes a unix socket's file, at the end.
    pub fn remove_file(&self) {
        if let Bound::Unix(_, Some(path)) = &self.bound {
            // Somebody may have removed it before us.
            drop(std::fs::remove_file(path));
        }
    }

    /// One more descriptor of the same socket.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let bound = match &self.bound {
            Bound::Tcp(listener) => Bound::Tcp(listener.try_clone()?),
            Bound::Unix(listener, path) => Bound::Unix(listener.try_clone()?, path.clone()),
        };
        Ok(Self {
            bound,
            entry: self.entry.clone(),
        })
    }
}

/// An accepted connection.
#[derive(Debug)]
pub struct Arrival {
    /// Its socket, registered with this data thread.
    pub socket: Socket,
    /// Who made it; `None` for a unix socket.
    pub ip: Option<IpAddr>,
    /// Where it came in.
    pub entry: Arc<Entry>,
    /// Its place on this data thread.
    pub place: Place,
}

/// An accepted connection on its way to its data thread.
#[derive(Debug)]
pub struct Dealt {
    socket: Accepted,
    ip: Option<IpAddr>,
    entry: Arc<Entry>,
    place: Place,
}

#[derive(Debug)]
enum Accepted {
    Tcp(StdTcpStream),
    Unix(StdUnixStream),
}

/// The way of accepted sockets between data threads.
#[derive(Clone, Debug)]
pub struct Tables {
    dealer: Dealer,
    senders: Vec<mpsc::Sender<Dealt>>,
}

impl Tables {
    /// One table for each data thread, and the receiving ends in the same order.
    #[must_use]
    pub fn new(dealer: Dealer, threads: usize) -> (Self, Vec<mpsc::Receiver<Dealt>>) {
        let (senders, receivers) = (0..threads).map(|_| mpsc::channel(DEALT_MAX)).unzip();
        (Self { dealer, senders }, receivers)
    }
}

enum Ears {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Accepts on one socket for one data thread until the thread ends. `serve` takes what falls to
/// this thread; what falls to another goes there.
///
/// # Errors
/// When the socket can't be registered with this thread.
pub async fn accept(
    listening: Listening,
    me: usize,
    tables: Tables,
    serve: impl Fn(Arrival),
) -> io::Result<()> {
    let Listening { bound, entry } = listening;
    let ears = match bound {
        Bound::Tcp(listener) => Ears::Tcp(TcpListener::from_std(listener)?),
        Bound::Unix(listener, _) => Ears::Unix(UnixListener::from_std(listener)?),
    };
    let mut pause = PAUSE_MIN;
    let mut reserve = spare();
    loop {
        let (socket, ip) = match one(&ears).await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                // No descriptor left, most likely: what waits keeps waiting in the kernel. Where a
                // pause did not help, one who waits is told, by the descriptor kept for this.
                if pause > PAUSE_MIN {
                    drop(reserve.take());
                    let told = tokio::time::timeout(PAUSE_MIN, one(&ears)).await;
                    if let Ok(Ok((socket, _))) = told {
                        refuse(&socket);
                    }
                    reserve = spare();
                }
                tracing::warn!(%error, retry_in = ?pause, "cannot accept connections");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
                continue;
            }
        };
        pause = PAUSE_MIN;
        let Some(place) = tables.dealer.take(me) else {
            if entry.tls.is_none() {
                refuse(&socket);
            }
            continue;
        };
        let arrival = Arrival {
            socket,
            ip,
            entry: entry.clone(),
            place,
        };
        if arrival.place.thread() == me {
            serve(arrival);
        } else {
            hand_over(arrival, &tables, &serve);
        }
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A descriptor that can be given up when there is no other.
fn spare() -> Option<std::fs::File> {
    std::fs::File::open("/dev/null").ok()
}

async fn one(ears: &Ears) -> io::Result<(Socket, Option<IpAddr>)> {
    match ears {
        Ears::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            Ok((Socket::Tcp(stream), Some(peer.ip())))
        }
        Ears::Unix(listener) => Ok((Socket::Unix(listener.accept().await?.0), None)),
    }
}

/// accept(2): errors already pending on the new socket are no reason to wait.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotConnected
    )
}

/// Sends a socket to the thread that it falls to. If that thread's table is full, it stays here.
fn hand_over(arrival: Arrival, tables: &Tables, serve: &impl Fn(Arrival)) {
    let to = arrival.place.thread();
    let accepted = match arrival.socket {
        Socket::Tcp(stream) => stream.into_std().map(Accepted::Tcp),
        Socket::Unix(stream) => stream.into_std().map(Accepted::Unix),
        // Nothing is TLS before it has been served.
        Socket::Tls(_) => return,
    };
    let Ok(socket) = accepted else { return };
    let dealt = Dealt {
        socket,
        ip: arrival.ip,
        entry: arrival.entry,
        place: arrival.place,
    };
    if let Err(error) = tables.senders[to].try_send(dealt) {
        take(error.into_inner(), serve);
    }
}

/// Serves what other threads deal to this one, until the last of them ends.
pub async fn take_dealt(mut dealt: mpsc::Receiver<Dealt>, serve: impl Fn(Arrival)) {
    while let Some(dealt) = dealt.recv().await {
        take(dealt, &serve);
    }
}

fn take(dealt: Dealt, serve: &impl Fn(Arrival)) {
    let socket = match dealt.socket {
        Accepted::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
        Accepted::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
    };
    match socket {
        Ok(socket) => serve(Arrival {
            socket,
            ip: dealt.ip,
            entry: dealt.entry,
            place: dealt.place,
        }),
        Err(error) => tracing::warn!(%error, "cannot take over a connection"),
    }
}

/// One connection too many gets a 503 and is closed.
fn refuse(socket: &Socket) {
    let code = crate::explain::code::Code::TooManyConnections;
    let words = format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
         proxy-status: autoheal; error={}; details=\"{}\"\r\ncontent-length: 0\r\n\r\n",
        code.proxy_error(),
        code.number(),
    );
    let written = match socket {
        Socket::Tcp(stream) => stream.try_write(words.as_bytes()),
        Socket::Unix(stream) => stream.try_write(words.as_bytes()),
        Socket::Tls(_) => return,
    };
    // Who does not read them has left.
    drop(written);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_sends_small_pieces_at_once() {
        let address = ([127, 0, 0, 1], 0).into();
        let Bound::Tcp(listener) = Listening::tcp(address, Entry::default()).unwrap().bound else {
            panic!("a TCP address");
        };
        listener.set_nonblocking(false).unwrap();
        let _client = StdTcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(listener.accept().unwrap().0.nodelay().unwrap());
    }
}
