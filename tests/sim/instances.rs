//! Several instances: each is healed by itself, and the others go on.

use autoheal::{
    decide::{
        event::Kind,
        observation::{Observation, Word},
        policy::{Count, Follow, GiveUp},
    },
    words::Generation,
};

use crate::{
    rig::{health, ill, in_place, policy, rule, secs, slow, status, with},
    three::{Three, many, three},
};

#[test]
fn a_crash_of_one_is_its_own_affair() {
    let mut three = three(policy());
    three.pass(5_000);
    three.dies(2);
    assert_eq!(three.acts(), ["withdraw 2", "start 4 as 2"], "nobody parks");
    three.ready(4);
    assert_eq!(three.acts(), ["admit 4"]);
    assert_eq!(three.serving(), [1, 3, 4]);
}

#[test]
fn the_door_is_shut_when_the_last_one_leaves_and_by_its_time() {
    let mut three = three(policy());
    three.pass(5_000);
    for generation in [1, 2] {
        three.dies(generation);
        three.pass(100);
    }
    assert!(!three.acts().contains(&"park".to_owned()));
    three.dies(3);
    let acts = three.acts();
    assert_eq!(acts[..2], ["park", "withdraw 3"], "{acts:?}");
    let snapshot = three.group.snapshot(three.now);
    assert_eq!(snapshot.down_since, Some(three.now));
}

#[test]
fn a_recycle_replaces_one_after_another_with_a_surge_of_one() {
    let mut three = three(policy());
    let incident = three.recycle();
    for (old, new) in [(1, 4), (2, 5), (3, 6)] {
        let start = format!("start {new} as {old}");
        assert_eq!(three.acts(), [start]);
        three.ready(new);
        three.pass(1_000);
        let acts = three.acts();
        let expected = [
            format!("admit {new} beside {old}"),
            format!("withdraw {old}"),
            format!("drain {old} 20000ms"),
        ];
        assert_eq!(acts, expected, "it handed over; the next waits for its end");
        three.goes(old);
        assert_eq!(three.acts.remove(0), format!("stop {old}"));
    }
    assert_eq!(three.serving(), [4, 5, 6]);
    let ended = three.said(Kind::RecycleEnded);
    assert_eq!(ended.len(), 4, "{ended:?}");
    assert!(
        ended[2].starts_with("worker 3 replaced by worker 6"),
        "{ended:?}"
    );
    assert!(
        ended[3].starts_with("3 workers replaced after"),
        "{ended:?}"
    );
    assert_eq!(incident, 1);
}

#[test]
fn a_replacement_that_does_not_start_stops_the_round() {
    let mut three = three(policy());
    three.recycle();
    three.ready(4);
    three.pass(1_000);
    three.goes(1);
    three.dies(5);
    assert_eq!(three.serving(), [2, 3, 4]);
    let ended = three.said(Kind::RecycleEnded);
    assert!(
        ended[2].starts_with("1 worker replaced, the others are kept: worker 2 kept"),
        "{ended:?}"
    );
    three.forget();
    three.pass(60_000);
    assert!(three.acts().is_empty(), "nothing goes on by itself");
}

#[test]
fn a_sick_one_leaves_at_once_and_the_next_waits_for_its_turn() {
    let mut three = three(with([rule("failing", status(5, secs(30)))]));
    three.tally(2, 5, 5, 0);
    let acts = three.acts();
    assert_eq!(acts, ["withdraw 2", "drain 2 20000ms", "start 4 as 2"]);
    three.tally(3, 5, 5, 0);
    assert!(three.acts().is_empty());
    let held = three.said(Kind::RuleHeld);
    assert!(held[0].contains("waits for its turn"), "{held:?}");
    three.ready(4);
    assert_eq!(three.acts(), ["admit 4"]);
    three.goes(2);
    let acts = three.acts();
    assert_eq!(
        acts,
        ["stop 2", "withdraw 3", "drain 3 20000ms", "start 5 as 3"]
    );
}

#[test]
fn a_hung_one_leaves_at_once_and_what_is_stuck_with_it() {
    let mut three = three(with([rule("slow", slow(secs(1), 3))]));
    three.tally(1, 3, 0, 3);
    three.pass(1_500);
    for generation in [1, 2, 3] {
        three.tally(
            generation,
            3 * u64::from(generation == 1),
            u64::from(generation > 1),
            3,
        );
    }
    let acts = three.acts();
    assert!(acts.contains(&"withdraw 1".to_owned()), "{acts:?}");
    assert!(acts.contains(&"cut stuck 1".to_owned()), "{acts:?}");
    assert_eq!(three.serving(), [2, 3]);
}

#[test]
fn in_place_one_goes_while_the_others_serve_and_nobody_parks() {
    let mut three = three(in_place());
    three.recycle();
    assert_eq!(three.acts(), ["withdraw 1", "drain 1 20000ms"]);
    three.goes(1);
    assert_eq!(three.acts(), ["stop 1", "start 4 as 1"]);
    three.ready(4);
    assert_eq!(three.acts(), ["admit 4", "withdraw 2", "drain 2 20000ms"]);
}

