//! How a worker goes: off the roster, drained, stopped, killed, gone. Escalation by deadlines:
//! what is asked for and does not happen is followed by the next harder thing.

use std::time::Duration;

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    life::{End, Life, State, Want},
    policy::Strategy,
    say::{millis, words},
    slot::Signs,
    step::Step,
};
use crate::{
    explain::code::Code,
    time::MonoTime,
    words::{Door, Exit, Generation},
};

/// A drain or a kill that is not reported this long after it was due has gone wrong.
pub(super) const SLACK: Duration = Duration::from_secs(5);
/// So many old workers may drain at once.
const DRAINING_MOST: usize = 4;

impl Life {
    /// When something about this worker is due.
    pub(super) fn deadline(&self) -> Option<MonoTime> {
        match self.state {
            State::Starting => Some(self.start_deadline),
            _ => self.overdue_at,
        }
    }
}

impl Engine {
    /// Takes a worker off the roster. The door is told first, so that no request meets an old one.
    pub(super) fn withdraw(&mut self, generation: Generation) {
        let now = self.now;
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        if !life.on_roster {
            return;
        }
        life.on_roster = false;
        life.state = State::Draining;
        let served = life.served(now).unwrap_or_default();
        self.restarts.served(served, &self.policy.restart.patience);
        let left = self
            .lives
            .iter()
            .rfind(|life| life.on_roster)
            .map(|life| life.generation);
        if left.is_none() {
            self.down_since = self.now;
        }
        if self.serving == Some(generation) {
            self.serve(left);
        }
        self.refresh_door();
        self.push(Step::Withdraw { generation });
    }

    /// Lets what is in flight on a withdrawn worker finish until then, and then ends it.
    pub(super) fn drain(&mut self, generation: Generation, until: MonoTime, end: End) {
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        if life.state == State::Stopping {
            return;
        }
        life.state = State::Draining;
        life.drain_until = Some(until);
        life.after_drain = end;
        life.overdue_at = Some(until + SLACK);
        self.push(Step::Drain { generation, until });
        self.limit_draining();
    }

    fn limit_draining(&mut self) {
        let now = self.now;
        let patient = |life: &&Life| {
            life.state == State::Draining && life.drain_until.is_some_and(|until| until > now)
        };
        if self.lives.iter().filter(patient).count() <= DRAINING_MOST {
            return;
        }
        if let Some(oldest) = self.lives.iter().find(patient).map(|life| life.generation) {
            self.drain(oldest, now, End::Kill);
        }
    }

    pub(super) fn drained(&mut self, generation: Generation, cut: u64) {
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        if life.state != State::Draining || life.drain_until.is_none() {
            return;
        }
        life.cut = cut;
        let end = life.after_drain;
        self.finish(generation, end);
    }

    pub(super) fn finish(&mut self, generation: Generation, end: End) {
        self.recycle_stops(generation);
        match end {
            End::Stop => self.stop(generation),
            End::Kill => self.kill(generation),
        }
    }

    /// Sends the stop signal.
    pub(super) fn stop(&mut self, generation: Generation) {
        if self.lets_go() {
            self.let_go(generation);
            return;
        }
        let now = self.now;
        let stopping = |life: &Life| life.state == State::Stopping;
        if self.life(generation).is_none_or(stopping) {
            return;
        }
        let mut kill_at = match self.ask_elsewhere() {
            Some(until) => until,
            None => now + self.policy.recycle.stop_timeout,
        };
        if let Some(ending) = &self.ending {
            kill_at = kill_at.min(ending.deadline_of_all()).max(now);
        }
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        life.state = State::Stopping;
        life.stop_at = Some(now);
        life.overdue_at = Some(kill_at + SLACK);
        self.push(Step::Stop {
            generation,
            kill_at,
        });
    }

    /// Kills every process of a worker at once.
    pub(super) fn kill(&mut self, generation: Generation) {
        let stopping = |life: &Life| life.state == State::Stopping;
        let stops = self.life(generation).is_some_and(stopping);
        match self.lets_go() {
            true => self.let_go(generation),
            false if self.is_elsewhere() && !stops => self.stop(generation),
            false => self.leaves_now(generation, Step::Kill { generation }),
        }
    }

    /// This step makes it leave without any more waiting.
    pub(super) fn leaves_now(&mut self, generation: Generation, step: Step) {
        let now = self.now;
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        life.state = State::Stopping;
        life.stop_at.get_or_insert(now);
        life.overdue_at = Some(now + SLACK);
        self.push(step);
    }

    /// Drains and stops a worker in whatever state it is, until then at the latest.
    pub(super) fn retire(&mut self, generation: Generation, until: MonoTime) {
        let Some(life) = self.life(generation) else {
            return;
        };
        match life.state {
            State::Starting => self.stop(generation),
            State::Ready => {
                self.withdraw(generation);
                self.drain(generation, until, End::Stop);
            }
            State::Draining => {
                let earlier = life.drain_until.is_none_or(|at| at > until);
                if earlier {
                    self.drain(generation, until, life.after_drain);
                }
            }
            State::Stopping => {}
        }
    }

