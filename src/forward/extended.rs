//! A WebSocket that a client asks for on a stream of HTTP/2 (RFC 8441): its worker is asked for it
//! as HTTP/1.1 asks, and a switch is a success.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
    request, response,
};
use hyper::ext::Protocol;
use sha1::{Digest, Sha1};

use super::failure::Failure;
use crate::explain::code::Code;

/// RFC 6455 section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Checks that a CONNECT asks for a WebSocket.
pub(super) fn check(head: &request::Parts) -> Result<(), Code> {
    match head.extensions.get::<Protocol>() {
        None => Err(Code::MethodNotForwarded),
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => Ok(()),
        Some(_) => Err(Code::ProtocolNotSpoken),
    }
}

/// Adds what HTTP/1.1 has and HTTP/2 has not: a key, by whose answer a worker shows that it knows
/// what it was asked for. What the client says of one is for nobody.
pub(super) fn ask(headers: &mut HeaderMap) {
    let key = STANDARD.encode(fastrand::u128(..).to_be_bytes());
    let key = HeaderValue::from_str(&key).unwrap_or_else(|_| HeaderValue::from_static(""));
    headers.insert(SEC_WEBSOCKET_KEY, key);
    headers.remove(SEC_WEBSOCKET_ACCEPT);
}

/// Checks a worker's answer to a request with these fields. A success that is no switch would be
/// taken for one by the client.
pub(super) fn judge(answer: &response::Parts, asked: &HeaderMap) -> Result<(), Failure> {
    match answer.status {
        StatusCode::SWITCHING_PROTOCOLS => {
            let key = asked.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
            let wanted = accept(key.unwrap_or_default());
            let said = answer.headers.get(SEC_WEBSOCKET_ACCEPT);
            match said.is_some_and(|said| said.as_bytes().trim_ascii() == wanted.as_bytes()) {
                true => Ok(()),
                false => Err(Failure::BadResponse),
            }
        }
        status if status.is_success() => Err(Failure::NotSwitched),
        _ => Ok(()),
    }
}

/// The answer to a key (RFC 6455 section 4.2.2).
fn accept(key: &[u8]) -> String {
    let hash = Sha1::new().chain_update(key).chain_update(GUID);
    STANDARD.encode(hash.finalize())
}

/// Says of a switch what HTTP/2 says of one.
pub(super) fn grant<B>(answer: &mut Response<B>) {
    *answer.status_mut() = StatusCode::OK;
    for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
        answer.headers_mut().remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, accept: Option<&str>) -> response::Parts {
        let mut answer = Response::builder().status(status);
        if let Some(accept) = accept {
            answer = answer.header(SEC_WEBSOCKET_ACCEPT, accept);
        }
        answer.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_a_switch_that_answers_the_key_is_one() {
        let mut asked = HeaderMap::new();
        // The example of RFC 6455.
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        asked.insert(SEC_WEBSOCKET_KEY, key);
        let right = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        for (status, accept, result) in [
            (101, Some(right), Ok(())),
            (
                101,
                Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOp="),
                Err(Failure::BadResponse),
            ),
            (101, None, Err(Failure::BadResponse)),
            (200, Some(right), Err(Failure::NotSwitched)),
            (204, None, Err(Failure::NotSwitched)),
            (302, None, Ok(())),
            (403, None, Ok(())),
        ] {
            assert_eq!(
                judge(&answer(status, accept), &asked),
                result,
                "{status} {accept:?}"
            );
        }
    }

    #[test]
    fn each_request_has_a_key_of_its_own_of_sixteen_bytes() {
        let (mut one, mut other) = (HeaderMap::new(), HeaderMap::new());
        ask(&mut one);
        ask(&mut other);
        assert_ne!(one[SEC_WEBSOCKET_KEY], other[SEC_WEBSOCKET_KEY]);
        assert_eq!(STANDARD.decode(&one[SEC_WEBSOCKET_KEY]).unwrap().len(), 16);
    }
}
