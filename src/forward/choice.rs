//! Which of several instances gets a request: the one that has the least in flight on this data
//! thread. Ties take turns; a fresh one's share grows; one that may be dead, and one that has
//! failed this request before, come last.

use std::cell::Cell;

use super::thread::Seat;
use crate::{
    admit::{
        gate::Permit,
        wish::{Token, Wish},
    },
    time::MonoTime,
    words::Generation,
};

/// A fresh worker begins with this part of its share, in thousandths.
const SHARE_FIRST: u64 = 100;
const TENFOLD: u64 = 10;

/// Takes turns.
#[derive(Debug, Default)]
pub(super) struct Turns(Cell<u64>);

/// How good a choice is; the least is the best. No two are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    last_resort: u8,
    load: u64,
    turn: usize,
}

/// The seats of one instance.
fn instances(seats: &[Seat]) -> impl Iterator<Item = &[Seat]> {
    seats.chunk_by(|a, b| instance(a) == instance(b))
}

fn instance(seat: &Seat) -> u32 {
    seat.upstream.local.member.instance
}

/// Whether there are several instances.
pub(super) fn are_many(seats: &[Seat]) -> bool {
    instances(seats).nth(1).is_some()
}

/// A permit of the best instance that lets one more in.
pub(super) fn best(seats: &[Seat], turns: &Turns, now: MonoTime, wish: Wish) -> Option<Permit> {
    let avoid = wish.avoids;
    if let Some(permit) = wish.wants.and_then(|at| wanted(seats, at, now, avoid)) {
        return Some(permit);
    }
    let turn = turns.0.get().wrapping_add(1);
    turns.0.set(turn);
    let count = instances(seats).count();
    let at_full = least_at_full(seats, now);
    let rank = |at: usize, seats: &[Seat]| Rank {
        last_resort: last_resort(seats, at_full, turn, now, avoid),
        load: load(seats),
        turn: (at + count - usize::try_from(turn).unwrap_or(0) % count) % count,
    };
    let mut tried = None;
    loop {
        let ranked = instances(seats).enumerate();
        let ranked = ranked.map(|(at, seats)| (rank(at, seats), seats));
        let left = ranked.filter(|(rank, _)| tried.is_none_or(|tried| *rank > tried));
        let (rank, seats) = left.min_by_key(|(rank, _)| *rank)?;
        let permit = seats.iter().find_map(|seat| seat.upstream.local.admit(now));
        if permit.is_some() {
            return permit;
        }
        tried = Some(rank);
    }
}

/// A permit of the instance that a request's session is at, if it may be well and lets one more in.
/// A fresh worker gets all of its sessions, not a share: they are at home there.
fn wanted(seats: &[Seat], at: Token, now: MonoTime, avoid: Option<Generation>) -> Option<Permit> {
    let seats = instances(seats).find(|seats| Token::of(instance(&seats[0])) == at)?;
    let failed = |seat: &Seat| Some(seat.upstream.local.member.generation) == avoid;
    let suspect = |seat: &Seat| seat.upstream.is_suspect(now);
    if seats.iter().any(failed) || seats.iter().all(suspect) {
        return None;
    }
    seats.iter().find_map(|seat| seat.upstream.local.admit(now))
}

fn load(seats: &[Seat]) -> u64 {
    let locals = seats.iter().map(|seat| &seat.upstream.local);
    locals
        .map(|local| local.member.in_flight_on(local.thread()))
        .sum()
}

/// The least that an instance has which gets all of its share; `None`: all are fresh.
fn least_at_full(seats: &[Seat], now: MonoTime) -> Option<u64> {
    let at_full = instances(seats).filter(|seats| match seats {
        [seat] => now >= seat.upstream.local.member.ramp.until && !seat.upstream.is_suspect(now),
        _ => true,
    });
    at_full.map(load).min()
}

/// `at_full`: the least that an instance has which could take the share of a fresh one. One that
/// has ten times as much as the fresh one answers nothing, and can't.
fn last_resort(
    seats: &[Seat],
    at_full: Option<u64>,
    turn: u64,
    now: MonoTime,
    avoid: Option<Generation>,
) -> u8 {
    let failed = |seat: &Seat| Some(seat.upstream.local.member.generation) == avoid;
    if seats.iter().any(failed) {
        return 3;
    }
    if seats.iter().all(|seat| seat.upstream.is_suspect(now)) {
        return 2;
    }
    match seats {
        // It relieves nobody, so that nothing but its share keeps it from all it can get.
        [fresh]
            if at_full.is_some_and(|least| least < TENFOLD * (load(seats) + 1))
                && !is_drawn(fresh, turn, now) =>
        {
            1
        }
        _ => 0,
    }
}

