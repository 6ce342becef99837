//! The limiter before a simulated worker, on a clock of its own.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::*;

const SECOND: u64 = 1_000_000_000;
const TICK: u64 = SECOND / 10;
const AUTO: Range = Range { min: 4, max: 1000 };

/// A worker of so many threads, clients that ask again as soon as they are answered, and the queue
/// between them, on a clock of their own.
struct World {
    now: u64,
    limiter: Limiter,
    order: Order,
    seen: Seen,
    threads: usize,
    /// How long a request takes a thread, in nanoseconds, on average.
    service: u64,
    /// Of each service time a part is by chance, as in a Poisson process; or none.
    chance: bool,
    /// Of so many requests one takes fifty times as long.
    report_of: u64,
    random: u64,
    clients: usize,
    /// Clients who pause before they ask again, for this long.
    pause: u64,
    coming: BinaryHeap<Reverse<u64>>,
    queue: usize,
    /// Given to the worker then, and waiting in it.
    inside: VecDeque<u64>,
    /// The end and the beginning of each that is at work.
    busy: BinaryHeap<Reverse<(u64, u64)>>,
    answered: u64,
    next_tick: u64,
    /// The limits of each tick but for probes.
    limits: Vec<u64>,
    probing: u64,
}

impl World {
    fn new(threads: usize, service_ms: u64, clients: usize) -> Self {
        let limiter = Limiter::new(AUTO, None, MonoTime::ZERO);
        let mut world = Self {
            now: 0,
            order: limiter.order(),
            limiter,
            seen: Seen::default(),
            threads,
            service: service_ms * 1_000_000,
            chance: true,
            report_of: u64::MAX,
            random: 88_172_645_463_325_252,
            clients: 0,
            pause: 0,
            coming: BinaryHeap::new(),
            queue: 0,
            inside: VecDeque::new(),
            busy: BinaryHeap::new(),
            answered: 0,
            next_tick: TICK,
            limits: Vec::new(),
            probing: 0,
        };
        world.ask_with(clients);
        world
    }

    /// So many clients from now on.
    fn ask_with(&mut self, clients: usize) {
        let more = clients.saturating_sub(self.clients);
        self.coming.extend((0..more).map(|_| Reverse(self.now)));
        self.clients = clients;
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }

    fn service(&mut self) -> u64 {
        let chance = (self.random() + 1) as f64 / (1u64 << 53) as f64;
        let time = match self.chance {
            true => (-chance.ln() * self.service as f64) as u64,
            false => self.service,
        };
        let report = self.random().is_multiple_of(self.report_of);
        if report { 50 * self.service } else { time }
    }

    /// Lets as many in as may, and to work as can.
    fn advance(&mut self) {
        let at_worker = |world: &Self| (world.inside.len() + world.busy.len()) as u64;
        while self.queue > 0 && at_worker(self) < self.order.limit {
            self.queue -= 1;
            self.inside.push_back(self.now);
            self.seen.full |= at_worker(self) == self.order.limit;
        }
        self.seen.full |= self.queue > 0;
        while self.busy.len() < self.threads
            && let Some(given) = self.inside.pop_front()
        {
            let end = self.now + self.service();
            self.busy.push(Reverse((end, given)));
        }
    }

    fn answer(&mut self) {
        let Some(Reverse((_, given))) = self.busy.pop() else {
            return;
        };
        self.answered += 1;
        let taken = Duration::from_nanos(self.now - given).min(self.order.longest);
        if MonoTime::from_nanos(given) >= self.order.since {
            self.seen.answers += 1;
            self.seen.taken += taken;
        }
        let asking = self.queue + self.inside.len() + self.busy.len() + self.coming.len();
        if asking < self.clients {
            self.coming.push(Reverse(self.now + self.pause));
        }
    }

