//! Routes as an autoheal.toml has them.

use super::{
    condition::filter_lines,
    value::{duration, quoted},
};
use crate::config::model::{Route, RouteLimit};

/// The keys of a route's table and their values, those at their defaults left out.
pub(super) fn route(route: &Route) -> Vec<(&'static str, String)> {
    let Route {
        filter,
        response,
        slow,
        websocket,
    } = route;
    let mut lines = filter_lines(filter);
    match response {
        RouteLimit::Usual => {}
        RouteLimit::None => lines.push(("response", quoted("none"))),
        RouteLimit::After(limit) => lines.push(("response", duration(*limit))),
    }
    let unusual = |key, flag: &bool| (!flag).then(|| (key, flag.to_string()));
    lines.extend(unusual("slow", slow));
    lines.extend(unusual("websocket", websocket));
    lines
}
