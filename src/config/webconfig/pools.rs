//! `<system.applicationHost>`: how IIS recycles an application pool becomes rules and limits.

use std::time::Duration;

use super::{
    super::{
        app_service::{Written, timespan},
        diagnostic::{Report, Span},
        document::{Node, Table, Value},
    },
    pool_shapes::{self, SECTIONS, Say},
    xml::Element,
};
use crate::units::format_duration;

/// One pool: what it says itself, else what the defaults of all pools say.
struct Pool<'a, 'i> {
    layers: Vec<Element<'a, 'i>>,
}

/// Reads the pool into the rules and limits of `table`.
pub(super) fn read(host: &Element<'_, '_>, table: &mut Table, report: &mut Report) {
    let lists: Vec<_> = host.children_named("applicationPools").collect();
    let Some(list) = lists.first() else {
        return;
    };
    list.check(&pool_shapes::POOLS, report);
    let mut pools = Vec::new();
    for child in list.entries(report) {
        match child.name() {
            "clear" => pools.clear(),
            "remove" => pools.retain(|pool| name(pool) != name(&child)),
            "add" => pools.push(child),
            _ => {}
        }
    }
    if let [_, _, ..] = pools[..] {
        let names: Vec<_> = pools.iter().take(20).map(|pool| name(pool)).collect();
        report.error(
            list.span(),
            format!(
                "{} application pools: {}; autoheal stands before one",
                pools.len(),
                names.join(", ")
            ),
            "keep the <add> of your app's pool alone, in a copy of this file",
        );
        return;
    }
    let defaults = list.children_named("applicationPoolDefaults");
    let pool = Pool {
        layers: pools.into_iter().chain(defaults).collect(),
    };
    pool.check(report);
    pool.limits(table, report);
    pool.rules(table, report);
    pool.say(report);
}

fn name<'a>(pool: &Element<'a, '_>) -> &'a str {
    pool.attribute("name").map_or("", |name| name.text.trim())
}

impl<'a, 'i> Pool<'a, 'i> {
    /// The elements at a path like `recycling/periodicRestart`, the pool's own before the defaults.
    fn sections(&self, path: &'static str) -> Vec<Element<'a, 'i>> {
        let mut found = self.layers.clone();
        for step in path.split('/').filter(|step| !step.is_empty()) {
            let inner = found
                .iter()
                .flat_map(|element| element.children_named(step));
            found = inner.collect();
        }
        found
    }

    fn check(&self, report: &mut Report) {
        for (path, shape) in &SECTIONS {
            for element in self.sections(path) {
                element.check(shape, report);
            }
        }
    }

