//! Replacing the worker, second half: the new one is ready, or fails, or either of the two dies.

use std::time::Duration;

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    handover::Handover,
    life::{End, State},
    recycle::{Cause, Phase, Recycle},
    recycling::OVERLAPS_FAILED,
    say::{millis, words},
};
use crate::words::Generation;

impl Engine {
    pub(super) fn replacement_ready(&mut self, new: Generation) {
        let Some(recycle) = &self.recycle else { return };
        let (cause, forced, stuck) = (recycle.cause, recycle.forced, recycle.stuck);
        let old = recycle
            .old
            .and_then(|old| self.life(old))
            .filter(|old| old.on_roster);
        let Some((old, peak)) = old.map(|old| (old.generation, old.peak)) else {
            self.admit(new, None);
            self.replaced();
            return;
        };
        if cause == Cause::Healthy && !forced {
            self.admit(new, Some(old));
            let slow_start = self.policy.recycle.slow_start;
            self.set_phase(Phase::Handover(Handover::new(self.now, slow_start, peak)));
            self.recycle_timeout();
            return;
        }
        self.admit(new, None);
        self.withdraw(old);
        self.cut_stuck(old, stuck);
        self.replaced_after_drain(old, forced);
    }

    /// The new worker has proved itself: the old one goes.
    pub(super) fn finish_handover(&mut self) {
        let Some(Recycle {
            phase: Phase::Handover(_),
            old: Some(old),
            ..
        }) = self.recycle
        else {
            return;
        };
        self.withdraw(old);
        self.replaced_after_drain(old, false);
    }

    fn replaced_after_drain(&mut self, old: Generation, at_once: bool) {
        let until = match at_once {
            true => self.now,
            false => self.now + self.policy.recycle.drain_timeout,
        };
        self.drain(old, until, End::Stop);
        self.replaced();
    }

    fn replaced(&mut self) {
        let Some(recycle) = &self.recycle else { return };
        let new = recycle.new.unwrap_or_default();
        let text = match recycle.old {
            Some(old) => format!("worker {old} replaced by worker {new}"),
            None => format!("worker {new} is up"),
        };
        let text = format!("{text} after {}", self.recycle_took());
        self.overlaps_failed = 0;
        self.recycle_delay.reset();
        self.end_recycle("replaced", &text);
    }

    /// The new worker did not get ready. What happens next, in words, if the old one still serves;
    /// else the slot is restarted like after any failed start.
    pub(super) fn replacement_failed(&mut self, new: Generation, taken: bool) -> Option<String> {
        let recycle = self
            .recycle
            .as_ref()
            .filter(|recycle| recycle.new == Some(new))?;
        let overlapped = recycle.overlaps();
        let old = recycle
            .old
            .filter(|old| self.life(*old).is_some_and(|old| old.on_roster));
        if overlapped {
            self.overlap_failed(taken);
        }
        let old = old?;
        let delay = self.recycle_not_before.since(self.now);
        Some(format!(
            "worker {old} keeps serving; rules recycle it not before {}",
            words(delay)
        ))
    }

    fn overlap_failed(&mut self, taken: bool) {
        self.overlaps_failed = self.overlaps_failed.saturating_add(1);
        self.overlap_impossible |= taken;
        self.recycle_not_before = self.now + self.recycle_delay.next(&mut self.rng);
    }

    /// Ends the recycle whose new worker did not get ready.
    pub(super) fn end_failed_recycle(&mut self, new: Generation, why: &str) {
        let Some(recycle) = self
            .recycle
            .as_ref()
            .filter(|recycle| recycle.new == Some(new))
        else {
            return;
        };
        let old = recycle
            .old
            .filter(|old| self.life(*old).is_some_and(|old| old.on_roster));
        let in_place = if self.overlap_impossible || self.overlaps_failed >= OVERLAPS_FAILED {
            "; the next recycle is in place"
        } else {
            ""
        };
        match old {
            Some(old) => {
                let text =
                    format!("worker {old} kept: worker {new} failed to start: {why}{in_place}");
                self.end_recycle("kept-old", &text);
            }
            None => {
                let text = format!("not replaced: worker {new} failed to start: {why}{in_place}");
                self.end_recycle("failed", &text);
            }
        }
    }

