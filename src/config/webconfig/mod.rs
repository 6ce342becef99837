//! Reads web.config as people have it: auto-heal rules and the launchers that start a worker.
//!
//! The result is the document that an autoheal.toml of the same meaning would make. Sections that
//! are not ours are passed over; what is wrong inside ours is said in the file's own words.

mod candidates;
mod file_change;
mod iis_only;
mod initialization;
mod launcher;
mod malformed;
mod pool_shapes;
mod pools;
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
const OURS: [&str; 4] = ["monitoring", "httpPlatform", "aspNetCore", INITIALIZATION];
const INITIALIZATION: &str = "applicationInitialization";
/// Elements of an application pool, which people put into a web.config.
const OF_POOLS: [&str; 4] = [
    "applicationPools",
    "recycling",
    "periodicRestart",
    "processModel",
];

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
    if let Some(range) = xml::transform(&parsed) {
        report.partial = true;
        report.error(
            Span::new(source, range),
            "this is a transform (XDT): it changes another web.config and is none itself",
            "give what it makes: dotnet publish writes the whole web.config into its folder",
        );
        return table;
    }
    let root = Element::new(parsed.root_element(), source);
    if root.name() != "configuration" {
        misplaced_root(&root, report);
        return table;
    }
    let context = Context {
        around,
        root: report.dir(root.span()).to_path_buf(),
    };
    let found_before = report.found();
    let mut found = Found::default();
    let host = root.children_named("system.applicationHost").next();
    found.look(&root, host.is_some(), report);
    candidates::choose(&mut found.sections, &found.handlers, report);
    sections_into(&mut table, &found.sections, &context, report);
    if let Some(host) = host {
        pools::read(&host, &mut table, report);
    } else {
        candidates::commented(&parsed, &found.sections, source, report);
    }
    if table.0.is_empty() && found.sections.is_empty() && report.found() == found_before {
        report.warning(
            root.span(),
            "nothing in this web.config is for autoheal",
            "add <monitoring>, <httpPlatform> or <aspNetCore> to <system.webServer>",
        );
    }
    table
}

/// What a file has for us.
#[derive(Default)]
struct Found<'a, 'i> {
    sections: Vec<Element<'a, 'i>>,
    handlers: Vec<Element<'a, 'i>>,
}

impl<'a, 'i> Found<'a, 'i> {
    /// In an applicationHost.config (`is_host`) a location is a site: the only one is ours.
    fn look(&mut self, root: &Element<'a, 'i>, is_host: bool, report: &mut Report) {
        let mut elsewhere = Vec::new();
        for child in root.children() {
            match child.name() {
                "system.webServer" => self.collect(&child, report),
                "location" if is_whole_site(&child) => self.location(&child, report),
                "location" => elsewhere.push(child),
                "system.applicationHost" => {}
                _ => misplaced(&child, report),
            }
        }
        elsewhere.retain(|location| of_location(location).next().is_some());
        match elsewhere[..] {
            [site] if is_host && self.sections.is_empty() => self.location(&site, report),
            _ => elsewhere
                .iter()
                .for_each(|other| passed_over(other, report)),
        }
    }

    fn location(&mut self, location: &Element<'a, 'i>, report: &mut Report) {
        for inner in location.children() {
            match inner.name() {
                "system.webServer" => self.collect(&inner, report),
                _ => misplaced(&inner, report),
            }
        }
    }

    /// Our sections of one `system.webServer`; what may be one of them misspelt is reported.
    fn collect(&mut self, server: &Element<'a, 'i>, report: &mut Report) {
        for child in server.children() {
            let name = child.name();
            if OURS.contains(&name) {
                self.sections.push(child);
            } else if name == "handlers" {
                self.handlers.push(child);
            } else if OF_POOLS.contains(&name) {
                of_a_pool(&child, report);
            } else if ["autoHealRules", "autoHeal"].contains(&name) {
                report.error(
                    child.span(),
                    format!("<{name}> is no section of web.config: ARM calls it so"),
                    "write <monitoring><triggers> ... </triggers><actions value=\"Recycle\" />\
                     </monitoring>",
                );
            } else if let Some(near) = keys::nearest(name, &OURS) {
                report.error(
                    child.span(),
                    format!("unknown section <{name}>"),
                    format!("did you mean <{near}>?"),
                );
            } else if ["triggers", "actions"].contains(&name) {
                report.error(
                    child.span(),
                    format!("<{name}> stands outside of <monitoring>"),
                    "put <monitoring> ... </monitoring> around <triggers> and <actions>",
                );
            }
        }
    }
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
        if seen.contains(&name) {
            report.error(
                section.span(),
                format!("a second <{name}>"),
                "keep one; the other may stand in a comment: <!-- ... -->",
            );
        } else if name == "monitoring" {
            triggers::read(section, table, context, report);
        } else if name == INITIALIZATION {
            initialization::read(section, table, report);
        } else {
            launcher::read(section, table, context, report);
        }
        seen.push(name);
    }
}

/// A location without a path, or with ".", is the site itself.
fn is_whole_site(location: &Element<'_, '_>) -> bool {
    location
        .attribute("path")
        .is_none_or(|path| matches!(path.text.trim(), "" | "."))
}

/// Our sections in a location.
fn of_location<'a, 'i>(location: &Element<'a, 'i>) -> impl Iterator<Item = Element<'a, 'i>> {
    let servers = location.children_named("system.webServer");
    let sections = servers.flat_map(|server| server.children());
    sections.filter(|section| OURS.contains(&section.name()))
}

fn passed_over(location: &Element<'_, '_>, report: &mut Report) {
    for section in of_location(location) {
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

fn of_a_pool(element: &Element<'_, '_>, report: &mut Report) {
    let name = element.name();
    let around = match name {
        "applicationPools" => "<configuration><system.applicationHost>",
        _ => "<configuration><system.applicationHost><applicationPools><add name=\"POOL\">",
    };
    report.error(
        element.span(),
        format!("<{name}> is a part of applicationHost.config, not of web.config"),
        format!("put it into {around}, or give IIS's applicationHost.config"),
    );
}

fn misplaced(element: &Element<'_, '_>, report: &mut Report) {
    let name = element.name();
    if OF_POOLS.contains(&name) {
        of_a_pool(element, report);
    } else if OURS.contains(&name) {
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
