//! One request in the ledger: however it ends, it is counted once.

use http::{Response, request::Parts};

use crate::{
    admit::{lot::Lack, roster::Member},
    explain::code::Code,
    forward::{
        answer::{Answer, Form},
        body::Download,
        grpc,
        noted::Noted,
        replay::Plan,
        request::{self, Peer},
        thread::{Settings, Thread, View},
        upload::Broken,
    },
    observe::{
        access::Note,
        ledger::{End, Late},
    },
    time::{self, MonoTime},
    units::GrpcStatus,
};

/// One request.
pub(super) struct Account<'a> {
    pub(super) thread: &'a Thread,
    open: bool,
    note: Option<Box<Note>>,
    /// When it was last given to a worker, or began to look for one.
    tried: MonoTime,
    /// Since then it would have been answered, had it not been parked or sent once more.
    troubled: Option<MonoTime>,
}

impl<'a> Account<'a> {
    pub(super) fn open(thread: &'a Thread) -> Self {
        thread.ledger.accepted();
        Self {
            thread,
            open: true,
            note: None,
            tried: MonoTime::ZERO,
            troubled: None,
        }
    }

    /// Makes the head ready, and opens the record for the access log, if there is one.
    pub(super) fn prepare(
        &mut self,
        head: &mut Parts,
        peer: &Peer,
        settings: &Settings,
    ) -> Result<request::Noted, Code> {
        let version = head.version;
        let prepared = request::prepare(head, peer, settings, || self.thread.request_id());
        if let Some(sink) = &self.thread.access {
            self.note = Some(Note::open(sink, peer.known_by(), version, head));
        }
        prepared
    }

    /// It looks for a worker, or has one.
    pub(super) fn tries(&mut self, now: MonoTime) {
        self.tried = now;
    }

    /// It would have been answered, and now may be later.
    fn trouble(&mut self) {
        if self.troubled.is_none() {
            self.troubled = Some(self.tried);
            self.thread.ledger.troubled();
        }
    }

    /// What came of a troubled one.
    fn settle(&mut self, mut answer: Option<&mut Response<Download>>) {
        let Some(since) = self.troubled.take() else {
            return;
        };
        let late = Late {
            delay: self.tried.since(since),
            good: true,
        };
        if let Some(call) = answer.as_mut().and_then(|answer| answer.body_mut().call()) {
            // HTTP's status says nothing of it.
            call.late = Some(late);
            return;
        }
        let late = answer.map(|answer| Late {
            good: is_good(answer),
            ..late
        });
        self.thread.ledger.settled(late);
    }

    pub(super) fn waits(&mut self, lack: Lack) {
        match lack {
            Lack::Worker => {
                self.thread.ledger.parked();
                self.trouble();
            }
            Lack::Place => self.thread.ledger.queued(),
        }
        if let Some(note) = &mut self.note {
            note.parked();
        }
    }

    pub(super) fn replayed(&mut self) {
        self.thread.ledger.replayed();
        self.trouble();
        if let Some(note) = &mut self.note {
            note.replayed();
        }
    }

    /// `several`: there may be others at the same time.
    pub(super) fn given_to(&mut self, worker: &Member, several: bool) {
        if let Some(note) = &mut self.note {
            note.given_to(worker.generation, several.then_some(worker.instance));
        }
    }

    /// The record, if there is one, is closed when this answer's body ends.
    fn watched(&mut self, answer: Response<Download>, end: Option<End>) -> Response<Download> {
        match self.note.take() {
            Some(note) => Noted::watch(answer, note, end),
            None => answer,
        }
    }

    fn end(&mut self, end: End) {
        if std::mem::replace(&mut self.open, false) {
            self.thread.ledger.ended(end);
            self.settle(None);
        }
    }

    /// A worker's answer: its body closes the account.
    pub(super) fn hand_over(mut self, mut answer: Response<Download>) -> Response<Download> {
        self.open = false;
        self.settle(Some(&mut answer));
        self.watched(answer, None)
    }

    pub(super) fn refuse(
        mut self,
        headers: &http::HeaderMap,
        view: &View,
        code: Code,
        retry_at: Option<MonoTime>,
        close: bool,
    ) -> Response<Download> {
        self.end(End::Refused(code));
        let answer = own_answer(headers, view, code, retry_at, close);
        self.watched(answer, Some(End::Refused(code)))
    }

    pub(super) fn fail(
        mut self,
        headers: &http::HeaderMap,
        view: &View,
        code: Code,
    ) -> Response<Download> {
        self.end(End::Failed(code));
        let answer = own_answer(headers, view, code, None, false);
        self.watched(answer, Some(End::Failed(code)))
    }

    /// The client's body broke: it left, or it may be told what is wrong.
    pub(super) fn broken(self, plan: &Plan, view: &View) -> Response<Download> {
        match plan.upload().and_then(|upload| upload.broken()) {
            Some(Broken::Malformed) => self.refuse(plan.headers(), view, Code::BadBody, None, true),
            Some(Broken::Off) | None => self.abort(),
        }
    }

    /// The client left: nobody reads this.
    pub(super) fn abort(mut self) -> Response<Download> {
        self.end(End::Aborted);
        Answer::bare(Code::ClientClosed)
    }

    /// A load balancer's probe is answered by us while we can park what it would send.
    pub(super) fn probe(mut self) -> Response<Download> {
        self.end(End::Completed);
        let answer = Response::new(Download::Own(Some(bytes::Bytes::from_static(b"parking\n"))));
        self.watched(answer, Some(End::Completed))
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        let end = if panicked {
            End::Failed(Code::Internal)
        } else {
            End::Aborted
        };
        self.end(end);
        if let Some(note) = self.note.take() {
            note.close(end);
        }
    }
}

/// Whether an answer is one that its client wanted, as far as its head tells. Of a call that has
/// ended with it that is all there is.
fn is_good(answer: &Response<Download>) -> bool {
    let headers = answer.headers();
    let failed_call = grpc::is_call(headers) && grpc::status(headers) != Some(GrpcStatus::OK);
    answer.status().as_u16() < 500 && !failed_call
}

fn own_answer(
    headers: &http::HeaderMap,
    view: &View,
    code: Code,
    retry_at: Option<MonoTime>,
    close: bool,
) -> Response<Download> {
    let now = time::now();
    let answer = Answer {
        code,
        form: Form::of(headers),
        id: headers.get("x-request-id").cloned(),
        retry_after: retry_at.map(|at| at.since(now)),
        close: close || view.closing,
    };
    match &view.page {
        Some(page) if code == Code::Maintenance => answer.page(page.clone()),
        _ => answer.response(),
    }
}
