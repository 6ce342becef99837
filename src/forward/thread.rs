//! One data thread's state, and the snapshot that its requests read.

use std::{
    cell::{Cell, RefCell},
    fmt,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::sync::Notify;

pub use super::settings::{PerClient, Settings};
use super::{
    choice::{self, Turns},
    identity,
    pool::Upstream,
};
use crate::{
    admit::{
        clients::{ClientKey, Clients, Held},
        gate::{Admission, Permit, at_the_door},
        lot::{Lack, Lot},
        wish::Wish,
    },
    explain::code::Code,
    observe::{
        access::Sink,
        in_flight::{InFlight, Key},
        ledger::{End, Ledger},
        route::Look,
        tally::{Counters, Rules},
    },
    time::MonoTime,
    words::Door,
};

/// Unless they are counted together with those of other threads.
const CLIENTS: usize = 1024;

/// A ready worker in one snapshot.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The worker.
    pub upstream: Rc<Upstream>,
    /// This thread's counters for it under the snapshot's rules.
    pub counters: Arc<Counters>,
}

/// The snapshot that a request reads and keeps: a reload or a recycle makes a new one.
#[derive(Debug)]
pub struct View {
    /// What the data path was told.
    pub settings: Arc<Settings>,
    /// The compiled rules.
    pub rules: Arc<Rules>,
    /// The ready workers, by instance.
    pub seats: Vec<Seat>,
    /// What a request meets while none lets it in.
    pub door: Door,
    /// Park every request although a worker is ready.
    pub hold: bool,
    /// Answer load balancers' probes that we are not ready.
    pub unready: bool,
    /// The maintenance page, while that is the answer to every request.
    pub page: Option<Bytes>,
    /// autoheal will be stopping then.
    pub leaving: Option<MonoTime>,
    /// autoheal is stopping.
    pub closing: bool,
    many: bool,
    turns: Turns,
}

impl View {
    /// A snapshot of these workers; nothing is held or closing.
    #[must_use]
    pub fn new(seats: Vec<Seat>, settings: Arc<Settings>, rules: Arc<Rules>, door: Door) -> Self {
        Self {
            many: choice::are_many(&seats),
            seats,
            settings,
            rules,
            door,
            hold: false,
            unready: false,
            page: None,
            leaving: None,
            closing: false,
            turns: Turns::default(),
        }
    }

    /// The one step, for a request that could wait until `deadline`.
    #[must_use]
    pub fn admit(&self, now: MonoTime, deadline: MonoTime, wish: Wish) -> Admission {
        if !self.hold {
            if let Some(permit) = self.pass(now, wish) {
                return Admission::Pass(permit);
            }
            if self.seats.is_empty() {
                return at_the_door(self.door, now, deadline);
            }
        }
        self.wait()
    }

    /// Where a request waits that nobody may let in now.
    #[must_use]
    pub fn wait(&self) -> Admission {
        if self.settings.cap.is_set() && self.serves() {
            Admission::Queue
        } else {
            Admission::Park
        }
    }

    /// Whether there is a worker that serves.
    fn serves(&self) -> bool {
        !self.hold && !self.seats.is_empty()
    }

    /// A permit of the first worker that lets one more in; of several instances, of the best.
    #[must_use]
    pub fn pass(&self, now: MonoTime, wish: Wish) -> Option<Permit> {
        if self.hold {
            return None;
        }
        if self.many {
            return choice::best(&self.seats, &self.turns, now, wish);
        }
        self.seats
            .iter()
            .find_map(|seat| seat.upstream.local.admit(now))
    }

    /// Whether another instance than this worker's serves, so that nothing need be waited for.
    #[must_use]
    pub fn has_other(&self, than: &Seat) -> bool {
        let number = than.upstream.local.member.instance;
        let other = |seat: &Seat| seat.upstream.local.member.instance != number;
        self.many && self.seats.iter().any(other)
    }

    /// The worker that gave this permit. `None`: it has left the roster since.
    #[must_use]
    pub fn seat(&self, permit: &Permit) -> Option<&Seat> {
        self.seats
            .iter()
            .find(|seat| Rc::ptr_eq(&seat.upstream.local, permit.local()))
    }
}

/// One data thread.
pub struct Thread {
    /// Its number.
    pub index: usize,
    /// Its ledger.
    pub ledger: Arc<Ledger>,
    /// Who waits.
    pub lot: Lot,
    /// Who hears of every request; `None`: nobody.
    pub access: Option<Sink>,
    /// How many connections each client has, on all threads.
    pub clients: Arc<Clients>,
    /// Rings at the control thread.
    pub bell: Arc<Notify>,
    /// Rings at this thread's steward.
    pub steward: Notify,
    /// The steward sleeps until then.
    pub armed: Cell<MonoTime>,
    in_flight: RefCell<InFlight>,
    view: RefCell<Rc<View>>,
    /// Who looks out for the next snapshot.
    turned: Notify,
    /// Who looks out for the end.
    ending: Notify,
    ids: Cell<u64>,
}

impl Thread {
    /// A data thread with this first snapshot.
    #[must_use]
    pub fn new(index: usize, ledger: Arc<Ledger>, lot: Lot, bell: Arc<Notify>, view: View) -> Self {
        let mut in_flight = InFlight::default();
        in_flight.set_limits(&view.rules, view.settings.response_timeout);
        Self {
            index,
            ledger,
            lot,
            access: None,
            clients: Arc::new(Clients::new(CLIENTS)),
            bell,
            steward: Notify::new(),
            armed: Cell::new(MonoTime::NEVER),
            in_flight: RefCell::new(in_flight),
            view: RefCell::new(Rc::new(view)),
            turned: Notify::new(),
            ending: Notify::new(),
            ids: Cell::new(fastrand::u64(..)),
        }
    }

