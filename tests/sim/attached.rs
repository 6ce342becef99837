//! A worker that something else starts: looked for, restarted in place, and let go rather than
//! ended where nobody wants another in its place.

use autoheal::{
    decide::{
        event::{Field, Kind, Level},
        observation::{Observation, Trouble, Unhealthy, Word},
        policy::{Budget, Comes, Health, Policy},
    },
    words::{Exit, Generation, Mode},
};

use crate::rig::{Rig, in_place, rule, secs, status};

const G1: Generation = Generation(1);

fn attached(comes: Comes) -> Policy {
    Policy {
        attached: Some(comes),
        ..in_place()
    }
}

fn absent(rig: &mut Rig, why: &str) {
    rig.see(Observation::Attaching {
        generation: G1,
        trouble: Trouble::Absent(why.to_owned()),
    });
}

#[test]
fn one_that_is_not_there_is_looked_for_and_told_of_once_for_each_reason() {
    let mut rig = Rig::new(attached(Comes::ByItself));
    assert_eq!(rig.acts(), ["start 1", "park 0ms"]);
    assert_eq!(rig.said(Kind::WorkerStarting), ["looking for worker 1"]);
    for why in ["nobody listens", "nobody listens", "it is hidden"] {
        absent(&mut rig, why);
    }
    assert_eq!(
        rig.said(Kind::WorkerAbsent),
        [
            "worker 1 is not there: nobody listens",
            "worker 1 is not there: it is hidden"
        ]
    );
    rig.until_act();
    assert_eq!(rig.acts()[0], "let go 1", "it is not ours to kill");
    rig.gone(1);
    rig.pass(1_000);
    assert_eq!(rig.acts()[0], "start 2");
    let said = rig.said(Kind::StartFailed).remove(0);
    assert_eq!(
        said,
        "worker 1 failed to start: no complete answer within 2min: it is hidden; looking for the \
         next one"
    );
}

#[test]
fn how_it_ended_is_not_guessed_and_the_next_one_is_looked_for_at_once_however_often() {
    let mut rig = Rig::ready(attached(Comes::ByItself));
    for generation in 1..=9 {
        rig.forget();
        rig.exits(generation, Exit::Unknown);
        rig.gone(generation);
        let said = rig.said(Kind::WorkerExited).remove(0);
        assert!(
            said.ends_with("; its exit status belongs to its parent; looking for the next one"),
            "{said}"
        );
        rig.pass(1_000);
        assert!(
            rig.acts().contains(&format!("start {}", generation + 1)),
            "{generation}"
        );
        rig.pass(1_500);
        rig.ready_now(generation + 1);
        rig.pass(1_500);
    }
    rig.forget();
    rig.exits(10, Exit::Unknown);
    let said = rig.said(Kind::WorkerExited).remove(0);
    assert!(said.contains("giving up after 10 ends in a row"), "{said}");
    assert!(said.ends_with("; next try in 1s"), "{said}");
}

#[test]
fn one_that_a_command_brings_is_brought_with_the_patience_of_any_start() {
    let mut rig = Rig::ready(attached(Comes::ByCommand));
    for generation in 1..=3 {
        rig.pass(2_000);
        rig.exits(generation, Exit::Unknown);
        rig.gone(generation);
        rig.ready_now(generation + 1);
    }
    rig.pass(2_000);
    rig.forget();
    rig.exits(4, Exit::Unknown);
    rig.gone(4);
    let said = rig.said(Kind::WorkerExited).remove(0);
    assert!(said.contains("; next start in "), "{said}");
}

#[test]
fn a_recycle_restarts_it_in_place_whether_its_process_ends_or_goes_on() {
    for ends in [true, false] {
        let mut rig = Rig::ready(attached(Comes::ByItself));
        rig.recycle(false);
        rig.see(Observation::Quiet { generation: G1 });
        rig.drained(1);
        let acts = rig.acts();
        assert_eq!(acts.last().unwrap(), "stop 1 10000ms", "{acts:?}");
        if ends {
            rig.exits(1, Exit::Unknown);
        }
        rig.gone(1);
        assert!(rig.acts().contains(&"start 2".to_owned()));
        let said = rig.said(Kind::WorkerStopped).remove(0);
        let how = match ends {
            true => "worker 1 (pid 101) stopped within 0ms",
            false => "worker 1 (pid 101) goes on as worker 2",
        };
        assert_eq!(said, how);
        rig.ready_now(2);
        assert_eq!(rig.events(Kind::RecycleEnded).count(), 1);
    }
}

