//! One keep-alive connection, as a real client has it: opened when needed, reopened when the server
//! closed it between requests, and every answer read to its end and checked.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::AbortHandle};

use super::{
    crc::Crc,
    failure::{Failed, Failure},
    payload::Payload,
    plan::Plan,
};

/// How often a request that was provably not written is tried on a new connection.
const REOPENS_MAX: u32 = 3;

/// A whole and right answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body_bytes: u64,
}

/// A connection to one address.
pub(super) struct Connection {
    address: SocketAddr,
    live: Option<Live>,
    opened: u64,
}

struct Live {
    sender: http1::SendRequest<Payload>,
    driver: AbortHandle,
    served: u64,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            live: None,
            opened: 0,
        }
    }

    /// How often it was opened.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    /// Opens it if it is not open.
    pub(super) async fn open(&mut self) -> Result<(), Failed> {
        if self
            .live
            .as_ref()
            .is_some_and(|live| !live.sender.is_closed())
        {
            return Ok(());
        }
        self.live = None;
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|error| Failed::connect(&error))?;
        stream
            .set_nodelay(true)
            .map_err(|error| Failed::connect(&error))?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failed::head(&error, false))?;
        // A broken connection is told to the request that waits on it.
        let driver = tokio::task::spawn_local(async move { driver.await.unwrap_or_default() });
        self.opened += 1;
        self.live = Some(Live {
            sender,
            driver: driver.abort_handle(),
            served: 0,
        });
        Ok(())
    }

    /// Waits until the last answer has left the connection; a closed one is let go.
    pub(super) async fn settle(&mut self) {
        if let Some(live) = &mut self.live
            && live.sender.ready().await.is_err()
        {
            self.live = None;
        }
    }

    /// Lets the connection go, and with it what is in flight.
    pub(super) fn cut(&mut self) {
        self.live = None;
    }

    /// One request and its answer, checked. A failure closes the connection.
    pub(super) async fn exchange(
        &mut self,
        plan: &Plan,
        request: Request<Payload>,
        body_crc: Crc,
    ) -> Result<Answer, Failed> {
        let id = request.headers().get("x-load-id").cloned();
        let result = match self.send(request).await {
            Ok(response) => read(plan, response, id.as_ref(), body_crc).await,
            Err(failed) => Err(failed),
        };
        match &result {
            Ok(_)
            | Err(Failed {
                kind: Failure::Status(..) | Failure::Wrong,
                ..
            }) => {
                if let Some(live) = &mut self.live {
                    live.served += 1;
                }
            }
            Err(_) => self.live = None,
        }
        result
    }

    async fn send(&mut self, mut request: Request<Payload>) -> Result<Response<Incoming>, Failed> {
        let idempotent = request.method().is_idempotent();
        let mut reopens = 0;
        loop {
            self.open().await?;
            let Some(live) = &mut self.live else {
                return Err(Failed::new(
                    Failure::Unreachable,
                    "closed as soon as it was open",
                ));
            };
            let stale = live.served > 0 && idempotent;
            match live.sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    // Not a byte of it was written: no client would call that a failure.
                    Some(unsent) if reopens < REOPENS_MAX => {
                        reopens += 1;
                        self.live = None;
                        request = unsent;
                    }
                    _ => return Err(Failed::head(error.error(), stale)),
                },
            }
        }
    }
}

/// Reads the body to its end and holds the answer against what it says of itself.
async fn read(
    plan: &Plan,
    response: Response<Incoming>,
    id: Option<&http::HeaderValue>,
    sent: Crc,
) -> Result<Answer, Failed> {
    let (head, mut body) = response.into_parts();
    let mut crc = Crc::new();
    let mut body_bytes = 0u64;
    let checked = head.headers.contains_key("x-body-crc");
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failed::body(&error))?;
        if let Some(data) = frame.data_ref() {
            body_bytes += data.len() as u64;
            if checked {
                crc.add(data);
            }
        }
    }
    let status = head.status.as_u16();
    if !plan.accepts(status) {
        let why = text(&head.headers, "proxy-status").unwrap_or_default();
        return Err(Failed::new(
            Failure::Status(status, why.chars().take(120).collect()),
            "",
        ));
    }
    let told = told(&head.headers, &plan.method, status);
    if let Some(length) = told
        && length != body_bytes
    {
        return Err(wrong(
            "length",
            &length.to_string(),
            &body_bytes.to_string(),
        ));
    }
    let same = |name: &str, ours: &str| match text(&head.headers, name) {
        Some(theirs) if theirs != ours => Err(wrong(name, theirs, ours)),
        _ => Ok(()),
    };
    if body_bytes > 0 {
        same("x-body-crc", &crc.to_string())?;
    }
    same("x-received-crc", &sent.to_string())?;
    same("x-received-bytes", &plan.body_bytes.to_string())?;
    if let Some(id) = id {
        same("x-load-id", &String::from_utf8_lossy(id.as_bytes()))?;
    }
    Ok(Answer { status, body_bytes })
}

/// The length that the answer announced for a body that it has.
fn told(headers: &HeaderMap, method: &http::Method, status: u16) -> Option<u64> {
    if *method == http::Method::HEAD || matches!(status, 204 | 304) {
        return None;
    }
    text(headers, header::CONTENT_LENGTH.as_str())?.parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn wrong(what: &str, theirs: &str, ours: &str) -> Failed {
    Failed::new(
        Failure::Wrong,
        format!("{what} is {ours}, announced was {theirs}"),
    )
}

/// The request that the plan asks for, to copy for each one.
pub(super) struct Template {
    head: http::request::Parts,
    body: Bytes,
    chunked: bool,
    crc: Crc,
    run: u32,
}

impl Template {
    pub(super) fn new(plan: &Plan, target: &str, run: u32) -> Result<Self, super::LoadError> {
        let wrong = |_| super::LoadError::Url {
            url: format!("{}{target}", plan.authority()),
        };
        let (mut head, ()) = Request::builder()
            .method(plan.method.clone())
            .uri(target)
            .body(())
            .map_err(wrong)?
            .into_parts();
        head.headers = plan.headers.clone();
        if !head.headers.contains_key(header::HOST) {
            let host = plan
                .authority()
                .parse()
                .map_err(|_| super::LoadError::Url {
                    url: plan.url.to_string(),
                })?;
            head.headers.insert(header::HOST, host);
        }
        let body: Bytes = vec![b'0'; plan.body_bytes].into();
        let crc = Crc::of(&body);
        Ok(Self {
            head,
            body,
            chunked: plan.chunked,
            crc,
            run,
        })
    }

    /// Request `number`, with an id of its own if `ids`.
    pub(super) fn request(&self, number: u64, ids: bool) -> Request<Payload> {
        let payload = Payload::new(self.body.clone(), self.chunked);
        let mut request = Request::from_parts(self.head.clone(), payload);
        if ids && let Ok(value) = self.id(number).parse() {
            request.headers_mut().insert("x-load-id", value);
        }
        request
    }

    /// The id of request `number`: the run's own part, then the number.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{:08x}-{number}", self.run)
    }

    pub(super) fn body_crc(&self) -> Crc {
        self.crc
    }
}
