//! How a worker is restarted, and under which load.

use std::time::Duration;

use autoheal::cli::load::Plan;
use http::Method;
use rustix::process::Signal;

/// One line of the table for each proxy.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) signal: Signal,
    pub(crate) post: bool,
    /// CPU time that the worker burns before it listens.
    pub(crate) start: Duration,
}

impl Scenario {
    /// Every combination, the mildest first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let starts = [Duration::ZERO, Duration::from_millis(500)];
        let signals = [Signal::TERM, Signal::KILL];
        starts.into_iter().flat_map(move |start| {
            signals.into_iter().flat_map(move |signal| {
                [false, true].map(|post| Self {
                    signal,
                    post,
                    start,
                })
            })
        })
    }

    /// What `--only` calls it.
    pub(crate) fn name(&self) -> String {
        format!(
            "{}-{}-{}",
            self.signal_name().to_lowercase(),
            if self.post { "post" } else { "get" },
            self.start.as_millis()
        )
    }

    pub(crate) fn title(&self) -> String {
        let method = if self.post { "POST of 1 KiB" } else { "GET" };
        format!(
            "{method}, SIG{}, start takes {} ms ({})",
            self.signal_name(),
            self.start.as_millis(),
            self.name()
        )
    }

    fn signal_name(&self) -> &'static str {
        if self.signal == Signal::KILL {
            "KILL"
        } else {
            "TERM"
        }
    }

    /// Whether whoever is in flight at the restart can't be saved: a POST that a worker may have
    /// begun must not be sent again.
    pub(crate) fn loses(&self) -> bool {
        self.post && self.signal == Signal::KILL
    }

    /// 1,000 requests a second over 64 connections, each with an id of its own.
    pub(crate) fn plan(&self, url: &str, seconds: u32) -> std::io::Result<Plan> {
        let plan = Plan::to(url).map_err(std::io::Error::other)?;
        let (method, body_bytes) = match self.post {
            true => (Method::POST, 1024),
            false => (Method::GET, 0),
        };
        Ok(Plan {
            method,
            body_bytes,
            duration: Duration::from_secs(seconds.into()),
            timeout: Duration::from_secs(10),
            ids: true,
            ..plan
        })
    }
}
