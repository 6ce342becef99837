//! Reads the auto-heal rules of App Service's JSON: ARM templates, `siteConfig`, what
//! `az webapp config show` prints, or `autoHealRules` alone.
//!
//! The result is the document that a web.config of the same rules would make. What is not about
//! auto-heal is passed over; what is wrong inside the rules is said in the file's own words.

mod evaluate;
mod functions;
mod object;
mod parameters;
mod parse;
mod rules;
mod template;
#[cfg(test)]
mod tests;
mod view;

pub(super) use self::parameters::Given;
use self::{
    evaluate::Work,
    functions::same,
    object::kind,
    template::{Found, Site},
};
use super::{
    Surroundings,
    app_service::Context,
    diagnostic::{Report, Span},
    document::{Node, Table, Value},
    keys,
};

/// Reads a file's tree; `given` is what parameters files say.
pub(super) fn read(
    root: &Node,
    given: &Given,
    around: &Surroundings<'_>,
    report: &mut Report,
) -> Table {
    let mut table = Table::default();
    let found_before = report.found();
    let mut work = Work::new(report);
    let found = Found::of(root, given, &mut work);
    for site in &found.sites {
        misspelt(site, &mut work);
    }
    let chosen = choose(&found, &mut work);
    let disabled = chosen
        .as_ref()
        .is_some_and(|(site, _)| is_off(site, &mut work));
    let always_on = always_on(chosen.as_ref().map(|(site, _)| *site), &found, &mut work);
    let path = health_path(chosen.as_ref().map(|(site, _)| *site), &found, &mut work);
    match chosen {
        Some((site, rules)) => {
            let context = Context {
                around,
                root: report.dir(root.span).to_path_buf(),
            };
            let rules = rules::read(&rules, &context, report);
            if disabled {
                warn_of_disabled(site, report);
            } else if let Some(rules) = rules {
                warn_of_no_flag(site, report);
                table.set("rule", rules);
            }
        }
        None if report.found() == found_before => nothing(root, &found, report),
        None => {}
    }
    if let Some(path) = path {
        health(path, &mut table);
    }
    if let Some(always_on) = always_on {
        let worker = table.at(&["worker"], always_on.span);
        worker.set("always_on", always_on.named("alwaysOn"));
    }
    table
}

/// Whether the site is always on, if it is told which site and if it says so, in our words.
fn always_on(chosen: Option<&Site<'_>>, found: &Found<'_>, work: &mut Work<'_>) -> Option<Node> {
    let ((Some(site), _) | (None, [site])) = (chosen, &found.sites[..]) else {
        return None;
    };
    let (is_on, span) = flag(site, "alwaysOn", work)?;
    Some(Node::text(if is_on { "5min" } else { "off" }, span))
}

/// The site's `healthCheckPath`, if it is told which site.
fn health_path(chosen: Option<&Site<'_>>, found: &Found<'_>, work: &mut Work<'_>) -> Option<Node> {
    let ((Some(site), _) | (None, [site])) = (chosen, &found.sites[..]) else {
        return None;
    };
    let path = site.config.as_ref()?.get("healthCheckPath", work)?;
    let text = path.node.as_text()?.trim();
    (!text.is_empty()).then(|| Node::text(text, path.node.span))
}

/// The health check as App Service has it: asked each minute, down after ten failures.
fn health(path: Node, table: &mut Table) {
    let span = path.span;
    let health = table.at(&["health"], span);
    health.set("path", path.named("healthCheckPath"));
    health.set("interval", Node::text("1min", span));
    health.set("timeout", Node::text("1min", span));
    health.set("failures", Node::new(Value::Integer(10), span));
}

/// The site whose rules hold, and the rules without expressions. Of several sites none is guessed.
fn choose<'f, 'a>(found: &'f Found<'a>, work: &mut Work<'_>) -> Option<(&'f Site<'a>, Node)> {
    let with_rules: Vec<_> = found.sites.iter().filter(|s| s.rules.is_some()).collect();
    let on: Vec<_> = with_rules
        .iter()
        .copied()
        .filter(|s| !is_off(s, work))
        .collect();
    let sites = if on.is_empty() { with_rules } else { on };
    let (first, others) = sites.split_first()?;
    let rules = first.rules.as_ref()?.resolved(work);
    let differ = |site: &&&Site<'_>, work: &mut Work<'_>| {
        let other = site.rules.as_ref();
        let other = work.quietly(|work| other.map(|view| view.resolved(work)));
        other.is_none_or(|other| !same(&rules.value, &other.value))
    };
    let other = others.iter().find(|site| differ(site, work));
    let Some(other) = other else {
        return Some((first, rules));
    };
    let named: Vec<_> = sites
        .iter()
        .map(|site| {
            let (line, _) = work.report.line_column(site.span);
            let app = site.app.as_deref().unwrap_or("a site without a name");
            format!("{app} (line {line})")
        })
        .collect();
    work.report.error(
        other.span,
        format!(
            "several sites have rules of their own: {}",
            named.join(", ")
        ),
        "autoheal stands before one app: give a file with that site's siteConfig alone, like what \
         az webapp config show -g GROUP -n APP prints",
    );
    None
}

