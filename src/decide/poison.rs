//! Kinds of requests that end their workers: in flight at three crashes of the worker's own making,
//! five times more often than their part of the traffic predicts. Pure statistics; all thresholds
//! are here.
//!
//! Its part of the traffic is measured from the first crash on, in two ways of which the larger
//! counts: of all requests, and of all moments those in which one was in flight. The second keeps
//! what is always in flight, as a stream is, from being blamed. Little traffic blames nobody: one
//! more is taken to have been there than was seen.
//!
//! Of many kinds some are in flight at three crashes by chance. So one is named only if no more
//! than one time in a thousand chance would name any of those that are suspected; the first crash,
//! by which it came to be one of them, is not counted for that.

use std::{cmp::Reverse, time::Duration};

use super::{observation::Presence, snapshot::PoisonView};
use crate::{time::MonoTime, units::RequestShape};

/// So many crashes...
const CRASHES: u64 = 3;
/// ...so many times as often as predicted...
const TIMES: f64 = 5.0;
/// ...and no more often by chance than this.
const CHANCE: f64 = 1e-3;
/// So many kinds are suspected at once.
const SUSPECTS: usize = 100;
/// What is known is forgotten so long after the last crash it was in.
pub(super) const KEPT: Duration = Duration::from_secs(3600);

/// The kinds that were in flight at a crash.
#[derive(Clone, Debug, Default)]
pub(super) struct Poison(Vec<Suspect>);

#[derive(Clone, Debug)]
struct Suspect {
    shape: RequestShape,
    /// Crashes that it was in, of all since the first of them.
    crashes: u64,
    of: u64,
    /// The last crash that it was in.
    last: MonoTime,
    incident: u64,
    /// Requests of this kind, of all.
    requests: (u64, u64),
    /// Moments at which one was in flight, of all.
    moments: (u64, u64),
    named: bool,
}

/// What is new of a kind of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It ends its workers.
    Named,
    /// It has ended one more.
    Again,
    /// It does not, as later crashes show.
    Cleared,
}

/// What is new of one kind of requests.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct News {
    pub(super) turn: Turn,
    /// `POST /report`.
    pub(super) request: String,
    /// What that rests on: `in flight at 3 of 3 crashes, 2% of the traffic`.
    pub(super) because: String,
    /// The last crash that it was in.
    pub(super) incident: u64,
    pub(super) crashes: u64,
}

impl Suspect {
    fn new(shape: RequestShape) -> Self {
        Self {
            shape,
            crashes: 0,
            of: 0,
            last: MonoTime::ZERO,
            incident: 0,
            requests: (0, 0),
            moments: (0, 0),
            named: false,
        }
    }

    /// The chance by which its part of the traffic predicts it to be in flight at a crash.
    fn predicted(&self) -> f64 {
        let part = |(part, all): (u64, u64)| (part as f64 + 1.0) / (all as f64 + 1.0);
        part(self.requests).max(part(self.moments)).min(1.0)
    }

    fn is_often_there(&self) -> bool {
        let predicted = self.predicted() * self.of as f64;
        self.crashes >= CRASHES && self.crashes as f64 >= TIMES * predicted
    }

    /// Whether chance would not have named it, being one of so many.
    fn is_surely(&self, suspects: usize) -> bool {
        let by_chance = chance(self.crashes - 1, self.of - 1, self.predicted());
        by_chance * suspects as f64 <= CHANCE
    }

    fn because(&self) -> String {
        let (part, all) = self.requests;
        let share = match part * 100 / all.max(1) {
            0 => "less than 1%".to_owned(),
            percent => format!("{percent}%"),
        };
        let (crashes, of) = (self.crashes, self.of);
        format!("in flight at {crashes} of {of} crashes, {share} of the traffic")
    }

    fn news(&self, turn: Turn) -> News {
        News {
            turn,
            request: self.shape.to_string(),
            because: self.because(),
            incident: self.incident,
            crashes: self.crashes,
        }
    }
}

impl Poison {
    /// A worker crashed with these in flight.
    pub(super) fn crashed(
        &mut self,
        now: MonoTime,
        incident: u64,
        in_flight: &[RequestShape],
    ) -> Vec<News> {
        self.expire(now);
        for shape in in_flight {
            if !self.0.iter().any(|one| one.shape == *shape) {
                self.0.push(Suspect::new(shape.clone()));
            }
        }
        let mut again = Vec::new();
        for one in &mut self.0 {
            one.of += 1;
            if in_flight.contains(&one.shape) {
                one.crashes += 1;
                (one.last, one.incident) = (now, incident);
                again.extend(one.named.then(|| one.news(Turn::Again)));
            }
        }
        let mut news = self.judge();
        again.retain(|old| !news.iter().any(|new| new.request == old.request));
        news.append(&mut again);
        // Those that were in the most crashes stay, and of those the latest.
        (self.0).sort_by_key(|one| Reverse((one.named, one.crashes, one.last)));
        self.0.truncate(SUSPECTS);
        news
    }

    /// What came since this was last told. `serves`: a worker serves; without one nothing can be in
    /// flight, which says nothing.
    pub(super) fn saw(&mut self, seen: &Presence, serves: bool) -> Vec<News> {
        for own in &seen.each {
            let one = self.0.iter_mut().find(|one| one.shape == own.shape);
            let Some(one) = one else { continue };
            one.requests.0 += own.requests;
            one.requests.1 += seen.requests;
            if serves {
                one.moments.0 += own.moments;
                one.moments.1 += seen.moments;
            }
        }
        self.judge()
    }

    fn judge(&mut self) -> Vec<News> {
        let suspects = self.0.len();
        let mut news = Vec::new();
        for one in &mut self.0 {
            let often = one.is_often_there();
            let turn = match one.named {
                false if often && one.is_surely(suspects) => Turn::Named,
                true if !often => Turn::Cleared,
                _ => continue,
            };
            one.named = turn == Turn::Named;
            news.push(one.news(turn));
        }
        news
    }

    /// Whether anyone was forgotten.
    pub(super) fn expire(&mut self, now: MonoTime) -> bool {
        let before = self.0.len();
        self.0.retain(|one| now.since(one.last) < KEPT);
        self.0.len() < before
    }

    /// Whether anyone was.
    pub(super) fn forget(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }

    /// Who is suspected, and who is poison.
    pub(super) fn list(&self) -> Vec<(RequestShape, bool)> {
        let all = self.0.iter();
        all.map(|one| (one.shape.clone(), one.named)).collect()
    }

    pub(super) fn views(&self) -> Vec<PoisonView> {
        let named = self.0.iter().filter(|one| one.named);
        let view = named.map(|one| PoisonView {
            request: one.shape.to_string(),
            because: one.because(),
            crashes: one.crashes,
            until: one.last + KEPT,
        });
        view.collect()
    }
}

/// At most the chance that of `tries` at least `hits` hit, if each does with the chance `each`
/// (Chernoff's bound).
fn chance(hits: u64, tries: u64, each: f64) -> f64 {
    let rate = hits as f64 / tries.max(1) as f64;
    if rate <= each {
        return 1.0;
    }
    let part = |seen: f64, expected: f64| match seen > 0.0 {
        true => seen * (seen / expected).ln(),
        false => 0.0,
    };
    let apart = part(rate, each) + part(1.0 - rate, 1.0 - each);
    (-(tries as f64) * apart).exp()
}

#[cfg(test)]
mod tests;
