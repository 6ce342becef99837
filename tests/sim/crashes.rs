//! Starts that fail, workers that die, and giving up.

use autoheal::{
    decide::{
        event::Kind,
        observation::{Observation, StartFailure, Word},
        policy::{Enough, GiveUp, RestartWhen},
        step::Step,
    },
    explain::code::Code,
    words::{Door, Exit, Generation, LastWords, Mode},
};

use crate::rig::{Rig, in_place, policy, secs};

const G1: Generation = Generation(1);

#[test]
fn the_first_worker_starts_while_requests_are_parked_and_is_admitted_when_ready() {
    let mut rig = Rig::new(policy());
    assert_eq!(rig.acts(), ["start 1", "park 0ms"]);
    rig.see(Observation::Started {
        generation: G1,
        pid: 812,
    });
    rig.pass(1_200);
    rig.ready_now(1);
    assert_eq!(rig.acts(), ["admit 1"]);
    assert_eq!(
        rig.said(Kind::WorkerReady),
        ["worker 1 (pid 812) ready after 1.2s"]
    );
    rig.ready_now(1);
    assert!(rig.acts().is_empty(), "told twice");
}

#[test]
fn a_worker_without_an_answer_by_start_timeout_is_killed_and_started_again() {
    let mut rig = Rig::new(policy());
    rig.forget();
    assert_eq!(rig.until_act(), 120_000);
    assert_eq!(rig.acts()[0], "kill 1");
    let said = rig.said(Kind::StartFailed).remove(0);
    assert!(
        said.contains("no complete answer within 2min; next start in "),
        "{said}"
    );
    rig.pass(4_900);
    assert!(rig.acts().is_empty(), "no other starts before it is gone");
    rig.dies(1);
    assert_eq!(rig.acts(), ["start 2", "park 0ms"]);
    assert!(rig.said(Kind::WorkerStopped).is_empty(), "its end was said");
}

#[test]
fn a_worker_that_listens_elsewhere_is_told_of_once_with_the_cure() {
    let mut rig = Rig::new(policy());
    for _ in 0..2 {
        let elsewhere = Observation::ListensElsewhere {
            generation: G1,
            expected: 41_233,
            found: 3_000,
        };
        rig.see(elsewhere);
    }
    let said = rig.said(Kind::ListensElsewhere);
    assert_eq!(
        said,
        ["worker 1 listens on 3000, not on 41233: set port = 3000"]
    );
}

#[test]
fn a_worker_whose_tls_fails_is_told_of_once_for_each_reason_and_at_the_end_of_its_start() {
    let mut rig = Rig::new(policy());
    let expired = "its certificate expired 2 days ago: renew it";
    for why in [
        expired,
        "it does not speak TLS: set worker.protocol",
        expired,
        expired,
    ] {
        rig.see(Observation::TlsFailed {
            generation: G1,
            code: Code::WorkerCertificateExpired,
            why: why.to_owned(),
        });
    }
    let said = rig.said(Kind::TlsFailed);
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(said[0], format!("worker 1 is not ready: {expired}"));
    rig.pass(120_000);
    let said = rig.said(Kind::StartFailed);
    assert!(
        said[0].contains(&format!("within 2min: {expired}; ")),
        "{said:?}"
    );
}

