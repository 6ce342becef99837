//! The shapes of answers: JSON, problems (RFC 9457), and a line of text for probes.

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use serde::Serialize;
use serde_json::json;

use crate::control::order::{Refusal, Unanswered};

/// What is sent to a client. Bodies are whole and bounded.
pub(super) type Answer = Response<Full<Bytes>>;

/// Why a request is not served: what is wrong, and what to do instead.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    what: String,
    cure: String,
    allow: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        what: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            status,
            what: what.into(),
            cure: cure.into(),
            allow: None,
        }
    }

    /// The method is not the one that this path takes.
    pub(super) fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("this path takes {allow} only"),
                format!("send a {allow}"),
            )
        }
    }

    pub(super) fn into_answer(self) -> Answer {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.what,
            "cure": self.cure,
        });
        let mut answer = with(self.status, "application/problem+json", body.to_string());
        if let Some(allow) = self.allow {
            answer
                .headers_mut()
                .insert(ALLOW, hyper::header::HeaderValue::from_static(allow));
        }
        answer
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(StatusCode::CONFLICT, refusal.what, refusal.cure)
    }
}

impl From<Unanswered> for Problem {
    fn from(unanswered: Unanswered) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            unanswered.to_string(),
            "try again in a few seconds; autoheal's log on stderr says what it is doing",
        )
    }
}

/// A value as JSON.
pub(super) fn json(value: &impl Serialize) -> Answer {
    // Plain data with string keys has no way to fail.
    let body = serde_json::to_string(value).unwrap_or_default();
    with(StatusCode::OK, "application/json", body)
}

/// JSON that was written before.
pub(super) fn raw_json(body: String) -> Answer {
    with(StatusCode::OK, "application/json", body)
}

/// One line for a probe.
pub(super) fn line(status: StatusCode, line: &str) -> Answer {
    with(status, "text/plain; charset=utf-8", format!("{line}\n"))
}

fn with(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    headers.insert(
        CACHE_CONTROL,
        hyper::header::HeaderValue::from_static("no-store"),
    );
    answer
}
