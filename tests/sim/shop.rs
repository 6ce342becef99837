//! A shop with some workers and the traffic of many kinds of requests, one of which may be poison.

use std::{collections::BTreeSet, fmt};

use autoheal::{
    decide::{
        event::{Field, Kind},
        group::Group,
        observation::{Observation, Presence, Present},
        policy::{Count, Instances},
        step::Step,
    },
    time::MonoTime,
    units::RequestShape,
    words::{Exit, Generation},
};

use crate::rig::policy;

/// The control thread's looks.
const LOOK_MS: u64 = 100;
/// Looks between two tellings.
const TOLD: u64 = 10;
/// A worker is ready so long after its start.
const START_LOOKS: u64 = 5;

/// Why workers die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deaths {
    /// One kind of requests ends each worker that gets it.
    ByPoison,
    /// Someone kills them.
    FromOutside,
    /// They crash, whatever is in flight.
    AtRandom,
}

struct KindOf {
    shape: RequestShape,
    /// Its place among the suspects, and whether it is named.
    suspect: Option<(usize, bool)>,
    /// How many of it are in flight.
    there: u64,
    /// How many come in a look, on average, and for how many looks each is in flight.
    comes: f64,
    lasts: f64,
    poison: bool,
}

struct InFlight {
    kind: usize,
    worker: Generation,
    until: u64,
}

pub(crate) struct Shop {
    group: Group,
    rng: fastrand::Rng,
    deaths_of: Deaths,
    kinds: Vec<KindOf>,
    looks: u64,
    ready: Vec<Generation>,
    starting: Vec<(u64, Generation)>,
    in_flight: Vec<InFlight>,
    presence: Presence,
    pub(crate) deaths: u64,
    pub(crate) poison_deaths: u64,
    /// So often it was asked what was in flight at a death.
    pub(crate) asked: u64,
    pub(crate) replays_of_named: u64,
    pub(crate) innocents_named: Vec<String>,
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let poison = self.kinds.iter().find(|kind| kind.poison);
        f.debug_struct("Shop")
            .field("kinds", &self.kinds.len())
            .field("poison", &poison.map(|kind| (kind.comes, kind.lasts)))
            .field("looks", &self.looks)
            .field("deaths", &self.deaths)
            .field("by poison", &self.poison_deaths)
            .field("innocents named", &self.innocents_named)
            .finish_non_exhaustive()
    }
}

