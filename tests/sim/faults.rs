//! What the simulated world does by itself at each tick: traffic, faults, operators, nonsense.

use std::time::Duration;

use autoheal::{
    decide::{
        observation::{
            Level, Levels, Measure, MemorySample, Observation, Presence, Present, RuleCount, Tally,
            Word,
        },
        trigger::Trigger,
    },
    time::MonoTime,
    units::ByteSize,
    words::Generation,
};

use crate::{
    checks::ALONE,
    rig::no_answer,
    worker::{FRESH, Life, own_exit},
    world::{TICK, World},
};

impl World {
    pub(crate) fn tick(&mut self) {
        let all: Vec<u32> = self
            .workers
            .iter()
            .filter(|(_, w)| w.lives())
            .map(|(generation, _)| *generation)
            .collect();
        for generation in all {
            self.misbehave(generation);
            let tally = self.traffic(generation);
            let bytes = self.workers[&generation].bytes;
            self.tell(Observation::Tally(tally));
            let sample = |exact| MemorySample {
                generation: Generation(generation),
                bytes: ByteSize(bytes),
                exact,
                limit: None,
                room: None,
            };
            self.tell(Observation::Memory(sample(false)));
            let full = self.rng.bool();
            self.tell(Observation::Cpu { full });
            let levels = vec![(Measure::Cpu, self.rng.bool().then(|| self.level()))];
            self.tell(Observation::Levels(Levels {
                generation: Generation(generation),
                levels,
            }));
            if std::mem::take(&mut self.confirm) {
                self.tell(Observation::Memory(sample(true)));
            }
            let result = match self.workers[&generation].sick {
                true => Err(no_answer()),
                false => Ok(()),
            };
            self.tell(Observation::Probe {
                generation: Generation(generation),
                result,
            });
        }
        self.come();
        if self.rng.u8(0..40) == 0 {
            self.load = self.rng.u64(0..=self.knobs.load);
        }
        self.look_at_suspects();
        self.interfere();
        // To look costs more than all the rest of a tick.
        if self.rng.u8(0..4) == 0 {
            let snapshot = self.group.snapshot(self.now);
            self.check_door(&snapshot);
            self.check_instances(&snapshot);
        }
    }

