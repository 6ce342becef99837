//! Looks at the traffic of those kinds of requests that were in flight when a worker crashed.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::{
    act::Mailboxes,
    decide::observation::{Observation, Presence, Present},
    observe::suspects::Suspects,
    units::RequestShape,
    words::Generation,
};

/// The engine is told every so many looks.
const TOLD: u64 = 10;
/// Answers that may wait for the loop.
const ANSWERS: usize = 16;

/// Who is suspected, and where data threads read it.
#[derive(Debug)]
pub(super) struct Suspecting {
    shapes: Vec<RequestShape>,
    counts: Arc<Suspects>,
    outlet: watch::Sender<Arc<Suspects>>,
    /// Looks since the engine was told, and at how many of them each kind was in flight.
    moments: u64,
    present: Vec<u64>,
    answers: (mpsc::Sender<Observation>, mpsc::Receiver<Observation>),
}

impl Suspecting {
    pub(super) fn new(outlet: watch::Sender<Arc<Suspects>>) -> Self {
        Self {
            shapes: Vec::new(),
            counts: Arc::default(),
            outlet,
            moments: 0,
            present: Vec::new(),
            answers: mpsc::channel(ANSWERS),
        }
    }

    /// These kinds of requests are counted from now on.
    pub(super) fn set(&mut self, all: Vec<(RequestShape, bool)>) {
        self.shapes = all.iter().map(|(shape, _)| shape.clone()).collect();
        (self.moments, self.present) = (0, vec![0; self.shapes.len()]);
        let counts = Suspects::new(all);
        counts.carry(&self.counts);
        self.counts = Arc::new(counts);
        self.outlet.send_replace(self.counts.clone());
    }

    /// Looks at what is in flight, if anyone is suspected; what was seen since it was last told.
    pub(super) fn look(&mut self) -> Option<Observation> {
        if self.shapes.is_empty() {
            return None;
        }
        self.moments += 1;
        for (times, present) in self.present.iter_mut().zip(self.counts.present()) {
            *times += u64::from(present);
        }
        if self.moments < TOLD {
            return None;
        }
        let (requests, each) = self.counts.take();
        let present = self.present.iter_mut().map(std::mem::take);
        let shapes = self.shapes.iter().cloned();
        let each = shapes.zip(each).zip(present);
        let each = each.map(|((shape, requests), moments)| Present {
            shape,
            requests,
            moments,
        });
        Some(Observation::Presence(Presence {
            requests,
            moments: std::mem::take(&mut self.moments),
            each: each.collect(),
        }))
    }

    /// Asks the data threads what a worker had in flight when it crashed.
    pub(super) fn list_lost(&self, mailboxes: Mailboxes, generation: Generation, incident: u64) {
        let answers = self.answers.0.clone();
        tokio::task::spawn_local(async move {
            let in_flight = mailboxes.lost(generation).await;
            let lost = Observation::Lost {
                incident,
                in_flight,
            };
            // Nobody listens any more once the control thread has ended.
            drop(answers.send(lost).await);
        });
    }

    /// The next answer of the data threads.
    pub(super) async fn answered(&mut self) -> Option<Observation> {
        self.answers.1.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_told_every_tenth_look_and_only_while_anyone_is_suspected() {
        let (outlet, seen) = watch::channel(Arc::default());
        let mut suspecting = Suspecting::new(outlet);
        assert!((0..100).all(|_| suspecting.look().is_none()));
        let shape = RequestShape::of("GET", "/");
        suspecting.set(vec![(shape.clone(), false)]);
        assert!(!seen.borrow().is_empty());
        for _ in 0..2 {
            assert!((1..TOLD).all(|_| suspecting.look().is_none()));
            let told = Presence {
                requests: 0,
                moments: TOLD,
                each: vec![Present {
                    shape: shape.clone(),
                    requests: 0,
                    moments: 0,
                }],
            };
            assert_eq!(suspecting.look(), Some(Observation::Presence(told)));
        }
        suspecting.set(Vec::new());
        assert!((0..100).all(|_| suspecting.look().is_none()));
    }
}
