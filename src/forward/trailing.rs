//! Which fields may stand behind a body (RFC 9110 section 6.5): none that say how a message is
//! framed, where it goes or who sends it, nor any that are for one hop. HTTP/2 takes a message
//! that has such a one for malformed, its body included.

use bytes::Bytes;
use http::{
    HeaderName,
    header::{
        AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_TYPE, HOST, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use http_body::Frame;

const NEVER: [HeaderName; 16] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    HOST,
    HeaderName::from_static("keep-alive"),
    MAX_FORWARDS,
    HeaderName::from_static("proxy-connection"),
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What may be sent on of a piece of a body; `None`: it was of trailers, and none is left.
pub(super) fn kept(frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
    let mut trailers = match frame.into_trailers() {
        Ok(trailers) => trailers,
        Err(other) => return Some(other),
    };
    for name in NEVER {
        trailers.remove(name);
    }
    (!trailers.is_empty()).then(|| Frame::trailers(trailers))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn what_says_how_a_message_is_framed_never_stands_behind_it() {
        let mut trailers = HeaderMap::new();
        for name in NEVER {
            trailers.append(name, "x".parse().unwrap());
        }
        assert!(kept(Frame::trailers(trailers.clone())).is_none());
        trailers.append("x-sum", "1".parse().unwrap());
        trailers.append("x-sum", "2".parse().unwrap());
        let left = kept(Frame::trailers(trailers)).unwrap();
        let left = left.into_trailers().unwrap();
        assert_eq!((left.len(), left.get_all("x-sum").iter().count()), (2, 2));
        let data = kept(Frame::data(Bytes::from_static(b"x"))).unwrap();
        assert_eq!(&data.into_data().unwrap()[..], b"x");
    }
}
