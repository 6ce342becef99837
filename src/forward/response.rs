//! The response head on its way to the client (RFC 9110 section 7.6).

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, PROXY_AUTHENTICATE, TE, TRANSFER_ENCODING, UPGRADE},
    response::Parts,
};

use super::{
    failure::Failure,
    request::{remove_nominated, switch},
};

/// Makes a worker's response head the one that the client gets. `closing`: tell the client that the
/// connection ends here. `websocket`: the request asked for one.
///
/// # Errors
/// When the worker switched to a protocol that nobody asked for, or its answer's length can't be
/// relied on.
pub fn prepare(head: &mut Parts, closing: bool, websocket: bool) -> Result<(), Failure> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        if !(websocket && switches_to_websocket(&head.headers)) {
            return Err(Failure::BadResponse);
        }
        remove_hop_by_hop(head)?;
        // RFC 9110 section 15.2: no answer's head has a length before the switch.
        head.headers.remove(CONTENT_LENGTH);
        switch(&mut head.headers);
        head.version = Version::HTTP_11;
        return Ok(());
    }
    remove_hop_by_hop(head)?;
    if closing {
        head.headers
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    head.version = Version::HTTP_11;
    Ok(())
}

fn switches_to_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let first = protocols.next().map(|value| value.as_bytes().trim_ascii());
    first.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
        && protocols.next().is_none()
}

/// RFC 9112 section 6: another coding than chunked would be lost with the field that names it, and
/// HTTP/1.0 has none.
fn is_plainly_chunked(head: &Parts) -> bool {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let first = codings.next().map(|value| value.as_bytes().trim_ascii());
    head.version >= Version::HTTP_11
        && first.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))
        && codings.next().is_none()
}

fn remove_hop_by_hop(head: &mut Parts) -> Result<(), Failure> {
    let (mut connection, mut coded, mut others) = (false, false, false);
    let (mut lengths, mut plain) = (0, true);
    for (name, value) in &head.headers {
        match name.as_str() {
            "content-length" => {
                lengths += 1;
                plain &= is_plain(value.as_bytes());
            }
            "connection" => connection = true,
            "transfer-encoding" => coded = true,
            "keep-alive" | "proxy-connection" | "te" | "upgrade" | "proxy-authenticate" => {
                others = true;
            }
            _ => {}
        }
    }
    if coded && !is_plainly_chunked(head) {
        return Err(Failure::BadResponse);
    }
    let headers = &mut head.headers;
    if coded {
        headers.remove(TRANSFER_ENCODING);
        // The coding wins (RFC 9112 section 6.3): a length beside it says something else.
        headers.remove(CONTENT_LENGTH);
    } else if lengths > 1 || !plain {
        say_length_once(headers);
    }
    if connection {
        remove_nominated(headers);
        headers.remove(CONNECTION);
    }
    if others {
        for name in [
            HeaderName::from_static("keep-alive"),
            HeaderName::from_static("proxy-connection"),
            TE,
            UPGRADE,
            PROXY_AUTHENTICATE,
        ] {
            headers.remove(name);
        }
    }
    Ok(())
}

/// A number as everybody reads it.
fn is_plain(length: &[u8]) -> bool {
    let digits = (1..20).contains(&length.len()) && length.iter().all(u8::is_ascii_digit);
    digits && (length.len() == 1 || !length.starts_with(b"0"))
}

/// RFC 9110 section 8.6: the same number said twice is handed on once, and none of numbers that
/// differ or of what is no number: only an answer without a body comes here with such.
fn say_length_once(headers: &mut HeaderMap) {
    let said: Vec<Option<u64>> = headers
        .get_all(CONTENT_LENGTH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|number| str::from_utf8(number).ok()?.trim().parse().ok())
        .collect();
    headers.remove(CONTENT_LENGTH);
    if let Some(Some(length)) = said.first()
        && said.iter().all(|other| *other == Some(*length))
    {
        headers.insert(CONTENT_LENGTH, (*length).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[(&str, &str)]) -> Parts {
        let mut builder = http::Response::builder();
        for (name, value) in lines {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_the_worker_said_for_one_hop_is_not_sent_on() {
        let mut head = head(&[
            ("connection", "x-internal, close"),
            ("x-internal", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ]);
        prepare(&mut head, false, false).unwrap();
        let left: Vec<_> = head
            .headers
            .iter()
            .map(|(n, v)| format!("{n}={v:?}"))
            .collect();
        assert_eq!(left, ["set-cookie=\"a=1\"", "set-cookie=\"b=2\""]);
        assert_eq!(head.version, Version::HTTP_11);
    }

    #[test]
    fn a_length_is_handed_on_once_and_only_if_everybody_reads_it_alike() {
        for (said, left) in [
            (&["5"][..], Some("5")),
            (&["0"], Some("0")),
            (&["5", "5"], Some("5")),
            (&["05, 5"], Some("5")),
            (&["5", "6"], None),
            (&[""], None),
            (&["x"], None),
            (&["99999999999999999999999"], None),
        ] {
            let lines: Vec<_> = said.iter().map(|said| ("content-length", *said)).collect();
            let mut head = head(&lines);
            prepare(&mut head, false, false).unwrap();
            let lengths: Vec<_> = head.headers.get_all(CONTENT_LENGTH).iter().collect();
            assert_eq!(lengths, left.as_slice(), "{said:?}");
        }
    }

    #[test]
    fn a_switch_that_nobody_asked_for_is_a_bad_response() {
        let mut head = head(&[("upgrade", "websocket")]);
        head.status = StatusCode::SWITCHING_PROTOCOLS;
        assert_eq!(prepare(&mut head, false, false), Err(Failure::BadResponse));
    }

    #[test]
    fn a_switch_that_was_asked_for_says_what_it_switches_to() {
        let mut head = head(&[
            ("upgrade", "WebSocket"),
            ("connection", "Upgrade, x-a"),
            ("x-a", "1"),
        ]);
        head.status = StatusCode::SWITCHING_PROTOCOLS;
        prepare(&mut head, true, true).unwrap();
        assert_eq!(head.headers[UPGRADE], "websocket");
        assert_eq!(head.headers[CONNECTION], "upgrade");
        assert_eq!(head.headers.len(), 2);
    }

    #[test]
    fn a_switch_to_something_else_is_a_bad_response() {
        for lines in [
            &[("upgrade", "h2c")][..],
            &[],
            &[("upgrade", "websocket, h2c")],
        ] {
            let mut head = head(lines);
            head.status = StatusCode::SWITCHING_PROTOCOLS;
            assert_eq!(prepare(&mut head, false, true), Err(Failure::BadResponse));
        }
    }

    #[test]
    fn a_stopping_proxy_says_that_the_connection_ends() {
        let mut head = head(&[]);
        prepare(&mut head, true, false).unwrap();
        assert_eq!(head.headers[CONNECTION], "close");
    }
}
