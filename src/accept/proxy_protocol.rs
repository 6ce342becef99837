//! The PROXY protocol, versions 1 and 2: what stands before autoheal says whose connection it is.
//!
//! Pure but for [`read`]. No byte behind the header is read: what follows is the client's.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    rc::Rc,
};

use tokio::io::AsyncReadExt;

use super::{client_io::ClientIo, io::Shared};

/// How the header of version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// No header of version 1 is longer, in bytes.
const LINE_MAX: usize = 107;
/// No header of either version is shorter.
const SHORTEST: usize = 15;
/// A header of version 2 up to its addresses.
const FIXED: usize = 16;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// That of whoever made it: a health check of the one before us, or it does not know.
    Peer,
    /// This client's.
    Client(IpAddr),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// So many more bytes belong to the header, at least.
    Read(usize),
    /// The header is complete.
    Done(Source),
}

/// These bytes are no header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no PROXY protocol header")]
pub struct Malformed;

/// Takes the header off a connection.
///
/// # Errors
/// When the connection does not begin with one, or ends within it.
pub async fn read(shared: &Rc<Shared>) -> io::Result<Source> {
    let mut seen = Vec::with_capacity(LINE_MAX);
    let mut io = ClientIo(shared.clone());
    loop {
        match next(&seen).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
            Next::Done(source) => return Ok(source),
            Next::Read(count) => {
                let from = seen.len();
                seen.resize(from + count, 0);
                io.read_exact(&mut seen[from..]).await?;
            }
        }
    }
}

fn next(seen: &[u8]) -> Result<Next, Malformed> {
    if seen.len() < SHORTEST {
        return Ok(Next::Read(SHORTEST - seen.len()));
    }
    if seen.starts_with(&SIGNATURE) {
        return next_of_version_2(seen);
    }
    if !seen.starts_with(b"PROXY ") {
        return Err(Malformed);
    }
    if let Some(line) = seen.strip_suffix(b"\r\n") {
        return line_of_version_1(line).map(Next::Done);
    }
    // A line feed anywhere else would let us read on into what is the client's.
    if seen.contains(&b'\n') || seen.len() >= LINE_MAX {
        return Err(Malformed);
    }
    Ok(Next::Read(if seen.ends_with(b"\r") { 1 } else { 2 }))
}

fn line_of_version_1(line: &[u8]) -> Result<Source, Malformed> {
    let text = str::from_utf8(line).map_err(|_| Malformed)?;
    let mut words = text.split(' ').skip(1);
    let source = match words.next() {
        // What follows means nothing.
        Some("UNKNOWN") => return Ok(Source::Peer),
        Some("TCP4") => two_addresses::<Ipv4Addr>(&mut words)?.into(),
        Some("TCP6") => two_addresses::<Ipv6Addr>(&mut words)?.into(),
        _ => return Err(Malformed),
    };
    let ports = [words.next(), words.next()];
    let good = |port: &Option<&str>| port.is_some_and(|port| port.parse::<u16>().is_ok());
    if !ports.iter().all(good) || words.next().is_some() {
        return Err(Malformed);
    }
    Ok(Source::Client(source))
}

fn two_addresses<'a, A: std::str::FromStr>(
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<A, Malformed> {
    let mut one = || -> Result<A, Malformed> {
        let word = words.next().ok_or(Malformed)?;
        word.parse().map_err(|_| Malformed)
    };
    let source = one()?;
    one()?;
    Ok(source)
}

