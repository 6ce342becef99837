//! Who made a connection, in the words that a request's head has for it.

use std::{net::IpAddr, rc::Rc};

use bytes::Bytes;
use http::HeaderValue;

use crate::{proxy::Peer, tls::shown::Shown};

/// Who the worker is told of. `ip`: `None` for a unix socket. `shown`: its certificate, if it was
/// asked for one.
pub(super) fn peer(ip: Option<IpAddr>, scheme: &'static str, shown: Option<Shown>) -> Peer {
    // An IPv4 client of a dual-stack socket is an IPv4 client.
    let ip = ip.map(|ip| ip.to_canonical());
    Peer {
        ip,
        value: ip.map_or(HeaderValue::from_static("unknown"), address),
        scheme: HeaderValue::from_static(scheme),
        shown: shown.map(Rc::new),
    }
}

/// An address as a field value. IPv4's is written by hand: it is written for each connection.
fn address(ip: IpAddr) -> HeaderValue {
    let text = match ip {
        IpAddr::V4(ip) => {
            let mut text = Vec::with_capacity(15);
            for part in ip.octets() {
                text.extend((part >= 100).then_some(b'0' + part / 100));
                text.extend((part >= 10).then_some(b'0' + part / 10 % 10));
                text.extend([b'0' + part % 10, b'.']);
            }
            text.pop();
            text
        }
        IpAddr::V6(ip) => ip.to_string().into_bytes(),
    };
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_everybody_writes_it() {
        for octet in 0..=255u8 {
            let ip = IpAddr::from([octet, 255 - octet, octet / 3, 9]);
            assert_eq!(address(ip).as_bytes(), ip.to_string().as_bytes());
        }
        let peer = peer("::ffff:192.0.2.10".parse().ok(), "http", None);
        assert_eq!(peer.value, "192.0.2.10");
        assert_eq!(address("2001:db8::1".parse().unwrap()), "2001:db8::1");
    }
}
