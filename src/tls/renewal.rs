//! Looks after certificates: puts changed files in force, and tells when one expires.
//!
//! Files are believed when two looks in a row find them the same, so that nothing half written is
//! served. A pair that can't be served is told once; what was served before stays.

mod what;

use std::{os::unix::fs::MetadataExt, path::Path, sync::Arc, time::Duration};

use self::what::{New, What, make_back, make_front, of_back, of_front};
use super::{
    back::Back,
    front::Front,
    pair::days,
    spec::{Behind, Clients, Files, Flaw},
};
use crate::time::WallTime;

/// Between two looks.
pub const LOOK: Duration = Duration::from_secs(2);

/// What happened, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// How urgent it is.
    pub urgency: Urgency,
    /// The certificate's file.
    pub certificate: String,
    /// One line without a full stop.
    pub text: String,
}

/// How urgent news is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// It changed.
    Info,
    /// It needs somebody, by day.
    Warn,
    /// It needs somebody now.
    Error,
}

/// A certificate of ours in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its file.
    pub certificate: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// It is valid from then on.
    pub not_before: WallTime,
    /// It is valid until then.
    pub not_after: WallTime,
}

/// What is looked after.
#[derive(Debug)]
struct Entry {
    what: What,
    served: Vec<Told>,
    /// The files as they were when they were last read.
    read: Vec<Print>,
    /// The files as they were at the last look, if they were not as when they were read.
    changed: Option<Vec<Print>>,
}

/// What tells one version of a file from another; `None`: it is not there.
type Print = Option<(u64, u64, i64, i64, u64)>;

fn print(path: &Path) -> Print {
    let file = std::fs::metadata(path).ok()?;
    let id = (file.dev(), file.ino());
    Some((id.0, id.1, file.mtime(), file.mtime_nsec(), file.len()))
}

/// How near a certificate's end is. Each is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Far,
    Month,
    Week,
    Day,
    Over,
}

impl Stage {
    fn of(not_after: WallTime, now: WallTime) -> Self {
        const DAY_MS: u64 = 24 * 3_600_000;
        if not_after <= now {
            return Self::Over;
        }
        match not_after.0 - now.0 {
            ..=DAY_MS => Self::Day,
            left if left <= 7 * DAY_MS => Self::Week,
            left if left <= 30 * DAY_MS => Self::Month,
            _ => Self::Far,
        }
    }
}

/// A certificate, and what was told of its end.
#[derive(Debug)]
struct Told {
    served: Served,
    stage: Stage,
}

/// Looks after the certificates of every entry of `listen`, and of TLS with the worker.
#[derive(Debug, Default)]
pub struct Renewal {
    entries: Vec<Entry>,
}

impl Renewal {
    /// Reads an entry's files and looks after them from now on.
    ///
    /// # Errors
    /// Why they can't be served.
    pub fn begin(
        &mut self,
        pairs: Vec<Files>,
        clients: Option<Clients>,
        now: WallTime,
    ) -> Result<Arc<Front>, Vec<Flaw>> {
        let read = prints(&of_front(&pairs, clients.as_ref()));
        let (made, served) = make_front(&pairs, clients.as_ref(), now)?;
        let front = Arc::new(Front::new(made));
        let what = What::Front {
            pairs,
            clients,
            front: front.clone(),
        };
        self.entries.push(Entry::new(what, served, read));
        Ok(front)
    }

    /// The same for TLS with the worker, in HTTP/2 or HTTP/1.1, in place of what was before.
    ///
    /// # Errors
    /// Why they can't be used: what was looked after before still is.
    pub fn begin_back(
        &mut self,
        asked: Behind,
        http2: bool,
        now: WallTime,
    ) -> Result<Arc<Back>, Vec<Flaw>> {
        let read = prints(&of_back(&asked));
        let (made, served) = make_back(&asked, http2, now)?;
        let back = Back::new(asked, http2, made).map_err(|flaw| vec![flaw])?;
        let back = Arc::new(back);
        self.end_back();
        let what = What::Back(back.clone());
        self.entries.push(Entry::new(what, served, read));
        Ok(back)
    }

    /// Looks no more after TLS with the worker.
    pub fn end_back(&mut self) {
        self.entries
            .retain(|entry| !matches!(entry.what, What::Back(_)));
    }

