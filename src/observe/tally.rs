//! Counters of one generation on one data thread, rule by rule.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    paths::Paths,
    route::{Look, Routes},
};
use crate::{
    decide::trigger::{Filter, Trigger},
    units::{GrpcStatus, StatusSet},
    words::{Generation, Outcome},
};

/// The rules as the request path needs them: compiled once per configuration.
#[derive(Debug, Default)]
pub struct Rules {
    /// Tells one configuration's counters from another's.
    epoch: u64,
    /// One for each condition of the policy's rules, in order.
    looks: Vec<Looks>,
    /// The rules that look at requests at all, and at every request alike.
    any: u64,
    /// The rules that look at some requests.
    filtered: Vec<(usize, Filter)>,
    /// The rules that look at how long requests wait: slow ones and abandoned ones.
    slow: u64,
    /// The rules that look at abandoned requests.
    abandoned: u64,
    /// The rules that look at some requests as a share of all.
    of_all: u64,
    /// Whether a rule asks what routes requests are for.
    by_route: bool,
    /// What holds for some requests alone.
    routes: Routes,
}

/// What one rule looks at on the request path.
#[derive(Debug)]
enum Looks {
    Nothing,
    Requests,
    Status(StatusSet),
    Slow(Duration),
    Abandoned(Duration),
}

impl Rules {
    /// Compiles the conditions of a policy's rules; `epoch` must differ from any before it.
    #[must_use]
    pub fn new<'a>(epoch: u64, triggers: impl Iterator<Item = &'a Trigger>) -> Self {
        let mut rules = Self {
            epoch,
            ..Self::default()
        };
        for (index, trigger) in triggers.enumerate() {
            rules.looks.push(match trigger {
                Trigger::Requests { .. } => Looks::Requests,
                Trigger::Status { codes, .. } => Looks::Status(codes.clone()),
                Trigger::Slow { time_taken, .. } => Looks::Slow(*time_taken),
                Trigger::Abandoned { after, .. } => Looks::Abandoned(*after),
                Trigger::Age { .. }
                | Trigger::All(_)
                | Trigger::File { .. }
                | Trigger::Leak { .. }
                | Trigger::Level { .. }
                | Trigger::Memory { .. }
                | Trigger::Output { .. }
                | Trigger::Schedule { .. } => Looks::Nothing,
            });
            let abandoned = u64::from(matches!(trigger, Trigger::Abandoned { .. })) << index;
            let slow = u64::from(matches!(trigger, Trigger::Slow { .. })) << index;
            rules.slow |= slow | abandoned;
            rules.abandoned |= abandoned;
            let of_all = matches!(trigger, Trigger::Requests { share: Some(_), .. });
            rules.of_all |= u64::from(of_all) << index;
            rules.by_route |= matches!(trigger, Trigger::Leak { .. });
            match trigger.filter() {
                Some(filter) if filter.is_any() => rules.any |= 1 << index,
                Some(filter) => rules.filtered.push((index, filter.clone())),
                None => {}
            }
        }
        rules
    }

    /// With routes, of the same configuration.
    #[must_use]
    pub fn with(mut self, routes: Routes) -> Self {
        self.routes = routes;
        self
    }

    /// What a request's method and path mean for it, `response` being every request's limit to
    /// the response head.
    #[must_use]
    pub fn look(&self, method: &str, path: &str, response: Option<Duration>) -> Look {
        let look = Look {
            rules: self.matching(method, path),
            response,
        };
        let route = self.routes.of(method, path);
        route.map_or(look, |route| route.narrow(look, self.slow))
    }

    /// Whether a request may become a WebSocket.
    #[must_use]
    pub fn may_tunnel(&self, method: &str, path: &str) -> bool {
        let route = self.routes.of(method, path);
        route.is_none_or(|route| route.websocket)
    }

    /// The limits to the response head that some requests have of their own.
    pub fn limits(&self) -> impl Iterator<Item = Duration> {
        self.routes.limits()
    }

    /// How many conditions there are.
    #[must_use]
    pub fn conditions(&self) -> usize {
        self.looks.len()
    }

    /// Which configuration these belong to.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The rules that count this request, one bit each.
    #[must_use]
    pub fn matching(&self, method: &str, path: &str) -> u64 {
        self.filtered
            .iter()
            .fold(self.any, |mask, (index, filter)| {
                mask | u64::from(filter.matches(method, path)) << index
            })
    }

    /// The slow rules with their thresholds: index, time taken.
    pub fn slow(&self) -> impl Iterator<Item = (usize, Duration)> + '_ {
        self.looks
            .iter()
            .enumerate()
            .filter_map(|(index, look)| match look {
                Looks::Slow(taken) => Some((index, *taken)),
                _ => None,
            })
    }
}

/// One generation's counters on one data thread. That thread writes; the control thread reads.
#[derive(Debug)]
pub struct Counters {
    generation: Generation,
    epoch: u64,
    answered: AtomicU64,
    refused: AtomicU64,
    /// Attempts that ended, whatever they were for.
    finished: AtomicU64,
    /// The rules whose total that is.
    of_all: u64,
    rules: Box<[Cell]>,
    paths: Option<Paths>,
}

#[derive(Debug, Default)]
struct Cell {
    matching: AtomicU64,
    total: AtomicU64,
}

/// The only writer of a counter needs no read-modify-write.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