    /// Every worker's own deadlines.
    pub(super) fn lives_timeout(&mut self) {
        let now = self.now;
        let due = |life: &Life| life.deadline().is_some_and(|at| at <= now);
        let late: Vec<Generation> = self
            .lives
            .iter()
            .filter(|life| due(life))
            .map(|life| life.generation)
            .collect();
        for generation in late {
            let Some(life) = self.life(generation) else {
                continue;
            };
            match life.state {
                State::Starting => self.start_timed_out(generation),
                State::Draining => self.finish(generation, life.after_drain),
                State::Stopping => self.does_not_die(generation),
                State::Ready => {}
            }
        }
    }

    fn does_not_die(&mut self, generation: Generation) {
        let may_overlap = self.policy.recycle.strategy == Strategy::Overlap;
        let now = self.now;
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        let since = now.since(life.stop_at.unwrap_or(now));
        let text = format!(
            "{} is not gone after {}; killing it again{}",
            life.name(),
            words(since),
            if may_overlap {
                ""
            } else {
                "; no other can start on its port before that"
            },
        );
        // A process that the kernel does not let go must not keep a fresh port from being used.
        life.blocks_start &= !may_overlap;
        let incident = life.incident;
        self.kill(generation);
        let event = Event::new(Kind::WorkerStopped, Level::Error, text).about(generation);
        self.say(event.of(incident).number("stopping_ms", millis(since)));
    }

    pub(super) fn gone(&mut self, generation: Generation) {
        let Some(life) = self.life(generation) else {
            return;
        };
        if matches!(life.state, State::Starting | State::Ready) {
            // Its keeper went with it and could not tell how it ended.
            self.exited(generation, Exit::Signal(9), Signs::default());
        }
        let place = |life: &Life| life.generation == generation;
        let Some(at) = self.lives.iter().position(place) else {
            return;
        };
        let life = self.lives.remove(at);
        if !life.end_said {
            self.say_stopped(&life);
        }
        self.recycle_gone(generation);
    }

    fn say_stopped(&mut self, life: &Life) {
        let took = self.now.since(life.stop_at.unwrap_or(self.now));
        let how = match life.exit {
            None | Some(Exit::Unknown) => String::new(),
            Some(exit) => format!(": {exit}"),
        };
        let cut = match life.cut {
            0 => String::new(),
            1 => "; 1 request was cut".to_owned(),
            cut => format!("; {cut} requests were cut"),
        };
        let text = match self.policy.attached {
            Some(_) if life.exit.is_none() => self.runs_on(&life.name(), &cut),
            _ => format!("{} stopped within {}{how}{cut}", life.name(), words(took)),
        };
        let event = Event::new(Kind::WorkerStopped, Level::Info, text).about(life.generation);
        self.say(
            event
                .of(life.incident)
                .number("stop_ms", millis(took))
                .number("cut", life.cut),
        );
    }

    /// What a new request meets; `None` while a worker is on the roster.
    pub(super) fn door_now(&self) -> Option<Door> {
        let refuse = |code, retry_at| Some(Door::Refuse { code, retry_at });
        if self.lives.iter().any(|life| life.on_roster) {
            return None;
        }
        if self.ending.is_some() {
            return refuse(Code::ShuttingDown, None);
        }
        if self.offline {
            return refuse(Code::Maintenance, None);
        }
        let under_way = self.starting().map(|life| life.started_at);
        match self.want {
            Want::Stopped => refuse(Code::WorkerStoppedByOperator, None),
            Want::LeftDown => refuse(Code::WorkerDown, None),
            Want::Up if self.restarts.gave_up() => {
                refuse(Code::WorkerGaveUp, self.pending_start.or(under_way))
            }
            Want::Up if self.relays() => refuse(Code::WorkerDown, None),
            Want::Up => Some(Door::Park {
                down_since: self.down_since,
                next_start: self.pending_start.or(under_way).unwrap_or(self.down_since),
            }),
        }
    }

    /// How long a drain may last while new requests are parked, so that they are served in time.
    pub(super) fn parked_drain(&self) -> Duration {
        if self.peers.serving > 0 {
            return self.policy.recycle.drain_timeout;
        }
        let rest = self
            .policy
            .parking_wait
            .saturating_sub(self.policy.recycle.stop_timeout)
            .saturating_sub(self.last_start_took);
        rest.max(Duration::from_secs(1))
            .min(self.policy.recycle.drain_timeout)
    }

    pub(super) fn may_overlap(&self) -> bool {
        self.policy.recycle.strategy == Strategy::Overlap
    }
}
