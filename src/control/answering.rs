//! Answers operators.

use std::{collections::HashMap, time::Duration};

use tokio::sync::oneshot;

use super::{
    Control,
    incidents::Counted,
    order::{self, Answer, Order, Refusal},
};
use crate::{
    decide::observation::{Observation, Word},
    time,
    words::Generation,
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

/// The answer to who waited for a recycle. `printed`: what workers print is kept.
pub(super) fn recycled(replaced: bool, text: &str, printed: bool) -> Answer {
    if replaced {
        return Ok(text.to_owned());
    }
    Err(Refusal {
        what: text.to_owned(),
        cure: match printed {
            true => "autoheal logs shows what the new worker printed",
            false => "autoheal explain tells what was done; whoever runs the app has its output",
        }
        .to_owned(),
    })
}

impl Control {
    pub(super) fn order(&mut self, order: Order) {
        match order {
            Order::Status(to) => reply(to, self.status()),
            Order::Recycle {
                instance,
                reason,
                force,
                wait,
                reply: to,
            } => match instance.and_then(|instance| self.unknown_instance(instance)) {
                Some(refusal) => reply(to, Err(refusal)),
                None => self.recycle(recycle(instance, reason, force), wait, to),
            },
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
                instance,
                since,
                limit,
                reply: to,
            } => {
                let unknown = instance.and_then(|instance| self.unknown_instance(instance));
                let logs = || self.logs(previous, instance, since, limit);
                reply(to, unknown.map_or_else(|| Ok(logs()), Err));
            }
            Order::Incidents { limit, reply: to } => {
                let counted = Counted::of(&self.parts.ledgers);
                reply(to, self.incidents.list(limit, &counted, time::now()));
            }
            Order::Incident { id, reply: to } => {
                let counted = Counted::of(&self.parts.ledgers);
                reply(to, self.incidents.tell(id, &counted, time::now()));
            }
            Order::Requests(to) => self.requests(to),
        }
    }

    fn requests(&self, to: oneshot::Sender<Vec<order::Request>>) {
        let mailboxes = self.parts.hands.mailboxes().clone();
        let workers = self.parts.hands.seen();
        let of = self.instances_of(workers.iter().map(|one| one.generation));
        tokio::task::spawn_local(async move {
            let list = mailboxes.list(REQUESTS_MAX).await.into_iter();
            reply(to, list.map(|one| request(one, &of)).collect());
        });
    }

    fn word(&mut self, word: Word, text: &str, to: oneshot::Sender<Answer>) {
        self.engine.handle(time::now(), Observation::Operator(word));
        reply(to, Ok(text.to_owned()));
    }

    fn recycle(&mut self, word: Word, wait: bool, to: oneshot::Sender<Answer>) {
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

    /// The instances of these workers, where there may be several.
    fn instances_of(&self, workers: impl Iterator<Item = Generation>) -> HashMap<Generation, u32> {
        let of = |worker| Some((worker, self.engine.instance_of(worker)?));
        workers.filter_map(of).collect()
    }

    fn unknown_instance(&self, instance: u32) -> Option<Refusal> {
        let all = self.engine.instances();
        let numbers: Vec<String> = all.iter().map(u32::to_string).collect();
        (!all.contains(&instance)).then(|| Refusal {
            what: format!("there is no instance {instance}"),
            cure: match numbers.as_slice() {
                [only] => format!("there is one worker at a time, instance {only}"),
                several => format!("the instances are: {}", several.join(", ")),
            },
        })
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

    fn logs(
        &self,
        previous: bool,
        instance: Option<u32>,
        since: Option<u64>,
        limit: usize,
    ) -> order::Logs {
        let Some(printed) = self.parts.hands.output(previous, instance) else {
            return order::Logs::default();
        };
        let (generation, output) = (printed.generation, &printed.output);
        let instance = self.engine.is_many().then_some(printed.instance);
        let lines = match since {
            Some(since) => output.since(since + 1, limit),
            None => output.tail(limit),
        };
        let line = |line: crate::worker::ring::Line| order::LogLine {
            seq: line.number,
            at: line.at.to_string(),
            generation: generation.0,
            instance,
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
}

fn recycle(instance: Option<u32>, reason: String, force: bool) -> Word {
    match instance {
        None => Word::Recycle { reason, force },
        Some(instance) => Word::RecycleOne {
            instance,
            reason,
            force,
        },
    }
}

fn request(one: crate::act::Request, of: &HashMap<Generation, u32>) -> order::Request {
    order::Request {
        age_ms: ms(one.age),
        method: one.method,
        path: one.path,
        generation: one.generation.0,
        instance: of.get(&one.generation).copied(),
        state: match (one.tunnel, one.answered) {
            (true, _) => "tunnel",
            (false, true) => "answering",
            (false, false) => "sent",
        }
        .to_owned(),
    }
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
