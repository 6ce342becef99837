//! Why an incident came, and what to do about it, as far as what was seen tells.

use super::line;
use crate::explain::incident::{Exit, Incident, Kind};

/// Why it came.
pub(super) fn why(incident: &Incident) -> String {
    match (incident.kind, &incident.exit) {
        (Kind::Crash, Some(exit)) => format!(
            "The worker ended without being asked to: {}.\n{}{}",
            exit.how,
            of_exit(exit),
            had(exit)
        ),
        (Kind::Rule, _) => format!(
            "{} fired: {}.",
            capital(&rule(incident)),
            line(seen(incident))
        ),
        (Kind::NoHelp, _) => "The new worker had the same trouble as the one before it, twice in \
                              a row: a fresh process does not cure it."
            .to_owned(),
        (Kind::Unhealthy, _) if is_deaf(incident) => {
            "It ran, and its listening socket was closed: servers do that when someone tells them \
             to stop."
                .to_owned()
        }
        (Kind::Unhealthy, _) => "The health probe failed as often as it may.".to_owned(),
        (Kind::FailedStart, _) => "A new worker did not get as far as its first answer.".to_owned(),
        (Kind::Crash | Kind::Recycle, _) => "Someone asked for it, or a new configuration needs \
                                             it."
        .to_owned(),
    }
}

/// What to do about it.
pub(super) fn to_do(incident: &Incident) -> String {
    let verdict = incident
        .verdict
        .as_ref()
        .map(|verdict| verdict.verdict.as_str());
    let cure = incident.cure.as_deref().map(|cure| capital(&line(cure)));
    if verdict == Some("did-not-help") || incident.kind == Kind::NoHelp {
        let cure = cure.unwrap_or_else(|| "Look at what the worker depends on".to_owned());
        let arm = match incident.disarmed {
            true => "\nautoheal arm lets the rule act again before its time.",
            false => "",
        };
        let code = incident
            .code
            .as_deref()
            .and_then(|code| code.split(' ').next());
        let more = code.map_or_else(String::new, |code| {
            format!("\nautoheal explain {code} has more causes, and a cure for each.")
        });
        return format!("{cure}.{arm}{more}");
    }
    match (incident.outcome.as_deref(), &incident.exit) {
        (Some("kept-old" | "failed"), _) => {
            "The new worker did not get ready: autoheal logs shows \
                                             what it printed. Until that is cured no recycle can \
                                             help."
                .to_owned()
        }
        (Some("gave-up"), _) => "Find out why it ends: autoheal logs --previous shows its last \
                                 words. autoheal start tries again at once."
            .to_owned(),
        (_, Some(exit)) => for_exit(exit),
        (Some("reported"), _) if cure.is_some() => format!("{}.", cure.unwrap_or_default()),
        (Some("reported"), _) => "See for yourself, with autoheal requests and autoheal logs; \
                                  autoheal recycle replaces the worker."
            .to_owned(),
        _ if incident.kind == Kind::FailedStart => {
            "autoheal logs shows what it printed.".to_owned()
        }
        _ if is_deaf(incident) => "Find out who told it to stop, or why it closed its socket: \
                                   autoheal logs --previous shows what it printed."
            .to_owned(),
        _ if incident.kind == Kind::Unhealthy => "Find out why it did not answer its probe: \
                                                  autoheal logs --previous shows what it \
                                                  printed."
            .to_owned(),
        _ if verdict == Some("helped") => format!(
            "Nothing now. {} acts again if it comes back; what the old worker printed is in \
             autoheal logs --previous.",
            capital(&rule(incident))
        ),
        _ => "Nothing.".to_owned(),
    }
}

/// Whether it was replaced for refusing connections.
fn is_deaf(incident: &Incident) -> bool {
    incident.kind == Kind::Unhealthy && incident.when.as_deref() == Some("refused")
}

fn of_exit(exit: &Exit) -> String {
    if exit.oom_killed {
        return "The kernel killed it because its control group had no memory left.".to_owned();
    }
    match (exit.signal, exit.code) {
        (Some(9), _) => "Nothing in a program sends itself SIGKILL: someone or something else \
                         killed it, an operator, a script, or the OOM killer of the machine or of \
                         a group above its own."
            .to_owned(),
        (Some(4 | 6 | 7 | 8 | 11), _) => "That is a defect in the program or in a library of it \
                                          that is not memory-safe, or it aborted itself."
            .to_owned(),
        (Some(_), _) => "Someone or something else sent it that signal.".to_owned(),
        (None, Some(0)) => "It says that it was done: a server should never be.".to_owned(),
        (None, Some(_)) => "It gave up with an error of its own.".to_owned(),
        (None, None) => "Only whoever started it is told how it ended.".to_owned(),
    }
}

fn had(exit: &Exit) -> String {
    let requests = exit.requests.as_deref();
    requests.map_or_else(String::new, |requests| {
        format!("\nIt had in flight: {}.", line(requests))
    })
}

fn for_exit(exit: &Exit) -> String {
    if exit.oom_killed {
        return "Give its group more memory, or have it replaced before it gets there: a rule with \
                when.memory = { share = \"90%\" }."
            .to_owned();
    }
    match (exit.signal, exit.code) {
        (Some(9), _) => {
            "Find out who did it: journalctl -k (or dmesg) tells of an OOM killer, and \
                         the histories of shells and deployments of the rest. The worker itself \
                         needs no cure."
                .to_owned()
        }
        (Some(4 | 6 | 7 | 8 | 11), _) if exit.core_dumped => "Look at its core dump (coredumpctl, \
                                                              or where kernel.core_pattern says) \
                                                              and its last words: autoheal logs \
                                                              --previous."
            .to_owned(),
        (Some(4 | 6 | 7 | 8 | 11), _) => {
            "Its last words are in autoheal logs --previous. There is \
                                          no core dump: ulimit -c unlimited would allow one the \
                                          next time."
                .to_owned()
        }
        (Some(_), _) => "Find out who sent it: the worker itself needs no cure.".to_owned(),
        (None, Some(0)) => "If it is meant to end now and then (a limit of requests, say), all is \
                            well; else its last words are in autoheal logs --previous."
            .to_owned(),
        (None, Some(_)) => "Its last words are in autoheal logs --previous.".to_owned(),
        (None, None) => "Ask whoever started it: systemctl status, docker inspect, or the logs of \
                         its container."
            .to_owned(),
    }
}

fn rule(incident: &Incident) -> String {
    match &incident.rule {
        Some(rule) => format!("rule \"{}\"", line(rule)),
        None => "the rule".to_owned(),
    }
}

/// What the rule saw, without its name.
fn seen(incident: &Incident) -> &str {
    let what = incident.what.as_str();
    what.split_once("\": ").map_or(what, |(_, seen)| seen)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}
