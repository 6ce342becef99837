//! A `siteConfig` for ARM templates and `az webapp config set --generic-configurations`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Origin, Written,
    app_service::{AutoHeal, Counted, Part, When, auto_heal},
    deed::Deed,
    losses::Losses,
    section::take,
    sections::said,
    value::program,
};
use crate::config::{app_service::arguments::join, model::Settings};

/// How often App Service asks an app that is always on.
const ALWAYS_ON: Duration = Duration::from_secs(300);

/// The whole file.
pub(super) fn file(settings: &Settings, origin: &Origin) -> Written {
    let mut losses = Losses::new("ARM");
    let heal = auto_heal(&settings.policy.rules, &origin.home, &mut losses);
    let mut left = said(settings, &origin.home);
    let mut config = match heal {
        Some(heal) => json!({
            "autoHealEnabled": true,
            "autoHealRules": rules(heal, origin, &mut losses),
        }),
        None => {
            losses.all(
                "there is no rule that can be said",
                "auto-heal is written as switched off",
            );
            json!({ "autoHealEnabled": false })
        }
    };
    if let Some(interval) = settings.worker.always_on {
        config["alwaysOn"] = true.into();
        if interval == ALWAYS_ON {
            take(&mut left, "worker", "always_on");
        }
    }
    losses.settings(&left);
    Written {
        text: format!("{config:#}\n"),
        warnings: losses.into_found(),
    }
}

fn rules(mut heal: AutoHeal, origin: &Origin, losses: &mut Losses) -> Value {
    // As the object's keys are sorted, so that names are counted as they are when it is read.
    heal.triggers.sort_by_key(|part| match &part.when {
        When::Memory { .. } => 0,
        When::Requests(_) => 1,
        When::Slow { path: None, .. } => 2,
        When::Slow { path: Some(_), .. } => 3,
        When::Status { .. } => 4,
        When::Range { .. } => 5,
    });
    only_one(&mut heal, losses);
    heal.name_losses(losses);
    let mut triggers = Map::new();
    for Part { when, rule: _ } in &heal.triggers {
        let (key, value, single) = trigger(when);
        match triggers.get_mut(key) {
            None if single => drop(triggers.insert(key.to_owned(), value)),
            None => drop(triggers.insert(key.to_owned(), json!([value]))),
            Some(Value::Array(list)) => list.push(value),
            // A second slow one without a path stands in the list, where a path may be absent.
            Some(_) => match triggers.get_mut("slowRequestsWithPath") {
                Some(Value::Array(list)) => list.push(value),
                _ => drop(triggers.insert("slowRequestsWithPath".to_owned(), json!([value]))),
            },
        }
    }
    let mut actions = json!({ "minProcessExecutionTime": heal.min_uptime });
    match &heal.deed {
        Deed::Recycle => actions["actionType"] = "Recycle".into(),
        Deed::Log => actions["actionType"] = "LogEvent".into(),
        Deed::Run(command) => {
            let words = command.argv.iter().skip(1).map(String::as_str);
            actions["actionType"] = "CustomAction".into();
            actions["customAction"] = json!({
                "exe": program(&command.argv, &command.dir, &origin.home),
                "parameters": join(words),
            });
        }
    }
    json!({ "triggers": triggers, "actions": actions })
}

/// There is one object for requests and one number for memory.
fn only_one(heal: &mut AutoHeal, losses: &mut Losses) {
    let (mut requests, mut memory) = (false, false);
    let mut lost = Vec::new();
    heal.triggers.retain(|part| {
        let (seen, kind) = match part.when {
            When::Requests(_) => (&mut requests, "requests"),
            When::Memory { .. } => (&mut memory, "memory"),
            When::Slow { .. } | When::Status { .. } | When::Range { .. } => return true,
        };
        let is_first = !std::mem::replace(seen, true);
        if !is_first {
            lost.push((part.rule.clone(), kind));
        }
        is_first
    });
    for (rule, kind) in lost {
        losses.all(
            format!("\"{rule}\" is left out: there is one trigger for {kind}"),
            "the first one is kept; put the one that matters before it",
        );
    }
}

/// Its key, what it is, and whether the key has one value rather than a list.
fn trigger(when: &When) -> (&'static str, Value, bool) {
    let whole = |counted: &Counted, mut more: Value, path: &Option<String>| {
        more["count"] = counted.count.into();
        more["timeInterval"] = counted.interval.as_str().into();
        if let Some(path) = path {
            more["path"] = path.as_str().into();
        }
        more
    };
    match when {
        When::Requests(counted) => ("requests", whole(counted, json!({}), &None), true),
        When::Slow {
            time_taken,
            counted,
            path,
        } => {
            let more = json!({ "timeTaken": time_taken });
            match path {
                None => ("slowRequests", whole(counted, more, path), true),
                Some(_) => ("slowRequestsWithPath", whole(counted, more, path), false),
            }
        }
        When::Status {
            status,
            sub,
            counted,
            path,
        } => {
            let more = json!({ "status": status, "subStatus": sub, "win32Status": 0 });
            ("statusCodes", whole(counted, more, path), false)
        }
        When::Range {
            codes,
            counted,
            path,
        } => {
            let more = json!({ "statusCodes": codes });
            ("statusCodesRange", whole(counted, more, path), false)
        }
        When::Memory { kib } => ("privateBytesInKB", json!(kib), true),
    }
}
