//! The request head on its way to the worker: what is refused, removed, and added
//! (RFC 9110 section 7.6, RFC 9112 sections 3 and 6).

mod seen;

use std::{net::IpAddr, rc::Rc, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE, VIA,
    },
    request::Parts,
};

use self::seen::Seen;
use super::{
    affinity, extended, grpc,
    identity::{self, X_REQUEST_ID},
    thread::Settings,
};
use crate::{admit::wish::Token, explain::code::Code, tls::shown::Shown};

/// How often a request may come back through us before it is taken for a loop.
const LOOPS_MAX: usize = 3;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Who sent the request, as far as its head must tell the worker.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address; `None` for a unix socket.
    pub ip: Option<IpAddr>,
    /// The address as a field value; `unknown` for a unix socket.
    pub value: HeaderValue,
    /// The scheme the client used.
    pub scheme: HeaderValue,
    /// Its certificate, if it was asked for one.
    pub shown: Option<Rc<Shown>>,
}

impl Peer {
    /// Its address, and the subject of the certificate that it has shown.
    #[must_use]
    pub fn known_by(&self) -> (Option<IpAddr>, Option<&str>) {
        let subject = self
            .shown
            .as_ref()
            .and_then(|shown| shown.subject.as_deref());
        (self.ip, subject)
    }
}

/// What the head said that the rest of the path must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// It has come through us before: it must never be parked.
    pub came_back: bool,
    /// About so many bytes: what parking it costs.
    pub bytes: u64,
    /// It asks for a WebSocket.
    pub websocket: bool,
    /// It asks for it on a stream of HTTP/2, where no other answer than that is a success.
    pub connect: bool,
    /// It is a call of gRPC.
    pub call: bool,
    /// How long its client waits, if it said so.
    pub patience: Option<Duration>,
    /// The instance that its session is at.
    pub wants: Option<Token>,
}

/// Checks a request head as it came and makes it the one that the worker gets.
///
/// # Errors
/// The code of the answer, when the request may not be sent on.
pub fn prepare(
    head: &mut Parts,
    peer: &Peer,
    settings: &Settings,
    id: impl FnOnce() -> HeaderValue,
) -> Result<Noted, Code> {
    let connect = head.method == Method::CONNECT;
    if connect {
        extended::check(head)?;
        head.method = Method::GET;
    } else if head.method == Method::TRACE {
        return Err(Code::MethodNotForwarded);
    }
    let many = head.version == Version::HTTP_2;
    let mut seen = Seen::look(&head.headers);
    if many {
        of_http2(head, &seen)?;
    }
    if head.headers.len() > settings.fields_max
        || seen.bytes + head.uri.path().len() > settings.head_max
    {
        return Err(Code::HeadTooLarge);
    }
    check_framing(head, &seen)?;
    check_target(head, &mut seen.host, settings.target_max)?;
    check_host(head.version, &seen)?;
    if seen.expect {
        match head.headers.remove(EXPECT) {
            Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => {}
            _ => return Err(Code::ExpectationFailed),
        }
    }
    let bytes = (seen.bytes + head.uri.path().len() + 512) as u64;
    let noted = Noted {
        came_back: seen.via && came_back(&head.headers, &settings.via)?,
        bytes,
        websocket: connect || (seen.upgrade && asks_for_websocket(head)),
        connect,
        call: seen.call,
        patience: seen
            .patience
            .then(|| grpc::patience(&head.headers))
            .flatten(),
        wants: (settings.affinity.as_ref().filter(|_| seen.cookies > 0))
            .and_then(|cookie| affinity::take(&mut head.headers, cookie)),
    };
    remove_hop_by_hop(&mut head.headers, &seen);
    if noted.websocket {
        switch(&mut head.headers);
    }
    if connect {
        extended::ask(&mut head.headers);
    }
    let trusted = peer.ip.is_none_or(|ip| {
        (seen.forwarded || seen.request_id || seen.certificate) && (settings.trusted)(ip)
    });
    let standard = settings.forwarded;
    let told = (seen.forwarded, trusted, standard);
    identity::forwarded(&mut head.headers, seen.host, peer, told);
    identity::certificate(&mut head.headers, peer, (seen.certificate, trusted));
    if seen.trace && !identity::is_trace(&head.headers) {
        identity::forget_trace(&mut head.headers);
    }
    head.headers
        .append(VIA, settings.via[usize::from(many)].clone());
    if !(seen.request_id && trusted && identity::is_acceptable_id(&head.headers)) {
        head.headers.insert(X_REQUEST_ID, id());
    }
    head.version = Version::HTTP_11;
    Ok(noted)
}

