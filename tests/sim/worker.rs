//! A fake worker with faults that its seed gives it.

use autoheal::{time::MonoTime, words::Exit};

/// What a worker takes that has kept nothing yet.
pub(crate) const FRESH: u64 = 50 << 20;

/// What may go wrong, as chances and rates. All zero: nothing does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Knobs {
    pub(crate) exits_at_start: f64,
    pub(crate) spawn_fails: f64,
    pub(crate) never_ready: f64,
    pub(crate) listens_elsewhere: f64,
    pub(crate) crashes_a_tick: f64,
    pub(crate) hangs_a_tick: f64,
    pub(crate) unhealthy_a_tick: f64,
    pub(crate) ignores_term: f64,
    pub(crate) never_drains: f64,
    pub(crate) fails_requests: f64,
    pub(crate) leak_per_request: u64,
    pub(crate) ready_after_ms_max: u64,
    pub(crate) stalls_a_tick: f64,
    pub(crate) words_a_tick: f64,
    pub(crate) nonsense_a_tick: f64,
    /// Of a dependency: that a probe fails, and that its answer is lost.
    pub(crate) needs_fail: f64,
    pub(crate) needs_lost: f64,
    /// Of requests: that one is slow.
    pub(crate) slow_requests: f64,
    /// That an unhealthy worker is well again.
    pub(crate) recovers_a_tick: f64,
    /// That a leaking worker gives back what it kept.
    pub(crate) collects_a_tick: f64,
    /// The most requests in flight that the number of workers may have to follow.
    pub(crate) load: u64,
}

impl Knobs {
    pub(crate) fn drawn(rng: &mut fastrand::Rng) -> Self {
        let mut chance = |most: f64| if rng.bool() { rng.f64() * most } else { 0.0 };
        Self {
            exits_at_start: chance(0.9),
            spawn_fails: chance(0.3),
            never_ready: chance(0.2),
            listens_elsewhere: chance(0.5),
            crashes_a_tick: chance(0.1),
            hangs_a_tick: chance(0.05),
            unhealthy_a_tick: chance(0.05),
            ignores_term: chance(1.0),
            never_drains: chance(1.0),
            fails_requests: chance(1.0),
            stalls_a_tick: chance(0.01),
            words_a_tick: chance(0.1),
            nonsense_a_tick: chance(0.1),
            needs_fail: chance(1.0),
            needs_lost: chance(0.2),
            slow_requests: chance(0.3),
            recovers_a_tick: chance(0.5),
            collects_a_tick: chance(0.1),
            load: if rng.bool() { rng.u64(0..100) } else { 0 },
            leak_per_request: if rng.bool() { rng.u64(0..1 << 21) } else { 0 },
            ready_after_ms_max: rng.u64(1..5_000),
        }
    }
}

/// One fake worker.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) instance: u32,
    pub(crate) state: Life,
    /// The engine has been told that it is gone.
    pub(crate) gone_told: bool,
    pub(crate) hung: bool,
    pub(crate) sick: bool,
    pub(crate) ignores_term: bool,
    pub(crate) never_drains: bool,
    pub(crate) bytes: u64,
    pub(crate) in_flight: u64,
    /// When those that are stuck came, and how many.
    pub(crate) stuck: Vec<(MonoTime, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Booting,
    Up,
    Dead,
}

impl Worker {
    pub(crate) fn drawn(rng: &mut fastrand::Rng, knobs: &Knobs, instance: u32) -> Self {
        Self {
            instance,
            state: Life::Booting,
            gone_told: false,
            hung: false,
            sick: false,
            ignores_term: rng.f64() < knobs.ignores_term,
            never_drains: rng.f64() < knobs.never_drains,
            bytes: FRESH,
            in_flight: 0,
            stuck: Vec::new(),
        }
    }

    pub(crate) fn lives(&self) -> bool {
        self.state != Life::Dead
    }

    pub(crate) fn heal(&mut self) {
        self.hung = false;
        self.sick = false;
        self.stuck.clear();
        self.in_flight = 0;
    }
}

/// How it ends when it ends by itself.
pub(crate) fn own_exit(rng: &mut fastrand::Rng) -> Exit {
    match rng.u8(0..4) {
        0 => Exit::Code(0),
        1 => Exit::Code(1),
        2 => Exit::Signal(11),
        _ => Exit::Signal(9),
    }
}
