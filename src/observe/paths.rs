//! How many requests each route of the app had: routes are told by the first two parts of their
//! paths, ids left out.
//!
//! A table of fixed size, written by one data thread and read by the control thread without a lock.
//! What finds no place in it counts as the rest.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use crate::{units::PathShape, words::Outcome};

/// Places in the table.
const PLACES: usize = 64;
/// So many places are looked at for a route.
const TRIES: usize = 8;
/// Parts of a path that make a route.
const PARTS: usize = 2;

/// One data thread's counts for one worker.
#[derive(Debug)]
pub(super) struct Paths {
    places: Box<[Place]>,
    rest: AtomicU64,
}

#[derive(Debug, Default)]
struct Place {
    /// The route's hash; 0: it is free.
    hash: AtomicU64,
    name: OnceLock<Arc<str>>,
    count: AtomicU64,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| Place::default()).collect(),
            rest: AtomicU64::new(0),
        }
    }
}

impl Paths {
    /// Counts a request. What the worker does not know takes no place: anybody can ask for any
    /// path.
    pub(super) fn count(&self, path: &str, outcome: Outcome) {
        let route = PathShape::new(path, PARTS);
        let hash = route.digest();
        let known = !matches!(outcome, Outcome::Status(400..=499));
        for at in 0..TRIES {
            let place = &self.places[(hash as usize + at) % PLACES];
            let there = place.hash.load(Relaxed);
            if there == hash {
                return bump(&place.count);
            }
            if there == 0 {
                if !known {
                    break;
                }
                place.name.get_or_init(|| route.to_string().into());
                place.hash.store(hash, Release);
                return bump(&place.count);
            }
        }
        bump(&self.rest);
    }

    /// Adds what was counted to a sum by route; the rest has no name.
    pub(super) fn add_to(&self, sum: &mut BTreeMap<Arc<str>, u64>) {
        for place in &self.places {
            if place.hash.load(Acquire) != 0
                && let Some(name) = place.name.get()
            {
                *sum.entry(name.clone()).or_default() += place.count.load(Relaxed);
            }
        }
        let rest = self.rest.load(Relaxed);
        if rest > 0 {
            *sum.entry(Arc::from("")).or_default() += rest;
        }
    }
}

/// The only writer of a counter needs no read-modify-write.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(paths: &Paths) -> Vec<(String, u64)> {
        let mut sum = BTreeMap::new();
        paths.add_to(&mut sum);
        sum.into_iter()
            .map(|(name, n)| (name.to_string(), n))
            .collect()
    }

    #[test]
    fn a_route_is_two_parts_of_a_path_with_ids_left_out() {
        let paths = Paths::default();
        for path in ["/users/4711", "/users/42", "/users/42/orders/9", "/"] {
            paths.count(path, Outcome::Status(200));
        }
        let routes = [("/", 1), ("/users/*", 2), ("/users/*/...", 1)];
        assert_eq!(sums(&paths), routes.map(|(name, n)| (name.to_owned(), n)));
    }

    #[test]
    fn junk_that_the_worker_does_not_know_takes_no_place() {
        let paths = Paths::default();
        for junk in 0..1_000 {
            paths.count(&format!("/wp-{junk}x/y"), Outcome::Status(404));
        }
        paths.count("/cart", Outcome::Status(200));
        paths.count("/cart", Outcome::Status(404));
        assert_eq!(
            sums(&paths),
            [(String::new(), 1_000), ("/cart".to_owned(), 2)]
        );
    }

    #[test]
    fn the_table_is_full_at_64_routes_and_loses_no_count() {
        let paths = Paths::default();
        for route in 0..5_000 {
            paths.count(&format!("/r{route}x/y"), Outcome::Status(200));
        }
        let sums = sums(&paths);
        assert!(sums.len() <= PLACES + 1, "{}", sums.len());
        assert_eq!(sums.iter().map(|(_, n)| n).sum::<u64>(), 5_000);
    }
}
