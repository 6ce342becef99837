//! What can be used and is probably not as meant: numbers that are right by themselves and turn
//! against the app at night. Pure: over the settings, where each was said, and what the machine
//! has.

mod ladder;
mod memory;
mod several;

use std::time::Duration;

use super::{
    Machine, defaults,
    defaults::secs,
    diagnostic::{Report, Span},
    document::{Node, Table, Value},
    model::Settings,
    reader::Fields,
};
use crate::{
    decide::{
        observation::Measure,
        policy::{Rule, Strategy},
        trigger::Trigger,
    },
    units::{Share, StatusSet, format_duration},
    words::Outcome,
};

/// Clients, load balancers and App Service's front end give up after about this long.
const CLIENTS_WAIT: Duration = secs(4 * 60);
/// More recycles a day are more than one each half hour.
const MOST_A_DAY: u64 = 48;
const DAY: Duration = secs(24 * 3600);

/// Says what is doubtful, each thing at the place where it was said.
pub(super) fn judge(top: &Fields<'_>, settings: &Settings, machine: &Machine, report: &mut Report) {
    let rules = match top.get("rule").map(|node| &node.value) {
        Some(Value::List(rules)) => rules.as_slice(),
        _ => &[],
    };
    let mut unshared = Vec::new();
    for node in rules {
        let Some(said) = Said::of(node) else { continue };
        let mut named = settings.policy.rules.iter();
        if let Some(rule) = named.find(|rule| said.is(rule)) {
            one_rule(rule, &said, settings, machine, report);
            if let Some(actions) = said.rule.get("do") {
                ladder::judge(rule, actions, settings, report);
            }
            if let Some(node) = without_share(rule, &said, &unshared) {
                unshared.push(node.span.source);
                nobody_alone(node.span, node.alias.is_some(), report);
            }
        }
    }
    several::judge(top, settings, report);
    waits(top, settings, report);
    budget(top, settings, report);
}

/// The keys of a rule as they were written.
struct Said<'a> {
    rule: &'a Table,
    condition: Option<(&'a Table, Span)>,
}

impl<'a> Said<'a> {
    fn of(node: &'a Node) -> Option<Self> {
        let Value::Table(rule) = &node.value else {
            return None;
        };
        let condition = rule.get("when").and_then(|when| match &when.value {
            Value::Table(when) => when.0.first(),
            _ => None,
        });
        let condition = condition.and_then(|entry| match &entry.node.value {
            Value::Table(table) => Some((table, entry.key_span)),
            _ => None,
        });
        Some(Self { rule, condition })
    }

    fn is(&self, rule: &Rule) -> bool {
        self.rule.get("name").and_then(Node::as_text) == Some(rule.name.as_str())
    }

    /// A key of the condition.
    fn get(&self, key: &str) -> Option<&'a Node> {
        self.condition?.0.get(key)
    }

    /// A key of the condition by the name that it has in its format.
    fn called(&self, key: &'static str) -> &'static str {
        self.get(key).and_then(|node| node.alias).unwrap_or(key)
    }
}

fn one_rule(
    rule: &Rule,
    said: &Said<'_>,
    settings: &Settings,
    machine: &Machine,
    report: &mut Report,
) {
    match &rule.when {
        Trigger::Slow {
            time_taken, window, ..
        } => slow(*time_taken, *window, said, settings, report),
        Trigger::Memory { limit, .. } => memory::judge(*limit, said, settings, machine, report),
        Trigger::Age { limit } => age(*limit, rule, said, report),
        Trigger::All(_)
        | Trigger::File { .. }
        | Trigger::Abandoned { .. }
        | Trigger::Leak { .. }
        | Trigger::Level { .. }
        | Trigger::Output { .. }
        | Trigger::Requests { .. }
        | Trigger::Schedule { .. }
        | Trigger::Status { .. } => {}
    }
    if !rule.recycles() {
        return;
    }
    several::due_for_all(rule, said, settings, report);
    if let Trigger::Status { count: 1, .. }
    | Trigger::Slow { count: 1, .. }
    | Trigger::Abandoned { count: 1, .. }
    | Trigger::Requests { count: 1, .. } = rule.when
        && let Some(count) = said.get("count")
    {
        report.warning(
            count.span,
            "a single request is enough to recycle the worker",
            format!(
                "raise {}: how many within the window are no accident any more?",
                said.called("count")
            ),
        );
    }
    if let (
        Trigger::Level {
            measure: Measure::Cpu | Measure::Core,
            ..
        },
        Some((_, span)),
    ) = (&rule.when, said.condition)
    {
        report.warning(
            span,
            "a worker that is only busy is recycled too, and the load that keeps it busy remains",
            "ask for a second sign: when.all = [{ cpu = { ... } }, { slow = { ... } }]",
        );
    }
    if let (Duration::ZERO, Some(node)) = (rule.min_uptime, said.rule.get("min_uptime"))
        && !report.has_at(node.span)
    {
        report.warning(
            node.span,
            "the rule recycles a worker that has only just started, and its successor too",
            format!(
                "make it longer than the app warms up; {} is the default",
                format_duration(defaults::MIN_UPTIME)
            ),
        );
    }
}

