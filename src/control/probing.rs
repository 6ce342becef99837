//! Asks the workers on the roster for their health, each one probe at a time.

use tokio::{sync::mpsc, task::AbortHandle};

use super::Health;
use crate::{
    act::Endpoint,
    decide::observation::{Observation, Unhealthy},
    sense::probe::{Address, Failure, ask},
    tls::back::Manner,
    words::Generation,
};

/// So many answers may wait for the control thread.
const ANSWERS: usize = 64;

/// Where a worker listens, and how it is spoken to.
type Reached = (Endpoint, Manner);

/// The probes in progress.
#[derive(Debug)]
pub(super) struct Probing {
    health: Option<Health>,
    targets: Vec<Target>,
    answers: (mpsc::Sender<Observation>, mpsc::Receiver<Observation>),
}

/// One worker that is probed.
#[derive(Debug)]
struct Target {
    generation: Generation,
    reached: Reached,
    task: Option<AbortHandle>,
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Probing {
    pub(super) fn new(health: Option<Health>) -> Self {
        Self {
            health,
            targets: Vec::new(),
            answers: mpsc::channel(ANSWERS),
        }
    }

    pub(super) fn set(&mut self, health: Option<Health>) {
        self.health = health;
        let targets = std::mem::take(&mut self.targets);
        let targets = targets
            .iter()
            .map(|one| (one.generation, one.reached.clone()));
        self.probe(targets.collect());
    }

    /// Probes these workers from now on. Those that were probed before are not begun anew.
    pub(super) fn probe(&mut self, targets: Vec<(Generation, Reached)>) {
        let probed = |generation| targets.iter().any(|(other, _)| *other == generation);
        self.targets.retain(|one| probed(one.generation));
        for (generation, reached) in targets {
            if self.targets.iter().all(|one| one.generation != generation) {
                let task = self.begin(generation, &reached);
                self.targets.push(Target {
                    generation,
                    reached,
                    task,
                });
            }
        }
    }

    fn begin(&self, generation: Generation, reached: &Reached) -> Option<AbortHandle> {
        let health = self.health.clone()?;
        let (endpoint, manner) = (&reached.0, reached.1.clone());
        let address = match endpoint {
            Endpoint::Tcp(address) => Address::Tcp(*address),
            Endpoint::Unix(path) => Address::Unix(path.to_path_buf()),
        };
        let answers = self.answers.0.clone();
        let task = tokio::task::spawn_local(async move {
            loop {
                // A tenth of jitter: replicas must not ask what they share all at once.
                let jitter = 0.9 + 0.2 * fastrand::f64();
                tokio::time::sleep(health.interval.mul_f64(jitter)).await;
                let result = ask(&address, &manner, &health.question).await;
                let result = result.map(drop).map_err(|failure| Unhealthy {
                    why: failure.to_string(),
                    silent: matches!(failure, Failure::TimedOut(_)),
                });
                if answers
                    .send(Observation::Probe { generation, result })
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        Some(task.abort_handle())
    }

    /// The next probe's answer.
    pub(super) async fn answered(&mut self) -> Option<Observation> {
        self.answers.1.recv().await
    }
}
