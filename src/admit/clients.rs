//! Counts what each client holds, so that one can't take everything: a table of fixed size that all
//! data threads share without a lock.
//!
//! A client is an IPv4 address or the /64 of an IPv6 address, which is what one subscriber has. In
//! a table that is too full for one more, a client is let in without being counted.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire},
    },
};

/// A client's slots are so many, one after the other.
const WINDOW: usize = 8;
/// More slots than these take more memory than such a table is worth: 1 MiB.
const SLOTS_MAX: usize = 1 << 17;
/// The low bits of a slot are its count; the high ones say whose, if the count is not zero.
const COUNT: u64 = 0xffff_ffff;

/// One client, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(u64);

impl ClientKey {
    /// The client at this address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            // No client has an address of ff00::/8.
            IpAddr::V4(four) => Self(0xff << 56 | u64::from(four.to_bits())),
            IpAddr::V6(six) => {
                let [a, b, c, d, ..] = six.segments().map(u64::from);
                Self(a << 48 | b << 32 | c << 16 | d)
            }
        }
    }
}

/// What each client holds of one kind of thing.
#[derive(Debug)]
pub struct Clients {
    size: usize,
    hasher: RandomState,
    /// Made when the first is counted.
    slots: OnceLock<Box<[AtomicU64]>>,
}

impl Clients {
    /// A table for so many things.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            size: most.clamp(WINDOW, SLOTS_MAX / 2).next_power_of_two() * 2,
            hasher: RandomState::new(),
            slots: OnceLock::new(),
        }
    }

    /// Counts one more for a client. `None`: it has as many as one client may.
    #[must_use]
    pub fn take(self: &Arc<Self>, client: ClientKey, cap: u64) -> Option<Held> {
        let empty = || (0..self.size).map(|_| AtomicU64::new(0)).collect();
        let slots = self.slots.get_or_init(empty);
        let hash = self.hasher.hash_one(client);
        let whose = hash & !COUNT;
        let start = usize::try_from(hash & COUNT).unwrap_or_default();
        let places: [usize; WINDOW] = std::array::from_fn(|at| (start + at) & (self.size - 1));
        let has = || -> u64 {
            let seen = places.map(|place| slots[place].load(Acquire));
            let own = seen.iter().filter(|seen| *seen & !COUNT == whose);
            own.map(|seen| seen & COUNT).sum()
        };
        if has() >= cap {
            return None;
        }
        let held = Held {
            clients: self.clone(),
            place: count_in(slots, &places, whose),
        };
        // Another thread may have counted one at the same moment.
        (has() <= cap).then_some(held)
    }
}

/// Counts one more in the client's slot, or in a free one. `None`: there is none.
fn count_in(slots: &[AtomicU64], places: &[usize], whose: u64) -> Option<usize> {
    let counted = |place: &usize, change: &dyn Fn(u64) -> Option<u64>| {
        slots[*place].fetch_update(AcqRel, Acquire, change).is_ok()
    };
    let own = |seen| (seen & COUNT != 0 && seen & !COUNT == whose).then_some(seen + 1);
    let free = |seen| (seen & COUNT == 0).then_some(whose | 1);
    let mut all = places.iter();
    let found = all.find(|place| counted(place, &own));
    let found = found.or_else(|| places.iter().find(|place| counted(place, &free)));
    found.copied()
}

/// One thing that a client holds, until it is dropped.
#[derive(Debug)]
pub struct Held {
    clients: Arc<Clients>,
    place: Option<usize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let (Some(place), Some(slots)) = (self.place, self.clients.slots.get()) {
            slots[place].fetch_sub(1, AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ip: &str) -> ClientKey {
        ClientKey::of(ip.parse().unwrap())
    }

    #[test]
    fn a_client_is_an_address_or_the_half_of_one() {
        assert_eq!(key("2001:db8:1:2::3"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::3"), key("2001:db8:1:3::3"));
        assert_eq!(key("::ffff:203.0.113.9"), key("203.0.113.9"));
        assert_ne!(key("203.0.113.9"), key("203.0.113.10"));
    }

    #[test]
    fn a_client_at_its_cap_does_not_harm_another_and_gets_its_places_back() {
        let clients = Arc::new(Clients::new(1000));
        let (one, other) = (key("203.0.113.9"), key("2001:db8::1"));
        let mut held: Vec<Held> = (0..9).map_while(|_| clients.take(one, 3)).collect();
        assert_eq!(held.len(), 3);
        assert!(clients.take(other, 3).is_some());
        held.pop();
        assert!(clients.take(one, 3).is_some());
        assert!(
            clients.take(one, 2).is_none(),
            "a cap that a reload lowered"
        );
        drop(held);
        let again: Vec<Held> = (0..9).map_while(|_| clients.take(one, 3)).collect();
        assert_eq!(again.len(), 3, "nothing is left behind");
    }

    #[test]
    fn a_full_table_lets_in_whom_it_cannot_count() {
        let clients = Arc::new(Clients::new(1));
        let keys = (0..200).map(|n| ClientKey::of(IpAddr::from([203, 0, 113, n])));
        let held: Vec<_> = keys.map(|key| clients.take(key, 1)).collect();
        assert!(held.iter().all(Option::is_some));
        let counted = held.iter().flatten().filter(|held| held.place.is_some());
        assert_eq!(counted.count(), clients.size);
        drop(held);
        let slots = clients.slots.get().unwrap();
        assert!(slots.iter().all(|slot| slot.load(Acquire) & COUNT == 0));
    }

    #[test]
    fn threads_that_count_at_once_never_count_more_than_the_cap() {
        let clients = Arc::new(Clients::new(1000));
        let (inside, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if let Some(held) = clients.take(key("203.0.113.9"), 3) {
                            most.fetch_max(inside.fetch_add(1, AcqRel) + 1, AcqRel);
                            inside.fetch_sub(1, AcqRel);
                            drop(held);
                        }
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.load(Acquire)));
        let slots = clients.slots.get().unwrap();
        assert!(slots.iter().all(|slot| slot.load(Acquire) & COUNT == 0));
    }
}
