//! Asks what the app depends on, one probe of each at a time.

use std::collections::HashMap;

use tokio::{sync::mpsc, task::AbortHandle};

use crate::{
    decide::{
        observation::Observation,
        policy::{DependencyAddress, MAX_DEPENDENCIES, Policy},
    },
    sense::dependency::{Dependency, Place},
};

/// The dependencies of the policy in force.
#[derive(Debug)]
pub(super) struct Depending {
    all: HashMap<String, Dependency>,
    asking: HashMap<String, AbortHandle>,
    answers: (mpsc::Sender<Observation>, mpsc::Receiver<Observation>),
}

impl Depending {
    pub(super) fn new(policy: &Policy) -> Self {
        let mut new = Self {
            all: HashMap::new(),
            asking: HashMap::new(),
            answers: mpsc::channel(MAX_DEPENDENCIES),
        };
        new.set(policy);
        new
    }

    /// Takes another policy's; who is being asked goes on being asked.
    pub(super) fn set(&mut self, policy: &Policy) {
        let all = policy.dependencies.iter().map(|one| {
            let place = match &one.address {
                DependencyAddress::Host(host, port) => Place::Host(host.clone(), *port),
                DependencyAddress::Unix(path) => Place::Unix(path.clone()),
            };
            let asked = Dependency::new(place, one.path.clone(), one.timeout);
            (one.name.clone(), asked)
        });
        self.all = all.collect();
        self.asking.retain(|_, task| !task.is_finished());
    }

    /// Begins a probe.
    pub(super) fn ask(&mut self, name: String, probe: u64) {
        let Some(dependency) = self.all.get(&name).cloned() else {
            return;
        };
        let answers = self.answers.0.clone();
        let task = tokio::task::spawn_local(async move {
            let result = dependency.ask().await;
            // Nobody listens any more once the control thread has ended.
            drop(
                answers
                    .send(Observation::Dependency { probe, result })
                    .await,
            );
        });
        if let Some(lost) = self.asking.insert(name, task.abort_handle()) {
            lost.abort();
        }
    }

    /// The next answer.
    pub(super) async fn answered(&mut self) -> Option<Observation> {
        self.answers.1.recv().await
    }
}
