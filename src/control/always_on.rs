//! Asks a worker for `/` when no request came to it for a while, so that an idle app stays warm, as
//! App Service's Always On does. Nothing counts it, and nobody waits for the answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use http::Version;
use tokio::{sync::oneshot, task::AbortHandle};

use crate::{
    act::{Endpoint, Hands},
    decide::observation::Tally,
    explain::code::Code,
    observe::access::{Own, Sink},
    sense::probe::{Address, Failure, Question, ask},
    time::{self, MonoTime},
    tls::back::Manner,
    words::Generation,
};

/// As whom it asks: apps and their rewrite rules know it by App Service's name.
const USER_AGENT: &str = "AlwaysOn";
/// An answer is waited for no longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// How idle workers are kept warm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlwaysOn {
    /// A worker is asked when no request came to it for so long.
    pub interval: Duration,
    /// Under which name.
    pub host: String,
    /// Whether there may be several instances.
    pub several: bool,
}

/// Who is asked when, and who is being asked.
#[derive(Debug)]
pub(super) struct Warming {
    how: Option<AlwaysOn>,
    idle: Idle,
    /// Those that had requests since the last look.
    busy: BTreeSet<Generation>,
    asked: BTreeMap<Generation, Asked>,
    log: Option<Sink>,
}

impl Warming {
    /// `log`: what is asked is recorded there.
    pub(super) fn new(how: Option<AlwaysOn>, log: Option<Sink>) -> Self {
        Self {
            how,
            idle: Idle::default(),
            busy: BTreeSet::new(),
            asked: BTreeMap::new(),
            log,
        }
    }

    pub(super) fn set(&mut self, how: Option<AlwaysOn>) {
        if how != self.how {
            self.idle = Idle::default();
            self.how = how;
        }
    }

    /// Notes whether a worker had requests.
    pub(super) fn hear(&mut self, tally: &Tally) {
        if tally.answered > 0 || tally.in_flight > 0 {
            self.busy.insert(tally.generation);
        }
    }

    /// Asks who has been idle for long enough, once a tick.
    pub(super) fn look(&mut self, now: MonoTime, hands: &Hands) {
        let mut busy = std::mem::take(&mut self.busy);
        let serving = match &self.how {
            Some(_) => hands.serving(),
            None => Vec::new(),
        };
        // Who is to go is waited for no longer.
        self.asked.retain(|one, _| serving.contains(one));
        self.hear_answers();
        busy.extend(self.asked.keys());
        let Some(how) = &self.how else { return };
        // A tenth of jitter: instances and replicas must not ask what they share all at once.
        let wait = || how.interval.mul_f64(0.9 + 0.1 * fastrand::f64());
        for generation in self.idle.due(now, &serving, &busy, wait) {
            if let Some((endpoint, manner)) = hands.reached(generation) {
                let instance = hands.instance(generation).filter(|_| how.several);
                let asked = Asked::new(how, (generation, instance), endpoint, manner);
                self.asked.insert(generation, asked);
            }
        }
    }

