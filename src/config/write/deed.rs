//! The one action that all triggers of App Service share.

use std::{fmt, path::Path};

use super::losses::Losses;
use crate::{
    config::defaults,
    decide::policy::{Action, Command, Rule},
    units::format_duration,
    words::Mode,
};

/// What is done when a trigger fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Recycle,
    Log,
    Run(Command),
}

impl Deed {
    /// What is nearest to a rule's actions.
    pub(super) fn of(rule: &Rule) -> Self {
        if rule.mode != Mode::Heal {
            return Self::Log;
        }
        let mut deed = Self::Log;
        for action in rule.actions_at(1) {
            match (action, &deed) {
                (Action::Recycle(_), _) => return Self::Recycle,
                (Action::Run(command), Self::Log) if !is_nameless(command) => {
                    deed = Self::Run(command.clone());
                }
                _ => {}
            }
        }
        deed
    }

    /// What most rules do; the first of equals.
    pub(super) fn most_frequent(deeds: &[Self]) -> Option<Self> {
        let count = |deed: &&Self| deeds.iter().filter(|other| other == deed).count();
        // The last of equals would be taken.
        deeds.iter().rev().max_by_key(count).cloned()
    }

    /// Says what of a rule's actions this is not.
    pub(super) fn losses(&self, rule: &Rule, home: &Path, losses: &mut Losses) {
        if rule.mode != Mode::Heal {
            losses.rule(
                rule,
                "can't only report what it would do",
                "it is logged, and nothing is done",
            );
            return;
        }
        if rule.actions.len() > 1 {
            losses.rule(
                rule,
                "can't do several things",
                format!("of its actions this is kept: {self}"),
            );
        }
        if rule.actions.iter().any(|rung| rung.after > 1) {
            losses.rule(
                rule,
                "can't do several things one after the other",
                format!("what is done at its first firing is kept: {self}"),
            );
        }
        for action in rule.actions_at(1) {
            match (action, self) {
                (Action::Recycle(Some(_)), Self::Recycle) => losses.rule(
                    rule,
                    "can't say how the worker is recycled",
                    "it is recycled as recycle.strategy says",
                ),
                (Action::Run(command), Self::Run(same)) if command == same => {
                    of_command(command, rule, home, losses);
                }
                (Action::Run(command), _) if is_nameless(command) => losses.rule(
                    rule,
                    "has a program of quotes alone, which is none there",
                    "it is not run: rename it",
                ),
                (Action::Capture | Action::Unready | Action::Notify(_), _)
                    if rule.actions.len() == 1 =>
                {
                    losses.rule(
                        rule,
                        "has an action without a word there, so that it can't do several things",
                        "it is logged, and nothing is done",
                    );
                }
                _ => {}
            }
        }
    }
}

/// Whether nothing is left of the program's name once quotes around it are taken away.
fn is_nameless(command: &Command) -> bool {
    let program = command.argv.first().map_or("", String::as_str);
    program.trim().trim_matches('"').is_empty()
}

fn of_command(command: &Command, rule: &Rule, home: &Path, losses: &mut Losses) {
    let Command { argv, dir, timeout } = command;
    if dir != home {
        losses.rule(
            rule,
            format!("can't run its program in {}", dir.display()),
            "it runs in the folder of the file",
        );
    }
    if *timeout != defaults::COMMAND_TIMEOUT {
        losses.rule(
            rule,
            format!("can't give its program {}", format_duration(*timeout)),
            format!("it has {}", format_duration(defaults::COMMAND_TIMEOUT)),
        );
    }
    if argv.first().is_some_and(|program| is_odd(program)) {
        losses.rule(
            rule,
            "has a program that Windows names differently",
            "rename it: blanks at its ends, quotes, \\ and % have a meaning there",
        );
    }
    // A template takes such a text for an expression.
    let line = super::super::app_service::arguments::join(argv.iter().skip(1).map(String::as_str));
    let bracketed = |text: &str| text.starts_with('[');
    if argv.first().is_some_and(|program| bracketed(program)) || bracketed(&line) {
        losses.rule(
            rule,
            "has a program or arguments that begin with [, as an ARM expression does",
            "begin them with something else, or double the bracket in a template",
        );
    }
}

/// Whether the readers of App Service's files would take a program's name for another.
pub(super) fn is_odd(program: &str) -> bool {
    let lower = program.to_ascii_lowercase();
    program.trim() != program
        || program.contains(['"', '\\', '%'])
        || program.as_bytes().get(1) == Some(&b':')
        || ["daasconsole", "diaglauncher"]
            .iter()
            .any(|name| lower.contains(name))
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recycle => f.write_str("Recycle"),
            Self::Log => f.write_str("LogEvent"),
            Self::Run(command) => match command.argv.first() {
                Some(program) => write!(f, "CustomAction ({program})"),
                None => f.write_str("CustomAction"),
            },
        }
    }
}
