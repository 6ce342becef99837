//! What takes its time beside everything else: programs, captures, notices.

use super::{Hands, capture::Capture, command, notify::Letter, report};
use crate::decide::{observation::Observation, step::Step};

impl Hands {
    /// Performs what takes its time beside everything else: programs, captures, notices.
    pub(super) fn attend(&mut self, step: Step) {
        let observations = self.observations.clone();
        let of = |generation| self.running.get(&generation);
        let instance = |generation| of(generation).map(|running| running.instance);
        match step {
            Step::Run {
                incident,
                rule,
                reason,
                generation,
                command,
            } => {
                let task = command::Custom {
                    instance: instance(generation),
                    incident,
                    rule,
                    reason,
                    generation,
                    pid: of(generation).and_then(|running| running.pid),
                    command,
                };
                tokio::task::spawn_local(async move {
                    let how = task.run().await;
                    report(&observations, Observation::CommandEnded { incident, how }).await;
                });
            }
            Step::Capture {
                incident,
                rule,
                reason,
                generation,
            } => {
                let worker = of(generation)
                    .and_then(|one| Some((one.process.tree()?, one.process.output().cloned())));
                let capture = Capture {
                    instance: instance(generation),
                    incident,
                    rule,
                    reason,
                    generation,
                    worker,
                    mailboxes: self.mailboxes.clone(),
                    folder: self.settings.captures.clone(),
                };
                tokio::task::spawn_local(async move {
                    let what = capture.take().await;
                    report(&observations, Observation::Captured { incident, what }).await;
                });
            }
            Step::Notify {
                incident,
                rule,
                reason,
                generation,
                notice,
            } => {
                let told = self.notifier.tell(Letter {
                    instance: instance(generation),
                    incident,
                    rule,
                    reason,
                    generation,
                    notice,
                });
                tokio::task::spawn_local(async move {
                    let result = told.await;
                    report(&observations, Observation::Notified { incident, result }).await;
                });
            }
            _ => {}
        }
    }
}
