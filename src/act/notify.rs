//! Webhooks: a POST of JSON, tried again with growing pauses, never waited for.

use std::{cell::Cell, pin::pin, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    decide::policy::Notice,
    time::wall,
    tls::{
        back::{self, Back, Secured, Unmade},
        fault::{self, Fault},
        spec::Behind,
    },
    units::WebUrl,
    words::Generation,
};

/// So many are told at once; a hook that does not answer must not keep the others' news for ever.
const AT_ONCE: usize = 16;
/// Tries for one notice.
const TRIES: u32 = 6;
/// One try may take this long.
const TRY: Duration = Duration::from_secs(10);
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_LONGEST: Duration = Duration::from_secs(30);

/// How many are under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Notifier(Rc<Cell<usize>>);

/// What is told.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) incident: u64,
    pub(super) rule: String,
    pub(super) reason: String,
    pub(super) generation: Generation,
    /// The instance that this is a generation of, while it runs.
    pub(super) instance: Option<u32>,
    pub(super) notice: Notice,
}

/// A place among those that are under way.
struct Place(Rc<Cell<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Why a try failed, and whether another one may help.
struct Failed {
    why: String,
    again: bool,
}

impl Notifier {
    /// Tells it, trying again within the notice's time. Who was told, or why nobody was.
    pub(super) fn tell(
        &self,
        letter: Letter,
    ) -> impl Future<Output = Result<String, String>> + use<> {
        let place = self.place();
        async move {
            let place = place.ok_or_else(|| format!("{AT_ONCE} notices are under way already"))?;
            let told = deliver(&letter).await;
            drop(place);
            told
        }
    }

    fn place(&self) -> Option<Place> {
        if self.0.get() >= AT_ONCE {
            return None;
        }
        self.0.set(self.0.get() + 1);
        Some(Place(self.0.clone()))
    }
}

async fn deliver(letter: &Letter) -> Result<String, String> {
    let notice = &letter.notice;
    let (end, body) = (Instant::now() + notice.timeout, body(letter));
    let mut pause = PAUSE_FIRST;
    let mut tried = 0;
    loop {
        tried += 1;
        let until = end.min(Instant::now() + TRY);
        let result = timeout_at(until, post(notice, body.clone())).await;
        let failed = match result {
            Ok(Ok(status)) => {
                let nth = if tried > 1 {
                    format!(" at try {tried}")
                } else {
                    String::new()
                };
                return Ok(format!("{} ({status}{nth})", notice.url.place()));
            }
            Ok(Err(failed)) => failed,
            Err(_) => Failed {
                why: "no answer in time".to_owned(),
                again: true,
            },
        };
        let jitter = pause.mul_f64(0.5 + fastrand::f64());
        if !failed.again || tried >= TRIES || Instant::now() + jitter >= end {
            let place = notice.url.place();
            return Err(format!("{place}: {} (try {tried}, the last)", failed.why));
        }
        sleep(jitter).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

/// `text` is what chats show of a message.
fn body(letter: &Letter) -> Bytes {
    let host = rustix::system::uname();
    let body = json!({
        "event": "rule-fired",
        "rule": letter.rule,
        "reason": letter.reason,
        "incident": letter.incident,
        "generation": letter.generation.0,
        "instance": letter.instance,
        "time": wall().to_string(),
        "host": host.nodename().to_string_lossy(),
        "text": format!("autoheal on {}: {}", host.nodename().to_string_lossy(), letter.reason),
    });
    Bytes::from(body.to_string())
}

async fn post(notice: &Notice, body: Bytes) -> Result<StatusCode, Failed> {
    let url = &notice.url;
    let again = |why: String| Failed { why, again: true };
    let stream = TcpStream::connect((url.host(), url.port()))
        .await
        .map_err(|error| again(format!("can't connect: {error}")))?;
    let request = Request::post(url.target())
        .header(header::HOST, url.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "autoheal")
        .header(header::CONNECTION, "close")
        .body(Full::new(body))
        .map_err(|_| Failed {
            why: "the URL can't be asked for".to_owned(),
            again: false,
        })?;
    match url.is_tls() {
        true => ask(secured(url, stream).await?, request).await,
        false => ask(stream, request).await,
    }
}

/// Shakes hands with a webhook, whose certificate must be for its name and lead to what this
/// machine trusts.
async fn secured(url: &WebUrl, stream: TcpStream) -> Result<Secured<TcpStream>, Failed> {
    let asked = Behind {
        name: url.host().to_owned(),
        ..Behind::default()
    };
    // The machine's roots are read from many files.
    let made = tokio::task::spawn_blocking(move || {
        let made = back::Made::new(&asked, None, false)?;
        Back::new(asked, false, made)
    });
    let ours = |why: String| Failed { why, again: false };
    let back = made.await.map_err(|error| ours(error.to_string()))?;
    let back = back.map_err(|flaw| ours(flaw.what))?;
    back.handshake(stream).await.map_err(|error| match error {
        Unmade::Lost(error) => Failed {
            why: format!("no TLS: {error}"),
            again: true,
        },
        Unmade::Tls(failed) => in_tls(&failed),
    })
}

fn in_tls(failed: &fault::Failed) -> Failed {
    let cure = match failed.fault {
        Fault::UnknownIssuer => {
            "; install its authority on this machine, or name a file of it in \
                                 SSL_CERT_FILE"
        }
        Fault::WrongName => "; write a name that its certificate is for",
        Fault::NotTls => "; write http://",
        _ => "",
    };
    Failed {
        why: format!("{}{cure}", failed.what()),
        again: matches!(failed.fault, Fault::Refused | Fault::Broken),
    }
}

async fn ask<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let lost = |error: hyper::Error| Failed {
        why: format!("no answer: {error}"),
        again: true,
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // Its last act may have been to hand the answer over.
        end = connection => match end {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    };
    judged(answer.map_err(lost)?.status())
}

fn judged(status: StatusCode) -> Result<StatusCode, Failed> {
    if status.is_success() {
        return Ok(status);
    }
    let again = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        );
    Err(Failed {
        why: format!("it answered {status}"),
        again,
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    fn letter(port: u16) -> Letter {
        Letter {
            incident: 7,
            rule: "r\"1".to_owned(),
            reason: "why\n".to_owned(),
            generation: Generation(3),
            instance: Some(2),
            notice: Notice {
                url: format!("http://127.0.0.1:{port}/hook?key=1")
                    .parse()
                    .unwrap(),
                timeout: Duration::from_secs(30),
            },
        }
    }

    /// Answers each request with the next of these; gives what came.
    fn hook(answers: &'static [&str]) -> (u16, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = thread::spawn(move || {
            let answer = |answer: &&str| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut came = Vec::new();
                while !came.ends_with(b"}") {
                    let mut bytes = [0; 4096];
                    let count = stream.read(&mut bytes).unwrap();
                    assert!(count > 0, "it closed early");
                    came.extend_from_slice(&bytes[..count]);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                String::from_utf8(came).unwrap()
            };
            answers.iter().map(answer).collect()
        });
        (port, served)
    }

    fn tell(port: u16) -> Result<String, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(Notifier::default().tell(letter(port)))
    }

    #[test]
    fn a_hook_that_fails_at_first_is_told_once_more_and_what_it_is_told_is_json() {
        let (port, served) = hook(&[
            "HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 204 ok\r\n\r\n",
        ]);
        let told = tell(port).unwrap();
        assert_eq!(
            told,
            format!("http://127.0.0.1:{port} (204 No Content at try 2)")
        );
        let came = served.join().unwrap();
        assert_eq!(came.len(), 2);
        let (head, body) = came[1].split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /hook?key=1 HTTP/1.1\r\n"), "{head}");
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&json["rule"], &json["incident"]),
            (&"r\"1".into(), &7.into())
        );
        assert!(json["host"].as_str().is_some_and(|host| !host.is_empty()));
        assert!(json["time"].as_str().unwrap().ends_with('Z'), "{json}");
    }

    #[test]
    fn a_hook_that_does_not_want_it_is_told_no_more() {
        let (port, served) = hook(&["HTTP/1.1 404 no\r\ncontent-length: 0\r\n\r\n"]);
        let why = tell(port).unwrap_err();
        assert!(
            why.contains("it answered 404 Not Found (try 1, the last)"),
            "{why}"
        );
        assert!(!why.contains("key=1"), "{why}");
        assert_eq!(served.join().unwrap().len(), 1);
    }

    #[test]
    fn only_so_many_are_under_way() {
        let notifier = Notifier::default();
        let places: Vec<_> = (0..AT_ONCE).map(|_| notifier.place().unwrap()).collect();
        assert!(notifier.place().is_none());
        drop(places);
        assert!(notifier.place().is_some());
    }
}