#[test]
fn one_that_could_not_be_restarted_serves_again_and_that_is_said() {
    let mut rig = Rig::ready(attached(Comes::ByCommand));
    rig.recycle(true);
    rig.drained(1);
    rig.see(Observation::Attaching {
        generation: G1,
        trouble: Trouble::NotRestarted("`systemctl` ended with 4".to_owned()),
    });
    rig.gone(1);
    assert_eq!(
        rig.said(Kind::NotRestarted),
        ["worker 1 (pid 101) was not restarted: `systemctl` ended with 4; it goes on"]
    );
    let ended = rig.events(Kind::RecycleEnded).next().unwrap();
    assert_eq!(ended.fields[0].1, Field::Text("kept-old".to_owned()));
    assert!(rig.acts().contains(&"start 2".to_owned()));
    rig.ready_now(2);
    assert_eq!(rig.acts(), ["admit 2"]);
}

#[test]
fn it_outlives_us_and_an_operator_s_stop() {
    for word in [Word::Stop, Word::Shutdown] {
        let mut rig = Rig::ready(attached(Comes::ByItself));
        let ends = word == Word::Shutdown;
        rig.word(word);
        rig.drained(1);
        let acts = rig.acts();
        assert_eq!(acts.last().unwrap(), "let go 1", "{acts:?}");
        rig.gone(1);
        assert_eq!(
            rig.said(Kind::WorkerStopped),
            ["worker 1 (pid 101) is let go and runs on"]
        );
        assert_eq!(rig.acts(), if ends { vec!["exit 0"] } else { vec![] });
    }
}

#[test]
fn a_bare_proxy_finds_the_next_one_too() {
    let mut rig = Rig::ready(Policy {
        mode: Mode::Relay,
        ..attached(Comes::ByItself)
    });
    rig.exits(1, Exit::Unknown);
    rig.gone(1);
    rig.pass(1_000);
    let acts = rig.acts();
    assert!(acts.contains(&"start 2".to_owned()), "{acts:?}");
}

#[test]
fn one_that_nobody_restarts_for_us_is_only_told_of_with_who_has_to_do_it() {
    let mut rig = Rig::ready(Policy {
        budget: Budget {
            recycles: 1,
            ..in_place().budget
        },
        rules: vec![rule("failing", status(5, secs(30)))],
        ..attached(Comes::Unasked)
    });
    let who = "attach.restart is \"none\": whoever runs the app has to restart it";
    for nth in 1..=3 {
        rig.forget();
        rig.tally(1, 5, 5);
        let said = rig.said(Kind::RuleFired);
        assert!(
            said[0].ends_with(&format!("; not recycling, as {who}")),
            "{said:?}"
        );
        let event = rig.events(Kind::RuleFired).next().unwrap();
        assert_eq!(event.level, Level::Error, "someone has to do it");
        assert!(event.fields.contains(&("recycles", Field::Flag(false))));
        assert!(
            event
                .fields
                .contains(&("cure", Field::Text(who.to_owned())))
        );
        assert!(rig.acts().is_empty(), "nor is a budget spent: {nth}");
        rig.pass(2 * 3_600_000);
    }
    rig.recycle(true);
    let ended = rig.said(Kind::RecycleEnded);
    assert_eq!(ended, [format!("nothing is recycled: {who}")]);
    assert!(rig.acts().is_empty());
    rig.forget();
    rig.exits(1, Exit::Unknown);
    rig.gone(1);
    rig.pass(1_000);
    let acts = rig.acts();
    assert!(
        acts[0].starts_with("park ") && acts.contains(&"start 2".to_owned()),
        "{acts:?}"
    );
}

#[test]
fn what_nobody_restarts_for_us_is_never_killed_however_long_it_does_not_answer() {
    let mut rig = Rig::ready(attached(Comes::Unasked));
    rig.exits(1, Exit::Unknown);
    rig.gone(1);
    rig.pass(1_000);
    rig.forget();
    rig.pass(121_000);
    assert_eq!(rig.acts()[0], "let go 2");
}

