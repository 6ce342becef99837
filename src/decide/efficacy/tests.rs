//! When a recycle helped, by what was seen before and after.

use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_secs(30);
const SLOW_START: Duration = Duration::from_secs(10);
const BACK_WITHIN: Duration = Duration::from_secs(600);

fn at(secs: u64) -> MonoTime {
    MonoTime::from_millis(secs * 1000)
}

fn count(matching: u64, total: u64) -> RuleCount {
    RuleCount { matching, total }
}

fn trial(before: Before) -> Trial {
    let mut trial = Trial {
        incident: 7,
        before,
        watch: None,
    };
    trial.begin(at(0), Generation(2), SLOW_START, BACK_WITHIN);
    trial
}

fn rate(matching: u64, total: u64) -> Trial {
    trial(Before::Rate {
        condition: 0,
        count: count(matching, total),
        window: WINDOW,
    })
}

fn level(lasted: u64) -> Trial {
    let lasted = Duration::from_secs(lasted);
    trial(Before::Level { lasted })
}

fn see(trial: &mut Trial, secs: u64, matching: u64, total: u64) {
    trial.count(at(secs), Generation(2), &[count(matching, total)]);
}

fn verdict(found: Option<Finding>) -> Option<Verdict> {
    found.map(|found| found.verdict)
}

#[test]
fn a_rate_that_fell_to_nothing_over_as_many_requests_was_helped() {
    let mut trial = rate(23, 61);
    see(&mut trial, 20, 0, 61);
    assert_eq!(verdict(trial.look(at(39))), None, "not for a whole window");
    assert_eq!(trial.deadline(at(39)), Some(at(40)));
    assert_eq!(verdict(trial.look(at(40))), Some(Verdict::Helped));
}

#[test]
fn a_rate_that_stayed_was_not_helped() {
    let mut trial = rate(20, 20);
    see(&mut trial, 20, 20, 20);
    assert_eq!(verdict(trial.look(at(40))), Some(Verdict::DidNotHelp));
    let mut low = rate(20, 2_000);
    see(&mut low, 20, 20, 2_000);
    assert_eq!(verdict(low.look(at(40))), Some(Verdict::DidNotHelp));
}

#[test]
fn a_rate_near_half_of_what_it_was_is_watched_on_and_unclear_in_the_end() {
    let mut trial = rate(20, 100);
    see(&mut trial, 20, 10, 100);
    assert_eq!(verdict(trial.look(at(40))), None);
    see(&mut trial, 50, 9, 99);
    assert_eq!(verdict(trial.look(at(50))), None, "looks at twice as many");
    see(&mut trial, 60, 1, 1);
    assert_eq!(verdict(trial.look(at(609))), None);
    assert_eq!(verdict(trial.look(at(610))), Some(Verdict::Unclear));
}

#[test]
fn what_was_unclear_is_looked_at_again_at_twice_as_many_and_not_before() {
    let mut trial = rate(20, 100);
    see(&mut trial, 20, 10, 100);
    assert_eq!(verdict(trial.look(at(40))), None);
    see(&mut trial, 50, 0, 99);
    assert_eq!(verdict(trial.look(at(50))), None);
    see(&mut trial, 51, 0, 1);
    assert_eq!(verdict(trial.look(at(51))), Some(Verdict::Helped));
}

#[test]
fn a_handful_of_requests_says_nothing_even_in_the_end() {
    let mut trial = rate(10, 10);
    see(&mut trial, 100, 0, 5);
    assert_eq!(verdict(trial.look(at(610))), Some(Verdict::Unclear));
}

#[test]
fn nobody_is_woken_for_a_moment_that_has_passed() {
    let mut trial = rate(20, 20);
    see(&mut trial, 20, 5, 20);
    assert_eq!(trial.deadline(at(39)), Some(at(40)));
    assert_eq!(trial.deadline(at(50)), Some(at(610)));
}

#[test]
fn too_little_traffic_after_it_is_unclear() {
    let mut trial = rate(20, 100);
    see(&mut trial, 100, 0, 49);
    assert_eq!(verdict(trial.look(at(609))), None);
    assert_eq!(trial.deadline(at(609)), Some(at(610)));
    assert_eq!(verdict(trial.look(at(610))), Some(Verdict::Unclear));
    let mut half = rate(20, 100);
    see(&mut half, 100, 0, 50);
    assert_eq!(verdict(half.look(at(609))), None);
    assert_eq!(verdict(half.look(at(610))), Some(Verdict::Helped));
}

#[test]
fn three_requests_that_hung_are_compared_with_ten() {
    let mut trial = rate(3, 3);
    see(&mut trial, 20, 0, 9);
    assert_eq!(verdict(trial.look(at(40))), None);
    see(&mut trial, 41, 0, 1);
    assert_eq!(verdict(trial.look(at(41))), Some(Verdict::Helped));
}

#[test]
fn the_slow_start_and_other_workers_do_not_count() {
    let mut trial = rate(20, 20);
    see(&mut trial, 9, 20, 20);
    trial.count(at(20), Generation(1), &[count(20, 20)]);
    assert_eq!(trial.watch.as_ref().unwrap().after, count(0, 0));
}

