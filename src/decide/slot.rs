//! How a worker comes, and what follows when it ends by itself.

use super::{
    drain::SLACK,
    engine::Engine,
    event::{Event, Field, Kind, Level},
    life::{Life, State},
    observation::{StartFailure, WarmUp},
    say::{millis, words},
    step::Step,
};
use crate::{
    explain::code::Code,
    words::{Exit, Generation, LastWords},
};

/// What else was seen when a worker ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    pub(super) oom_killed: bool,
    pub(super) address_in_use: bool,
    pub(super) left_children: bool,
}

impl Engine {
    pub(super) fn start(&mut self) {
        debug_assert!(self.starting().is_none(), "one start at a time");
        self.pending_start = None;
        self.newest = self.newest.next();
        let generation = self.newest;
        let timeout = self.policy.recycle.start_timeout;
        self.lives
            .push(Life::starting(generation, self.now, timeout));
        if let Some(recycle) = &mut self.recycle {
            recycle.new = Some(generation);
        }
        let doing = match self.policy.attached {
            None => "starting",
            Some(_) => "looking for",
        };
        let text = format!("{doing} worker {generation}");
        let event = Event::new(Kind::WorkerStarting, Level::Info, text);
        self.say(event.about(generation).of(self.story));
        self.push(Step::Start {
            generation,
            instance: self.instance,
        });
    }

    pub(super) fn started(&mut self, generation: Generation, pid: u32) {
        if let Some(life) = self.life_mut(generation) {
            life.pid = Some(pid);
        }
    }

    pub(super) fn ready(&mut self, generation: Generation) {
        let now = self.now;
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        if life.state != State::Starting {
            return;
        }
        life.ready(now);
        let took = now.since(life.started_at);
        let text = format!("{} ready after {}", life.name(), words(took));
        self.last_start_took = took;
        self.wanted_elsewhere = None;
        self.restarts.ready();
        let event = Event::new(Kind::WorkerReady, Level::Info, text).about(generation);
        self.say(event.of(self.story).number("start_ms", millis(took)));
        if self.recycle.is_some() {
            self.replacement_ready(generation);
        } else {
            self.admit(generation, None);
            self.begin_earlier_trials();
        }
        self.story = None;
    }

    pub(super) fn warmed_up(&mut self, seen: &WarmUp) {
        let WarmUp {
            generation,
            asked,
            ref failed,
            took,
        } = *seen;
        let Some(life) = self.life(generation) else {
            return;
        };
        let good = asked - failed.len().min(asked);
        let mut text = format!("{} warmed up in {}", life.name(), words(took));
        let level = match &failed[..] {
            [] => Level::Info,
            failed => {
                let failed = failed.join("; ");
                text.push_str(&format!(", but only {good} of {asked} paths: {failed}"));
                Level::Warn
            }
        };
        let event = Event::new(Kind::WarmedUp, level, text).about(generation);
        let event = event.of(self.story).number("took_ms", millis(took));
        self.say(event.number("failed", failed.len() as u64));
    }

    pub(super) fn admit(&mut self, generation: Generation, beside: Option<Generation>) {
        if let Some(life) = self.life_mut(generation) {
            life.on_roster = true;
        }
        self.serve(Some(generation));
        self.push(Step::Admit { generation, beside });
    }

    pub(super) fn listens_elsewhere(&mut self, generation: Generation, expected: u16, found: u16) {
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        if life.state != State::Starting || life.elsewhere_said {
            return;
        }
        life.elsewhere_said = true;
        let text = format!(
            "{} listens on {found}, not on {expected}: set port = {found}",
            life.name()
        );
        let event = Event::new(Kind::ListensElsewhere, Level::Error, text).about(generation);
        let event = event.number("expected", u64::from(expected));
        self.say(event.of(self.story).number("found", u64::from(found)));
    }

