//! Who asked, under which id, and as a part of which trace: what is passed on and what is replaced.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};

use super::request::Peer;
use crate::tls::spec::Told;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Tells the worker who asked: appends to what a trusted peer says, replaces anyone else's word.
/// `host`: which host was asked. `said`: there is such a word. `standard`: it is told in RFC 7239's
/// words too.
pub(super) fn forwarded(
    headers: &mut HeaderMap,
    host: Option<HeaderValue>,
    peer: &Peer,
    (said, trusted, standard): (bool, bool, bool),
) {
    if said && !trusted {
        headers.remove(FORWARDED);
        headers.remove(X_FORWARDED_HOST);
    }
    if standard {
        let element = element(peer, host.as_ref());
        append(headers, FORWARDED, &element);
    }
    if said && trusted {
        append(headers, X_FORWARDED_FOR, &peer.value);
        if !headers.contains_key(X_FORWARDED_PROTO) {
            headers.insert(X_FORWARDED_PROTO, peer.scheme.clone());
        }
        if let (false, Some(host)) = (headers.contains_key(X_FORWARDED_HOST), host) {
            headers.insert(X_FORWARDED_HOST, host);
        }
        return;
    }
    headers.insert(X_FORWARDED_FOR, peer.value.clone());
    headers.insert(X_FORWARDED_PROTO, peer.scheme.clone());
    if let Some(host) = host {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

/// Tells the worker of the certificate that the client has shown here. What the request says of one
/// is believed only of a trusted peer, and only where none is asked for here. `said`: there is such
/// a word.
pub(super) fn certificate(headers: &mut HeaderMap, peer: &Peer, (said, trusted): (bool, bool)) {
    if said && (peer.shown.is_some() || !trusted) {
        for told in Told::ALL {
            headers.remove(told.name());
        }
    }
    for (name, value) in peer.shown.iter().flat_map(|shown| &shown.fields) {
        headers.insert(name.clone(), value.clone());
    }
}

/// Who asks, as far as those say who are trusted: the nearest address that is not one of theirs.
/// `None`: only they are seen. The last address of the fields is the peer's own.
#[must_use]
pub(super) fn asker(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted: &dyn Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    if let Some(ip) = peer.filter(|ip| !trusted(*ip)) {
        return Some(ip);
    }
    let fields = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let words = fields.filter_map(|field| field.to_str().ok());
    let said = words.flat_map(|words| words.rsplit(',')).skip(1);
    for word in said.map(str::trim) {
        let ip = word.parse::<IpAddr>().ok();
        // Some say the port too.
        let ip = ip.or_else(|| Some(word.parse::<SocketAddr>().ok()?.ip()))?;
        if !trusted(ip.to_canonical()) {
            return Some(ip);
        }
    }
    None
}

/// Our element of Forwarded (RFC 7239 sections 4 and 6): an IPv6 address stands in brackets and
/// quotes, and so does a host with its port. A host that was let in has no quote in it.
fn element(peer: &Peer, host: Option<&HeaderValue>) -> HeaderValue {
    let who = peer.value.as_bytes();
    let mut text = Vec::with_capacity(96);
    let quoted = who.contains(&b':');
    text.extend_from_slice(if quoted { b"for=\"[" } else { b"for=" });
    text.extend_from_slice(who);
    text.extend_from_slice(if quoted { b"]\"" } else { b"" });
    if let Some(host) = host {
        text.extend_from_slice(b";host=\"");
        text.extend_from_slice(host.as_bytes());
        text.push(b'"');
    }
    text.extend_from_slice(b";proto=");
    text.extend_from_slice(peer.scheme.as_bytes());
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("for=unknown"))
}

/// A request id of sixteen hexadecimal digits.
pub(super) fn nth_id(number: u64) -> HeaderValue {
    // An odd multiplier is a bijection on 64 bits: ids look random and don't repeat.
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    let mut text = [0; 16];
    for (at, digit) in text.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(mixed >> (60 - 4 * at) & 15) as usize];
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

/// Makes all values of a list, and one more, one value.
fn append(headers: &mut HeaderMap, name: HeaderName, one: &HeaderValue) {
    let mut list = Vec::new();
    for value in headers.get_all(&name) {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(one.as_bytes());
    let value = HeaderValue::from_bytes(&list).unwrap_or_else(|_| one.clone());
    headers.insert(name, value);
}

/// A request id that we did not make may be at most 64 safe characters.
pub(super) fn is_acceptable_id(headers: &HeaderMap) -> bool {
    let mut ids = headers.get_all(X_REQUEST_ID).iter();
    let safe = |b: &u8| b.is_ascii_alphanumeric() || b"-_.=+/:@".contains(b);
    match (ids.next(), ids.next()) {
        (Some(id), None) => !id.is_empty() && id.len() <= 64 && id.as_bytes().iter().all(safe),
        _ => false,
    }
}

/// Whether the request is a part of a trace (W3C Trace Context, section 3.2). We add no span of our
/// own, so that it is passed on as it came, with its tracestate: a new parent would be one that no
/// collector ever sees.
pub(super) fn is_trace(headers: &HeaderMap) -> bool {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    match (parents.next(), parents.next()) {
        (Some(parent), None) => is_parent(parent.as_bytes()),
        _ => false,
    }
}

/// What can't be read is passed on to nobody, and its state neither.
pub(super) fn forget_trace(headers: &mut HeaderMap) {
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
}

/// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`; later versions may be longer.
fn is_parent(parent: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let Some((known, more)) = parent.split_first_chunk::<55>() else {
        return false;
    };
    let (version, trace, span, flags) = (&known[..2], &known[3..35], &known[36..52], &known[53..]);
    let longer = more.is_empty() || (version != b"00" && more[0] == b'-');
    let parts = [version, trace, span, flags];
    known[2] == b'-'
        && known[35] == b'-'
        && known[52] == b'-'
        && longer
        && version != b"ff"
        && parts.into_iter().all(hex)
        && [trace, span]
            .into_iter()
            .all(|id| id.iter().any(|b| *b != b'0'))
}

#[cfg(test)]
mod tests {
    use http::header::HOST;

    use super::*;

    fn peer(address: &str) -> Peer {
        Peer {
            ip: address.parse().ok(),
            value: HeaderValue::from_str(address).unwrap(),
            scheme: HeaderValue::from_static("https"),
            shown: None,
        }
    }

    fn told(address: &str, said: Option<&str>, trusted: bool) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("a:8080"));
        if let Some(said) = said {
            headers.insert(FORWARDED, HeaderValue::from_str(said).unwrap());
        }
        let host = headers.get(HOST).cloned();
        let told = (said.is_some(), trusted, true);
        forwarded(&mut headers, host, &peer(address), told);
        headers[FORWARDED].clone()
    }

    #[test]
    fn forwarded_says_who_asked_for_which_host_and_how() {
        assert_eq!(
            told("192.0.2.7", None, false),
            "for=192.0.2.7;host=\"a:8080\";proto=https"
        );
        assert_eq!(
            told("2001:db8::7", Some("for=evil"), false),
            "for=\"[2001:db8::7]\";host=\"a:8080\";proto=https"
        );
        assert_eq!(
            told("unknown", Some("for=192.0.2.1"), true),
            "for=192.0.2.1, for=unknown;host=\"a:8080\";proto=https"
        );
    }

    #[test]
    fn who_asks_is_the_nearest_that_is_no_proxy_of_ours() {
        let trusted = |ip: IpAddr| ip.to_string().starts_with("10.");
        let asks = |peer: Option<&str>, said: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for said in said {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_static(said));
            }
            let peer = peer.map(|ip| ip.parse().unwrap());
            asker(peer, &headers, &trusted).map(|ip| ip.to_string())
        };
        let who = Some("203.0.113.9".to_owned());
        assert_eq!(
            asks(Some("203.0.113.9"), &["198.51.100.1, 203.0.113.9"]),
            who
        );
        assert_eq!(asks(Some("10.0.0.1"), &["203.0.113.9, 10.0.0.1"]), who);
        assert_eq!(
            asks(
                Some("10.0.0.1"),
                &["6.6.6.6, 203.0.113.9:80, 10.0.0.2, 10.0.0.1"]
            ),
            who
        );
        assert_eq!(
            asks(Some("10.0.0.1"), &["6.6.6.6", "203.0.113.9", "10.0.0.1"]),
            who
        );
        assert_eq!(asks(None, &["203.0.113.9, unknown"]), who, "a Unix socket");
        for said in ["10.0.0.1", "10.0.0.2, 10.0.0.1", "6.6.6.6, shop, 10.0.0.1"] {
            assert_eq!(asks(Some("10.0.0.1"), &[said]), None, "{said}");
        }
    }

    #[test]
    fn a_trace_is_one_parent_that_can_be_read() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_parent(good.as_bytes()));
        assert!(is_parent(
            format!("01{}-what-comes-later", &good[2..]).as_bytes()
        ));
        for bad in [
            &good[1..],
            &format!("{good}-more"),
            &format!("ff{}", &good[2..]),
            &format!("01{}more", &good[2..]),
            &good.to_uppercase(),
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &good.replace("b7ad6b7169203331", &"0".repeat(16)),
            &good.replace('-', "_"),
            "",
        ] {
            assert!(!is_parent(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn two_parents_are_none() {
        let parent =
            HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, parent.clone());
        assert!(is_trace(&headers));
        headers.append(TRACEPARENT, parent);
        headers.append(TRACESTATE, HeaderValue::from_static("a=1"));
        assert!(!is_trace(&headers));
        forget_trace(&mut headers);
        assert!(headers.is_empty());
    }
}
