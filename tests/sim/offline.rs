//! A maintenance page: no worker runs while it is there.

use autoheal::{
    decide::{
        engine::Engine,
        event::Kind,
        observation::{Observation, Word},
        step::Step,
    },
    explain::code::Code,
    words::Door,
};

use crate::rig::{Rig, policy, rule, secs, status, with};

impl Rig {
    fn page(&mut self, on: bool) {
        self.see(Observation::Maintenance { on });
    }
}

#[test]
fn the_worker_drains_and_stops_for_the_page_and_starts_when_it_is_gone() {
    let mut rig = Rig::ready(policy());
    rig.page(true);
    assert_eq!(
        rig.acts(),
        ["refuse Maintenance", "withdraw 1", "drain 1 20000ms"]
    );
    rig.drained(1);
    assert_eq!(rig.acts(), ["stop 1 10000ms"]);
    rig.dies(1);
    assert_eq!(rig.engine.snapshot(rig.now).phase, "maintenance");
    assert_eq!(rig.engine.next_deadline(), None, "nothing is due");
    rig.page(true);
    rig.pass(3_600_000);
    assert_eq!(rig.acts(), [""; 0]);
    rig.page(false);
    assert_eq!(rig.acts(), ["start 2", "park 0ms"]);
    let said = rig.said(Kind::Maintenance);
    assert_eq!(
        said,
        [
            "the maintenance page is there: every request is answered 503 with it; the worker is \
             being stopped",
            "the maintenance page is gone: starting the worker"
        ]
    );
}

#[test]
fn nobody_starts_a_worker_while_the_page_is_there() {
    let mut rig = Rig::ready(with([rule("failing", status(5, secs(30)))]));
    rig.page(true);
    rig.tally(1, 5, 5);
    rig.recycle(true);
    rig.word(Word::Start);
    rig.drained(1);
    rig.dies(1);
    rig.pass(600_000);
    assert!(!rig.acts().iter().any(|act| act.starts_with("start")));
    rig.word(Word::Stop);
    rig.page(false);
    assert_eq!(rig.acts(), ["refuse WorkerStoppedByOperator"]);
    rig.word(Word::Start);
    assert_eq!(rig.acts(), ["start 2", "park 0ms"]);
}

#[test]
fn a_recycle_that_is_under_way_ends_when_the_page_comes() {
    let mut rig = Rig::ready(policy());
    rig.recycle(false);
    assert_eq!(rig.acts(), ["start 2"]);
    rig.page(true);
    let acts = rig.acts();
    assert!(acts.contains(&"stop 2 10000ms".to_owned()), "{acts:?}");
    let ended = rig.said(Kind::RecycleEnded);
    assert!(
        ended[0].contains("the maintenance page is there"),
        "{ended:?}"
    );
    rig.dies(2);
    rig.drained(1);
    rig.dies(1);
    rig.acts();
    rig.page(false);
    assert_eq!(rig.acts(), ["start 3", "park 0ms"]);
}

#[test]
fn one_that_begins_with_the_page_starts_nothing() {
    let now = autoheal::time::MonoTime::from_millis(1_000);
    let mut engine = Engine::offline(policy(), 1, 1, now);
    let steps: Vec<_> = std::iter::from_fn(|| engine.poll_step()).collect();
    let acts = steps.iter().filter(|step| !matches!(step, Step::Say(_)));
    let door = Step::Door(Door::Refuse {
        code: Code::Maintenance,
        retry_at: None,
    });
    assert_eq!(acts.collect::<Vec<_>>(), [&door]);
    assert_eq!(engine.next_deadline(), None);
    engine.handle(now, Observation::Maintenance { on: false });
    let mut steps = std::iter::from_fn(|| engine.poll_step());
    assert!(steps.any(|step| matches!(step, Step::Start { .. })));
}
