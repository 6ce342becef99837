//! What the journal tells of earlier runs that still counts: that they ended for the app, at the
//! cost of the budget, and whether that helped.

use std::{sync::Arc, time::Duration};

use crate::{
    decide::{
        group::Group,
        observation::{Deed, Earlier, Observation},
    },
    explain::incident::Line,
    time::{self, WallTime},
};

/// What is longer ago counts no more: budgets are of a day.
const COUNTS: Duration = Duration::from_secs(24 * 3600);

/// Tells an engine that has only just begun what these lines tell.
pub(super) fn told(mut engine: Group, lines: &[Arc<str>]) -> Group {
    engine.handle(time::now(), earlier(lines, time::wall()));
    engine
}

/// What these lines tell, the oldest first.
fn earlier(lines: &[Arc<str>], now: WallTime) -> Observation {
    let all = lines.iter().filter_map(|line| one(line, now));
    Observation::Earlier(all.filter(|one| one.ago < COUNTS).collect())
}

fn one(line: &str, now: WallTime) -> Option<Earlier> {
    let line = Line::read(line)?;
    let deed = match line.text("kind") {
        "shutting-down" if line.flag("budget") => Deed::Ended {
            incident: line.incident()?,
            served: Duration::from_millis(line.number("served_ms").unwrap_or(0)),
        },
        "verdict" => Deed::Judged {
            helped: match line.text("verdict") {
                "helped" => Some(true),
                "did-not-help" => Some(false),
                _ => None,
            },
        },
        _ => return None,
    };
    let at = WallTime::read(line.text("at"))?;
    let rule = line.text("rule");
    Some(Earlier {
        // A clock that was put back makes it recent.
        ago: Duration::from_millis(now.0.saturating_sub(at.0)),
        rule: (!rule.is_empty()).then(|| rule.to_owned()),
        deed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ended_for_the_app_within_a_day_and_what_was_judged_counts() {
        let line = |kind: &str, at: &str, more: &str| -> Arc<str> {
            format!(r#"{{"kind":"{kind}","at":"2026-11-2{at}","incident":7{more}}}"#).into()
        };
        let now = WallTime::read("2026-11-26T12:00:00.000Z").unwrap();
        let ended = r#","budget":true,"rule":"r","served_ms":5000"#;
        let lines = [
            line("shutting-down", "5T11:00:00.000Z", ended),
            line("shutting-down", "6T11:58:00.500Z", ended),
            line("shutting-down", "6T11:58:00.000Z", ""),
            line(
                "verdict",
                "6T11:59:00.000Z",
                r#","rule":"r","verdict":"did-not-help""#,
            ),
            line(
                "verdict",
                "7T00:00:00.000Z",
                r#","rule":"r","verdict":"unclear""#,
            ),
            line("rule-fired", "6T11:59:00.000Z", ended),
            "no record".into(),
        ];
        let of = |ago, deed| Earlier {
            ago: Duration::from_millis(ago),
            rule: Some("r".to_owned()),
            deed,
        };
        let served = Duration::from_secs(5);
        let expected = [
            of(
                119_500,
                Deed::Ended {
                    incident: 7,
                    served,
                },
            ),
            of(
                60_000,
                Deed::Judged {
                    helped: Some(false),
                },
            ),
            of(0, Deed::Judged { helped: None }),
        ];
        assert_eq!(
            earlier(&lines, now),
            Observation::Earlier(expected.to_vec())
        );
    }
}
