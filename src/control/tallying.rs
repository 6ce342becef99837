//! From counters that only grow to what happened since the last tick.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    act::Seen,
    decide::{
        observation::{RuleCount, Tally},
        policy::{Policy, TICK},
        trigger::{LEAK_SHARE, MemoryLimit, Trigger},
    },
    observe::tally::{Registry, Rules, Totals},
    sense::memory::Thresholds,
    time::MonoTime,
    words::Generation,
};

/// A tick that is late by more than this means that we, or the machine, stood still.
const STALL: Duration = Duration::from_secs(2);
/// One that is late by more than this, if it was for want of CPU quota...
const THROTTLED: Duration = Duration::from_millis(500);
/// ...but no more often than this...
const THROTTLED_MOST: usize = 5;
/// ...in this time.
const MINUTE: Duration = Duration::from_secs(60);
/// So long after a stall what data threads find slow is the stall's doing.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Requests by route.
type ByRoute = Vec<(Arc<str>, u64)>;

/// Remembers what was counted before.
#[derive(Debug)]
pub(super) struct Tallying {
    registry: Arc<Registry>,
    rules: Arc<Rules>,
    last: HashMap<Generation, Totals>,
    woken: Option<MonoTime>,
    /// Stalls of the last minute that the quota caused.
    throttled: Vec<MonoTime>,
    /// Counts are dropped until then.
    void_until: MonoTime,
    /// What routes requests were for, as of the last call.
    routes: Vec<(Generation, ByRoute)>,
}

impl Tallying {
    pub(super) fn new(registry: Arc<Registry>, rules: Arc<Rules>) -> Self {
        Self {
            registry,
            rules,
            last: HashMap::new(),
            woken: None,
            throttled: Vec::new(),
            void_until: MonoTime::ZERO,
            routes: Vec::new(),
        }
    }

    pub(super) fn set_rules(&mut self, rules: Arc<Rules>) {
        self.rules = rules;
        self.last.clear();
    }

    /// For how long nothing ran, if that is long. `throttled`: for how long our control group was
    /// stopped of late. Ask before anything is told to the engine; the loop wakes at least once a
    /// tick.
    pub(super) fn stalled(
        &mut self,
        now: MonoTime,
        throttled: impl FnOnce() -> Duration,
    ) -> Option<Duration> {
        let late = now.since(self.woken.replace(now)? + TICK);
        if late < STALL && (late < THROTTLED || !self.by_throttling(now, late, throttled)) {
            return None;
        }
        self.void_until = now + AFTERMATH;
        Some(late)
    }

    /// Whether it is the quota of our control group that kept us from running. A group that is
    /// stopped all the time does not stall any more: that is how it runs.
    fn by_throttling(
        &mut self,
        now: MonoTime,
        late: Duration,
        throttled: impl FnOnce() -> Duration,
    ) -> bool {
        self.throttled.retain(|at| now.since(*at) < MINUTE);
        let by_it = self.throttled.len() < THROTTLED_MOST && throttled() >= late / 2;
        if by_it {
            self.throttled.push(now);
        }
        by_it
    }

    /// Takes what routes each worker's requests were for.
    pub(super) fn routes(&mut self) -> Vec<(Generation, ByRoute)> {
        std::mem::take(&mut self.routes)
    }

    /// What each worker did since the last call. `lines`: how many of a worker's lines had what a
    /// condition of this configuration looks for, by its place.
    pub(super) fn take(
        &mut self,
        now: MonoTime,
        seen: &[Seen],
        lines: impl Fn(Generation, u64) -> Vec<(usize, u64)>,
    ) -> Vec<Tally> {
        let void = now < self.void_until;
        let epoch = self.rules.epoch();
        let mut tallies = Vec::with_capacity(seen.len());
        for one in seen {
            let mut new = self.registry.totals(one.generation, epoch);
            for (at, count) in lines(one.generation, epoch) {
                // Before any data thread knows the worker, its lines are counted already.
                let conditions = self.rules.conditions();
                new.rules.resize(conditions, (0, 0));
                if let Some(sum) = new.rules.get_mut(at) {
                    *sum = (count, count);
                }
            }
            let old = self
                .last
                .insert(one.generation, new.clone())
                .unwrap_or_default();
            let routes = by_route(&old, &new);
            if !routes.is_empty() {
                self.routes.push((one.generation, routes));
            }
            let mut tally = difference(one.generation, &old, &new);
            tally.in_flight = one.in_flight;
            if void {
                tally.rules.fill(RuleCount::default());
            }
            tallies.push(tally);
        }
        let alive: Vec<Generation> = seen.iter().map(|one| one.generation).collect();
        if self.last.len() > alive.len() {
            self.last.retain(|generation, _| alive.contains(generation));
            self.registry.retain(&alive, epoch);
        }
        tallies
    }
}

/// What came since, by route; nothing where no rule asks.
fn by_route(old: &Totals, new: &Totals) -> ByRoute {
    let routes = new.routes.iter().map(|(route, count)| {
        let before = old.routes.get(route).copied().unwrap_or(0);
        (route.clone(), count.saturating_sub(before))
    });
    routes.filter(|(_, count)| *count > 0).collect()
}

