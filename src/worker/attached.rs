//! A worker that something else started: looked for, watched through a pidfd so that its end is
//! noticed at once, and restarted or let go.

use std::{
    collections::HashSet,
    io,
    os::fd::OwnedFd,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::sleep,
};

use super::{attachment::Attachment, child::Event, find::find, oom::OomKills};
use crate::{
    os::{
        procfs::{Identity, Proc},
        tree::{Root, members},
    },
    time::now,
    words::{Exit, Generation, signal_number},
};

/// A worker that something else started. Dropping it lets the worker run on.
#[derive(Debug)]
pub struct Attached {
    orders: mpsc::Sender<Order>,
    found: Arc<OnceLock<u32>>,
}

/// What is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Signal(i32),
    /// Its own way, and killed after this long where that is in its way.
    Restart(Duration),
    Kill,
    LetGo,
}

/// Orders that may wait; the engine gives a handful to each generation.
const ORDERS: usize = 16;
/// What becomes of it may wait for whoever hears of it.
const EVENTS: usize = 16;
/// Between two looks at who listens, and after this long.
const OFTEN: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_millis(200);
const SOON: Duration = Duration::from_secs(10);
/// What keeps it from being found is told once it has lasted this long.
const PATIENCE: Duration = Duration::from_secs(1);
/// After an end that we did not ask for the next one may come without our command for so long.
const GRACE: Duration = Duration::from_secs(2);
/// Between two looks at its tree and at the OOM killer's counter.
const LOOK: Duration = Duration::from_secs(1);

impl Attached {
    /// Begins to look for it; its events follow. Must be called on a tokio runtime.
    #[must_use]
    pub fn attach(
        attachment: &Attachment,
        generation: Generation,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (orders, order_queue) = mpsc::channel(ORDERS);
        let (events, receiver) = mpsc::channel(EVENTS);
        let found = Arc::new(OnceLock::new());
        let follower = Follower {
            attachment: attachment.clone(),
            generation,
            proc: Proc::default(),
            found: found.clone(),
            orders: order_queue,
            events,
        };
        tokio::spawn(follower.run());
        (Self { orders, found }, receiver)
    }

    /// Where its tree begins, once it was found.
    #[must_use]
    pub fn tree(&self) -> Option<Root> {
        self.found.get().copied().map(Root::From)
    }

    pub(super) fn signal(&self, number: i32) {
        self.order(Order::Signal(number));
    }

    pub(super) fn restart(&self, kill_after: Duration) {
        self.order(Order::Restart(kill_after));
    }

    pub(super) fn kill(&self) {
        self.order(Order::Kill);
    }

    pub(super) fn let_go(&self) {
        self.order(Order::LetGo);
    }

    /// One that finds no room is not needed: as many before it say the same.
    fn order(&self, order: Order) {
        let _ = self.orders.try_send(order);
    }
}

/// The task that follows one generation.
pub(super) struct Follower {
    pub(super) attachment: Attachment,
    pub(super) generation: Generation,
    pub(super) proc: Proc,
    found: Arc<OnceLock<u32>>,
    pub(super) orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<Event>,
}

/// Its main process.
pub(super) struct Main {
    pub(super) who: Identity,
    fd: Arc<OwnedFd>,
    /// Comes when it has ended.
    pub(super) end: oneshot::Receiver<()>,
    /// Closing it ends the thread that waits.
    _wake: io::PipeWriter,
}

impl Main {
    /// Opens what tells of its end.
    fn open(proc: &Proc, who: Identity) -> Result<Self, String> {
        let gone = || format!("process {} has just ended", who.pid);
        let pid = i32::try_from(who.pid).ok().and_then(Pid::from_raw);
        let fd = pidfd_open(pid.ok_or_else(gone)?, PidfdFlags::empty());
        let fd = fd.map_err(|error| format!("can't watch process {}: {error}", who.pid))?;
        if !proc.is(who) {
            return Err(gone());
        }
        let fd = Arc::new(fd);
        let watched = watch(fd.clone()).map_err(|error| format!("can't start a thread: {error}"));
        let (end, wake) = watched?;
        Ok(Self {
            who,
            fd,
            end,
            _wake: wake,
        })
    }

    /// Sends it a signal, and wakes it if it was stopped.
    pub(super) fn tell(&self, number: i32) -> Result<(), String> {
        let Some(signal) = Signal::from_named_raw(number) else {
            return Ok(());
        };
        let sent = pidfd_send_signal(&self.fd, signal);
        if let Some(cont) = signal_number("CONT").and_then(Signal::from_named_raw) {
            let _ = pidfd_send_signal(&self.fd, cont);
        }
        match sent {
            // One that has ended is told of by its descriptor.
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(Errno::PERM) => Err(format!(
                "process {} is another user's and may not be sent a signal: run autoheal as that \
                 user or as root, or set attach.restart to a command",
                self.who.pid
            )),
            Err(error) => Err(format!("can't signal process {}: {error}", self.who.pid)),
        }
    }
}

/// Waits on a thread of its own: a runtime can't wait for a foreign descriptor in safe code.
fn watch(fd: Arc<OwnedFd>) -> io::Result<(oneshot::Receiver<()>, io::PipeWriter)> {
    let (asleep, wake) = io::pipe()?;
    let (tell, end) = oneshot::channel();
    thread::Builder::new()
        .name("attached worker".into())
        .spawn(move || {
            loop {
                let mut fds = [
                    PollFd::new(&*fd, PollFlags::IN),
                    PollFd::new(&asleep, PollFlags::IN),
                ];
                match poll(&mut fds, None) {
                    Ok(_) if !fds[1].revents().is_empty() => return,
                    Ok(_) if !fds[0].revents().is_empty() => break,
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => return,
                }
            }
            // Whoever has let it go does not want to know.
            let _ = tell.send(());
        })?;
    Ok((end, wake))
}