    /// The snapshot in force.
    #[must_use]
    pub fn view(&self) -> Rc<View> {
        self.view.borrow().clone()
    }

    /// Puts a new snapshot in force.
    pub fn turn(&self, view: View) {
        let old = self.view.replace(Rc::new(view));
        let new = self.view();
        if !Arc::ptr_eq(&old.rules, &new.rules) || !Arc::ptr_eq(&old.settings, &new.settings) {
            let mut in_flight = self.in_flight.borrow_mut();
            in_flight.set_limits(&new.rules, new.settings.response_timeout);
        }
        self.turned.notify_waiters();
        if (new.leaving, new.closing) != (old.leaving, old.closing) {
            self.ending.notify_waiters();
        }
        if !new.serves() {
            self.lot.extend();
        }
        self.release();
    }

    /// Whether somebody waits whom a new request may not overtake.
    #[must_use]
    pub fn has_queue(&self, view: &View) -> bool {
        !self.lot.is_empty() || view.settings.cap.is_set() && !self.lot.occupancy().is_empty()
    }

    /// Waits for the next snapshot.
    pub async fn turned(&self) {
        self.turned.notified().await;
    }

    /// Whether autoheal is stopping now, whatever the snapshot of a request says.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.view.borrow().closing
    }

    /// Waits for autoheal to begin to stop.
    pub async fn closing(&self) {
        while !self.is_closing() {
            self.ending().await;
        }
    }

    /// Waits for news of autoheal's end: when it will be, or that it is now.
    pub async fn ending(&self) {
        self.ending.notified().await;
    }

    /// Lets in those who wait, as far as workers let them.
    pub fn release(&self) {
        if self.lot.is_empty() {
            return;
        }
        let view = self.view();
        let now = crate::time::now();
        let shared = view.settings.cap.is_set();
        self.lot.release(shared, |wish| view.pass(now, wish));
    }

    /// Sends away those who wait in vain.
    pub fn expire(&self, now: MonoTime) {
        let view = self.view();
        let retry_at = match view.door {
            Door::Park { next_start, .. } => Some(next_start),
            Door::Refuse { retry_at, .. } => retry_at,
        };
        let (code, retry_at) = match view.wait() {
            Admission::Queue => (Code::QueuedTooLong, self.served_at(now)),
            _ => (Code::ParkedTooLong, retry_at),
        };
        self.lot.refuse(now, code, retry_at);
        if view.serves() || view.hold {
            return;
        }
        match view.door {
            Door::Refuse { code, retry_at } => self.lot.refuse(MonoTime::NEVER, code, retry_at),
            Door::Park { next_start, .. } => {
                let late = next_start - Duration::from_nanos(1);
                self.lot.refuse(late, Code::WorkerDown, Some(next_start));
            }
        }
    }

    /// When one who began to wait for a place now would be served. `None`: nobody knows.
    #[must_use]
    pub fn served_at(&self, now: MonoTime) -> Option<MonoTime> {
        self.lot.occupancy().wait(now).map(|wait| now + wait)
    }

    /// Counts a connection of a client, if that is not one of those that are trusted: a proxy of
    /// many.
    ///
    /// # Errors
    /// The code, when it has as many as one client may.
    pub fn connects(&self, ip: Option<IpAddr>, most: u64) -> Result<Option<Held>, Code> {
        let Some(ip) = ip.filter(|ip| !(self.view.borrow().settings.trusted)(*ip)) else {
            return Ok(None);
        };
        let held = self.clients.take(ClientKey::of(ip), most);
        held.map(Some).ok_or(Code::ClientHasTooManyConnections)
    }

    /// Counts a request that is to wait as one of its client's, if it is known who that is.
    ///
    /// # Errors
    /// The code, when it has as many waiting as one client may.
    pub fn waits(
        &self,
        settings: &Settings,
        lack: Lack,
        ip: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<Option<Held>, Code> {
        let Some(ip) = identity::asker(ip, headers, &settings.trusted) else {
            return Ok(None);
        };
        let most = match lack {
            Lack::Worker => settings.per_client.parked,
            Lack::Place => settings.per_client.queued,
        };
        let clients = self.lot.occupancy().clients(lack);
        let held = clients.take(ClientKey::of(ip), most);
        held.map(Some).ok_or(Code::ClientHasTooManyWaiting)
    }

    /// Counts a request whose head could not even be read to its end.
    pub fn refused(&self, code: Code) {
        self.ledger.accepted();
        self.ledger.ended(End::Refused(code));
    }

    /// The table of what is in flight.
    pub fn in_flight(&self) -> std::cell::RefMut<'_, InFlight> {
        self.in_flight.borrow_mut()
    }

    /// Makes sure that the steward looks again at this time.
    pub fn arm(&self, at: MonoTime) {
        if at < self.armed.get() {
            self.armed.set(at);
            self.steward.notify_one();
        }
    }

    /// An attempt begins. Wakes the steward if it would sleep past the attempt's first limit.
    pub fn enter(
        &self,
        now: MonoTime,
        permit: &Permit,
        look: Look,
        method: &Method,
        uri: &Uri,
        replayable: bool,
    ) -> Key {
        let generation = permit.local().member.generation;
        let mut in_flight = self.in_flight.borrow_mut();
        let key = in_flight.enter(now, generation, look, method, uri, replayable);
        if let Some(shortest) = in_flight.shortest() {
            self.arm(now + shortest);
        }
        key
    }

    /// A request id of sixteen hexadecimal digits, different from any other of this process.
    #[must_use]
    pub fn request_id(&self) -> HeaderValue {
        let id = self.ids.get().wrapping_add(1);
        self.ids.set(id);
        identity::nth_id(id)
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data thread {}", self.index)
    }
}
