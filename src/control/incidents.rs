//! Incidents while they go on: opens them, charges them with what requests met, closes them.
//!
//! The cost of an incident is what the data threads' ledgers counted from a moment before it was
//! known (the requests of a dead worker fail before its exit is told) until nothing more is done
//! about it and every request that was parked or sent once more has its answer. A verdict may take
//! longer; what happens meanwhile is not charged.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    Control,
    order::{IncidentCount, IncidentsStatus, Refusal},
};
use crate::{
    decide::{
        event::{Event, Field, Kind, Level},
        open::Stage,
    },
    explain::incident::{
        Incident, Line, State,
        ledger::Cost,
        store::{self, INCIDENTS_MAX},
        story,
    },
    observe::{
        delay::DelaySum,
        ledger::{Ledger, Sums},
    },
    time::{self, MonoTime, WallTime},
};

impl Control {
    /// Closes the incidents that are over.
    pub(super) fn follow_incidents(&mut self) {
        if self.incidents.open.is_empty() {
            return;
        }
        let counted = Counted::of(&self.parts.ledgers);
        let (stages, at) = (self.engine.open_incidents(), (time::wall(), time::now()));
        for event in self.incidents.follow(stages, &counted, at) {
            self.say(event);
        }
    }

    /// Ends those that are open: nobody will follow them any more.
    pub(super) fn end_incidents(&mut self) {
        let counted = Counted::of(&self.parts.ledgers);
        for event in self.incidents.end(&counted, (time::wall(), time::now())) {
            self.say(event);
        }
    }
}

/// What was counted longer before an incident was known is not charged to it.
const LOOK_BACK_TICKS: usize = 10;
/// Requests that were parked or sent once more are waited for no longer than this.
const SETTLE: Duration = Duration::from_secs(30);

/// What the data threads counted up to a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    sums: Sums,
    delays: DelaySum,
}

impl Counted {
    pub(super) fn of(ledgers: &[Arc<Ledger>]) -> Self {
        let mut counted = Self::default();
        for ledger in ledgers {
            ledger.add_to(&mut counted.sums);
            ledger.add_delays_to(&mut counted.delays);
        }
        counted
    }

    /// Requests of these that have no answer yet: no more than there were since then.
    fn unsettled(&self, before: &Self) -> u64 {
        let all = self.sums.troubled.saturating_sub(self.sums.settled);
        all.min(self.sums.troubled - before.sums.troubled)
    }

    /// What came since.
    fn since(&self, before: &Self) -> Cost {
        let (now, then) = (&self.sums, &before.sums);
        let ended = |sums: &Sums| sums.completed + sums.aborted + sums.refused + sums.failed;
        let delays = self.delays.since(&before.delays);
        let by_code = now.codes.iter().filter_map(|(code, count)| {
            let more = count - then.codes.get(code).unwrap_or(&0);
            (more > 0).then(|| (code.to_string(), more))
        });
        let ms = |delay: Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Cost {
            ended: ended(now) - ended(then),
            parked: now.parked - then.parked,
            replayed: now.replayed - then.replayed,
            refused: now.refused - then.refused,
            failed: now.failed - then.failed,
            client_aborted: now.aborted - then.aborted,
            by_code: by_code.collect(),
            late: delays.count(),
            delay_median_ms: delays.median().map(ms),
            delay_worst_ms: delays.worst().map(ms),
            saved: now.saved - then.saved,
            unsettled: self.unsettled(before),
            shared_with: Vec::new(),
        }
    }
}

/// One that is not over.
#[derive(Debug)]
struct Open {
    since: MonoTime,
    before: Counted,
    charging: Charging,
    /// Captures and notices of it that are under way.
    errands: u32,
    shared_with: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charging {
    /// It was just opened.
    NotYet,
    /// Something is done about it.
    Healing,
    /// All is done, but for the requests that met it.
    Settling {
        until: MonoTime,
    },
    Over,
}

impl Open {
    fn is_charged(&self) -> bool {
        matches!(self.charging, Charging::Healing | Charging::Settling { .. })
    }