#[test]
fn all_unhealthy_at_once_are_still_replaced_one_by_one() {
    let mut policy = policy();
    policy.health = health(2);
    let mut three = three(policy);
    for _ in 0..3 {
        for generation in [1, 2, 3] {
            three.see(Observation::Probe {
                generation: Generation(generation),
                result: Err(ill("status 500")),
            });
        }
    }
    assert_eq!(three.serving(), [2, 3]);
    let unhealthy = three.said(Kind::Unhealthy);
    assert_eq!(unhealthy.len(), 3, "each is said once: {unhealthy:?}");
}

#[test]
fn they_share_one_budget() {
    let mut three = three(with([rule("failing", status(1, secs(30)))]));
    for (old, new) in [(1, 4), (2, 5), (3, 6)] {
        three.tally(old, 1, 1, 0);
        three.ready(new);
        three.goes(old);
    }
    three.forget();
    three.tally(4, 1, 1, 0);
    assert!(three.acts().is_empty());
    let fired = three.said(Kind::RuleFired);
    assert!(fired[0].contains("the budget is spent"), "{fired:?}");
    assert_eq!(three.group.snapshot(three.now).budget.left, 0);
}

#[test]
fn what_they_depend_on_is_asked_once_for_all_and_holds_the_rules_of_each() {
    let mut policy = with([rule("failing", status(5, secs(30)))]);
    policy.dependencies = vec![crate::dependencies::db()];
    let mut three = three(policy);
    let answer = |three: &mut Three, result: Result<(), String>| {
        let asked: Vec<_> = three.acts();
        assert_eq!(asked.len(), 1, "{asked:?}");
        let probe = asked[0].strip_prefix("ask ").unwrap().parse().unwrap();
        three.see(Observation::Dependency { probe, result });
    };
    three.see(Observation::Dependency {
        probe: 1,
        result: Err("refused".to_owned()),
    });
    for generation in [1, 2, 3] {
        three.tally(generation, 5, 5, 0);
    }
    assert_eq!(three.said(Kind::RuleHeld).len(), 3);
    assert_eq!(three.acts(), [""; 0], "nothing is recycled");
    three.pass(1_500);
    answer(&mut three, Ok(()));
    three.tally(2, 1, 1, 0);
    assert_eq!(
        three.serving(),
        [1, 2, 3],
        "what was counted is void for all"
    );
}

#[test]
fn all_are_told_what_concerns_all_and_it_is_said_once() {
    let mut three = three(with([rule("failing", status(1, secs(30)))]));
    three.word(Word::Disarm {
        rules: Vec::new(),
        time: secs(60),
    });
    assert_eq!(three.said(Kind::Armed).len(), 1);
    for generation in [1, 2, 3] {
        three.tally(generation, 1, 1, 0);
    }
    assert!(three.acts().is_empty());
    three.see(Observation::Stalled(secs(30)));
    assert_eq!(three.said(Kind::WindowsVoided).len(), 1);
    three.word(Word::Hold(secs(5)));
    three.pass(6_000);
    assert_eq!(three.acts(), ["hold true", "hold false"]);
    three.word(Word::Stop);
    let acts = three.acts();
    assert_eq!(
        acts.iter()
            .filter(|act| act.starts_with("withdraw"))
            .count(),
        3
    );
    assert_eq!(acts[4], "refuse WorkerStoppedByOperator", "{acts:?}");
}

#[test]
fn everything_ends_when_the_last_one_is_gone() {
    let mut three = three(policy());
    three.word(Word::Shutdown);
    assert_eq!(three.said(Kind::ShuttingDown).len(), 1);
    for generation in [1, 2, 3] {
        assert!(!three.acts().contains(&"exit 0".to_owned()));
        three.goes(generation);
    }
    assert_eq!(three.acts().last().unwrap(), "exit 0");
    assert_eq!(three.group.next_deadline(), None);
}

#[test]
fn autoheal_ends_with_a_worker_that_does_not_stay_up_only_if_no_other_does() {
    let mut policy = policy();
    policy.restart.give_up = GiveUp::Exit;
    let mut three = many(policy, Count::Fixed(2), 2);
    let mut next = 3;
    // The first never comes up again.
    three.dies(1);
    for _ in 0..40 {
        three.pass(100_000);
        if three.acts().iter().any(|act| act.starts_with("start")) {
            three.dies(next);
            next += 1;
        }
    }
    assert_eq!(three.said(Kind::GaveUp).len(), 1);
    assert_eq!(three.serving(), [2], "the other goes on");
    three.forget();
    three.dies(2);
    for _ in 0..40 {
        three.pass(100_000);
        for act in three.acts() {
            if act.starts_with("start") {
                three.dies(next);
                next += 1;
            }
        }
    }
    assert_eq!(three.said(Kind::ShuttingDown).len(), 1, "{:?}", three.said);
}

