//! An incident in plain English, for whoever is woken by it.

mod advice;

use std::fmt::Write as _;

use super::{
    Incident, Kind, LastWords, State,
    ledger::{Averted, Cost, requests},
};
use crate::{
    units::spoken,
    words::{one_line, wrapped},
};

/// Tells the story: what happened, why, what was done, what it cost and saved, whether it helped,
/// and what to do. In lines of at most 80 columns where words allow it.
#[must_use]
pub fn story(incident: &Incident) -> String {
    let mut page = String::new();
    wrapped(
        &mut page,
        "",
        &format!("Incident {}: {}", incident.id, line(&incident.what)),
    );
    page.push_str(&when(incident));
    section(&mut page, "Why", &advice::why(incident));
    if let Some(last) = &incident.last_words {
        last_words(&mut page, last);
    }
    page.push_str("\nWhat was done\n");
    for moment in &incident.moments {
        let at = format!("  {:>7}  ", format!("+{}", ms(moment.after_ms)));
        wrapped(&mut page, &at, &line(&moment.text));
    }
    if incident.moments_left_out > 0 {
        let left_out = format!("{} more are not kept", incident.moments_left_out);
        wrapped(&mut page, "           ", &left_out);
    }
    let Incident { cost, averted, .. } = incident;
    let costs = match cost {
        Some(cost) => cost_words(cost),
        None => not_counted(incident),
    };
    section(&mut page, "What it cost", &costs);
    section(&mut page, "What it saved", &saved(averted.as_ref()));
    section(&mut page, "Whether it helped", &helped(incident));
    section(&mut page, "What to do", &advice::to_do(incident));
    page
}

/// What it cost, in a few words: `12 parked, 3 replayed, 0 failed`.
#[must_use]
pub fn cost_in_short(cost: Option<&Cost>) -> String {
    let Some(cost) = cost else {
        return "-".to_owned();
    };
    let counts = [
        (cost.parked, "parked"),
        (cost.replayed, "replayed"),
        (cost.refused, "refused"),
        (cost.failed, "failed"),
    ];
    let some = counts.iter().filter(|(count, _)| *count > 0);
    let words: Vec<_> = some
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match &words[..] {
        [] => "nothing".to_owned(),
        words => words.join(", "),
    }
}

/// The whole of it in one line, for the log.
#[must_use]
pub fn in_short(incident: &Incident) -> String {
    let mut text = format!(
        "incident {} is over after {}: {}; {}",
        incident.id,
        ms(incident.lasted_ms),
        incident.what,
        incident.came_out(),
    );
    if incident.cost.is_some() {
        text += &format!("; it cost {}", cost_in_short(incident.cost.as_ref()));
    }
    match incident.averted.as_ref().map(|averted| averted.errors) {
        None | Some(0) => {}
        Some(count) => text += &format!(", and averted {}", errors(count)),
    }
    text
}

/// `1 error`, `12 errors`.
fn errors(count: u64) -> String {
    match count {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    }
}

fn when(incident: &Incident) -> String {
    let mut text = format!("{}, ", incident.opened_at);
    let lasted = ms(incident.lasted_ms);
    text += &match incident.state {
        State::Open => format!("still going on after {lasted}"),
        State::Judging => format!("dealt with; whether it helped is being judged since {lasted}"),
        State::Closed => format!("over after {lasted}"),
        State::CutOff => format!("autoheal ended {lasted} into it"),
    };
    if let Some(generation) = incident.generation {
        write!(text, "; worker {generation}").ok();
    }
    if let Some(instance) = incident.instance {
        write!(text, " of instance {instance}").ok();
    }
    if let Some(rule) = &incident.rule {
        write!(text, "; rule \"{}\"", line(rule)).ok();
    }
    if let Some(code) = &incident.code {
        write!(text, "; {}", line(code)).ok();
    }
    text + "\n"
}

fn section(page: &mut String, title: &str, text: &str) {
    page.push_str(&format!("\n{title}\n"));
    for sentence in text.lines() {
        wrapped(page, "  ", sentence);
    }
}

/// As they were printed: a trace that is wrapped can't be read.
fn last_words(page: &mut String, last: &LastWords) {
    match last.generation {
        Some(generation) => page.push_str(&format!("\nLast words of worker {generation}\n")),
        None => page.push_str("\nLast words\n"),
    }
    for said in &last.lines {
        page.push_str(&format!("  {}\n", line(said)));
    }
}