    fn cost(&self, counted: &Counted) -> Cost {
        Cost {
            shared_with: self.shared_with.clone(),
            ..counted.since(&self.before)
        }
    }
}

/// All that are remembered, and what is needed of those that are not over.
#[derive(Debug)]
pub(super) struct Incidents {
    known: store::Incidents,
    open: BTreeMap<u64, Open>,
    /// What was counted at the last ticks, the oldest first.
    past: VecDeque<Counted>,
    /// How many are over, by kind and how they came out.
    over: BTreeMap<(&'static str, String), u64>,
}

impl Incidents {
    /// With those that these lines of the journal tell of.
    pub(super) fn of(lines: &[Arc<str>]) -> Self {
        let mut known = store::Incidents::of(lines.iter().map(|line| &**line));
        known.cut_off();
        Self {
            known,
            open: BTreeMap::new(),
            // Nothing was counted before the start.
            past: VecDeque::from([Counted::default()]),
            over: BTreeMap::new(),
        }
    }

    /// A tick has passed.
    pub(super) fn tick(&mut self, counted: Counted) {
        if self.past.len() > LOOK_BACK_TICKS {
            self.past.pop_front();
        }
        self.past.push_back(counted);
    }

    /// Takes in what was said; `line` is its line in the journal.
    pub(super) fn hear(&mut self, event: &Event, line: &str, now: MonoTime) {
        let Some(id) = event.incident else { return };
        if matches!(event.kind, Kind::Captured | Kind::Notified)
            && let Some(open) = self.open.get_mut(&id)
        {
            open.errands = open.errands.saturating_sub(1);
        }
        let Some(line) = Line::read(line) else { return };
        if let Some(id) = self.known.take(&line) {
            let open = Open {
                since: now,
                before: self.past.front().cloned().unwrap_or_default(),
                charging: Charging::NotYet,
                errands: 0,
                shared_with: Vec::new(),
            };
            self.open.insert(id, open);
        }
    }

    /// Something of it is under way that the engine does not wait for.
    pub(super) fn errand(&mut self, id: u64) {
        if let Some(open) = self.open.get_mut(&id) {
            open.errands = open.errands.saturating_add(1);
        }
    }

    /// Follows those that are open, as the engine tells of them; what there is to say of those that
    /// are over.
    fn follow(
        &mut self,
        stages: impl Iterator<Item = (u64, Stage)>,
        counted: &Counted,
        at: (WallTime, MonoTime),
    ) -> Vec<Event> {
        let mut earliest = BTreeMap::new();
        for (id, stage) in stages {
            let known = earliest.entry(id).or_insert(stage);
            *known = stage.min(*known);
        }
        let ids: Vec<u64> = self.open.keys().copied().collect();
        for id in &ids {
            self.advance(*id, earliest.get(id).copied(), counted, at.1);
        }
        self.share();
        let over = |open: &Open| open.charging == Charging::Over && open.errands == 0;
        let ended = ids
            .into_iter()
            .filter(|id| !earliest.contains_key(id) && self.open.get(id).is_some_and(over));
        let ended: Vec<u64> = ended.collect();
        let events = ended
            .into_iter()
            .map(|id| self.close(id, State::Closed, at));
        events.flatten().collect()
    }

    fn advance(&mut self, id: u64, stage: Option<Stage>, counted: &Counted, now: MonoTime) {
        let (Some(open), Some(incident)) = (self.open.get_mut(&id), self.known.get_mut(id)) else {
            self.open.remove(&id);
            return;
        };
        let heals = stage == Some(Stage::Healing) || open.errands > 0;
        open.charging = match open.charging {
            Charging::NotYet if heals => Charging::Healing,
            // Nothing was done that could cost anything.
            Charging::NotYet => Charging::Over,
            Charging::Healing if heals => Charging::Healing,
            Charging::Healing => Charging::Settling {
                until: now + SETTLE,
            },
            Charging::Settling { .. } if heals => Charging::Healing,
            other => other,
        };
        if let Charging::Settling { until } = open.charging
            && (counted.unsettled(&open.before) == 0 || now >= until)
        {
            open.charging = Charging::Over;
            incident.charge(open.cost(counted));
            // Nothing is charged twice to two that come one after the other.
            self.past.clear();
            self.past.push_back(counted.clone());
        }
        if open.charging == Charging::Over && stage == Some(Stage::Judging) {
            incident.state = State::Judging;
        }
    }