impl Counters {
    fn new(generation: Generation, rules: &Rules) -> Self {
        let cells = rules.looks.iter().map(|_| Cell::default()).collect();
        Self {
            generation,
            epoch: rules.epoch,
            answered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            of_all: rules.of_all,
            rules: cells,
            paths: rules.by_route.then(Paths::default),
        }
    }

    /// Which configuration they count for.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// An attempt ended: the worker answered or failed to. `mask`: the rules that count it;
    /// `slow`: those of them that already counted it as slow; `taken`: from the permit (or the
    /// last body byte given) to the head.
    pub fn finished(&self, rules: &Rules, mask: u64, slow: u64, outcome: Outcome, taken: Duration) {
        if matches!(outcome, Outcome::Status(_)) {
            bump(&self.answered);
        }
        bump(&self.finished);
        for_each_bit(mask, |index| {
            let (Some(look), Some(cell)) = (rules.looks.get(index), self.rules.get(index)) else {
                return;
            };
            let matching = match look {
                Looks::Nothing => return,
                Looks::Requests => true,
                Looks::Status(codes) => codes.contains(outcome),
                Looks::Slow(_) if slow >> index & 1 == 1 => return,
                // It became slow after the steward last looked.
                Looks::Slow(limit) => taken >= *limit,
                Looks::Abandoned(_) => false,
            };
            bump(&cell.total);
            if matching {
                bump(&cell.matching);
            }
        });
    }

    /// The worker refused a connection.
    pub fn refused(&self) {
        bump(&self.refused);
    }

    /// An attempt for this path ended like that.
    pub fn routed(&self, path: &str, outcome: Outcome) {
        if let Some(paths) = &self.paths {
            paths.count(path, outcome);
        }
    }

    /// A call of gRPC, whose head was counted as 200, ended with this status.
    pub fn call_ended(&self, rules: &Rules, mask: u64, status: GrpcStatus) {
        for_each_bit(mask, |index| {
            if let (Some(Looks::Status(codes)), Some(cell)) =
                (rules.looks.get(index), self.rules.get(index))
                && codes.contains(Outcome::Grpc(status))
                && !codes.contains(Outcome::Status(200))
            {
                bump(&cell.matching);
            }
        });
    }

    /// The client left before the worker's answer, which it had waited for so long. One that had
    /// little patience says nothing of the worker.
    pub fn abandoned(&self, rules: &Rules, mask: u64, taken: Duration) {
        for_each_bit(mask & rules.abandoned, |index| {
            if let (Some(Looks::Abandoned(after)), Some(cell)) =
                (rules.looks.get(index), self.rules.get(index))
                && taken >= *after
            {
                bump(&cell.total);
                bump(&cell.matching);
            }
        });
    }

    /// A request became slow by this rule while in flight.
    pub fn became_slow(&self, rule: usize) {
        if let Some(cell) = self.rules.get(rule) {
            bump(&cell.total);
            bump(&cell.matching);
        }
    }

    /// Adds what these counters show to a sum.
    fn add_to(&self, sum: &mut Totals) {
        sum.answered += self.answered.load(Relaxed);
        sum.refused += self.refused.load(Relaxed);
        if let Some(paths) = &self.paths {
            paths.add_to(&mut sum.routes);
        }
        sum.rules
            .resize(self.rules.len().max(sum.rules.len()), (0, 0));
        for (index, (sum, cell)) in sum.rules.iter_mut().zip(&self.rules).enumerate() {
            let total = match self.of_all >> index & 1 {
                1 => &self.finished,
                _ => &cell.total,
            };
            // Total last: a share must not be read above one.
            let matching = cell.matching.load(Relaxed);
            sum.0 += matching;
            sum.1 += total.load(Relaxed).max(matching);
        }
    }
}

/// What all data threads counted for one generation since it was admitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Response heads the worker gave.
    pub answered: u64,
    /// Connections it refused.
    pub refused: u64,
    /// For each rule: matching, total.
    pub rules: Vec<(u64, u64)>,
    /// Requests for each route, where a rule asks; those of no name are the rest.
    pub routes: BTreeMap<Arc<str>, u64>,
}

/// Every data thread's counters, for the control thread to read. Data threads come here only when
/// a worker or a configuration is new to them.
#[derive(Debug, Default)]
pub struct Registry(Mutex<Vec<Arc<Counters>>>);

impl Registry {
    /// New counters of a generation for the calling data thread.
    #[must_use]
    pub fn register(&self, generation: Generation, rules: &Rules) -> Arc<Counters> {
        let counters = Arc::new(Counters::new(generation, rules));
        self.lock().push(counters.clone());
        counters
    }

    /// What a generation did under this configuration, over all data threads.
    #[must_use]
    pub fn totals(&self, generation: Generation, epoch: u64) -> Totals {
        let mut sum = Totals::default();
        for counters in self.lock().iter() {
            if counters.generation == generation && counters.epoch == epoch {
                counters.add_to(&mut sum);
            }
        }
        sum
    }

    /// Forgets what no longer counts: other generations than these, other configurations.
    pub fn retain(&self, generations: &[Generation], epoch: u64) {
        self.lock()
            .retain(|c| c.epoch == epoch && generations.contains(&c.generation));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Counters>>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Calls `visit` with the index of each bit set.
pub fn for_each_bit(mut mask: u64, mut visit: impl FnMut(usize)) {
    while mask != 0 {
        visit(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}

#[cfg(test)]
mod tests;
