//! Who listens at a place: the sockets there, and the processes that hold them.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    procfs::{Identity, Proc},
    sockets::{listening_at, sockets_of},
};

/// Where something listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a TCP port of this machine.
    Tcp(SocketAddr),
    /// On a Unix socket, by the path that it was bound to.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What listens at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    /// The sockets by inode, and whose each is, where that can be seen.
    pub sockets: BTreeMap<u64, Option<u32>>,
    /// The processes that have one of them open, as far as they may be looked into.
    pub holders: Vec<Holder>,
}

/// A process that has a listening socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Which.
    pub who: Identity,
    /// Its parent.
    pub parent: u32,
    /// The name of its program.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.who.pid)
    }
}

/// Looks for who listens at a place of this process's network namespace. Processes are looked
/// into only if something listens there at all.
#[must_use]
pub fn listeners(proc: &Proc, place: &Place) -> Listeners {
    let me = std::process::id();
    let sockets = match place {
        Place::Tcp(address) => listening_at(proc, me, *address),
        Place::Unix(path) => unix_at(proc, me, path),
    };
    if sockets.is_empty() {
        return Listeners::default();
    }
    let holds = |pid: &u32| sockets_of(proc, *pid).any(|inode| sockets.contains_key(&inode));
    let pids = proc.pids().into_iter().flatten().filter(holds);
    let holders = pids.filter_map(|pid| holder(proc, pid)).collect();
    Listeners { sockets, holders }
}

/// A process as a holder would be told; `None`: it is gone, or has ended.
#[must_use]
pub fn holder(proc: &Proc, pid: u32) -> Option<Holder> {
    let stat = proc.stat(pid).ok().filter(|stat| !stat.is_zombie())?;
    let who = Identity {
        pid,
        start_ticks: stat.start_ticks,
    };
    Some(Holder {
        who,
        parent: stat.parent,
        name: stat.comm,
    })
}

/// The listening Unix sockets that were bound to a path.
fn unix_at(proc: &Proc, pid: u32, path: &Path) -> BTreeMap<u64, Option<u32>> {
    let table = fs::read(proc.file(pid, "net/unix")).unwrap_or_default();
    let table = String::from_utf8_lossy(&table);
    let user = fs::metadata(path).ok().map(|file| file.uid());
    let wanted = path.to_string_lossy();
    let found = table.lines().filter_map(parse_unix);
    let here = found.filter(|(_, bound)| *bound == wanted);
    here.map(|(inode, _)| (inode, user)).collect()
}

/// Reads a line of /proc/net/unix, `Num RefCount Protocol Flags Type St Inode Path`, if its socket
/// listens: its inode and path.
fn parse_unix(line: &str) -> Option<(u64, &str)> {
    /// `__SO_ACCEPTCON`.
    const LISTENS: u32 = 0x10000;
    let mut rest = line;
    let mut fields = [""; 7];
    for field in &mut fields {
        rest = rest.trim_start();
        let end = rest.find(' ').unwrap_or(rest.len());
        (*field, rest) = rest.split_at(end);
    }
    let flags = u32::from_str_radix(fields[3], 16).ok()?;
    let path = rest.strip_prefix(' ')?;
    (flags & LISTENS != 0).then_some((fields[6].parse().ok()?, path))
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, TcpListener},
        os::unix::net::UnixListener,
    };

    use proptest::prelude::*;

    use super::*;

    fn mine(found: &Listeners) -> bool {
        let me = std::process::id();
        let mut holders = found.holders.iter();
        holders.any(|holder| holder.who.pid == me)
    }

    #[test]
    fn who_listens_on_a_port_is_found_with_its_user() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let place = Place::Tcp(listener.local_addr().unwrap());
        let found = listeners(&Proc::default(), &place);
        assert!(mine(&found), "{found:?}");
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(
            found.sockets.values().copied().collect::<Vec<_>>(),
            [Some(own)]
        );
    }

    #[test]
    fn who_listens_on_every_interface_listens_on_each() {
        for address in ["0.0.0.0:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                assert!(address.starts_with('['), "{address}");
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let place = Place::Tcp((Ipv4Addr::LOCALHOST, port).into());
            assert!(mine(&listeners(&Proc::default(), &place)), "{address}");
        }
    }

    #[test]
    fn who_listens_on_a_unix_socket_is_found_by_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a socket");
        assert_eq!(
            listeners(&Proc::default(), &Place::Unix(path.clone())),
            Listeners::default()
        );
        let listener = UnixListener::bind(&path).unwrap();
        let found = listeners(&Proc::default(), &Place::Unix(path.clone()));
        assert!(mine(&found), "{found:?}");
        drop(listener);
        let found = listeners(&Proc::default(), &Place::Unix(path));
        assert_eq!(found, Listeners::default(), "a file alone is nobody");
    }

    #[test]
    fn only_a_unix_socket_that_listens_counts() {
        let line = |flags| format!("0000000000000000: 00000002 00000000 {flags} 0001 01 4242 /a b");
        assert_eq!(parse_unix(&line("00010000")), Some((4242, "/a b")));
        assert_eq!(parse_unix(&line("00000000")), None);
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(line in "[ 0-9a-f:/é]{0,80}") {
            let _ = parse_unix(&line);
        }
    }
}
