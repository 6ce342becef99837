//! What each path answers, and what each knob does to it.

use std::{
    cell::{Cell, RefCell},
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header, request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::sleep;

use super::{
    DemoWorkerArgs,
    body::{AnswerBody, pattern_crc},
    serve::Ending,
    start,
};
use crate::cli::load::crc::Crc;

/// The small answer: 64 bytes.
const SMALL: &[u8; 64] = b"The misbehaving worker of autoheal behaves, at least this once.\n";
/// Longer downloads are not summed up beforehand: that would take too long.
const SUMMED_BYTES_MAX: u64 = 64 << 20;
const X_BODY_CRC: HeaderName = HeaderName::from_static("x-body-crc");

/// How a connection is to end; nothing while it is well.
#[derive(Debug, Default)]
pub(super) struct Fate(Cell<Option<Ending>>);

impl Fate {
    pub(super) fn take(&self) -> Option<Ending> {
        self.0.take()
    }
}

/// The request gets no answer: its connection ends as its [`Fate`] says.
#[derive(Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// The state of the whole worker.
pub(super) struct Worker {
    knobs: DemoWorkerArgs,
    ids: Option<File>,
    pid: HeaderValue,
    generation: HeaderValue,
    small_crc: HeaderValue,
    requests: Cell<u64>,
    leak_bytes: Cell<usize>,
    hangs: Cell<bool>,
    leaked: RefCell<Vec<Vec<u8>>>,
}

impl Worker {
    pub(super) fn new(knobs: DemoWorkerArgs) -> io::Result<Self> {
        let ids = match &knobs.ids {
            None => None,
            Some(path) => Some(OpenOptions::new().create(true).append(true).open(path)?),
        };
        let generation = std::env::var("AUTOHEAL_GENERATION").unwrap_or_default();
        let leak = knobs.leak.unwrap_or_default().0;
        Ok(Self {
            ids,
            pid: HeaderValue::from(std::process::id()),
            generation: generation.parse().map_err(io::Error::other)?,
            small_crc: crc_value(Crc::of(SMALL)),
            requests: Cell::new(0),
            leak_bytes: Cell::new(usize::try_from(leak).unwrap_or(usize::MAX)),
            hangs: Cell::new(false),
            leaked: RefCell::new(Vec::new()),
            knobs,
        })
    }

    /// Answers one request, unless a knob says otherwise.
    pub(super) async fn answer(
        self: Rc<Self>,
        request: Request<Incoming>,
        fate: &Fate,
    ) -> Result<Response<AnswerBody>, Cut> {
        let id = request.headers().get("x-load-id").cloned();
        self.misbehave(request.uri().path(), id.as_ref()).await;
        let mut response = self.route(request, fate).await?;
        let headers = response.headers_mut();
        headers.insert("x-pid", self.pid.clone());
        headers.insert("x-generation", self.generation.clone());
        if let Some(id) = id {
            headers.insert("x-load-id", id);
        }
        Ok(response)
    }

    async fn misbehave(&self, path: &str, id: Option<&HeaderValue>) {
        if let (Some(mut file), Some(id)) = (self.ids.as_ref(), id) {
            let line = [id.as_bytes(), b"\n"].concat();
            // One write a line: lines of several generations must not mix. A full disk is no crash.
            drop(file.write_all(&line));
        }
        let number = self.requests.get() + 1;
        self.requests.set(number);
        if self.leak_bytes.get() > 0 {
            self.leak(self.leak_bytes.get());
        }
        if self.knobs.crash_at == Some(number) {
            start::crash(self.knobs.crash_signal);
        }
        let hangs = self.hangs.get()
            || self.knobs.hang_at.is_some_and(|at| number >= at)
            || self.knobs.hang_path.as_deref() == Some(path);
        if hangs {
            std::future::pending::<()>().await;
        }
        if let Some(work) = self.knobs.work {
            sleep(work).await;
        }
    }

    /// Keeps `bytes` bytes for ever. Written to, because memory never touched takes no room.
    fn leak(&self, bytes: usize) {
        self.leaked.borrow_mut().push(vec![1; bytes]);
    }

    async fn route(
        &self,
        request: Request<Incoming>,
        fate: &Fate,
    ) -> Result<Response<AnswerBody>, Cut> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let query = Query(head.uri.query().unwrap_or_default());
        if let Some((_, status)) = self.knobs.status_path.iter().find(|(own, _)| own == path) {
            return Ok(self.small(*status));
        }
        match path {
            "/slow" => sleep(query.millis("ms", 1_000)).await,
            "/bad" => return Ok(self.small(StatusCode::INTERNAL_SERVER_ERROR)),
            "/status" => return Ok(self.small(query.status())),
            "/echo" => return echo(body, Duration::ZERO).await,
            "/upload-slow" => return echo(body, query.millis("ms", 100)).await,
            "/download" => return Ok(download(query)),
            "/events" => return Ok(events(query)),
            "/headers" => return Ok(headers(&head)),
            "/leak" => self.leak(usize::try_from(query.number("bytes", 1 << 20)).unwrap_or(0)),
            "/print" => drop(start::print(query.number("bytes", 100))),
            "/misbehave" => self.turn(query),
            "/crash" => start::crash(self.knobs.crash_signal),
            "/hang" => std::future::pending().await,
            "/reset" => return Err(cut(fate, Ending::Reset)),
            "/truncate" => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this";
                return Err(cut(fate, Ending::Raw(head)));
            }
            "/garbage" => return Err(cut(fate, Ending::Raw(b"this is not HTTP\r\n\r\n"))),
            _ if path.starts_with("/crash/") => start::crash(self.knobs.crash_signal),
            _ => {}
        }
        Ok(self.small(StatusCode::OK))
    }

    /// Turns a knob while running: `/misbehave?leak=262144` or `/misbehave?hang=1`.
    fn turn(&self, query: Query<'_>) {
        let leak = query.number("leak", self.leak_bytes.get() as u64);
        self.leak_bytes
            .set(usize::try_from(leak).unwrap_or(usize::MAX));
        self.hangs.set(query.number("hang", 0) > 0);
    }

    fn small(&self, status: StatusCode) -> Response<AnswerBody> {
        let bodiless = matches!(status.as_u16(), 204 | 205 | 304);
        let body = if bodiless {
            Bytes::new()
        } else {
            Bytes::from_static(SMALL)
        };
        let mut response = Response::new(AnswerBody::Whole(body));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(X_BODY_CRC, self.small_crc.clone());
        response
    }
}

