//! What follows when something that the app depends on does not answer: rules that it may be to
//! blame for, and the health probe, report and do not recycle. Levels and crashes act as ever.

use std::time::Duration;

use super::{
    dependency::Turn,
    engine::Engine,
    event::{Event, Kind, Level},
    guard::Held,
    say::{millis, words},
    snapshot::DependencyView,
    step::Step,
};
use crate::time::MonoTime;

impl Engine {
    /// Begins the probes that are due.
    pub(super) fn ask_dependencies(&mut self) {
        if self.relays() || self.ending.is_some() {
            return;
        }
        while let Some((name, probe)) = self.dependencies.begin(self.now, &mut self.rng) {
            self.push(Step::AskDependency { name, probe });
        }
    }

    pub(super) fn dependencies_deadline(&self) -> Option<MonoTime> {
        let rests = self.relays() || self.ending.is_some();
        self.dependencies.deadline().filter(|_| !rests)
    }

    /// An answer has come. Whether what went wrong before says nothing of workers.
    pub(super) fn dependency(&mut self, probe: u64, result: Result<(), String>) -> bool {
        let Some((at, turn)) = self.dependencies.answered(self.now, probe, result) else {
            return false;
        };
        let Some(one) = self.dependencies.all().get(at) else {
            return false;
        };
        let name = one.what.name.clone();
        let address = one.what.address.to_string();
        match &turn {
            Some(Turn::Down) => {
                let text = format!(
                    "dependency \"{name}\" ({address}) is down: {}; until it is up again, rules \
                     that look at answers and the health probe do not recycle",
                    one.why
                );
                let event = Event::new(Kind::DependencyDown, Level::Warn, text);
                let event = event.text("dependency", name).text("address", address);
                let event = event.text("why", one.why.clone());
                self.say(event);
            }
            Some(Turn::Up(after)) => {
                let text = format!(
                    "dependency \"{name}\" ({address}) is up again after {}; what was counted \
                     meanwhile is void",
                    words(*after)
                );
                let event = Event::new(Kind::DependencyUp, Level::Info, text);
                let event = event.text("dependency", name).text("address", address);
                self.say(event.number("down_ms", millis(*after)));
            }
            Some(Turn::Doubtless) | None => {}
        }
        let forgives = matches!(turn, Some(Turn::Up(_) | Turn::Doubtless));
        self.dependency_turned(forgives);
        forgives
    }

    /// What it means for this worker's rules that one has answered.
    pub(super) fn dependency_turned(&mut self, forgives: bool) {
        if forgives {
            self.forgive();
        }
        self.check_rules();
        self.check_health();
    }

    /// What went wrong while a dependency did not answer says nothing of the worker.
    fn forgive(&mut self) {
        let recycling = self.rules.iter_mut().filter(|rule| rule.rule.recycles());
        for condition in recycling.flat_map(|rule| &mut rule.conditions) {
            if condition.when.may_be_a_dependency() {
                condition.void();
            }
        }
        self.void_trials(Duration::ZERO);
        self.health.renew();
    }

    /// Why a rule that may be a dependency's fault does not act, if it does not.
    pub(super) fn held_by_dependency(&self, at: usize) -> Option<Held> {
        let rule = &self.rules[at];
        let recycles = rule.recycles_next(self.now);
        let concerned = recycles && rule.rule.when.may_be_a_dependency();
        self.dependency_at_fault().filter(|_| concerned)
    }

    /// The dependency that fails, if one does.
    pub(super) fn dependency_at_fault(&self) -> Option<Held> {
        let (at, since) = self.dependencies.failing()?;
        let down = self.dependencies.all()[at].is_down();
        Some(Held::Dependency { at, since, down })
    }

    /// Whether a rule may act that a dependency could be to blame for; if not now, then perhaps
    /// when each has answered once more.
    pub(super) fn dependencies_answer(&mut self, at: usize) -> bool {
        let rule = &self.rules[at];
        let recycles = rule.recycles_next(self.now);
        let concerned = recycles && rule.rule.when.may_be_a_dependency();
        !concerned || self.dependencies.all_answered(self.now)
    }

    /// Why something is held, in words.
    pub(super) fn held_words(&self, held: Held, now: MonoTime) -> String {
        let (at, since, down) = match held {
            Held::Overloaded(_) => return self.overload.words(now),
            Held::Dependency { at, since, down } => (at, since, down),
            held => return held.words(now),
        };
        let Some(one) = self.dependencies.all().get(at) else {
            return held.words(now);
        };
        let (name, since, why) = (&one.what.name, words(now.since(since)), &one.why);
        match down {
            true => format!("dependency \"{name}\" has been down for {since}: {why}"),
            false => format!("dependency \"{name}\" did not answer when asked: {why}"),
        }
    }

    pub(super) fn dependency_views(&self) -> Vec<DependencyView> {
        let all = self.dependencies.all().iter();
        let view = all.map(|one| DependencyView {
            name: one.what.name.clone(),
            address: one.what.address.to_string(),
            state: one.state(),
            failing_since: one.failing_since(),
            why: one.failing_since().map(|_| one.why.clone()),
        });
        view.collect()
    }
}