/// RFC 9113 sections 8.2 and 8.3: what is left to us of HTTP/2's rules, and one Cookie of many.
fn of_http2(head: &mut Parts, seen: &Seen) -> Result<(), Code> {
    if seen.edged {
        return Err(Code::BadField);
    }
    if let (Some(authority), Some(host)) = (head.uri.authority(), head.headers.get(HOST))
        && !authority
            .as_str()
            .as_bytes()
            .eq_ignore_ascii_case(host.as_bytes())
    {
        return Err(Code::BadHost);
    }
    if seen.cookies > 1 {
        let crumbs = head.headers.get_all(COOKIE).iter();
        let crumbs: Vec<&[u8]> = crumbs.map(HeaderValue::as_bytes).collect();
        let whole = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
        head.headers
            .insert(COOKIE, whole.map_err(|_| Code::BadField)?);
    }
    Ok(())
}

/// RFC 6455 section 4.1. Other protocols are not for a reverse proxy to switch to: a request that
/// asks for them is answered as if it did not (RFC 9110 section 7.8).
fn asks_for_websocket(head: &Parts) -> bool {
    let names = |name: HeaderName, wanted: &[u8]| {
        let values = head.headers.get_all(name).iter();
        let mut tokens = values.flat_map(|value| value.as_bytes().split(|b| *b == b','));
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    let bodiless = !head.headers.contains_key(TRANSFER_ENCODING)
        && head
            .headers
            .get(CONTENT_LENGTH)
            .is_none_or(|length| length == "0");
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && bodiless
        && names(CONNECTION, b"upgrade")
        && names(UPGRADE, b"websocket")
}

/// Says that the connection switches to a WebSocket, or is asked to.
pub(super) fn switch(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Takes the wish for another protocol out of a prepared request.
pub fn stay(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(UPGRADE);
}

/// RFC 9112 section 6: a length that could be read in two ways is refused.
fn check_framing(head: &mut Parts, seen: &Seen) -> Result<(), Code> {
    if seen.codings > 0 {
        if seen.codings > 1 || seen.lengths > 0 {
            return Err(Code::AmbiguousFraming);
        }
        let coding = head
            .headers
            .get(TRANSFER_ENCODING)
            .map(HeaderValue::as_bytes);
        let coding = coding.unwrap_or_default().trim_ascii();
        if !coding.eq_ignore_ascii_case(b"chunked") {
            let text = String::from_utf8_lossy(coding).to_ascii_lowercase();
            let mut codings = text.split(',').map(str::trim);
            let known = codings.all(|c| c.is_empty() || c == "chunked" || c == "identity");
            return Err(if known {
                Code::AmbiguousFraming
            } else {
                Code::UnknownTransferCoding
            });
        }
    }
    if seen.lengths > 0 {
        let mut values = head.headers.get_all(CONTENT_LENGTH).iter();
        let plain = |v: &HeaderValue| {
            !v.is_empty() && v.len() <= 18 && v.as_bytes().iter().all(u8::is_ascii_digit)
        };
        let first = values
            .next()
            .filter(|v| plain(v))
            .ok_or(Code::AmbiguousFraming)?;
        if values.any(|other| other != first) {
            return Err(Code::AmbiguousFraming);
        }
        if seen.lengths > 1 || (first.len() > 1 && first.as_bytes()[0] == b'0') {
            // The same number, written once and plainly.
            let number = first
                .to_str()
                .ok()
                .and_then(|v| v.parse::<u64>().ok())
                .unwrap_or(0);
            head.headers
                .insert(CONTENT_LENGTH, HeaderValue::from(number));
        }
    }
    Ok(())
}

/// RFC 9112 section 3.2: origin-form, absolute-form (its host replaces Host), `*` for OPTIONS.
fn check_target(
    head: &mut Parts,
    said: &mut Option<HeaderValue>,
    longest: usize,
) -> Result<(), Code> {
    if let Some(authority) = head.uri.authority() {
        if !matches!(head.uri.scheme_str(), Some("http" | "https"))
            || authority.as_str().contains('@')
        {
            return Err(Code::BadTarget);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Code::BadTarget)?;
        let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
        // `http://b?q` has an empty path, which the origin-form writes as `/`.
        let origin = if path.starts_with('?') {
            format!("/{path}").parse()
        } else {
            path.parse()
        };
        let origin: Uri = origin.map_err(|_| Code::BadTarget)?;
        head.uri = origin;
        head.headers.insert(HOST, host.clone());
        *said = Some(host);
    }
    let path = head.uri.path();
    if path.len() + head.uri.query().map_or(0, str::len) > longest {
        return Err(Code::TargetTooLong);
    }
    if path.starts_with('/') || (path == "*" && head.method == Method::OPTIONS) {
        return Ok(());
    }
    Err(Code::BadTarget)
}

/// RFC 9112 section 3.2: exactly one valid Host; HTTP/1.0 may have none.
fn check_host(version: Version, seen: &Seen) -> Result<(), Code> {
    match &seen.host {
        Some(host) if seen.hosts <= 1 && is_host(host.as_bytes()) => Ok(()),
        None if version < Version::HTTP_11 => Ok(()),
        _ => Err(Code::BadHost),
    }
}

/// RFC 3986 section 3.2: a name, an IPv4 address or an IPv6 address in brackets, and a port.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.iter().rposition(|b| *b == b':') {
        Some(at) if !host[at..].contains(&b']') => (&host[..at], &host[at + 1..]),
        _ => (host, &b""[..]),
    };
    let inside = |b: &u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(b);
    let name_ok = match name
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"))
    {
        Some(v6) => !v6.is_empty() && v6.iter().all(|b| inside(b) || *b == b':'),
        None => !name.is_empty() && name.iter().all(inside),
    };
    name_ok && port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
}

