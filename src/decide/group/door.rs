//! What requests and load balancers meet, of all instances together.

use super::{Group, Slot};
use crate::{decide::step::Step, explain::code::Code, words::Door};

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

/// Why a request is refused; the more hopeful, the earlier, as people are told of the phases.
const REFUSALS: [Code; 5] = [
    Code::ShuttingDown,
    Code::Maintenance,
    Code::WorkerGaveUp,
    Code::WorkerDown,
    Code::WorkerStoppedByOperator,
];

fn hope(code: &Code) -> usize {
    let place = REFUSALS.iter().position(|one| one == code);
    place.unwrap_or(REFUSALS.len())
}

/// What a request meets when two instances would have it meet these: it is parked if either has
/// hope, until the first one comes; else it is told of the one that may come back.
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
                code: next,
                retry_at: other,
            },
        ) => Door::Refuse {
            code: [code, next].into_iter().min_by_key(hope).unwrap_or(code),
            retry_at: match (retry_at, other) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MonoTime;

    #[test]
    fn of_two_that_refuse_the_one_that_may_come_back_is_told_of_in_either_order() {
        let retry_at = Some(MonoTime::from_millis(9));
        let gave_up = Door::Refuse {
            code: Code::WorkerGaveUp,
            retry_at,
        };
        let left_down = Door::Refuse {
            code: Code::WorkerDown,
            retry_at: None,
        };
        assert_eq!(kinder(gave_up, left_down), gave_up);
        assert_eq!(kinder(left_down, gave_up), gave_up);
    }
}
