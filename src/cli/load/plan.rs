//! What to send, how often, for how long, and what counts as a right answer.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::LoadError;
use crate::time::MonoTime;

/// One run of load. Requests are due at a constant rate from its start, whatever the answers do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the requests go: `http://host:port/path?query`.
    pub url: Uri,
    /// The method of each request.
    pub method: Method,
    /// Requests due each second.
    pub rate_per_s: u32,
    /// For how long requests become due.
    pub duration: Duration,
    /// How many requests at most.
    pub requests_max: Option<u64>,
    /// Over exactly how many keep-alive connections.
    pub connections: usize,
    /// The length of each request's body, in bytes.
    pub body_bytes: usize,
    /// Whether the body is sent in chunks, without a Content-Length.
    pub chunked: bool,
    /// Headers that each request has.
    pub headers: HeaderMap,
    /// The one right status; without it any below 400 is.
    pub expect: Option<u16>,
    /// From when a request is due to the end of its answer.
    pub timeout: Duration,
    /// Whether each request carries an `X-Load-Id` of its own.
    pub ids: bool,
    /// A path of which one download is always in flight, checked to its end.
    pub download: Option<String>,
}

impl Plan {
    /// GETs to `url`: 1,000 a second for 10 s over 64 connections.
    ///
    /// # Errors
    /// When `url` is not an `http` URL.
    pub fn to(url: &str) -> Result<Self, LoadError> {
        let uri: Uri = url.parse().map_err(|_| LoadError::Url {
            url: url.to_owned(),
        })?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
            return Err(LoadError::Url {
                url: url.to_owned(),
            });
        }
        Ok(Self {
            url: uri,
            method: Method::GET,
            rate_per_s: 1_000,
            duration: Duration::from_secs(10),
            requests_max: None,
            connections: 64,
            body_bytes: 0,
            chunked: false,
            headers: HeaderMap::new(),
            expect: None,
            timeout: Duration::from_secs(70),
            ids: false,
            download: None,
        })
    }

    /// How many requests become due if nobody stops the run.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let nanos = self.duration.as_nanos() * u128::from(self.rate_per_s);
        let all = u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX);
        self.requests_max.map_or(all, |most| all.min(most))
    }

    /// When request `number` is due in a run that began at `start`.
    #[must_use]
    pub fn due(&self, start: MonoTime, number: u64) -> MonoTime {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.rate_per_s.max(1));
        start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many requests are due by `now` in a run that began at `start`.
    #[must_use]
    pub fn due_by(&self, start: MonoTime, now: MonoTime) -> u64 {
        if now < start {
            return 0;
        }
        let nanos = now.since(start).as_nanos() * u128::from(self.rate_per_s);
        let due = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
        due.saturating_add(1).min(self.requests())
    }

    /// Whether `status` is a right answer.
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        self.expect
            .map_or_else(|| (200..400).contains(&status), |one| one == status)
    }

    /// Path and query, as the request line has it.
    #[must_use]
    pub fn target(&self) -> &str {
        self.url.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The `Host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.url
            .authority()
            .map_or("", |authority| authority.as_str())
    }

    /// Where to connect to; blocks while a name is looked up.
    pub(super) fn resolve(&self) -> Result<SocketAddr, LoadError> {
        let host = self.url.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let unknown = |source| LoadError::Resolve {
            host: host.to_owned(),
            source,
        };
        let mut found = (host, self.url.port_u16().unwrap_or(80))
            .to_socket_addrs()
            .map_err(unknown)?;
        found
            .next()
            .ok_or_else(|| unknown(std::io::Error::other("the name has no address")))
    }

    /// What stands before any request is made.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        let zero = |what| Err(LoadError::Zero { what });
        match () {
            () if self.rate_per_s == 0 => zero("rate"),
            () if self.connections == 0 => zero("connections"),
            () if self.requests() == 0 => zero("number of requests"),
            () if self.timeout.is_zero() => zero("timeout"),
            () => Ok(()),
        }
    }
}

/// Reads `Name: value` as a header.
///
/// # Errors
/// When it is not one, with what to write instead.
pub fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let cure = "write it like \"Accept: text/html\"";
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("no colon; {cure}"))?;
    let name = name
        .trim()
        .parse()
        .map_err(|_| format!("\"{}\" is not a header name; {cure}", name.trim()))?;
    let value = value
        .trim()
        .parse()
        .map_err(|_| format!("\"{}\" is not a header value; {cure}", value.trim()))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rate_per_s: u32, millis: u64) -> Plan {
        Plan {
            rate_per_s,
            duration: Duration::from_millis(millis),
            ..Plan::to("http://127.0.0.1:1/").unwrap()
        }
    }

    #[test]
    fn requests_are_due_at_a_constant_rate_without_drift() {
        let plan = plan(3, 10_000);
        let start = MonoTime::from_millis(5);
        assert_eq!(plan.requests(), 30);
        assert_eq!(plan.due(start, 0), start);
        assert_eq!(plan.due(start, 3).since(start), Duration::from_secs(1));
        assert_eq!(
            plan.due(start, 3_000_000).since(start),
            Duration::from_secs(1_000_000)
        );
    }

    #[test]
    fn what_is_due_by_a_time_agrees_with_when_each_is_due() {
        let plan = plan(7, 3_000);
        let start = MonoTime::from_millis(1);
        for millis in 0..4_000 {
            let now = MonoTime::from_millis(millis);
            let counted = (0..plan.requests())
                .filter(|number| plan.due(start, *number) <= now)
                .count() as u64;
            let due = plan.due_by(start, now);
            assert!(
                due.abs_diff(counted) <= 1 && due <= counted,
                "{millis}: {due} {counted}"
            );
        }
    }

    #[test]
    fn the_number_of_requests_ends_a_run_before_its_time() {
        let plan = Plan {
            requests_max: Some(5),
            ..plan(1_000, 1_000)
        };
        assert_eq!(plan.requests(), 5);
        assert_eq!(plan.due_by(MonoTime::ZERO, MonoTime::from_millis(900)), 5);
    }

    #[test]
    fn only_http_urls_are_plans() {
        for wrong in ["https://x/", "/path", "x:80", "http://", ""] {
            assert!(Plan::to(wrong).is_err(), "{wrong}");
        }
        let plan = Plan::to("http://[::1]:80/a?b").unwrap();
        assert_eq!((plan.target(), plan.authority()), ("/a?b", "[::1]:80"));
        assert_eq!(plan.resolve().unwrap().to_string(), "[::1]:80");
    }

    #[test]
    fn one_expected_status_is_the_only_right_one() {
        let mut plan = plan(1, 1);
        assert!(plan.accepts(204) && plan.accepts(304) && !plan.accepts(404) && !plan.accepts(500));
        plan.expect = Some(500);
        assert!(plan.accepts(500) && !plan.accepts(200));
    }

    #[test]
    fn headers_are_read_with_or_without_a_blank() {
        assert_eq!(parse_header("A:b").unwrap().1, "b");
        assert_eq!(parse_header("Accept: text/html").unwrap().0, "accept");
        assert!(parse_header("no colon here").is_err());
        assert!(parse_header("a b: c").is_err());
    }
}
