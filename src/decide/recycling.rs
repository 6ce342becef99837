//! Replacing the worker, first half: from the wish to the moment when the new one is on its way.

use std::time::Duration;

use super::{
    attached::UNASKED,
    engine::Engine,
    event::{Event, Kind, Level},
    life::End,
    life::Want,
    policy::{Strategy, TICK},
    recycle::{Cause, Phase, Recycle, Wish, strategy_word},
    step::Step,
};
use crate::words::Generation;

/// After so many failed overlaps in a row the next recycle is in place.
pub(super) const OVERLAPS_FAILED: u32 = 2;
/// A start takes this long at least, for what is forecast.
const START_LEAST: Duration = Duration::from_millis(200);

impl Engine {
    /// Replaces the worker, or joins the recycle that runs. Returns the incident of it.
    pub(super) fn request_recycle(&mut self, wish: Wish) -> u64 {
        if matches!(
            self.recycle,
            Some(Recycle {
                phase: Phase::Handover(_),
                ..
            })
        ) {
            self.finish_handover();
        }
        if let Some(recycle) = &mut self.recycle {
            recycle.add_reason(wish.reason);
            let incident = recycle.incident;
            if wish.forced {
                self.hurry();
            }
            return incident;
        }
        let incident = wish.incident.unwrap_or_else(|| self.new_incident());
        let refusal = if self.ending.is_some() {
            Some("autoheal is stopping")
        } else if self.offline {
            Some("the maintenance page is there: remove it")
        } else if self.want == Want::Stopped && !wish.forced {
            Some("an operator stopped the worker: start it instead")
        } else if self.is_unasked() {
            Some(UNASKED)
        } else {
            None
        };
        if let Some(why) = refusal {
            self.say_ended(
                incident,
                "failed",
                &format!("nothing is recycled: {why}"),
                None,
            );
            return incident;
        }
        if let Some(code) = self.our_exit() {
            self.exit_with_it(code, incident, &wish);
            return incident;
        }
        match self.serving {
            Some(old) => self.begin(old, incident, wish),
            None => self.begin_without_old(incident, wish),
        }
        incident
    }

    fn begin(&mut self, old: Generation, incident: u64, wish: Wish) {
        let (strategy, note) = self.strategy_for(&wish);
        let text = format!(
            "recycling worker {old} ({}{note}) to {}: {}",
            strategy_word(strategy),
            self.successor(strategy),
            wish.reason,
        );
        let event = Event::new(Kind::RecycleBegun, Level::Info, text)
            .about(old)
            .of(incident);
        let event = event.text("reason", wish.reason.clone());
        self.say(event.text("strategy", strategy_word(strategy)));
        self.story = Some(incident);
        if let Some(life) = self.life_mut(old) {
            life.incident = Some(incident);
        }
        self.recycle = Some(Recycle {
            incident,
            reasons: vec![wish.reason],
            strategy,
            cause: wish.cause,
            forced: wish.forced,
            old: Some(old),
            new: None,
            began: self.now,
            rule: wish.rule,
            stuck: wish.stuck,
            memory_limit: wish.memory_limit,
            phase: Phase::Starting,
        });
        let others_serve = self.peers.serving > 0;
        if strategy == Strategy::Overlap {
            self.pending_start = Some(self.now);
            if wish.cause == Cause::Hung || (wish.cause == Cause::Sick && others_serve) {
                self.withdraw(old);
                self.cut_stuck(old, wish.stuck);
            }
            if wish.cause == Cause::Sick && others_serve {
                let until = self.now + self.policy.recycle.drain_timeout;
                self.drain(old, until, End::Stop);
            }
        } else if wish.cause == Cause::Healthy && !wish.forced && !others_serve {
            let until = self.now + self.policy.recycle.drain_timeout;
            self.set_phase(Phase::Quiet { until });
            self.push(Step::AwaitQuiet {
                generation: old,
                until,
            });
        } else {
            self.park_and_drain();
        }
    }

    /// Nothing serves: what is wanted is a start, now.
    fn begin_without_old(&mut self, incident: u64, wish: Wish) {
        let under_way = self.starting().map(|life| life.generation);
        let text = match under_way {
            Some(new) if !wish.forced => {
                format!("recycle: worker {new} is already starting: {}", wish.reason)
            }
            _ => format!("recycle: nothing serves, starting anew: {}", wish.reason),
        };
        let event = Event::new(Kind::RecycleBegun, Level::Info, text).of(incident);
        self.say(event.text("reason", wish.reason.clone()));
        self.want = Want::Up;
        self.restarts.reset();
        self.story = Some(incident);
        self.recycle = Some(Recycle {
            incident,
            reasons: vec![wish.reason],
            strategy: self.policy.recycle.strategy,
            cause: wish.cause,
            forced: wish.forced,
            old: None,
            new: under_way,
            began: self.now,
            rule: wish.rule,
            stuck: None,
            memory_limit: None,
            phase: Phase::Restarting,
        });
        if under_way.is_none() {
            self.pending_start = Some(self.now);
        } else if wish.forced {
            self.start_anew();
        }
    }

