//! What requests and load balancers meet, of all instances together.

use super::{Group, Slot};
use crate::decide::step::{Door, Step};

impl Group {
    /// Tells what a new request meets, if nothing serves and it is not what was told last. `told`:
    /// that one has just said that nothing of it serves.
    pub(super) fn refresh_door(&mut self, told: Option<usize>) {
        let serves = |(at, slot): (usize, &Slot)| told != Some(at) && slot.engine.serves();
        if self.slots.iter().enumerate().any(serves) {
            return;
        }
        let since = *self.down_since.get_or_insert(self.now);
        let only = self.slots.len() == 1;
        let doors = self.slots.iter().filter(|slot| only || !slot.leaves);
        let mut door = doors.filter_map(|slot| slot.door).reduce(kinder);
        if let Some(Door::Park { down_since, .. }) = &mut door
            && !only
        {
            // The last one that served may be one without hope, or one that goes for good.
            *down_since = since;
        }
        if let Some(door) = door
            && self.door != Some(door)
        {
            self.door = Some(door);
            self.steps.push_back(Step::Door(door));
        }
    }

    /// All are not ready as long as a rule says so of one.
    pub(super) fn refresh_readiness(&mut self) {
        let unready = self.slots.iter().any(|slot| slot.engine.unready);
        if std::mem::replace(&mut self.unready, unready) != unready {
            self.steps.push_back(Step::Unready(unready));
        }
    }
}

/// What a request meets when two instances would have it meet these: it is parked if either has
/// hope, until the first one comes.
fn kinder(one: Door, other: Door) -> Door {
    match (one, other) {
        (
            Door::Park {
                down_since,
                next_start,
            },
            Door::Park {
                down_since: _,
                next_start: next,
            },
        ) => Door::Park {
            down_since,
            next_start: next_start.min(next),
        },
        (Door::Refuse { .. }, Door::Park { .. }) => other,
        (Door::Park { .. }, Door::Refuse { .. }) => one,
        (
            Door::Refuse { code, retry_at },
            Door::Refuse {
                code: _,
                retry_at: other,
            },
        ) => Door::Refuse {
            code,
            retry_at: match (retry_at, other) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
        },
    }
}