fn next_of_version_2(seen: &[u8]) -> Result<Next, Malformed> {
    let Some((fixed, rest)) = seen.split_first_chunk::<FIXED>() else {
        return Ok(Next::Read(FIXED - seen.len()));
    };
    let [command, family] = [fixed[12], fixed[13]];
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if !matches!(command, 0x20 | 0x21) {
        return Err(Malformed);
    }
    if rest.len() < length {
        return Ok(Next::Read(length - rest.len()));
    }
    // What follows the addresses (TLVs) is passed over.
    let source = match (command, family) {
        (0x21, 0x11) => {
            let both = rest.first_chunk::<12>().ok_or(Malformed)?;
            let source = both.first_chunk::<4>().ok_or(Malformed)?;
            Source::Client(Ipv4Addr::from(*source).into())
        }
        (0x21, 0x21) => {
            let both = rest.first_chunk::<36>().ok_or(Malformed)?;
            let source = both.first_chunk::<16>().ok_or(Malformed)?;
            Source::Client(Ipv6Addr::from(*source).into())
        }
        // LOCAL, and what has no IP address: the connection is its peer's.
        _ => Source::Peer,
    };
    Ok(Next::Done(source))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What reading these bytes as asked for gives, and how many were read.
    fn all(bytes: &[u8]) -> Result<(Source, usize), Malformed> {
        let mut have = 0;
        loop {
            match next(&bytes[..have])? {
                Next::Done(source) => return Ok((source, have)),
                Next::Read(count) => have += count,
            }
            if have > bytes.len() {
                return Err(Malformed);
            }
        }
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn client(text: &str) -> Source {
        Source::Client(text.parse().unwrap())
    }

    #[test]
    fn a_line_says_who_the_client_is_and_nothing_behind_it_is_read() {
        for (line, source) in [
            (
                "PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n",
                client("192.0.2.7"),
            ),
            (
                "PROXY TCP6 2001:db8::7 ::1 1 65535\r\n",
                client("2001:db8::7"),
            ),
            ("PROXY UNKNOWN\r\n", Source::Peer),
            ("PROXY UNKNOWN what ever\r\n", Source::Peer),
        ] {
            let bytes = format!("{line}GET / HTTP/1.1\r\n\r\n");
            assert_eq!(all(bytes.as_bytes()), Ok((source, line.len())), "{line}");
        }
    }

    #[test]
    fn what_is_not_quite_a_line_is_refused() {
        for line in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 56324 443 9\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 56324 66000\r\n",
            "PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            "PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\nGET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(all(line.as_bytes()), Err(Malformed), "{line}");
        }
        let endless = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        assert_eq!(all(endless.as_bytes()), Err(Malformed));
    }

    #[test]
    fn a_binary_header_says_it_too_and_its_extras_are_passed_over() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 1, 2, 3, 4];
        let mut header = version_2(0x21, 0x11, &v4);
        assert_eq!(all(&header), Ok((client("192.0.2.7"), 28)));
        let much = [&v4[..], &[0; 60_000]].concat();
        header = version_2(0x21, 0x11, &much);
        let whole = header.len();
        header.extend_from_slice(b"GET");
        assert_eq!(all(&header), Ok((client("192.0.2.7"), whole)));
        let v6 = [&[0x20; 16][..], &[0; 20]].concat();
        let said = all(&version_2(0x21, 0x21, &v6)).unwrap().0;
        assert_eq!(said, client("2020:2020:2020:2020:2020:2020:2020:2020"));
    }

    #[test]
    fn a_local_command_is_its_peers_own_connection() {
        assert_eq!(all(&version_2(0x20, 0, &[])), Ok((Source::Peer, 16)));
        assert_eq!(
            all(&version_2(0x20, 0x11, &[1; 12])),
            Ok((Source::Peer, 28))
        );
        assert_eq!(
            all(&version_2(0x21, 0x31, &[0; 216])),
            Ok((Source::Peer, 232))
        );
    }

    #[test]
    fn a_binary_header_that_contradicts_itself_is_refused() {
        assert_eq!(all(&version_2(0x21, 0x11, &[0; 11])), Err(Malformed));
        assert_eq!(all(&version_2(0x22, 0x11, &[0; 12])), Err(Malformed));
        assert_eq!(all(&version_2(0x11, 0x11, &[0; 12])), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_each_step_asks_for_some(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            signed in any::<bool>(),
        ) {
            let bytes = if signed { [&SIGNATURE[..], &bytes].concat() } else { bytes };
            if let Ok(Next::Read(count)) = next(&bytes) {
                prop_assert!(count > 0);
            }
        }
    }
}