#[test]
fn a_crash_parks_at_once_and_restarts_as_soon_as_the_tree_is_gone() {
    let mut rig = Rig::ready(policy());
    rig.counts(1, &[], 50, 12);
    rig.pass(182_000);
    rig.exits(1, Exit::Signal(9));
    assert_eq!(rig.acts(), ["park 0ms", "withdraw 1"]);
    assert_eq!(
        rig.said(Kind::WorkerExited),
        [
            "worker 1 (pid 101) was killed by SIGKILL after 3min 2s with 12 in flight; \
             restarting at once (1 of 3 this minute)"
        ]
    );
    rig.gone(1);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn the_fourth_crash_of_a_minute_waits() {
    let mut rig = Rig::ready(policy());
    for generation in 1..=3 {
        rig.pass(2_000);
        rig.dies(generation);
        rig.ready_now(generation + 1);
    }
    rig.pass(2_000);
    rig.forget();
    rig.dies(4);
    assert!(!rig.acts().contains(&"start 5".to_owned()));
    let waited = rig.until_act();
    assert!((900..=1_100).contains(&waited), "{waited}");
    assert_eq!(rig.acts()[0], "start 5");
}

#[test]
fn a_worker_that_dies_within_a_second_does_not_restart_at_once() {
    let mut rig = Rig::ready(policy());
    rig.pass(999);
    rig.dies(1);
    let acts = rig.acts();
    assert!(
        acts[0].starts_with("park ") && acts[0] != "park 0ms",
        "{acts:?}"
    );
    assert_eq!(acts[1..], ["withdraw 1"]);
    assert!((900..=1_100).contains(&rig.until_act()));
}

#[test]
fn a_worker_that_never_gets_ready_is_given_up_and_tried_every_five_minutes() {
    let mut rig = Rig::new(policy());
    let mut generation = 1;
    while rig.said(Kind::GaveUp).is_empty() {
        rig.exits(generation, Exit::Code(1));
        rig.gone(generation);
        rig.pass(70_000);
        generation += 1;
        assert!(generation <= 11);
    }
    assert_eq!(rig.engine.snapshot(rig.now).phase, "gave up");
    assert!(rig.acts().contains(&"refuse WorkerGaveUp".to_owned()));
    assert_eq!(rig.until_act(), 230_000);
    assert_eq!(rig.acts()[0], "start 11");
    rig.ready_now(11);
    assert_eq!(rig.acts().last().unwrap(), "admit 11");
    assert_eq!(rig.engine.snapshot(rig.now).phase, "ready");
}

#[test]
fn on_give_up_exit_ends_with_the_code_of_the_worker() {
    let mut given = policy();
    given.restart.give_up = GiveUp::Exit;
    let mut rig = Rig::new(given);
    for generation in 1..=10 {
        rig.exits(generation, Exit::Code(3));
        rig.gone(generation);
        rig.pass(70_000);
    }
    assert_eq!(rig.acts().last().unwrap(), "exit 3");
    assert_eq!(rig.engine.next_deadline(), None);
}

#[test]
fn an_exit_with_code_0_stays_down_when_only_failures_restart() {
    let mut given = policy();
    given.restart.when = RestartWhen::OnFailure;
    let mut rig = Rig::ready(given.clone());
    rig.pass(5_000);
    rig.exits(1, Exit::Code(0));
    rig.gone(1);
    assert_eq!(rig.acts(), ["refuse WorkerDown", "withdraw 1"]);
    assert_eq!(rig.engine.next_deadline(), None);
    let mut rig = Rig::ready(given);
    rig.pass(5_000);
    rig.dies(1);
    assert_eq!(rig.acts().last().unwrap(), "start 2");
}

#[test]
fn an_exit_with_code_0_starts_again_unless_only_failures_do() {
    let mut rig = Rig::ready(policy());
    rig.pass(5_000);
    rig.exits(1, Exit::Code(0));
    rig.gone(1);
    assert_eq!(rig.acts(), ["park 0ms", "withdraw 1", "start 2"]);
}

#[test]
fn a_relay_starts_once_and_never_restarts_or_parks() {
    let mut given = policy();
    given.mode = Mode::Relay;
    let mut rig = Rig::new(given);
    assert_eq!(rig.acts(), ["start 1", "refuse WorkerDown"]);
    rig.ready_now(1);
    rig.pass(5_000);
    rig.dies(1);
    assert_eq!(rig.acts(), ["admit 1", "withdraw 1"]);
    assert_eq!(rig.engine.next_deadline(), None);
}

#[test]
fn an_oom_kill_and_a_daemon_are_called_by_their_names() {
    for (exit, oom_killed, left_children, words) in [
        (
            Exit::Signal(9),
            true,
            false,
            "was killed by the OOM killer before it was ready",
        ),
        (
            Exit::Code(1),
            true,
            false,
            "exited with code 1 just after the OOM killer had been at work in its group",
        ),
        (
            Exit::Core(11),
            false,
            false,
            "was killed by SIGSEGV (core dumped)",
        ),
        (
            Exit::Code(0),
            false,
            true,
            "if it forked into the background, run it in the foreground",
        ),
    ] {
        let mut rig = Rig::new(policy());
        rig.see(Observation::Exited {
            generation: G1,
            exit,
            oom_killed,
            address_in_use: false,
            left_children,
        });
        assert!(rig.said(Kind::StartFailed)[0].contains(words));
    }
}

#[test]
fn a_killed_worker_whose_children_outlive_it_is_not_called_a_daemon() {
    let mut rig = Rig::new(policy());
    rig.see(Observation::Exited {
        generation: G1,
        exit: Exit::Signal(9),
        oom_killed: false,
        address_in_use: false,
        left_children: true,
    });
    let said = &rig.said(Kind::StartFailed)[0];
    assert!(
        said.contains("was killed by SIGKILL before it was ready"),
        "{said}"
    );
    assert!(!said.contains("background"), "{said}");
}

#[test]
fn what_it_printed_of_its_end_is_said_if_it_did_end_by_its_own_doing() {
    let lines = ["listening", "KeyError: 'DB'; see above"];
    for (exit, told) in [
        (Exit::Code(1), true),
        (Exit::Signal(6), true),
        (Exit::Code(0), false),
        (Exit::Signal(9), false),
    ] {
        let mut rig = Rig::ready(policy());
        rig.pass(2_000);
        for (generation, kind) in [(1, Kind::WorkerExited), (2, Kind::StartFailed)] {
            rig.see(Observation::LastWords {
                generation: Generation(generation),
                words: LastWords::of(lines),
            });
            rig.exits(generation, exit);
            let said = rig.said(kind).remove(0);
            assert_eq!(said.contains("(KeyError: 'DB'; see above)"), told, "{said}");
            rig.gone(generation);
            rig.pass(2_000);
        }
    }
}

#[test]
fn who_holds_the_port_is_said() {
    let mut rig = Rig::new(in_place());
    let owner = Some("nginx (pid 812)".to_owned());
    let why = StartFailure::PortInUse { port: 5000, owner };
    rig.see(Observation::StartFailed {
        generation: G1,
        why,
    });
    let said = rig.said(Kind::StartFailed).remove(0);
    assert!(
        said.contains("port 5000 is taken by nginx (pid 812); next start in "),
        "{said}"
    );
    rig.forget();
    assert!(rig.until_act() >= 900);
    assert_eq!(rig.acts(), ["start 2"], "the door was told of it before");
}

#[test]
fn the_door_says_since_when_nothing_serves_and_when_the_next_start_is_due() {
    let mut rig = Rig::ready(policy());
    rig.pass(500);
    let died = rig.now;
    rig.engine.handle(
        rig.now,
        Observation::Exited {
            generation: G1,
            exit: Exit::Code(1),
            oom_killed: false,
            address_in_use: false,
            left_children: false,
        },
    );
    let door = std::iter::from_fn(|| rig.engine.poll_step()).find_map(|step| match step {
        Step::Door(Door::Park {
            down_since,
            next_start,
        }) => Some((down_since, next_start)),
        _ => None,
    });
    let (down_since, next_start) = door.unwrap();
    assert_eq!(down_since, died);
    assert!(next_start >= died + secs(1) * 9 / 10 && next_start <= died + secs(1) * 11 / 10);
}

#[test]
fn a_worker_that_does_not_die_is_killed_again_and_keeps_no_fresh_port_from_being_used() {
    let mut rig = Rig::ready(policy());
    rig.pass(5_000);
    rig.exits(1, Exit::Code(1));
    rig.forget();
    assert_eq!(rig.until_act(), 5_000);
    assert_eq!(rig.acts(), ["kill 1", "start 2", "park 0ms"]);
    assert!(rig.said(Kind::WorkerStopped)[0].contains("is not gone after 5s; killing it again"));
}

#[test]
fn nothing_is_done_about_a_worker_that_is_not_known() {
    let mut rig = Rig::ready(policy());
    rig.ready_now(7);
    rig.dies(7);
    rig.drained(7);
    rig.counts(7, &[], 1, 1);
    assert!(rig.acts().is_empty());
}

#[test]
fn service_before_a_recycle_forgets_failures_too() {
    let mut rig = Rig::new(in_place());
    for generation in 1..=5 {
        rig.dies(generation);
        rig.pass(20_000);
    }
    rig.ready_now(6);
    rig.pass(60_000);
    rig.recycle(true);
    rig.drained(6);
    rig.dies(6);
    rig.forget();
    rig.dies(7);
    let waited = rig.until_act();
    assert!(rig.acts()[0].starts_with("park") && waited == 0);
    assert!(rig.until_act() <= 1_100);
}

#[test]
fn an_old_worker_that_ends_while_it_drains_is_not_told_to_stop() {
    let mut rig = Rig::ready(policy());
    rig.word(Word::Stop);
    rig.forget();
    rig.exits(1, Exit::Code(0));
    rig.drained(1);
    rig.pass(4_900);
    assert!(rig.acts().is_empty());
    rig.gone(1);
    assert_eq!(rig.engine.next_deadline(), None);
}

#[test]
fn rapid_failures_within_a_time_are_enough_as_in_iis() {
    let mut given = policy();
    given.restart.patience.enough = Enough::Within(5, secs(300));
    given.restart.patience.retry = secs(600);
    let mut rig = Rig::ready(given);
    for generation in 1..=5 {
        rig.pass(20_000);
        rig.dies(generation);
        rig.pass(1_500);
        rig.ready_now(generation + 1);
    }
    let said = rig.said(Kind::GaveUp);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("5 ends in 5min; answering 503"),
        "{said:?}"
    );
    assert!(rig.acts().contains(&"refuse WorkerGaveUp".to_owned()));
    assert_eq!(rig.until_act(), 598_500);
}
