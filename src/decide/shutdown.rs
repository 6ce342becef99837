//! How autoheal itself ends: keep serving for a while, refuse, drain, stop, all under one
//! deadline; and after it nothing is waited for.

use std::time::Duration;

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    say::{millis, words},
    step::Step,
};
use crate::time::MonoTime;

/// After everything was killed, so long for the news of it.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Ending {
    code: i32,
    serve_until: MonoTime,
    drain_until: MonoTime,
    deadline: MonoTime,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Still serving, so that the load balancer can take us out.
    Serving,
    Stopping,
    Killing,
    Done,
}

impl Ending {
    pub(super) fn deadline_of_all(&self) -> MonoTime {
        self.deadline
    }

    pub(super) fn deadline(&self) -> Option<MonoTime> {
        match self.stage {
            Stage::Serving => Some(self.serve_until),
            Stage::Stopping => Some(self.deadline),
            Stage::Killing => Some(self.deadline + LAST_WORDS),
            Stage::Done => None,
        }
    }
}

impl Engine {
    pub(super) fn shut_down(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let shutdown = self.policy.shutdown;
        let text = format!(
            "autoheal is stopping: within {} at most",
            words(shutdown.timeout)
        );
        let event = Event::new(Kind::ShuttingDown, Level::Info, text);
        self.begin_end(0, shutdown.delay.min(shutdown.timeout), event);
    }

    /// The worker does not stay up and autoheal is to end with its code.
    pub(super) fn end_by_itself(&mut self, code: i32) {
        if self.ending.is_none() {
            let text = format!("the worker does not stay up: autoheal ends with its code {code}");
            let event = Event::new(Kind::ShuttingDown, Level::Error, text);
            self.begin_end(code, Duration::ZERO, event);
        }
    }

    pub(super) fn begin_end(&mut self, code: i32, delay: Duration, event: Event) {
        let timeout = self.policy.shutdown.timeout;
        let deadline = self.now + timeout;
        let serve_until = self.now + delay;
        let drain_until = deadline - self.policy.recycle.stop_timeout;
        let event = event.number("delay_ms", millis(delay));
        self.say(event.number("timeout_ms", millis(timeout)));
        self.pending_start = None;
        self.release("autoheal is stopping");
        self.ending = Some(Ending {
            code,
            serve_until,
            drain_until: drain_until.max(serve_until),
            deadline,
            stage: Stage::Serving,
        });
        if delay > Duration::ZERO {
            self.push(Step::Leave { until: serve_until });
        }
        self.end_recycle("failed", "not replaced: autoheal is stopping");
        if let Some(starting) = self.starting().map(|life| life.generation) {
            self.stop(starting);
        }
        self.shutdown_timeout();
    }

    /// A second signal: nothing that is in flight is waited for any longer.
    pub(super) fn end_drain(&mut self) {
        let now = self.now;
        let Some(ending) = &mut self.ending else {
            return;
        };
        ending.serve_until = ending.serve_until.min(now);
        ending.drain_until = now;
        if ending.stage == Stage::Stopping {
            self.retire_all(now);
        }
        self.shutdown_timeout();
    }

    pub(super) fn shutdown_timeout(&mut self) {
        let now = self.now;
        let Some(ending) = &mut self.ending else {
            return;
        };
        if ending.stage == Stage::Serving && now >= ending.serve_until {
            ending.stage = Stage::Stopping;
            let until = ending.drain_until.max(now);
            self.retire_all(until);
        }
        let Some(ending) = &mut self.ending else {
            return;
        };
        if ending.stage == Stage::Stopping && now >= ending.deadline {
            ending.stage = Stage::Killing;
            let all: Vec<_> = self.lives.iter().map(|life| life.generation).collect();
            for generation in all {
                self.kill(generation);
            }
        }
        let late =
            |ending: &Ending| ending.stage == Stage::Killing && now >= ending.deadline + LAST_WORDS;
        if self.ending.as_ref().is_some_and(late) {
            self.exit();
        }
    }

    pub(super) fn end_if_all_gone(&mut self) {
        let stopping = |ending: &Ending| matches!(ending.stage, Stage::Stopping | Stage::Killing);
        if self.ending.as_ref().is_some_and(stopping) {
            self.exit();
        }
    }

    fn exit(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.stage = Stage::Done;
            let code = ending.code;
            self.push(Step::Exit(code));
        }
    }

    pub(super) fn ended(&self) -> bool {
        self.ending
            .as_ref()
            .is_some_and(|ending| ending.stage == Stage::Done)
    }
}
