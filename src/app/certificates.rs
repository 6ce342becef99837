//! The certificates of every entry of `listen` and of TLS with the worker: read at the start,
//! replaced by a reload, and looked after by a thread of their own, because files may block.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as std_mpsc},
    thread,
};

use tokio::sync::mpsc;

use super::Error;
use crate::{
    config::{Listen, Tls, Worker},
    control::order::CertificateStatus,
    decide::event::{Event, Field, Kind, Level},
    time,
    tls::{
        back::Back,
        front::Front,
        renewal::{LOOK, News, Renewal, Served, Urgency},
        spec::Flaw,
    },
};

/// What may wait for the control thread.
pub(super) const NEWS_MAX: usize = 64;

/// The certificates in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates {
    renewal: Arc<Mutex<Renewal>>,
    /// What operators are shown, so that they need not wait for a disk.
    board: Arc<Mutex<Vec<Served>>>,
    fronts: Vec<(Listen, Arc<Front>)>,
    back: Arc<Mutex<Option<Arc<Back>>>>,
}

/// TLS with the worker that stays as it was, and why.
pub(super) struct Kept {
    pub(super) back: Option<Arc<Back>>,
    pub(super) why: String,
}

/// Ends the thread that looks after certificates when it is dropped.
pub(super) struct Watch(#[expect(dead_code, reason = "its end is its message")] Ends);

type Ends = std_mpsc::Sender<std::convert::Infallible>;

impl Certificates {
    /// TLS of an entry, ready for handshakes; `None`: it speaks plain HTTP.
    pub(super) fn front(&mut self, listen: &Listen) -> Result<Option<Arc<Front>>, Error> {
        let Some(Tls { pairs, client }) = listen.tls.clone() else {
            return Ok(None);
        };
        let front = lock(&self.renewal).begin(pairs, client, time::wall());
        let front = front.map_err(|flaws| Error::Tls(sentence(&flaws)))?;
        self.fronts.push((listen.clone(), front.clone()));
        self.show();
        Ok(Some(front))
    }

    /// TLS with the worker, ready for handshakes; `None`: it speaks without.
    pub(super) fn back(&self, worker: &Worker) -> Result<Option<Arc<Back>>, Error> {
        let back = self.back_again(worker);
        back.map_err(|kept| Error::Tls(kept.why))
    }

    /// The same for a new configuration: the one that there is, its files read again, if nothing
    /// else is asked for. When it can't be had, what there was, and why.
    pub(super) fn back_again(&self, worker: &Worker) -> Result<Option<Arc<Back>>, Kept> {
        let mut renewal = lock(&self.renewal);
        let mut now = lock(&self.back);
        let (asked, http2) = (
            worker.tls.clone().unwrap_or_default(),
            worker.protocol.is_http2(),
        );
        let is_same = |back: &Arc<Back>| *back.asked() == asked && back.is_http2() == http2;
        let made = if !worker.protocol.is_tls() {
            renewal.end_back();
            Ok(None)
        } else if now.as_ref().is_some_and(is_same) {
            renewal.read_back_again(time::wall()).map(|()| now.clone())
        } else {
            renewal.begin_back(asked, http2, time::wall()).map(Some)
        };
        drop(renewal);
        let made = made.map_err(|flaws| {
            let why = format!("TLS with the worker stays as it was: {}", sentence(&flaws));
            Kept {
                back: now.clone(),
                why,
            }
        })?;
        now.clone_from(&made);
        drop(now);
        self.show();
        Ok(made)
    }

    /// Puts in force what a new configuration says of the same entries. Gives what could not be.
    pub(super) fn reload(&self, new: &[Listen]) -> Vec<String> {
        let mut renewal = lock(&self.renewal);
        let mut failed = Vec::new();
        for (old, front) in &self.fronts {
            let same = new.iter().find(|new| new.is_like(old));
            if let Some(Tls { pairs, client }) = same.and_then(|new| new.tls.clone())
                && let Err(flaws) = renewal.replace(front, pairs, client, time::wall())
            {
                failed.push(format!(
                    "certificates stay as they were: {}",
                    sentence(&flaws)
                ));
            }
        }
        drop(renewal);
        self.show();
        failed
    }

    /// Looks after the files until what this gives is dropped.
    pub(super) fn watch(&self, to: mpsc::Sender<Event>) -> io::Result<Watch> {
        let (ends, ended) = std_mpsc::channel();
        let me = self.clone();
        thread::Builder::new()
            .name("certificates".to_owned())
            .spawn(move || {
                while !ends_within_a_look(&ended) {
                    let news = lock(&me.renewal).look(time::wall());
                    me.show();
                    for event in news.into_iter().map(event) {
                        if let Err(error) = to.try_send(event) {
                            tracing::error!(%error, "cannot tell what is new of certificates");
                        }
                    }
                }
            })?;
        Ok(Watch(ends))
    }

    /// What operators are shown.
    pub(super) fn status(&self) -> Vec<CertificateStatus> {
        let now = time::wall();
        let show = |served: &Served| CertificateStatus {
            certificate: served.certificate.clone(),
            names: served.names.clone(),
            not_before: served.not_before.to_string(),
            not_after: served.not_after.to_string(),
            remaining_s: (served.not_after.0.cast_signed() - now.0.cast_signed()) / 1000,
        };
        lock(&self.board).iter().map(show).collect()
    }

    fn show(&self) {
        let served = lock(&self.renewal).served();
        *lock(&self.board) = served;
    }
}

fn ends_within_a_look(ended: &std_mpsc::Receiver<std::convert::Infallible>) -> bool {
    ended.recv_timeout(LOOK) == Err(std_mpsc::RecvTimeoutError::Disconnected)
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sentence(flaws: &[Flaw]) -> String {
    let flaws: Vec<_> = flaws.iter().map(Flaw::to_string).collect();
    flaws.join("; ")
}

fn event(news: News) -> Event {
    Event {
        kind: Kind::Certificate,
        level: match news.urgency {
            Urgency::Info => Level::Info,
            Urgency::Warn => Level::Warn,
            Urgency::Error => Level::Error,
        },
        generation: None,
        incident: None,
        text: news.text,
        fields: vec![("certificate", Field::Text(news.certificate))],
    }
}
