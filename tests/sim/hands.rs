//! Performs the group's steps with fake workers, feeds back what they do, and checks at each step
//! what must always hold.

use autoheal::{
    decide::{
        observation::{Observation, StartFailure},
        policy::{Count, Strategy},
        step::Step,
    },
    units::RequestShape,
    words::{Exit, Generation},
};

use crate::{
    worker::{Life, Worker, own_exit},
    world::{World, ms},
};

impl World {
    pub(crate) fn perform(&mut self) {
        while let Some(step) = self.group.poll_step() {
            if self.record {
                self.done.push(format!("{:?} {step:?}", self.now));
            }
            assert!(self.exit.is_none(), "a step after the last one: {step:?}");
            self.step(step);
        }
        self.followed.look(&self.group);
        for on in &self.roster {
            let instance = self.workers[on].instance;
            let on = self.serving(instance);
            assert!(on <= 2, "on the roster: {:?}", self.roster);
        }
    }

    fn known(&mut self, generation: Generation) -> &mut Worker {
        let worker = self
            .workers
            .get_mut(&generation.0)
            .expect("a worker that was started");
        assert!(!worker.gone_told, "worker {generation} is gone");
        worker
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Start {
                generation,
                instance,
            } => self.start(generation.0, instance),
            Step::Admit { generation, beside } => {
                self.admit(generation, beside.map(|old| old.0));
            }
            Step::Withdraw { generation } => self.withdraw(generation),
            Step::AwaitQuiet { generation, until } => {
                assert!(self.roster.contains(&generation.0));
                if self.rng.bool() {
                    let ms = self.rng.u64(0..=ms(until.since(self.now)));
                    self.later(ms, Observation::Quiet { generation });
                }
            }
            Step::Drain { generation, until } => {
                assert!(
                    !self.roster.contains(&generation.0),
                    "drained while it serves"
                );
                let most = ms(until.since(self.now));
                let ms = match self.known(generation).never_drains {
                    true => most,
                    false => self.rng.u64(0..=most.min(300)),
                };
                self.later(ms, Observation::Drained { generation, cut: 0 });
            }
            Step::CutStuck { generation, .. } => {
                let worker = self.known(generation);
                worker.in_flight /= 2;
                worker.stuck.clear();
            }
            Step::Stop {
                generation,
                kill_at,
            } => {
                let serves = self.roster.contains(&generation.0);
                assert!(!serves, "stopped while it serves");
                let ignores = self.known(generation).ignores_term;
                let after = if ignores {
                    ms(kill_at.since(self.now))
                } else {
                    5
                };
                let exit = if ignores {
                    Exit::Signal(9)
                } else {
                    Exit::Code(0)
                };
                self.exits_in(after, generation.0, exit);
            }
            Step::Kill { generation } => {
                self.known(generation);
                self.exits_in(1, generation.0, Exit::Signal(9));
            }
            Step::Probe(Some(generation)) => assert!(self.roster.contains(&generation.0)),
            Step::AskDependency { probe, .. } => self.answer_for_dependency(probe),
            Step::ListLost { incident, .. } => self.list_lost(incident),
            Step::Suspects(all) => self.suspects = all,
            Step::ConfirmMemory { .. } => self.confirm = true,
            Step::Say(event) => {
                self.followed.hear(&event);
                self.hear(&event);
            }
            Step::Exit(code) => self.exit = Some(code),
            Step::Door(door) => self.door = Some(door),
            _ => {}
        }
    }

    fn list_lost(&mut self, incident: u64) {
        assert!(self.suspects.len() <= 100, "{:?}", self.suspects);
        // Some of more kinds of requests than may be suspected.
        let kinds = self.rng.usize(0..200);
        let kind = |number| RequestShape::of("GET", &format!("/kind{number}x"));
        let in_flight = (0..kinds).map(kind).filter(|_| self.rng.bool()).collect();
        let after = self.rng.u64(0..20);
        let seen = Observation::Lost {
            incident,
            in_flight,
        };
        self.later(after, seen);
    }

    fn answer_for_dependency(&mut self, probe: u64) {
        let knobs = self.knobs;
        if self.rng.f64() < knobs.needs_lost {
            return;
        }
        let result = match self.rng.f64() < knobs.needs_fail {
            true => Err("nobody listens".to_owned()),
            false => Ok(()),
        };
        let after = self.rng.u64(1..300);
        self.later(after, Observation::Dependency { probe, result });
    }

    fn serving(&self, instance: u32) -> usize {
        let of = |on: &&u32| self.workers[*on].instance == instance;
        self.roster.iter().filter(of).count()
    }

    fn admit(&mut self, generation: Generation, beside: Option<u32>) {
        let worker = self.known(generation);
        assert_eq!(worker.state, Life::Up);
        let instance = worker.instance;
        if let Some(old) = beside {
            assert!(self.roster.contains(&old));
            assert_eq!(self.workers[&old].instance, instance);
        }
        let stays = |on: &u32| self.workers[on].instance != instance || Some(*on) == beside;
        self.roster.retain(stays);
        self.roster.push(generation.0);
        self.out.remove(&instance);
    }

    fn withdraw(&mut self, generation: Generation) {
        let worker = self.known(generation);
        let (instance, lives) = (worker.instance, worker.state == Life::Up);
        self.roster.retain(|on| *on != generation.0);
        let recycled = self
            .recycles
            .values()
            .any(|recycle| recycle.instance == Some(instance) && !recycle.alone);
        if lives && recycled && self.serving(instance) == 0 {
            self.out.insert(instance);
            let most = self.policy.instances.max_unavailable as usize;
            assert!(self.out.len() <= most, "out at once: {:?}", self.out);
        }
    }

    fn start(&mut self, generation: u32, instance: u32) {
        let newest = self.workers.keys().next_back().copied().unwrap_or(0);
        assert_eq!(generation, newest + 1);
        // One that goes for good leaves its number to the next one.
        let follows = matches!(self.policy.instances.count, Count::Follow(_));
        if self.policy.recycle.strategy == Strategy::InPlace && !follows {
            let of = |w: &Worker| w.instance == instance && !w.gone_told;
            let left: Vec<_> = self.workers.iter().filter(|(_, w)| of(w)).collect();
            assert!(left.is_empty(), "started on a port that {left:?} may hold");
        }
        self.starts.entry(instance).or_default().push_back(self.now);
        self.check_rate(instance);
        let (knobs, rng) = (self.knobs, &mut self.rng);
        let worker = Worker::drawn(rng, &knobs, instance);
        let after = rng.u64(0..=knobs.ready_after_ms_max);
        let [spawns, exits, ready, elsewhere] = [
            knobs.spawn_fails,
            knobs.exits_at_start,
            knobs.never_ready,
            knobs.listens_elsewhere,
        ]
        .map(|chance| rng.f64() < chance);
        let exit = own_exit(rng);
        self.workers.insert(generation, worker);
        let name = Generation(generation);
        if spawns {
            self.workers.get_mut(&generation).unwrap().state = Life::Dead;
            let why = StartFailure::Spawn("no such file: shop".to_owned());
            return self.later(
                1,
                Observation::StartFailed {
                    generation: name,
                    why,
                },
            );
        }
        self.later(
            1,
            Observation::Started {
                generation: name,
                pid: generation + 1000,
            },
        );
        if elsewhere {
            let seen = Observation::ListensElsewhere {
                generation: name,
                expected: 1,
                found: 2,
            };
            self.later(2, seen);
        }
        if exits {
            self.exits_in(after, generation, exit);
        } else if !ready {
            self.later(after, Observation::Ready { generation: name });
        }
    }
}