    /// A worker that served died during a recycle. What happens next, if the recycle sees to it.
    pub(super) fn recycle_survives(&mut self, dead: Generation) -> Option<String> {
        let recycle = self.recycle.as_ref()?;
        let old_died = recycle.old == Some(dead);
        let new = recycle.new.unwrap_or_else(|| self.newest.next());
        match (&recycle.phase, recycle.old) {
            (Phase::Starting, _) if old_died => Some(format!("worker {new} is already starting")),
            (Phase::Handover(_), _) if old_died => Some(format!("worker {new} serves already")),
            (Phase::Handover(_), Some(old)) => {
                self.overlap_failed(false);
                Some(format!("worker {old} keeps serving"))
            }
            (Phase::Quiet { .. }, _) => {
                self.set_phase(Phase::Stopping);
                Some("it was about to be replaced anyway".to_owned())
            }
            _ => None,
        }
    }

    /// The dead worker is off the roster: a handover that it was part of has ended.
    pub(super) fn end_handover_of(&mut self, dead: Generation) {
        let Some(Recycle {
            phase: Phase::Handover(_),
            old,
            ..
        }) = &self.recycle
        else {
            return;
        };
        match *old {
            Some(old) if old != dead => {
                let text = format!("worker {old} kept: worker {dead} died right after its start");
                self.end_recycle("kept-old", &text);
            }
            _ => self.replaced(),
        }
    }

    /// In place: the old worker's drain is over.
    pub(super) fn recycle_stops(&mut self, generation: Generation) {
        if let Some(recycle) = &mut self.recycle
            && recycle.old == Some(generation)
            && recycle.phase == Phase::Draining
        {
            recycle.phase = Phase::Stopping;
        }
    }

    /// In place: the old worker is gone, so that the new one may start.
    pub(super) fn recycle_gone(&mut self, generation: Generation) {
        if let Some(recycle) = &mut self.recycle
            && recycle.old == Some(generation)
            && matches!(recycle.phase, Phase::Draining | Phase::Stopping)
        {
            recycle.phase = Phase::Restarting;
            self.pending_start = Some(self.now);
        }
    }

    /// A hung worker that only waited for what could still be answered has nothing left.
    pub(super) fn end_hung(&mut self, generation: Generation) {
        let waits = self.life(generation).is_some_and(|life| {
            life.state == State::Draining && life.drain_until.is_none() && life.in_flight == 0
        });
        if waits {
            self.drain(generation, self.now, End::Kill);
        }
    }

    /// Ends the recycle under way.
    pub(super) fn end_recycle(&mut self, outcome: &'static str, text: &str) {
        let Some(recycle) = self.recycle.take() else {
            return;
        };
        if self
            .life(recycle.old.unwrap_or_default())
            .is_some_and(|old| {
                // A hung one that waited to be killed until something else served.
                old.state == State::Draining && old.drain_until.is_none()
            })
        {
            self.drain(recycle.old.unwrap_or_default(), self.now, End::Kill);
        }
        if let Some(old) = self.life_mut(recycle.old.unwrap_or_default())
            && old.on_roster
        {
            // When it leaves, it will be for something else.
            old.incident = None;
        }
        let text = format!("{text}; asked for: {}", recycle.reasons.join("; "));
        self.say_ended(recycle.incident, outcome, &text, Some(&recycle));
    }

    pub(super) fn say_ended(
        &mut self,
        incident: u64,
        outcome: &str,
        text: &str,
        of: Option<&Recycle>,
    ) {
        let level = match outcome {
            "replaced" => Level::Info,
            _ => Level::Warn,
        };
        let took = of.map_or(Duration::ZERO, |recycle| self.now.since(recycle.began));
        let mut event = Event::new(Kind::RecycleEnded, level, text)
            .of(incident)
            .text("outcome", outcome)
            .number("took_ms", millis(took));
        if let Some(recycle) = of {
            event = event.text("reasons", recycle.reasons.join("; "));
        }
        event.generation = of.and_then(|recycle| recycle.new);
        if let Some(old) = of.and_then(|recycle| recycle.old) {
            event = event.number("old", u64::from(old.0));
        }
        self.say(event);
        self.begin_trial(incident, outcome);
    }

    /// For the record, after how long.
    pub(super) fn recycle_took(&self) -> String {
        let began = self
            .recycle
            .as_ref()
            .map_or(self.now, |recycle| recycle.began);
        words(self.now.since(began))
    }
}
