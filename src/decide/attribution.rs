//! Which route makes memory grow: growth as a sum of requests by route, each with the bytes that
//! one of them keeps, none below zero, and of bytes that come with time alone.
//!
//! A route is named only if the growth can't be told without it: where routes come and go together
//! nobody can say which it is, and nothing is said.

use std::{sync::Arc, time::Duration};

use super::thinned::{Join, Thinned};
use crate::time::MonoTime;

/// So many routes are told apart; the others are one.
const ROUTES: usize = 24;
/// The first column is time, the second the other routes.
const OWN: usize = 2;
/// What a request keeps is seen up to a tick before or after the request: in pieces of time that
/// are not much longer the two don't meet.
const PIECE_LEAST: Duration = Duration::from_secs(1);
/// Less than so many pieces of time tell nothing.
const PIECES: usize = 16;
/// Without the route the error must be larger by so many times that of one piece.
const SURE: f64 = 16.0;
/// It must explain so much of the growth.
const SHARE: f64 = 0.5;
/// Falls of more than this part of the growth: what grows is mostly garbage.
const FALLS: f64 = 0.25;
/// Rounds of descent, each over all columns.
const ROUNDS: usize = 200;

/// What came and what grew with it, for one worker.
#[derive(Clone, Debug)]
pub(super) struct Attribution {
    record: Thinned<Row>,
    routes: Vec<Arc<str>>,
    /// What came since the last sample.
    came: Vec<f64>,
    last: Option<(MonoTime, u64)>,
    blamed: Option<Blamed>,
}

#[derive(Clone, Debug, Default)]
struct Row {
    grown: f64,
    columns: Vec<f64>,
}

impl Join for Row {
    fn join(&mut self, later: Self) {
        self.grown += later.grown;
        add(&mut self.columns, &later.columns);
    }
}

fn add(sum: &mut Vec<f64>, more: &[f64]) {
    sum.resize(sum.len().max(more.len()), 0.0);
    sum.iter_mut()
        .zip(more)
        .for_each(|(sum, more)| *sum += more);
}

/// The route that makes memory grow.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Blamed {
    pub(super) route: Arc<str>,
    /// Bytes that each request keeps, and with 95% confidence at least and at most.
    pub(super) bytes: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Its part of the growth, in percent.
    pub(super) percent: f64,
}

impl Attribution {
    pub(super) fn new(finest: Duration, keep: Duration) -> Self {
        Self {
            record: Thinned::new(finest.max(PIECE_LEAST), keep),
            routes: Vec::new(),
            came: vec![0.0; OWN],
            last: None,
            blamed: None,
        }
    }

    /// Requests by route since the last call; those without a name are the rest.
    pub(super) fn count(&mut self, requests: &[(Arc<str>, u64)]) {
        for (route, count) in requests {
            let known = self.routes.iter().position(|name| name == route);
            let at = match known {
                Some(at) => at + OWN,
                None if route.is_empty() || self.routes.len() >= ROUTES => 1,
                None => {
                    self.routes.push(route.clone());
                    self.routes.len() + OWN - 1
                }
            };
            self.came.resize(self.came.len().max(at + 1), 0.0);
            self.came[at] += *count as f64;
        }
    }

    pub(super) fn sample(&mut self, now: MonoTime, bytes: u64) {
        if let Some((from, before)) = self.last.replace((now, bytes)) {
            let mut columns = std::mem::replace(&mut self.came, vec![0.0; OWN]);
            columns[0] = now.since(from).as_secs_f64();
            let grown = bytes as f64 - before as f64;
            self.record.add(from, now, Row { grown, columns });
        } else {
            self.came = vec![0.0; OWN];
        }
    }

    /// Looks anew.
    pub(super) fn look(&mut self) {
        self.blamed = self.blame();
    }

    /// The route that was found, if one was.
    pub(super) fn blamed(&self) -> Option<&Blamed> {
        self.blamed.as_ref()
    }

