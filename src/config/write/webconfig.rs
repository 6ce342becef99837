//! A web.config: the worker as a launcher of IIS, the rules as `<monitoring>`.

use super::{
    Origin, Written,
    app_service::{AutoHeal, Counted, Part, When, auto_heal},
    deed::Deed,
    launcher,
    losses::Losses,
    sections::said,
    value::program,
    xml::Xml,
};
use crate::config::{app_service::arguments::join, model::Settings};

/// The whole file.
pub(super) fn file(settings: &Settings, origin: &Origin) -> Written {
    let mut losses = Losses::new("web.config");
    let mut left = said(settings, &origin.home);
    let mut xml = Xml::new(&format!("From {}, by autoheal convert.", origin.from));
    xml.open("configuration", &[]);
    xml.open("system.webServer", &[]);
    launcher::write(settings, &origin.home, &mut left, &mut xml);
    let heal = auto_heal(&settings.policy.rules, &origin.home, &mut losses);
    if let Some(mut heal) = heal {
        heal.triggers.sort_by_key(|part| order(&part.when));
        only_autoheal(&heal, &mut losses);
        heal.name_losses(&mut losses);
        monitoring(&heal, origin, &mut xml);
    }
    xml.close("system.webServer");
    xml.close("configuration");
    losses.settings(&left);
    let (text, is_whole) = xml.finish();
    if !is_whole {
        losses.all(
            "XML can't hold some of the control characters",
            "they are written as \u{fffd}: look for them in paths, programs and arguments",
        );
    }
    Written {
        text,
        warnings: losses.into_found(),
    }
}

fn order(when: &When) -> u8 {
    match when {
        When::Requests(_) => 0,
        When::Slow { .. } => 1,
        When::Status { .. } | When::Range { .. } => 2,
        When::Memory { .. } => 3,
    }
}

/// What autoheal obeys in a web.config, and App Service does not.
fn only_autoheal(heal: &AutoHeal, losses: &mut Losses) {
    let mut seen = [false; 4];
    for Part { rule, when } in &heal.triggers {
        let kind = usize::from(order(when));
        let is_second = std::mem::replace(&mut seen[kind], true) && kind != 2;
        let path = match when {
            When::Slow { path, .. } | When::Status { path, .. } | When::Range { path, .. } => path,
            When::Requests(_) | When::Memory { .. } => &None,
        };
        let more = [
            (is_second, "a second trigger of its kind"),
            (path.is_some(), "a path"),
            (matches!(when, When::Range { .. }), "a range of statuses"),
        ];
        for (_, what) in more.into_iter().filter(|(is_so, _)| *is_so) {
            losses.all(
                format!("\"{rule}\" has {what}, which only autoheal obeys"),
                "keep it if IIS does not read the file, or convert to ARM",
            );
        }
    }
}

fn monitoring(heal: &AutoHeal, origin: &Origin, xml: &mut Xml) {
    xml.open("monitoring", &[]);
    xml.open("triggers", &[]);
    let mut in_status = false;
    for Part { rule, when } in &heal.triggers {
        let is_status = order(when) == 2;
        if is_status && !in_status {
            xml.open("statusCode", &[]);
        } else if in_status && !is_status {
            xml.close("statusCode");
        }
        in_status = is_status;
        if *rule != when.usual_name() {
            xml.comment(rule);
        }
        trigger(when, xml);
    }
    if in_status {
        xml.close("statusCode");
    }
    xml.close("triggers");
    let min_uptime = ("minProcessExecutionTime", heal.min_uptime.as_str());
    let value = |word| [("value", word), min_uptime];
    match &heal.deed {
        Deed::Recycle => xml.empty("actions", &value("Recycle")),
        Deed::Log => xml.empty("actions", &value("LogEvent")),
        Deed::Run(command) => {
            xml.open("actions", &value("CustomAction"));
            let exe = program(&command.argv, &command.dir, &origin.home);
            let parameters = join(command.argv.iter().skip(1).map(String::as_str));
            xml.empty(
                "customAction",
                &[("exe", &exe), ("parameters", &parameters)],
            );
            xml.close("actions");
        }
    }
    xml.close("monitoring");
}

fn trigger(when: &When, xml: &mut Xml) {
    let whole = |first: &[(&str, &str)], counted: &Counted, path: &Option<String>| {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut all: Vec<_> = first.iter().map(own).collect();
        all.push(("count".to_owned(), counted.count.to_string()));
        all.push(("timeInterval".to_owned(), counted.interval.clone()));
        all.extend(path.clone().map(|path| ("path".to_owned(), path)));
        all
    };
    let (name, all) = match when {
        When::Requests(counted) => ("requests", whole(&[], counted, &None)),
        When::Slow {
            time_taken,
            counted,
            path,
        } => {
            let taken = [("timeTaken", time_taken.as_str())];
            ("slowRequests", whole(&taken, counted, path))
        }
        When::Status {
            status,
            sub,
            counted,
            path,
        } => {
            let (status, sub) = (status.to_string(), sub.to_string());
            let first = [
                ("statusCode", status.as_str()),
                ("subStatusCode", sub.as_str()),
                ("win32StatusCode", "0"),
            ];
            ("add", whole(&first, counted, path))
        }
        When::Range {
            codes,
            counted,
            path,
        } => ("add", whole(&[("statusCode", codes)], counted, path)),
        When::Memory { kib } => {
            let kib = ("privateBytesInKB".to_owned(), kib.to_string());
            ("memory", vec![kib])
        }
    };
    let pairs: Vec<_> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    xml.empty(name, &pairs);
}
