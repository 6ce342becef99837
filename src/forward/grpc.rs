//! What gRPC adds to HTTP/2, as far as an intermediary must know it.

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

/// Whether a request or a response is part of a gRPC call. gRPC-Web is plain HTTP.
#[must_use]
pub fn is_call(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .and_then(|kind| kind.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_by_its_content_type() {
        let is = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            is_call(&headers)
        };
        assert!(is("application/grpc") && is("application/grpc+proto"));
        assert!(is("application/grpc; charset=x"));
        assert!(!is("application/grpc-web") && !is("application/json"));
        assert!(!is_call(&HeaderMap::new()));
    }
}
