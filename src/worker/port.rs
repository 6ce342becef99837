//! Where the next worker listens: a fresh port, a fixed one that is free, or a fresh socket.

use std::{
    collections::VecDeque,
    fmt, fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use super::user::User;
use crate::{
    os::{procfs::Proc, sockets},
    time::MonoTime,
    words::Generation,
};

/// Hands out fresh ports. A port is not handed out again for a while: clients of the generation
/// that had it, or its own late children, must not meet the next one.
#[derive(Debug, Default)]
pub struct FreshPorts {
    recent: VecDeque<(u16, MonoTime)>,
}

/// For so long a port is not handed out again.
const REST: Duration = Duration::from_secs(60);
/// So many ports are remembered; restarts are slower than that.
const MAX_RECENT: usize = 1024;
/// So often the system is asked for another port than the one it gave.
const MAX_TRIES: usize = 64;

impl FreshPorts {
    /// A port that nobody uses, on no address of this machine.
    ///
    /// # Errors
    /// When the system has none left.
    pub fn fresh(&mut self, now: MonoTime) -> io::Result<u16> {
        while self
            .recent
            .front()
            .is_some_and(|(_, at)| now.since(*at) >= REST)
            || self.recent.len() >= MAX_RECENT
        {
            self.recent.pop_front();
        }
        // Those that were passed over stay bound until the end, so that no port is given twice.
        let mut passed_over = Vec::new();
        for _ in 0..MAX_TRIES {
            let (socket, port) = any_port()?;
            if self.recent.iter().all(|(recent, _)| *recent != port) {
                self.recent.push_back((port, now));
                return Ok(port);
            }
            passed_over.push(socket);
        }
        Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "no fresh port; widen net.ipv4.ip_local_port_range or use port = \"unix\"",
        ))
    }
}

/// Binds, without listening, to a port that is free on all addresses: a worker may choose any.
fn any_port() -> io::Result<(Socket, u16)> {
    let bind = |domain, address: SocketAddr| {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        let bound = socket.local_addr()?.as_socket();
        let port = bound.map(|address| address.port());
        Ok((socket, port.ok_or(io::ErrorKind::AddrNotAvailable)?))
    };
    bind(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, 0).into())
        .or_else(|_| bind(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, 0).into()))
}

/// A fixed port is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which.
    pub port: u16,
    /// By whom, where that can be seen: `nginx (pid 812)`.
    pub owner: Option<String>,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "port {} is in use by {owner}", self.port),
            None => write!(f, "port {} is in use", self.port),
        }
    }
}

impl std::error::Error for Taken {}

/// Proves that a worker could listen on this port of the loopback interface, as servers do:
/// connections that have ended and only linger are no hindrance. Reads /proc to name the owner
/// when it is taken, so don't call it where nothing may wait.
///
/// # Errors
/// When it is taken.
pub fn prove_free(proc: &Proc, port: u16) -> Result<(), Taken> {
    let bind = |domain, address: SocketAddr| {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        // Two sockets may share an address by SO_REUSEADDR until one of them listens.
        socket.listen(1)
    };
    let in_use = |result: io::Result<()>| {
        result.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    };
    let four = bind(Domain::IPV4, (Ipv4Addr::LOCALHOST, port).into());
    let six = bind(Domain::IPV6, (Ipv6Addr::LOCALHOST, port).into());
    if in_use(four) || in_use(six) {
        let owner = sockets::owner(proc, port).map(|owner| owner.to_string());
        return Err(Taken { port, owner });
    }
    Ok(())
}

/// A folder for the sockets that workers listen on, which nobody else can enter.
#[derive(Debug)]
pub struct SocketFolder {
    path: PathBuf,
}

/// What fits into a socket address, with its closing zero.
const MAX_SOCKET_PATH_BYTES: usize = 107;

