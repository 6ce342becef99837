//! Looks after certificates: puts changed files in force, and tells when one expires.
//!
//! Files are believed when two looks in a row find them the same, so that nothing half written is
//! served. A pair that can't be served is told once; what was served before stays.

use std::{os::unix::fs::MetadataExt, path::Path, sync::Arc, time::Duration};

use super::{
    front::{Front, Made},
    pair::{Pair, days},
    spec::{Clients, Files, Flaw},
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

/// A certificate in force.
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

/// One entry of `listen` whose certificates are looked after.
#[derive(Debug)]
struct Entry {
    pairs: Vec<Files>,
    clients: Option<Clients>,
    front: Arc<Front>,
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

/// Looks after the certificates of every entry of `listen`.
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
        let read = prints(&pairs, clients.as_ref());
        let (made, served) = make(&pairs, clients.as_ref(), now)?;
        let front = Arc::new(Front::new(made));
        self.entries.push(Entry {
            pairs,
            clients,
            front: front.clone(),
            served,
            read,
            changed: None,
        });
        Ok(front)
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
        let Some(entry) = self
            .entries
            .iter_mut()
            .find(|e| Arc::ptr_eq(&e.front, front))
        else {
            return Ok(());
        };
        let read = prints(&pairs, clients.as_ref());
        let (made, served) = make(&pairs, clients.as_ref(), now)?;
        entry.pairs = pairs;
        entry.clients = clients;
        entry.put(made, served);
        (entry.read, entry.changed) = (read, None);
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
    fn put(&mut self, made: Made, mut served: Vec<Told>) {
        for new in &mut served {
            // What was told of a certificate holds for it still.
            if let Some(old) = self.served.iter().find(|old| old.served == new.served) {
                new.stage = old.stage;
            }
        }
        self.served = served;
        self.front.set(made);
    }

    fn renew(&mut self, now: WallTime, news: &mut Vec<News>) {
        let prints = prints(&self.pairs, self.clients.as_ref());
        if prints == self.read {
            self.changed = None;
            return;
        }
        if self.changed.as_ref() != Some(&prints) {
            self.changed = Some(prints);
            return;
        }
        (self.read, self.changed) = (prints, None);
        match make(&self.pairs, self.clients.as_ref(), now) {
            Ok((made, served)) => {
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
                self.put(made, served);
            }
            Err(flaws) => {
                let flaws: Vec<_> = flaws.iter().map(Flaw::to_string).collect();
                news.push(News {
                    urgency: Urgency::Warn,
                    certificate: self.pairs[0].certificate.display().to_string(),
                    text: format!("certificates stay as they were: {}", flaws.join("; ")),
                });
            }
        }
    }

    fn warn(&mut self, now: WallTime, news: &mut Vec<News>) {
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
                        "the certificate {name} expired at {}: clients refuse it; it is served \
                         until it is renewed",
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

fn prints(pairs: &[Files], clients: Option<&Clients>) -> Vec<Print> {
    let of_pairs = pairs
        .iter()
        .flat_map(|files| [&files.certificate, &files.key]);
    let of_clients = clients.map(|clients| &clients.roots);
    of_pairs.chain(of_clients).map(|path| print(path)).collect()
}

fn make(
    pairs: &[Files],
    clients: Option<&Clients>,
    now: WallTime,
) -> Result<(Made, Vec<Told>), Vec<Flaw>> {
    let (mut read, mut served) = (Vec::new(), Vec::new());
    for files in pairs {
        // What is doubtful was told when the configuration was read.
        let (pair, _) = Pair::read(files, now)?;
        let one = Served {
            certificate: files.certificate.display().to_string(),
            names: pair.names.clone(),
            not_before: pair.not_before,
            not_after: pair.not_after,
        };
        served.push(Told {
            served: one,
            stage: Stage::Far,
        });
        read.push(pair);
    }
    let made = Made::new(&read, clients).map_err(|flaw| vec![flaw])?;
    Ok((made, served))
}

#[cfg(test)]
mod tests;