    fn look_at_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        if suspects.is_empty() {
            return;
        }
        let each = suspects.iter().map(|(shape, _)| Present {
            shape: shape.clone(),
            requests: self.rng.u64(0..2),
            moments: self.rng.u64(0..2),
        });
        let seen = Presence {
            requests: 100,
            moments: 5,
            each: each.collect(),
        };
        self.suspects = suspects;
        self.tell(Observation::Presence(seen));
    }

    fn level(&mut self) -> Level {
        Level {
            count: 0,
            share: Some(self.rng.u64(0..10_000)),
        }
    }

    /// Times of schedules, and changes of files.
    fn come(&mut self) {
        if self.rng.f64() < self.knobs.words_a_tick {
            let condition = self.rng.usize(0..8);
            self.tell(Observation::ScheduleDue { condition });
        }
        if self.rng.f64() < self.knobs.words_a_tick {
            let since = self.now - Duration::from_millis(self.rng.u64(0..2_000));
            let path = "/app/web.config".into();
            self.tell(Observation::FileChanged { path, since });
        }
    }

    fn misbehave(&mut self, generation: u32) {
        let knobs = self.knobs;
        let chances = [
            knobs.crashes_a_tick,
            knobs.hangs_a_tick,
            knobs.unhealthy_a_tick,
        ];
        let [crashes, hangs, sickens] = chances.map(|chance| self.rng.f64() < chance);
        let chances = [knobs.recovers_a_tick, knobs.collects_a_tick];
        let [recovers, collects] = chances.map(|chance| self.rng.f64() < chance);
        let worker = self.workers.get_mut(&generation).unwrap();
        worker.hung |= hangs && worker.state == Life::Up;
        worker.sick = (worker.sick && !recovers) || sickens;
        if collects {
            worker.bytes = FRESH;
        }
        if crashes && worker.state == Life::Up {
            let exit = own_exit(&mut self.rng);
            self.exits_in(0, generation, exit);
        }
    }

    /// Ten requests a tick, spread over the roster.
    fn traffic(&mut self, generation: u32) -> Tally {
        let came = if self.roster.contains(&generation) {
            10 / self.roster.len() as u64
        } else {
            0
        };
        let (now, knobs) = (self.now, self.knobs);
        let failed = (0..came)
            .filter(|_| self.rng.f64() < knobs.fails_requests)
            .count() as u64;
        let slow = (0..came).filter(|_| self.rng.f64() < knobs.slow_requests);
        let mut late = slow.count() as u64;
        let share = match came {
            0 => 0,
            _ => self.load / self.roster.len() as u64,
        };
        let worker = self.workers.get_mut(&generation).unwrap();
        let mut answered = came;
        if worker.hung {
            (answered, late) = (0, 0);
            worker.in_flight += came;
            worker.stuck.push((now, came));
        } else {
            worker.bytes += came * knobs.leak_per_request;
        }
        let mut rules = Vec::new();
        for when in self.policy.conditions() {
            rules.push(match when {
                Trigger::Status { .. } => RuleCount {
                    matching: failed.min(answered),
                    total: answered,
                },
                Trigger::Requests { .. } => RuleCount {
                    matching: answered,
                    total: answered,
                },
                Trigger::Slow { time_taken, .. } => {
                    let slow = |at: MonoTime| {
                        now.since(at) >= *time_taken && now.since(at) < *time_taken + TICK
                    };
                    let stuck = worker.stuck.iter().filter(|(at, _)| slow(*at));
                    let slow: u64 = stuck.map(|(_, n)| n).sum();
                    RuleCount {
                        matching: slow + late,
                        total: answered + slow,
                    }
                }
                Trigger::Abandoned { .. } => {
                    let left = worker.in_flight.min(came / 2);
                    RuleCount {
                        matching: left,
                        total: answered + left,
                    }
                }
                Trigger::Output { .. } => RuleCount {
                    matching: failed,
                    total: failed,
                },
                _ => RuleCount::default(),
            });
        }
        let in_flight = worker.in_flight + share;
        Tally {
            generation: Generation(generation),
            rules,
            answered,
            in_flight,
            ..Tally::default()
        }
    }

    /// Operators, stalls, and facts about workers that nobody knows.
    fn interfere(&mut self) {
        let knobs = self.knobs;
        if self.rng.f64() < knobs.stalls_a_tick {
            self.tell(Observation::Stalled(Duration::from_secs(3)));
        }
        if self.rng.f64() < knobs.nonsense_a_tick {
            let generation = Generation(self.rng.u32(0..100_000) + 100_000);
            self.tell(Observation::Ready { generation });
            self.tell(Observation::Gone { generation });
            self.tell(Observation::Drained { generation, cut: 1 });
        }
        if self.rng.f64() >= knobs.words_a_tick {
            return;
        }
        if self.rng.u8(0..8) == 0 {
            let on = self.rng.bool();
            self.page(on);
            return;
        }
        let word = match self.rng.u8(0..14) {
            12..14 => self.recycle_one(),
            0..4 => Word::Recycle {
                reason: "because".to_owned(),
                force: self.rng.bool(),
            },
            4..7 => Word::Start,
            7 => Word::Stop,
            8 => Word::Hold(Duration::from_secs(1)),
            9 => Word::Disarm {
                rules: Vec::new(),
                time: Duration::from_secs(5),
            },
            10 => Word::Arm { rules: Vec::new() },
            _ => Word::Reload {
                policy: Box::new(self.policy.clone()),
                changes: String::new(),
                recycle: self.rng.bool().then(|| "the command changed".to_owned()),
            },
        };
        self.operator(word);
    }

    fn recycle_one(&mut self) -> Word {
        Word::RecycleOne {
            // Also one that is not there.
            instance: self.rng.u32(0..5),
            reason: ALONE.to_owned(),
            force: self.rng.bool(),
        }
    }
}