fn difference(generation: Generation, old: &Totals, new: &Totals) -> Tally {
    let zero = (0, 0);
    let rules = new
        .rules
        .iter()
        .enumerate()
        .map(|(index, (matching, total))| {
            let old = old.rules.get(index).unwrap_or(&zero);
            RuleCount {
                matching: matching.saturating_sub(old.0),
                total: total.saturating_sub(old.1),
            }
        });
    Tally {
        generation,
        rules: rules.collect(),
        answered: new.answered.saturating_sub(old.answered),
        refused: new.refused.saturating_sub(old.refused),
        in_flight: 0,
    }
}

/// What is measured of a worker, and the limits of its memory.
pub(super) fn thresholds(policy: &Policy) -> Thresholds {
    let mut thresholds = Thresholds::default();
    for when in policy.conditions() {
        match when {
            Trigger::Memory { limit, .. } => match limit {
                MemoryLimit::PrivateBytes(bytes) => thresholds.bytes.push(*bytes),
                MemoryLimit::Share(share) => thresholds.shares.push(*share),
            },
            // Sampled as often as a limit makes it.
            Trigger::Leak { limit, .. } => match limit {
                Some(bytes) => thresholds.bytes.push(*bytes),
                None => thresholds.shares.push(LEAK_SHARE),
            },
            Trigger::Level { measure, .. } if !thresholds.measures.contains(measure) => {
                thresholds.measures.push(*measure);
            }
            _ => {}
        }
    }
    thresholds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::trigger::Filter, words::Outcome};

    fn tallying() -> (Tallying, Arc<crate::observe::tally::Counters>, Arc<Rules>) {
        let trigger = Trigger::Requests {
            count: 1,
            share: None,
            window: None,
            filter: Filter::default(),
        };
        let rules = Arc::new(Rules::new(1, [trigger].iter()));
        let registry = Arc::new(Registry::default());
        let counters = registry.register(Generation(1), &rules);
        (Tallying::new(registry, rules.clone()), counters, rules)
    }

    fn seen() -> [Seen; 1] {
        [Seen {
            generation: Generation(1),
            address: String::new(),
            tree: Some(crate::os::tree::Root::Under(0)),
            in_flight: 3,
        }]
    }

    fn none(_: Generation, _: u64) -> Vec<(usize, u64)> {
        Vec::new()
    }

    fn never() -> Duration {
        Duration::ZERO
    }

    fn at(ms: u64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    #[test]
    fn each_request_is_told_once() {
        let (mut tallying, counters, rules) = tallying();
        counters.finished(&rules, 1, 0, Outcome::Status(200), Duration::ZERO);
        let first = tallying.take(at(0), &seen(), none);
        assert_eq!(
            (
                first[0].rules[0].matching,
                first[0].answered,
                first[0].in_flight
            ),
            (1, 1, 3)
        );
        assert_eq!(tallying.take(at(1), &seen(), none)[0].rules[0].matching, 0);
    }

    #[test]
    fn a_tick_that_is_late_for_want_of_quota_is_a_stall_but_not_all_the_time() {
        let (mut tallying, _, _) = tallying();
        let half = || Duration::from_millis(400);
        assert_eq!(tallying.stalled(at(0), half), None);
        assert_eq!(tallying.stalled(at(800), never), None, "merely late");
        assert_eq!(tallying.stalled(at(1_300), half), None, "not late enough");
        let mut now = 1_300;
        let mut stalls = 0;
        for _ in 0..20 {
            now += 800;
            stalls += usize::from(tallying.stalled(at(now), half).is_some());
        }
        assert_eq!(stalls, THROTTLED_MOST);
        now += 60_000;
        tallying.stalled(at(now), never);
        assert!(tallying.stalled(at(now + 800), half).is_some());
    }

    #[test]
    fn what_is_counted_right_after_a_stall_is_void() {
        let (mut tallying, counters, rules) = tallying();
        assert_eq!(tallying.stalled(at(0), never), None);
        assert_eq!(tallying.stalled(at(100), never), None);
        assert_eq!(
            tallying.stalled(at(30_200), never),
            Some(Duration::from_secs(30))
        );
        counters.finished(&rules, 1, 0, Outcome::Status(200), Duration::ZERO);
        assert_eq!(
            tallying.take(at(30_300), &seen(), none)[0].rules[0].matching,
            0,
            "aftermath"
        );
        counters.finished(&rules, 1, 0, Outcome::Status(200), Duration::ZERO);
        assert_eq!(
            tallying.take(at(31_000), &seen(), none)[0].rules[0].matching,
            1
        );
    }

    #[test]
    fn lines_count_for_their_condition_although_no_request_came() {
        let (mut tallying, _, _) = tallying();
        let lines = |count| move |_, _| vec![(0, count)];
        assert_eq!(
            tallying.take(at(0), &seen(), lines(2))[0].rules[0].matching,
            2
        );
        let next = tallying.take(at(100), &seen(), lines(5));
        assert_eq!((next[0].rules[0].matching, next[0].rules[0].total), (3, 3));
    }
}
