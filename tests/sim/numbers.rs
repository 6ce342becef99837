//! The numbers of several instances: each says its own, and is recycled alone by it.

use autoheal::{
    decide::{
        event::{Field, Kind},
        observation::{MemorySample, Observation, Word},
        policy::{Count, Follow},
        trigger::{MemoryLimit, Trigger},
    },
    units::{ByteSize, Share},
    words::Generation,
};

use crate::{
    rig::{policy, rule, secs, with},
    three::{Three, many, three},
};

/// The instance that each event of a kind names.
fn numbers(of: &Three, kind: Kind) -> Vec<Option<u64>> {
    let events = of.said.iter().filter(|event| event.kind == kind);
    let numbers = events.map(|event| {
        let mut fields = event.fields.iter();
        fields.find_map(|(name, value)| match (*name, value) {
            ("instance", Field::Number(number)) => Some(*number),
            _ => None,
        })
    });
    numbers.collect()
}

/// An operator's word to recycle one.
fn recycle_one(instance: u32, force: bool) -> Word {
    Word::RecycleOne {
        instance,
        reason: String::new(),
        force,
    }
}

#[test]
fn one_of_them_can_be_recycled_alone() {
    let mut three = three(policy());
    assert_eq!(three.word(recycle_one(9, false)), None, "there is none");
    let incident = three.word(recycle_one(2, false)).unwrap();
    assert_eq!(three.acts(), ["start 4 as 2"]);
    three.ready(4);
    three.pass(1_000);
    three.goes(2);
    three.pass(1_000);
    assert_eq!(three.serving(), [1, 3, 4]);
    assert!(!three.acts().iter().any(|act| act.starts_with("start")));
    let of: Vec<_> = three
        .said
        .iter()
        .filter_map(|event| event.incident)
        .collect();
    assert!(
        of.iter().all(|one| *one == incident),
        "one incident: {of:?}"
    );
    let ended = three.said(Kind::RecycleEnded);
    assert_eq!(ended.len(), 1, "and one end: {ended:?}");
    assert_eq!(numbers(&three, Kind::RecycleEnded), [Some(2)]);
}

#[test]
fn the_recycle_of_one_waits_for_its_turn_unless_it_is_forced() {
    let mut three = three(policy());
    three.word(recycle_one(2, false));
    let waits = three.word(recycle_one(3, false));
    assert_eq!(three.word(recycle_one(3, false)), waits, "it is the same");
    assert_eq!(three.acts(), ["start 4 as 2"]);
    three.ready(4);
    three.pass(1_000);
    assert!(!three.acts().contains(&"start 5 as 3".to_owned()));
    three.goes(2);
    assert!(three.acts().contains(&"start 5 as 3".to_owned()));
    three.ready(5);
    three.pass(1_000);
    three.goes(3);
    assert_eq!(three.serving(), [1, 4, 5]);

    three.dies(4);
    three.forget();
    three.word(recycle_one(1, false));
    assert_eq!(three.acts(), [""; 0], "the others have to be back first");
    three.word(recycle_one(1, true));
    assert!(three.acts().contains(&"start 7 as 1".to_owned()));
}

#[test]
fn one_that_is_starting_anyway_is_not_replaced_once_more() {
    for word in [
        recycle_one(3, false),
        Word::Recycle {
            reason: String::new(),
            force: false,
        },
    ] {
        let mut three = many(policy(), Count::Fixed(3), 2);
        let incident = three.word(word);
        three.ready(3);
        for (old, new) in [(1, 4), (2, 5)] {
            three.pass(1_000);
            if three.acts().contains(&format!("start {new} as {old}")) {
                three.ready(new);
                three.pass(1_000);
                three.goes(old);
            }
        }
        three.pass(1_000);
        let starts = three.acts();
        let of_third = starts.iter().filter(|act| act.ends_with("as 3"));
        assert_eq!(of_third.count(), 0, "{starts:?}");
        assert!(three.serving().contains(&3));
        let ended = three
            .said
            .iter()
            .filter(|event| event.kind == Kind::RecycleEnded && event.incident == incident);
        assert_eq!(ended.count(), 1, "{:?}", three.said(Kind::RecycleEnded));
    }
}

#[test]
fn a_recycle_of_one_that_an_operator_stopped_says_why_it_does_nothing() {
    let mut three = three(policy());
    three.word(Word::Stop);
    for generation in [1, 2, 3] {
        three.goes(generation);
    }
    three.forget();
    let incident = three.word(recycle_one(2, false));
    assert_eq!(three.acts(), [""; 0]);
    let ended = three.said(Kind::RecycleEnded);
    assert_eq!(ended.len(), 1, "{ended:?}");
    let event = three
        .said
        .iter()
        .find(|event| event.kind == Kind::RecycleEnded);
    assert_eq!(event.unwrap().incident, incident);
    three.word(recycle_one(2, true));
    let acts = three.acts();
    let starts: Vec<_> = acts.iter().filter(|act| act.starts_with("start")).collect();
    assert_eq!(starts, ["start 4 as 2"], "and no other");
}

#[test]
fn each_says_which_one_it_is_and_what_holds_for_all_is_said_once() {
    let share = MemoryLimit::Share(Share::percent(90));
    let when = Trigger::Memory {
        limit: share,
        hold: secs(1),
    };
    let mut three = three(with([rule("share", when)]));
    three.pass(5_000);
    for generation in [1, 2, 3] {
        // The limit of its control group can't be read.
        three.see(Observation::Memory(MemorySample {
            generation: Generation(generation),
            bytes: ByteSize::mib(100),
            exact: false,
            limit: None,
            room: None,
        }));
    }
    assert_eq!(numbers(&three, Kind::RuleHeld), [None], "it holds for all");
    three.dies(2);
    three.ready(4);
    for kind in [Kind::WorkerExited, Kind::WorkerStarting, Kind::WorkerReady] {
        assert_eq!(numbers(&three, kind), [Some(2)], "{kind:?}");
    }
    assert_eq!(three.group.instance_of(Generation(4)), Some(2));
}

#[test]
fn a_single_one_has_no_number_unless_more_may_come() {
    let mut one = many(policy(), Count::Fixed(1), 1);
    one.dies(1);
    assert_eq!(numbers(&one, Kind::WorkerExited), [None]);
    assert_eq!(one.group.instance_of(Generation(2)), None);
    let follow = Follow {
        min: 1,
        max: 2,
        in_flight: 20,
        grow_after: secs(1),
        shrink_after: secs(60),
    };
    let mut one = many(policy(), Count::Follow(follow), 1);
    one.dies(1);
    assert_eq!(numbers(&one, Kind::WorkerExited), [Some(1)]);
}