    /// An attribute that is written and not blank.
    fn written(&self, path: &'static str, name: &str) -> Option<Written<'a>> {
        let sections = self.sections(path);
        let found = sections.iter().find_map(|element| element.attribute(name));
        found.filter(|written| !written.text.trim().is_empty())
    }

    /// Whether an attribute says `word`.
    fn is(&self, path: &'static str, name: &str, word: &str) -> Option<Span> {
        let written = self.written(path, name)?;
        let same = written.text.trim().eq_ignore_ascii_case(word);
        same.then_some(written.span)
    }

    /// A number above 0, which means off.
    fn number(&self, path: &'static str, name: &'static str, report: &mut Report) -> Option<Node> {
        let written = self.written(path, name)?;
        let Ok(number) = written.text.trim().parse::<u32>() else {
            report.error(
                written.span,
                format!(
                    "{name} wants a whole number, not \"{}\"",
                    written.text.trim()
                ),
                format!("write {name}=\"NUMBER\", digits only; 0 means off"),
            );
            return None;
        };
        let node = Node::new(Value::Integer(number.into()), written.span);
        (number > 0).then(|| node.named(name))
    }

    /// A time above 0, which means off.
    fn time(&self, path: &'static str, name: &'static str, report: &mut Report) -> Option<Node> {
        let written = self.written(path, name)?;
        let read = timespan::parse_with_days(name, written.text);
        match read {
            Ok(Duration::ZERO) => None,
            Ok(time) => Some(Node::text(format_duration(time), written.span).named(name)),
            Err((what, cure)) => {
                report.error(written.span, what, cure);
                None
            }
        }
    }

    /// What means the same here.
    fn limits(&self, table: &mut Table, report: &mut Report) {
        if let Some(span) = self.is("recycling", "disallowOverlappingRotation", "true") {
            let recycle = table.at(&["recycle"], span);
            recycle.set("strategy", Node::text("in-place", span));
        }
        self.rapid_fails(table, report);
        for (node, section, key) in [
            (
                self.time("processModel", "startupTimeLimit", report),
                "recycle",
                "start_timeout",
            ),
            // It covers what is in flight and the exit: the first takes the time.
            (
                self.time("processModel", "shutdownTimeLimit", report),
                "recycle",
                "drain_timeout",
            ),
            (
                self.number("", "queueLength", report),
                "parking",
                "requests",
            ),
        ] {
            if let Some(node) = node {
                table.at(&[section], node.span).set(key, node);
            }
        }
    }

    /// Rapid-fail protection: so many crashes within this time are enough.
    fn rapid_fails(&self, table: &mut Table, report: &mut Report) {
        const FAILURE: &str = "failure";
        if let Some(span) = self.is(FAILURE, "rapidFailProtection", "false") {
            let node = Node::new(Value::Integer(0), span).named("rapidFailProtection");
            table.at(&["crashes"], span).set("give_up", node);
            return;
        }
        let crashes = self.number(FAILURE, "rapidFailProtectionMaxCrashes", report);
        let interval = self.time(FAILURE, "rapidFailProtectionInterval", report);
        let Some(span) = crashes.as_ref().or(interval.as_ref()).map(|node| node.span) else {
            return;
        };
        // What is not said is IIS's own default.
        let crashes = crashes.unwrap_or_else(|| Node::new(Value::Integer(5), span));
        let interval = interval.unwrap_or_else(|| Node::text("5min", span));
        let to = table.at(&["crashes"], span);
        to.set("give_up", crashes);
        to.set("within", interval);
    }

    /// A limit on CPU, in thousandths of a percent of all of it.
    fn cpu(&self, table: &mut Table, report: &mut Report) {
        const CPU: &str = "cpu";
        let Some(limit) = self.number(CPU, "limit", report) else {
            return;
        };
        let span = limit.span;
        let Value::Integer(thousandths) = limit.value else {
            return;
        };
        let share = format!("{}.{:02}%", thousandths / 1000, thousandths % 1000 / 10);
        let interval = self.time(CPU, "resetInterval", report);
        let mut rule = Table::default();
        rule.set("name", Node::text("cpu limit", span));
        let when = rule.at(&["when", "cpu"], span);
        when.set("share", Node::text(share, span).named("limit"));
        let usual = || Node::text("5min", span);
        when.set("for", interval.unwrap_or_else(usual));
        let kills = self.is(CPU, "action", "KillW3wp").is_some();
        let deed = if kills { "recycle" } else { "log" };
        rule.set("do", Node::list(vec![Node::text(deed, span)], span));
        table.append("rule", Node::new(Value::Table(rule), span));
        for word in ["Throttle", "ThrottleUnderLoad"] {
            if let Some(span) = self.is(CPU, "action", word) {
                report.warning(
                    span,
                    "a worker that is over its CPU limit is not slowed down, only told of",
                    "limit it where autoheal runs: CPUQuota= in systemd, cpus in a container",
                );
            }
        }
    }

    fn rules(&self, table: &mut Table, report: &mut Report) {
        const RESTART: &str = "recycling/periodicRestart";
        let time = self.time(RESTART, "time", report);
        push(table, "periodicRestart time", "age", "over", time);
        let times = self.schedule(report);
        push(table, "periodicRestart schedule", "schedule", "at", times);
        let requests = self.number(RESTART, "requests", report);
        push(
            table,
            "periodicRestart requests",
            "requests",
            "count",
            requests,
        );
        let memory = self.number(RESTART, "privateMemory", report).map(|node| {
            let kib = match node.value {
                Value::Integer(kib) => format!("{kib}KiB"),
                _ => String::new(),
            };
            Node::text(kib, node.span).named("privateMemory")
        });
        push(
            table,
            "periodicRestart privateMemory",
            "memory",
            "private_bytes",
            memory,
        );
        self.cpu(table, report);
    }

    /// The times of day of the first layer that has a schedule.
    fn schedule(&self, report: &mut Report) -> Option<Node> {
        let lists = self.sections("recycling/periodicRestart/schedule");
        let list = lists.first()?;
        let mut times: Vec<(&str, Node)> = Vec::new();
        for child in list.entries(report) {
            if child.name() == "clear" {
                times.clear();
                continue;
            }
            child.check(&pool_shapes::TIME, report);
            let Some(written) = child.need("value", "03:00:00", report) else {
                continue;
            };
            let text = written.text.trim();
            match child.name() {
                "remove" => times.retain(|(time, _)| *time != text),
                _ => times.push((text, Node::text(text, written.span).named("value"))),
            }
        }
        let times: Vec<_> = times.into_iter().map(|(_, node)| node).collect();
        (!times.is_empty()).then(|| Node::list(times, list.span()).named("schedule"))
    }

    /// What has no meaning here, each with the nearest thing.
    fn say(&self, report: &mut Report) {
        let mut said = Vec::new();
        for Say {
            path,
            names,
            unless,
            what,
            cure,
        } in &pool_shapes::SAY
        {
            let written = names.iter().find_map(|name| self.written(path, name));
            let Some(written) = written else { continue };
            let text = written.text.trim();
            if unless.iter().any(|word| word.eq_ignore_ascii_case(text)) || said.contains(what) {
                continue;
            }
            said.push(what);
            report.warning(written.span, *what, *cure);
        }
    }
}

/// One more rule that recycles when `condition` has `key` at the node's value.
fn push(table: &mut Table, name: &str, condition: &str, key: &str, node: Option<Node>) {
    let Some(node) = node else { return };
    let span = node.span;
    let mut rule = Table::default();
    rule.set("name", Node::text(name, span));
    rule.at(&["when", condition], span).set(key, node);
    rule.set("do", Node::list(vec![Node::text("recycle", span)], span));
    table.append("rule", Node::new(Value::Table(rule), span));
}
