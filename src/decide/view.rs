//! Looks at the engine without changing it.

use super::{
    engine::Engine,
    guard::Held,
    life::{Life, State, Want},
    recycle::{Phase, Recycle, strategy_word},
    snapshot::{
        BudgetView, GenerationView, InstanceView, RecycleView, RuleView, Snapshot, VerdictView,
    },
};
use crate::{
    time::MonoTime,
    words::{Door, Mode},
};

impl Engine {
    /// The engine at this moment, as plain data.
    #[must_use]
    pub fn snapshot(&self, now: MonoTime) -> Snapshot {
        let serves = self.lives.iter().any(|life| life.on_roster);
        let observes = self.policy.mode == Mode::Observe;
        let spent = if observes {
            &self.spent_observing
        } else {
            &self.spent
        };
        let left = spent.left(now, &self.policy.budget);
        Snapshot {
            phase: self.phase(),
            mode: self.policy.mode,
            generations: self
                .lives
                .iter()
                .map(|life| generation(life, self.instance, now))
                .collect(),
            rules: (0..self.rules.len())
                .map(|at| self.rule_view(at, now))
                .collect(),
            budget: BudgetView {
                left: left.window,
                of: self.policy.budget.recycles,
                window: self.policy.budget.window,
                left_today: left.day,
                per_day: self.policy.budget.per_day,
            },
            next_start: self.pending_start,
            down_since: (!serves).then_some(self.down_since),
            takes: self.takes(now),
            restart_wanted: self.restart_wanted(),
            unready: self.unready,
            hold_until: self.hold_until,
            recycle: self.recycle.as_ref().map(recycle),
            shutdown_deadline: self.ending.as_ref().map(|ending| ending.deadline_of_all()),
            last_incident: self.last_incident.clone(),
            dependencies: self.dependency_views(),
            poison: self.poison.views(),
            instances: vec![InstanceView {
                instance: self.instance,
                phase: self.phase(),
                next_start: self.pending_start,
            }],
        }
    }

    /// Whether a request that came now would be passed or parked. Who is about to end still takes
    /// some, but wants no more.
    fn takes(&self, now: MonoTime) -> bool {
        match self.door_now() {
            _ if self.ending.is_some() => false,
            None => true,
            Some(Door::Refuse { .. }) => false,
            Some(Door::Park {
                down_since,
                next_start,
            }) => {
                let wait = self.policy.parking_wait;
                now.since(down_since) <= wait && next_start <= now + wait
            }
        }
    }

    fn phase(&self) -> &'static str {
        if self.ending.is_some() {
            return "shutting down";
        }
        if self.lives.iter().any(|life| life.on_roster) {
            return "ready";
        }
        match self.want {
            _ if self.offline => "maintenance",
            Want::Stopped if self.lives.is_empty() => "stopped",
            Want::LeftDown if self.lives.is_empty() => "down",
            _ if self.starting().is_some() => "starting",
            Want::Up if self.restarts.gave_up() => "gave up",
            _ => match self.lives.last().map(|life| life.state) {
                Some(State::Draining) => "draining",
                Some(_) => "stopping",
                None => "waiting",
            },
        }
    }

    fn rule_view(&self, at: usize, now: MonoTime) -> RuleView {
        let rule = &self.rules[at];
        let reading = rule.reading(now);
        let firing = rule.running.is_some()
            || self
                .recycle
                .as_ref()
                .is_some_and(|r| r.rule.as_ref() == Some(&rule.rule.name));
        let (state, until) = match (
            self.disarmed(at, now).and_then(Held::until),
            rule.cooldown.until(now),
        ) {
            _ if self.relays() || rule.off().is_some() => ("off", None),
            (Some(until), _) => ("disarmed", Some(until)),
            _ if firing => ("firing", None),
            (_, Some(until)) => ("cooling", Some(until)),
            _ => ("armed", None),
        };
        let live = |held: &Held| match held {
            Held::Off(_) => rule.off().is_some(),
            Held::Turn => self.peers.out + self.peers.coming > 0,
            Held::Recycling(incident) => {
                let under_way = self.recycle.as_ref().map(|recycle| recycle.incident);
                under_way == Some(*incident)
            }
            Held::Overloaded(since) => self.overload.since(now) == Some(*since),
            Held::Dependency { .. } => self.dependency_at_fault() == Some(*held),
            held => held.until().is_some_and(|until| until > now),
        };
        let held = rule.held.filter(live);
        RuleView {
            name: rule.rule.name.clone(),
            instance: None,
            state,
            until,
            reading: rule.words(now),
            matching: reading.matching,
            total: reading.total,
            limit: reading.limit,
            held: held.map(|held| self.held_words(held, now)),
            firings: rule.firings,
            observes: self.policy.mode == Mode::Observe || rule.rule.mode == Mode::Observe,
            proactive: rule.rule.proactive,
            verdict: rule
                .efficacy
                .last
                .map(|(verdict, incident, at)| VerdictView {
                    verdict: verdict.name(),
                    incident,
                    at,
                }),
        }
    }
}

fn generation(life: &Life, instance: u32, now: MonoTime) -> GenerationView {
    GenerationView {
        generation: life.generation,
        instance,
        state: match life.state {
            State::Starting => "starting",
            State::Ready => "ready",
            State::Draining => "draining",
            State::Stopping => "stopping",
        },
        on_roster: life.on_roster,
        pid: life.pid,
        started_at: life.started_at,
        ready_since: life.ready_since,
        uptime: life.served(now),
        in_flight: life.in_flight,
        private_bytes: life.memory.last(),
    }
}

fn recycle(recycle: &Recycle) -> RecycleView {
    RecycleView {
        incident: recycle.incident,
        instance: None,
        reasons: recycle.reasons.clone(),
        strategy: strategy_word(recycle.strategy),
        phase: match recycle.phase {
            Phase::Starting | Phase::Restarting => "starting",
            Phase::Handover(_) => "handing over",
            Phase::Quiet { .. } => "waiting for quiet",
            Phase::Draining => "draining",
            Phase::Stopping => "stopping",
        },
        old: recycle.old,
        new: recycle.new,
        began: recycle.began,
    }
}
