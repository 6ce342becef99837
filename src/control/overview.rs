//! Tells how things are: one look at everything.

use super::{
    Control,
    answering::ms,
    limiting,
    order::{self, BudgetStatus, CodeCount, DependencyStatus, PoisonStatus, RuleStatus, Status},
};
use crate::{
    decide::snapshot::{DependencyView, PoisonView, RuleView, Snapshot},
    observe::ledger::Sums,
    time::{self, MonoTime},
};

impl Control {
    pub(super) fn status(&mut self) -> Status {
        let now = time::now();
        let engine = self.engine.snapshot(now);
        let about = &self.parts.about;
        let [requests, queued, bytes] = (self.parts.waiting)();
        let ledger = self.ledger();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: engine.mode.to_string(),
            pid: std::process::id(),
            uptime_ms: ms(now.since(about.started)),
            ready: engine.takes && !engine.unready,
            restart_wanted: engine.restart_wanted.clone(),
            state: state(&engine, requests),
            listen: about.listen.clone(),
            config: about.config.clone(),
            certificates: (self.parts.certificates)(),
            workers: self.workers(&engine, now),
            instances: self.instances(&engine, now),
            rules: engine
                .rules
                .iter()
                .map(|rule| rule_status(rule, now))
                .collect(),
            dependencies: engine
                .dependencies
                .iter()
                .map(|one| dependency_status(one, now))
                .collect(),
            poison: engine
                .poison
                .iter()
                .map(|one| poison_status(one, now))
                .collect(),
            budget: BudgetStatus {
                used: engine.budget.of - engine.budget.left,
                recycles: engine.budget.of,
                window_ms: ms(engine.budget.window),
                used_today: engine.budget.per_day - engine.budget.left_today,
                per_day: engine.budget.per_day,
            },
            parking: order::ParkingStatus {
                requests,
                bytes,
                hold_remaining_ms: engine.hold_until.map(|until| ms(until.since(now))),
                ..about.parking.clone()
            },
            queue: order::QueueStatus {
                requests: queued,
                ..about.queue.clone()
            },
            threads: self.threads(),
            incidents: self.incidents.status(),
            access_log_lost: (self.parts.access_log_lost)(),
            ledger,
            warnings: self.all_warnings(&engine),
        }
    }

    fn all_warnings(&self, engine: &Snapshot) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        warnings.extend(self.reloading.refused.clone());
        let sampler = &self.parts.sampler;
        if sampler.has_only_bounds() {
            let what = "exact memory can't be read (smaps_rollup): rules compare an upper bound";
            warnings.push(what.to_owned());
        }
        let dropped = sampler.dropped_samples();
        if dropped > 0 {
            warnings.push(format!(
                "{dropped} memory samples were not looked at in time"
            ));
        }
        let off = engine.rules.iter().filter(|rule| rule.state == "off");
        warnings.extend(off.map(|rule| match &rule.held {
            Some(why) => format!("rule \"{}\": {why}", rule.name),
            None => format!("rule \"{}\" is off: {}", rule.name, rule.reading),
        }));
        warnings
    }

    fn workers(&self, engine: &Snapshot, now: MonoTime) -> Vec<order::WorkerStatus> {
        let (seen, many) = (self.parts.hands.seen(), self.engine.is_many());
        let workers = engine.generations.iter().map(|one| {
            let hands = seen.iter().find(|seen| seen.generation == one.generation);
            let found = self.parts.hands.found(one.generation);
            order::WorkerStatus {
                generation: one.generation.0,
                instance: many.then_some(one.instance),
                state: one.state.to_owned(),
                pid: one.pid,
                address: hands.map(|seen| seen.address.clone()).unwrap_or_default(),
                uptime_ms: ms(now.since(one.started_at)),
                in_flight: hands.map_or(one.in_flight, |seen| seen.in_flight),
                private_bytes: one.private_bytes.map(|bytes| bytes.0),
                limit: found.map(|found| found.limit),
                limit_why: found.map(limiting::why),
            }
        });
        workers.collect()
    }

    fn instances(&self, engine: &Snapshot, now: MonoTime) -> Vec<order::InstanceStatus> {
        let several = engine.instances.iter().filter(|_| self.engine.is_many());
        let several = several.map(|one| order::InstanceStatus {
            instance: one.instance,
            state: one.phase.to_owned(),
            next_start_ms: one.next_start.map(|at| ms(at.since(now))),
        });
        several.collect()
    }

    fn threads(&self) -> Vec<order::ThreadStatus> {
        let ledgers = self.parts.ledgers.iter();
        let threads = (self.parts.connections)().into_iter().zip(ledgers);
        let threads = threads.map(|(connections, ledger)| {
            let mut sums = Sums::default();
            ledger.add_to(&mut sums);
            order::ThreadStatus {
                connections,
                in_flight: sums.in_flight(),
            }
        });
        threads.collect()
    }

    fn ledger(&self) -> order::LedgerStatus {
        let mut sums = Sums::default();
        for ledger in &self.parts.ledgers {
            ledger.add_to(&mut sums);
        }
        let by_code = sums.codes.iter().map(|(code, count)| CodeCount {
            code: code.number(),
            name: code.name().to_owned(),
            count: *count,
        });
        order::LedgerStatus {
            accepted: sums.accepted,
            completed: sums.completed,
            refused: sums.refused,
            client_aborted: sums.aborted,
            failed: sums.failed,
            in_flight: sums.in_flight(),
            parked: sums.parked,
            queued: sums.queued,
            replayed: sums.replayed,
            tunnels: sums.tunnels,
            tunnels_moved: sums.tunnels_moved,
            by_code: by_code.collect(),
        }
    }
}

