//! Answers that autoheal makes itself: coded, with Proxy-Status (RFC 9209), Retry-After, and a body
//! that follows Accept. They say code, name and request id; never a pid or a path.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};

use super::{body::Download, grpc};
use crate::explain::code::Code;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which body the client would rather have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// For people with a browser.
    Html,
    /// For callers of gRPC: no body at all.
    Grpc,
    /// For programs (RFC 9457).
    Json,
    /// For everyone else.
    #[default]
    Text,
}

impl Form {
    /// What Accept asks for first, of what we have.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        if grpc::is_call(headers) {
            return Self::Grpc;
        }
        let accepts = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        for part in accepts.flat_map(|value| value.split(',')) {
            let kind = part.split(';').next().unwrap_or_default().trim();
            match kind.to_ascii_lowercase().as_str() {
                "text/html" | "application/xhtml+xml" => return Self::Html,
                "application/json" | "application/problem+json" => return Self::Json,
                "text/plain" | "text/*" | "*/*" => return Self::Text,
                _ => {}
            }
        }
        Self::Text
    }
}

/// What an answer is made of.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What happened.
    pub code: Code,
    /// Which body.
    pub form: Form,
    /// The request's id, where it has one.
    pub id: Option<HeaderValue>,
    /// When trying again may help.
    pub retry_after: Option<Duration>,
    /// Whether the client's connection ends with it.
    pub close: bool,
}

impl Answer {
    /// An answer to a request whose head is of no use any more.
    #[must_use]
    pub fn bare(code: Code) -> Response<Download> {
        let answer = Self {
            code,
            form: Form::Text,
            id: None,
            retry_after: None,
            close: true,
        };
        answer.response()
    }

    /// The response.
    #[must_use]
    pub fn response(&self) -> Response<Download> {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = match self.form {
            Form::Grpc => self.trailers_only(),
            _ => self.with_body(status),
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let proxy_status = format!(
            "autoheal; error={}; details=\"{}\"",
            self.code.proxy_error(),
            self.code.number()
        );
        if let Ok(value) = HeaderValue::from_str(&proxy_status) {
            headers.insert(PROXY_STATUS, value);
        }
        if let Some(id) = &self.id {
            headers.insert(X_REQUEST_ID, id.clone());
        }
        let later = [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        if later.contains(&status) {
            // Rounded up: whoever comes back at that second finds the start begun.
            let wait = self.retry_after.unwrap_or(Duration::from_secs(1));
            let seconds = wait.as_millis().div_ceil(1000).clamp(1, 3600);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds as u64));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
            headers.insert(http::header::ALLOW, allowed);
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The response with a body that an operator wrote, where it may have one.
    #[must_use]
    pub fn page(&self, page: Bytes) -> Response<Download> {
        let mut response = self.response();
        if self.form != Form::Grpc {
            *response.body_mut() = Download::Own(Some(page));
            let kind = HeaderValue::from_static("text/html");
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        response
    }

    fn with_body(&self, status: StatusCode) -> Response<Download> {
        let (kind, body) = self.body(status);
        let mut response = Response::new(Download::Own(Some(Bytes::from(body))));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static(kind);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }

    /// A call's end that is all of its answer: HTTP's status says nothing of it.
    fn trailers_only(&self) -> Response<Download> {
        let mut response = Response::new(Download::Own(None));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, grpc::CALL);
        let status = self.code.grpc_status().number();
        headers.insert(grpc::GRPC_STATUS, HeaderValue::from(u16::from(status)));
        let message = format!("{}: {}", self.code, self.code.meaning());
        headers.insert(grpc::GRPC_MESSAGE, grpc::message(&message));
        response
    }

    fn body(&self, status: StatusCode) -> (&'static str, String) {
        let reason = status.canonical_reason().unwrap_or("Error");
        let (number, name, meaning) = (self.code.number(), self.code.name(), self.code.meaning());
        let id = self
            .id
            .as_ref()
            .and_then(|id| id.to_str().ok())
            .unwrap_or("-");
        match self.form {
            Form::Html => (
                "text/html; charset=utf-8",
                format!(
                    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
                     <title>{status}</title></head>\n<body><h1>{reason}</h1>\n<p>{meaning}</p>\n\
                     <p><small>{number} {name}, request {id}</small></p></body></html>\n",
                    status = status.as_u16(),
                ),
            ),
            Form::Json => {
                let problem = serde_json::json!({
                    "type": "about:blank",
                    "title": reason,
                    "status": status.as_u16(),
                    "detail": meaning,
                    "code": number,
                    "name": name,
                    "request_id": id,
                });
                ("application/problem+json", format!("{problem}\n"))
            }
            Form::Text | Form::Grpc => (
                "text/plain; charset=utf-8",
                format!("{number} {name}\n{meaning}\nrequest {id}\n"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &str) -> Form {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        Form::of(&headers)
    }

    fn answer(code: Code) -> Answer {
        let id = Some(HeaderValue::from_static("abc"));
        Answer {
            code,
            form: Form::Json,
            id,
            retry_after: None,
            close: false,
        }
    }

    #[test]
    fn the_body_follows_accept() {
        assert_eq!(
            form("text/html,application/xhtml+xml,*/*;q=0.8"),
            Form::Html
        );
        assert_eq!(form("application/json"), Form::Json);
        assert_eq!(form("*/*"), Form::Text);
        assert_eq!(form("image/png"), Form::Text);
    }

    #[test]
    fn a_refusal_says_its_code_and_when_to_come_back() {
        let mut answer = answer(Code::WorkerDown);
        answer.retry_after = Some(Duration::from_millis(4200));
        let response = answer.response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "5");
        let status = response.headers()[PROXY_STATUS].to_str().unwrap();
        assert!(status.starts_with("autoheal; error=") && status.ends_with("details=\"503103\""));
        let Download::Own(Some(body)) = response.into_body() else {
            panic!("own body")
        };
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&json["code"], &json["request_id"]),
            (&503_103.into(), &"abc".into())
        );
    }

    #[test]
    fn a_caller_of_grpc_is_told_by_a_status_and_no_body() {
        let mut answer = answer(Code::WorkerDown);
        answer.form = Form::Grpc;
        let response = answer.response();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "14");
        let message = response.headers()["grpc-message"].to_str().unwrap();
        assert!(message.starts_with("503103 WorkerDown: "), "{message}");
        assert!(response.headers().contains_key(PROXY_STATUS));
        assert!(matches!(response.into_body(), Download::Own(None)));
    }

    #[test]
    fn a_page_of_the_operator_is_the_body_whatever_is_asked_for_but_not_of_a_call() {
        let page = Bytes::from_static(b"<h1>back soon</h1>");
        let response = answer(Code::Maintenance).page(page.clone());
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html");
        assert!(matches!(response.into_body(), Download::Own(Some(body)) if body == page));
        let mut call = answer(Code::Maintenance);
        call.form = Form::Grpc;
        assert!(matches!(call.page(page).into_body(), Download::Own(None)));
    }

    #[test]
    fn only_a_503_says_when_to_come_back() {
        let response = answer(Code::WorkerRefusedConnection).response();
        assert!(!response.headers().contains_key(RETRY_AFTER));
    }
}