/// Whether a site's rules are switched off.
fn is_off(site: &Site<'_>, work: &mut Work<'_>) -> bool {
    flag(site, "autoHealEnabled", work).is_some_and(|(is_on, _)| !is_on)
}

/// A flag of a site, and where it stands; what is no flag is reported.
fn flag(site: &Site<'_>, key: &str, work: &mut Work<'_>) -> Option<(bool, Span)> {
    let flag = site.config.as_ref()?.get(key, work)?;
    let span = flag.node.span;
    match &flag.node.value {
        Value::Flag(flag) => Some((*flag, span)),
        Value::Text(text) if text.eq_ignore_ascii_case("false") => Some((false, span)),
        Value::Text(text) if text.eq_ignore_ascii_case("true") => Some((true, span)),
        _ => {
            let what = format!("{key} wants true or false, not {}", kind(&flag.node));
            let cure = format!("write \"{key}\": true");
            work.report.error(span, what, cure);
            None
        }
    }
}

fn warn_of_disabled(site: &Site<'_>, report: &mut Report) {
    let flag = site
        .config
        .as_ref()
        .and_then(|c| c.entry("autoHealEnabled"));
    report.warning(
        flag.map_or(site.span, |flag| flag.key_span),
        "autoHealEnabled is false: its rules are not in force",
        "write \"autoHealEnabled\": true to have them obeyed",
    );
}

fn warn_of_no_flag(site: &Site<'_>, report: &mut Report) {
    if site
        .config
        .as_ref()
        .is_some_and(|c| !c.has("autoHealEnabled"))
    {
        report.warning(
            site.span,
            "there is no autoHealEnabled beside these rules; autoheal obeys them",
            "add \"autoHealEnabled\": true, without which App Service may leave them off",
        );
    }
}

/// Keys beside the rules are passed over, unless one seems to be meant for them.
fn misspelt(site: &Site<'_>, work: &mut Work<'_>) {
    const OURS: [&str; 3] = ["autoHealRules", "autoHealEnabled", "alwaysOn"];
    let Some(config) = &site.config else {
        return;
    };
    for entry in config.keys() {
        let known = OURS
            .iter()
            .any(|ours| ours.eq_ignore_ascii_case(&entry.key));
        if let (false, Some(near)) = (known, keys::nearest(&entry.key, &OURS)) {
            work.report.error(
                entry.key_span,
                format!("siteConfig has no {}", entry.key),
                format!("did you mean {near}?"),
            );
        }
    }
}

/// Says that there is no rule, and where one could stand.
fn nothing(root: &Node, found: &Found<'_>, report: &mut Report) {
    const CURE: &str = "add \"autoHealEnabled\": true and \"autoHealRules\": { ... } to the \
                        site's \"siteConfig\", or leave this file out";
    let span = Span {
        end: root.span.start + 1,
        ..root.span
    };
    if let Some(link) = found.links.first() {
        report.warning(
            *link,
            "no auto-heal rules here; this template is in another file, which is not read",
            "give that file too, if the site is in it",
        );
    } else if let Some(site) = found.sites.first() {
        report.warning(site.span, "this site has no auto-heal rules", CURE);
    } else if found.is_known {
        report.warning(span, "no site in this file has auto-heal rules", CURE);
    } else {
        let near = match &root.value {
            Value::Table(top) => top.0.iter().find_map(|entry| {
                let near = keys::nearest(&entry.key, &TOP)?;
                Some((entry, near))
            }),
            _ => None,
        };
        match near {
            Some((entry, near)) => report.error(
                entry.key_span,
                format!("{} means nothing here", entry.key),
                format!("did you mean {near}?"),
            ),
            None => report.error(
                span,
                "nothing in this JSON is for autoheal",
                "give an ARM template, a siteConfig, what az webapp config show prints, or \
                 { \"autoHealRules\": { ... } }",
            ),
        }
    }
}

/// What a file of ours begins with.
const TOP: [&str; 6] = [
    "autoHealRules",
    "siteConfig",
    "resources",
    "properties",
    "triggers",
    "actions",
];
