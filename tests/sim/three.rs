//! A group of several engines on virtual time whose steps read as short lines.

use std::time::Duration;

use autoheal::{
    decide::{
        event::{Event, Kind},
        group::Group,
        observation::{Observation, RuleCount, Tally, Word},
        policy::{Count, Instances, Policy},
        step::Step,
    },
    time::MonoTime,
    words::{Door, Exit, Generation},
};

/// Three workers that are ready, and what was done and said since.
pub(crate) struct Three {
    pub(crate) group: Group,
    pub(crate) now: MonoTime,
    pub(crate) acts: Vec<String>,
    pub(crate) said: Vec<Event>,
    /// Since when nothing serves, as the door was told last.
    pub(crate) down_since: Option<MonoTime>,
    conditions: usize,
}

pub(crate) fn three(policy: Policy) -> Three {
    many(policy, Count::Fixed(3), 3)
}

pub(crate) fn many(mut policy: Policy, count: Count, ready: u32) -> Three {
    policy.instances = Instances {
        count,
        max_unavailable: 1,
    };
    let now = MonoTime::from_millis(1_000_000);
    let conditions = policy.conditions().count();
    let mut three = Three {
        group: Group::new(policy, 1, 1, now),
        now,
        acts: Vec::new(),
        said: Vec::new(),
        down_since: None,
        conditions,
    };
    three.take();
    for generation in 1..=ready {
        three.ready(generation);
    }
    three.forget();
    three
}

impl Three {
    fn take(&mut self) {
        while let Some(step) = self.group.poll_step() {
            match step {
                Step::Say(event) => self.said.push(event),
                Step::Start {
                    generation,
                    instance,
                } => self.acts.push(format!("start {generation} as {instance}")),
                Step::Admit { generation, beside } => self.acts.push(match beside {
                    Some(old) => format!("admit {generation} beside {old}"),
                    None => format!("admit {generation}"),
                }),
                Step::Withdraw { generation } => self.acts.push(format!("withdraw {generation}")),
                Step::Drain { generation, until } => {
                    let ms = until.since(self.now).as_millis();
                    self.acts.push(format!("drain {generation} {ms}ms"));
                }
                Step::Stop { generation, .. } => self.acts.push(format!("stop {generation}")),
                Step::Kill { generation } => self.acts.push(format!("kill {generation}")),
                Step::CutStuck { generation, .. } => {
                    self.acts.push(format!("cut stuck {generation}"));
                }
                Step::Door(Door::Park { down_since, .. }) => {
                    self.down_since = Some(down_since);
                    self.acts.push("park".to_owned());
                }
                Step::Door(Door::Refuse { code, .. }) => {
                    self.acts.push(format!("refuse {code:?}"));
                }
                Step::Hold(hold) => self.acts.push(format!("hold {hold}")),
                Step::Exit(code) => self.acts.push(format!("exit {code}")),
                Step::AwaitQuiet { generation, .. } => {
                    self.acts.push(format!("await quiet {generation}"));
                }
                Step::ListLost {
                    generation,
                    incident,
                } => self
                    .acts
                    .push(format!("list lost {generation} of {incident}")),
                Step::Suspects(all) => {
                    let poison = all.iter().filter(|(_, poison)| *poison).count();
                    (self.acts).push(format!("suspect {}, {poison} of them poison", all.len()));
                }
                Step::AskDependency { probe, .. } => self.acts.push(format!("ask {probe}")),
                _ => {}
            }
        }
    }

    pub(crate) fn see(&mut self, seen: Observation) -> Option<u64> {
        let answer = self.group.handle(self.now, seen);
        self.take();
        answer
    }

    pub(crate) fn word(&mut self, word: Word) -> Option<u64> {
        self.see(Observation::Operator(word))
    }

    pub(crate) fn recycle(&mut self) -> u64 {
        let reason = "deploy".to_owned();
        let word = Word::Recycle {
            reason,
            force: false,
        };
        self.word(word).unwrap()
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(due) = self.group.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.group.handle_timeout(self.now);
            self.take();
        }
        self.now = end;
    }

    pub(crate) fn ready(&mut self, generation: u32) {
        let generation = Generation(generation);
        self.see(Observation::Ready { generation });
    }

    /// The old one of a replacement has handed over, drains and goes.
    pub(crate) fn goes(&mut self, generation: u32) {
        let generation = Generation(generation);
        self.see(Observation::Drained { generation, cut: 0 });
        self.gone(generation.0);
    }

    pub(crate) fn gone(&mut self, generation: u32) {
        let generation = Generation(generation);
        self.see(Observation::Gone { generation });
    }

    pub(crate) fn dies(&mut self, generation: u32) {
        self.exits(generation, Exit::Signal(9));
        self.gone(generation);
    }

    pub(crate) fn exits(&mut self, generation: u32, exit: Exit) {
        self.see(Observation::Exited {
            generation: Generation(generation),
            exit,
            oom_killed: false,
            address_in_use: false,
            left_children: false,
        });
    }

    pub(crate) fn tally(&mut self, generation: u32, matching: u64, answered: u64, in_flight: u64) {
        let count = RuleCount {
            matching,
            total: matching.max(answered),
        };
        self.see(Observation::Tally(Tally {
            generation: Generation(generation),
            rules: vec![count; self.conditions],
            answered,
            in_flight,
            ..Tally::default()
        }));
    }

    pub(crate) fn acts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.acts)
    }

    pub(crate) fn said(&self, kind: Kind) -> Vec<&str> {
        let said = self.said.iter().filter(|event| event.kind == kind);
        said.map(|event| event.text.as_str()).collect()
    }

    pub(crate) fn forget(&mut self) {
        self.acts.clear();
        self.said.clear();
    }

    pub(crate) fn serving(&mut self) -> Vec<u32> {
        let snapshot = self.group.snapshot(self.now);
        let on = snapshot.generations.iter().filter(|one| one.on_roster);
        on.map(|one| one.generation.0).collect()
    }
}
