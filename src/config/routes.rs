//! Reads `[[route]]`: what holds for the requests of some paths alone.

use std::time::Duration;

use super::{
    condition::filter,
    defaults::secs,
    diagnostic::Report,
    document::{Node, Value},
    model::{Route, RouteLimit, Settings},
    reader::{Fields, duration, flag, unwanted},
};

/// So many routes are looked through for each request.
const MOST_ROUTES: usize = 64;

/// Reads every route.
pub(super) fn read(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let Some(list) = top.get("route") else { return };
    let Value::List(nodes) = &list.value else {
        let cure = "write [[route]] with two brackets: there can be several";
        let _: Option<()> = unwanted(report, "route", list, "a list of tables", cure);
        return;
    };
    if nodes.len() > MOST_ROUTES {
        report.error(
            list.span,
            format!("there are more than {MOST_ROUTES} routes"),
            "join routes: path may be a list",
        );
    }
    let routes = nodes.iter().take(MOST_ROUTES);
    settings.routes = routes.filter_map(|node| route(node, report)).collect();
}

fn route(node: &Node, report: &mut Report) -> Option<Route> {
    let fields = Fields::of(node, "route", report)?;
    let filter = filter(&fields, report);
    if fields.get("path").is_none() {
        report.missing(
            Some(fields.span),
            "route has no path",
            "add path = \"/events/*\"; [timeouts] holds for every path",
        );
        return None;
    }
    let mut route = Route {
        filter: filter?,
        response: RouteLimit::Usual,
        slow: true,
        websocket: true,
    };
    fields.read(report, "response", &mut route.response, limit);
    fields.read(report, "slow", &mut route.slow, flag);
    fields.read(report, "websocket", &mut route.websocket, flag);
    if route.response == RouteLimit::Usual && route.slow && route.websocket {
        report.warning(
            fields.span,
            "this route changes nothing",
            "add response = \"none\", slow = false or websocket = false, or remove it",
        );
    }
    Some(route)
}

fn limit(report: &mut Report, name: &str, node: &Node) -> Option<RouteLimit> {
    match node.as_text() {
        Some("none") => Some(RouteLimit::None),
        _ => {
            let bounds = Duration::from_millis(100)..=secs(24 * 3600);
            duration(bounds)(report, name, node).map(RouteLimit::After)
        }
    }
}
