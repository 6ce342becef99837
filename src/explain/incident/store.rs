//! The incidents that are remembered: so many at most, the latest.

use std::collections::BTreeMap;

use super::{Incident, Line, State};

/// So many are remembered.
pub const INCIDENTS_MAX: usize = 100;

/// Incidents by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Incidents(BTreeMap<u64, Incident>);

impl Incidents {
    /// Those that these lines of the journal tell of, the oldest line first. What was open when the
    /// lines end stays open.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for line in lines.into_iter().filter_map(Line::read) {
            all.take(&line);
        }
        all
    }

    /// Takes a line of the journal in; gives the number of the incident that it began.
    pub fn take(&mut self, line: &Line) -> Option<u64> {
        let id = line.incident()?;
        if line.text("kind") == "incident-closed" {
            if let Some(whole) = Incident::from_json(line.value("record")) {
                self.0.insert(id, whole);
            }
            self.forget_surplus();
            return None;
        }
        if line.text("kind") == "recycling-does-not-help"
            && let Some(last) = line.number("last").and_then(|last| self.0.get_mut(&last))
        {
            last.take(line);
        }
        if let Some(incident) = self.0.get_mut(&id) {
            incident.take(line);
            return None;
        }
        self.0.insert(id, Incident::begun_by(id, line));
        self.forget_surplus();
        Some(id)
    }

    fn forget_surplus(&mut self) {
        while self.0.len() > INCIDENTS_MAX {
            self.0.pop_first();
        }
    }

    /// Nothing more will come of what is open: whoever wrote of it has ended.
    pub fn cut_off(&mut self) {
        for incident in self.0.values_mut() {
            if matches!(incident.state, State::Open | State::Judging) {
                incident.state = State::CutOff;
            }
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Incident> {
        self.0.get(&id)
    }

    /// One of them.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Incident> {
        self.0.get_mut(&id)
    }

    /// All, the latest first.
    pub fn latest(&self) -> impl Iterator<Item = &Incident> {
        self.0.values().rev()
    }

    /// So many are remembered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// What to say of a number that none of these incidents has.
#[must_use]
pub fn cure_for_unknown(ids: &[u64], wanted: u64) -> String {
    let mut near = ids.to_vec();
    near.sort_by_key(|id| id.abs_diff(wanted));
    near.truncate(3);
    near.sort_unstable();
    let near: Vec<_> = near.iter().map(u64::to_string).collect();
    match &near[..] {
        [] => "there was none so far".to_owned(),
        near => format!(
            "near it: {}; autoheal incidents lists them all",
            near.join(", ")
        ),
    }
}