    fn blame(&self) -> Option<Blamed> {
        let rows: Vec<&Row> = self.record.pieces().map(|piece| &piece.what).collect();
        let width = self.routes.len() + OWN;
        let (mut grown, mut fallen) = (0.0, 0.0);
        for row in &rows {
            grown += row.grown.max(0.0);
            fallen += (-row.grown).max(0.0);
        }
        if rows.len() < PIECES || fallen > grown * FALLS {
            return None;
        }
        let sums = Sums::of(&rows, width);
        let fit = sums.fit(None);
        let net = grown - fallen;
        let part = |at: usize| fit[at] * sums.total[at] / net;
        let worst = (OWN..width).max_by(|a, b| part(*a).total_cmp(&part(*b)))?;
        let error = sums.error(&fit);
        let without = sums.error(&sums.fit(Some(worst)));
        let used = fit.iter().filter(|bytes| **bytes > 0.0).count();
        let free = rows.len().saturating_sub(used).max(1) as f64;
        // What rounding leaves is no error.
        let noise = (error / free).max(sums.growth * 1e-9);
        let ratio = (without - error) / noise;
        if !(ratio >= SURE && part(worst) >= SHARE) {
            return None;
        }
        let bytes = fit[worst];
        let unsure = 2.0 * bytes / ratio.sqrt();
        Some(Blamed {
            route: self.routes[worst - OWN].clone(),
            bytes,
            low: bytes - unsure,
            high: bytes + unsure,
            percent: (part(worst) * 100.0).min(100.0),
        })
    }
}

/// Sums of products over all rows: all that least squares need.
struct Sums {
    /// Of two columns.
    both: Vec<Vec<f64>>,
    /// Of a column and the growth.
    with: Vec<f64>,
    /// Of the growth with itself.
    growth: f64,
    /// Of a column, unweighted.
    total: Vec<f64>,
}

impl Sums {
    fn of(rows: &[&Row], width: usize) -> Self {
        let mut sums = Self {
            both: vec![vec![0.0; width]; width],
            with: vec![0.0; width],
            growth: 0.0,
            total: vec![0.0; width],
        };
        for row in rows {
            // A longer piece errs by more.
            let weight = 1.0 / row.columns.first().copied().unwrap_or(0.0).max(1e-3);
            sums.growth += row.grown * row.grown * weight;
            for (a, one) in row.columns.iter().enumerate() {
                sums.with[a] += one * row.grown * weight;
                sums.total[a] += one;
                for (b, other) in row.columns.iter().enumerate() {
                    sums.both[a][b] += one * other * weight;
                }
            }
        }
        sums
    }

    /// What each column contributes, none below zero, by descent along each in turn; `out`: one
    /// that may not.
    fn fit(&self, out: Option<usize>) -> Vec<f64> {
        let mut fit = vec![0.0; self.with.len()];
        for _ in 0..ROUNDS {
            for at in 0..fit.len() {
                if Some(at) == out || self.both[at][at] <= 0.0 {
                    continue;
                }
                let others: f64 = fit.iter().zip(&self.both[at]).map(|(a, b)| a * b).sum();
                let others = others - fit[at] * self.both[at][at];
                fit[at] = ((self.with[at] - others) / self.both[at][at]).max(0.0);
            }
        }
        fit
    }

