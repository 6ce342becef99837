//! What gRPC adds to HTTP/2, as far as an intermediary must know it
//! (`grpc/grpc`, doc/PROTOCOL-HTTP2.md).

use std::{fmt::Write, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};

use crate::{
    observe::{
        ledger::{Late, Ledger},
        tally::{Counters, Rules},
    },
    units::GrpcStatus,
};

/// How a call ended.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The same for people.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// How long its caller waits.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// What a call's messages come in.
pub const CALL: HeaderValue = HeaderValue::from_static("application/grpc");

/// Whether a request or a response is part of a call. gRPC-Web is plain HTTP.
#[must_use]
pub fn is_call(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(is_kind)
}

/// Whether this is the Content-Type of a call.
#[must_use]
pub fn is_kind(kind: &HeaderValue) -> bool {
    let rest = kind.as_bytes().strip_prefix(CALL.as_bytes());
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// How a call ended, if these fields say so.
#[must_use]
pub fn status(fields: &HeaderMap) -> Option<GrpcStatus> {
    let field = fields.get(GRPC_STATUS)?;
    Some(GrpcStatus::of_field(field.as_bytes()))
}

/// How long the caller waits for the end of the call, if it said so.
#[must_use]
pub fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The text as a `grpc-message`: what is not plain ASCII is percent-encoded.
#[must_use]
pub fn message(text: &str) -> HeaderValue {
    let mut line = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            line.push(char::from(byte));
        } else {
            // Writing to a string has no way to fail.
            write!(line, "%{byte:02X}").ok();
        }
    }
    HeaderValue::from_str(&line).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A call whose response head came well and whose status is to come.
#[derive(Debug)]
pub struct Call {
    /// Who counts it.
    pub counters: Arc<Counters>,
    /// The rules that do.
    pub mask: u64,
    /// It was late, and is settled in the ledger when it ends.
    pub late: Option<Late>,
}

impl Call {
    /// The last fields of the call came: in trailers, or in the head if that is all.
    pub fn ended(self, rules: &Rules, ledger: &Ledger, fields: Option<&HeaderMap>) {
        let status = fields.and_then(status).unwrap_or(GrpcStatus::UNKNOWN);
        self.counters.call_ended(rules, self.mask, status);
        self.settle(ledger, status == GrpcStatus::OK);
    }

    /// It broke off, or its caller left, before its status came.
    pub fn lost(self, ledger: &Ledger) {
        self.settle(ledger, false);
    }

    fn settle(&self, ledger: &Ledger, good: bool) {
        if let Some(late) = self.late {
            let good = late.good && good;
            ledger.settled(Some(Late { good, ..late }));
        }
    }
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

    #[test]
    fn a_caller_says_how_long_it_waits() {
        let waits = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(text));
            patience(&headers)
        };
        assert_eq!(waits("1S"), Some(Duration::from_secs(1)));
        assert_eq!(waits("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(
            waits("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        assert_eq!(waits("5u"), Some(Duration::from_micros(5)));
        for wrong in ["", "S", "5", "5s", "-1S", "123456789S", "1.5S"] {
            assert_eq!(waits(wrong), None, "{wrong:?}");
        }
        assert_eq!(patience(&HeaderMap::new()), None);
    }

    #[test]
    fn a_message_is_ascii() {
        assert_eq!(message("100% \u{e9}\n"), "100%25 %C3%A9%0A");
    }
}