    fn look(&mut self) {
        self.next_tick += TICK;
        self.seen.places = (self.inside.len() + self.busy.len()) as u64;
        let seen = std::mem::take(&mut self.seen);
        self.order = self.limiter.look(MonoTime::from_nanos(self.now), seen);
        if self.limiter.why() == Why::Probing {
            self.probing += 1;
        } else {
            self.limits.push(self.order.limit);
        }
    }

    /// Lets time pass; returns how many were answered a second, and the least and the most that the
    /// limit was but for probes.
    fn run(&mut self, seconds: u64) -> (u64, u64, u64) {
        let (end, before) = (self.now + seconds * SECOND, self.answered);
        self.limits.clear();
        loop {
            let answer = self.busy.peek().map_or(u64::MAX, |Reverse((end, _))| *end);
            let asked = self.coming.peek().map_or(u64::MAX, |Reverse(at)| *at);
            let next = answer.min(asked).min(self.next_tick);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if next == self.next_tick {
                self.look();
            } else if next == answer {
                self.answer();
            } else {
                self.coming.pop();
                self.queue += 1;
            }
            self.advance();
        }
        self.now = end;
        let limits = || self.limits.iter().copied();
        let rate = (self.answered - before) / seconds;
        (
            rate,
            limits().min().unwrap_or(0),
            limits().max().unwrap_or(0),
        )
    }
}

#[test]
fn it_comes_to_about_what_the_worker_can_do_and_stays_there() {
    // Threads, milliseconds, clients; from here the limit's least and most.
    let cases = [
        (8, 20, 64, 8..=24),
        (8, 20, 500, 8..=24),
        (2, 20, 64, 4..=8),
        (32, 100, 300, 36..=80),
        (64, 10, 1000, 80..=130),
    ];
    for (threads, service, clients, range) in cases {
        for chance in [false, true] {
            let mut world = World::new(threads, service, clients);
            world.chance = chance;
            world.run(30);
            let (rate, least, most) = world.run(300);
            let can = 1000 * threads as u64 / service;
            let case = format!("{threads} x {service} ms: {least} to {most}, {rate} of {can}");
            assert!(range.contains(&least) && range.contains(&most), "{case}");
            assert!(rate * 100 >= can * 95, "{case}");
        }
    }
}

#[test]
fn slow_work_is_no_overload_however_slow_it_is() {
    for (threads, service, clients) in [(8, 1000, 64), (4, 500, 200)] {
        let mut world = World::new(threads, service, clients);
        world.run(120);
        let (rate, least, most) = world.run(600);
        let can = 1000 * threads as u64 / service;
        assert!(rate * 100 >= can * 85, "{rate} of {can}");
        let threads = threads as u64;
        assert!(least >= threads && most <= threads * 8, "{least} to {most}");
    }
}

#[test]
fn it_follows_a_worker_that_can_do_less_and_then_more() {
    let mut world = World::new(16, 20, 200);
    world.run(60);
    world.threads = 4;
    world.run(20);
    let (rate, least, most) = world.run(60);
    assert!(
        rate >= 185 && least >= 4 && most <= 16,
        "{rate}: {least}, {most}"
    );
    world.threads = 16;
    world.run(5);
    let (rate, least, _) = world.run(30);
    assert!(rate >= 740 && least >= 16, "{rate}: {least}");
}

#[test]
fn work_that_takes_longer_than_before_is_not_taken_for_overload() {
    let mut world = World::new(16, 20, 200);
    world.run(60);
    // As when a database is slow: all is as wide as before.
    world.service *= 4;
    world.run(20);
    let (rate, least, _) = world.run(60);
    assert!(rate >= 188 && least >= 16, "{rate}: {least}");
}

#[test]
fn an_overload_that_was_there_from_the_start_does_not_pass_for_the_usual() {
    let mut world = World::new(2, 50, 1000);
    world.run(60);
    let (_, base) = world.limiter.times().unwrap();
    assert!(base < Duration::from_millis(80), "{base:?}");
    world.run(3600);
    let (_, base) = world.limiter.times().unwrap();
    assert!(base < Duration::from_millis(80), "{base:?} after an hour");
    assert!(world.limiter.limit() <= 8);
}

