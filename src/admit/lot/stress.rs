//! Many clients on several threads want few places.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use tokio::task::{JoinSet, LocalSet, yield_now};

use super::{
    tests::{member, queued},
    *,
};
use crate::{
    admit::{gate::Local, overload::Cap},
    time,
};

const THREADS: usize = 4;
const PLACES: u64 = 3;
const CLIENTS: u64 = 25;
const ROUNDS: u64 = 40;
const LIMITS: Limits = Limits {
    parked: 0,
    queued: 1000,
    bytes: 10_000,
};

#[derive(Default)]
struct Counts {
    inside: AtomicU64,
    most: AtomicU64,
    served: AtomicU64,
    left: AtomicU64,
}

/// As a data thread does it: `None` is a client that left while it waited.
async fn permit(lot: &Lot, local: &Rc<Local>, leaves: bool) -> Option<Permit> {
    let now = time::now();
    if lot.occupancy().is_empty()
        && let Some(permit) = local.admit(now)
    {
        return Some(permit);
    }
    let asking = Asking {
        now,
        deadline: MonoTime::NEVER,
        ..queued(0, 0)
    };
    let parked = lot.park(LIMITS, asking).unwrap();
    lot.release(true, |_| local.admit(now));
    if leaves {
        yield_now().await;
        return None;
    }
    match parked.await {
        Verdict::Pass(permit) => Some(permit),
        Verdict::Refuse { code, .. } => panic!("{code}"),
    }
}

async fn client(lot: Rc<Lot>, local: Rc<Local>, counts: Arc<Counts>) {
    for round in 0..ROUNDS {
        let Some(permit) = permit(&lot, &local, round % 7 == 3).await else {
            counts.left.fetch_add(1, SeqCst);
            continue;
        };
        let inside = counts.inside.fetch_add(1, SeqCst) + 1;
        counts.most.fetch_max(inside, SeqCst);
        yield_now().await;
        counts.inside.fetch_sub(1, SeqCst);
        counts.served.fetch_add(1, SeqCst);
        drop(permit);
    }
}

async fn thread(lot: Rc<Lot>, local: Rc<Local>, counts: Arc<Counts>) {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn_local(client(lot.clone(), local.clone(), counts.clone()));
    }
    loop {
        tokio::select! {
            ended = clients.join_next() => match ended {
                Some(ended) => ended.unwrap(),
                None => return,
            },
            () = lot.called() => lot.release(true, |_| local.admit(time::now())),
        }
    }
}

#[test]
fn nobody_waits_beside_a_free_place() {
    let occupancy = Arc::new(Occupancy::new(THREADS));
    let (member, counts) = (member(THREADS), Arc::new(Counts::default()));
    std::thread::scope(|scope| {
        for index in 0..THREADS {
            let (occupancy, member, counts) = (occupancy.clone(), member.clone(), counts.clone());
            scope.spawn(move || {
                let local = Local::new(member, index, occupancy.clone());
                local.set_cap(Cap::Fixed(PLACES));
                let lot = Rc::new(Lot::new(index, occupancy));
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .unwrap();
                let all = LocalSet::new();
                let work = all.run_until(thread(lot, Rc::new(local), counts));
                let ended = runtime
                    .block_on(async { tokio::time::timeout(Duration::from_secs(60), work).await });
                assert!(ended.is_ok(), "somebody waits beside a free place");
            });
        }
    });
    let all = THREADS as u64 * CLIENTS * ROUNDS;
    let (served, left) = (counts.served.load(SeqCst), counts.left.load(SeqCst));
    assert_eq!(served + left, all);
    assert!(served > all / 2, "{served} of {all}");
    assert!((2..=PLACES).contains(&counts.most.load(SeqCst)));
    assert!(occupancy.is_empty() && member.in_flight() == 0);
    assert!(
        (0..PLACES).all(|_| member.places.take(PLACES)),
        "all are back"
    );
}
