//! What incidents are charged with, against what the clients of a small world saw.

use super::*;
use crate::{
    explain::code::Code,
    journal::record::Record,
    observe::ledger::{End, Late},
    words::Generation,
};

const TICK: Duration = Duration::from_millis(100);

/// What clients saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Clients {
    parked: u64,
    replayed: u64,
    refused: u64,
    failed: u64,
    late: u64,
    saved: u64,
    worst: Duration,
}

struct World {
    ledgers: Vec<Arc<Ledger>>,
    incidents: Incidents,
    now: MonoTime,
    open: Vec<(u64, Stage)>,
    closed: Vec<Incident>,
    clients: Clients,
    rng: fastrand::Rng,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            ledgers: vec![Arc::default(), Arc::default()],
            incidents: Incidents::of(&[]),
            now: MonoTime::from_millis(5_000),
            open: Vec::new(),
            closed: Vec::new(),
            clients: Clients::default(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    fn ledger(&mut self) -> Arc<Ledger> {
        self.ledgers[self.rng.usize(0..2)].clone()
    }

    fn tick(&mut self) {
        self.now = self.now + TICK;
        self.incidents.tick(Counted::of(&self.ledgers));
        self.follow();
    }

    fn follow(&mut self) {
        let counted = Counted::of(&self.ledgers);
        let (open, at) = (self.open.clone().into_iter(), (WallTime(0), self.now));
        for event in self.incidents.follow(open, &counted, at) {
            self.hear(&event);
            let known = &self.incidents.known;
            let closed = event.incident.and_then(|id| known.get(id)).unwrap();
            self.closed.push(closed.clone());
        }
    }

    fn hear(&mut self, event: &Event) {
        let record = Record {
            seq: 1,
            at: WallTime(0),
            mono: self.now,
            event,
        };
        let line = record.to_line();
        self.incidents.hear(event, &line, self.now);
    }

    fn begins(&mut self, id: u64, kind: Kind, stage: Option<Stage>) {
        self.open.extend(stage.map(|stage| (id, stage)));
        self.hear(&Event {
            kind,
            level: Level::Warn,
            generation: Some(Generation(1)),
            incident: Some(id),
            text: "it was killed".to_owned(),
            fields: Vec::new(),
        });
        self.follow();
    }

    fn serve(&mut self, count: u32) {
        for _ in 0..count {
            let ledger = self.ledger();
            ledger.accepted();
            ledger.ended(End::Completed);
        }
    }

    fn end(&mut self, end: End) {
        let ledger = self.ledger();
        ledger.accepted();
        ledger.ended(end);
        match end {
            End::Refused(_) => self.clients.refused += 1,
            _ => self.clients.failed += 1,
        }
    }

    /// One that is parked, or sent once more; who waits for its answer.
    fn trouble(&mut self, replayed: bool) -> (Arc<Ledger>, MonoTime) {
        let ledger = self.ledger();
        ledger.accepted();
        ledger.troubled();
        if replayed {
            ledger.replayed();
            self.clients.replayed += 1;
        } else {
            ledger.parked();
            self.clients.parked += 1;
        }
        (ledger, self.now)
    }

    fn settle(&mut self, (ledger, since): (Arc<Ledger>, MonoTime)) {
        if self.rng.u8(0..10) == 0 {
            ledger.settled(None);
            ledger.ended(End::Refused(Code::ParkedTooLong));
            self.clients.refused += 1;
            return;
        }
        let good = self.rng.u8(0..5) > 0;
        let delay = self.now.since(since);
        ledger.settled(Some(Late { delay, good }));
        ledger.ended(End::Completed);
        self.clients.late += 1;
        self.clients.saved += u64::from(good);
        self.clients.worst = self.clients.worst.max(delay);
    }

    /// A worker dies, amid requests, before that is known; another comes later.
    fn crash(&mut self, id: u64) {
        let mut waiting = Vec::new();
        for _ in 0..self.rng.u32(0..8) {
            match self.rng.bool() {
                true => waiting.push(self.trouble(true)),
                false => self.end(End::Failed(Code::WorkerClosedConnection)),
            }
        }
        for _ in 0..self.rng.u32(0..8) {
            self.tick();
        }
        self.begins(id, Kind::WorkerExited, Some(Stage::Healing));
        for _ in 0..self.rng.u32(1..30) {
            for _ in 0..self.rng.u32(0..5) {
                match self.rng.u8(0..8) {
                    0 => self.end(End::Refused(Code::ParkingFull)),
                    _ => waiting.push(self.trouble(false)),
                }
            }
            self.tick();
        }
        self.open.clear();
        self.follow();
        self.rng.shuffle(&mut waiting);
        while let Some(one) = waiting.pop() {
            assert!(
                self.closed.len() < usize::try_from(id).unwrap(),
                "too early"
            );
            self.settle(one);
            if self.rng.bool() {
                self.serve(3);
                self.tick();
            }
        }
        self.tick();
    }
}

#[test]
fn what_incidents_cost_together_is_what_all_clients_saw() {
    for seed in 0..200 {
        let mut world = World::new(seed);
        for id in 1..=5 {
            for _ in 0..world.rng.u32(0..20) {
                world.serve(10);
                world.tick();
            }
            world.crash(id);
            assert_eq!(world.closed.len() as u64, id, "seed {seed}");
        }
        let costs = world.closed.iter().filter_map(|one| one.cost.as_ref());
        let sum = |of: fn(&Cost) -> u64| costs.clone().map(of).sum::<u64>();
        let clients = &world.clients;
        let told = Clients {
            parked: sum(|cost| cost.parked),
            replayed: sum(|cost| cost.replayed),
            refused: sum(|cost| cost.refused),
            failed: sum(|cost| cost.failed),
            late: sum(|cost| cost.late),
            saved: sum(|cost| cost.saved),
            worst: clients.worst,
        };
        assert_eq!(&told, clients, "seed {seed}");
        let by_code = sum(|cost| cost.by_code.values().sum());
        assert_eq!(by_code, told.refused + told.failed, "seed {seed}");
        let worst = costs.clone().filter_map(|cost| cost.delay_worst_ms).max();
        let exact = u64::try_from(clients.worst.as_millis()).unwrap();
        let worst = worst.unwrap_or(0);
        assert!(
            (exact..=exact + exact / 16).contains(&worst),
            "{worst} {exact}"
        );
        assert!(costs.clone().all(|cost| cost.shared_with.is_empty()));
    }
}

#[test]
fn two_at_the_same_time_say_that_they_share_what_is_counted() {
    let mut world = World::new(1);
    world.tick();
    world.begins(1, Kind::WorkerExited, Some(Stage::Healing));
    world.begins(2, Kind::RecycleBegun, Some(Stage::Healing));
    let one = world.trouble(false);
    world.tick();
    world.open.clear();
    world.settle(one);
    world.tick();
    let shared = world.closed.iter().map(|one| one.cost.as_ref().unwrap());
    let shared: Vec<_> = shared
        .map(|cost| (cost.parked, &cost.shared_with[..]))
        .collect();
    assert_eq!(shared, [(1, &[2][..]), (1, &[1])]);
}

#[test]
fn what_happens_while_the_verdict_is_due_is_not_charged() {
    let mut world = World::new(1);
    world.begins(1, Kind::RuleFired, Some(Stage::Healing));
    world.tick();
    world.open = vec![(1, Stage::Judging)];
    world.tick();
    world.tick();
    let seen = world.incidents.known.get(1).unwrap();
    assert_eq!((seen.state, seen.cost.is_some()), (State::Judging, true));
    world.end(End::Failed(Code::WorkerTimeout));
    world.begins(2, Kind::RuleFired, None);
    world.open = vec![];
    world.tick();
    let [reported, judged] = &world.closed[..] else {
        panic!("{:?}", world.closed);
    };
    assert_eq!(
        (reported.id, &reported.cost),
        (2, &None),
        "nothing was done"
    );
    assert_eq!(judged.cost.as_ref().unwrap().failed, 0);
}

#[test]
fn an_incident_stays_open_for_what_is_under_way_and_for_the_earliest_of_its_stages() {
    let mut world = World::new(1);
    world.begins(1, Kind::RuleFired, Some(Stage::Healing));
    world.open = vec![(1, Stage::Judging)];
    world.tick();
    world.tick();
    // Something of the verdict is told to someone who takes his time.
    world.incidents.errand(1);
    world.open.clear();
    world.follow();
    assert!(world.closed.is_empty());
    world.hear(&Event {
        kind: Kind::Notified,
        level: Level::Info,
        generation: None,
        incident: Some(1),
        text: "told".to_owned(),
        fields: Vec::new(),
    });
    world.follow();
    assert_eq!(world.closed.len(), 1);

    world.open = vec![(2, Stage::Judging), (2, Stage::Healing)];
    world.begins(2, Kind::RuleFired, None);
    assert_eq!(world.incidents.known.get(2).unwrap().state, State::Open);
}

#[test]
fn requests_that_never_end_keep_no_incident_open_for_long() {
    let mut world = World::new(1);
    let _never = world.trouble(false);
    world.begins(1, Kind::WorkerExited, Some(Stage::Healing));
    world.open.clear();
    let mut ticks = 0;
    while world.closed.is_empty() {
        world.tick();
        ticks += 1;
        assert!(ticks < 400, "never closed");
    }
    assert!(ticks >= 300, "{ticks}");
    assert_eq!(world.closed[0].cost.as_ref().unwrap().unsettled, 1);
}

#[test]
fn what_is_open_at_the_end_is_cut_off_with_its_cost_so_far() {
    let mut world = World::new(1);
    world.tick();
    world.begins(1, Kind::WorkerExited, Some(Stage::Healing));
    world.end(End::Refused(Code::ShuttingDown));
    let counted = Counted::of(&world.ledgers);
    let so_far = world.incidents.list(10, &counted, world.now);
    assert!(so_far[0].contains("\"refused\":1"), "{so_far:?}");
    let events = world.incidents.end(&counted, (WallTime(0), world.now));
    assert_eq!(events.len(), 1);
    let known = world.incidents.known.get(1).unwrap();
    assert_eq!((known.state, known.came_out()), (State::CutOff, "cut-off"));
    assert_eq!(known.cost.as_ref().unwrap().refused, 1);
    assert_eq!(world.incidents.status().open, 0);
}