#[test]
fn under_a_low_load_nothing_changes() {
    let mut world = World::new(8, 20, 3);
    world.pause = SECOND / 20;
    let (_, least, most) = world.run(600);
    assert_eq!((least, most, world.probing), (START, START, 0));
    assert_eq!(world.limiter.why(), Why::Unused);
}

#[test]
fn a_worker_that_can_do_all_at_once_is_not_held_back() {
    let mut world = World::new(10_000, 50, 300);
    world.run(30);
    let probed = world.probing;
    let (rate, least, _) = world.run(300);
    assert!(rate >= 5_700 && least >= 290, "{rate}: {least}");
    assert!(world.probing - probed < 60, "{} of 3000", world.probing);
}

#[test]
fn some_reports_among_pages_are_no_overload() {
    let mut world = World::new(10_000, 20, 60);
    world.report_of = 100;
    let (rate, _, _) = world.run(300);
    // Each takes 30 ms on average.
    assert!(rate >= 1_900, "{rate}");
}

#[test]
fn a_limit_that_is_never_met_does_not_grow() {
    let mut world = World::new(1000, 20, 80);
    let (_, least, most) = world.run(120);
    assert_eq!(most, START);
    assert!(least >= 80, "{least}");
}

#[test]
fn without_answers_the_limit_stays_and_a_probe_ends() {
    let at = |ms| MonoTime::from_millis(ms);
    let mut limiter = Limiter::new(AUTO, Some(40), at(0));
    let hung = |places, full| Seen {
        places,
        full,
        ..Seen::default()
    };
    for tick in 1..600 {
        assert_eq!(limiter.look(at(tick * 100), hung(40, true)).limit, 40);
    }
    let busy = Seen {
        answers: 100,
        taken: Duration::from_secs(4),
        places: 40,
        full: true,
    };
    let mut now = 60_000;
    while limiter.why() != Why::Probing {
        now += 100;
        limiter.look(at(now), busy);
        assert!(now < 70_000);
    }
    assert!(limiter.order().limit <= 20);
    for tick in 1..=110 {
        limiter.look(at(now + tick * 100), hung(20, true));
    }
    assert!(limiter.order().limit >= 40, "it did not hang in a probe");
}

/// A limiter that has seen these answers at each tick for so long.
fn having_seen(seconds: u64, seen: impl Fn(u64) -> Seen) -> Limiter {
    let mut limiter = Limiter::new(AUTO, None, MonoTime::ZERO);
    for tick in 1..=seconds * 10 {
        limiter.look(MonoTime::from_nanos(tick * TICK), seen(tick));
    }
    limiter
}

#[test]
fn a_worker_that_is_more_than_half_full_is_judged_though_never_full() {
    let limiter = having_seen(60, |_| Seen {
        answers: 50,
        taken: Duration::from_millis(500),
        places: 60,
        full: false,
    });
    assert_eq!(limiter.why(), Why::Fast);
}

#[test]
fn a_few_answers_say_something_after_a_while() {
    let limiter = having_seen(30, |tick| Seen {
        answers: u64::from(tick.is_multiple_of(4)),
        taken: Duration::from_millis(if tick.is_multiple_of(4) { 20 } else { 0 }),
        places: 1,
        full: false,
    });
    let (taken, base) = limiter.times().unwrap();
    assert_eq!((taken.as_millis(), base.as_millis()), (20, 20));
}

#[test]
fn it_stays_between_its_bounds() {
    let mut world = World::new(8, 20, 500);
    world.limiter = Limiter::new(Range { min: 20, max: 30 }, None, MonoTime::ZERO);
    world.run(5);
    let (_, least, most) = world.run(60);
    assert_eq!((least, most), (20, 20));
    world.threads = 100;
    world.run(30);
    let (_, _, most) = world.run(60);
    assert_eq!(most, 30);
    assert_eq!((Range { min: 1, max: 7 }).start(), 7);
}
