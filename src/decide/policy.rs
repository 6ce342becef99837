//! What the engine was told to do: the resolved configuration of deciding.

use std::{path::PathBuf, time::Duration};

use super::trigger::Trigger;
use crate::{
    units::{Hours, WebUrl},
    words::Mode,
};

/// How often tallies are drained and windows move.
pub const TICK: Duration = Duration::from_millis(100);

/// Everything the engine follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What is done with what is decided.
    pub mode: Mode,
    /// The rules in force, in order; at most [`super::trigger::MAX_RULES`].
    pub rules: Vec<Rule>,
    /// How a worker is replaced.
    pub recycle: Recycle,
    /// What happens when the worker ends by itself.
    pub restart: Restart,
    /// When to believe that the worker is unhealthy by its probe; `None`: no probe.
    pub health: Option<Health>,
    /// How long a request may be parked.
    pub parking_wait: Duration,
    /// How many recycles rules may cause.
    pub budget: Budget,
    /// When a recycle did not help, and what follows.
    pub verdict: Verdict,
    /// How autoheal itself stops.
    pub shutdown: Shutdown,
    /// What the app depends on; at most [`MAX_DEPENDENCIES`].
    pub dependencies: Vec<Dependency>,
    /// How many workers serve at the same time.
    pub instances: Instances,
    /// The worker is started by something else, and attached to; `None`: we start it. It is
    /// recycled in place, and it is let go rather than ended when we end or nobody wants it.
    pub attached: Option<Comes>,
}

/// How the next worker comes when it is not we who start it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comes {
    /// Something else starts it whenever the one before has ended, or it goes on by itself.
    ByItself,
    /// A command of the operator's brings it.
    ByCommand,
    /// As by itself: whoever watches over it, and asks us, is told to restart it.
    ByProbe,
    /// As by itself: we end with this code, and whoever supervises us restarts it with us.
    ByOurExit(i32),
    /// As by itself, but nobody is asked for it: that it should be restarted is only said.
    Unasked,
}

/// The most dependencies one configuration may have.
pub const MAX_DEPENDENCIES: usize = 16;

/// Something that the app can't serve without, and how it is asked whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Unique among the dependencies.
    pub name: String,
    /// Where it listens.
    pub address: DependencyAddress,
    /// What is asked for in HTTP, 200 to 399 being good; `None`: that it takes a connection is
    /// enough.
    pub path: Option<String>,
    /// From one probe to the next while all is well, or all is lost.
    pub interval: Duration,
    /// How long a probe may take.
    pub timeout: Duration,
    /// So many failed probes in a row mean that it is down...
    pub failures: u32,
    /// ...and so many good ones that it is up again.
    pub successes: u32,
}

/// Where a dependency listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DependencyAddress {
    /// On a port of a host, by name or address.
    Host(String, u16),
    /// On a Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for DependencyAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Policy {
    /// How long those who watch over a worker have to restart it, from when the first request is
    /// parked: what is left of the wait is for finding the old one again, which then answers it.
    #[must_use]
    pub fn restarted_within(&self) -> Duration {
        let rest = (self.parking_wait / 4).min(Duration::from_secs(10));
        self.parking_wait - rest
    }

    /// Every condition of every rule, in order. Tallies and schedules name one by its place here.
    pub fn conditions(&self) -> impl Iterator<Item = &Trigger> {
        self.rules.iter().flat_map(|rule| rule.when.parts())
    }
}

/// `when` something holds, `do` these actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unique among the rules.
    pub name: String,
    /// The condition.
    pub when: Trigger,
    /// What to do, in order. A log line is always written.
    pub actions: Vec<Rung>,
    /// The rule is held until the worker has been ready for this long.
    pub min_uptime: Duration,
    /// After a firing the rule rests this long; doubling to an hour while it keeps firing.
    pub cooldown: Duration,
    /// `Observe`: this rule only reports.
    pub mode: Mode,
    /// The rule is held in these hours, by the wall clock.
    pub not_between: Option<Hours>,
    /// Whether it stands there by default rather than by configuration.
    pub proactive: bool,
}

/// One rung of a rule's ladder: an action, and from which firing in a row on it is done. A firing
/// is in a row with the one before if it comes within ten minutes after that one's rest, or within
/// as long again as that rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// From this firing in a row on; 1: at each.
    pub after: u32,
    /// What is done. Of several recycles the one that asks for the most firings is.
    pub action: Action,
}

impl From<Action> for Rung {
    fn from(action: Action) -> Self {
        Self { after: 1, action }
    }
}

impl Rule {
    /// What is done at this firing in a row, in order.
    pub fn actions_at(&self, nth: u32) -> impl Iterator<Item = &Action> {
        let reached = move |rung: &&Rung| rung.after <= nth;
        let recycles = |rung: &&Rung| matches!(rung.action, Action::Recycle(_));
        let all = self.actions.iter().filter(reached);
        let worst = all.clone().filter(recycles).map(|rung| rung.after).max();
        let done = all.filter(move |rung| !recycles(rung) || Some(rung.after) == worst);
        done.map(|rung| &rung.action)
    }