    /// Puts other files in force for an entry, or the same ones as they are now.
    ///
    /// # Errors
    /// Why they can't be served: what was in force stays.
    pub fn replace(
        &mut self,
        front: &Arc<Front>,
        pairs: Vec<Files>,
        clients: Option<Clients>,
        now: WallTime,
    ) -> Result<(), Vec<Flaw>> {
        let is_it = |entry: &&mut Entry| match &entry.what {
            What::Front { front: its, .. } => Arc::ptr_eq(its, front),
            What::Back(_) => false,
        };
        let Some(entry) = self.entries.iter_mut().find(is_it) else {
            return Ok(());
        };
        let what = What::Front {
            pairs,
            clients,
            front: front.clone(),
        };
        let read = prints(&what.files());
        let (new, served) = what.make(now)?;
        entry.what = what;
        entry.put(new, served);
        (entry.read, entry.changed) = (read, None);
        Ok(())
    }

    /// Reads the files of TLS with the worker as they are now.
    ///
    /// # Errors
    /// Why they can't be used: what was in force stays.
    pub fn read_back_again(&mut self, now: WallTime) -> Result<(), Vec<Flaw>> {
        let is_it = |entry: &&mut Entry| matches!(entry.what, What::Back(_));
        for entry in self.entries.iter_mut().filter(is_it) {
            let read = prints(&entry.what.files());
            let (new, served) = entry.what.make(now)?;
            entry.put(new, served);
            (entry.read, entry.changed) = (read, None);
        }
        Ok(())
    }

    /// Looks at every file. Gives what is new.
    pub fn look(&mut self, now: WallTime) -> Vec<News> {
        let mut news = Vec::new();
        for entry in &mut self.entries {
            entry.renew(now, &mut news);
            entry.warn(now, &mut news);
        }
        news
    }

    /// The certificates in force.
    #[must_use]
    pub fn served(&self) -> Vec<Served> {
        let all = self.entries.iter().flat_map(|entry| &entry.served);
        all.map(|told| told.served.clone()).collect()
    }
}

impl Entry {
    fn new(what: What, served: Vec<Told>, read: Vec<Print>) -> Self {
        Self {
            what,
            served,
            read,
            changed: None,
        }
    }

    fn put(&mut self, new: New, mut served: Vec<Told>) {
        for new in &mut served {
            // What was told of a certificate holds for it still.
            if let Some(old) = self.served.iter().find(|old| old.served == new.served) {
                new.stage = old.stage;
            }
        }
        self.served = served;
        self.what.set(new);
    }

    fn renew(&mut self, now: WallTime, news: &mut Vec<News>) {
        let prints = prints(&self.what.files());
        if prints == self.read {
            self.changed = None;
            return;
        }
        if self.changed.as_ref() != Some(&prints) {
            self.changed = Some(prints);
            return;
        }
        (self.read, self.changed) = (prints, None);
        match self.what.make(now) {
            Ok((new, served)) => {
                let is_new = |new: &&Told| self.served.iter().all(|old| old.served != new.served);
                news.extend(
                    served
                        .iter()
                        .filter(is_new)
                        .map(|Told { served: one, .. }| News {
                            urgency: Urgency::Info,
                            certificate: one.certificate.clone(),
                            text: format!(
                                "the certificate {} was renewed: it is valid until {}",
                                one.certificate, one.not_after
                            ),
                        }),
                );
                self.put(new, served);
            }
            Err(flaws) => {
                let flaws: Vec<_> = flaws.iter().map(Flaw::to_string).collect();
                news.push(News {
                    urgency: Urgency::Warn,
                    certificate: self.name(),
                    text: format!("certificates stay as they were: {}", flaws.join("; ")),
                });
            }
        }
    }

    /// The first of its files.
    fn name(&self) -> String {
        let files = self.what.files();
        files
            .first()
            .map_or_else(String::new, |file| file.display().to_string())
    }

    fn warn(&mut self, now: WallTime, news: &mut Vec<News>) {
        let when_over = self.what.when_over();
        for Told {
            served,
            stage: told,
        } in &mut self.served
        {
            let stage = Stage::of(served.not_after, now);
            if stage <= *told {
                continue;
            }
            *told = stage;
            let name = &served.certificate;
            let (urgency, text) = match stage {
                Stage::Over => (
                    Urgency::Error,
                    format!(
                        "the certificate {name} expired at {}: {when_over}",
                        served.not_after
                    ),
                ),
                _ => (
                    Urgency::Warn,
                    format!(
                        "the certificate {name} expires in {}, at {}",
                        days(served.not_after, now),
                        served.not_after
                    ),
                ),
            };
            news.push(News {
                urgency,
                certificate: name.clone(),
                text,
            });
        }
    }
}

fn prints(files: &[&Path]) -> Vec<Print> {
    files.iter().map(|path| print(path)).collect()
}

#[cfg(test)]
mod tests;