#[test]
fn a_new_configuration_rolls_over_all_and_may_change_how_many_there_are() {
    let mut three = three(policy());
    let reload = |count, recycle: Option<&str>| {
        let mut policy = policy();
        policy.instances.count = Count::Fixed(count);
        Word::Reload {
            policy: Box::new(policy),
            recycle: recycle.map(str::to_owned),
            changes: "worker.count".to_owned(),
        }
    };
    three.word(reload(4, None));
    assert_eq!(three.said(Kind::Reloaded).len(), 1);
    assert_eq!(three.acts(), ["start 4 as 4"]);
    three.ready(4);
    three.forget();
    three.word(reload(2, Some("worker.env is new")));
    let acts = three.acts();
    let gone = [
        "withdraw 4",
        "drain 4 20000ms",
        "withdraw 3",
        "drain 3 20000ms",
    ];
    assert_eq!(acts[..4], gone, "{acts:?}");
    assert_eq!(acts[4..], ["start 5 as 1"]);
    three.goes(4);
    three.goes(3);
    three.ready(5);
    three.pass(1_000);
    three.goes(1);
    three.ready(6);
    three.pass(1_000);
    three.goes(2);
    assert_eq!(three.serving(), [5, 6]);
}

#[test]
fn what_starts_with_the_old_configuration_starts_anew() {
    let mut three = many(policy(), Count::Fixed(2), 1);
    let mut policy = policy();
    policy.instances.count = Count::Fixed(2);
    three.word(Word::Reload {
        policy: Box::new(policy),
        recycle: Some("worker.env is new".to_owned()),
        changes: String::new(),
    });
    let acts = three.acts();
    assert!(acts.contains(&"kill 2".to_owned()), "{acts:?}");
    assert!(
        !acts.contains(&"start 3 as 1".to_owned()),
        "not both at once"
    );
    three.gone(2);
    assert_eq!(three.acts(), ["start 3 as 2"]);
}

#[test]
fn the_number_of_workers_follows_the_load() {
    let follow = Follow {
        min: 1,
        max: 3,
        in_flight: 20,
        grow_after: secs(1),
        shrink_after: secs(60),
    };
    let mut group = many(policy(), Count::Follow(follow), 1);
    let mut workers = vec![1];
    let mut load = |group: &mut Three, load: u64, seconds: u64| {
        for _ in 0..seconds * 10 {
            group.pass(100);
            let each = load / workers.len() as u64;
            for worker in &workers {
                group.tally(*worker, 0, 1, each);
            }
            for act in group.acts() {
                if let Some(new) = act.strip_prefix("start ") {
                    let new = new.split(' ').next().unwrap().parse().unwrap();
                    group.ready(new);
                    workers.push(new);
                } else if let Some(old) = act.strip_prefix("drain ") {
                    let old: u32 = old.split(' ').next().unwrap().parse().unwrap();
                    group.goes(old);
                    workers.retain(|one| *one != old);
                }
            }
        }
        workers.clone()
    };
    assert_eq!(load(&mut group, 15, 10), [1]);
    assert_eq!(load(&mut group, 33, 10), [1, 2]);
    assert_eq!(load(&mut group, 90, 30), [1, 2, 3], "and no more");
    assert_eq!(load(&mut group, 5, 50), [1, 2, 3]);
    assert_eq!(load(&mut group, 5, 20), [1, 2], "the youngest goes");
    assert_eq!(load(&mut group, 5, 200), [1]);
    let said = group.said(Kind::Scaled);
    assert_eq!(said.len(), 5, "{said:#?}");
    assert!(
        said[0].contains("requests in flight on 1 worker, more than 20 each for 1s: starting one"),
        "{said:?}"
    );
}

#[test]
fn parked_requests_wait_since_the_last_one_left_though_that_one_is_given_up() {
    let mut policy = policy();
    policy.recycle.start_timeout = secs(3_600);
    // The second takes an hour to get ready.
    let mut two = many(policy, Count::Fixed(2), 1);
    two.pass(100_000);
    let left = two.now;
    two.dies(1);
    for _ in 0..600 {
        two.pass(1_000);
        for act in two.acts() {
            if let Some(new) = act.strip_suffix(" as 1") {
                two.dies(new["start ".len()..].parse().unwrap());
            }
        }
    }
    assert_eq!(two.said(Kind::GaveUp).len(), 1);
    assert_eq!(two.group.snapshot(two.now).down_since, Some(left));
    assert_eq!(two.down_since, Some(left));
}

#[test]
fn a_forced_recycle_of_stopped_workers_starts_each_even_if_one_does_not_come_up() {
    let mut three = three(policy());
    three.word(Word::Stop);
    for generation in [1, 2, 3] {
        three.goes(generation);
    }
    three.forget();
    three.word(Word::Recycle {
        reason: "deploy".to_owned(),
        force: true,
    });
    let acts = three.acts();
    for start in ["start 4 as 1", "start 5 as 2", "start 6 as 3"] {
        assert!(acts.contains(&start.to_owned()), "{acts:?}");
    }
    three.dies(4);
    three.ready(5);
    three.ready(6);
    assert_eq!(three.serving(), [5, 6]);
}
