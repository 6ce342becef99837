//! Reads web.config as people have it: auto-heal rules and the launchers that start a worker.
//!
//! The result is the document that an autoheal.toml of the same meaning would make. Sections that
//! are not ours are passed over; what is wrong inside ours is said in the file's own words.

mod iis_only;
mod launcher;
#[cfg(test)]
mod tests;
mod triggers;
mod variables;
mod xml;

use self::xml::Element;
use super::{
    Surroundings,
    app_service::Context,
    diagnostic::{Report, Span},
    document::Table,
    keys,
};

/// Our sections of `system.webServer`.
const OURS: [&str; 3] = ["monitoring", "httpPlatform", "aspNetCore"];

/// Reads a file's text, which the report knows as `source`.
pub(super) fn read(
    text: &str,
    source: usize,
    around: &Surroundings<'_>,
    report: &mut Report,
) -> Table {
    let mut table = Table::default();
    let parsed = match xml::parse(text) {
        Ok(parsed) => parsed,
        Err(xml::Unreadable { range, what, cure }) => {
            report.partial = true;
            report.error(Span::new(source, range), what, cure);
            return table;
        }
    };
    let root = Element::new(parsed.root_element(), source);
    if root.name() != "configuration" {
        misplaced_root(&root, report);
        return table;
    }
    let context = Context {
        around,
        root: report.dir(root.span()).to_path_buf(),
    };
    let mut sections = Vec::new();
    let found_before = report.found();
    for child in root.children() {
        match child.name() {
            "system.webServer" => collect(&child, &mut sections, report),
            "location" if is_whole_site(&child) => {
                for inner in child.children() {
                    match inner.name() {
                        "system.webServer" => collect(&inner, &mut sections, report),
                        _ => misplaced(&inner, report),
                    }
                }
            }
            "location" => passed_over(&child, report),
            _ => misplaced(&child, report),
        }
    }
    if sections.is_empty() && report.found() == found_before {
        report.warning(
            root.span(),
            "nothing in this web.config is for autoheal",
            "add <monitoring>, <httpPlatform> or <aspNetCore> to <system.webServer>",
        );
    }
    sections_into(&mut table, &sections, &context, report);
    table
}

fn sections_into(
    table: &mut Table,
    sections: &[Element<'_, '_>],
    context: &Context<'_>,
    report: &mut Report,
) {
    let mut seen: Vec<&str> = Vec::new();
    for section in sections {
        let name = section.name();
        let starts_worker = name != "monitoring";
        if seen.contains(&name) {
            report.error(
                section.span(),
                format!("a second <{name}>"),
                "keep one; the other may stand in a comment: <!-- ... -->",
            );
        } else if starts_worker && seen.iter().any(|seen| *seen != "monitoring") {
            report.error(
                section.span(),
                "<httpPlatform> and <aspNetCore> both start a worker",
                "keep the one whose processPath starts your app",
            );
        } else if starts_worker {
            launcher::read(section, table, context, report);
        } else {
            triggers::read(section, table, context, report);
        }
        seen.push(name);
    }
}

/// Our sections of one `system.webServer`; what may be one of them misspelt is reported.
fn collect<'a, 'i>(
    server: &Element<'a, 'i>,
    sections: &mut Vec<Element<'a, 'i>>,
    report: &mut Report,
) {
    for child in server.children() {
        if OURS.contains(&child.name()) {
            sections.push(child);
            continue;
        }
        if let Some(near) = keys::nearest(child.name(), &OURS) {
            report.error(
                child.span(),
                format!("unknown section <{}>", child.name()),
                format!("did you mean <{near}>?"),
            );
        } else if ["triggers", "actions"].contains(&child.name()) {
            report.error(
                child.span(),
                format!("<{}> stands outside of <monitoring>", child.name()),
                "put <monitoring> ... </monitoring> around <triggers> and <actions>",
            );
        }
    }
}

/// A location without a path, or with ".", is the site itself.
fn is_whole_site(location: &Element<'_, '_>) -> bool {
    location
        .attribute("path")
        .is_none_or(|path| matches!(path.text.trim(), "" | "."))
}

fn passed_over(location: &Element<'_, '_>, report: &mut Report) {
    let inner = location.children().flat_map(|server| {
        let sections: Vec<_> = server.children().collect();
        sections
    });
    for section in inner.filter(|section| OURS.contains(&section.name())) {
        report.warning(
            section.span(),
            format!(
                "<{}> in a location with a path is passed over",
                section.name()
            ),
            "move it to <system.webServer> of the whole site; a [[rule]] in autoheal.toml can \
             have a path",
        );
    }
}

fn misplaced(element: &Element<'_, '_>, report: &mut Report) {
    let name = element.name();
    if OURS.contains(&name) {
        report.error(
            element.span(),
            format!("<{name}> stands outside of <system.webServer>"),
            format!("put <system.webServer> ... </system.webServer> around <{name}>"),
        );
    } else if let Some(near) = keys::nearest(name, &["system.webServer", "location"]) {
        report.error(
            element.span(),
            format!("unknown section <{name}>"),
            format!("did you mean <{near}>?"),
        );
    }
}

fn misplaced_root(root: &Element<'_, '_>, report: &mut Report) {
    let name = root.name();
    report.partial = true;
    let cure = match name {
        "system.webServer" => "put <configuration> ... </configuration> around it".to_owned(),
        _ if OURS.contains(&name) => "put <configuration><system.webServer> ... \
             </system.webServer></configuration> around it"
            .to_owned(),
        _ => match keys::nearest(name, &["configuration"]) {
            Some(near) => format!("did you mean <{near}>?"),
            None => "give the web.config of the app: its first element is <configuration>".into(),
        },
    };
    report.error(
        root.span(),
        format!("this is not a web.config: its first element is <{name}>"),
        cure,
    );
}
