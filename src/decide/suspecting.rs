//! What follows from a crash for the requests that were in flight: see `poison`.

use super::{
    engine::Engine,
    event::{Event, Kind, Level},
    observation::Presence,
    poison::{KEPT, News, Turn},
    say::words,
    slot::Signs,
    step::Step,
};
use crate::{
    explain::code::Code,
    units::RequestShape,
    words::{Exit, Generation},
};

/// So many kinds of requests are named at once.
const LISTED: usize = 5;

impl Engine {
    /// A worker that served has ended by itself: if that was its own doing, what it had in flight
    /// is asked for.
    pub(super) fn list_lost(
        &mut self,
        generation: Generation,
        exit: Exit,
        signs: Signs,
        incident: u64,
    ) {
        if self.relays() || self.ending.is_some() || !is_own_making(exit, signs) {
            return;
        }
        self.push(Step::ListLost {
            generation,
            incident,
        });
    }

    /// That was in flight when a worker crashed.
    pub(super) fn lost(&mut self, incident: u64, in_flight: &[RequestShape]) {
        if !in_flight.is_empty() {
            let requests = listed(in_flight);
            let text = format!("when the worker crashed it had in flight: {requests}");
            let event = Event::new(Kind::HadInFlight, Level::Info, text);
            self.say(event.of(incident).text("requests", requests));
        }
        let news = self.poison.crashed(self.now, incident, in_flight);
        self.say_poison(news);
        self.push(Step::Suspects(self.poison.list()));
    }

    /// The traffic of the suspected kinds of requests.
    pub(super) fn presence(&mut self, seen: &Presence) {
        let serves = self.serves() || self.peers.serving > 0;
        let news = self.poison.saw(seen, serves);
        let changed = !news.is_empty();
        self.say_poison(news);
        if self.poison.expire(self.now) || changed {
            self.push(Step::Suspects(self.poison.list()));
        }
    }

    /// A new configuration, or a new deployment: nobody is suspected.
    pub(super) fn acquit(&mut self) {
        if self.poison.forget() {
            self.push(Step::Suspects(Vec::new()));
        }
    }

    fn say_poison(&mut self, news: Vec<News>) {
        for new in news {
            let (request, because) = (new.request, new.because);
            let code = Code::PoisonRequest;
            let (level, text) = match new.turn {
                Turn::Named => (
                    Level::Warn,
                    format!(
                        "{request} ends its workers: {because}; it is served, but not sent to a \
                         second worker, for {} without a crash of it, or until a new configuration \
                         or an operator's recycle ({code})",
                        words(KEPT)
                    ),
                ),
                Turn::Again => (
                    Level::Warn,
                    format!("{request} ended one more worker: {because} ({code})"),
                ),
                Turn::Cleared => (
                    Level::Info,
                    format!("{request} is not to blame for crashes after all: {because}"),
                ),
            };
            let event = Event::new(Kind::PoisonRequest, level, text)
                .of(new.incident)
                .text("request", request)
                .text("because", because)
                .number("crashes", new.crashes)
                .number("code", u64::from(code.number()))
                .flag("poison", new.turn != Turn::Cleared);
            self.say(event);
        }
    }
}

/// The first of them, and how many more there are.
fn listed(shapes: &[RequestShape]) -> String {
    let first = shapes.iter().take(LISTED).map(ToString::to_string);
    let mut text = first.collect::<Vec<_>>().join(", ");
    match shapes.len().saturating_sub(LISTED) {
        0 => {}
        1 => text += " and one more kind of requests",
        more => text += &format!(" and {more} more kinds of requests"),
    }
    text
}

/// Whether it ended by its own doing. A clean end is none, nor is what signals from outside do,
/// which a shell that stands before the app tells as 128 and the signal's number.
fn is_own_making(exit: Exit, signs: Signs) -> bool {
    const ILL: i32 = 4;
    const ABRT: i32 = 6;
    const BUS: i32 = 7;
    const FPE: i32 = 8;
    const KILL: i32 = 9;
    const SEGV: i32 = 11;
    let signal = match exit {
        Exit::Code(0) | Exit::Unknown => return false,
        Exit::Code(code @ 129..=159) => code - 128,
        Exit::Code(_) => return true,
        Exit::Core(signal) | Exit::Signal(signal) => signal,
    };
    match signal {
        ILL | ABRT | BUS | FPE | SEGV => true,
        KILL => signs.oom_killed,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_kinds_are_named_and_the_rest_counted() {
        let shapes = |many: usize| -> Vec<_> {
            let letters = "abcdefghij".chars().take(many);
            let path = |letter| RequestShape::of("GET", &format!("/{letter}"));
            letters.map(path).collect()
        };
        assert_eq!(listed(&shapes(1)), "GET /a");
        assert_eq!(listed(&shapes(5)), "GET /a, GET /b, GET /c, GET /d, GET /e");
        assert!(listed(&shapes(6)).ends_with("GET /e and one more kind of requests"));
        assert!(listed(&shapes(9)).ends_with("GET /e and 4 more kinds of requests"));
    }

    #[test]
    fn only_ends_of_the_workers_own_making_count() {
        let none = Signs::default();
        let oom = Signs {
            oom_killed: true,
            ..none
        };
        for (exit, signs, own) in [
            (Exit::Code(0), none, false),
            (Exit::Unknown, none, false),
            (Exit::Code(1), none, true),
            (Exit::Code(255), none, true),
            (Exit::Signal(6), none, true),
            (Exit::Signal(7), none, true),
            (Exit::Signal(11), none, true),
            (Exit::Core(11), none, true),
            (Exit::Code(139), none, true),
            (Exit::Signal(9), none, false),
            (Exit::Code(137), none, false),
            (Exit::Signal(9), oom, true),
            (Exit::Code(137), oom, true),
            (Exit::Signal(15), none, false),
            (Exit::Signal(15), oom, false),
            (Exit::Code(143), none, false),
            (Exit::Core(3), none, false),
        ] {
            assert_eq!(is_own_making(exit, signs), own, "{exit} {signs:?}");
        }
    }
}
