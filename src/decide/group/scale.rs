//! The number of workers follows the load: quick to grow, slow to shrink, one at a time.

use super::Group;
use crate::{
    decide::{
        event::{Event, Kind, Level},
        policy::{Count, Follow},
        say::words,
    },
    time::MonoTime,
};

/// Requests in flight are smoothed over about so many milliseconds.
const SMOOTH_MS: u64 = 1_000;
/// One is stopped when the others would have less than this part of what makes one more start.
const EASILY_PERCENT: u64 = 70;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Grow,
    Shrink,
    /// Growing would be right, but there are as many as may be.
    Full,
}

/// What was seen of the load.
#[derive(Clone, Debug, Default)]
pub(super) struct Scaling {
    /// Thousandths of requests in flight.
    smooth: u64,
    at: MonoTime,
    serving: u32,
    over_since: Option<MonoTime>,
    under_since: Option<MonoTime>,
    /// That there can be no more has been said.
    full_said: bool,
}

impl Scaling {
    /// Requests in flight now, over so many workers that serve.
    fn look(
        &mut self,
        now: MonoTime,
        follow: &Follow,
        in_flight: u64,
        serving: u32,
    ) -> Option<Change> {
        self.smooth(now, in_flight.saturating_mul(1_000));
        if serving != self.serving {
            // Another number of workers is another question.
            self.serving = serving;
            (self.over_since, self.under_since) = (None, None);
        }
        if serving == 0 {
            return None;
        }
        let room = |workers: u32| u64::from(workers) * u64::from(follow.in_flight) * 1_000;
        let over = self.smooth > room(serving);
        let easily = room(serving - 1) / 100 * EASILY_PERCENT;
        let under = serving > follow.min && self.smooth <= easily;
        let since = |since: Option<MonoTime>, holds: bool| holds.then(|| since.unwrap_or(now));
        self.over_since = since(self.over_since, over);
        self.under_since = since(self.under_since, under);
        let lasts = |since: Option<MonoTime>, long| since.is_some_and(|at| now.since(at) >= long);
        if lasts(self.over_since, follow.grow_after) {
            return Some(match serving < follow.max {
                true => Change::Grow,
                false => Change::Full,
            });
        }
        self.full_said &= over;
        lasts(self.under_since, follow.shrink_after).then_some(Change::Shrink)
    }

    fn smooth(&mut self, now: MonoTime, value: u64) {
        let ms = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        self.at = now;
        let ms = ms.min(SMOOTH_MS);
        self.smooth = (self.smooth * (SMOOTH_MS - ms) + value * ms) / SMOOTH_MS;
    }

    fn again(&mut self) {
        (self.over_since, self.under_since) = (None, None);
    }

    fn mean(&self) -> u64 {
        (self.smooth + 500) / 1_000
    }
}

impl Group {
    /// Starts one more or stops one, if the load says so and nothing else is going on.
    pub(super) fn scale(&mut self) {
        let Count::Follow(follow) = self.policy.instances.count else {
            return;
        };
        if self.ending || self.now == self.scaling.at {
            return;
        }
        let staying = || self.slots.iter().filter(|slot| !slot.leaves);
        let serving = staying().filter(|slot| slot.engine.serves()).count();
        let lives = staying().flat_map(|slot| &slot.engine.lives);
        let in_flight = lives.filter(|l| l.on_roster).map(|l| l.in_flight).sum();
        let calm = serving == staying().count() && !staying().any(|slot| slot.engine.is_out());
        let count = u32::try_from(serving).unwrap_or(u32::MAX);
        let change = self.scaling.look(self.now, &follow, in_flight, count);
        let Some(change) = change.filter(|_| calm) else {
            return;
        };
        let mean = self.scaling.mean();
        let on = match count {
            1 => "1 worker".to_owned(),
            _ => format!("{count} workers"),
        };
        let seen = format!("{mean} requests in flight on {on}");
        match change {
            Change::Grow if !self.slots.iter().all(|slot| slot.engine.has_room()) => {
                self.say_full(&format!(
                    "{seen}, but memory has no room for one more worker"
                ));
            }
            Change::Full => {
                let text = format!("{seen}, more than {} each; there may", follow.in_flight);
                self.say_full(&format!("{text} be no more than {}", follow.max));
            }
            Change::Grow => {
                let text = format!(
                    "{seen}, more than {} each for {}: starting one more",
                    follow.in_flight,
                    words(follow.grow_after),
                );
                self.say_scaled(Level::Info, &text, count + 1);
                self.scaling.again();
                self.add();
            }
            Change::Shrink => {
                let text = format!(
                    "{seen}, so that one less is enough, for {}: stopping one",
                    words(follow.shrink_after),
                );
                self.say_scaled(Level::Info, &text, count - 1);
                self.scaling.again();
                self.remove();
            }
        }
    }