    /// Whether it ever replaces the worker.
    #[must_use]
    pub fn recycles(&self) -> bool {
        let mut actions = self.actions.iter();
        actions.any(|rung| matches!(rung.action, Action::Recycle(_)))
    }
}

/// One thing a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Say it, which every firing does; alone it means: nothing else.
    Log,
    /// Keep what is known of the worker before anything is done to it.
    Capture,
    /// Tell load balancers to send requests elsewhere, until the rule has not held for a while or
    /// another worker serves.
    Unready,
    /// Tell someone.
    Notify(Notice),
    /// Replace the worker; `None`: by the configured strategy.
    Recycle(Option<Strategy>),
    /// Run a program.
    Run(Command),
}

/// A custom action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments; no shell. `%1%` in an argument is the worker's pid.
    pub argv: Vec<String>,
    /// Where it runs.
    pub dir: PathBuf,
    /// Its process group is killed after this long.
    pub timeout: Duration,
}

/// A webhook: a POST of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Where.
    pub url: WebUrl,
    /// All tries together may take this long.
    pub timeout: Duration,
}

/// How a worker is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recycle {
    /// The strategy in force: `auto` is already resolved from the port.
    pub strategy: Strategy,
    /// An overlap only while memory has room for two workers.
    pub needs_room: bool,
    /// From start to ready at most this long; then the worker is killed and the start has failed.
    pub start_timeout: Duration,
    /// What is in flight on the old worker may take this long to finish.
    pub drain_timeout: Duration,
    /// From the stop signal to SIGKILL.
    pub stop_timeout: Duration,
    /// A fresh worker gets its full share after this long at the latest.
    pub slow_start: Duration,
}

/// In which order the old worker goes and the new one comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Start the new one first.
    Overlap,
    /// Park, drain, stop, start, release.
    InPlace,
}

/// What happens when the worker ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// After which exits.
    pub when: RestartWhen,
    /// After the last start that made sense.
    pub give_up: GiveUp,
    /// How patient to be until then.
    pub patience: Patience,
}

/// How patient to be with a worker that ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// One that had been ready for a second starts at once, so many times...
    pub at_once: u32,
    /// ...in this time.
    pub window: Duration,
    /// Else it waits: first this long, then doubling...
    pub delay: Duration,
    /// ...to this.
    pub longest_delay: Duration,
    /// Service of this length forgets the ends before it.
    pub service: Duration,
    /// When it is enough.
    pub enough: Enough,
    /// From one try to the next after that.
    pub retry: Duration,
}

/// How many ends are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// However many.
    Never,
    /// So many in a row, without service between them.
    InARow(u32),
    /// So many within this time.
    Within(u32, Duration),
}

impl Default for Patience {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            at_once: 3,
            window: MINUTE,
            delay: Duration::from_secs(1),
            longest_delay: MINUTE,
            service: MINUTE,
            enough: Enough::InARow(10),
            retry: Duration::from_secs(300),
        }
    }
}

/// After which exits the worker is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartWhen {
    /// After any.
    Always,
    /// Not after exit code 0.
    OnFailure,
}

/// What happens when the worker does not stay up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// Answer 503 and try again every five minutes.
    Serve503,
    /// Exit with the worker's code.
    Exit,
}

/// When to believe that the worker is unhealthy by its probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// After this many failed probes in a row.
    pub failures: u32,
    /// So many good ones in a row make good for failures before them.
    pub successes: u32,
}

/// How many recycles rules may cause, over all rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// At most so many...
    pub recycles: u32,
    /// ...in this sliding window,
    pub window: Duration,
    /// and at most so many in 24 hours.
    pub per_day: u32,
}

/// When a recycle did not help, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Something that a rule measures (memory, CPU, descriptors, ...) and that is over its limit
    /// again within this time was not helped. A rate is watched for so long at most.
    pub back_within: Duration,
    /// Two recycles in a row that did not help disarm their rule for so long; zero: they don't.
    pub disarm: Duration,
}

/// How autoheal itself stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Keep serving this long, while the load balancer takes us out.
    pub delay: Duration,
    /// One deadline over delay, drain and stop.
    pub timeout: Duration,
}

/// How many workers serve at the same time. Each is an instance; its number outlives its
/// generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instances {
    /// How many.
    pub count: Count,
    /// At most so many are out at once by our own doing, at least 1.
    pub max_unavailable: u32,
}

/// How many workers serve at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Always so many, at least 1.
    Fixed(u32),
    /// As many as the load needs.
    Follow(Follow),
}

/// How the number of workers follows the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Never fewer; at least 1.
    pub min: u32,
    /// Never more.
    pub max: u32,
    /// One more is started when each has more than so many requests in flight...
    pub in_flight: u32,
    /// ...for so long.
    pub grow_after: Duration,
    /// One is stopped when the others could do its work easily for so long.
    pub shrink_after: Duration,
}

impl Instances {
    /// One worker.
    pub const ONE: Self = Self {
        count: Count::Fixed(1),
        max_unavailable: 1,
    };

    /// The fewest and the most workers that may be wanted.
    #[must_use]
    pub fn bounds(&self) -> (u32, u32) {
        match self.count {
            Count::Fixed(count) => (count, count),
            Count::Follow(follow) => (follow.min, follow.max),
        }
    }
}
