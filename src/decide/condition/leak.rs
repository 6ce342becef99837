//! Memory that grows towards a limit: when it gets there, and the quietest moment before.

use std::{sync::Arc, time::Duration};

use super::Reading;
use crate::{
    decide::{
        attribution::{Attribution, Blamed},
        event::Event,
        forecast::{Forecast, Growth, Reach},
        observation::MemorySample,
        say::{millis, words as time},
        traffic::{Quiet, Traffic},
        trigger::LEAK_SHARE,
    },
    time::MonoTime,
    units::ByteSize,
};

/// Not more often than this is an exact sample asked for: it costs the worker's kernel time...
const CONFIRM_EVERY: Duration = Duration::from_secs(10);
/// ...and less often while the rule could not act on it.
const CONFIRM_HELD_EVERY: Duration = Duration::from_secs(60);
/// An exact sample counts for so long.
const EXACT_FOR: Duration = Duration::from_secs(30);
/// It is sure enough of growth to act if that is at least one part in so many of what it seems.
const SURE: f64 = 3.0;
/// How often it looks whether it is quiet.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A recycle may take this longer than twice the last start.
const SLACK: Duration = Duration::from_secs(2);
/// What it expects is said this often at most.
const SAY_EVERY: Duration = Duration::from_secs(600);

/// The memory of one worker against a limit to come.
#[derive(Clone, Debug)]
pub(super) struct Leak {
    horizon: Duration,
    forecast: Forecast,
    blame: Attribution,
    /// The last sample: in exact bytes as far as that is known.
    bytes: u64,
    limit: Option<u64>,
    limit_unknown: bool,
    /// The last upper bound.
    bound: Option<u64>,
    /// How much that was above the exact bytes.
    excess: u64,
    last_was_exact: bool,
    exact_at: Option<MonoTime>,
    asked_at: Option<MonoTime>,
    wait: Wait,
    looked_at: Option<MonoTime>,
    /// What was last said to be expected, and when.
    said: Option<(bool, MonoTime)>,
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wait {
    /// Growth that reaches the limit within the horizon.
    Growth,
    /// A quieter moment, which comes in so long as far as that is known, and before the second.
    Quieter(Option<Duration>, Duration),
    /// Nothing: it is quiet.
    Quiet(Quiet),
    /// Nothing: no time is left.
    Last,
}

impl Leak {
    pub(super) fn new(horizon: Duration) -> Self {
        let forecast = Forecast::new(horizon);
        Self {
            horizon,
            blame: Attribution::new(forecast.finest(), forecast.keep()),
            forecast,
            bytes: 0,
            limit: None,
            limit_unknown: false,
            bound: None,
            excess: 0,
            last_was_exact: false,
            exact_at: None,
            asked_at: None,
            wait: Wait::Growth,
            looked_at: None,
            said: None,
        }
    }

    /// Takes a sample; whether an exact one is wanted next.
    pub(super) fn sample(
        &mut self,
        now: MonoTime,
        sample: &MemorySample,
        limit: Option<ByteSize>,
        held: bool,
    ) -> bool {
        let share = |limit: ByteSize| LEAK_SHARE.of(limit.0);
        self.limit = limit
            .map(|limit| limit.0)
            .or_else(|| sample.limit.map(share));
        self.limit_unknown = self.limit.is_none();
        if sample.exact {
            self.exact_at = Some(now);
            // The step from an upper bound to an exact sample is not growth.
            if !self.last_was_exact
                && let Some(bound) = self.bound
            {
                self.excess = bound.saturating_sub(sample.bytes.0);
            }
            self.bytes = sample.bytes.0;
        } else {
            self.bound = Some(sample.bytes.0);
            self.bytes = sample.bytes.0.saturating_sub(self.excess);
        }
        self.last_was_exact = sample.exact;
        let bytes = self.bytes.saturating_add(self.excess);
        self.blame.sample(now, bytes);
        if self.forecast.sample(now, bytes) {
            self.blame.look();
        }
        if sample.exact || self.reach(now).is_none() {
            return false;
        }
        let pace = match held {
            true => CONFIRM_HELD_EVERY,
            false => CONFIRM_EVERY,
        };
        if self.asked_at.is_some_and(|at| now.since(at) < pace) {
            return false;
        }
        self.asked_at = Some(now);
        true
    }