    fn say_full(&mut self, text: &str) {
        if !std::mem::replace(&mut self.scaling.full_said, true) {
            self.say_scaled(Level::Warn, text, self.scaling.serving);
        }
    }

    fn say_scaled(&mut self, level: Level, text: &str, workers: u32) {
        let event = Event::new(Kind::Scaled, level, text).number("workers", u64::from(workers));
        self.hear_own(event.number("in_flight", self.scaling.mean()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FOLLOW: Follow = Follow {
        min: 1,
        max: 3,
        in_flight: 20,
        grow_after: Duration::from_secs(1),
        shrink_after: Duration::from_secs(60),
    };

    /// What comes of a steady load, tick by tick, and after how many milliseconds.
    fn steady(scaling: &mut Scaling, from: u64, load: u64, serving: u32) -> Option<(Change, u64)> {
        (1..2_000).map(|tick| tick * 100).find_map(|ms| {
            let now = MonoTime::from_millis(from + ms);
            let change = scaling.look(now, &FOLLOW, load, serving)?;
            Some((change, ms))
        })
    }

    #[test]
    fn it_grows_soon_after_each_has_more_than_its_share_and_not_beyond_the_most() {
        let mut scaling = Scaling::default();
        let (change, after) = steady(&mut scaling, 0, 60, 1).unwrap();
        assert_eq!(change, Change::Grow);
        assert!((1_000..2_000).contains(&after), "{after}");
        let (change, _) = steady(&mut scaling, after, 70, 3).unwrap();
        assert_eq!(change, Change::Full);
    }

    #[test]
    fn it_shrinks_after_long_calm_and_not_below_the_least() {
        let mut scaling = Scaling::default();
        let (change, after) = steady(&mut scaling, 0, 5, 2).unwrap();
        assert_eq!(change, Change::Shrink);
        assert!((60_000..62_000).contains(&after), "{after}");
        assert_eq!(steady(&mut scaling, after, 0, 1), None);
    }

    #[test]
    fn a_load_between_the_two_changes_nothing() {
        // Two workers with 20 to 40 between them; one could not do more than 14 easily.
        for load in [15, 20, 39, 40] {
            let mut scaling = Scaling::default();
            assert_eq!(steady(&mut scaling, 0, load, 2), None, "{load}");
        }
    }

    #[test]
    fn a_short_burst_starts_nothing() {
        let mut scaling = Scaling::default();
        let mut looks = (1..600).map(|tick| {
            let load = if tick % 10 < 3 { 50 } else { 1 };
            scaling.look(MonoTime::from_millis(tick * 100), &FOLLOW, load, 1)
        });
        assert!(looks.all(|change| change.is_none()));
    }

    #[test]
    fn a_worker_that_comes_begins_the_count_anew() {
        let mut scaling = Scaling::default();
        let (_, first) = steady(&mut scaling, 0, 100, 1).unwrap();
        let (change, second) = steady(&mut scaling, first, 100, 2).unwrap();
        assert_eq!(change, Change::Grow);
        assert!(second >= 1_000, "{second}");
    }
}
