//! Who listens on which TCP port.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::procfs::Proc;

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// The addresses that these processes listen on, in order and without repetition. They are taken
/// to share a network namespace, the first one's. Reads at most [`MAX_DESCRIPTORS`] of each.
#[must_use]
pub fn listening(proc: &Proc, pids: &[u32]) -> Vec<SocketAddr> {
    let Some(first) = pids.first() else {
        return Vec::new();
    };
    let listeners = listeners(proc, *first);
    let own: BTreeSet<u64> = pids.iter().flat_map(|pid| sockets_of(proc, *pid)).collect();
    let found: BTreeSet<_> = listeners
        .iter()
        .filter(|(inode, _)| own.contains(inode))
        .map(|(_, address)| *address)
        .collect();
    found.into_iter().collect()
}

/// Who listens on a port, on any address. `None`: nobody, or another user whose processes may not
/// be looked into.
#[must_use]
pub fn owner(proc: &Proc, port: u16) -> Option<Owner> {
    let wanted: BTreeSet<u64> = listeners(proc, std::process::id())
        .into_iter()
        .filter(|(_, address)| address.port() == port)
        .map(|(inode, _)| inode)
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let pid = proc
        .pids()
        .ok()?
        .find(|pid| sockets_of(proc, *pid).any(|inode| wanted.contains(&inode)))?;
    let name = proc.name(pid).unwrap_or_else(|| "unknown".into());
    Some(Owner { pid, name })
}

/// How many TCP connections these processes have open, as [`listening`] finds listeners. `None`: no
/// process may be looked into.
#[must_use]
pub fn connections(proc: &Proc, pids: &[u32]) -> Option<u64> {
    let readable = |pid: &&u32| fs::read_dir(proc.file(**pid, "fd")).is_ok();
    let first = pids.iter().find(readable)?;
    let own: BTreeSet<u64> = pids.iter().flat_map(|pid| sockets_of(proc, *pid)).collect();
    let tables = tables(proc, *first);
    let open = tables.lines().filter_map(parse_connection);
    Some(open.filter(|inode| own.contains(inode)).count() as u64)
}

/// The most descriptors of one process that are looked at.
pub const MAX_DESCRIPTORS: usize = 16 * 1024;

/// All listening sockets of a process's network namespace, by inode.
fn listeners(proc: &Proc, pid: u32) -> BTreeMap<u64, SocketAddr> {
    let tables = tables(proc, pid);
    tables.lines().filter_map(parse_listener).collect()
}

/// The sockets that listen at an address of a process's network namespace, those that listen on
/// every interface included: by inode, with the user who made each.
pub(super) fn listening_at(proc: &Proc, pid: u32, at: SocketAddr) -> BTreeMap<u64, Option<u32>> {
    let tables = tables(proc, pid);
    let found = tables.lines().filter_map(|line| {
        let (inode, address) = parse_listener(line)?;
        let ip = address.ip().to_canonical();
        let here = address.port() == at.port() && (ip == at.ip() || ip.is_unspecified());
        let user = line.split_ascii_whitespace().nth(7)?.parse().ok();
        here.then_some((inode, user))
    });
    found.collect()
}

/// The TCP sockets of a process's network namespace.
fn tables(proc: &Proc, pid: u32) -> String {
    ["net/tcp", "net/tcp6"]
        .iter()
        .filter_map(|name| fs::read_to_string(proc.file(pid, name)).ok())
        .collect()
}

pub(super) fn sockets_of(proc: &Proc, pid: u32) -> impl Iterator<Item = u64> + use<> {
    fs::read_dir(proc.file(pid, "fd"))
        .into_iter()
        .flatten()
        .take(MAX_DESCRIPTORS)
        .filter_map(|entry| {
            let target = fs::read_link(entry.ok()?.path()).ok()?;
            let inode = target.to_str()?.strip_prefix("socket:[")?;
            inode.strip_suffix(']')?.parse().ok()
        })
}

const LISTEN: &str = "0A";

/// The socket of a line, unless it only listens.
fn parse_connection(line: &str) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    let state = fields.nth(3).filter(|state| state.len() == 2)?;
    let inode = fields.nth(5)?.parse().ok()?;
    (state != LISTEN).then_some(inode)
}

/// Reads a line of proc_net_tcp(5): `sl local_address rem_address st ... uid timeout inode`.
fn parse_listener(line: &str) -> Option<(u64, SocketAddr)> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    Some((inode, parse_address(local)?))
}

/// An address as the kernel prints it: 32-bit words in the machine's byte order, then the port.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let word = u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(u32::from_be_bytes(word.to_ne_bytes()))
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let high = u64::from(word(0)?) << 32 | u64::from(word(1)?);
            let low = u64::from(word(2)?) << 32 | u64::from(word(3)?);
            IpAddr::V6(Ipv6Addr::from(u128::from(high) << 64 | u128::from(low)))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn our_own_listeners_are_found_by_process_and_by_port() {
        let proc = Proc::default();
        let me = std::process::id();
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = four.local_addr().unwrap();
        assert!(listening(&proc, &[me]).contains(&address));
        if let Ok(six) = TcpListener::bind("[::1]:0") {
            assert!(listening(&proc, &[me]).contains(&six.local_addr().unwrap()));
        }
        let owner = owner(&proc, address.port()).unwrap();
        assert_eq!(owner.pid, me);
        assert!(
            owner.to_string().ends_with(&format!("(pid {me})")),
            "{owner}"
        );
    }

    #[test]
    fn a_port_that_nobody_listens_on_has_no_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert_eq!(owner(&Proc::default(), port), None);
        assert_eq!(listening(&Proc::default(), &[]), []);
    }

    #[test]
    fn only_listening_sockets_count() {
        let line = |state| {
            format!(
                "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 \
                 00000000  1000        0 4242 1 0000000000000000 100 0 0 10 0"
            )
        };
        let expected = (4242, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(parse_listener(&line("0A")), Some(expected));
        assert_eq!(parse_listener(&line("01")), None);
        assert_eq!(parse_connection(&line("01")), Some(4242));
        assert_eq!(parse_connection(&line("0A")), None);
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(line in "[ 0-9A-Fa-f:é]{0,160}") {
            let _ = (parse_listener(&line), parse_connection(&line));
            let _ = parse_address(&line);
        }
    }
}