    pub(super) fn routes(&mut self, requests: &[(Arc<str>, u64)]) {
        self.blame.count(requests);
    }

    /// When the limit is reached, if that is within the horizon and no further away than growth was
    /// seen for.
    fn reach(&self, now: MonoTime) -> Option<(Growth, Reach)> {
        let growth = *self.forecast.growth()?;
        let reach = growth.reaches(now, self.bound_limit()?)?;
        let near = reach.likely <= self.horizon && reach.likely <= growth.seen;
        (near && growth.low * SURE >= growth.slope).then_some((growth, reach))
    }

    /// The limit as the upper bound will have it, which is what is forecast.
    fn bound_limit(&self) -> Option<u64> {
        Some(self.limit?.saturating_add(self.excess))
    }

    /// Looks whether this is the moment. `start_took`: how long the last worker took to get ready.
    pub(super) fn look(&mut self, now: MonoTime, traffic: &Traffic, start_took: Duration) {
        let again = |at: MonoTime| now.since(at) >= LOOK_EVERY;
        if !self.looked_at.is_none_or(again) {
            return;
        }
        self.looked_at = Some(now);
        let Some((growth, reach)) = self.reach(now) else {
            self.wait = Wait::Growth;
            return;
        };
        let reserve = start_took * 2 + SLACK;
        if reach.earliest <= reserve {
            self.wait = Wait::Last;
            return;
        }
        let Some(quiet) = traffic.quiet(now, reach.likely * 2) else {
            self.wait = Wait::Quieter(None, reach.earliest);
            return;
        };
        // Of the quiet moments that are left, the last one: until then more is known, and the
        // worker has served longer.
        let near = reserve.max(growth.seen / 10);
        let another = quiet
            .every
            .is_some_and(|every| reach.earliest > near.max(every + every / 2 + reserve));
        self.wait = match quiet.now && !another {
            true => Wait::Quiet(quiet),
            false => Wait::Quieter(next(&quiet, reach.earliest, reserve), reach.earliest),
        };
    }

    pub(super) fn holds(&self, now: MonoTime) -> bool {
        let exact = self.exact_at.is_some_and(|at| now.since(at) <= EXACT_FOR);
        exact && matches!(self.wait, Wait::Quiet(_) | Wait::Last)
    }

    /// Whether it was quiet is not known; how the memory grew is.
    pub(super) fn void(&mut self) {
        self.wait = Wait::Growth;
        self.looked_at = None;
    }

    /// Whether something is to be said of what is expected, since that is new.
    pub(super) fn has_news(&mut self, now: MonoTime) -> bool {
        let expects = self.wait != Wait::Growth;
        let new = match self.said {
            // That it holds is said by the firing.
            None => matches!(self.wait, Wait::Quieter(..)),
            Some((said, at)) => said != expects && now.since(at) >= SAY_EVERY,
        };
        if new {
            self.said = Some((expects, now));
        }
        new
    }

    /// Why the rule is off, if its limit can't be read.
    pub(super) fn off(&self) -> Option<&'static str> {
        self.limit_unknown.then_some(
            "the memory limit of the worker's cgroup can't be read, so the rule is off; set limit",
        )
    }

    pub(super) fn reading(&self) -> Reading {
        Reading {
            matching: self.bytes,
            limit: self.limit.unwrap_or(0),
            ..Reading::default()
        }
    }

