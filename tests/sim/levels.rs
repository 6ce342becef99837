//! Rules over what is measured once a second: CPU, descriptors, threads, connections, pressure.

use std::time::Duration;

use autoheal::{
    decide::{
        event::{Field, Kind},
        observation::{Level, Levels, Measure, Observation, Resource, Waiting},
        trigger::{LevelLimit, Trigger},
    },
    words::Generation,
};

use crate::rig::{Rig, rule, secs, with};

/// `limit` is a number or a percentage.
pub(crate) fn level(measure: Measure, limit: &str, hold: Duration) -> Trigger {
    let limit = match limit.parse() {
        Ok(count) => LevelLimit::Count(count),
        Err(_) => LevelLimit::Share(limit.parse().unwrap()),
    };
    Trigger::Level {
        measure,
        limit,
        hold,
    }
}

impl Rig {
    pub(crate) fn measures(
        &mut self,
        generation: u32,
        measure: Measure,
        level: Option<(u64, u64)>,
    ) {
        let level = level.map(|(count, percent)| Level {
            count,
            share: Some(percent * 100),
        });
        self.see(Observation::Levels(Levels {
            generation: Generation(generation),
            levels: vec![(measure, level)],
        }));
    }

    /// One reading of CPU a second, in percent.
    fn cpu(&mut self, generation: u32, readings: impl IntoIterator<Item = u64>) {
        for percent in readings {
            self.measures(generation, Measure::Cpu, Some((0, percent)));
            self.pass(1_000);
        }
    }
}

#[test]
fn a_level_fires_only_when_every_reading_of_its_time_has_reached_the_limit() {
    let mut rig = Rig::ready(with([rule("hot", level(Measure::Cpu, "90%", secs(5)))]));
    rig.cpu(1, [95, 90, 99, 100, 89, 95, 95, 95, 95, 95]);
    assert!(rig.acts().is_empty());
    rig.cpu(1, [90]);
    assert_eq!(rig.acts(), ["start 2"]);
    let said = rig.said(Kind::RuleFired).remove(0);
    assert!(
        said.contains("fired: CPU of what it may use: 90% for 5s (limit: 90%);"),
        "{said}"
    );
    let event = rig.events(Kind::RuleFired).next().unwrap();
    assert!(
        event.fields.contains(&("over_ms", Field::Number(5_000))),
        "{event:?}"
    );
}

#[test]
fn what_was_measured_of_another_worker_or_before_a_stall_does_not_count() {
    let mut rig = Rig::ready(with([rule("hot", level(Measure::Cpu, "90%", secs(3)))]));
    rig.cpu(1, [95, 95, 95]);
    rig.see(Observation::Stalled(secs(30)));
    rig.cpu(2, [95, 95, 95]);
    rig.cpu(1, [95, 95, 95]);
    assert!(rig.acts().is_empty());
    rig.cpu(1, [95]);
    assert_eq!(rig.acts(), ["start 2"]);
}

#[test]
fn a_number_fires_at_the_number_and_its_worker_hands_over_as_a_healthy_one() {
    let mut rig = Rig::ready(with([rule(
        "threads",
        level(Measure::Threads, "300", secs(0)),
    )]));
    rig.measures(1, Measure::Threads, Some((299, 0)));
    assert!(rig.acts().is_empty());
    rig.measures(1, Measure::Threads, Some((300, 0)));
    rig.ready_now(2);
    assert_eq!(rig.acts(), ["start 2", "admit 2 beside 1"]);
    assert!(rig.said(Kind::RuleFired)[0].contains("fired: 300 threads (limit: 300);"));
}

#[test]
fn what_can_not_be_read_turns_the_rule_off_until_it_can_and_is_said_once() {
    let measure = Measure::Pressure(Resource::Memory, Waiting::Full);
    let mut rig = Rig::ready(with([rule("thrashes", level(measure, "20%", secs(0)))]));
    let state = |rig: &Rig| rig.engine.snapshot(rig.now).rules[0].state;
    rig.measures(1, measure, None);
    rig.measures(1, measure, None);
    assert_eq!((state(&rig), rig.said(Kind::RuleHeld).len()), ("off", 1));
    assert!(rig.said(Kind::RuleHeld)[0].contains("the pressure of the worker's own control group"));
    rig.measures(1, measure, Some((0, 19)));
    assert_eq!(state(&rig), "armed");
    rig.measures(1, measure, Some((0, 20)));
    assert_eq!(rig.acts(), ["start 2"]);
    assert!(
        rig.said(Kind::RuleFired)[0].contains("fired: full memory pressure: 20% (limit: 20%);")
    );
}

#[test]
fn a_share_where_there_is_no_whole_turns_the_rule_off() {
    let mut rig = Rig::ready(with([rule(
        "files",
        level(Measure::Descriptors, "90%", secs(0)),
    )]));
    rig.see(Observation::Levels(Levels {
        generation: Generation(1),
        levels: vec![(
            Measure::Descriptors,
            Some(Level {
                count: 9_999,
                share: None,
            }),
        )],
    }));
    assert_eq!(rig.engine.snapshot(rig.now).rules[0].state, "off");
}
