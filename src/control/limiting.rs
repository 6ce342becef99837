//! Says how many requests a worker gets at once, where that is found out, and why.

use std::time::Duration;

use crate::{
    act::{Change, Found, Why},
    decide::event::{Event, Field, Kind, Level},
    units::format_duration,
};

/// A change for people and for the journal.
pub(super) fn event(change: Change) -> Event {
    let Found { limit, times, .. } = change.now;
    let (generation, was, why) = (change.generation, change.was, why(change.now));
    let mut fields = vec![("limit", Field::Number(limit)), ("was", Field::Number(was))];
    if let Some((taken, base)) = times {
        fields.push(("taken_us", Field::Number(micros(taken))));
        fields.push(("base_us", Field::Number(micros(base))));
    }
    Event {
        kind: Kind::Concurrency,
        level: Level::Info,
        generation: Some(generation),
        incident: None,
        text: format!("worker {generation} gets {limit} requests at once, not {was}: {why}"),
        fields,
    }
}

/// Why it is what it is.
pub(super) fn why(found: Found) -> String {
    let Some((taken, base)) = found.times else {
        return "nothing is known of it yet".to_owned();
    };
    let (taken, base) = (short(taken), short(base));
    match found.why {
        Why::New => "nothing is known of it yet".to_owned(),
        Why::Unused => format!("there is less to do; answers take {taken}"),
        Why::Fast => format!("answers take {taken}, and {base} when nothing waits in it"),
        Why::Slow => format!("answers take {taken}, but {base} when nothing waits in it"),
        Why::Probing => {
            format!("answers took {taken}; it is being looked whether fewer at once help")
        }
    }
}

/// With two digits or three.
fn short(time: Duration) -> String {
    let step = match time.as_micros() {
        0..10_000 => 100,
        10_000..1_000_000 => 1_000,
        _ => 100_000,
    };
    let micros = micros(time);
    format_duration(Duration::from_micros(micros - micros % step))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Generation;

    #[test]
    fn a_change_says_from_what_to_what_and_why() {
        let ms = |ms| Duration::from_micros((ms * 1_000.0) as u64);
        let change = Change {
            generation: Generation(3),
            was: 100,
            now: Found {
                limit: 16,
                why: Why::Slow,
                times: Some((ms(162.7), ms(4.25))),
            },
        };
        let event = event(change);
        assert_eq!(
            event.text,
            "worker 3 gets 16 requests at once, not 100: answers take 162ms, but 4ms 200us when \
             nothing waits in it"
        );
        assert_eq!(event.fields[2], ("taken_us", Field::Number(162_700)));
    }
}
