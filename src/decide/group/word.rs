//! What operators say to several instances at once.

use super::{Group, roll::Roll};
use crate::decide::{
    engine::Engine,
    observation::{Observation, Word},
    policy::{Count, Policy},
};

impl Group {
    pub(super) fn word(&mut self, word: Word) -> Option<u64> {
        let alone = self.staying() <= 1 && self.rolls.is_empty();
        match word {
            Word::Recycle { reason, force } if !alone => {
                self.with(0, Engine::acquit);
                Some(self.roll(Roll::new(by_operator(&reason), force, None)))
            }
            Word::RecycleOne {
                instance,
                reason,
                force,
            } if !alone => {
                let is_there = self.instances().contains(&instance);
                let roll = || Roll::new(by_operator(&reason), force, Some(instance));
                is_there.then(|| self.roll(roll()))
            }
            Word::Reload {
                policy,
                recycle,
                changes,
            } if !(alone && self.wanted(&policy) == 1) => self.reload(*policy, recycle, changes),
            Word::Reload { ref policy, .. } => {
                self.policy = (**policy).clone();
                self.tell(0, Observation::Operator(word))
            }
            // The first is always there.
            Word::Hold(_) | Word::Release | Word::Recycle { .. } | Word::RecycleOne { .. } => {
                self.tell(0, Observation::Operator(word))
            }
            Word::Stop => {
                let seen = Observation::Operator(word);
                self.tell_staying(&seen);
                self.end_rolls("an operator stopped the workers");
                None
            }
            Word::Start | Word::Disarm { .. } | Word::Arm { .. } => {
                self.tell_staying(&Observation::Operator(word));
                None
            }
            Word::Shutdown => {
                self.ending = true;
                self.tell_all(&Observation::Operator(word));
                self.end_rolls("autoheal is stopping");
                None
            }
            Word::EndDrain => self.tell_all(&Observation::Operator(word)),
        }
    }

    fn tell_staying(&mut self, seen: &Observation) {
        for at in 0..self.slots.len() {
            if !self.slots[at].leaves {
                self.tell(at, seen.clone());
            }
        }
    }

    /// How many there are to be under a policy.
    fn wanted(&self, policy: &Policy) -> usize {
        let now = u32::try_from(self.staying()).unwrap_or(u32::MAX);
        let wanted = match policy.instances.count {
            Count::Fixed(count) => count.max(1),
            Count::Follow(follow) => now.clamp(follow.min.max(1), follow.max.max(1)),
        };
        wanted as usize
    }

    fn reload(&mut self, policy: Policy, recycle: Option<String>, changes: String) -> Option<u64> {
        self.policy = policy;
        let wanted = self.wanted(&self.policy);
        for at in 0..self.slots.len() {
            let word = Word::Reload {
                policy: Box::new(self.policy.clone()),
                recycle: None,
                changes: changes.clone(),
            };
            self.tell(at, Observation::Operator(word));
        }
        if self.ending {
            return None;
        }
        while self.staying() > wanted {
            self.remove();
        }
        // What is new is started with the new configuration.
        let incident = recycle.map(|why| self.roll(Roll::for_reload(why)));
        while self.staying() < wanted {
            self.add();
        }
        incident
    }
}

fn by_operator(reason: &str) -> String {
    match reason {
        "" => "an operator".to_owned(),
        reason => format!("an operator: {reason}"),
    }
}