fn cut(fate: &Fate, ending: Ending) -> Cut {
    fate.0.set(Some(ending));
    Cut
}

/// Reads the body, waiting `pause` after each piece, and tells its length and checksum.
async fn echo(mut body: Incoming, pause: Duration) -> Result<Response<AnswerBody>, Cut> {
    let (mut crc, mut bytes) = (Crc::new(), 0u64);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Cut);
        };
        if let Some(data) = frame.data_ref() {
            crc.add(data);
            bytes += data.len() as u64;
        }
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    let mut response = whole(format!("{{\"bytes\":{bytes},\"crc\":\"{crc}\"}}\n").into());
    response
        .headers_mut()
        .insert("x-received-bytes", HeaderValue::from(bytes));
    response
        .headers_mut()
        .insert("x-received-crc", crc_value(crc));
    Ok(response)
}

/// `/download?seconds=20&bytes=1000000&length=1`: chunked unless `length` says Content-Length.
fn download(query: Query<'_>) -> Response<AnswerBody> {
    let bytes = query.number("bytes", 1 << 20);
    let time = Duration::from_secs(query.number("seconds", 0).min(86_400)) + query.millis("ms", 0);
    let chunked = query.number("length", 0) == 0;
    let mut response = Response::new(AnswerBody::download(bytes, time, chunked));
    if bytes <= SUMMED_BYTES_MAX {
        response
            .headers_mut()
            .insert(X_BODY_CRC, crc_value(pattern_crc(bytes)));
    }
    response
}

/// `/events?ms=100&count=10`: an event stream, endless unless counted.
fn events(query: Query<'_>) -> Response<AnswerBody> {
    let count = query.number("count", u64::MAX);
    let mut response = Response::new(AnswerBody::events(count, query.millis("ms", 100)));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The head of the request as it came: a JSON line for the request line, then one for each header.
fn headers(head: &request::Parts) -> Response<AnswerBody> {
    let mut text = serde_json::json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "version": format!("{:?}", head.version),
    })
    .to_string();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        text += &format!("\n{}", serde_json::json!([name.as_str(), value]));
    }
    whole((text + "\n").into())
}

fn whole(bytes: Bytes) -> Response<AnswerBody> {
    let crc = crc_value(Crc::of(&bytes));
    let mut response = Response::new(AnswerBody::Whole(bytes));
    response.headers_mut().insert(X_BODY_CRC, crc);
    response
}

fn crc_value(crc: Crc) -> HeaderValue {
    // Eight hexadecimal digits are always a header value.
    HeaderValue::try_from(crc.to_string()).unwrap_or(HeaderValue::from_static(""))
}

/// The query string: `name=number`, joined by `&`.
#[derive(Clone, Copy, Debug)]
struct Query<'a>(&'a str);

impl Query<'_> {
    fn number(self, name: &str, absent: u64) -> u64 {
        self.0
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
            .unwrap_or(absent)
    }

    fn millis(self, name: &str, absent: u64) -> Duration {
        Duration::from_millis(self.number(name, absent))
    }

    fn status(self) -> StatusCode {
        let code = u16::try_from(self.number("code", 200)).unwrap_or_default();
        StatusCode::from_u16(code)
            .ok()
            .filter(|status| !status.is_informational())
            .unwrap_or(StatusCode::BAD_REQUEST)
    }
}
