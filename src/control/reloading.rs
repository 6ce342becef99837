//! A new configuration: read by a thread of its own, put in force here, whole or not at all.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::oneshot;

use super::{
    AlwaysOn, Control, Health,
    answering::{self, WAITERS_MAX},
    order::{self, Answer, Refusal},
    quiet::QuietTimes,
    tallying,
};
use crate::{
    act,
    decide::{
        event::{Event, Field, Kind, Level},
        observation::{Observation, Word},
        policy::Policy,
        trigger::Trigger,
    },
    observe::tally::Rules,
    time,
};

/// A new configuration, ready to be put in force.
pub struct Reloaded {
    /// For the engine.
    pub policy: Policy,
    /// For the hands.
    pub hands: act::Settings,
    /// What the data threads count from now on.
    pub rules: Arc<Rules>,
    /// How health is probed.
    pub health: Option<Health>,
    /// How idle workers are kept warm.
    pub always_on: Option<AlwaysOn>,
    /// Why the worker must be replaced, if it must.
    pub recycle: Option<String>,
    /// What it changes, in one line.
    pub changes: String,
    /// The file that is a maintenance page while it is there.
    pub maintenance: Option<PathBuf>,
    /// The parking limits, requests and bytes.
    pub parking: order::ParkingStatus,
    /// The queue's limits, and how many places there are.
    pub queue: order::QueueStatus,
    /// What an operator should know, a sentence each.
    pub warnings: Vec<String>,
    /// Gives it to the data threads.
    pub publish: Box<dyn FnOnce() + Send>,
}

/// What the thread that reads the configuration has to say.
pub struct News {
    /// It answers every order to reload up to this one.
    pub upto: u64,
    /// What came of the reading.
    pub found: Found,
}

/// What came of reading the configuration.
pub enum Found {
    /// It can be put in force.
    New(Box<Reloaded>),
    /// It says what is in force.
    Same {
        /// What was there before could not be used.
        was_refused: bool,
    },
    /// It can't be used.
    Refused(Refused),
}

/// Why a configuration can't be used.
#[derive(Clone, Debug)]
pub struct Refused {
    /// In one line.
    pub line: String,
    /// Everything that is wrong, with excerpts and cures.
    pub whole: String,
    /// It has been told: the files are as they were then.
    pub again: bool,
}

/// Who waits for the next configuration, and what became of the last one.
#[derive(Default)]
pub(super) struct Reloading {
    /// The number of the last order to reload.
    asked: u64,
    waiters: Vec<(u64, oneshot::Sender<Answer>)>,
    /// Why the files that are there now are not in force.
    pub(super) refused: Option<String>,
}

impl Control {
    /// Has the configuration read. What comes of it is told to whoever asked, and logged.
    pub(super) fn reload(&mut self, to: Option<oneshot::Sender<Answer>>) {
        let reloading = &mut self.reloading;
        reloading.asked += 1;
        (self.parts.ask_reload)(reloading.asked);
        let Some(to) = to else { return };
        if reloading.waiters.len() < WAITERS_MAX {
            reloading.waiters.push((reloading.asked, to));
        } else {
            answering::reply(to, Ok("the configuration is being read".to_owned()));
        }
    }

    /// Puts a configuration in force, or says why it is not.
    pub(super) fn news(&mut self, news: News) {
        let answer = match news.found {
            Found::New(new) => {
                let text = format!("the new configuration is in force: {}", new.changes);
                self.adopt(*new);
                Ok(text)
            }
            Found::Same { was_refused } => {
                self.reloading.refused = None;
                if was_refused {
                    let text = "the configuration can be used again and says what is in force";
                    self.say(event(Kind::Reloaded, Level::Info, text.to_owned()));
                }
                Ok("nothing changed: the configuration says what is in force".to_owned())
            }
            Found::Refused(refused) => {
                let whole = refused.whole.clone();
                self.refuse(refused);
                Err(Refusal {
                    what: whole,
                    cure: "the old configuration stays in force; correct the file and reload"
                        .to_owned(),
                })
            }
        };
        let mut waiting = std::mem::take(&mut self.reloading.waiters);
        self.reloading.waiters =
            waiting.split_off(waiting.partition_point(|(number, _)| *number <= news.upto));
        for (_, waiter) in waiting {
            answering::reply(waiter, answer.clone());
        }
    }

    fn adopt(&mut self, new: Reloaded) {
        self.reloading.refused = None;
        (new.publish)();
        // What was counted under the old rules counts for them.
        self.tally();
        self.rule_names = rule_names(&new.policy);
        self.thresholds = tallying::thresholds(&new.policy);
        self.warnings = new.warnings;
        self.parts.hands.set(new.hands);
        self.tallying.set_rules(new.rules);
        self.probing.set(new.health);
        self.warming.set(new.always_on);
        self.depending.set(&new.policy);
        self.scheduling.set(&new.policy, time::wall());
        self.quiet = QuietTimes::new(&new.policy);
        self.parts.files.watch(watched_files(&new.policy));
        self.parts.maintenance.watch(new.maintenance);
        self.parts.about.parking = new.parking;
        self.parts.about.queue = new.queue;
        for one in self.parts.hands.seen() {
            if let Some(tree) = one.tree {
                let thresholds = self.thresholds.clone();
                self.parts.sampler.watch(one.generation, tree, thresholds);
            }
        }
        let word = Word::Reload {
            policy: Box::new(new.policy),
            recycle: new.recycle,
            changes: new.changes,
        };
        self.engine.handle(time::now(), Observation::Operator(word));
        self.look_at_the_clock();
    }

    fn refuse(&mut self, refused: Refused) {
        let text = format!(
            "the new configuration is not used, the old one stays in force: {}",
            refused.line
        );
        if refused.again {
            tracing::warn!("{text}");
            return;
        }
        self.reloading.refused = Some(text.clone());
        let mut event = event(Kind::ConfigurationRefused, Level::Error, text);
        event
            .fields
            .push(("diagnostics", Field::Text(refused.whole)));
        self.say(event);
    }
}

fn event(kind: Kind, level: Level, text: String) -> Event {
    Event {
        kind,
        level,
        generation: None,
        incident: None,
        text,
        fields: Vec::new(),
    }
}

pub(super) fn rule_names(policy: &Policy) -> Vec<String> {
    policy.rules.iter().map(|rule| rule.name.clone()).collect()
}

pub(super) fn watched_files(policy: &Policy) -> Vec<PathBuf> {
    let files = policy.conditions().filter_map(|when| match when {
        Trigger::File { paths } => Some(paths),
        _ => None,
    });
    files.flatten().cloned().collect()
}
