//! The statistics at their limits.

use super::*;
use crate::decide::observation::Present;

fn report() -> RequestShape {
    RequestShape::of("POST", "/report/1")
}

fn home() -> RequestShape {
    RequestShape::of("GET", "/")
}

fn at(secs: u64) -> MonoTime {
    MonoTime::from_millis(secs * 1000)
}

/// So many of all requests were reports, and a report was there at so many of all moments.
fn seen(requests: (u64, u64), moments: (u64, u64)) -> Presence {
    Presence {
        requests: requests.1,
        moments: moments.1,
        each: vec![Present {
            shape: report(),
            requests: requests.0,
            moments: moments.0,
        }],
    }
}

/// What is known of reports after these crashes, `true`: it was there, and this traffic.
fn named_after(crashes: &[bool], requests: (u64, u64), moments: (u64, u64)) -> bool {
    let mut poison = Poison::default();
    for (number, there) in crashes.iter().enumerate() {
        let in_flight = if *there { vec![report()] } else { vec![home()] };
        poison.crashed(at(number as u64), 7, &in_flight);
    }
    // The other kind is aside: what matters is what is seen of this one.
    poison.0.retain(|one| one.shape == report());
    let news = poison.saw(&seen(requests, moments), true);
    let named = news.iter().any(|new| new.turn == Turn::Named);
    assert_eq!(!poison.views().is_empty(), named);
    named
}

#[test]
fn three_crashes_are_enough_and_two_are_not() {
    let rare = (0, 1_000_000);
    assert!(!named_after(&[true; 2], rare, rare));
    assert!(named_after(&[true; 3], rare, rare));
    assert!(!named_after(&[true, false, true], rare, rare));
}

#[test]
fn five_times_as_often_as_predicted_is_enough_and_less_is_not() {
    // With the one that may have been there unseen: 20% and 20.2%.
    let there = [true; 20];
    assert!(named_after(&there, (199, 999), (0, 999)));
    assert!(!named_after(&there, (201, 999), (0, 999)));
    assert!(named_after(&there, (0, 999), (199, 999)));
    assert!(!named_after(&there, (0, 999), (201, 999)), "as a stream is");
}

#[test]
fn what_is_all_of_the_traffic_is_never_poison() {
    for share in [999, 1_000] {
        assert!(!named_after(&[true; 100], (share, 1_000), (1, 1_000)));
    }
    // More than all, as counting may have it for a moment.
    assert!(!named_after(&[true; 100], (1_001, 1_000), (1, 1_000)));
}

#[test]
fn little_traffic_names_nobody() {
    assert!(!named_after(&[true; 3], (0, 0), (0, 1_000)));
    assert!(!named_after(&[true; 3], (0, 1_000), (0, 0)));
    // Chance: once in 32 twice is once in 1024.
    assert!(!named_after(&[true; 3], (0, 1_000), (0, 30)));
    assert!(named_after(&[true; 3], (0, 1_000), (0, 31)));
}

#[test]
fn of_many_that_are_suspected_one_must_be_rarer() {
    let named = |others: u32, moments| {
        let mut poison = Poison::default();
        for crash in 0..3 {
            let mut in_flight: Vec<_> = (0..others)
                .map(|n| RequestShape::of("GET", &format!("/p{n}x")))
                .collect();
            in_flight.push(report());
            poison.crashed(at(crash), 1, &in_flight);
        }
        !poison
            .saw(&seen((0, 10_000), (0, moments)), true)
            .is_empty()
    };
    assert!(named(0, 40) && !named(9, 40));
    assert!(named(9, 100) && !named(90, 100));
}

#[test]
fn crashes_without_it_speak_for_it() {
    let of = |there: usize, all: usize| {
        let mut crashes = vec![false; all];
        crashes[..there].fill(true);
        named_after(&crashes, (9, 999), (9, 999))
    };
    assert!(of(4, 4) && of(4, 6));
    assert!(!of(4, 20) && !of(4, 100));
}

#[test]
fn it_is_named_once_and_then_at_each_crash_until_others_clear_it() {
    let mut poison = Poison::default();
    let rare = seen((1, 1_000), (0, 1_000));
    let crash = |poison: &mut Poison, number: u64, what: &[RequestShape]| {
        let news = poison.crashed(at(number), number, what);
        let news = news
            .into_iter()
            .map(|new| (new.turn, new.because, new.incident));
        news.collect::<Vec<_>>()
    };
    assert!(crash(&mut poison, 1, &[report()]).is_empty());
    assert!(poison.saw(&rare, true).is_empty());
    assert!(crash(&mut poison, 2, &[report()]).is_empty());
    let third = crash(&mut poison, 3, &[report(), home()]);
    let because = "in flight at 3 of 3 crashes, less than 1% of the traffic";
    assert_eq!(third, [(Turn::Named, because.to_owned(), 3)]);
    assert_eq!(poison.list(), [(report(), true), (home(), false)]);
    let fourth = crash(&mut poison, 4, &[report()]);
    assert_eq!((fourth[0].0, fourth[0].2), (Turn::Again, 4));
    assert!(poison.saw(&rare, true).is_empty(), "once is enough");
    // Then it becomes a part of every other request.
    let cleared = poison.saw(&seen((1_000, 2_000), (0, 1_000)), true);
    assert_eq!(cleared[0].turn, Turn::Cleared);
    assert!(poison.views().is_empty());
}

#[test]
fn moments_without_a_worker_say_nothing() {
    let mut poison = Poison::default();
    for crash in 0..3 {
        poison.crashed(at(crash), 1, &[report()]);
    }
    let rare = seen((0, 1_000), (0, 1_000));
    assert!(poison.saw(&rare, false).is_empty());
    assert_eq!(poison.saw(&rare, true).len(), 1);
}

#[test]
fn suspects_are_bounded_and_who_was_in_more_crashes_stays() {
    let mut poison = Poison::default();
    for crash in 0..2 {
        poison.crashed(at(crash), 1, &[report()]);
    }
    for crash in 2..50 {
        let kind = |number: u64| RequestShape::of("GET", &format!("/p{number}x"));
        let many: Vec<_> = (0..500).map(|number| kind(crash * 500 + number)).collect();
        poison.crashed(at(crash), 1, &many);
        assert_eq!(poison.0.len(), SUSPECTS);
        let named = format!("/p{}x", crash * 500);
        let new = RequestShape::of("GET", &named);
        assert!(poison.0.iter().any(|one| one.shape == new), "the latest");
    }
    assert!(poison.0.iter().any(|one| one.shape == report()));
}

#[test]
fn an_hour_after_its_last_crash_it_is_forgotten() {
    let mut poison = Poison::default();
    for crash in 0..3 {
        poison.crashed(at(crash), 1, &[report()]);
    }
    poison.saw(&seen((0, 1_000), (0, 1_000)), true);
    assert_eq!(poison.views()[0].until, at(3_602));
    assert!(!poison.expire(at(3_601)));
    assert!(poison.expire(at(3_602)));
    assert!(poison.views().is_empty());
}

#[test]
fn the_bound_on_chance_is_one_and_no_wild_one() {
    // Beside the exact chances at 1%.
    for (hits, tries, exact) in [(2, 2, 1e-4), (3, 5, 9.85e-6), (2, 10, 4.27e-3)] {
        let bound = chance(hits, tries, 0.01);
        assert!(
            bound >= exact * 0.999 && bound < exact * 6.0,
            "{hits}/{tries}: {bound}"
        );
    }
    assert_eq!(chance(1, 100, 0.01), 1.0);
    assert_eq!(chance(0, 0, 1.0), 1.0);
}
