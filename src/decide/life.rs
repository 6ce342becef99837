//! One worker from its start until no process of it is left.

use std::time::Duration;

use super::{growth::Growth, observation::Tally};
use crate::{
    time::MonoTime,
    words::{Exit, Generation, LastWords},
};

/// Where a worker is in its life. That none is wanted is not told here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Ready,
    /// Withdrawn; what is in flight may finish, or waits for its fate.
    Draining,
    /// Told to stop, killed, or ended: until no process of it is left.
    Stopping,
}

/// Whether the worker should be up, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Up,
    /// An operator stopped it.
    Stopped,
    /// It ended and the policy does not start it again.
    LeftDown,
}

/// What follows a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Stop,
    Kill,
}

#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) generation: Generation,
    pub(super) state: State,
    pub(super) on_roster: bool,
    pub(super) pid: Option<u32>,
    pub(super) started_at: MonoTime,
    /// While starting: not later than this.
    pub(super) start_deadline: MonoTime,
    pub(super) ready_since: Option<MonoTime>,
    pub(super) drain_until: Option<MonoTime>,
    pub(super) after_drain: End,
    /// When what was asked of it is overdue.
    pub(super) overdue_at: Option<MonoTime>,
    /// Since when it is being stopped.
    pub(super) stop_at: Option<MonoTime>,
    pub(super) exit: Option<Exit>,
    /// What it printed right before its end.
    pub(super) last_words: LastWords,
    /// The incident that it left the roster for, or leaves it for.
    pub(super) incident: Option<u64>,
    /// Requests cut at the end of its drain.
    pub(super) cut: u64,
    /// No other worker may start before this one is gone.
    pub(super) blocks_start: bool,
    /// That and how it ended has been said.
    pub(super) end_said: bool,
    pub(super) elsewhere_said: bool,
    /// While starting: what keeps it from being ready, if that was told.
    pub(super) unready: Option<String>,
    pub(super) in_flight: u64,
    /// The most in flight that a tally has shown.
    pub(super) peak: u64,
    last_tally_at: MonoTime,
    answered_last: u64,
    /// It may have been silent since then, and not for longer.
    silent_since: MonoTime,
    pub(super) memory: Growth,
}

impl Life {
    pub(super) fn starting(generation: Generation, now: MonoTime, timeout: Duration) -> Self {
        Self {
            generation,
            state: State::Starting,
            on_roster: false,
            pid: None,
            started_at: now,
            start_deadline: now + timeout,
            ready_since: None,
            drain_until: None,
            after_drain: End::Stop,
            overdue_at: None,
            stop_at: None,
            exit: None,
            last_words: LastWords::default(),
            incident: None,
            cut: 0,
            blocks_start: false,
            end_said: false,
            elsewhere_said: false,
            unready: None,
            in_flight: 0,
            peak: 0,
            last_tally_at: now,
            answered_last: 0,
            silent_since: now,
            memory: Growth::default(),
        }
    }

    pub(super) fn ready(&mut self, now: MonoTime) {
        self.state = State::Ready;
        self.ready_since = Some(now);
        self.last_tally_at = now;
        self.silent_since = now;
    }

    pub(super) fn tally(&mut self, now: MonoTime, tally: &Tally) {
        if tally.answered > 0 {
            // The answers came some time after the tally before this one: a worker that hung
            // right after that one must not look alive for up to a tick longer.
            self.silent_since = self.last_tally_at;
        }
        self.last_tally_at = now;
        self.answered_last = tally.answered;
        self.in_flight = tally.in_flight;
        self.peak = self.peak.max(tally.in_flight);
    }

    /// Nothing that came before now tells how long it has been silent.
    pub(super) fn stalled(&mut self, now: MonoTime, time: Duration) {
        self.last_tally_at = now;
        self.silent_since = now;
        if self.state == State::Starting {
            self.start_deadline = self.start_deadline + time;
        }
    }

    /// It has requests in flight and has answered none for this long.
    pub(super) fn hangs(&self, now: MonoTime, time: Duration) -> bool {
        self.in_flight > 0 && self.answered_last == 0 && now.since(self.silent_since) >= time
    }

    pub(super) fn served(&self, now: MonoTime) -> Option<Duration> {
        self.ready_since.map(|since| now.since(since))
    }

    /// `worker 3 (pid 812)`.
    pub(super) fn name(&self) -> String {
        match self.pid {
            Some(pid) => format!("worker {} (pid {pid})", self.generation),
            None => format!("worker {}", self.generation),
        }
    }
}
