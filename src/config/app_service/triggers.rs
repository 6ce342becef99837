//! Triggers: each becomes a rule, and all of them share the one action.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    super::{
        diagnostic::{Report, Span},
        document::{Node, Table, Value},
        resolve::window,
    },
    Part, Written, timespan,
};
use crate::{
    decide::trigger::MAX_RULES,
    units::{ByteSize, StatusSet, format_duration},
};

/// The rules of one file, as they are read.
pub(in crate::config) struct Rules {
    list: Vec<Table>,
    names: Vec<String>,
}

/// What a format calls the parts of a status; `None`: it has no such part.
pub(in crate::config) struct StatusNames {
    pub(in crate::config) status: &'static str,
    pub(in crate::config) sub: Option<&'static str>,
    pub(in crate::config) win32: Option<&'static str>,
    pub(in crate::config) example: &'static str,
}

impl Rules {
    pub(in crate::config) fn new() -> Self {
        Self {
            list: Vec::new(),
            names: Vec::new(),
        }
    }

    pub(in crate::config) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many more are read; one more than can be kept is enough to be told.
    pub(in crate::config) fn room(&self) -> usize {
        (MAX_RULES + 1).saturating_sub(self.list.len())
    }

    pub(in crate::config) fn requests(&mut self, trigger: &impl Part, report: &mut Report) {
        if let Some(when) = counted(trigger, report) {
            self.push("requests", "requests".to_owned(), when, trigger.span());
        }
    }

    pub(in crate::config) fn slow(&mut self, trigger: &impl Part, report: &mut Report) {
        let taken = time(trigger, "timeTaken", "00:00:30", report);
        let when = counted(trigger, report);
        if let (Some(taken), Some(mut when)) = (taken, when) {
            when.set("time_taken", taken);
            set_path(trigger, &mut when);
            self.push("slow", "slow requests".to_owned(), when, trigger.span());
        }
    }

    pub(in crate::config) fn status(
        &mut self,
        trigger: &impl Part,
        names: &StatusNames,
        report: &mut Report,
    ) {
        let status = trigger.need(names.status, names.example, report);
        let sub = match names.sub {
            Some(name) => number(trigger, name, 0..=999, report),
            None => Ok(None),
        };
        if let Some(name) = names.win32 {
            win32(trigger, name, report);
        }
        let when = counted(trigger, report);
        let (Some(status), Ok(sub)) = (status, sub) else {
            return;
        };
        let written = status.text.trim();
        if let Err(error) = written.parse::<StatusSet>() {
            let cure = format!("write a status like {}", names.example);
            report.error(status.span, error.what, cure);
            return;
        }
        let codes = match sub {
            Some(sub) if sub > 0 && !written.contains('.') => format!("{written}.{sub}"),
            _ => written.to_owned(),
        };
        let Some(mut when) = when else {
            return;
        };
        when.set("codes", Node::text(codes.clone(), status.span));
        set_path(trigger, &mut when);
        self.push("status", format!("status {codes}"), when, status.span);
    }

    /// `privateBytesInKB` of `trigger`.
    pub(in crate::config) fn memory(&mut self, trigger: &impl Part, report: &mut Report) {
        if let Some(when) = memory(trigger, report) {
            let span = trigger.span();
            self.push("memory", "private memory".to_owned(), when, span);
        }
    }

    fn push(&mut self, condition: &str, name: String, when: Table, span: Span) {
        let same = self.names.iter().filter(|other| **other == name).count();
        let shown = match same {
            0 => name.clone(),
            same => format!("{name} ({})", same + 1),
        };
        self.names.push(name);
        let mut rule = Table::default();
        rule.set("name", Node::text(shown, span));
        rule.at(&["when"], span)
            .set(condition, Node::new(Value::Table(when), span));
        self.list.push(rule);
    }

    /// The value of `rule` in a document: every rule does `action` after `min_uptime`.
    pub(in crate::config) fn into_node(self, action: &Node, min_uptime: &Node, span: Span) -> Node {
        let nodes = self.list.into_iter().map(|mut rule| {
            rule.set("do", action.clone());
            rule.set("min_uptime", min_uptime.clone());
            let span = rule.get("name").map_or(span, |name| name.span);
            Node::new(Value::Table(rule), span)
        });
        Node::list(nodes.collect(), span)
    }
}