fn not_counted(incident: &Incident) -> String {
    match (incident.last, incident.state) {
        (Some(last), _) => {
            format!("What its recycles cost is in their stories: autoheal explain {last}.")
        }
        (None, State::CutOff) => {
            "It was not counted: autoheal ended before it was over.".to_owned()
        }
        (None, _) => "Nothing: nothing was done that a request could notice.".to_owned(),
    }
}

fn cost_words(cost: &Cost) -> String {
    let mut text = match cost.is_nothing() {
        true => format!(
            "Nothing: no request was parked, replayed, refused or failed, of {} that ended in \
             that time.",
            cost.ended
        ),
        false => counted(cost),
    };
    if let (Some(median), Some(worst)) = (cost.delay_median_ms, cost.delay_worst_ms) {
        let late = requests(cost.late);
        let (median, worst) = (ms(median), ms(worst));
        text += &match cost.late {
            1 => format!("\n{late} was answered later for it, by {worst}."),
            _ => format!(
                "\n{late} were answered later for it: half of them by {median} at most, the last \
                 by {worst}."
            ),
        };
    }
    if cost.unsettled > 0 {
        text += &format!(
            "\n{} had no answer yet when the counting ended.",
            requests(cost.unsettled)
        );
    }
    let others: Vec<_> = cost.shared_with.iter().map(u64::to_string).collect();
    let (who, each) = match &others[..] {
        [] => return text,
        [one] => (format!("Incident {one}"), "both"),
        [more @ .., last] => (format!("Incidents {} and {last}", more.join(", ")), "each"),
    };
    text += &format!(
        "\n{who} went on at the same time: what was counted then stands in {each}, and can't be \
         told apart."
    );
    text
}

fn counted(cost: &Cost) -> String {
    let failed = match cost.failed {
        0 => "none failed".to_owned(),
        failed => format!("{failed} failed"),
    };
    let mut text = format!(
        "Of {} that ended in that time {} had to wait for a worker, {} went to a worker a second \
         time, {} got autoheal's own answer, and {failed}.",
        requests(cost.ended),
        cost.parked,
        cost.replayed,
        cost.refused,
    );
    for (code, count) in &cost.by_code {
        text += &format!("\n{count} got {code}.");
    }
    text
}

fn saved(averted: Option<&Averted>) -> String {
    match averted {
        None => "Nothing that can be counted.".to_owned(),
        Some(averted) => format!(
            "{} that clients would have got.\nHow that is known: {}.",
            errors(averted.errors),
            averted.method
        ),
    }
}

fn helped(incident: &Incident) -> String {
    let because = |text: &str| line(text).into_owned();
    if let Some(verdict) = &incident.verdict {
        let said = match verdict.verdict.as_str() {
            "helped" => "Yes",
            "did-not-help" => "No: recycling does not help",
            _ => "That is unclear",
        };
        return format!("{said}: {}.", because(&verdict.because));
    }
    match (incident.kind, incident.outcome.as_deref(), incident.state) {
        (Kind::NoHelp, ..) => "No: two recycles in a row did not help.".to_owned(),
        (_, Some("restarted"), _) => match incident.replaced_by {
            Some(new) => format!("Yes: worker {new} serves."),
            None => "Yes: a new worker serves.".to_owned(),
        },
        (_, Some("gave-up"), State::Open) => "No: the worker does not stay up.".to_owned(),
        (_, Some("gave-up"), _) => "No: the worker did not stay up.".to_owned(),
        (_, Some("kept-old"), _) => "No: the old worker was kept.".to_owned(),
        (_, Some("failed"), _) => "No: the worker was not replaced.".to_owned(),
        (_, Some("reported"), _) => "Nothing was to help: the rule only reported.".to_owned(),
        (_, _, State::Judging) => "That is still being judged.".to_owned(),
        (Kind::Crash | Kind::FailedStart, _, State::Open) => "Not yet: none serves.".to_owned(),
        (Kind::Rule, _, State::Open) => "That is still to be seen.".to_owned(),
        (Kind::Unhealthy, Some("replaced"), _) => {
            "The new worker answered before it was let in, and is probed in its turn.".to_owned()
        }
        (_, Some("replaced"), _) => {
            "The worker was replaced. There is no symptom to compare: it was planned, or asked \
             for."
                .to_owned()
        }
        _ => "That was not told.".to_owned(),
    }
}

fn ms(ms: u64) -> String {
    spoken(std::time::Duration::from_millis(ms))
}

fn line(text: &str) -> std::borrow::Cow<'_, str> {
    one_line(text)
}