#[test]
fn that_its_health_fails_is_said_once_until_it_is_well_again() {
    let mut rig = Rig::ready(Policy {
        health: Some(Health {
            failures: 2,
            successes: 1,
        }),
        ..attached(Comes::Unasked)
    });
    let probe = |rig: &mut Rig, result| {
        rig.see(Observation::Probe {
            generation: G1,
            result,
        });
    };
    let ill = || {
        Err(Unhealthy {
            why: "no answer".to_owned(),
            silent: true,
        })
    };
    for _ in 0..2 {
        rig.forget();
        for _ in 0..6 {
            probe(&mut rig, ill());
        }
        let said = rig.said(Kind::Unhealthy);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].ends_with("whoever runs the app has to restart it"),
            "{said:?}"
        );
        probe(&mut rig, Ok(()));
    }
    assert!(rig.acts().is_empty());
}

/// What whoever watches over the worker is told now.
fn wanted(rig: &Rig) -> Option<String> {
    rig.engine.snapshot(rig.now).restart_wanted
}

/// Ready, with a rule that has had it drained, a second after the first request was parked.
fn asked_for() -> Rig {
    let mut rig = Rig::ready(Policy {
        rules: vec![rule("failing", status(5, secs(30)))],
        ..attached(Comes::ByProbe)
    });
    rig.tally(1, 5, 5);
    assert_eq!(
        wanted(&rig),
        None,
        "not while its requests are still answered"
    );
    rig.pass(1_000);
    rig.drained(1);
    rig
}

#[test]
fn who_watches_over_it_is_asked_from_the_end_of_the_drain_until_a_new_one_is_ready() {
    let mut rig = asked_for();
    // Those who are parked wait for 60 s; the last ten are for the old one, if it must.
    assert_eq!(rig.acts().last().unwrap(), "stop 1 49000ms");
    let why = "restart the worker: rule \"failing\": 5 of 5 answers (100%) were 500-599 in 30s \
               (limit: 5)";
    assert_eq!(wanted(&rig).as_deref(), Some(why));
    rig.pass(20_000);
    rig.exits(1, Exit::Unknown);
    rig.gone(1);
    assert_eq!(wanted(&rig).as_deref(), Some(why));
    rig.ready_now(2);
    assert_eq!(wanted(&rig), None);
    let ended = rig.events(Kind::RecycleEnded).next().unwrap();
    assert_eq!(ended.fields[0].1, Field::Text("replaced".to_owned()));
}

#[test]
fn one_that_nobody_restarts_is_asked_for_until_it_answers_again() {
    let mut rig = asked_for();
    rig.pass(49_000);
    rig.see(Observation::Attaching {
        generation: G1,
        trouble: Trouble::NotRestarted("nobody did it".to_owned()),
    });
    rig.gone(1);
    assert!(rig.acts().contains(&"start 2".to_owned()));
    assert_eq!(rig.said(Kind::NotRestarted).len(), 1);
    assert!(wanted(&rig).is_some(), "it may be hung");
    rig.pass(130_000);
    let acts = rig.acts();
    assert!(
        acts.iter().any(|act| act.starts_with("stop 2 ")),
        "it is not killed: {acts:?}"
    );
    assert!(wanted(&rig).is_some());
    rig.gone(2);
    rig.pass(1_000);
    rig.ready_now(3);
    assert_eq!(wanted(&rig), None);
}

#[test]
fn nobody_is_asked_for_what_nobody_wants() {
    for word in [Word::Stop, Word::Shutdown] {
        let mut rig = asked_for();
        rig.word(word);
        assert_eq!(wanted(&rig), None);
    }
}

#[test]
fn a_request_would_be_taken_while_it_serves_or_while_waiting_is_not_in_vain() {
    let takes = |rig: &Rig| rig.engine.snapshot(rig.now).takes;
    let mut rig = Rig::ready(attached(Comes::ByItself));
    assert!(takes(&rig));
    rig.exits(1, Exit::Unknown);
    rig.gone(1);
    assert!(takes(&rig), "parked");
    rig.pass(59_000);
    assert!(takes(&rig));
    rig.pass(2_000);
    assert!(
        !takes(&rig),
        "nobody is parked for longer than parking.wait"
    );
    rig.ready_now(2);
    assert!(takes(&rig));
    rig.word(Word::Shutdown);
    assert!(!takes(&rig));
}
