//! Answers operators.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{
    Control,
    incidents::Counted,
    limiting,
    order::{
        self, Answer, BudgetStatus, CodeCount, DependencyStatus, Order, PoisonStatus, Refusal,
        RuleStatus, Status,
    },
};
use crate::{
    decide::{
        observation::{Observation, Word},
        snapshot::{DependencyView, PoisonView, Snapshot},
    },
    observe::ledger::Sums,
    time::{self, MonoTime},
};

/// The longest list of requests in flight.
const REQUESTS_MAX: usize = 500;
/// Who waits for a recycle to end; more are told that it has begun.
pub(super) const WAITERS_MAX: usize = 64;

/// Sends an answer. Who asked may have left; the order was carried out all the same.
pub(super) fn reply<T>(to: oneshot::Sender<T>, answer: T) {
    if to.send(answer).is_err() {
        tracing::debug!("an operator left before the answer");
    }
}

/// The answer to who waited for a recycle.
pub(super) fn recycled(replaced: bool, text: &str) -> Answer {
    if replaced {
        return Ok(text.to_owned());
    }
    Err(Refusal {
        what: text.to_owned(),
        cure: "autoheal logs shows what the new worker printed".to_owned(),
    })
}

impl Control {
    pub(super) fn order(&mut self, order: Order) {
        match order {
            Order::Status(to) => reply(to, self.status()),
            Order::Recycle {
                reason,
                force,
                wait,
                reply: to,
            } => {
                self.recycle(reason, force, wait, to);
            }
            Order::Start(to) => self.word(Word::Start, "the worker is being started", to),
            Order::Stop(to) => self.word(Word::Stop, "the worker is being stopped", to),
            Order::Reload(to) => self.reload(Some(to)),
            Order::Hold(time, to) => {
                let text = format!(
                    "requests are parked for {}",
                    crate::units::format_duration(time)
                );
                self.word(Word::Hold(time), &text, to);
            }
            Order::Release(to) => self.word(Word::Release, "requests pass again", to),
            Order::Disarm {
                rules,
                time,
                reply: to,
            } => {
                let text = format!("disarmed for {}", crate::units::format_duration(time));
                match self.unknown_rule(&rules) {
                    Some(refusal) => reply(to, Err(refusal)),
                    None => self.word(Word::Disarm { rules, time }, &text, to),
                }
            }
            Order::Arm { rules, reply: to } => match self.unknown_rule(&rules) {
                Some(refusal) => reply(to, Err(refusal)),
                None => self.word(Word::Arm { rules }, "armed", to),
            },
            Order::Events {
                since,
                limit,
                reply: to,
            } => reply(to, self.events(since, limit)),
            Order::Logs {
                previous,
                since,
                limit,
                reply: to,
            } => {
                reply(to, self.logs(previous, since, limit));
            }
            Order::Incidents { limit, reply: to } => {
                let counted = Counted::of(&self.parts.ledgers);
                reply(to, self.incidents.list(limit, &counted, time::now()));
            }
            Order::Incident { id, reply: to } => {
                let counted = Counted::of(&self.parts.ledgers);
                reply(to, self.incidents.tell(id, &counted, time::now()));
            }
            Order::Requests(to) => {
                let mailboxes = self.parts.hands.mailboxes().clone();
                tokio::task::spawn_local(async move {
                    let list = mailboxes.list(REQUESTS_MAX).await.into_iter();
                    reply(to, list.map(request).collect());
                });
            }
        }
    }

    fn word(&mut self, word: Word, text: &str, to: oneshot::Sender<Answer>) {
        self.engine.handle(time::now(), Observation::Operator(word));
        reply(to, Ok(text.to_owned()));
    }

    fn recycle(&mut self, reason: String, force: bool, wait: bool, to: oneshot::Sender<Answer>) {
        let word = Word::Recycle { reason, force };
        match self.engine.handle(time::now(), Observation::Operator(word)) {
            Some(incident) if wait && self.waiters.len() < WAITERS_MAX => {
                self.waiters.entry(incident).or_default().push(to);
            }
            Some(incident) => reply(to, Ok(format!("recycling, incident {incident}"))),
            None => {
                let refusal = Refusal {
                    what: "there is no worker to recycle now".to_owned(),
                    cure: "see autoheal status; autoheal start starts one, recycle --force does \
                           not wait"
                        .to_owned(),
                };
                reply(to, Err(refusal));
            }
        }
    }

    fn unknown_rule(&self, rules: &[String]) -> Option<Refusal> {
        let unknown = rules.iter().find(|name| !self.rule_names.contains(name))?;
        Some(Refusal {
            what: format!("there is no rule \"{unknown}\""),
            cure: format!("the rules are: {}", self.rule_names.join(", ")),
        })
    }

    fn events(&self, since: Option<u64>, limit: usize) -> order::Events {
        let journal = &self.parts.journal;
        let events = journal.events(since, limit).into_iter();
        order::Events {
            lines: events.map(|entry| (entry.seq, entry.line)).collect(),
            lost: journal.lost(),
        }
    }

    fn logs(&self, previous: bool, since: Option<u64>, limit: usize) -> order::Logs {
        let Some(printed) = self.parts.hands.output(previous, None) else {
            return order::Logs::default();
        };
        let (generation, output) = (printed.generation, &printed.output);
        let lines = match since {
            Some(since) => output.since(since + 1, limit),
            None => output.tail(limit),
        };
        let line = |line: crate::worker::ring::Line| order::LogLine {
            seq: line.number,
            at: line.at.to_string(),
            generation: generation.0,
            stream: match line.stream {
                crate::worker::ring::Stream::Out => "stdout".to_owned(),
                crate::worker::ring::Stream::Err => "stderr".to_owned(),
            },
            text: line.text,
        };
        order::Logs {
            lines: lines.into_iter().map(line).collect(),
            lost: output.dropped_lines(),
        }
    }

    fn status(&mut self) -> Status {
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
        warnings.extend(off.map(|rule| {
            let why = rule.held.as_ref().unwrap_or(&rule.reading);
            format!("rule \"{}\" is off: {why}", rule.name)
        }));
        warnings
    }

    fn workers(&self, engine: &Snapshot, now: MonoTime) -> Vec<order::WorkerStatus> {
        let seen = self.parts.hands.seen();
        let workers = engine.generations.iter().map(|one| {
            let hands = seen.iter().find(|seen| seen.generation == one.generation);
            let found = self.parts.hands.found(one.generation);
            order::WorkerStatus {
                generation: one.generation.0,
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

fn request(one: crate::act::Request) -> order::Request {
    order::Request {
        age_ms: ms(one.age),
        method: one.method,
        path: one.path,
        generation: one.generation.0,
        state: match (one.tunnel, one.answered) {
            (true, _) => "tunnel",
            (false, true) => "answering",
            (false, false) => "sent",
        }
        .to_owned(),
    }
}

fn rule_status(rule: &crate::decide::snapshot::RuleView, now: MonoTime) -> RuleStatus {
    RuleStatus {
        name: rule.name.clone(),
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
        Some(_) if engine.instances > 1 => {
            let workers = 1 + serving.count();
            format!("serving from {workers} workers of {}", engine.instances)
        }
        Some(one) => format!("serving from worker {}", one.generation),
        None => engine.phase.to_owned(),
    };
    if let Some(recycle) = &engine.recycle {
        let reasons = recycle.reasons.join("; ");
        text.push_str(&format!(
            "; {} recycle, {}: {reasons}",
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

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