    pub(super) fn tls_failed(&mut self, generation: Generation, code: Code, why: String) {
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        if life.state != State::Starting || life.unready.as_ref() == Some(&why) {
            return;
        }
        let text = format!("{} is not ready: {why}", life.name());
        life.unready = Some(why);
        let event = Event::new(Kind::TlsFailed, Level::Error, text).about(generation);
        self.say(
            event
                .of(self.story)
                .number("code", u64::from(code.number())),
        );
    }

    /// It was not started, so there is nothing that could exit or be gone.
    pub(super) fn not_started(&mut self, generation: Generation, why: &StartFailure) {
        let Some(at) = self
            .lives
            .iter()
            .position(|life| life.generation == generation)
        else {
            return;
        };
        let life = self.lives.remove(at);
        if life.state != State::Starting {
            return;
        }
        let (why, taken) = match why {
            StartFailure::Spawn(why) => (why.clone(), false),
            StartFailure::PortInUse { port, owner } => {
                let owner = owner
                    .as_ref()
                    .map_or_else(String::new, |by| format!(" by {by}"));
                (format!("port {port} is taken{owner}"), true)
            }
        };
        // 111 says that a system call failed.
        self.start_failed(&life, &why, 111, taken);
    }

    pub(super) fn start_timed_out(&mut self, generation: Generation) {
        let timeout = words(self.policy.recycle.start_timeout);
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        life.blocks_start = true;
        life.end_said = true;
        let life = life.clone();
        self.kill(generation);
        let mut why = format!("no complete answer within {timeout}");
        if let Some(unready) = &life.unready {
            why += &format!(": {unready}");
        }
        self.start_failed(&life, &why, Exit::Signal(9).shell_code(), false);
    }

    /// What it printed last, of one whose end is told next.
    pub(super) fn said(&mut self, generation: Generation, words: LastWords) {
        if let Some(life) = self.life_mut(generation) {
            life.last_words = words;
        }
    }

    pub(super) fn exited(&mut self, generation: Generation, exit: Exit, signs: Signs) {
        let now = self.now;
        let Some(life) = self.life_mut(generation) else {
            return;
        };
        let was = life.state;
        life.exit = Some(exit);
        if matches!(was, State::Draining | State::Stopping) {
            if was == State::Draining {
                life.state = State::Stopping;
                life.stop_at.get_or_insert(now);
                life.overdue_at = Some(now + SLACK);
            }
            return;
        }
        life.blocks_start = true;
        life.end_said = true;
        life.stop_at = Some(now);
        life.overdue_at = Some(now + SLACK);
        let life = life.clone();
        if was == State::Ready {
            self.crashed(&life, exit, signs);
        }
        if let Some(life) = self.life_mut(generation) {
            life.state = State::Stopping;
        }
        if was == State::Starting {
            let reason = life.last_words.reason();
            let why = format!("{} before it was ready", ended(exit, signs, reason));
            self.start_failed(&life, &why, exit.shell_code(), signs.address_in_use);
        }
    }

    /// A worker that served is no more.
    fn crashed(&mut self, life: &Life, exit: Exit, signs: Signs) {
        let (now, generation) = (self.now, life.generation);
        let served = life.served(now).unwrap_or_default();
        let incident = self.new_incident();
        let mut what = format!(
            "{} {} after {}",
            life.name(),
            ended(exit, signs, life.last_words.why.as_deref()),
            words(served),
        );
        // What it had may have been seen to fail before its end was.
        if life.in_flight > 0 {
            what += &format!(" with {} in flight", life.in_flight);
        }
        if exit == Exit::Unknown {
            what.push_str("; its exit status belongs to its parent");
        }
        let next = if self.ending.is_some() {
            "autoheal is stopping".to_owned()
        } else if let Some(next) = self.recycle_survives(generation) {
            next
        } else {
            let clean = exit == Exit::Code(0) && !signs.oom_killed;
            self.story = Some(incident);
            self.restart(Some(served), clean, exit.shell_code())
        };
        let mut event = Event::new(Kind::WorkerExited, Level::Warn, format!("{what}; {next}"))
            .about(generation)
            .of(incident)
            .text("how", exit.to_string())
            .text("what", what)
            .flag("core_dumped", matches!(exit, Exit::Core(_)))
            .number("uptime_ms", millis(served))
            .number("in_flight", life.in_flight)
            .flag("oom_killed", signs.oom_killed);
        event.fields.extend(exit_number(exit));
        event.fields.extend(said(life));
        self.say(event);
        if let Some(life) = self.life_mut(generation) {
            life.incident = Some(incident);
        }
        self.list_lost(generation, exit, signs, incident);
        self.withdraw(generation);
        self.say_if_given_up();
        self.end_handover_of(generation);
    }