/// `count` and `timeInterval`, which three triggers have.
fn counted(trigger: &impl Part, report: &mut Report) -> Option<Table> {
    let count = match trigger.need("count", "10", report) {
        Some(_) => number(trigger, "count", 1..=1_000_000_000, report)
            .ok()
            .flatten(),
        None => None,
    };
    let window = time(trigger, "timeInterval", "00:02:00", report);
    let span = trigger.value("count")?.span;
    let mut when = Table::default();
    when.set(
        "count",
        Node::new(Value::Integer(count?), span).named("count"),
    );
    when.set("window", window?);
    Some(when)
}

fn set_path(trigger: &impl Part, when: &mut Table) {
    let path = trigger.value("path");
    if let Some(path) = path.filter(|path| !path.text.trim().is_empty()) {
        let node = Node::text(path.text.trim(), path.span).named("path");
        when.set("path", node);
    }
}

/// Outside of IIS a Win32 status is never known.
fn win32(trigger: &impl Part, name: &'static str, report: &mut Report) {
    let read = number(trigger, name, 0..=i64::from(u32::MAX), report);
    if let (Ok(Some(1..)), Some(written)) = (read, trigger.value(name)) {
        report.warning(
            written.span,
            "Win32 statuses exist only inside IIS: every such answer counts here",
            format!("remove {name}, or set it to 0, which means any"),
        );
    }
}

fn memory(trigger: &impl Part, report: &mut Report) -> Option<Table> {
    let written = trigger.need("privateBytesInKB", "819200", report)?;
    let most = 16 * 1024 * 1024 * 1024;
    let kib = number(trigger, "privateBytesInKB", 0..=most, report).ok()??;
    // The least that App Service's portal takes; less is a worker that restarts for ever.
    if kib < 1024 {
        let meant = if kib == 0 { 819_200 } else { kib * 1024 };
        let human = ByteSize::kib(u64::try_from(meant).unwrap_or(0)).human();
        report.error(
            written.span,
            format!("privateBytesInKB is in KB: {kib} KB is less than any worker needs"),
            format!("did you mean {meant} ({human})?"),
        );
        return None;
    }
    let mut when = Table::default();
    let bytes = Node::text(format!("{kib}KiB"), written.span);
    when.set("private_bytes", bytes.named("privateBytesInKB"));
    Some(when)
}

/// A whole number; `Ok(None)` if the value is absent or blank, `Err` if it was reported.
fn number(
    part: &impl Part,
    name: &'static str,
    bounds: RangeInclusive<i64>,
    report: &mut Report,
) -> Result<Option<i64>, Reported> {
    let Some(written) = part.value(name) else {
        return Ok(None);
    };
    let text = written.text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<i64>() {
        Ok(number) if bounds.contains(&number) => Ok(Some(number)),
        _ => {
            let (least, most) = (bounds.start(), bounds.end());
            report.error(
                written.span,
                format!("{name} wants a whole number from {least} to {most}, not \"{text}\""),
                format!("write {}, digits only", part.pair(name, "NUMBER")),
            );
            Err(Reported)
        }
    }
}

/// What was wrong is in the report.
struct Reported;

/// A required `hh:mm:ss`.
fn time(part: &impl Part, name: &'static str, example: &str, report: &mut Report) -> Option<Node> {
    let written = part.need(name, example, report)?;
    let read = span_of_time(&written, name, report)?;
    let most = *window().end();
    if name == "timeInterval" && timespan::parse(name, written.text).is_ok_and(|t| t > most) {
        report.warning(
            written.span,
            "autoheal looks back at most 24:00:00, and does so here",
            format!("write {} with a smaller count", part.pair(name, "24:00:00")),
        );
        return Some(Node::text(format_duration(most), written.span).named(name));
    }
    Some(read)
}

/// Reads a value of the form `hh:mm:ss`.
pub(super) fn span_of_time(
    written: &Written<'_>,
    name: &'static str,
    report: &mut Report,
) -> Option<Node> {
    match timespan::parse(name, written.text) {
        Ok(Duration::ZERO) if name != "minProcessExecutionTime" => {
            report.error(
                written.span,
                format!("{name} is no time at all"),
                "write hours:minutes:seconds, like 00:02:00",
            );
            None
        }
        Ok(time) => Some(Node::text(format_duration(time), written.span).named(name)),
        Err((what, cure)) => {
            report.error(written.span, what, cure);
            None
        }
    }
}
