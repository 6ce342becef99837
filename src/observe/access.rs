//! What the access log tells of one request, and the bounded queue to whoever writes it.
//!
//! Invariants: handing a record over never waits; what finds no place is counted; a record holds
//! no more of what a client sent than fits its limits.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use http::{
    HeaderMap, HeaderName, Method, Version,
    header::{HOST, REFERER, USER_AGENT},
    request::Parts,
};

use super::ledger::End;
use crate::{
    explain::code::Code,
    time::{self, MonoTime, WallTime},
    units::Share,
    words::Generation,
};

/// So many records may wait to be written: with every text at its limit about 28 MiB.
const QUEUE_RECORDS: usize = 4096;
/// So many bytes of a target are kept.
const TARGET_MAX: usize = 4096;
/// So many bytes of any other text that a client sent are kept.
const TEXT_MAX: usize = 1024;
/// How a request of autoheal's own ends.
const ALWAYS_ON: &str = "always-on";
/// What is written for a request whose client left before it had a status, as nginx does.
const CLIENT_LEFT: u16 = 499;

/// One request, when its answer or its connection has ended.
#[derive(Clone, Debug)]
pub struct Record {
    /// When its head was read.
    pub at: WallTime,
    /// Its client; `None`: a Unix socket.
    pub client: Option<IpAddr>,
    /// Its method.
    pub method: Method,
    /// Its path, with its query if that is wanted.
    pub path: String,
    /// What its client speaks.
    pub version: Version,
    /// The status of its answer; 499: its client left before.
    pub status: u16,
    /// Why autoheal answered by itself, or what went wrong with the worker's answer.
    pub code: Option<Code>,
    /// How it ended; `always-on`: it is autoheal's own.
    pub end: &'static str,
    /// So many bytes of the answer's body were sent.
    pub bytes: u64,
    /// From its head to its end.
    pub took: Duration,
    /// From its head to the head of its answer.
    pub head: Option<Duration>,
    /// The last worker that it was given to.
    pub worker: Option<Generation>,
    /// The instance that this is a generation of, where there may be several.
    pub instance: Option<u32>,
    /// It waited for a worker.
    pub parked: bool,
    /// So often it was sent once more.
    pub replayed: u32,
    /// Its request id.
    pub id: String,
    /// The host that it is for.
    pub host: String,
    /// `User-Agent`, if that is wanted.
    pub user_agent: Option<String>,
    /// `Referer`, if that is wanted.
    pub referer: Option<String>,
    /// Whose certificate its client has shown, if that is wanted.
    pub subject: Option<String>,
}

/// A request of autoheal's own that keeps a worker warm.
#[derive(Clone, Debug)]
pub struct Own {
    /// When it was sent.
    pub at: WallTime,
    /// To whom.
    pub worker: Generation,
    /// The instance that this is a generation of, where there may be several.
    pub instance: Option<u32>,
    /// In which version.
    pub version: Version,
    /// Under which name.
    pub host: String,
    /// As whom.
    pub user_agent: &'static str,
    /// The status of its answer, or why there is none.
    pub answer: Result<u16, Code>,
    /// From connecting to the end of the answer.
    pub took: Duration,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Of so many requests; failures of the server are always recorded.
    pub sample: Share,
    /// The query of a target too.
    pub query: bool,
    /// `User-Agent` too.
    pub user_agent: bool,
    /// `Referer` too.
    pub referer: bool,
    /// Whose certificate the client has shown, too.
    pub subject: bool,
}

/// Where data threads hand their records over.
#[derive(Clone, Debug)]
pub struct Sink {
    queue: SyncSender<Record>,
    chosen: Chosen,
    lost: Arc<AtomicU64>,
}

impl Sink {
    /// A sink, what it is read from, and the count of what found no place.
    #[must_use]
    pub fn new(chosen: Chosen) -> (Self, Receiver<Record>, Arc<AtomicU64>) {
        let (queue, records) = sync_channel(QUEUE_RECORDS);
        let lost = Arc::new(AtomicU64::new(0));
        let sink = Self {
            queue,
            chosen,
            lost: lost.clone(),
        };
        (sink, records, lost)
    }

    /// Takes in a request of autoheal's own: one of no client, of which no client is sent anything.
    pub fn own(&self, own: Own) {
        self.take(Record {
            at: own.at,
            client: None,
            method: Method::GET,
            path: "/".to_owned(),
            version: own.version,
            status: own.answer.unwrap_or_else(Code::status),
            code: own.answer.err(),
            end: ALWAYS_ON,
            bytes: 0,
            took: own.took,
            head: None,
            worker: Some(own.worker),
            instance: own.instance,
            parked: false,
            replayed: 0,
            id: String::new(),
            host: own.host,
            user_agent: (self.chosen.user_agent).then(|| own.user_agent.to_owned()),
            referer: None,
            subject: None,
        });
    }

    fn take(&self, record: Record) {
        let kept = record.status >= 500 || is_in(self.chosen.sample, fastrand::u32(0..10_000));
        if kept && self.queue.try_send(record).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }
}

/// Whether a request that drew this number, 0 to 9999, is among the sample.
fn is_in(sample: Share, drawn: u32) -> bool {
    drawn < u32::from(sample.basis_points())
}

/// A record in the making.
#[derive(Debug)]
pub struct Note {
    sink: Sink,
    record: Record,
    start: MonoTime,
}