/// Whether this turn is of a fresh worker's share: a tenth at first, all of it after slow start.
fn is_drawn(seat: &Seat, turn: u64, now: MonoTime) -> bool {
    let ramp = &seat.upstream.local.member.ramp;
    if now >= ramp.until {
        return true;
    }
    let whole = ramp.until.since(ramp.since).as_millis().max(1);
    let part = now.since(ramp.since).as_millis() * 1_000 / whole;
    let share = u64::try_from(part).unwrap_or(1_000).max(SHARE_FIRST);
    // Turns spread evenly over the thousandths, and differently for each instance.
    let mixed = (turn + u64::from(instance(seat)) * 7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> 32) * 1_000) >> 32 < share
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

    use super::*;
    use crate::{
        admit::{
            gate::Local,
            occupancy::Occupancy,
            overload::Cap,
            roster::{Endpoint, Member, Ramp},
        },
        forward::{habits::Habits, pool::Upstream},
        observe::tally::{Registry, Rules},
        tls::back::Manner,
    };

    fn at(ms: u64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    /// Workers by generation and instance, and since when each is on the roster.
    fn seats(workers: &[(u32, u32, u64)]) -> Vec<Seat> {
        let seat = |(generation, instance, since): &(u32, u32, u64)| {
            let ramp = Ramp {
                first: 1_000,
                since: at(*since),
                until: at(since + 10_000),
            };
            let place = (Endpoint::Tcp(([127, 0, 0, 1], 1).into()), Manner::default());
            let generation = Generation(*generation);
            let number = (generation, *instance);
            let member = Arc::new(Member::new(number, place, ramp, 1, Arc::default()));
            let local = Rc::new(Local::new(member, 0, Arc::new(Occupancy::new(1))));
            Seat {
                upstream: Rc::new(Upstream::new(local, Rc::new(Habits::default()))),
                counters: Registry::default().register(generation, &Rules::default()),
            }
        };
        workers.iter().map(seat).collect()
    }

    const THREE: [(u32, u32, u64); 3] = [(4, 0, 0), (2, 1, 0), (3, 2, 0)];
    const LATER: MonoTime = MonoTime::from_millis(100_000);

    const ANY: Wish = Wish {
        wants: None,
        avoids: None,
    };

    fn not(generation: u32) -> Wish {
        let avoids = Some(Generation(generation));
        Wish { avoids, ..ANY }
    }

    fn taken(permits: &[Permit]) -> BTreeMap<u32, usize> {
        let mut taken = BTreeMap::new();
        for permit in permits {
            *taken.entry(permit.local().member.generation.0).or_default() += 1;
        }
        taken
    }

    #[test]
    fn each_gets_as_many_when_none_answers() {
        let (seats, turns) = (seats(&THREE), Turns::default());
        let permits: Vec<_> = (0..30)
            .map_while(|_| best(&seats, &turns, LATER, ANY))
            .collect();
        assert_eq!(taken(&permits), BTreeMap::from([(2, 10), (3, 10), (4, 10)]));
    }

    #[test]
    fn one_that_answers_nothing_gets_no_more_than_the_others_have() {
        let (seats, turns) = (seats(&THREE), Turns::default());
        let mut stuck = Vec::new();
        for _ in 0..1_000 {
            let permit = best(&seats, &turns, LATER, ANY).unwrap();
            if permit.local().member.generation.0 == 3 {
                stuck.push(permit);
            }
        }
        assert_eq!(stuck.len(), 1, "the others answer at once");
    }

    #[test]
    fn when_all_are_idle_they_take_turns() {
        let (seats, turns) = (seats(&THREE), Turns::default());
        let mut taken = BTreeMap::new();
        for _ in 0..30 {
            let permit = best(&seats, &turns, LATER, ANY).unwrap();
            *taken.entry(permit.local().member.generation.0).or_insert(0) += 1;
        }
        assert_eq!(taken, BTreeMap::from([(2, 10), (3, 10), (4, 10)]));
    }

    #[test]
    fn the_one_that_failed_a_request_gets_it_again_only_if_no_other_can_take_it() {
        let (seats, turns) = (seats(&THREE), Turns::default());
        for _ in 0..9 {
            let permit = best(&seats, &turns, LATER, not(2)).unwrap();
            assert_ne!(permit.local().member.generation.0, 2);
        }
        seats[0].upstream.local.member.close();
        seats[2].upstream.local.member.close();
        assert!(best(&seats, &turns, LATER, not(2)).is_some());
        seats[1].upstream.local.member.close();
        assert!(best(&seats, &turns, LATER, ANY).is_none());
    }

    #[test]
    fn one_that_may_be_dead_is_passed_over() {
        let (seats, turns) = (seats(&THREE), Turns::default());
        seats[1].upstream.closed_under_a_request(LATER, false);
        for _ in 0..9 {
            let permit = best(&seats, &turns, LATER, ANY).unwrap();
            assert_ne!(permit.local().member.generation.0, 2);
        }
    }

    #[test]
    fn a_fresh_one_gets_a_tenth_of_its_share_at_first_and_more_with_time() {
        let workers = [(1, 0, 0), (2, 1, 0), (9, 2, 100_000)];
        let (seats, turns) = (seats(&workers), Turns::default());
        let share = |after: u64| {
            let now = LATER + Duration::from_millis(after);
            let fresh = (0..3_000).filter(|_| {
                let permit = best(&seats, &turns, now, ANY).unwrap();
                permit.local().member.generation.0 == 9
            });
            fresh.count()
        };
        let (first, half, whole) = (share(0), share(5_000), share(10_000));
        assert!((50..150).contains(&first), "{first} of 1,000");
        assert!((350..650).contains(&half), "{half} of 1,000");
        assert!((990..1_010).contains(&whole), "{whole} of 1,000");
    }

    #[test]
    fn one_that_answers_nothing_gets_no_more_though_all_or_the_others_are_fresh() {
        for (own, most) in [(100_000, 1), (0, 10)] {
            let workers = [(1, 0, own), (2, 1, 100_000), (3, 2, 100_000)];
            let (seats, turns) = (seats(&workers), Turns::default());
            let mut stuck = Vec::new();
            for _ in 0..1_000 {
                let permit = best(&seats, &turns, LATER, ANY).unwrap();
                if permit.local().member.generation.0 == 1 {
                    stuck.push(permit);
                }
            }
            assert!(stuck.len() <= most, "{} of 1,000", stuck.len());
        }
    }

    #[test]
    fn of_one_instance_the_fresh_worker_comes_before_the_one_that_it_relieves() {
        let workers = [(5, 0, 100_000), (1, 0, 0), (2, 1, 0)];
        let (seats, turns) = (seats(&workers), Turns::default());
        let permits: Vec<_> = (0..20)
            .map_while(|_| best(&seats, &turns, LATER, ANY))
            .collect();
        assert_eq!(taken(&permits), BTreeMap::from([(2, 10), (5, 10)]));
        assert!(are_many(&seats) && !are_many(&seats[..2]));
    }

    #[test]
    fn a_session_stays_at_its_instance_unless_that_is_sick_full_or_gone() {
        let (seats, turns) = (seats(&THREE), Turns::default());
        let at = |instance| Some(Token::of(instance));
        let got = |wants, avoids| {
            let permit = best(&seats, &turns, LATER, Wish { wants, avoids });
            permit.unwrap().local().member.instance
        };
        let held: Vec<_> = (0..20)
            .map_while(|_| {
                best(
                    &seats,
                    &turns,
                    LATER,
                    Wish {
                        wants: at(1),
                        ..ANY
                    },
                )
            })
            .collect();
        assert_eq!(taken(&held), BTreeMap::from([(2, 20)]), "load or not");
        assert_ne!(got(at(9), None), 1, "there is none such");
        assert_ne!(got(at(1), Some(Generation(2))), 1, "it failed it");
        seats[1].upstream.local.set_cap(Cap::Fixed(0));
        assert_ne!(got(at(1), None), 1, "it is full");
        seats[1].upstream.local.set_cap(Cap::None);
        assert_eq!(got(at(1), None), 1);
        seats[1].upstream.refused(LATER);
        assert_ne!(got(at(1), None), 1, "it may be dead");
        seats[2].upstream.local.member.close();
        assert_ne!(got(at(2), None), 2, "it is closed");
    }

    #[test]
    fn a_session_follows_its_instance_to_a_fresh_worker() {
        let workers = [(1, 0, 0), (9, 1, 100_000)];
        let (seats, turns) = (seats(&workers), Turns::default());
        for _ in 0..30 {
            let wants = Some(Token::of(1));
            let permit = best(&seats, &turns, LATER, Wish { wants, ..ANY });
            assert_eq!(permit.unwrap().local().member.generation.0, 9);
        }
    }
}
