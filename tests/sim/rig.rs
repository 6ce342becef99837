//! An engine on virtual time whose steps read as short lines, and a policy to start from.

use std::time::Duration;

use autoheal::{
    decide::{
        engine::Engine,
        event::{Event, Kind},
        observation::{MemorySample, Observation, RuleCount, Tally, Unhealthy, Word},
        policy::{
            Action, Budget, GiveUp, Health, Instances, Patience, Policy, Recycle, Restart,
            RestartWhen, Rule, Shutdown, Strategy, Verdict,
        },
        step::Step,
        trigger::{Filter, MemoryLimit, Trigger},
    },
    time::MonoTime,
    units::ByteSize,
    words::{Door, Exit, Generation, Mode},
};

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The defaults of `autoheal.toml`, without rules.
pub(crate) fn policy() -> Policy {
    Policy {
        mode: Mode::Heal,
        rules: Vec::new(),
        recycle: Recycle {
            strategy: Strategy::Overlap,
            start_timeout: secs(120),
            drain_timeout: secs(20),
            stop_timeout: secs(10),
            needs_room: true,
            slow_start: secs(10),
        },
        restart: Restart {
            when: RestartWhen::Always,
            give_up: GiveUp::Serve503,
            patience: Patience::default(),
        },
        health: None,
        parking_wait: secs(60),
        budget: Budget {
            recycles: 3,
            window: secs(600),
            per_day: 24,
        },
        verdict: Verdict {
            back_within: secs(600),
            disarm: secs(3 * 3600),
        },
        shutdown: Shutdown {
            delay: Duration::ZERO,
            timeout: secs(25),
        },
        dependencies: Vec::new(),
        instances: Instances::ONE,
        attached: None,
    }
}

pub(crate) fn in_place() -> Policy {
    let mut policy = policy();
    policy.recycle.strategy = Strategy::InPlace;
    policy
}

pub(crate) fn with(rules: impl IntoIterator<Item = Rule>) -> Policy {
    Policy {
        rules: rules.into_iter().collect(),
        ..policy()
    }
}

/// A rule that recycles, without min_uptime and cooldown.
pub(crate) fn rule(name: &str, when: Trigger) -> Rule {
    Rule {
        name: name.to_owned(),
        when,
        actions: vec![Action::Recycle(None).into()],
        min_uptime: Duration::ZERO,
        cooldown: Duration::ZERO,
        mode: Mode::Heal,
        not_between: None,
        proactive: false,
    }
}

pub(crate) fn status(count: u32, window: Duration) -> Trigger {
    Trigger::Status {
        codes: "500-599".parse().unwrap(),
        count,
        share: None,
        window,
        filter: Filter::default(),
    }
}

pub(crate) fn slow(time_taken: Duration, count: u32) -> Trigger {
    Trigger::Slow {
        time_taken,
        count,
        share: None,
        window: secs(120),
        filter: Filter::default(),
    }
}

pub(crate) fn memory(mib: u64, hold: Duration) -> Trigger {
    Trigger::Memory {
        limit: MemoryLimit::PrivateBytes(ByteSize::mib(mib)),
        hold,
    }
}

pub(crate) fn health(failures: u32) -> Option<Health> {
    Some(Health {
        failures,
        successes: 1,
    })
}

/// A health probe's bad answer.
pub(crate) fn ill(why: &str) -> Unhealthy {
    Unhealthy {
        why: why.to_owned(),
        silent: false,
    }
}

/// A health probe to which there was no answer.
pub(crate) fn no_answer() -> Unhealthy {
    Unhealthy {
        why: "no answer within 2s".to_owned(),
        silent: true,
    }
}

pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) now: MonoTime,
    /// Conditions, over all rules.
    rules: usize,
    acts: Vec<String>,
    said: Vec<Event>,
}

impl Rig {
    /// The first worker is being started.
    pub(crate) fn new(policy: Policy) -> Self {
        let now = MonoTime::from_millis(1_000_000);
        let rules = policy.conditions().count();
        let engine = Engine::new(policy, 1, 1, now);
        let mut rig = Self {
            engine,
            now,
            rules,
            acts: Vec::new(),
            said: Vec::new(),
        };
        rig.collect();
        rig
    }

    /// The first worker serves since now.
    pub(crate) fn ready(policy: Policy) -> Self {
        Self::ready_after(policy, Duration::from_millis(500))
    }

    /// The first worker serves since now, and took so long to get ready.
    pub(crate) fn ready_after(policy: Policy, start: Duration) -> Self {
        let mut rig = Self::new(policy);
        rig.see(Observation::Started {
            generation: Generation(1),
            pid: 101,
        });
        rig.pass(start.as_millis().try_into().unwrap());
        rig.see(Observation::Ready {
            generation: Generation(1),
        });
        rig.forget();
        rig
    }

    fn collect(&mut self) {
        while let Some(step) = self.engine.poll_step() {
            match step {
                Step::Say(event) => self.said.push(event),
                step => self.acts.push(self.line(&step)),
            }
        }
    }

    pub(crate) fn see(&mut self, seen: Observation) -> Option<u64> {
        let answer = self.engine.handle(self.now, seen);
        self.collect();
        answer
    }

