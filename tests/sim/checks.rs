//! What must hold whenever the engine says something or starts a worker.

use std::{collections::VecDeque, time::Duration};

use autoheal::{
    decide::{
        event::{Event, Field, Kind},
        policy::Rule,
        step::Door,
        trigger::Trigger,
    },
    explain::code::Code,
    time::MonoTime,
};

use crate::world::World;

/// The verdicts of one rule.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// "Did not help" since something helped; arming the rule makes it fewer for the engine.
    running: u32,
    rests_until: MonoTime,
}

const MINUTE: Duration = Duration::from_secs(60);

impl World {
    /// Restarts only: three at once in a minute and those that waited 1, 2, 4... seconds.
    pub(crate) fn check_rate(&mut self) {
        for times in [&mut self.starts, &mut self.asked, &mut self.fired] {
            times.retain(|at| self.now.since(*at) < MINUTE * 11);
        }
        let recent = |times: &VecDeque<MonoTime>| {
            times
                .iter()
                .filter(|at| self.now.since(**at) < MINUTE)
                .count()
        };
        let (starts, asked) = (recent(&self.starts), recent(&self.asked));
        assert!(
            starts <= 11 + 9 * asked,
            "{starts} starts in a minute, {asked} asked for"
        );
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        match event.kind {
            Kind::RecycleBegun => {
                assert_eq!(self.recycle, None, "a second recycle: {event}");
                self.recycle = event.incident;
                self.asked.push_back(self.now);
            }
            Kind::RecycleEnded => {
                let incident = event.incident.expect("an incident");
                if self.recycle.is_some() {
                    assert_eq!(self.recycle.take(), Some(incident), "{event}");
                }
                self.unanswered.remove(&incident);
            }
            Kind::DependencyDown => self.dependency_down = true,
            Kind::DependencyUp => self.dependency_down = false,
            Kind::RuleFired => {
                let recycles = event.fields.contains(&("recycles", Field::Flag(true)));
                let named = |rule: &&Rule| {
                    let name = Field::Text(rule.name.clone());
                    event.fields.contains(&("rule", name))
                };
                let rule = self.policy.rules.iter().find(named).expect("a rule");
                assert!(
                    !(recycles && self.dependency_down && rule.when.may_be_a_dependency()),
                    "{event} although the dependency is down"
                );
                let generation = event.generation.expect("a worker").0;
                assert!(
                    self.roster.contains(&generation),
                    "{event} acts on a worker that rests"
                );
                if event.fields.contains(&("recycles", Field::Flag(true))) {
                    self.check_judged(event);
                    self.fired.push_back(self.now);
                    let budget = self.policy.budget;
                    let live = |at: &&MonoTime| self.now.since(**at) < budget.window;
                    let spent = self.fired.iter().filter(live).count();
                    assert!(spent <= budget.recycles as usize, "the budget: {event}");
                }
            }
            Kind::Verdict => {
                let incident = event.incident.expect("an incident");
                assert!(self.unjudged.remove(&incident), "a second verdict: {event}");
                let judged = self.judged.entry(text(event, "rule")).or_default();
                match text(event, "verdict").as_str() {
                    "helped" => judged.running = 0,
                    "did-not-help" => judged.running += 1,
                    verdict => assert_eq!(verdict, "unclear"),
                }
            }
            Kind::NoHelp => {
                assert_ne!(event.incident, None);
                let judged = self.judged.entry(text(event, "rule")).or_default();
                assert!(judged.running >= 2, "{event}");
                judged.rests_until = self.now + self.policy.verdict.disarm;
            }
            Kind::Armed => {
                let rests = self.judged.values_mut();
                rests.for_each(|judged| judged.rests_until = MonoTime::ZERO);
            }
            _ => {}
        }
    }

    /// After two recycles in a row that did not help, a rule makes no third.
    fn check_judged(&mut self, event: &Event) {
        let rule = text(event, "rule");
        let judged = self.judged.entry(rule.clone()).or_default();
        assert!(self.now >= judged.rests_until, "it is disarmed: {event}");
        let place = |name: &Rule| name.name == rule;
        let rule = self.policy.rules.iter().find(|one| place(one));
        let symptom = |when: &Trigger| {
            matches!(
                when,
                Trigger::Abandoned { .. }
                    | Trigger::Output { .. }
                    | Trigger::Status { .. }
                    | Trigger::Slow { .. }
                    | Trigger::Leak { .. }
                    | Trigger::Memory { .. }
                    | Trigger::Level { .. }
            )
        };
        if rule.is_some_and(|rule| rule.when.parts().iter().any(symptom)) {
            self.unjudged.extend(event.incident);
        }
    }

    /// While nothing serves, requests are told the truth.
    pub(crate) fn check_door(&self) {
        if !self.roster.is_empty() || self.exit.is_some() {
            return;
        }
        let snapshot = self.engine.snapshot(self.now);
        let told = self.door.expect("a door, as nothing serves");
        let refused = |what| matches!(told, Door::Refuse { code, .. } if code == what);
        match snapshot.phase {
            "shutting down" => assert!(refused(Code::ShuttingDown), "{told:?}"),
            "stopped" => assert!(refused(Code::WorkerStoppedByOperator), "{told:?}"),
            "down" => assert!(refused(Code::WorkerDown), "{told:?}"),
            "gave up" => assert!(refused(Code::WorkerGaveUp), "{told:?}"),
            _ => {}
        }
        let Door::Park {
            down_since,
            next_start,
        } = told
        else {
            return;
        };
        assert_eq!(Some(down_since), snapshot.down_since);
        if next_start > self.now {
            assert_eq!(Some(next_start), snapshot.next_start);
        }
    }
}

/// The words of one field.
fn text(event: &Event, name: &str) -> String {
    let field = event.fields.iter().find(|(field, _)| *field == name);
    match field {
        Some((_, Field::Text(text))) => text.clone(),
        _ => panic!("{event} has no {name}"),
    }
}
