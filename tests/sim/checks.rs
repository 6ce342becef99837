//! What must hold whenever the engine says something or starts a worker.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use autoheal::{
    decide::{
        event::{Event, Field, Kind},
        policy::{Instances, Rule},
        snapshot::Snapshot,
        trigger::Trigger,
    },
    explain::code::Code,
    time::MonoTime,
    words::{Door, Mode},
};

use crate::world::World;

/// Why an operator has one of several replaced, which may not have to wait for its turn.
pub(crate) const ALONE: &str = "this one";

/// A recycle that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recycle {
    /// Of this one; `None`: of all, one after another, or of one that serves nothing.
    pub(crate) instance: Option<u32>,
    /// An operator named the worker.
    pub(crate) alone: bool,
}

/// The verdicts of one rule, of one instance or of all.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// The instances of "did not help" since something helped; arming the rule makes it fewer for
    /// the engine.
    running: Vec<u32>,
    rests_until: MonoTime,
}

const MINUTE: Duration = Duration::from_secs(60);

impl World {
    /// Restarts only: three at once in a minute and those that waited 1, 2, 4... seconds.
    pub(crate) fn check_rate(&mut self, instance: u32) {
        let starts = self.starts.get_mut(&instance).expect("it was just started");
        for times in [starts, &mut self.asked, &mut self.fired] {
            times.retain(|at| self.now.since(*at) < MINUTE * 11);
        }
        let recent = |times: &VecDeque<MonoTime>| {
            times
                .iter()
                .filter(|at| self.now.since(**at) < MINUTE)
                .count()
        };
        let (starts, asked) = (recent(&self.starts[&instance]), recent(&self.asked));
        assert!(
            starts <= 11 + 9 * asked,
            "{starts} starts of instance {instance} in a minute, {asked} asked for"
        );
    }

    /// The instance that an event is about.
    fn instance(&self, event: &Event) -> Option<u32> {
        let worker = self.workers.get(&event.generation?.0)?;
        Some(worker.instance)
    }

    fn recycle_begun(&mut self, event: &Event) {
        let by_rule = event.text.contains(": rule \"");
        assert!(
            self.policy.mode == Mode::Heal || !by_rule,
            "it only observes: {event}"
        );
        let recycle = Recycle {
            instance: self.instance(event),
            alone: event.text.ends_with(ALONE),
        };
        let one = recycle.instance;
        let same = |other: &Recycle| one.is_some() && other.instance == one;
        let twice = self.recycles.values().any(same);
        assert!(!twice, "a second recycle: {event}");
        self.recycles
            .insert(event.incident.expect("an incident"), recycle);
        let ours = |recycle: &&Recycle| recycle.instance.is_some() && !recycle.alone;
        let at_once = self.recycles.values().filter(ours).count();
        let most = self.policy.instances.max_unavailable as usize;
        assert!(at_once <= most, "{at_once} are replaced at once: {event}");
        self.asked.push_back(self.now);
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        match event.kind {
            Kind::RecycleBegun => self.recycle_begun(event),
            Kind::RecycleEnded => {
                let incident = event.incident.expect("an incident");
                let ended = self.recycles.remove(&incident);
                if self.policy.instances == Instances::ONE && ended.is_none() {
                    assert!(self.recycles.is_empty(), "another was under way: {event}");
                }
                if let Some(instance) = ended.and_then(|ended| ended.instance) {
                    self.out.remove(&instance);
                }
                self.unanswered.remove(&incident);
            }
            Kind::Scaled => self.scaled(event),
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
            Kind::Verdict => self.verdict(event),
            Kind::NoHelp => self.no_help(event),
            Kind::Armed => {
                let rests = self.judged.values_mut();
                rests.for_each(|judged| judged.rests_until = MonoTime::ZERO);
            }
            _ => {}
        }
    }

    fn verdict(&mut self, event: &Event) {
        let incident = event.incident.expect("an incident");
        let instance = self.unjudged.remove(&incident);
        let instance = instance.unwrap_or_else(|| panic!("a second verdict: {event}"));
        self.last_judged = instance;
        for of in [Some(instance), None] {
            let judged = self.judged.entry((of, text(event, "rule"))).or_default();
            match text(event, "verdict").as_str() {
                "helped" => {
                    judged.running.clear();
                    if of.is_none() {
                        judged.rests_until = MonoTime::ZERO;
                    }
                }
                "did-not-help" => judged.running.push(instance),
                verdict => assert_eq!(verdict, "unclear"),
            }
        }
    }

    fn no_help(&mut self, event: &Event) {
        assert_ne!(event.incident, None);
        let one = event.fields.iter().any(|(field, _)| *field == "instance");
        let of = one.then_some(self.last_judged);
        let judged = self.judged.entry((of, text(event, "rule"))).or_default();
        let (last, before) = judged.running.split_last().expect("a verdict");
        assert!(!before.is_empty(), "{event}");
        // Another may have been started since the verdict, in the same moment.
        let alone = self.policy.instances.bounds().0 == 1;
        let two = before.iter().any(|other| other != last);
        assert!(one || alone || two, "one instance disarms all: {event}");
        judged.rests_until = self.now + self.policy.verdict.disarm;
    }

    /// After two recycles in a row that did not help, a rule makes no third.
    fn check_judged(&mut self, event: &Event) {
        let rule = text(event, "rule");
        let instance = self.instance(event).expect("a worker");
        for of in [Some(instance), None] {
            let judged = self.judged.entry((of, rule.clone())).or_default();
            assert!(self.now >= judged.rests_until, "it is disarmed: {event}");
        }
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
            let incident = event.incident.expect("an incident");
            self.unjudged.insert(incident, instance);
        }
    }

    /// The one with the highest number went, and takes what it has learnt with it.
    fn scaled(&mut self, event: &Event) {
        self.asked.push_back(self.now);
        let workers = event.fields.iter().find_map(|field| match field {
            ("workers", Field::Number(workers)) => Some(*workers),
            _ => None,
        });
        let workers = workers.expect("how many workers");
        let goes = |of: &Option<u32>| of.is_some_and(|of| u64::from(of) > workers);
        self.judged.retain(|(of, _), _| !goes(of));
    }

    /// There are as many as there are to be, each with no more workers than it needs, and what
    /// serves is what is on the roster.
    pub(crate) fn check_instances(&self, snapshot: &Snapshot) {
        if self.exit.is_some() {
            return;
        }
        let (least, most) = self.policy.instances.bounds();
        let count = u32::try_from(snapshot.instances.len()).unwrap();
        assert!((least..=most).contains(&count), "{count} instances");
        let mut on = BTreeSet::new();
        for one in &snapshot.generations {
            let same = snapshot.generations.iter();
            let same = same.filter(|other| other.instance == one.instance);
            assert!(same.clone().count() < 12, "{snapshot:?}");
            let starting = same.filter(|other| other.state == "starting");
            assert!(starting.count() <= 1, "{snapshot:?}");
            on.extend(one.on_roster.then_some(one.generation.0));
        }
        assert_eq!(on, self.roster.iter().copied().collect());
    }

    /// While nothing serves, requests are told the truth.
    pub(crate) fn check_door(&self, snapshot: &Snapshot) {
        if !self.roster.is_empty() || self.exit.is_some() {
            return;
        }
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