    /// Lets time pass, with every deadline at its time.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(due) = self.engine.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.engine.handle_timeout(self.now);
            assert!(
                self.engine
                    .next_deadline()
                    .is_none_or(|next| next > self.now)
            );
            self.collect();
        }
        self.now = end;
    }

    /// Lets time pass until something is done; how many milliseconds it took.
    pub(crate) fn until_act(&mut self) -> u64 {
        let start = self.now;
        while self.acts.is_empty() {
            let due = self
                .engine
                .next_deadline()
                .expect("nothing would ever happen");
            self.pass(
                due.since(self.now)
                    .as_nanos()
                    .div_ceil(1_000_000)
                    .try_into()
                    .unwrap(),
            );
        }
        self.now.since(start).as_millis().try_into().unwrap()
    }

    /// What was done since last asked, without what was said.
    pub(crate) fn acts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.acts)
    }

    /// The lines of this kind said since the last time anything was forgotten.
    pub(crate) fn said(&self, kind: Kind) -> Vec<String> {
        self.events(kind).map(|event| event.text.clone()).collect()
    }

    pub(crate) fn events(&self, kind: Kind) -> impl Iterator<Item = &Event> {
        self.said.iter().filter(move |event| event.kind == kind)
    }

    /// All of them.
    pub(crate) fn heard(&self) -> &[Event] {
        &self.said
    }

    pub(crate) fn forget(&mut self) {
        self.acts.clear();
        self.said.clear();
    }

    pub(crate) fn ready_now(&mut self, generation: u32) {
        self.see(Observation::Ready {
            generation: Generation(generation),
        });
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

    pub(crate) fn gone(&mut self, generation: u32) {
        self.see(Observation::Gone {
            generation: Generation(generation),
        });
    }

    pub(crate) fn dies(&mut self, generation: u32) {
        self.exits(generation, Exit::Signal(9));
        self.gone(generation);
    }

    pub(crate) fn drained(&mut self, generation: u32) {
        self.see(Observation::Drained {
            generation: Generation(generation),
            cut: 0,
        });
    }

    pub(crate) fn recycle(&mut self, force: bool) -> u64 {
        let word = Word::Recycle {
            reason: "deploy".to_owned(),
            force,
        };
        self.see(Observation::Operator(word)).unwrap()
    }

    pub(crate) fn word(&mut self, word: Word) {
        self.see(Observation::Operator(word));
    }

    /// One tick's tally in which the first rule saw this.
    pub(crate) fn tally(&mut self, generation: u32, matching: u64, total: u64) {
        self.counts(generation, &[(matching, total)], total, 0);
    }

    pub(crate) fn counts(
        &mut self,
        generation: u32,
        rules: &[(u64, u64)],
        answered: u64,
        in_flight: u64,
    ) {
        let mut counts = vec![RuleCount::default(); self.rules];
        for (count, (matching, total)) in counts.iter_mut().zip(rules) {
            *count = RuleCount {
                matching: *matching,
                total: *total,
            };
        }
        self.see(Observation::Tally(Tally {
            generation: Generation(generation),
            rules: counts,
            answered,
            in_flight,
            ..Tally::default()
        }));
    }

    /// So many connections to it were refused.
    pub(crate) fn refuses(&mut self, generation: u32, refused: u64) {
        self.see(Observation::Tally(Tally {
            generation: Generation(generation),
            refused,
            ..Tally::default()
        }));
    }

    pub(crate) fn bytes(&mut self, generation: u32, mib: u64, exact: bool) {
        self.see(Observation::Memory(MemorySample {
            generation: Generation(generation),
            bytes: ByteSize::mib(mib),
            exact,
            limit: None,
            room: None,
        }));
    }

    fn line(&self, step: &Step) -> String {
        let within = |at: MonoTime| format!("{}ms", at.since(self.now).as_millis());
        match step {
            Step::Start { generation, .. } => format!("start {generation}"),
            Step::Admit {
                generation,
                beside: None,
            } => format!("admit {generation}"),
            Step::Admit {
                generation,
                beside: Some(old),
            } => {
                format!("admit {generation} beside {old}")
            }
            Step::Withdraw { generation } => format!("withdraw {generation}"),
            Step::AwaitQuiet { generation, until } => {
                format!("await quiet {generation} {}", within(*until))
            }
            Step::Drain { generation, until } => format!("drain {generation} {}", within(*until)),
            Step::CutStuck { generation, rule } => format!("cut stuck {generation} rule {rule}"),
            Step::Stop {
                generation,
                kill_at,
            } => format!("stop {generation} {}", within(*kill_at)),
            Step::Kill { generation } => format!("kill {generation}"),
            Step::LetGo { generation } => format!("let go {generation}"),
            Step::Door(Door::Park { next_start, .. }) => format!("park {}", within(*next_start)),
            Step::Door(Door::Refuse { code, .. }) => format!("refuse {code:?}"),
            Step::Leave { until } => format!("leave {}", within(*until)),
            Step::Hold(hold) => format!("hold {hold}"),
            Step::Run { command, .. } => format!("run {}", command.argv[0]),
            Step::Probe(Some(generation)) => format!("probe {generation}"),
            Step::Probe(None) => "probe none".to_owned(),
            Step::AskDependency { name, probe } => format!("ask {name} {probe}"),
            Step::ListLost { generation, .. } => format!("list lost {generation}"),
            Step::Suspects(all) => {
                let poison = all.iter().filter(|(_, poison)| *poison).count();
                format!("suspect {}, {poison} of them poison", all.len())
            }
            Step::ConfirmMemory { generation } => format!("confirm memory {generation}"),
            Step::Capture { generation, .. } => format!("capture {generation}"),
            Step::Notify { notice, .. } => format!("notify {}", notice.url.as_str()),
            Step::Unready(unready) => format!("unready {unready}"),
            Step::Say(_) => unreachable!("said, not done"),
            Step::Exit(code) => format!("exit {code}"),
        }
    }
}
