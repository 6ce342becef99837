//! Asks the worker on the roster for its health, one probe at a time.

use tokio::{sync::mpsc, task::AbortHandle};

use super::Health;
use crate::{
    act::Endpoint,
    decide::observation::Observation,
    sense::probe::{Address, ask},
    words::Generation,
};

/// The probe in progress.
#[derive(Debug)]
pub(super) struct Probing {
    health: Option<Health>,
    target: Option<(Generation, Endpoint)>,
    task: Option<AbortHandle>,
    answers: (mpsc::Sender<Observation>, mpsc::Receiver<Observation>),
}

impl Probing {
    pub(super) fn new(health: Option<Health>) -> Self {
        Self {
            health,
            target: None,
            task: None,
            answers: mpsc::channel(4),
        }
    }

    pub(super) fn set(&mut self, health: Option<Health>) {
        self.health = health;
        let target = self.target.take();
        self.probe(target);
    }

    /// Probes this worker from now on, or none.
    pub(super) fn probe(&mut self, target: Option<(Generation, Endpoint)>) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.target.clone_from(&target);
        let (Some((generation, endpoint)), Some(health)) = (target, self.health.clone()) else {
            return;
        };
        let address = match endpoint {
            Endpoint::Tcp(address) => Address::Tcp(address),
            Endpoint::Unix(path) => Address::Unix(path.to_path_buf()),
        };
        let answers = self.answers.0.clone();
        let task = tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(health.interval).await;
                let result = ask(&address, &health.question).await;
                let result = result.map(drop).map_err(|failure| failure.to_string());
                if answers
                    .send(Observation::Probe { generation, result })
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        self.task = Some(task.abort_handle());
    }

    /// The next probe's answer.
    pub(super) async fn answered(&mut self) -> Option<Observation> {
        self.answers.1.recv().await
    }
}
