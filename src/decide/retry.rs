//! What follows an end: when the next start comes, and whether there is one.

use std::time::Duration;

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    life::Want,
    policy::{Comes, Enough, RestartWhen},
    restart::Plan,
    say::{millis, words},
};

const MINUTE: Duration = Duration::from_secs(60);
/// Something else starts the next one: whether it is there is looked at again this soon.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Engine {
    /// Plans the next start and says it in words.
    pub(super) fn restart(&mut self, served: Option<Duration>, clean: bool, code: i32) -> String {
        let relays = self.relays() && self.policy.attached.is_none();
        if relays || (clean && self.policy.restart.when == RestartWhen::OnFailure) {
            self.want = Want::LeftDown;
            self.pending_start = None;
            let why = if relays {
                "in relay mode"
            } else {
                "after exit code 0"
            };
            return format!("it is not restarted {why}");
        }
        let patience = self.policy.restart.patience;
        let retry = self.retry();
        let plan = (self.restarts).ended(self.now, served, &patience, &mut self.rng);
        let (delay, words) = match plan {
            Plan::AtOnce(_) if self.comes_by_itself() => {
                (Duration::ZERO, "looking for the next one".to_owned())
            }
            Plan::Later(delay) if self.comes_by_itself() => {
                (delay.min(LOOK_AGAIN), "looking for the next one".to_owned())
            }
            Plan::AtOnce(nth) => {
                let most = patience.at_once;
                let within = match patience.window {
                    MINUTE => "this minute".to_owned(),
                    window => format!("in {}", words(window)),
                };
                (
                    Duration::ZERO,
                    format!("restarting at once ({nth} of {most} {within})"),
                )
            }
            Plan::Later(delay) => (delay, format!("next start in {}", words(delay))),
            Plan::GiveUp { .. } if self.gives_up_all() => {
                self.end_by_itself(code);
                return "giving up".to_owned();
            }
            Plan::GiveUp { ends } => {
                let text = format!(
                    "giving up after {ends} ends {}; next try in {}",
                    self.of_ends(),
                    words(retry)
                );
                self.given_up = Some(ends);
                (retry, text)
            }
            Plan::StillDown => (retry, format!("next try in {}", words(retry))),
        };
        self.pending_start = Some(self.now + delay);
        words
    }

    /// From one try to the next after giving up.
    fn retry(&self) -> Duration {
        let retry = self.policy.restart.patience.retry;
        match self.comes_by_itself() {
            true => retry.min(LOOK_AGAIN),
            false => retry,
        }
    }

    fn comes_by_itself(&self) -> bool {
        let how = self.policy.attached;
        how.is_some_and(|how| how != Comes::ByCommand)
    }

    /// Which ends are counted.
    fn of_ends(&self) -> String {
        let patience = &self.policy.restart.patience;
        match patience.enough {
            Enough::Within(_, window) => format!("in {}", words(window)),
            Enough::Never | Enough::InARow(_) => {
                format!("in a row without {} of service", words(patience.service))
            }
        }
    }

    /// Says it after the end that was the last straw.
    pub(super) fn say_if_given_up(&mut self) {
        let Some(ends) = self.given_up.take() else {
            return;
        };
        let retry = self.retry();
        let text = format!(
            "the worker does not stay up: {ends} ends {}; {} and trying again every {}",
            self.of_ends(),
            match self.peers.serving {
                0 => "answering 503",
                _ => "going on with the others",
            },
            words(retry)
        );
        let event = Event::new(Kind::GaveUp, Level::Error, text).of(self.story);
        self.say(
            event
                .number("ends", u64::from(ends))
                .number("retry_ms", millis(retry)),
        );
    }
}
