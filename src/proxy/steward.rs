//! Each data thread's steward: takes snapshots, reads letters, and sleeps until the oldest request
//! in flight becomes slow or the first one parked has waited too long.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    admit::{
        gate::Local,
        mailbox::{Letter, Request, Which},
        occupancy::Occupancy,
        roster::{Member, Roster},
    },
    forward::{
        habits::Habits,
        pool::Upstream,
        thread::{Seat, Settings, Thread, View},
    },
    observe::{
        suspects::Suspects,
        tally::{Registry, Rules},
    },
    time::{self, MonoTime},
};

/// What the data path was told by configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// How to forward.
    pub settings: Arc<Settings>,
    /// What to count.
    pub rules: Arc<Rules>,
}

/// What a steward listens to.
pub struct Inputs {
    /// The ready workers.
    pub roster: watch::Receiver<Arc<Roster>>,
    /// The configuration.
    pub config: watch::Receiver<Config>,
    /// What was in flight when a worker crashed.
    pub suspects: watch::Receiver<Arc<Suspects>>,
    /// What the control thread asks.
    pub letters: mpsc::Receiver<Letter>,
    /// Where counters are registered.
    pub registry: Arc<Registry>,
    /// What this thread knows of the app's workers.
    pub habits: Rc<Habits>,
    /// Who waits, on all threads.
    pub occupancy: Arc<Occupancy>,
}

impl Inputs {
    /// The first snapshot of a thread.
    #[must_use]
    pub fn first_view(&mut self, thread: usize) -> View {
        self.view(thread, &[])
    }

    /// The newest snapshot. Workers that `old` has keep their connections.
    fn view(&mut self, thread: usize, old: &[Seat]) -> View {
        let roster = self.roster.borrow_and_update().clone();
        let config = self.config.borrow_and_update().clone();
        let seats = roster
            .members
            .iter()
            .map(|member| self.seat(thread, member, &config, old));
        let (settings, rules) = (config.settings.clone(), config.rules.clone());
        let mut view = View::new(seats.collect(), settings, rules, roster.door);
        (view.hold, view.leaving) = (roster.hold, roster.leaving);
        // The door and each withdrawal are told one by one: until the last of them, requests are
        // still served.
        view.closing = roster.closing && roster.members.is_empty();
        view.unready = roster.unready;
        view.page = roster.page.clone();
        view
    }

    fn seat(&self, thread: usize, member: &Arc<Member>, config: &Config, old: &[Seat]) -> Seat {
        let known = old
            .iter()
            .find(|s| Arc::ptr_eq(&s.upstream.local.member, member));
        let upstream = known.map_or_else(
            || {
                let local = Local::new(member.clone(), thread, self.occupancy.clone());
                let local = Rc::new(local);
                Rc::new(Upstream::new(local, self.habits.clone()))
            },
            |seat| seat.upstream.clone(),
        );
        upstream.local.set_cap(config.settings.cap);
        let counters = known
            .filter(|seat| seat.counters.epoch() == config.rules.epoch())
            .map_or_else(
                || self.registry.register(member.generation, &config.rules),
                |seat| seat.counters.clone(),
            );
        Seat { upstream, counters }
    }
}

/// While somebody waits for a fresh worker's share to grow, it is looked at so often.
const RAMP_LOOK: Duration = Duration::from_millis(50);

/// Runs until the control thread is gone.
pub async fn run(thread: Rc<Thread>, mut inputs: Inputs) {
    loop {
        let wake = look(&thread);
        thread.armed.set(wake);
        // Snapshots before letters: a letter may rely on one.
        tokio::select! {
            biased;
            news = inputs.roster.changed() => match news {
                Ok(()) => turn(&thread, &mut inputs),
                Err(_) => return,
            },
            news = inputs.config.changed() => match news {
                Ok(()) => turn(&thread, &mut inputs),
                Err(_) => return,
            },
            news = inputs.suspects.changed() => match news {
                Ok(()) => thread.in_flight().suspect(&inputs.suspects.borrow_and_update()),
                Err(_) => return,
            },
            letter = inputs.letters.recv() => match letter {
                Some(letter) => answer(&thread, letter),
                None => return,
            },
            () = thread.steward.notified() => {}
            () = thread.lot.called() => {}
            () = tokio::time::sleep_until(Instant::from_std(wake.to_instant())) => {}
        }
    }
}

/// So late is a thread that had no CPU or was stopped, not one that was busy.
const STILL: Duration = Duration::from_millis(100);

/// Looks after everything that has come due. Returns when to look again.
fn look(thread: &Thread) -> MonoTime {
    let now = time::now();
    let late = now.since(thread.armed.get());
    if late > STILL {
        thread.in_flight().stood_still(now, late);
    }
    let view = thread.view();
    let mut slow = false;
    thread.in_flight().due(now, |became| {
        let seat = view
            .seats
            .iter()
            .find(|s| s.upstream.local.member.generation == became.generation);
        if let Some(seat) = seat {
            seat.counters.became_slow(became.rule);
            slow = true;
        }
    });
    if slow {
        thread.bell.notify_one();
    }
    thread.expire(now);
    thread.release();
    let mut wake = thread.in_flight().next_due().unwrap_or(MonoTime::NEVER);
    for seat in &view.seats {
        let idle = seat.upstream.expire(now, view.settings.keep_alive);
        wake = wake.min(idle.unwrap_or(MonoTime::NEVER));
        let ramp_end = seat.upstream.local.member.ramp.until;
        if !thread.lot.is_empty() && ramp_end > now {
            wake = wake.min(ramp_end).min(now + RAMP_LOOK);
        }
    }
    wake.min(thread.lot.next_deadline().unwrap_or(MonoTime::NEVER))
}

/// Puts the newest snapshot in force; connections to workers that left it are closed.
fn turn(thread: &Thread, inputs: &mut Inputs) {
    let old = thread.view();
    let new = inputs.view(thread.index, &old.seats);
    let left: Vec<Rc<Upstream>> = old
        .seats
        .iter()
        .filter(|seat| {
            !new.seats
                .iter()
                .any(|s| Rc::ptr_eq(&s.upstream, &seat.upstream))
        })
        .map(|seat| seat.upstream.clone())
        .collect();
    thread.turn(new);
    for upstream in left {
        upstream.close();
    }
}

/// Who asked may have left meanwhile; then nobody needs the answer.
fn ignore<T>(_: Result<(), T>) {}

fn answer(thread: &Thread, letter: Letter) {
    match letter {
        Letter::Cut {
            generation,
            which,
            reply,
        } => {
            let mut in_flight = thread.in_flight();
            let count = match which {
                Which::Stuck(rule) => in_flight.cut_stuck(generation, rule),
                Which::All => in_flight.cut_all(generation),
            };
            ignore(reply.send(count));
        }
        Letter::Oldest { generation, reply } => {
            ignore(reply.send(thread.in_flight().oldest(generation)));
        }
        Letter::Lost { generation, reply } => {
            let lost = thread.in_flight().lost_by(generation, time::now());
            ignore(reply.send(lost));
        }
        Letter::List { limit, reply } => {
            let now = time::now();
            let list = thread
                .in_flight()
                .list(limit)
                .into_iter()
                .map(|one| Request {
                    generation: one.generation,
                    method: one.method.to_string(),
                    path: one.uri.path().to_owned(),
                    age: now.since(one.since),
                    answered: one.answered,
                    tunnel: one.tunnel,
                });
            ignore(reply.send(list.collect()));
        }
    }
}
