//! How something that we did not start is restarted: in its own way first, and by SIGKILL for what
//! stands in the way of that.
//!
//! It may end and another may come, or go on with new processes that serve, or begin anew without
//! any sign of it. Only those that serve are ever killed beside the main process: what else it has
//! started is not ours.

use std::{collections::HashSet, time::Duration};

use tokio::{task::spawn_blocking, time::sleep};

use super::{
    attached::{Follower, Main, Order},
    attachment::{Asked, Restart},
    child::Event,
    kill::kill,
    oom::OomKills,
};
use crate::{
    os::{
        listener::{Listeners, listeners},
        procfs::{Identity, Proc},
    },
    time::{MonoTime, now},
    units::format_duration,
};

/// Between two looks at what is left.
const LOOK: Duration = Duration::from_millis(20);
/// Whoever is asked to restart what hangs has so long before it is killed.
const KILL_GRACE: Duration = Duration::from_secs(2);
/// What can't die yet must not cost CPU meanwhile.
const KILL_AGAIN: Duration = Duration::from_millis(250);
/// One process alone shows no sign of having begun anew: so long after it was told it has.
const SETTLE: Duration = Duration::from_secs(1);
/// What serves and is left when the main process has ended goes by itself, or is killed after this
/// long.
const LEFT_GRACE: Duration = Duration::from_secs(2);

/// What it was when it was told to restart.
struct Before {
    main: Identity,
    tree: HashSet<Identity>,
    /// The listening sockets, by inode.
    sockets: HashSet<u64>,
    /// The processes that served, but the main one.
    serving: Vec<Identity>,
}

impl Before {
    /// Those that served and are still there.
    fn left(&self, proc: &Proc) -> Vec<Identity> {
        let lives = |who: &&Identity| {
            let stat = proc.stat(who.pid);
            stat.is_ok_and(|stat| stat.start_ticks == who.start_ticks && !stat.is_zombie())
        };
        self.serving.iter().filter(lives).copied().collect()
    }
}

/// How far a restart is.
struct Course {
    kill_at: MonoTime,
    /// It hangs: it is killed even if its own way comes to nothing.
    must_end: bool,
    /// Since when it has been told all that there is to tell.
    told_at: Option<MonoTime>,
    asked: Option<Asked>,
    /// It is someone else's to restart, within this time.
    elsewhere: Option<Duration>,
}

impl Follower {
    /// Restarts it. What comes of it is told; this generation is over then.
    pub(super) async fn end(mut self, mut main: Main, mut kills: OomKills, order: Order) {
        let before = self.before(main.who).await;
        let mut course = match self.begin(&main, order) {
            Ok(course) => course,
            Err(why) => return self.in_vain(why).await,
        };
        let mut next_count = now() + Duration::from_secs(1);
        loop {
            tokio::select! {
                biased;
                _ = &mut main.end => break,
                order = self.orders.recv() => match order {
                    Some(Order::Kill) if course.elsewhere.is_some() => {}
                    Some(Order::Kill) => {
                        course.must_end = true;
                        course.kill_at = course.kill_at.min(now());
                    }
                    Some(Order::Restart(within)) => {
                        course.kill_at = course.kill_at.min(now() + within);
                    }
                    Some(Order::Signal(number)) => drop(main.tell(number)),
                    Some(Order::LetGo) => return self.say(Event::Gone).await,
                    None => return,
                },
                () = sleep(LOOK) => {}
            }
            if now() >= next_count {
                next_count = now() + Duration::from_secs(1);
                kills.look();
            }
            if let Some(why) = self.refused(&mut course) {
                return self.in_vain(why).await;
            }
            if let Some(told_at) = course.told_at
                && self.is_renewed(&before, told_at, course.must_end).await
            {
                self.attachment.past().left = before.serving.into_iter().collect();
                return self.say(Event::Gone).await;
            }
            if now() >= course.kill_at {
                self.kill(&before, course.told_at.is_some());
                course.kill_at = now() + KILL_AGAIN;
            }
        }
        let (killed, tree) = (kills.lately(), before.tree.clone());
        self.attachment.past().left = tree;
        self.exited(killed).await;
        self.clear(&before, course.kill_at).await;
        self.say(Event::Gone).await;
    }

