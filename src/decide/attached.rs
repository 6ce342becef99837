//! A worker that something else starts: we look for it, watch it, have it restarted, and let it go.

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    life::{State, Want},
    observation::Trouble,
    policy::Comes,
    step::Step,
};
use crate::{time::MonoTime, words::Generation};

/// Why nothing is recycled that nobody restarts for us, and who has to do it.
pub(super) const UNASKED: &str =
    "attach.restart is \"none\": whoever runs the app has to restart it";

impl Engine {
    pub(super) fn attaching(&mut self, generation: Generation, trouble: Trouble) {
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        let (kind, level, text) = match trouble {
            Trouble::Absent(why) => {
                if life.state != State::Starting || life.unready.as_ref() == Some(&why) {
                    return;
                }
                let text = format!("{} is not there: {why}", life.name());
                life.unready = Some(why);
                (Kind::WorkerAbsent, Level::Warn, text)
            }
            Trouble::NotRestarted(why) => {
                let text = format!("{} was not restarted: {why}; it goes on", life.name());
                (Kind::NotRestarted, Level::Error, text)
            }
        };
        let event = Event::new(kind, level, text.clone()).about(generation);
        self.say(event.of(self.story));
        if kind == Kind::NotRestarted {
            self.goes_on(generation, &text);
        }
    }

    /// It is as it was, and is to serve again as soon as it has been let go.
    fn goes_on(&mut self, generation: Generation, text: &str) {
        if (self.recycle.as_ref()).is_some_and(|recycle| recycle.old == Some(generation)) {
            self.end_recycle("kept-old", text);
        }
        if self.want == Want::Up && self.ending.is_none() {
            self.pending_start = Some(self.now);
        }
    }

    /// Whether a worker that is done with runs on without us: nobody wants another in its place,
    /// it was there before us and has never answered, or it is not for us to restart.
    pub(super) fn lets_go(&self) -> bool {
        let wanted = self.want == Want::Up && self.ending.is_none() && !self.offline;
        let unmet = self.last_start_took.is_zero();
        self.policy.attached.is_some() && (!wanted || unmet || !self.replaces())
    }

    /// Whether there is a way to have it restarted that leaves us running.
    pub(super) fn replaces(&self) -> bool {
        !self.is_unasked() && self.our_exit().is_none()
    }

    /// Whether whoever watches over it restarts it.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.policy.attached == Some(Comes::ByProbe)
    }

    /// Tells whoever watches over it to restart it, until another one is ready. Returns how long
    /// they have before it is taken back, if it is theirs to restart: those who are parked can
    /// still be answered then.
    pub(super) fn ask_elsewhere(&mut self) -> Option<MonoTime> {
        if !self.is_elsewhere() {
            return None;
        }
        let why = match &self.recycle {
            Some(recycle) => recycle.reasons.join("; "),
            None => "it does not answer".to_owned(),
        };
        self.wanted_elsewhere = Some(why);
        let back = self.down_since + self.policy.restarted_within();
        Some(back.max(self.now + self.policy.recycle.stop_timeout))
    }

    /// Why whoever watches over it is to restart it, if they are.
    pub(super) fn restart_wanted(&self) -> Option<String> {
        let wanted = self.want == Want::Up && self.ending.is_none() && !self.offline;
        let why = self.wanted_elsewhere.as_ref().filter(|_| wanted)?;
        Some(format!("restart the worker: {why}"))
    }

    /// Whether nobody restarts it for us, so that it is only said that someone should.
    pub(super) fn is_unasked(&self) -> bool {
        self.policy.attached == Some(Comes::Unasked)
    }

    pub(super) fn let_go(&mut self, generation: Generation) {
        self.leaves_now(generation, Step::LetGo { generation });
    }

    /// What is said of one that is not ours to end.
    pub(super) fn runs_on(&self, name: &str, cut: &str) -> String {
        match self.lets_go() {
            true => format!("{name} is let go and runs on{cut}"),
            false => format!("{name} goes on as worker {}{cut}", self.newest.next()),
        }
    }
}
