//! Reads `[[rule]]`: every rule of the user's, and the two that stand beside them.

use std::time::Duration;

use super::{
    action::actions,
    condition::{condition, parsed},
    defaults,
    defaults::secs,
    diagnostic::Report,
    document::{Node, Value},
    model::Settings,
    reader::{Fields, duration, one_or_more, text, unwanted, word},
};
use crate::{
    decide::{
        policy::Rule,
        trigger::{MAX_RULES, MemoryLimit, Trigger},
    },
    units::{Hours, Share, Zone},
    words::Mode,
};

/// Reads every rule, and adds the two that stand there by default.
pub(super) fn read(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let mut rules: Vec<Rule> = Vec::new();
    let list = top.get("rule");
    let nodes = match list.map(|node| &node.value) {
        None => &[],
        Some(Value::List(items)) => items.as_slice(),
        Some(_) => {
            if let Some(node) = list {
                let cure = "write [[rule]] with two brackets: there can be several";
                let _: Option<()> = unwanted(report, "rule", node, "a list of tables", cure);
            }
            &[]
        }
    };
    // One more than is allowed is enough to know.
    for node in nodes.iter().take(MAX_RULES + 1) {
        let Some(rule) = rule(node, settings, report) else {
            continue;
        };
        if rules.iter().any(|earlier| earlier.name == rule.name) {
            report.error(
                name_span(node),
                format!("two rules are called \"{}\"", rule.name),
                "give each rule a name of its own: logs and metrics tell them apart by it",
            );
        }
        rules.push(rule);
    }
    // What is no flag has been reported.
    let proactive = top.get("proactive").map(|node| &node.value);
    if !matches!(proactive, Some(Value::Flag(false))) {
        for rule in defaults::proactive_rules() {
            if !rules.iter().any(|own| own.name == rule.name) {
                rules.push(rule);
            }
        }
    }
    let all = nodes.len() + rules.iter().filter(|rule| rule.proactive).count();
    if let (Some(node), true) = (list, all > MAX_RULES) {
        report.error(
            node.span,
            format!("{all} rules are more than {MAX_RULES}, proactive ones counted"),
            "join rules: one rule takes several codes and several paths",
        );
    }
    let conditions: usize = rules.iter().map(|rule| rule.when.parts().len()).sum();
    if let (Some(node), true) = (list, all <= MAX_RULES && conditions > MAX_RULES) {
        report.error(
            node.span,
            format!("{conditions} conditions are more than {MAX_RULES}, proactive ones counted"),
            "join rules: one condition takes several codes and several paths",
        );
    }
    settings.policy.rules = rules;
}

/// The hours in which a rule is held.
fn not_between(fields: &Fields<'_>, report: &mut Report) -> Option<Hours> {
    let spans = fields.find(report, "not_between", one_or_more(parsed));
    let zone = fields.find(report, "zone", parsed);
    if let (None, Some(node)) = (fields.get("not_between"), fields.get("zone")) {
        report.error(
            node.span,
            "zone says whose clock not_between goes by, and there is none",
            "remove zone, or add not_between = \"08:00-18:00\"; a schedule has a zone of its own",
        );
    }
    Some(Hours {
        spans: spans?,
        zone: zone.unwrap_or_else(Zone::local),
    })
}

fn name_span(node: &Node) -> super::diagnostic::Span {
    match &node.value {
        Value::Table(table) => table.get("name").map_or(node.span, |name| name.span),
        _ => node.span,
    }
}

fn rule(node: &Node, settings: &Settings, report: &mut Report) -> Option<Rule> {
    let fields = Fields::of(node, "rule", report)?;
    let name = fields.need(report, "name", "\"what it heals\"", text);
    let when = match fields.get("when") {
        Some(node) => condition(node, report),
        None => {
            report.missing(
                Some(fields.span),
                "rule has no condition",
                "add one, like when.status = { codes = \"500-599\", count = 20, window = \"30s\" }",
            );
            None
        }
    };
    let actions = fields.need(report, "do", "[\"recycle\"]", |report, name, node| {
        actions(report, name, node, settings)
    });
    let mut rule = Rule {
        name: String::new(),
        when: Trigger::Memory {
            limit: MemoryLimit::Share(Share::ALL),
            hold: Duration::ZERO,
        },
        actions: Vec::new(),
        min_uptime: defaults::MIN_UPTIME,
        cooldown: defaults::COOLDOWN,
        mode: Mode::Heal,
        not_between: None,
        proactive: false,
    };
    let bounds = || duration(Duration::ZERO..=secs(24 * 3600));
    fields.read(report, "min_uptime", &mut rule.min_uptime, bounds());
    fields.read(report, "cooldown", &mut rule.cooldown, bounds());
    let modes = [("heal", Mode::Heal), ("observe", Mode::Observe)];
    fields.read(report, "mode", &mut rule.mode, word(modes));
    rule.not_between = not_between(&fields, report);
    (rule.name, rule.when, rule.actions) = (name?, when?, actions?);
    Some(rule)
}
