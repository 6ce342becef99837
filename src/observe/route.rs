//! What holds for the requests of some paths alone.

use std::time::Duration;

use crate::decide::trigger::Filter;

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which requests.
    pub filter: Filter,
    /// Their limit to the response head.
    pub response: Limit,
    /// Whether they count as slow.
    pub slow: bool,
    /// Whether they may become WebSockets.
    pub websocket: bool,
}

/// A limit on the time to the response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// That of every request.
    Usual,
    /// None at all.
    None,
    /// This.
    After(Duration),
}

/// What a request's method and path mean for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The rules that count it, one bit each.
    pub rules: u64,
    /// Its limit to the response head.
    pub response: Option<Duration>,
}

/// The routes of a configuration. The first that matches holds.
#[derive(Clone, Debug, Default)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// In the order in which they are tried.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// The route of a request, if it has one.
    #[must_use]
    pub fn of(&self, method: &str, path: &str) -> Option<&Route> {
        let mut routes = self.0.iter();
        routes.find(|route| route.filter.matches(method, path))
    }

    /// The limits to the response head that routes have of their own.
    pub(super) fn limits(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().filter_map(|route| match route.response {
            Limit::After(limit) => Some(limit),
            Limit::Usual | Limit::None => None,
        })
    }
}

impl Route {
    /// What its requests mean, of what all requests would.
    pub(super) fn narrow(&self, look: Look, slow_rules: u64) -> Look {
        Look {
            rules: if self.slow {
                look.rules
            } else {
                look.rules & !slow_rules
            },
            response: match self.response {
                Limit::Usual => look.response,
                Limit::None => None,
                Limit::After(limit) => Some(limit),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str, slow: bool, response: Limit) -> Route {
        Route {
            filter: Filter {
                path: vec![path.parse().unwrap()],
                ..Filter::default()
            },
            response,
            slow,
            websocket: true,
        }
    }

    #[test]
    fn the_first_route_that_matches_holds_alone() {
        let routes = Routes::new(vec![
            route("/events/fast", true, Limit::Usual),
            route("/events/*", false, Limit::None),
        ]);
        let usual = Look {
            rules: 0b111,
            response: Some(Duration::from_secs(9)),
        };
        let look = |path| {
            let route = routes.of("GET", path);
            route.map(|route| route.narrow(usual, 0b010))
        };
        assert_eq!(look("/events/fast"), Some(usual));
        let freed = Look {
            rules: 0b101,
            response: None,
        };
        assert_eq!(look("/Events/1"), Some(freed));
        assert_eq!(look("/other"), None);
    }
}