    /// What is asked for, unless overlaps of this worker don't work; with a note if so.
    pub(super) fn strategy_for(&self, wish: &Wish) -> (Strategy, &'static str) {
        let automatic = wish.strategy.is_none() && self.policy.recycle.needs_room;
        match wish.strategy.unwrap_or(self.policy.recycle.strategy) {
            Strategy::Overlap if self.overlap_impossible => (
                Strategy::InPlace,
                ", as an overlap ended in an address in use",
            ),
            Strategy::Overlap if self.overlaps_failed >= OVERLAPS_FAILED => {
                (Strategy::InPlace, ", as two overlaps in a row failed")
            }
            Strategy::Overlap if automatic && !self.has_room() => {
                (Strategy::InPlace, ", as memory has no room for two")
            }
            strategy => (strategy, ""),
        }
    }

    /// Whether memory has room for one more worker: a fifth more than the last start took. Where
    /// that can't be read it is taken for granted.
    pub(super) fn has_room(&self) -> bool {
        let needed = self.start_took.1.0 + self.start_took.1.0 / 5;
        let starts = 1 + u64::from(self.peers.starting);
        self.room
            .is_none_or(|room| room.0 >= needed.saturating_mul(starts))
    }

    /// In place, the moment that matters to clients: from here on they wait.
    fn park_and_drain(&mut self) {
        let Some(recycle) = &self.recycle else { return };
        let (cause, forced, stuck) = (recycle.cause, recycle.forced, recycle.stuck);
        let Some(old) = recycle.old else { return };
        self.set_phase(Phase::Draining);
        self.withdraw(old);
        self.cut_stuck(old, stuck);
        let at_once = forced || cause == Cause::Hung;
        let time = if at_once {
            Duration::ZERO
        } else {
            self.parked_drain()
        };
        let end = if cause == Cause::Hung {
            End::Kill
        } else {
            End::Stop
        };
        self.drain(old, self.now + time, end);
    }

    pub(super) fn cut_stuck(&mut self, generation: Generation, rule: Option<usize>) {
        if let Some(rule) = rule {
            self.push(Step::CutStuck { generation, rule });
        }
    }

    fn end_quiet(&mut self) {
        let quiet = |recycle: &Recycle| matches!(recycle.phase, Phase::Quiet { .. });
        if self.recycle.as_ref().is_some_and(quiet) {
            self.park_and_drain();
        }
    }

    pub(super) fn quiet(&mut self, generation: Generation) {
        if self.recycle.as_ref().and_then(|recycle| recycle.old) == Some(generation) {
            self.end_quiet();
        }
    }

    /// Someone wants it now, whatever is in flight.
    fn hurry(&mut self) {
        let Some(recycle) = &mut self.recycle else {
            return;
        };
        recycle.forced = true;
        let old = recycle.old;
        match (&recycle.phase, old) {
            (Phase::Starting | Phase::Restarting, _) => self.start_anew(),
            (Phase::Quiet { .. }, _) => self.park_and_drain(),
            (Phase::Draining, Some(old)) => self.drain(old, self.now, End::Stop),
            (Phase::Stopping, Some(old)) => self.kill(old),
            _ => {}
        }
    }

    /// Kills the start under way, if there is one, and starts anew as soon as it is gone.
    pub(super) fn start_anew(&mut self) {
        if let Some(generation) = self.starting().map(|life| life.generation) {
            if let Some(life) = self.life_mut(generation) {
                life.blocks_start = true;
            }
            self.kill(generation);
        }
        if let Some(recycle) = &mut self.recycle {
            recycle.new = None;
        }
        self.pending_start = Some(self.now);
    }

    /// The worker that is replaced for its memory serves only as long as it will not have
    /// outgrown its limit by more than a quarter when the new one is ready, or else soon.
    pub(super) fn watch_projection(&mut self) {
        let Some(recycle) = &self.recycle else { return };
        let (Some(limit), Some(old)) = (recycle.memory_limit, recycle.old) else {
            return;
        };
        let starts = recycle.phase == Phase::Starting;
        let started = self.starting().map(|life| self.now.since(life.started_at));
        let rest = self
            .last_start_took
            .saturating_sub(started.unwrap_or_default());
        let time = if starts {
            rest.max(START_LEAST)
        } else {
            START_LEAST
        };
        let most = limit.0.saturating_add(limit.0 / 4);
        let Some(life) = self.life(old) else { return };
        if !life.on_roster || life.memory.projected(time) <= most {
            return;
        }
        if starts {
            self.withdraw(old);
            let until = self.now + self.policy.recycle.drain_timeout;
            self.drain(old, until, End::Stop);
        } else {
            self.finish_handover();
            self.end_quiet();
        }
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        if let Some(recycle) = &mut self.recycle {
            recycle.phase = phase;
        }
    }

    pub(super) fn recycle_timeout(&mut self) {
        let now = self.now;
        let due = match self.recycle.as_mut().map(|recycle| &mut recycle.phase) {
            Some(Phase::Handover(handover)) => handover.over(now),
            Some(Phase::Quiet { until }) => now >= *until + TICK,
            _ => false,
        };
        if due {
            self.finish_handover();
            self.end_quiet();
        }
    }
}
