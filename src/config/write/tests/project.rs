//! Rules seen without what a warning says that they lose.

use std::time::Duration;

use crate::{
    config::Diagnostic,
    decide::{
        policy::Rule,
        trigger::{Filter, MemoryLimit, Trigger},
    },
    units::{Share, StatusSet},
    words::Mode,
};

/// Whether the rules after are those before, but for what was said.
pub(super) fn compare(
    before: &[Rule],
    after: &[Rule],
    warnings: Vec<Diagnostic>,
) -> Result<(), String> {
    let said: Vec<_> = warnings.into_iter().map(|found| found.what).collect();
    let after: Vec<_> = after.iter().filter(|rule| !rule.proactive).collect();
    let mut explained = vec![false; after.len()];
    let names_are_said = said.iter().any(|what| what.contains("rules have no names"));
    for rule in before.iter().filter(|rule| !rule.proactive) {
        let own: Vec<_> = said
            .iter()
            .filter(|what| what.contains(&format!(": \"{}\" ", rule.name)))
            .map(String::as_str)
            .chain(
                said.iter()
                    .filter(|what| what.contains("XML can't"))
                    .map(String::as_str),
            )
            .collect();
        let is_left_out = own.iter().any(|what| what.contains("is left out"));
        let expected = project(rule, &own);
        let mut found = false;
        for (candidate, explained) in after.iter().zip(&mut explained) {
            let is_same = project(candidate, &own) == expected
                && (names_are_said || candidate.name == rule.name);
            found |= is_same;
            *explained |= is_same && !is_left_out;
        }
        if found == is_left_out && !is_left_out {
            return Err(format!(
                "{rule:#?} is lost, and only this is said: {own:#?}"
            ));
        }
    }
    match explained.iter().position(|explained| !explained) {
        Some(at) => Err(format!("{:#?} comes from nowhere: {said:#?}", after[at])),
        None => Ok(()),
    }
}

/// The rule with everything that was said of it at a fixed value, and without its name.
fn project(rule: &Rule, said: &[&str]) -> Rule {
    let has = |word: &str| said.iter().any(|what| what.contains(word));
    let mut rule = rule.clone();
    rule.name.clear();
    if has("a min_uptime of") {
        rule.min_uptime = Duration::ZERO;
    }
    if has("a cooldown of") {
        rule.cooldown = Duration::ZERO;
    }
    if has("be held in") {
        rule.not_between = None;
    }
    if has("only report") {
        rule.mode = Mode::Heal;
        rule.actions.clear();
    }
    let of_actions = [
        "several things",
        "how the worker is recycled",
        "program",
        "XML can't",
    ];
    if of_actions.iter().any(|word| has(word)) {
        rule.actions.clear();
    }
    condition(&mut rule.when, &has);
    rule
}

fn condition(when: &mut Trigger, has: &impl Fn(&str) -> bool) {
    match when {
        Trigger::Requests {
            share,
            window,
            filter,
            ..
        } => {
            if has("a share of") {
                *share = None;
            }
            if has("window of") || has("since the start") {
                *window = None;
            }
            filtered(filter, has);
        }
        Trigger::Status {
            codes,
            share,
            window,
            filter,
            ..
        } => {
            if has("together") || has("apart") {
                *codes = StatusSet::new(Vec::new());
            }
            rate(share, window, has);
            filtered(filter, has);
        }
        Trigger::Slow {
            time_taken,
            share,
            window,
            filter,
            ..
        } => {
            if has("time_taken of") {
                *time_taken = Duration::ZERO;
            }
            rate(share, window, has);
            filtered(filter, has);
        }
        Trigger::Memory { limit, hold } => {
            if has("wait for") {
                *hold = Duration::ZERO;
            }
            if has("limit of") {
                *limit = MemoryLimit::Share(Share::ALL);
            }
        }
        // They are left out.
        _ => {}
    }
}

fn rate(share: &mut Option<Share>, window: &mut Duration, has: &impl Fn(&str) -> bool) {
    if has("a share of") {
        *share = None;
    }
    if has("window of") {
        *window = Duration::ZERO;
    }
}

fn filtered(filter: &mut Filter, has: &impl Fn(&str) -> bool) {
    if has("have a path") || has("several paths") || has("XML can't") {
        filter.path.clear();
    }
    if has("leave paths out") {
        filter.except.clear();
    }
    if has("ask for methods") {
        filter.methods.clear();
    }
}
