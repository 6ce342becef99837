//! What one of several instances says, as it is told to people: what holds for all is said once.

use super::Group;
use crate::decide::{
    event::{Event, Field, Kind},
    rule::Watched,
    step::Step,
};

impl Group {
    /// Takes in what an instance says.
    pub(super) fn hear(&mut self, at: usize, mut event: Event) {
        let to_all = matches!(
            event.kind,
            Kind::Armed
                | Kind::Maintenance
                | Kind::Operator
                | Kind::Reloaded
                | Kind::ShuttingDown
                | Kind::WindowsVoided
        );
        if to_all && self.slots.len() > 1 {
            let same = |(kind, text): &(Kind, String)| {
                *kind == event.kind && (*text == event.text || *kind == Kind::ShuttingDown)
            };
            if self.said.iter().any(same) {
                return;
            }
            self.said.push((event.kind, event.text.clone()));
        }
        if self.is_many() && is_of_one(&event) {
            let number = u64::from(self.slots[at].engine.instance);
            event.fields.push(("instance", Field::Number(number)));
        }
        if event.kind == Kind::RuleHeld {
            self.others_have_heard(at, &event);
        }
        self.heard_of_roll(self.slots[at].engine.instance, &event);
        self.steps.push_back(Step::Say(event));
    }

    /// What one says of a rule and holds for all is not said again by each of the others.
    fn others_have_heard(&mut self, at: usize, event: &Event) {
        let named = |rule: &&mut Watched| {
            let name = Field::Text(rule.rule.name.clone());
            event.fields.contains(&("rule", name))
        };
        let said = self.slots[at].engine.rules.iter_mut().find(named);
        let Some(held) = said.and_then(|rule| rule.said_of_all()) else {
            return;
        };
        for (other, slot) in self.slots.iter_mut().enumerate() {
            if other != at
                && let Some(rule) = slot.engine.rules.iter_mut().find(named)
            {
                rule.told(held);
            }
        }
    }
}

/// Whether it is about the instance that says it, and not about what all have in common.
fn is_of_one(event: &Event) -> bool {
    let own = matches!(
        event.kind,
        Kind::CommandEnded
            | Kind::Forecast
            | Kind::GaveUp
            | Kind::RecycleBegun
            | Kind::RecycleEnded
            | Kind::RuleFired
            | Kind::Verdict
    );
    own || event.generation.is_some()
}