    /// A worker did not get ready. It is not in `lives` any more, or on its way out.
    pub(super) fn start_failed(&mut self, life: &Life, why: &str, code: i32, taken: bool) {
        let generation = life.generation;
        let incident = match self.story {
            Some(incident) => incident,
            None => self.new_incident(),
        };
        self.story = Some(incident);
        let kept = self.replacement_failed(generation, taken);
        let level = match kept {
            Some(_) => Level::Warn,
            None => Level::Error,
        };
        let next = kept.unwrap_or_else(|| self.restart(None, false, code));
        let took = self.now.since(life.started_at);
        let what = format!("{} failed to start: {why}", life.name());
        let event = Event::new(Kind::StartFailed, level, format!("{what}; {next}"));
        let event = event.about(generation).of(incident).text("why", why);
        let mut event = event.text("what", what);
        event.fields.extend(said(life));
        self.say(
            event
                .number("after_ms", millis(took))
                .flag("address_in_use", taken),
        );
        self.say_if_given_up();
        self.end_failed_recycle(generation, why);
    }
}

/// The field for its number, where it is known.
fn exit_number(exit: Exit) -> Option<(&'static str, Field)> {
    let (name, number) = match exit {
        Exit::Code(code) => ("exit_code", code),
        Exit::Core(signal) | Exit::Signal(signal) => ("signal", signal),
        Exit::Unknown => return None,
    };
    Some((name, Field::Number(u64::from(number.unsigned_abs()))))
}

/// The field for the last lines of it, if there are some.
fn said(life: &Life) -> Option<(&'static str, Field)> {
    let lines = life.last_words.lines.join("\n");
    (!lines.is_empty()).then_some(("last_words", Field::Text(lines)))
}

/// How it ended, with what a person should know beside the bare status. `reason`: what it printed
/// of that, if it did end by its own doing.
fn ended(exit: Exit, signs: Signs, reason: Option<&str>) -> String {
    let mut text = match exit {
        Exit::Signal(9) if signs.oom_killed => "was killed by the OOM killer".to_owned(),
        Exit::Code(code) => format!("exited with code {code}"),
        Exit::Core(_) | Exit::Signal(_) => format!("was {exit}"),
        Exit::Unknown => "ended".to_owned(),
    };
    if let Some(reason) = reason.filter(|_| explains_itself(exit)) {
        text += &format!(" ({reason})");
    }
    if signs.oom_killed && exit != Exit::Signal(9) {
        text.push_str(" just after the OOM killer had been at work in its group");
    }
    if signs.address_in_use {
        text.push_str(" (its address is in use)");
    }
    if signs.left_children && exit == Exit::Code(0) {
        text += " and left processes of its own running (if it forked into the background, run it \
                 in the foreground)";
    }
    text
}

/// Whether an end of this kind is one that the program had words for.
fn explains_itself(exit: Exit) -> bool {
    match exit {
        Exit::Code(code) => code != 0,
        Exit::Core(signal) | Exit::Signal(signal) => signal == ABORT,
        Exit::Unknown => false,
    }
}

/// SIGABRT: what abort() of C ends in, after it has said why.
const ABORT: i32 = 6;