impl Note {
    /// A request's head was read, in this version, and made ready. The client is known by its
    /// address and by the subject of its certificate.
    #[must_use]
    pub fn open(
        sink: &Sink,
        (client, subject): (Option<IpAddr>, Option<&str>),
        version: Version,
        head: &Parts,
    ) -> Box<Self> {
        let Chosen {
            query,
            user_agent,
            referer,
            subject: of_subject,
            ..
        } = sink.chosen;
        let target = match head.uri.path_and_query() {
            Some(target) if query => target.as_str(),
            _ => head.uri.path(),
        };
        let text = |name| text(&head.headers, name);
        let record = Record {
            at: time::wall(),
            client,
            method: head.method.clone(),
            path: clip(target, TARGET_MAX),
            version,
            status: 0,
            code: None,
            end: "",
            bytes: 0,
            took: Duration::ZERO,
            head: None,
            worker: None,
            instance: None,
            parked: false,
            replayed: 0,
            id: text(HeaderName::from_static("x-request-id")).unwrap_or_default(),
            host: text(HOST).unwrap_or_default(),
            user_agent: user_agent.then(|| text(USER_AGENT)).flatten(),
            referer: referer.then(|| text(REFERER)).flatten(),
            subject: subject
                .filter(|_| of_subject)
                .map(|subject| clip(subject, TEXT_MAX)),
        };
        Box::new(Self {
            sink: sink.clone(),
            record,
            start: time::now(),
        })
    }

    /// It had to wait for a worker.
    pub fn parked(&mut self) {
        self.record.parked = true;
    }

    /// It was sent once more.
    pub fn replayed(&mut self) {
        self.record.replayed += 1;
    }

    /// It is given to this worker, of this one of several instances.
    pub fn given_to(&mut self, worker: Generation, instance: Option<u32>) {
        self.record.worker = Some(worker);
        self.record.instance = instance;
    }

    /// The head of its answer is there.
    pub fn answered(&mut self, status: u16) {
        self.record.status = status;
        self.record.head = Some(time::now().since(self.start));
    }

    /// So many more bytes of the answer's body were taken to be sent.
    pub fn sent(&mut self, bytes: usize) {
        self.record.bytes += bytes as u64;
    }

    /// It has ended.
    pub fn close(mut self, end: End) {
        let record = &mut self.record;
        record.took = time::now().since(self.start);
        let (word, code) = match end {
            End::Completed => ("completed", None),
            End::Aborted => ("aborted", None),
            End::Refused(code) => ("refused", Some(code)),
            End::Failed(code) => ("failed", Some(code)),
        };
        (record.end, record.code) = (word, code);
        if record.status == 0 {
            record.status = code.map_or(CLIENT_LEFT, Code::status);
        }
        self.sink.take(self.record);
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    let value = &value[..value.len().min(TEXT_MAX)];
    Some(String::from_utf8_lossy(value).into_owned())
}

fn clip(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn sink(sample: u8, query: bool) -> (Sink, Receiver<Record>, Arc<AtomicU64>) {
        Sink::new(Chosen {
            sample: Share::percent(sample.into()),
            query,
            user_agent: false,
            referer: false,
            subject: true,
        })
    }

    fn head() -> Parts {
        let request = Request::get("/a/b?token=secret")
            .header("user-agent", "curl")
            .header("cookie", "a=b")
            .header("x-request-id", "7");
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_query_and_fields_that_nobody_chose_are_not_recorded() {
        let (quiet, records, _) = sink(100, false);
        Note::open(&quiet, (None, Some("CN=a")), Version::HTTP_2, &head()).close(End::Completed);
        let record = records.try_recv().unwrap();
        assert_eq!((record.path.as_str(), record.id.as_str()), ("/a/b", "7"));
        assert_eq!(record.version, Version::HTTP_2);
        assert_eq!(record.subject.as_deref(), Some("CN=a"));
        assert!(!format!("{record:?}").contains("curl"));
        let (open, records, _) = sink(100, true);
        Note::open(&open, (None, Some("CN=a")), Version::HTTP_2, &head()).close(End::Completed);
        assert_eq!(records.try_recv().unwrap().path, "/a/b?token=secret");
    }

    #[test]
    fn the_sample_is_a_share_but_every_5xx_is_kept() {
        let share = Share::percent(30);
        let kept = (0..10_000).filter(|drawn| is_in(share, *drawn)).count();
        assert_eq!(kept, 3_000);
        let (sink, records, lost) = sink(0, false);
        for status in [200, 404, 500, 503] {
            let mut note = Note::open(&sink, (None, Some("CN=a")), Version::HTTP_2, &head());
            note.answered(status);
            note.close(End::Completed);
        }
        let statuses: Vec<u16> = records.try_iter().map(|record| record.status).collect();
        assert_eq!(statuses, [500, 503]);
        assert_eq!(lost.load(Relaxed), 0);
    }

    #[test]
    fn a_full_queue_counts_and_does_not_wait() {
        let (sink, records, lost) = sink(100, false);
        for _ in 0..QUEUE_RECORDS + 3 {
            Note::open(&sink, (None, Some("CN=a")), Version::HTTP_2, &head()).close(End::Completed);
        }
        assert_eq!(lost.load(Relaxed), 3);
        assert_eq!(records.try_iter().count(), QUEUE_RECORDS);
    }

    #[test]
    fn who_leaves_before_an_answer_has_status_499_and_long_texts_are_cut() {
        let (sink, records, _) = sink(100, false);
        let mut head = head();
        head.uri = format!("/{}", "x".repeat(9_000)).parse().unwrap();
        Note::open(&sink, (None, Some("CN=a")), Version::HTTP_2, &head).close(End::Aborted);
        let record = records.try_recv().unwrap();
        assert_eq!((record.status, record.end), (499, "aborted"));
        assert_eq!(record.path.len(), TARGET_MAX);
        Note::open(&sink, (None, Some("CN=a")), Version::HTTP_2, &head)
            .close(End::Refused(Code::ParkingFull));
        assert_eq!(records.try_recv().unwrap().status, 503);
    }
}
