//! Takes the lines about one incident in, one after another.

use super::{
    Exit, Incident, Kind, LastWords, Line, MOMENTS, MOMENTS_FIRST, Moment, TEXT_BYTES_MAX, Verdict,
};
use crate::explain::code::Code;

impl Incident {
    /// The incident that this line begins.
    #[must_use]
    pub fn begun_by(id: u64, line: &Line) -> Self {
        let kind = match line.text("kind") {
            "worker-exited" => Kind::Crash,
            "start-failed" => Kind::FailedStart,
            "rule-fired" => Kind::Rule,
            "unhealthy" => Kind::Unhealthy,
            "recycling-does-not-help" => Kind::NoHelp,
            _ => Kind::Recycle,
        };
        let mut incident = Self {
            id,
            kind,
            opened_at: line.text("at").to_owned(),
            opened_mono_ms: line.number("mono_ms").unwrap_or(0),
            what: what(kind, line),
            ..Self::default()
        };
        incident.take(line);
        incident
    }

    /// Takes in what was said of it.
    pub fn take(&mut self, line: &Line) {
        let mono = line.number("mono_ms").unwrap_or(0);
        let after_ms = mono.saturating_sub(self.opened_mono_ms);
        self.lasted_ms = self.lasted_ms.max(after_ms);
        self.remember(after_ms, line);
        let fill = |to: &mut Option<String>, name| {
            if let Some(words) = line.words(name) {
                to.get_or_insert(words);
            }
        };
        fill(&mut self.rule, "rule");
        fill(&mut self.when, "when");
        fill(&mut self.strategy, "strategy");
        if let Some(code) = line.number("code").and_then(Code::of_number) {
            self.code.get_or_insert_with(|| code.to_string());
        }
        if let Some(instance) = line.number("instance") {
            self.instance.get_or_insert(instance);
        }
        let generation = line.number("generation");
        self.last_words = last_words(line).or_else(|| self.last_words.take());
        match line.text("kind") {
            "worker-exited" => {
                self.generation = self.generation.or(generation);
                self.exit.get_or_insert_with(|| exit(line));
            }
            "had-in-flight" => {
                if let Some(exit) = &mut self.exit {
                    exit.requests = line.words("requests");
                }
            }
            "worker-ready" if self.outcome.as_deref() != Some("replaced") => {
                self.replaced_by = generation;
                self.outcome = Some("restarted".to_owned());
            }
            "recycle-ended" => {
                let outcome = line.words("outcome");
                if outcome.as_deref() == Some("replaced") {
                    self.replaced_by = generation.or(self.replaced_by);
                }
                self.outcome = outcome;
            }
            "rule-fired" => {
                self.generation = self.generation.or(generation);
                if !line.flag("recycles") {
                    self.outcome = Some("reported".to_owned());
                }
            }
            "unhealthy" | "recycle-begun" => self.generation = self.generation.or(generation),
            "gave-up" => self.outcome = Some("gave-up".to_owned()),
            "verdict" => self.verdict = Some(verdict(line)),
            "recycling-does-not-help" => {
                self.disarmed = line.number("disarmed_ms") != Some(0);
                if self.kind == Kind::NoHelp {
                    let outcome = if self.disarmed {
                        "disarmed"
                    } else {
                        "reported"
                    };
                    self.outcome = Some(outcome.to_owned());
                    self.last = line.number("last");
                }
            }
            _ => {}
        }
        if let Some(cure) = line.words("cure") {
            self.cure = Some(cure);
        }
    }

    fn remember(&mut self, after_ms: u64, line: &Line) {
        if self.moments.len() == MOMENTS {
            self.moments.remove(MOMENTS_FIRST);
            self.moments_left_out += 1;
        }
        self.moments.push(Moment {
            after_ms,
            kind: line.text("kind").to_owned(),
            text: clipped(line.text("text")),
        });
    }
}

/// What happened, without what follows from it.
fn what(kind: Kind, line: &Line) -> String {
    let rule = line.text("rule");
    match kind {
        Kind::Crash | Kind::FailedStart if !line.text("what").is_empty() => {
            clipped(line.text("what"))
        }
        Kind::Rule => clipped(&format!("rule \"{rule}\": {}", line.text("seen"))),
        Kind::NoHelp => format!("recycling does not help against rule \"{}\"", clipped(rule)),
        _ => {
            let text = line.text("text");
            clipped(text.split_once("; ").map_or(text, |(what, _)| what))
        }
    }
}

fn exit(line: &Line) -> Exit {
    Exit {
        how: clipped(line.text("how")),
        code: line.number("exit_code"),
        signal: line.number("signal"),
        oom_killed: line.flag("oom_killed"),
        core_dumped: line.flag("core_dumped"),
        uptime_ms: line.number("uptime_ms").unwrap_or(0),
        in_flight: line.number("in_flight").unwrap_or(0),
        requests: None,
    }
}

fn last_words(line: &Line) -> Option<LastWords> {
    let lines: Vec<_> = line.text("last_words").lines().map(clipped).collect();
    (!lines.is_empty()).then(|| LastWords {
        generation: line.number("generation"),
        lines,
    })
}

fn verdict(line: &Line) -> Verdict {
    let pair = |matching, total| Some((line.number(matching)?, line.number(total)?));
    Verdict {
        verdict: line.text("verdict").to_owned(),
        because: clipped(line.text("because")),
        compared: line.words("compared"),
        before: pair("before_matching", "before_total"),
        after: pair("after_matching", "after_total"),
    }
}

/// No longer than a record may hold.
pub(super) fn clipped(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}