#[test]
fn a_rule_that_would_act_again_was_not_helped() {
    let trial = rate(20, 20);
    let found = |fires| trial.came_back(at(5), fires, BACK_WITHIN);
    assert_eq!(verdict(found(false)), None);
    assert_eq!(verdict(found(true)), Some(Verdict::DidNotHelp));
}

#[test]
fn a_level_that_is_back_within_ten_minutes_was_not_helped() {
    let trial = level(60);
    let back = |secs| verdict(trial.came_back(at(secs), false, BACK_WITHIN));
    assert_eq!(back(599), Some(Verdict::DidNotHelp));
    assert_eq!(back(600), Some(Verdict::Helped));
}

#[test]
fn a_level_that_is_back_in_under_a_fifth_of_the_time_was_not_helped() {
    let mut trial = level(3600 * 10);
    let back = |trial: &Trial, secs| verdict(trial.came_back(at(secs), false, BACK_WITHIN));
    assert_eq!(back(&trial, 7_199), Some(Verdict::DidNotHelp));
    assert_eq!(back(&trial, 7_200), Some(Verdict::Helped));
    assert_eq!(trial.deadline(at(0)), Some(at(7_200)));
    assert_eq!(verdict(trial.look(at(7_199))), None);
    assert_eq!(verdict(trial.look(at(7_200))), Some(Verdict::Helped));
}

#[test]
fn what_was_counted_before_a_stall_is_not_compared() {
    let mut trial = rate(20, 20);
    see(&mut trial, 30, 0, 20);
    trial.stalled(at(60), Duration::from_secs(25));
    assert_eq!(verdict(trial.look(at(60))), None);
    assert_eq!(verdict(trial.look(at(90))), None, "nothing was seen since");
    see(&mut trial, 91, 20, 20);
    assert_eq!(verdict(trial.look(at(91))), Some(Verdict::DidNotHelp));
}

#[test]
fn a_level_that_came_back_at_a_time_when_nobody_may_have_looked_is_unclear() {
    let mut trial = level(60);
    trial.stalled(at(500), Duration::from_secs(300));
    let back = |trial: &Trial, secs| verdict(trial.came_back(at(secs), false, BACK_WITHIN));
    assert_eq!(back(&trial, 599), Some(Verdict::DidNotHelp));
    assert_eq!(back(&trial, 600), Some(Verdict::Unclear));
    assert_eq!(back(&trial, 900), Some(Verdict::Helped));
    assert_eq!(verdict(trial.look(at(899))), None);
    assert_eq!(verdict(trial.look(at(900))), Some(Verdict::Helped));
}

#[test]
fn two_in_a_row_within_a_day_are_too_many_and_a_third_too() {
    let mut efficacy = Efficacy::default();
    let trial = level(60);
    let mut take = |secs, verdict| efficacy.take(at(secs), &trial, verdict);
    assert!(!take(0, Verdict::DidNotHelp));
    assert!(!take(1, Verdict::Unclear));
    assert!(take(2, Verdict::DidNotHelp));
    assert!(take(20_000, Verdict::DidNotHelp));
    assert!(!take(30_000, Verdict::Helped));
    assert!(!take(30_001, Verdict::DidNotHelp));
    assert!(!take(30_001 + 86_401, Verdict::DidNotHelp));
    efficacy.forgive();
    assert!(!efficacy.take(at(116_500), &trial, Verdict::DidNotHelp));
}

proptest! {
    #[test]
    fn the_interval_holds_the_rate_and_narrows_with_more_requests(
        total in 1_u64..100_000, part in 0_u64..=1000,
    ) {
        let matching = total * part / 1000;
        let (low, high) = wilson(count(matching, total));
        let p = super::rate(count(matching, total));
        prop_assert!(-1e-9 <= low && low <= p + 1e-9 && p <= high + 1e-9 && high <= 1.0 + 1e-9);
        let (more_low, more_high) = wilson(count(matching * 4, total * 4));
        prop_assert!(more_high - more_low < high - low);
    }

    #[test]
    fn no_worse_rate_is_ever_found_to_have_helped_and_no_rate_of_nothing_not_to(
        matching in 1_u64..500, healthy in 0_u64..5_000, after in 0_u64..20_000,
    ) {
        let before = count(matching, matching + healthy);
        let as_bad = count(after * matching, after * before.total);
        prop_assert_ne!(compare(before, as_bad), Verdict::Helped);
        prop_assert_ne!(compare(before, count(0, after)), Verdict::DidNotHelp);
    }

    #[test]
    fn every_watch_ends_with_one_verdict_by_its_deadlines_alone(
        lasted in prop::option::of(0_u64..1_000_000), matching in 0_u64..100, healthy in 0_u64..100,
        seen in prop::collection::vec((0_u64..60, 0_u64..50, 0_u64..50), 0..40),
    ) {
        let mut trial = lasted.map_or_else(|| rate(matching, matching + healthy), level);
        let mut now = 0;
        for (gap, bad, good) in seen {
            now += gap;
            see(&mut trial, now, bad, bad + good);
            if trial.look(at(now)).is_some() {
                return Ok(());
            }
        }
        let mut now = at(now);
        for _ in 0..3 {
            let deadline = trial.deadline(now).unwrap();
            prop_assert!(deadline >= now);
            now = deadline;
            if trial.look(now).is_some() {
                return Ok(());
            }
        }
        prop_assert!(false, "still no verdict at {now:?}");
    }
}