fn slow(
    time_taken: Duration,
    window: Duration,
    said: &Said<'_>,
    settings: &Settings,
    report: &mut Report,
) {
    if let (true, Some(node)) = (window < time_taken, said.get("window")) {
        report.warning(
            node.span,
            format!(
                "the window is shorter than the {} that a request takes to become slow",
                format_duration(time_taken)
            ),
            format!(
                "requests that started together still count together; for others make it longer \
                 than {}",
                said.called("time_taken")
            ),
        );
    }
    let Some(node) = said.get("time_taken") else {
        return;
    };
    let response = settings.timeouts.response;
    let called = said.called("time_taken");
    if time_taken >= response {
        report.warning(
            node.span,
            format!(
                "no request becomes that slow: each ends with 504 after timeouts.response ({})",
                format_duration(response)
            ),
            format!("lower {called}, or raise timeouts.response (requestTimeout in web.config)"),
        );
    } else if time_taken > CLIENTS_WAIT {
        report.warning(
            node.span,
            format!(
                "few clients wait {} for an answer, and who has left is not counted",
                format_duration(time_taken)
            ),
            format!(
                "set {called} below what clients and load balancers wait, which is seldom over {}",
                format_duration(CLIENTS_WAIT)
            ),
        );
    }
}

fn age(limit: Duration, rule: &Rule, said: &Said<'_>, report: &mut Report) {
    if let (true, Some(node)) = (limit < rule.min_uptime, said.get("over")) {
        report.warning(
            node.span,
            format!(
                "the rule is held until the worker has been ready for {}",
                format_duration(rule.min_uptime)
            ),
            "lower min_uptime, or raise the age",
        );
    }
}

/// Where a rule recycles for answers that a client can have as many of as it likes; said once for
/// a web.config, whose rules can't have a share.
fn without_share<'a>(rule: &Rule, said: &Said<'a>, told: &[usize]) -> Option<&'a Node> {
    let Trigger::Status {
        codes, share: None, ..
    } = &rule.when
    else {
        return None;
    };
    let failing = |codes: &StatusSet| (400..600).any(|s| codes.contains(Outcome::Status(s)));
    let count = said.get("count")?;
    let again = count.alias.is_some() && told.contains(&count.span.source);
    let node = match count.alias {
        Some(_) => count,
        None => said.get("codes")?,
    };
    (rule.recycles() && failing(codes) && !again).then_some(node)
}

fn nobody_alone(span: Span, alias: bool, report: &mut Report) {
    let share = Share::percent(30);
    report.warning(
        span,
        "without a share one client with enough bad requests can have the worker recycled",
        match alias {
            true => format!(
                "write it as a [[rule]] of an autoheal.toml, with share = \"{share}\": so many \
                 of all must fail then"
            ),
            false => format!("add share = \"{share}\": so many of all must fail then"),
        },
    );
}

/// Whether those who are parked during an in-place recycle can be served in time.
fn waits(top: &Fields<'_>, settings: &Settings, report: &mut Report) {
    let recycle = &settings.policy.recycle;
    let wait = settings.parking.wait;
    let said = |section, key| said_at(top, section, key);
    let start = said("recycle", "start_timeout");
    let blame = said("parking", "wait")
        .or(start)
        .or_else(|| said("recycle", "drain_timeout"))
        .or_else(|| said("recycle", "stop_timeout"));
    let (Strategy::InPlace, Some(blame)) = (recycle.strategy, blame) else {
        return;
    };
    if wait < recycle.stop_timeout + secs(1) {
        report.warning(
            blame,
            "a worker that takes its whole stop_timeout is gone too late for those who are parked",
            format!(
                "raise parking.wait well over recycle.stop_timeout ({}), or lower that",
                format_duration(recycle.stop_timeout)
            ),
        );
        return;
    }
    // The default only bounds a start; who writes a time expects one.
    let starting = start.map_or(Duration::ZERO, |_| recycle.start_timeout);
    let all = recycle.drain_timeout + recycle.stop_timeout + starting;
    if all > wait {
        let mut parts = vec![
            ("drain", recycle.drain_timeout),
            ("stop", recycle.stop_timeout),
        ];
        parts.extend(start.map(|_| ("start", starting)));
        let parts: Vec<_> = parts
            .into_iter()
            .map(|(name, time)| format!("{name} {}", format_duration(time)))
            .collect();
        report.warning(
            blame,
            format!(
                "in place, {} may take {} together; a request is parked for {} at most",
                parts.join(", "),
                format_duration(all),
                format_duration(wait)
            ),
            format!(
                "raise parking.wait to {}, or lower the others: a drain is cut short to keep it",
                format_duration(all)
            ),
        );
    }
}

/// Whether the budget ends a loop of recycles that do not help.
fn budget(top: &Fields<'_>, settings: &Settings, report: &mut Report) {
    let budget = settings.policy.budget;
    let said = |key| said_at(top, "budget", key);
    let Some(blame) = said("per_day")
        .or_else(|| said("recycles"))
        .or_else(|| said("window"))
    else {
        return;
    };
    let window = budget.window.as_millis().max(1);
    let by_window = DAY.as_millis() * u128::from(budget.recycles) / window;
    let by_window = u64::try_from(by_window).unwrap_or(u64::MAX);
    let a_day = by_window.min(u64::from(budget.per_day));
    if a_day > MOST_A_DAY {
        let each = secs(DAY.as_secs() / a_day);
        report.warning(
            blame,
            format!(
                "rules may recycle {a_day} times a day: one that does not help goes on all day, \
                 each {}",
                format_duration(each)
            ),
            "lower budget.per_day (default 24): when it is spent, someone should look",
        );
    }
}

fn said_at(top: &Fields<'_>, section: &str, key: &str) -> Option<Span> {
    match &top.get(section)?.value {
        Value::Table(table) => table.get(key).map(|node| node.span),
        _ => None,
    }
}