    /// The sum of the squares of what is not explained.
    fn error(&self, fit: &[f64]) -> f64 {
        let mut error = self.growth;
        for (a, one) in fit.iter().enumerate() {
            error -= 2.0 * one * self.with[a];
            let row = fit.iter().zip(&self.both[a]);
            error += one * row.map(|(other, both)| other * both).sum::<f64>();
        }
        error.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: f64 = 1_024.0;

    /// Half an hour of a worker: what comes by route and second, what each route keeps.
    fn watched(
        rates: &dyn Fn(usize, u64, &mut fastrand::Rng) -> u64,
        keeps: [f64; 4],
        with_time: f64,
    ) -> Option<Blamed> {
        let routes: [Arc<str>; 4] = ["/cart", "/search", "/users/*", "/report"].map(Arc::from);
        let finest = Duration::from_secs(5);
        let mut found = Attribution::new(finest, Duration::from_secs(3_600));
        let mut rng = fastrand::Rng::with_seed(1);
        let mut bytes = 1e8;
        for second in 0..1_800 {
            let came: Vec<_> = (0..4).map(|at| rates(at, second, &mut rng)).collect();
            bytes += with_time + rng.f64() * 2_000.0;
            for (keep, came) in keeps.iter().zip(&came) {
                bytes += keep * *came as f64;
            }
            let named: Vec<_> = routes.iter().cloned().zip(came).collect();
            found.count(&named);
            found.sample(MonoTime::from_millis(second * 1_000), bytes as u64);
        }
        found.look();
        found.blamed().cloned()
    }

    /// Each route by itself.
    fn mixed(at: usize, _: u64, rng: &mut fastrand::Rng) -> u64 {
        rng.u64(0..=[100, 60, 30, 4][at])
    }

    #[test]
    fn the_route_that_keeps_memory_is_named_however_rare_it_is() {
        for (at, name) in ["/cart", "/search", "/users/*", "/report"]
            .iter()
            .enumerate()
        {
            let mut keeps = [0.0; 4];
            keeps[at] = 64.0 * KIB;
            let found = watched(&mixed, keeps, 0.0).unwrap();
            assert_eq!(&*found.route, *name);
            assert!(
                found.low < 64.0 * KIB && 64.0 * KIB < found.high * 1.02,
                "{found:?}"
            );
            assert!((found.bytes / KIB - 64.0).abs() < 3.0, "{found:?}");
            assert!(found.percent > 80.0, "{found:?}");
        }
    }

    #[test]
    fn a_request_may_be_counted_a_tick_after_its_memory() {
        let mut found = Attribution::new(Duration::from_millis(150), Duration::from_secs(60));
        let mut rng = fastrand::Rng::with_seed(2);
        let routes: [Arc<str>; 2] = ["/cart", "/leak"].map(Arc::from);
        let (mut bytes, mut late) = (1e7, [0, 0]);
        for tick in 0..250 {
            let came = [rng.u64(0..4), u64::from(rng.u8(0..3) == 0)];
            bytes += 900_000.0 * came[1] as f64;
            let named: Vec<_> = routes.iter().cloned().zip(late).collect();
            found.count(&named);
            found.sample(MonoTime::from_millis(tick * 100), bytes as u64);
            late = came;
        }
        found.look();
        let found = found.blamed().expect("a route");
        assert_eq!(&*found.route, "/leak");
        assert!((found.bytes / 9e5 - 1.0).abs() < 0.25, "{found:?}");
    }

    #[test]
    fn routes_that_come_and_go_together_are_not_told_apart() {
        let together = |at: usize, second: u64, _: &mut fastrand::Rng| {
            [10, 6, 3, 1][at] * (5 + second % 60 / 10)
        };
        assert_eq!(watched(&together, [0.0, 64.0 * KIB, 0.0, 0.0], 0.0), None);
    }

    #[test]
    fn memory_that_grows_with_time_alone_is_no_route_s() {
        assert_eq!(watched(&mixed, [0.0; 4], 200.0 * KIB), None);
    }

    #[test]
    fn growth_that_all_routes_share_has_no_culprit() {
        assert_eq!(
            watched(
                &mixed,
                [10.0 * KIB, 17.0 * KIB, 33.0 * KIB, 250.0 * KIB],
                0.0
            ),
            None
        );
    }

    #[test]
    fn one_of_more_routes_than_are_told_apart_counts_with_the_others() {
        let mut found = Attribution::new(Duration::from_secs(1), Duration::from_secs(60));
        let many: Vec<_> = (0..1_000)
            .map(|n| (Arc::from(format!("/r{n}")), 1))
            .collect();
        found.count(&many);
        assert_eq!(found.routes.len(), ROUTES);
        assert_eq!(found.came.iter().sum::<f64>(), 1_000.0);
    }
}
