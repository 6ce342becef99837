//! Incidents: each that is open was told of, closes once, and reads as a story.

use std::collections::BTreeSet;

use autoheal::{
    decide::{
        event::{Event, Kind},
        group::Group,
        observation::{Observation, StartFailure},
        open::Stage,
        policy::Policy,
    },
    explain::incident::{Incident, store::Incidents, story::story},
    journal::record::Record,
    time::{MonoTime, WallTime},
    words::{Exit, Generation},
};

use crate::{
    dependencies::{down, needing_db},
    rig::{Rig, in_place, policy, rule, secs, status, with},
};

/// Which incidents of a world are open, and which were.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    told: BTreeSet<u64>,
    open: BTreeSet<u64>,
    over: BTreeSet<u64>,
}

impl Followed {
    pub(crate) fn hear(&mut self, event: &Event) {
        self.told.extend(event.incident);
    }

    /// After every change.
    pub(crate) fn look(&mut self, group: &Group) {
        let open: BTreeSet<u64> = group.open_incidents().map(|(id, _)| id).collect();
        assert!(open.is_subset(&self.told), "{open:?} of {:?}", self.told);
        self.over.extend(self.open.difference(&open));
        let back: Vec<_> = open.intersection(&self.over).collect();
        assert!(back.is_empty(), "{back:?} had come to their end");
        self.open = open;
    }

    /// The world has ended.
    pub(crate) fn check_end(&self) {
        assert!(self.open.is_empty(), "never closed: {:?}", self.open);
    }
}

/// What the journal would tell of all that was said.
fn told(rig: &Rig) -> Incidents {
    let lines: Vec<String> = rig
        .heard()
        .iter()
        .zip(1..)
        .map(|(event, seq)| {
            let (at, mono) = (WallTime(seq * 1_000), MonoTime::from_millis(seq));
            let record = Record {
                seq,
                at,
                mono,
                event,
            };
            record.to_line()
        })
        .collect();
    Incidents::of(lines.iter().map(String::as_str))
}

fn one(rig: &Rig, id: u64) -> (Incident, String) {
    let incident = told(rig).get(id).expect("an incident").clone();
    let page = story(&incident).replace("\n  ", " ");
    (incident, page)
}

fn stages(rig: &Rig) -> Vec<(u64, Stage)> {
    let mut all: Vec<_> = rig.engine.open_incidents().collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn failing(base: Policy) -> Policy {
    Policy {
        rules: vec![rule("failing", status(5, secs(10)))],
        ..base
    }
}

#[test]
fn a_crash_is_open_until_another_worker_serves() {
    let mut rig = Rig::ready(policy());
    rig.exits(1, Exit::Core(11));
    assert_eq!(stages(&rig), [(1, Stage::Healing)]);
    rig.gone(1);
    assert_eq!(stages(&rig), [(1, Stage::Healing)]);
    rig.pass(1_500);
    rig.ready_now(2);
    assert_eq!(stages(&rig), []);
    let (incident, page) = one(&rig, 1);
    assert_eq!(
        (incident.generation, incident.replaced_by),
        (Some(1), Some(2))
    );
    assert!(page.starts_with("Incident 1: worker 1 (pid 101) was killed by SIGSEGV (core dumped)"));
    assert!(
        page.contains("Yes: worker 2 serves") && page.contains("coredumpctl"),
        "{page}"
    );
}

#[test]
fn a_rule_s_overlap_is_healed_until_the_old_worker_is_gone_and_then_judged() {
    let mut rig = Rig::ready(failing(policy()));
    rig.tally(1, 5, 10);
    rig.ready_now(2);
    assert_eq!(stages(&rig), [(1, Stage::Healing), (1, Stage::Judging)]);
    rig.drained(1);
    rig.gone(1);
    assert_eq!(stages(&rig), [(1, Stage::Judging)]);
    let (incident, page) = one(&rig, 1);
    assert_eq!(incident.when.as_deref(), Some("status"));
    assert_eq!(incident.strategy.as_deref(), Some("overlap"));
    assert!(page.contains("Rule \"failing\" fired: 5 of"), "{page}");
    assert!(page.contains("worker 1 (pid 101) stopped within"), "{page}");
    assert!(
        page.contains("still going on") || page.contains("That was not told"),
        "{page}"
    );
}

#[test]
fn an_in_place_recycle_tells_of_its_phases() {
    let mut rig = Rig::ready(failing(in_place()));
    rig.tally(1, 5, 10);
    rig.drained(1);
    rig.gone(1);
    rig.ready_now(2);
    let (incident, page) = one(&rig, 1);
    assert_eq!(incident.came_out(), "replaced");
    assert_eq!(incident.strategy.as_deref(), Some("in-place"));
    let kinds: Vec<_> = incident
        .moments
        .iter()
        .map(|one| one.kind.as_str())
        .collect();
    let phases = [
        "rule-fired",
        "recycle-begun",
        "worker-stopped",
        "worker-starting",
        "worker-ready",
        "recycle-ended",
    ];
    assert_eq!(kinds, phases, "{page}");
}

#[test]
fn recycles_that_do_not_help_end_in_an_incident_that_says_what_would() {
    let mut rig = Rig::ready(failing(policy()));
    for worker in 1..=3 {
        rig.pass(12_000);
        rig.tally(worker, 5, 5);
        if worker < 3 {
            rig.ready_now(worker + 1);
            rig.drained(worker);
            rig.gone(worker);
        }
    }
    let (incident, page) = one(&rig, 3);
    assert_eq!(incident.came_out(), "disarmed", "{page}");
    assert!(
        page.contains("The same 500-599 came from the new worker"),
        "{page}"
    );
    let (last, page) = one(&rig, 2);
    assert_eq!(last.came_out(), "did-not-help");
    assert!(page.contains("No: recycling does not help"), "{page}");
    assert!(page.contains("look at what it depends on"), "{page}");
    assert_eq!(stages(&rig), []);
}

#[test]
fn what_a_dependency_holds_back_is_no_incident() {
    let mut rig = down(needing_db(failing(policy())));
    rig.tally(1, 5, 10);
    assert!(!rig.said(Kind::RuleHeld).is_empty());
    assert_eq!(told(&rig).count(), 0);
    assert_eq!(stages(&rig), []);
}

#[test]
fn a_worker_that_is_given_up_stays_one_open_incident() {
    let mut rig = Rig::new(policy());
    let mut worker = 1;
    while rig.said(Kind::GaveUp).is_empty() {
        rig.dies(worker);
        rig.pass(70_000);
        worker += 1;
        assert!(worker <= 11);
    }
    assert_eq!(stages(&rig), [(1, Stage::Healing)]);
    let all = told(&rig);
    assert_eq!(all.count(), 1);
    let (incident, page) = one(&rig, 1);
    assert_eq!(incident.came_out(), "gave-up");
    assert!(page.contains("No: the worker does not stay up"), "{page}");
    assert!(page.contains("autoheal logs --previous"), "{page}");
}

#[test]
fn who_is_kept_by_a_failed_overlap_has_no_part_in_what_comes_later() {
    let mut rig = Rig::ready(with([]));
    let id = rig.recycle(false);
    rig.see(Observation::StartFailed {
        generation: Generation(2),
        why: StartFailure::Spawn("no such file".to_owned()),
    });
    assert_eq!(stages(&rig), []);
    let (incident, page) = one(&rig, id);
    assert_eq!(incident.came_out(), "kept-old");
    assert!(
        page.contains("autoheal logs shows what it printed"),
        "{page}"
    );
}
