//! gRPC's own question for health (`grpc.health.v1.Health/Check`), in the few bytes that it takes.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::Full;

use super::probe::{Failure, PROBE};
use crate::units::GrpcStatus;

/// What is asked for.
const PATH: &str = "/grpc.health.v1.Health/Check";

/// What a service says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serving {
    Yes,
    No,
    /// The server does not know this service.
    UnknownService,
    /// Nothing, or nothing that can be read.
    Nothing,
}

/// A message that asks for a service; the empty name asks for the server as a whole.
fn request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        // Field 1, a string.
        message.put_u8(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        message.put_u8(u8::try_from(length).unwrap_or_default());
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(5 + message.len());
    // Not compressed.
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    framed.freeze()
}

/// What an answer's message says.
fn read(body: &[u8]) -> Serving {
    let Some((&[0, a, b, c, d], rest)) = body.split_first_chunk::<5>() else {
        return Serving::Nothing;
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    match rest.get(..length) {
        // Field 1, a number; left out it is 0, which is unknown.
        Some([0x08, 1, ..]) => Serving::Yes,
        Some([0x08, 2, ..]) => Serving::No,
        Some([0x08, 3, ..]) => Serving::UnknownService,
        _ => Serving::Nothing,
    }
}

/// A call of gRPC's health protocol.
pub(super) fn call(service: &str) -> Result<Request<Full<Bytes>>, Failure> {
    Request::post(format!("http://localhost{}", PATH))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, PROBE)
        .body(Full::new(request(service)))
        .map_err(|_| Failure::BadPath)
}

pub(super) fn grpc_status(headers: &HeaderMap) -> Option<GrpcStatus> {
    GrpcStatus::parse(headers.get("grpc-status")?.to_str().ok()?)
}

pub(super) fn healthy(
    status: StatusCode,
    ended: Option<GrpcStatus>,
    body: &[u8],
) -> Result<u16, Failure> {
    let status = status.as_u16();
    match (status, ended.map(GrpcStatus::number)) {
        (200, Some(0)) => match read(body) {
            Serving::Yes => Ok(status),
            Serving::No => Err(Failure::NotServing),
            Serving::UnknownService => Err(Failure::UnknownService),
            Serving::Nothing => Err(Failure::NoHealth(None)),
        },
        // NOT_FOUND, as the protocol says of a service that is not known.
        (_, Some(5)) => Err(Failure::UnknownService),
        (200, _) => Err(Failure::NoHealth(ended)),
        (status, _) => Err(Failure::Status(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_a_framed_message_with_the_name_of_the_service() {
        assert_eq!(request(""), &b"\0\0\0\0\0"[..]);
        assert_eq!(request("shop"), &b"\0\0\0\0\x06\x0a\x04shop"[..]);
        let long = "s".repeat(200);
        assert_eq!(request(&long)[..8], *b"\0\0\0\0\xcb\x0a\xc8\x01");
    }

    #[test]
    fn an_answer_says_one_of_four_things_or_nothing() {
        assert_eq!(read(b"\0\0\0\0\x02\x08\x01"), Serving::Yes);
        assert_eq!(read(b"\0\0\0\0\x02\x08\x02"), Serving::No);
        assert_eq!(read(b"\0\0\0\0\x02\x08\x03"), Serving::UnknownService);
        for nothing in [
            &b""[..],
            b"\0\0\0\0\0",
            b"\0\0\0\0\x02\x08",
            b"\x01\0\0\0\x02\x08\x01",
            b"\0\xff\xff\xff\xff\x08\x01",
        ] {
            assert_eq!(read(nothing), Serving::Nothing, "{nothing:?}");
        }
    }

    #[test]
    fn only_serving_with_status_0_is_healthy() {
        let yes = b"\0\0\0\0\x02\x08\x01";
        let (ok, no) = (StatusCode::OK, b"\0\0\0\0\x02\x08\x02");
        let status = |number: &str| GrpcStatus::parse(number);
        assert_eq!(healthy(ok, status("0"), yes), Ok(200));
        assert_eq!(healthy(ok, status("0"), no), Err(Failure::NotServing));
        assert_eq!(healthy(ok, status("5"), b""), Err(Failure::UnknownService));
        assert_eq!(healthy(ok, None, yes), Err(Failure::NoHealth(None)));
        let unimplemented = status("12");
        assert_eq!(
            healthy(ok, unimplemented, b""),
            Err(Failure::NoHealth(unimplemented))
        );
        let bad = StatusCode::BAD_GATEWAY;
        assert_eq!(healthy(bad, None, b""), Err(Failure::Status(502)));
    }
}