impl Shop {
    pub(crate) fn drawn(seed: u64, deaths_of: Deaths) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut given = policy();
        given.instances = Instances {
            count: Count::Fixed(rng.u32(1..4)),
            max_unavailable: 1,
        };
        // Between the least and the most, all magnitudes alike.
        let mut drawn = |least: f64, most: f64| least * (most / least).powf(rng.f64());
        let kinds = (0..40).map(|number| KindOf {
            shape: RequestShape::of("GET", &format!("/kind{number}x")),
            suspect: None,
            there: 0,
            comes: drawn(0.001, 3.0),
            lasts: drawn(0.1, 100.0),
            poison: false,
        });
        let mut kinds: Vec<_> = kinds.collect();
        if deaths_of == Deaths::ByPoison {
            kinds.push(KindOf {
                shape: RequestShape::of("GET", "/poison/1"),
                suspect: None,
                there: 0,
                comes: drawn(0.001, 0.01),
                lasts: 1.0,
                poison: true,
            });
        }
        let mut shop = Self {
            group: Group::new(given, seed, 1, MonoTime::ZERO),
            rng,
            deaths_of,
            kinds,
            looks: 0,
            ready: Vec::new(),
            starting: Vec::new(),
            in_flight: Vec::new(),
            presence: Presence::default(),
            deaths: 0,
            poison_deaths: 0,
            asked: 0,
            replays_of_named: 0,
            innocents_named: Vec::new(),
        };
        shop.perform();
        shop
    }

    pub(crate) fn minutes(&self) -> u64 {
        self.looks * LOOK_MS / 60_000
    }

    pub(crate) fn pass_a_minute(&mut self) {
        (0..60_000 / LOOK_MS).for_each(|_| self.look());
    }

    pub(crate) fn pass_some_minutes(&mut self) {
        (0..20).for_each(|_| self.pass_a_minute());
    }

    pub(crate) fn is_named(&self) -> bool {
        let named = |kind: &KindOf| kind.suspect.is_some_and(|(_, named)| named);
        self.kinds.iter().any(|kind| kind.poison && named(kind))
    }

    fn now(&self) -> MonoTime {
        MonoTime::from_millis(self.looks * LOOK_MS)
    }

    fn tell(&mut self, seen: Observation) {
        self.group.handle(self.now(), seen);
        self.perform();
    }

    fn perform(&mut self) {
        while let Some(step) = self.group.poll_step() {
            match step {
                Step::Start { generation, .. } => {
                    self.starting.push((self.looks + START_LOOKS, generation));
                }
                Step::Suspects(all) => {
                    for kind in &mut self.kinds {
                        let place = all.iter().position(|(shape, _)| *shape == kind.shape);
                        kind.suspect = place.map(|at| (at, all[at].1));
                    }
                    self.presence = empty(all.into_iter().map(|(shape, _)| shape));
                }
                Step::ListLost {
                    generation,
                    incident,
                } => self.list_lost(generation, incident),
                Step::Say(event) if event.kind == Kind::PoisonRequest => {
                    let (_, request) = event
                        .fields
                        .iter()
                        .find(|(name, _)| *name == "request")
                        .unwrap();
                    if let Field::Text(text) = request
                        && !text.contains("/poison/")
                    {
                        self.innocents_named.push(event.text.clone());
                    }
                }
                _ => {}
            }
        }
    }

    fn list_lost(&mut self, worker: Generation, incident: u64) {
        self.asked += 1;
        let own = self.in_flight.iter().filter(|one| one.worker == worker);
        let kinds: BTreeSet<usize> = own.map(|one| one.kind).collect();
        let shapes = kinds.iter().map(|kind| self.kinds[*kind].shape.clone());
        let in_flight = shapes.collect();
        self.tell(Observation::Lost {
            incident,
            in_flight,
        });
    }

    /// A tenth of a second.
    fn look(&mut self) {
        self.looks += 1;
        let now = self.looks;
        while self
            .group
            .next_deadline()
            .is_some_and(|due| due <= self.now())
        {
            self.group.handle_timeout(self.now());
            self.perform();
        }
        let ready = self.starting.extract_if(.., |(at, _)| *at <= now);
        let ready: Vec<_> = ready.collect();
        for (_, generation) in ready {
            self.ready.push(generation);
            self.tell(Observation::Ready { generation });
        }
        self.leave(|one| one.until <= now);
        for kind in 0..self.kinds.len() {
            let comes = self.kinds[kind].comes;
            let several = comes.floor() + f64::from(u8::from(self.rng.f64() < comes.fract()));
            (0..several as u64).for_each(|_| self.request(kind));
        }
        if self.deaths_of != Deaths::ByPoison
            && self.rng.u32(0..400) == 0
            && let Some(worker) = self.rng.choice(&self.ready).copied()
        {
            let exit = match self.deaths_of {
                Deaths::FromOutside => Exit::Signal(9),
                Deaths::AtRandom | Deaths::ByPoison => Exit::Signal(11),
            };
            self.die(worker, exit);
        }
        self.watch();
    }

    /// It is sent to a worker, and again if that is its end and nobody knows better.
    fn request(&mut self, kind: usize) {
        for again in [false, true] {
            let Some(worker) = self.rng.choice(&self.ready).copied() else {
                return;
            };
            let lasts = self.kinds[kind].lasts * 2.0 * self.rng.f64();
            self.kinds[kind].there += 1;
            self.in_flight.push(InFlight {
                kind,
                worker,
                until: self.looks + lasts.ceil() as u64,
            });
            self.presence.requests += 1;
            let suspect = self.kinds[kind].suspect;
            if let Some((at, _)) = suspect {
                self.presence.each[at].requests += 1;
            }
            if !self.kinds[kind].poison {
                return;
            }
            self.poison_deaths += 1;
            let named = suspect.is_some_and(|(_, named)| named);
            self.replays_of_named += u64::from(again && named);
            self.die(worker, Exit::Signal(11));
            if self.is_named() {
                return;
            }
        }
    }

    fn die(&mut self, worker: Generation, exit: Exit) {
        self.deaths += 1;
        self.ready.retain(|one| *one != worker);
        self.tell(Observation::Exited {
            generation: worker,
            exit,
            oom_killed: false,
            address_in_use: false,
            left_children: false,
        });
        self.tell(Observation::Gone { generation: worker });
        // What it had is sent to others, and is in flight there.
        for at in 0..self.in_flight.len() {
            if self.in_flight[at].worker == worker
                && let Some(other) = self.rng.choice(&self.ready)
            {
                self.in_flight[at].worker = *other;
            }
        }
        self.leave(|one| one.worker == worker);
    }

    fn leave(&mut self, which: impl Fn(&InFlight) -> bool) {
        let kinds = &mut self.kinds;
        self.in_flight.retain(|one| {
            let leaves = which(one);
            kinds[one.kind].there -= u64::from(leaves);
            !leaves
        });
    }

    fn watch(&mut self) {
        if self.presence.each.is_empty() {
            return;
        }
        self.presence.moments += 1;
        for kind in &self.kinds {
            if let Some((at, _)) = kind.suspect {
                self.presence.each[at].moments += u64::from(kind.there > 0);
            }
        }
        if self.presence.moments >= TOLD {
            let each = self.presence.each.iter();
            let next = empty(each.map(|one| one.shape.clone()));
            let presence = std::mem::replace(&mut self.presence, next);
            self.tell(Observation::Presence(presence));
        }
    }
}

/// Nothing of these kinds was seen.
fn empty(suspects: impl Iterator<Item = RequestShape>) -> Presence {
    let each = suspects.map(|shape| Present {
        shape,
        requests: 0,
        moments: 0,
    });
    Presence {
        each: each.collect(),
        ..Presence::default()
    }
}