    fn hear_answers(&mut self) {
        let log = &self.log;
        self.asked.retain(|_, asked| match asked.answer.try_recv() {
            Ok(own) => {
                if let Some(log) = log {
                    log.own(own);
                }
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => true,
            Err(oneshot::error::TryRecvError::Closed) => false,
        });
    }
}

/// When each worker that serves has been idle for long enough.
#[derive(Debug, Default)]
struct Idle(BTreeMap<Generation, MonoTime>);

impl Idle {
    /// Who is to be asked now. `busy`: those that had something to do since the last look; `wait`:
    /// for how long one is left alone.
    fn due(
        &mut self,
        now: MonoTime,
        serving: &[Generation],
        busy: &BTreeSet<Generation>,
        wait: impl Fn() -> Duration,
    ) -> Vec<Generation> {
        self.0.retain(|one, _| serving.contains(one));
        let mut due = Vec::new();
        for one in serving {
            let at = self.0.entry(*one).or_insert_with(|| now + wait());
            let is_busy = busy.contains(one);
            if is_busy || now >= *at {
                *at = now + wait();
                due.extend((!is_busy).then_some(*one));
            }
        }
        due
    }
}

/// A worker that is being asked; dropped, it is waited for no longer.
#[derive(Debug)]
struct Asked {
    answer: oneshot::Receiver<Own>,
    task: AbortHandle,
}

impl Asked {
    fn new(
        how: &AlwaysOn,
        (worker, instance): (Generation, Option<u32>),
        endpoint: Endpoint,
        manner: Manner,
    ) -> Self {
        let question = Question {
            host: how.host.clone(),
            user_agent: USER_AGENT,
            timeout: PATIENCE,
            ..Question::default()
        };
        let (tell, answer) = oneshot::channel();
        let task = tokio::task::spawn_local(async move {
            let (at, began) = (time::wall(), time::now());
            let address = match endpoint {
                Endpoint::Tcp(address) => Address::Tcp(address),
                Endpoint::Unix(path) => Address::Unix(path.to_path_buf()),
            };
            let answer = ask(&address, &manner, &question).await;
            let own = Own {
                at,
                worker,
                instance,
                version: match manner.protocol.is_http2() {
                    true => Version::HTTP_2,
                    false => Version::HTTP_11,
                },
                host: question.host,
                user_agent: USER_AGENT,
                answer: answer.map_err(|failure| code(&failure)),
                took: time::now().since(began),
            };
            // Whoever asked may have lost interest.
            tell.send(own).ok();
        });
        Self {
            answer,
            task: task.abort_handle(),
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a client would have been told.
fn code(failure: &Failure) -> Code {
    match failure {
        Failure::Refused => Code::WorkerRefusedConnection,
        Failure::Unreachable(_) => Code::WorkerUnreachable,
        Failure::Closed => Code::WorkerClosedConnection,
        Failure::Tls(failed) => failed.fault.code(),
        Failure::TimedOut(_) => Code::WorkerTimeout,
        // Nothing is asked of the answer but that it is one.
        Failure::Status(_)
        | Failure::Body
        | Failure::NotServing
        | Failure::UnknownService
        | Failure::NoHealth(_)
        | Failure::BadPath
        | Failure::NotHttp => Code::WorkerBadResponse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(300);
    const NOBODY: [u32; 0] = [];

    fn at(secs: u64) -> MonoTime {
        MonoTime::from_millis(secs * 1000)
    }

    /// Workers, some of them busy, looked at one after the other.
    #[derive(Default)]
    struct World(Idle);

    impl World {
        fn look(&mut self, secs: u64, serving: &[u32], busy: &[u32]) -> Vec<u32> {
            let all = |these: &[u32]| these.iter().map(|one| Generation(*one)).collect::<Vec<_>>();
            let busy = all(busy).into_iter().collect();
            let due = self.0.due(at(secs), &all(serving), &busy, || INTERVAL);
            due.into_iter().map(|one| one.0).collect()
        }
    }

    #[test]
    fn an_idle_worker_is_asked_once_an_interval_however_seldom_somebody_looks() {
        let mut world = World::default();
        assert_eq!(world.look(0, &[1], &[]), NOBODY);
        assert_eq!(world.look(299, &[1], &[]), NOBODY);
        assert_eq!(world.look(300, &[1], &[]), [1]);
        assert_eq!(world.look(301, &[1], &[]), NOBODY);
        assert_eq!(world.look(5_000, &[1], &[]), [1]);
        assert_eq!(world.look(5_299, &[1], &[]), NOBODY);
        assert_eq!(world.look(5_300, &[1], &[]), [1]);
    }

    #[test]
    fn a_worker_that_has_something_to_do_is_left_alone_until_it_was_idle_for_the_interval() {
        let mut world = World::default();
        assert_eq!(world.look(0, &[1, 2], &[]), NOBODY);
        assert_eq!(world.look(299, &[1, 2], &[2]), NOBODY);
        assert_eq!(
            world.look(300, &[1, 2], &[1]),
            NOBODY,
            "busy when it is due"
        );
        assert_eq!(world.look(598, &[1, 2], &[]), NOBODY);
        assert_eq!(world.look(599, &[1, 2], &[]), [2]);
        assert_eq!(world.look(600, &[1, 2], &[]), [1]);
    }

    #[test]
    fn who_leaves_is_forgotten_and_who_comes_is_idle_from_then_on() {
        let mut world = World::default();
        assert_eq!(world.look(0, &[1, 2], &[]), NOBODY);
        assert_eq!(world.look(200, &[2, 3], &[]), NOBODY);
        assert_eq!(world.look(250, &[1, 3], &[]), NOBODY);
        assert_eq!(world.look(300, &[1, 3], &[]), NOBODY, "1 has come anew");
        assert_eq!(world.look(500, &[1, 3], &[]), [3]);
        assert_eq!(world.look(550, &[1, 3], &[]), [1]);
        assert_eq!(world.look(9_000, &[], &[]), NOBODY);
    }
}
