//! Requests of the kinds that were in flight when a worker crashed: how much of the traffic they
//! are, and which of them are poison, that is not sent twice.
//!
//! All data threads write, the control thread reads. Nothing is counted while nobody is suspected.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::units::RequestShape;

/// What data threads look for.
#[derive(Debug, Default)]
pub struct Suspects {
    all: Vec<Suspect>,
    requests: AtomicU64,
}

#[derive(Debug)]
struct Suspect {
    shape: RequestShape,
    poison: bool,
    requests: AtomicU64,
    in_flight: AtomicU64,
}

/// The place of a kind among the suspects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u8);

impl Suspects {
    /// These kinds of requests, and whether each is poison. Those after the 256th are passed over.
    #[must_use]
    pub fn new(all: impl IntoIterator<Item = (RequestShape, bool)>) -> Self {
        let all = all.into_iter().map(|(shape, poison)| Suspect {
            shape,
            poison,
            requests: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
        });
        Self {
            all: all.collect(),
            requests: AtomicU64::new(0),
        }
    }

    /// Goes on from what another list has counted of the same kinds. What that one counts from now
    /// on is lost.
    pub fn carry(&self, before: &Self) {
        let take = |counter: &AtomicU64| counter.swap(0, Relaxed);
        self.requests.store(take(&before.requests), Relaxed);
        for one in &before.all {
            if let Some(same) = self.all.iter().find(|own| own.shape == one.shape) {
                same.requests.store(take(&one.requests), Relaxed);
            }
        }
    }

    /// Whether nobody is suspected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes what was counted: all requests, and those of each kind, in the order they were given.
    #[must_use]
    pub fn take(&self) -> (u64, Vec<u64>) {
        let each = self.all.iter().map(|one| one.requests.swap(0, Relaxed));
        let each: Vec<u64> = each.collect();
        (self.requests.swap(0, Relaxed), each)
    }

    /// Whether a request of each kind is in flight now, in the order they were given.
    pub fn present(&self) -> impl Iterator<Item = bool> {
        let all = self.all.iter();
        all.map(|one| one.in_flight.load(Relaxed) > 0)
    }

    /// Counts a request that a worker gets.
    pub(super) fn count(&self, place: Option<Place>) {
        self.requests.fetch_add(1, Relaxed);
        if let Some(one) = place.and_then(|place| self.at(place)) {
            one.requests.fetch_add(1, Relaxed);
        }
    }

    /// A request of this kind is in flight from now on.
    pub(super) fn enter(&self, place: Place) {
        if let Some(one) = self.at(place) {
            one.in_flight.fetch_add(1, Relaxed);
        }
    }

    /// One that has entered leaves.
    pub(super) fn leave(&self, place: Place) {
        if let Some(one) = self.at(place) {
            one.in_flight.fetch_sub(1, Relaxed);
        }
    }

    /// The kind of a request, if it is suspected.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<Place> {
        let digest = RequestShape::digest(method, path);
        let mut all = self.all.iter();
        let place = all.position(|one| one.shape.matches(digest, method, path))?;
        u8::try_from(place).ok().map(Place)
    }

    pub(super) fn is_poison(&self, place: Place) -> bool {
        self.at(place).is_some_and(|one| one.poison)
    }

    fn at(&self, place: Place) -> Option<&Suspect> {
        self.all.get(usize::from(place.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(path: &str) -> RequestShape {
        RequestShape::of("GET", path)
    }

    fn count(suspects: &Suspects, path: &str) {
        suspects.count(suspects.find("GET", path));
    }

    #[test]
    fn requests_are_counted_by_their_kind_and_what_was_taken_is_gone() {
        let suspects = Suspects::new([(shape("/report/1"), true), (shape("/"), false)]);
        for path in ["/report/2", "/", "/other", "/report/3"] {
            count(&suspects, path);
        }
        assert_eq!(suspects.take(), (4, vec![2, 1]));
        assert_eq!(suspects.take(), (0, vec![0, 0]));
        let poison = |path| suspects.find("GET", path).map(|at| suspects.is_poison(at));
        assert_eq!(poison("/report/7"), Some(true));
        assert_eq!(poison("/"), Some(false));
        assert_eq!(poison("/other"), None);
        assert_eq!(suspects.find("POST", "/report/7"), None);
    }

    #[test]
    fn what_was_counted_goes_on_in_the_next_list() {
        let before = Suspects::new([(shape("/"), false)]);
        count(&before, "/");
        count(&before, "/other");
        let next = Suspects::new([(shape("/x"), false), (shape("/"), true)]);
        next.carry(&before);
        count(&next, "/x");
        assert_eq!(next.take(), (3, vec![1, 1]));
    }

    #[test]
    fn no_more_kinds_are_looked_for_than_have_a_place() {
        let many = (0..1_000).map(|n| (shape(&format!("/p{n}x")), true));
        let suspects = Suspects::new(many);
        assert!(suspects.find("GET", "/p255x").is_some());
        assert_eq!(suspects.find("GET", "/p256x"), None);
    }
}