    /// Begins its own way of restarting.
    fn begin(&self, main: &Main, order: Order) -> Result<Course, String> {
        let (within, must_end) = match order {
            Order::Restart(within) => (within, false),
            _ => (KILL_GRACE, true),
        };
        let mut course = Course {
            kill_at: now() + within,
            must_end,
            told_at: None,
            asked: None,
            elsewhere: None,
        };
        match &self.attachment.plan().restart {
            Restart::Supervisor(_) if must_end => course.kill_at = now(),
            Restart::Supervisor(signal) => main.tell(*signal)?,
            Restart::Signal(signal) => {
                main.tell(*signal)?;
                course.told_at = Some(now());
            }
            Restart::Command { .. } => {
                course.asked = self.attachment.ask(Some(main.who.pid), self.generation);
            }
            Restart::Elsewhere => course.elsewhere = Some(within),
        }
        Ok(course)
    }

    /// Why its own way of restarting is of no use, if it is of none.
    fn refused(&self, course: &mut Course) -> Option<String> {
        if let Some(within) = course.elsewhere {
            let within = format_duration(Duration::from_secs(within.as_secs()));
            let late = now() >= course.kill_at;
            return late.then(|| format!("nobody did it within {within} of /workerz failing"));
        }
        let outcome = course.asked.as_ref()?.borrow().clone()?;
        course.asked = None;
        match outcome {
            Ok(()) => {
                course.told_at = Some(now());
                None
            }
            Err(why) => (!course.must_end).then_some(why),
        }
    }

    /// It could not be restarted and runs on.
    async fn in_vain(&self, why: String) {
        {
            let mut past = self.attachment.past();
            past.asked = None;
            past.left.clear();
        }
        self.say(Event::NotRestarted { why }).await;
        self.say(Event::Gone).await;
    }

    async fn before(&self, main: Identity) -> Before {
        let tree = self.tree(main).await;
        let Listeners { sockets, holders } = self.listeners().await;
        let of_it = |who: &Identity| tree.contains(who) && *who != main;
        Before {
            main,
            sockets: sockets.into_keys().collect(),
            serving: (holders.iter().map(|one| one.who)).filter(of_it).collect(),
            tree,
        }
    }

    async fn listeners(&self) -> Listeners {
        let (proc, plan) = (self.proc.clone(), self.attachment.plan());
        let looked = spawn_blocking(move || listeners(&proc, &plan.wanted.place));
        looked.await.unwrap_or_default()
    }

    /// Whether what goes on under the same number is a new one: none that served before is left, or
    /// it listens anew; or there can be no sign of it and it had its time. Of one that `hangs`
    /// nothing is believed without a sign: it may be deaf to what it was told.
    async fn is_renewed(&self, before: &Before, told_at: MonoTime, hangs: bool) -> bool {
        if !before.serving.is_empty() {
            return before.left(&self.proc).is_empty();
        }
        if !hangs && now().since(told_at) >= SETTLE {
            return true;
        }
        let sockets = self.listeners().await.sockets;
        !sockets.is_empty() && sockets.keys().all(|inode| !before.sockets.contains(inode))
    }

    /// Kills what stands in the way: of one that goes on only those that served, if there are any.
    fn kill(&self, before: &Before, goes_on: bool) {
        if !goes_on || before.serving.is_empty() {
            kill(&self.proc, before.main);
        }
        for who in before.left(&self.proc) {
            kill(&self.proc, who);
        }
    }

    /// Waits until nothing that served is left to stand in the way of the next one. What can't be
    /// killed is not waited for.
    async fn clear(&self, before: &Before, kill_at: MonoTime) {
        let kill_at = kill_at.min(now() + LEFT_GRACE);
        loop {
            let left = before.left(&self.proc);
            if left.is_empty() || now() >= kill_at + LEFT_GRACE {
                return;
            }
            if now() >= kill_at {
                left.into_iter().for_each(|who| kill(&self.proc, who));
            }
            sleep(LOOK).await;
        }
    }
}