/// What comes next in the life of one that was found.
enum Next {
    Ended,
    Ordered(Option<Order>),
    Look,
}

impl Follower {
    async fn run(mut self) {
        if let Some(main) = self.look().await {
            self.follow(main).await;
        }
    }

    /// Looks until it is there. `None`: it came to nothing, as has been told.
    async fn look(&mut self) -> Option<Main> {
        let began = now();
        let mut brings = {
            let mut past = self.attachment.past();
            std::mem::replace(&mut past.looked, true) && past.asked.is_none()
        };
        let mut absent = Absent::default();
        loop {
            match self.find().await {
                Ok(main) => {
                    self.attachment.past().asked = None;
                    return Some(main);
                }
                Err(why) => {
                    if let Some(why) = absent.because(why) {
                        self.say(Event::Absent { why }).await;
                    }
                }
            }
            if brings && now().since(began) >= GRACE {
                brings = false;
                self.attachment.ask(None, self.generation);
            }
            if let Some(why) = self.asked_in_vain() {
                self.attachment.past().asked = None;
                self.say(Event::Failed { why }).await;
                return None;
            }
            let pause = match now().since(began) < SOON {
                true => OFTEN,
                false => SELDOM,
            };
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Signal(_)) => {}
                    Some(Order::Restart(_) | Order::Kill | Order::LetGo) => {
                        self.say(Event::Gone).await;
                        return None;
                    }
                    None => return None,
                },
                () = sleep(pause) => {}
            }
        }
    }

    /// /proc may block.
    async fn find(&self) -> Result<Main, String> {
        let (proc, plan) = (self.proc.clone(), self.attachment.plan());
        let left = self.attachment.past().left.clone();
        let found = spawn_blocking(move || {
            let who = find(&proc, &plan.wanted, &left)?;
            Main::open(&proc, who)
        });
        found.await.map_err(|error| error.to_string())?
    }

    /// Why the command that was to bring the next one has failed, if it has.
    pub(super) fn asked_in_vain(&self) -> Option<String> {
        let past = self.attachment.past();
        let outcome = past.asked.as_ref()?.borrow().clone();
        outcome?.err()
    }

    async fn follow(mut self, mut main: Main) {
        let pid = main.who.pid;
        // Nobody else sets it.
        let _ = self.found.set(pid);
        self.say(Event::Started { pid }).await;
        let mut kills = OomKills::of(&self.proc, pid);
        let mut tree = HashSet::from([main.who]);
        loop {
            match self.next(&mut main).await {
                Next::Look => {
                    kills.look();
                    tree = self.tree(main.who).await;
                }
                Next::Ended => {
                    // Its orphans are not ours to end, nor are they the next one.
                    self.attachment.past().left = tree;
                    self.exited(kills.lately()).await;
                    self.say(Event::Gone).await;
                    return;
                }
                Next::Ordered(Some(Order::Signal(number))) => {
                    // Passed on as it came: what comes of it is its own affair.
                    drop(main.tell(number));
                }
                Next::Ordered(Some(order @ (Order::Restart(_) | Order::Kill))) => {
                    return self.end(main, kills, order).await;
                }
                Next::Ordered(Some(Order::LetGo)) => {
                    self.say(Event::Gone).await;
                    return;
                }
                Next::Ordered(None) => return,
            }
        }
    }

    async fn next(&mut self, main: &mut Main) -> Next {
        tokio::select! {
            biased;
            _ = &mut main.end => Next::Ended,
            order = self.orders.recv() => Next::Ordered(order),
            () = sleep(LOOK) => Next::Look,
        }
    }

    /// Its processes; they can't be told from others any more when it has ended.
    pub(super) async fn tree(&self, main: Identity) -> HashSet<Identity> {
        let proc = self.proc.clone();
        let listed = spawn_blocking(move || members(&proc, Root::From(main.pid)));
        let listed = listed.await.ok().and_then(Result::ok).unwrap_or_default();
        listed
            .iter()
            .map(|member| member.who)
            .chain([main])
            .collect()
    }

    pub(super) async fn exited(&self, oom_killed: bool) {
        self.say(Event::Exited {
            exit: Exit::Unknown,
            oom_killed,
            address_in_use: false,
            left_children: false,
        })
        .await;
    }

    /// The receiver may be gone; what is begun is ended all the same.
    pub(super) async fn say(&self, event: Event) {
        drop(self.events.send(event).await);
    }
}

/// What keeps it from being found: told once it lasts, and again when it is something else.
#[derive(Default)]
struct Absent {
    now: Option<(String, crate::time::MonoTime)>,
    told: Option<String>,
}

impl Absent {
    fn because(&mut self, why: String) -> Option<String> {
        let since = match &self.now {
            Some((same, since)) if *same == why => *since,
            _ => now(),
        };
        self.now = Some((why.clone(), since));
        if now().since(since) < PATIENCE || self.told.as_ref() == Some(&why) {
            return None;
        }
        self.told = Some(why.clone());
        Some(why)
    }
}
