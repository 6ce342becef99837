//! `<applicationInitialization>`: the pages that IIS asks for before clients do become the
//! worker's warm-up.

use super::{
    super::{diagnostic::Report, document::Node, document::Table},
    xml::{Element, Shape},
};

const LIST: Shape = Shape {
    attributes: &[
        "doAppInitAfterRestart",
        "remapManagedRequestsTo",
        "skipManagedModules",
    ],
    children: &["add", "clear", "remove"],
    wrong: &[(
        "initializationPage",
        "put it into <add initializationPage=\"/\" />",
    )],
};
const PAGE: Shape = Shape {
    attributes: &["initializationPage", "hostName"],
    children: &[],
    wrong: &[("path", "write initializationPage")],
};

/// Reads the section into the worker of `table`.
pub(super) fn read(section: &Element<'_, '_>, table: &mut Table, report: &mut Report) {
    section.check(&LIST, report);
    let mut pages: Vec<Node> = Vec::new();
    for child in section.entries(report) {
        child.check(&PAGE, report);
        let page = child.attribute("initializationPage");
        match child.name() {
            "clear" => pages.clear(),
            "remove" => pages.retain(|known| known.as_text() != page.map(|it| it.text.trim())),
            _ => {
                let Some(written) = child.need("initializationPage", "/", report) else {
                    continue;
                };
                // IIS takes a page without a slash for one of the site's root, too.
                let text = match written.text.trim() {
                    text if text.starts_with('/') => text.to_owned(),
                    text => format!("/{text}"),
                };
                pages.push(Node::text(text, written.span).named("initializationPage"));
            }
        }
        let host = child.attribute("hostName");
        if let Some(host) = host.filter(|host| !host.text.trim().is_empty()) {
            report.warning(
                host.span,
                "a page is asked for under the name localhost, whatever hostName says",
                "remove hostName, or leave it for IIS",
            );
        }
    }
    let remap = section.attribute("remapManagedRequestsTo");
    if let Some(remap) = remap.filter(|remap| !remap.text.trim().is_empty()) {
        report.warning(
            remap.span,
            "no page stands in while the app warms up: requests wait, or go to the old worker",
            "remove remapManagedRequestsTo, or leave it for IIS",
        );
    }
    if !pages.is_empty() {
        let span = section.span();
        let pages = Node::list(pages, span).named("applicationInitialization");
        table.at(&["worker"], span).set("warmup", pages);
    }
}