    /// Those that are charged at the same time share what is counted.
    fn share(&mut self) {
        let charged = self.open.iter().filter(|(_, open)| open.is_charged());
        let charged: Vec<u64> = charged.map(|(id, _)| *id).collect();
        for id in &charged {
            if let Some(open) = self.open.get_mut(id) {
                for other in charged.iter().filter(|other| *other != id) {
                    if !open.shared_with.contains(other) {
                        open.shared_with.push(*other);
                    }
                }
            }
        }
    }

    fn close(&mut self, id: u64, state: State, (wall, now): (WallTime, MonoTime)) -> Option<Event> {
        let open = self.open.remove(&id)?;
        let incident = self.known.get_mut(id)?;
        let lasted = u64::try_from(now.since(open.since).as_millis()).unwrap_or(u64::MAX);
        incident.close(wall.to_string(), lasted);
        incident.state = state;
        if let Some(cost) = incident.cost.take() {
            // The verdict may have come since.
            incident.charge(cost);
        }
        let how = incident.came_out().to_owned();
        *self.over.entry((incident.kind.name(), how)).or_default() += 1;
        Some(Event {
            kind: Kind::IncidentClosed,
            // It is the evidence that outlives the pod, where the log keeps warnings only, too.
            level: match incident.hurt() {
                true => Level::Warn,
                false => Level::Info,
            },
            generation: None,
            incident: Some(id),
            text: story::in_short(incident),
            fields: vec![("record", Field::Json(incident.to_json()))],
        })
    }

    fn end(&mut self, counted: &Counted, at: (WallTime, MonoTime)) -> Vec<Event> {
        let ids: Vec<u64> = self.open.keys().copied().collect();
        let events = ids.into_iter().map(|id| {
            if let (Some(open), Some(incident)) = (self.open.get(&id), self.known.get_mut(id))
                && open.is_charged()
            {
                incident.charge(open.cost(counted));
            }
            self.close(id, State::CutOff, at)
        });
        events.flatten().collect()
    }

    /// One as it is now.
    fn as_of_now(&self, incident: &Incident, counted: &Counted, now: MonoTime) -> Incident {
        let mut seen = incident.clone();
        if let Some(open) = self.open.get(&incident.id) {
            seen.lasted_ms = u64::try_from(now.since(open.since).as_millis()).unwrap_or(u64::MAX);
            if open.is_charged() {
                seen.charge(open.cost(counted));
            }
        }
        seen
    }

    /// At most so many, the latest first, each as JSON.
    pub(super) fn list(&self, limit: usize, counted: &Counted, now: MonoTime) -> Vec<String> {
        let latest = self.known.latest().take(limit);
        latest
            .map(|incident| self.as_of_now(incident, counted, now).to_json())
            .collect()
    }

    /// One as JSON; `None`: the latest.
    pub(super) fn tell(
        &self,
        id: Option<u64>,
        counted: &Counted,
        now: MonoTime,
    ) -> Result<String, Refusal> {
        let found = match id {
            Some(id) => self.known.get(id),
            None => self.known.latest().next(),
        };
        if let Some(incident) = found {
            return Ok(self.as_of_now(incident, counted, now).to_json());
        }
        let ids: Vec<u64> = self.known.latest().map(|incident| incident.id).collect();
        Err(match id {
            Some(id) => Refusal {
                what: format!("there is no incident {id}, or it is no longer remembered"),
                cure: store::cure_for_unknown(&ids, id),
            },
            None => Refusal {
                what: "there was no incident".to_owned(),
                cure: "autoheal events shows what else happened".to_owned(),
            },
        })
    }

    pub(super) fn status(&self) -> IncidentsStatus {
        let over = self.over.iter();
        let closed = over.map(|((kind, outcome), count)| IncidentCount {
            kind: (*kind).to_owned(),
            outcome: outcome.clone(),
            count: *count,
        });
        IncidentsStatus {
            open: self.open.len() as u64,
            remembered: self.known.count() as u64,
            remembered_max: INCIDENTS_MAX as u64,
            closed: closed.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