impl SocketFolder {
    /// Makes the folder if it is not there, for `user` if workers run as another one than we.
    ///
    /// # Errors
    /// When it can't be made, or sockets in it would have names that are too long.
    pub fn open(path: impl Into<PathBuf>, user: Option<User>) -> io::Result<Self> {
        let path = path.into();
        let folder = Self { path };
        let longest = folder.name(Generation(u32::MAX));
        if longest.as_os_str().as_bytes().len() > MAX_SOCKET_PATH_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{} is too long for a socket's path (107 bytes); use a shorter state_dir or \
                     port = \"auto\"",
                    longest.display()
                ),
            ));
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder.path)?;
        fs::set_permissions(&folder.path, fs::Permissions::from_mode(0o700))?;
        if let Some(user) = user {
            chown(&folder.path, Some(user.uid), Some(user.gid))?;
        }
        Ok(folder)
    }

    /// The path for a generation's socket; a stale file there is removed.
    ///
    /// # Errors
    /// When something there can't be removed.
    pub fn socket(&self, generation: Generation) -> io::Result<PathBuf> {
        let path = self.name(generation);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(path),
        }
    }

    /// Removes a generation's socket once it is gone.
    pub fn remove(&self, generation: Generation) {
        drop(fs::remove_file(self.name(generation)));
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn name(&self, generation: Generation) -> PathBuf {
        self.path.join(format!("worker-{generation}.sock"))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::TcpListener, os::unix::net::UnixListener};

    use super::*;

    #[test]
    fn a_port_rests_before_it_is_handed_out_again() {
        let mut ports = FreshPorts::default();
        let handed_out: HashSet<u16> = (0..200)
            .map(|n| ports.fresh(MonoTime::from_millis(n)).unwrap())
            .collect();
        assert_eq!(handed_out.len(), 200);
        assert!(
            handed_out
                .iter()
                .all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        );
        ports.fresh(MonoTime::from_millis(60_199)).unwrap();
        assert_eq!(ports.recent.len(), 1);
    }

    #[test]
    fn memory_of_ports_is_bounded() {
        let recent = (0..MAX_RECENT).map(|_| (1, MonoTime::ZERO)).collect();
        let mut ports = FreshPorts { recent };
        ports.fresh(MonoTime::ZERO).unwrap();
        assert_eq!(ports.recent.len(), MAX_RECENT);
    }

    /// Whether a port is free once `use_it` has let go of it. Anyone may take it at that moment, so
    /// one of a few must be.
    fn leaves_free(use_it: impl Fn() -> u16) -> bool {
        (0..10).any(|_| prove_free(&Proc::default(), use_it()) == Ok(()))
    }

    #[test]
    fn a_taken_port_is_told_with_its_owner() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            if TcpListener::bind(address).is_err() {
                assert!(address.starts_with('['), "{address}");
                continue;
            }
            let take = || {
                let listener = TcpListener::bind(address).unwrap();
                let port = listener.local_addr().unwrap().port();
                let taken = prove_free(&Proc::default(), port).unwrap_err();
                let me = format!("(pid {})", std::process::id());
                assert!(taken.owner.as_ref().unwrap().ends_with(&me), "{taken}");
                port
            };
            assert!(leaves_free(take), "{address}");
        }
    }

    #[test]
    fn lingering_connections_leave_a_port_free() {
        let linger = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let client = std::net::TcpStream::connect(address).unwrap();
            let (served, _) = listener.accept().unwrap();
            // Who closes first lingers: the server, on its port.
            drop(served);
            drop(client);
            address.port()
        };
        assert!(leaves_free(linger));
    }

    #[test]
    fn a_stale_socket_is_removed_and_the_folder_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let folder = SocketFolder::open(dir.path().join("run/workers"), None).unwrap();
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let path = folder.socket(Generation(7)).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert_eq!(folder.socket(Generation(7)).unwrap(), path);
        assert!(!path.exists());
        drop(UnixListener::bind(&path).unwrap());
        folder.remove(Generation(7));
        assert!(!path.exists());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_told_before_the_worker_meets_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = SocketFolder::open(dir.path().join("x".repeat(90)), None).unwrap_err();
        assert!(error.to_string().contains("107 bytes"), "{error}");
    }
}