/// RFC 9110 section 7.6.1, all Connection lines. A client may not nominate what others rely on.
fn remove_hop_by_hop(headers: &mut HeaderMap, seen: &Seen) {
    if seen.connection {
        remove_nominated(headers);
        headers.remove(CONNECTION);
    }
    if seen.hop_by_hop {
        for name in [
            KEEP_ALIVE,
            PROXY_CONNECTION,
            UPGRADE,
            HTTP2_SETTINGS,
            http::header::PROXY_AUTHORIZATION,
            http::header::PROXY_AUTHENTICATE,
        ] {
            headers.remove(name);
        }
    }
    if seen.te {
        // Trailers are passed on in both directions; nothing else of TE is ours to promise.
        let trailers = headers.get_all(TE).iter().any(|value| {
            let value = value.to_str().unwrap_or_default();
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case("trailers"))
        });
        headers.remove(TE);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
            headers.insert(CONNECTION, HeaderValue::from_static("te"));
        }
    }
}

/// Removes what Connection nominates, but for fields that an intermediary or the worker relies on.
pub(super) fn remove_nominated(headers: &mut HeaderMap) {
    let nominates = |line: &HeaderValue| {
        let line = line.as_bytes();
        !line.eq_ignore_ascii_case(b"close") && !line.eq_ignore_ascii_case(b"keep-alive")
    };
    if !headers.get_all(CONNECTION).iter().any(nominates) {
        return;
    }
    let lines = headers.get_all(CONNECTION).iter();
    let names: Vec<HeaderName> = lines
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .filter(|name| !is_protected(name.as_str()))
        .collect();
    for name in names {
        headers.remove(name);
    }
}

fn is_protected(name: &str) -> bool {
    name.starts_with("content-")
        || name.starts_with("x-forwarded-")
        || name.starts_with("client-cert")
        || matches!(
            name,
            "host"
                | "forwarded"
                | "via"
                | "authorization"
                | "cookie"
                | "set-cookie"
                | "transfer-encoding"
                | "te"
                | "x-request-id"
                | "x-arr-clientcert"
                | "close"
                | "keep-alive"
        )
}

/// Whether Via names us. As often as that, it is a loop.
fn came_back(headers: &HeaderMap, ours: &[HeaderValue; 2]) -> Result<bool, Code> {
    let lines = headers.get_all(VIA).iter();
    let hops = lines
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter(|hop| ours.iter().any(|via| via.as_bytes() == hop.trim_ascii()))
        .count();
    if hops >= LOOPS_MAX {
        Err(Code::Loop)
    } else {
        Ok(hops > 0)
    }
}

#[cfg(test)]
mod tests;