fn rule_status(rule: &RuleView, now: MonoTime) -> RuleStatus {
    RuleStatus {
        name: rule.name.clone(),
        instance: rule.instance,
        state: rule.state.to_owned(),
        now: rule.reading.clone(),
        held: rule.held.clone(),
        fired: rule.firings,
        remaining_ms: rule.until.map(|until| ms(until.since(now))),
        verdict: rule.verdict.map(|told| told.verdict.to_owned()),
    }
}

fn dependency_status(one: &DependencyView, now: MonoTime) -> DependencyStatus {
    DependencyStatus {
        name: one.name.clone(),
        address: one.address.clone(),
        state: one.state.to_owned(),
        failing_ms: one.failing_since.map(|since| ms(now.since(since))),
        why: one.why.clone(),
    }
}

fn poison_status(one: &PoisonView, now: MonoTime) -> PoisonStatus {
    PoisonStatus {
        request: one.request.clone(),
        because: one.because.clone(),
        crashes: one.crashes,
        remaining_ms: ms(one.until.since(now)),
    }
}

/// In one sentence.
fn state(engine: &Snapshot, parked: u64) -> String {
    let mut serving = engine.generations.iter().filter(|one| one.on_roster);
    let mut text = match serving.next() {
        Some(_) if engine.instances.len() > 1 => {
            let (workers, of) = (1 + serving.count(), engine.instances.len());
            format!("serving from {workers} workers of {of}")
        }
        Some(one) => format!("serving from worker {}", one.generation),
        None => engine.phase.to_owned(),
    };
    if let Some(recycle) = &engine.recycle {
        let reasons = recycle.reasons.join("; ");
        let of = match recycle.instance {
            Some(instance) if engine.instances.len() > 1 => format!(" of instance {instance}"),
            Some(_) | None => String::new(),
        };
        text.push_str(&format!(
            "; {} recycle{of}, {}: {reasons}",
            recycle.strategy, recycle.phase
        ));
    }
    if engine.phase == "shutting down" && !text.starts_with(engine.phase) {
        text.push_str("; shutting down");
    }
    if engine.restart_wanted.is_some() {
        text.push_str("; /workerz fails, for someone to restart the worker");
    }
    if engine.unready {
        text.push_str("; not ready for load balancers, as a rule fired");
    }
    if parked > 0 {
        text.push_str(&format!("; {parked} requests are parked"));
    }
    text
}