    pub(super) fn words(&self, now: MonoTime) -> String {
        let bytes = ByteSize(self.bytes).human();
        let limit = ByteSize(self.limit.unwrap_or(0)).human();
        let horizon = time(self.horizon);
        let Some(growth) = self.forecast.growth() else {
            let watched = time(self.forecast.watched(now));
            return format!(
                "private memory {bytes}, without steady growth in {watched} (limit: {limit} within \
                 {horizon})"
            );
        };
        let grows = pace(growth);
        let end = match growth.reaches(now, self.bound_limit().unwrap_or(0)) {
            None => {
                let end = whole(growth.settles.unwrap_or(0.0)).saturating_sub(self.excess);
                let end = ByteSize(end).human();
                format!("slows down and may settle at {end} (limit: {limit} within {horizon})")
            }
            Some(reach) => {
                let Reach {
                    likely,
                    earliest,
                    latest,
                } = reach;
                let range = format!("{} to {}", time(earliest), time(latest));
                let when = format!("reaches {limit} in {} ({range})", time(likely));
                match self.reach(now) {
                    Some(_) => format!("{when}; {}", self.wait.words()),
                    None if likely > self.horizon => {
                        format!("{when}, which is not within {horizon}")
                    }
                    None if likely <= growth.seen => format!("{when}, which is not sure"),
                    None => format!(
                        "{when}, if it goes on for longer than the {} that it was seen for",
                        time(growth.seen)
                    ),
                }
            }
        };
        let whose = self.blame.blamed().map_or_else(String::new, whose);
        format!("private memory {bytes} {grows}{whose}; {end}")
    }

    pub(super) fn numbers(&self, now: MonoTime, event: Event) -> Event {
        let event = event
            .number("private_bytes", self.bytes)
            .number("limit_bytes", self.limit.unwrap_or(0));
        let event = match self.blame.blamed() {
            Some(blamed) => event
                .text("route", &*blamed.route)
                .number("bytes_a_request", whole(blamed.bytes))
                .number("route_percent", whole(blamed.percent)),
            None => event,
        };
        let Some((growth, reach)) = self.reach(now) else {
            return event;
        };
        event
            .number("bytes_a_minute", whole(growth.slope * 60.0))
            .number("reached_in_ms", millis(reach.likely))
            .number("earliest_ms", millis(reach.earliest))
            .number("latest_ms", millis(reach.latest))
    }
}

/// In how long the next quiet moment is expected that is also the last.
fn next(quiet: &Quiet, earliest: Duration, reserve: Duration) -> Option<Duration> {
    let (every, next) = (quiet.every?, quiet.next_in?);
    let spare = earliest.saturating_sub(next + every / 2 + reserve);
    let skipped = u32::try_from(spare.as_millis() / every.as_millis().max(1)).unwrap_or(u32::MAX);
    let last = next.saturating_add(every.saturating_mul(skipped));
    (!every.is_zero() && last < earliest).then_some(last)
}

impl Wait {
    fn words(self) -> String {
        match self {
            Self::Growth => "looks whether it is quiet".to_owned(),
            Self::Quieter(Some(next), _) => {
                format!(
                    "waits for the last quiet moment before, expected in about {}",
                    time(next)
                )
            }
            Self::Quieter(None, left) => {
                format!("waits for a quieter moment within {}", time(left))
            }
            Self::Quiet(quiet) => format!(
                "it is quiet now, at {} requests a second of {} as usual",
                rate(quiet.rate),
                rate(quiet.usual)
            ),
            Self::Last => "no time is left to wait for a quieter moment".to_owned(),
        }
    }
}

fn rate(rate: f64) -> String {
    match rate < 10.0 {
        true => format!("{rate:.1}"),
        false => format!("{rate:.0}"),
    }
}

/// `grows 2.1 MiB a minute (1.9 MiB to 2.4 MiB)`.
fn pace(growth: &Growth) -> String {
    let (unit, length) = match growth.slope {
        slope if slope >= f64::from(1 << 20) => ("second", 1.0),
        slope if slope * 60.0 >= f64::from(1 << 20) => ("minute", 60.0),
        _ => ("hour", 3600.0),
    };
    let bytes = |slope: f64| ByteSize(whole(slope * length)).human();
    let [slope, low, high] = [growth.slope, growth.low, growth.high].map(bytes);
    format!("grows {slope} a {unit} ({low} to {high})")
}

/// `, as each request to /report keeps 64 KiB (60 KiB to 68 KiB), 93% of it`.
fn whose(blamed: &Blamed) -> String {
    let [bytes, low, high] =
        [blamed.bytes, blamed.low, blamed.high].map(|bytes| ByteSize(whole(bytes)).human());
    let (route, percent) = (&blamed.route, whole(blamed.percent));
    format!(", as each request to {route} keeps {bytes} ({low} to {high}), {percent}% of it")
}

/// To whole numbers, those out of range to the nearest.
fn whole(number: f64) -> u64 {
    number as u64
}
